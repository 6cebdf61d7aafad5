/* SPDX-License-Identifier: MIT */
/*
 * syscall(2): Rust's standard library, parking_lot, absl and libstdc++'s atomics wait by it, without
 * ever touching pthread.  Numbers that wait are treated as the functions of libc are (preload/wrap_wait,
 * wrap_socket); everything else is passed on with all six arguments and errno.
 */
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/sys.h"
#include "preload/interpose.h"
#include "preload/socket.h"
#include "preload/wait.h"

INTERPOSE_ROW(syscall);

/* Which argument is a relative time-out that begins anew. */
enum limit { NO_WAIT, WAITS, MS_2, MS_3, TV_4, TS_2, TS_3, TS_4, RECEIVES, SENDS };

static enum limit limit_of(long nr, const long *a)
{
	switch (nr) {
	case SYS_futex: /* the other forms that wait have an absolute time-out */
		switch (a[1] & FUTEX_CMD_MASK) {
		case FUTEX_WAIT:
			return TS_3;
		case FUTEX_WAIT_BITSET:
		case FUTEX_WAIT_REQUEUE_PI:
			return WAITS;
		default:
			return NO_WAIT;
		}
	case SYS_poll:
		return MS_2;
	case SYS_epoll_wait:
	case SYS_epoll_pwait:
		return MS_3;
	case SYS_rt_sigtimedwait:
		return TS_2;
	case SYS_semtimedop:
	case SYS_epoll_pwait2:
		return TS_3;
	case SYS_io_getevents:
		return TS_4;
	case SYS_io_uring_enter:
		return (a[3] & IORING_ENTER_EXT_ARG) ? NO_WAIT : WAITS;
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_semop:
	case SYS_msgrcv:
	case SYS_msgsnd:
		return WAITS;
	case SYS_select: /* these tell in place what is left */
		return TV_4;
	case SYS_pselect6:
		return TS_4;
	case SYS_ppoll:
		return TS_2;
	case SYS_read:
	case SYS_recvfrom:
	case SYS_recvmsg:
	case SYS_accept:
	case SYS_accept4:
		return RECEIVES;
	case SYS_write:
	case SYS_sendto:
	case SYS_sendmsg:
		return SENDS;
	default:
		return NO_WAIT;
	}
}

static bool shorten(struct wait *w, long nr, enum limit limit, long *a)
{
	const struct timespec *ts = NULL;
	int ms;

	switch (limit) {
	case MS_2:
	case MS_3:
		ms = (int)a[limit == MS_2 ? 2 : 3];
		wait_left_ms(w, &ms);
		a[limit == MS_2 ? 2 : 3] = ms;
		return true;
	case TV_4:
		wait_left_tv(w, (struct timeval *)a[4]);
		return true;
	case TS_2:
	case TS_3:
	case TS_4:
		wait_left_ts(w, &ts);
		if (ts && (nr == SYS_ppoll || nr == SYS_pselect6))
			*(struct timespec *)a[limit - TS_2 + 2] = *ts;
		else if (ts)
			a[limit - TS_2 + 2] = (long)ts;
		return true;
	case RECEIVES:
		return socket_again(w, (int)a[0], SO_RCVTIMEO, POLLIN);
	case SENDS:
		return socket_again(w, (int)a[0], SO_SNDTIMEO, POLLOUT);
	default:
		return true;
	}
}

static long wait_in(long nr, enum limit limit, long *a)
{
	struct wait w;
	long r;

	WAIT_BEGIN(w, limit < RECEIVES ? (int)nr : -1);
	if (limit == MS_2 || limit == MS_3)
		wait_limit_ms(&w, (int)a[limit == MS_2 ? 2 : 3]);
	else if (limit == TV_4)
		wait_limit_tv(&w, (const struct timeval *)a[4]);
	else if (limit >= TS_2 && limit <= TS_4)
		wait_limit_ts(&w, (const struct timespec *)a[limit - TS_2 + 2]);
	else if (limit >= RECEIVES)
		socket_begin(&w);
	while (wait_eintr(r = REAL(syscall)(nr, a[0], a[1], a[2], a[3], a[4], a[5])) &&
	       shorten(&w, nr, limit, a))
		;
	wait_end(&w);
	return r;
}

/* As those of libc, which return an error number. */
static long sleep_in(long clock, long flags, long request, long remain)
{
	int r = clock_nanosleep((clockid_t)clock, (int)flags, (const struct timespec *)request,
				(struct timespec *)remain);

	if (r)
		errno = r;
	return r ? -1 : 0;
}

/* Not variadic: the registers are passed on as they came. */
extern long every_syscall(long nr, long a, long b, long c, long d, long e,
			  long f) __asm__("syscall");
EXPORT long every_syscall(long nr, long a, long b, long c, long d, long e, long f)
{
	long args[] = {a, b, c, d, e, f};
	enum limit limit = limit_of(nr, args);

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
	if (limit != NO_WAIT)
		return wait_in(nr, limit, args);
	return REAL(syscall)(nr, a, b, c, d, e, f);
}
