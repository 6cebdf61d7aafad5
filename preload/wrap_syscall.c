/* SPDX-License-Identifier: MIT */
/*
 * syscall(2): Rust's standard library, parking_lot, absl and libstdc++'s atomics wait by it, without
 * ever touching pthread.  Numbers that wait are timed and treated as the functions of libc are (preload/wrap_wait,
 * wrap_socket); everything else is passed on, with all six arguments and errno, by a jump after one look at a table.
 */
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/sys.h"
#include "preload/host.h"
#include "preload/interpose.h"
#include "preload/socket.h"
#include "preload/wait.h"

INTERPOSE_ROW(syscall);

/* What is to be done about a number, for those that wait which argument is a relative time-out that begins anew. */
enum how { PASSED_ON, OTHER, TIMED, WAITS, MS_2, MS_3, TV_4, TS_2, TS_3, TS_4, RECEIVES, SENDS };

#define CALLS 512u
static const struct {
	uint8_t how, class;
} call_of[CALLS] = {
	/* Those that are more than one call, or that another of our wrappers must see. */
	[SYS_futex] = {OTHER, WAIT_FUTEX},
	[SYS_fcntl] = {OTHER, WAIT_FLOCK},
	[SYS_io_uring_enter] = {OTHER, WAIT_EVENTS},
	[SYS_nanosleep] = {OTHER, WAIT_SLEEP},
	[SYS_clock_nanosleep] = {OTHER, WAIT_SLEEP},
	[SYS_setsockopt] = {OTHER, 0},
	[SYS_unshare] = {OTHER, 0},
	[SYS_setns] = {OTHER, 0},
	[SYS_prctl] = {OTHER, 0},
	[SYS_seccomp] = {OTHER, 0},

	[SYS_poll] = {MS_2, WAIT_POLL},
	[SYS_epoll_wait] = {MS_3, WAIT_POLL},
	[SYS_epoll_pwait] = {MS_3, WAIT_POLL},
	[SYS_epoll_pwait2] = {TS_3, WAIT_POLL},
	[SYS_select] = {TV_4, WAIT_POLL}, /* these three tell in place what is left */
	[SYS_pselect6] = {TS_4, WAIT_POLL},
	[SYS_ppoll] = {TS_2, WAIT_POLL},
	[SYS_io_getevents] = {TS_4, WAIT_EVENTS},
	[SYS_pause] = {WAITS, WAIT_SIGNAL},
	[SYS_rt_sigsuspend] = {WAITS, WAIT_SIGNAL},
	[SYS_rt_sigtimedwait] = {TS_2, WAIT_SIGNAL},
	[SYS_semop] = {WAITS, WAIT_IPC},
	[SYS_semtimedop] = {TS_3, WAIT_IPC},
	[SYS_msgrcv] = {WAITS, WAIT_IPC},
	[SYS_msgsnd] = {WAITS, WAIT_IPC},

	[SYS_read] = {RECEIVES, WAIT_IO},
	[SYS_readv] = {RECEIVES, WAIT_IO},
	[SYS_recvfrom] = {RECEIVES, WAIT_NETWORK},
	[SYS_recvmsg] = {RECEIVES, WAIT_NETWORK},
	[SYS_recvmmsg] = {RECEIVES, WAIT_NETWORK},
	[SYS_accept] = {RECEIVES, WAIT_ACCEPT},
	[SYS_accept4] = {RECEIVES, WAIT_ACCEPT},
	[SYS_write] = {SENDS, WAIT_IO},
	[SYS_writev] = {SENDS, WAIT_IO},
	[SYS_sendto] = {SENDS, WAIT_NETWORK},
	[SYS_sendmsg] = {SENDS, WAIT_NETWORK},
	[SYS_sendmmsg] = {SENDS, WAIT_NETWORK},

	/* The kernel restarts these by itself. */
	[SYS_futex_waitv] = {TIMED, WAIT_FUTEX},
	[SYS_pread64] = {TIMED, WAIT_IO},
	[SYS_pwrite64] = {TIMED, WAIT_IO},
	[SYS_preadv] = {TIMED, WAIT_IO},
	[SYS_pwritev] = {TIMED, WAIT_IO},
	[SYS_preadv2] = {TIMED, WAIT_IO},
	[SYS_pwritev2] = {TIMED, WAIT_IO},
	[SYS_sendfile] = {TIMED, WAIT_IO},
	[SYS_splice] = {TIMED, WAIT_IO},
	[SYS_tee] = {TIMED, WAIT_IO},
	[SYS_vmsplice] = {TIMED, WAIT_IO},
	[SYS_copy_file_range] = {TIMED, WAIT_IO},
	[SYS_fsync] = {TIMED, WAIT_SYNC},
	[SYS_fdatasync] = {TIMED, WAIT_SYNC},
	[SYS_sync] = {TIMED, WAIT_SYNC},
	[SYS_syncfs] = {TIMED, WAIT_SYNC},
	[SYS_msync] = {TIMED, WAIT_SYNC},
	[SYS_sync_file_range] = {TIMED, WAIT_SYNC},
	[SYS_connect] = {TIMED, WAIT_NETWORK},
	[SYS_flock] = {TIMED, WAIT_FLOCK},
	[SYS_mq_timedsend] = {TIMED, WAIT_IPC},
	[SYS_mq_timedreceive] = {TIMED, WAIT_IPC},
	[SYS_getrandom] = {TIMED, WAIT_RANDOM},
	[SYS_wait4] = {TIMED, WAIT_CHILD},
	[SYS_waitid] = {TIMED, WAIT_CHILD},
};

static bool shorten(struct wait *w, long nr, enum how how, long *a)
{
	const struct timespec *ts = NULL;
	int ms;

	switch (how) {
	case MS_2:
	case MS_3:
		ms = (int)a[how == MS_2 ? 2 : 3];
		wait_left_ms(w, &ms);
		a[how == MS_2 ? 2 : 3] = ms;
		return true;
	case TV_4:
		wait_left_tv(w, (struct timeval *)a[4]);
		return true;
	case TS_2:
	case TS_3:
	case TS_4:
		wait_left_ts(w, &ts);
		if (ts && (nr == SYS_ppoll || nr == SYS_pselect6))
			*(struct timespec *)a[how - TS_2 + 2] = *ts;
		else if (ts)
			a[how - TS_2 + 2] = (long)ts;
		return true;
	case RECEIVES:
		return socket_again(w, (int)a[0], SO_RCVTIMEO, POLLIN);
	case SENDS:
		return socket_again(w, (int)a[0], SO_SNDTIMEO, POLLOUT);
	default:
		return true;
	}
}

static long wait_in(long nr, enum how how, long *a)
{
	const enum wait_class class = call_of[nr].class;
	struct wait w;
	long r;

	wait_begin(&w, how < RECEIVES ? (int)nr : WAIT_BY_WRAPPER);
	if (how == MS_2 || how == MS_3)
		wait_limit_ms(&w, (int)a[how == MS_2 ? 2 : 3]);
	else if (how == TV_4)
		wait_limit_tv(&w, (const struct timeval *)a[4]);
	else if (how >= TS_2 && how <= TS_4)
		wait_limit_ts(&w, (const struct timespec *)a[how - TS_2 + 2]);
	else if (how >= RECEIVES)
		socket_begin(&w);
	while (wait_eintr(r = REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5])) &&
	       shorten(&w, nr, how, a))
		;
	wait_end(&w, class, (const void *)real_syscall);
	return r;
}

static long timed(long nr, const long *a)
{
	struct blocked b;
	long r;

	blocked_begin(&b);
	r = REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	blocked_end(&b, call_of[nr].class, (const void *)real_syscall);
	return r;
}

/* As those of libc, which return an error number. */
static long sleep_in(long clock, long flags, long request, long remain)
{
	int r = wait_sleep((clockid_t)clock, (int)flags, (const struct timespec *)request,
			   (struct timespec *)remain, (const void *)REAL(syscall));

	if (r)
		errno = r;
	return r ? -1 : 0;
}

static enum how how_of_futex(long op)
{
	switch (op & FUTEX_CMD_MASK) {
	case FUTEX_WAIT:
		return TS_3;
	case FUTEX_WAIT_BITSET: /* these have an absolute time-out */
	case FUTEX_WAIT_REQUEUE_PI:
		return WAITS;
	case FUTEX_LOCK_PI: /* restarted, and must not learn of EINTR */
	case FUTEX_LOCK_PI2:
		return TIMED;
	default:
		return PASSED_ON;
	}
}

static enum how how_of(long nr, const long *a)
{
	switch (nr) {
	case SYS_futex:
		return how_of_futex(a[1]);
	case SYS_fcntl:
		return a[1] == F_SETLKW || a[1] == F_OFD_SETLKW ? TIMED : PASSED_ON;
	case SYS_io_uring_enter:
		return (a[3] & IORING_ENTER_EXT_ARG) ? TIMED : WAITS;
	default:
		return nr >= 0 && nr < (long)CALLS ? call_of[nr].how : PASSED_ON;
	}
}

/* One that may be in the table, or comes before our constructor. */
static __attribute__((noinline)) long known_syscall(long nr, long a, long b, long c, long d, long e,
						    long f)
{
	long args[] = {a, b, c, d, e, f};
	enum how how = how_of(nr, args);

	if (nr == SYS_nanosleep)
		return sleep_in(CLOCK_MONOTONIC, 0, a, b);
	if (nr == SYS_clock_nanosleep)
		return sleep_in(a, b, c, d);
	if (nr == SYS_setsockopt)
		socket_option((int)b, (int)c);
	if (nr == SYS_unshare)
		return unshare((int)a);
	if (nr == SYS_setns)
		return setns((int)a, (int)b);
	if (nr == SYS_prctl)
		return prctl((int)a, b, c, d, e);
	if (nr == SYS_seccomp && a == SECCOMP_SET_MODE_STRICT && !b && !c)
		host_before_strict();
	if (how == TIMED)
		return timed(nr, args);
	if (how >= WAITS)
		return wait_in(nr, how, args);
	return REAL(syscall)(nr, a, b, c, d, e, f);
}

/* Not variadic: the registers are passed on as they came. */
extern long every_syscall(long nr, long a, long b, long c, long d, long e,
			  long f) __asm__("syscall");
EXPORT long every_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	/* A number beyond the table is only looked at a second time. */
	if (__builtin_expect(call_of[(unsigned long)nr % CALLS].how || !real_syscall, 0))
		return known_syscall(nr, a, b, c, d, e, f);
	return real_syscall(nr, a, b, c, d, e, f);
}
