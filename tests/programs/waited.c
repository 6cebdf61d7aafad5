/* SPDX-License-Identifier: MIT */
/*
 * RUN:    waited [MS]
 * EXPECT: waits once in each call, a function of its own each, for about MS (20) milliseconds, until a time-out or another thread
 * ends it.  Prints "CLASS LEAF CALLER COUNT NS": what the block profile must hold of each, as measured around the call, or
 * "- - CALLER 0 0" for what is no wait.  To be run under the library: some calls are interrupted by SIGUSR2.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

#define MUST(call)                                                                                 \
	({                                                                                         \
		__typeof__(call) must_value = (call);                                              \
		if (must_value == (__typeof__(call))-1) {                                          \
			perror(#call);                                                             \
			_exit(3);                                                                  \
		}                                                                                  \
		must_value;                                                                        \
	})

static long wait_ms = 20;
static pthread_t main_thread;
static int pipe_fd[2], pair[2], listener, queue, set, epoll, file;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static socklen_t address_bytes;
static uint32_t word;
static sem_t sem;
static sigset_t awaited, current;
static char buf[65536], file_again[32];
static struct iovec vec = {buf, 1};
static struct msghdr header = {.msg_iov = &vec, .msg_iovlen = 1};
static struct mmsghdr headers;
static struct pollfd nothing;
static struct epoll_event event;
static int signo, status;
static aio_context_t aio;

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

static struct timespec in(long ms)
{
	return (struct timespec){ms / 1000, ms % 1000 * 1000000};
}

static const struct timespec *until(clockid_t clock)
{
	static struct timespec ts;
	int64_t ns;

	clock_gettime(clock, &ts);
	ns = ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec + wait_ms * 1000000;
	ts = (struct timespec){ns / 1000000000, ns % 1000000000};
	return &ts;
}

static const struct timespec *limit(void)
{
	static struct timespec ts;

	ts = in(wait_ms);
	return &ts;
}

static struct timeval *limit_tv(void)
{
	static struct timeval tv;

	tv = (struct timeval){wait_ms / 1000, wait_ms % 1000 * 1000};
	return &tv;
}

/* ---- who ends a wait, in another thread ---- */

static void fill_pipe(void)
{
	vec.iov_len = 1;
	MUST(fcntl(pipe_fd[1], F_SETFL, O_NONBLOCK));
	while (write(pipe_fd[1], buf, sizeof buf) > 0)
		;
	while (write(pipe_fd[1], buf, 1) > 0)
		;
	MUST(fcntl(pipe_fd[1], F_SETFL, 0));
}

static void fill_pair(void)
{
	while (send(pair[1], buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
	while (send(pair[1], buf, 1, MSG_DONTWAIT) > 0)
		;
}

static void drain(int fd)
{
	nothing = (struct pollfd){.fd = fd, .events = POLLIN};
	while (poll(&nothing, 1, 0) > 0)
		MUST(read(fd, buf, sizeof buf));
}

static void wake_drain_pipe(void)
{
	drain(pipe_fd[0]);
}

static void wake_drain_pair(void)
{
	drain(pair[0]);
}

static void wake_pipe(void)
{
	MUST(write(pipe_fd[1], "x", 1));
}

static void wake_pair(void)
{
	MUST(send(pair[1], "x", 1, 0));
}

static void wake_connect(void)
{
	int fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));

	MUST(connect(fd, (struct sockaddr *)&address, address_bytes));
	MUST(close(fd));
}

static void wake_accept(void)
{
	MUST(close(MUST(accept(listener, NULL, NULL))));
}

static void wake_signal(void)
{
	pthread_kill(main_thread, SIGRTMIN);
}

static void wake_alarm(void)
{
	pthread_kill(main_thread, SIGALRM);
}

static void wake_semaphore(void)
{
	MUST(semctl(set, 0, SETVAL, 1));
}

static void wake_receiver(void)
{
	struct {
		long type;
		char body[8];
	} message = {7, "hello"};

	MUST(msgsnd(queue, &message, 5, 0));
}

static void wake_sender(void)
{
	char message[1024];

	MUST(msgrcv(queue, message, 512, 0, 0));
}

static void wake_futex(void)
{
	while (syscall(SYS_futex, &word, FUTEX_WAKE, 1) == 0)
		sched_yield();
	word = 1;
}

static void wake_flock(void)
{
	MUST(flock(file, LOCK_UN));
}

static void wake_dump(void)
{
	pthread_kill(main_thread, SIGUSR2);
}

static void dump_then_pair(void)
{
	struct timespec half = in(wait_ms / 2);

	pthread_kill(main_thread, SIGUSR2);
	nanosleep(&half, NULL);
	wake_pair();
}

struct helper {
	void (*wake)(void);
	long ms;
};
static _Atomic bool has_ended; /* what is waited for */

static void *help(void *opaque)
{
	const struct helper *h = opaque;
	struct timespec ts = in(h->ms);

	nanosleep(&ts, NULL);
	h->wake();
	/* One that comes before the call is not waited for. */
	while (h->wake == wake_alarm && !has_ended) {
		ts = in(5);
		nanosleep(&ts, NULL);
		h->wake();
	}
	return NULL;
}

/* ---- what is waited in: one call in each function ---- */

#define NEVER_INLINE __attribute__((noinline, noclone))

struct row {
	const char *class, *leaf, *caller;
	int count;
	int64_t ns;
} rows[128];
static int row_count;

static void add(const char *class, const char *leaf, const char *caller, int count, int64_t ns)
{
	rows[row_count++] = (struct row){class, leaf, caller, count, ns};
}

/* The result of the call must be the wanted one. */
#define WAITS(name, class, leaf, wanted, call)                                                     \
	static NEVER_INLINE void name(void)                                                        \
	{                                                                                          \
		int64_t began = now_ns(), ns;                                                      \
		long r = (call);                                                                   \
                                                                                                   \
		ns = now_ns() - began;                                                             \
		if (r != (wanted)) {                                                               \
			fprintf(stderr, "%s: %ld, %s\n", #name, r, strerror(errno));               \
			_exit(4);                                                                  \
		}                                                                                  \
		add(class, leaf, #name, 1, ns);                                                    \
	}

extern ssize_t __read_chk(int, void *, size_t, size_t);
extern ssize_t __recv_chk(int, void *, size_t, size_t, int);
extern ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);
extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);

WAITS(by_read, "io", "read", 1, read(pipe_fd[0], buf, 1))
WAITS(by_read_chk, "io", "read", 1, __read_chk(pipe_fd[0], buf, 1, sizeof buf))
WAITS(by_readv, "io", "readv", 1, readv(pipe_fd[0], &vec, 1))
WAITS(by_write, "io", "write", 1, write(pipe_fd[1], buf, 1))
WAITS(by_writev, "io", "writev", 1, writev(pipe_fd[1], &vec, 1))
WAITS(by_recv, "network", "recv", 1, recv(pair[0], buf, 1, 0))
WAITS(by_recv_all, "network", "recv", 1, recv(pair[0], buf, 1, MSG_WAITALL))
WAITS(by_recv_chk, "network", "recv", 1, __recv_chk(pair[0], buf, 1, sizeof buf, 0))
WAITS(by_recvfrom, "network", "recvfrom", 1, recvfrom(pair[0], buf, 1, 0, NULL, NULL))
WAITS(by_recvfrom_chk, "network", "recvfrom", 1,
      __recvfrom_chk(pair[0], buf, 1, sizeof buf, 0, NULL, NULL))
WAITS(by_recvmsg, "network", "recvmsg", 1, recvmsg(pair[0], &header, 0))
WAITS(by_recvmmsg, "network", "recvmmsg", 1, recvmmsg(pair[0], &headers, 1, 0, NULL))
WAITS(by_send, "network", "send", 1, send(pair[1], buf, 1, 0))
WAITS(by_sendto, "network", "sendto", 1, sendto(pair[1], buf, 1, 0, NULL, 0))
WAITS(by_sendmsg, "network", "sendmsg", 1, sendmsg(pair[1], &header, 0))
WAITS(by_sendmmsg, "network", "sendmmsg", 1, sendmmsg(pair[1], &headers, 1, 0))
WAITS(by_connect, "network", "connect", 0,
      connect(MUST(socket(AF_UNIX, SOCK_STREAM, 0)), (struct sockaddr *)&address, address_bytes))
WAITS(by_accept, "accept", "accept", 0, accept(listener, NULL, NULL) < 0)
WAITS(by_accept4, "accept", "accept4", 0, accept4(listener, NULL, NULL, SOCK_CLOEXEC) < 0)

WAITS(by_poll, "poll", "poll", 0, poll(NULL, 0, (int)wait_ms))
WAITS(by_poll_at_once, "poll", "poll", 0, poll(NULL, 0, 0))
WAITS(by_poll_chk, "poll", "poll", 0, __poll_chk(&nothing, 0, (int)wait_ms, sizeof nothing))
WAITS(by_ppoll, "poll", "ppoll", 0, ppoll(NULL, 0, limit(), &current))
WAITS(by_ppoll_chk, "poll", "ppoll", 0, __ppoll_chk(&nothing, 0, limit(), NULL, sizeof nothing))
WAITS(by_select, "poll", "select", 0, select(0, NULL, NULL, NULL, limit_tv()))
WAITS(by_pselect, "poll", "pselect", 0, pselect(0, NULL, NULL, NULL, limit(), &current))
WAITS(by_epoll_wait, "poll", "epoll_wait", 0, epoll_wait(epoll, &event, 1, (int)wait_ms))
WAITS(by_epoll_pwait, "poll", "epoll_pwait", 0,
      epoll_pwait(epoll, &event, 1, (int)wait_ms, &current))
WAITS(by_epoll_pwait2, "poll", "epoll_pwait2", 0, epoll_pwait2(epoll, &event, 1, limit(), &current))

WAITS(by_sleep, "sleep", "sleep", 0, sleep(1))
WAITS(by_usleep, "sleep", "usleep", 0, usleep((useconds_t)wait_ms * 1000))
WAITS(by_nanosleep, "sleep", "nanosleep", 0, nanosleep(limit(), NULL))
WAITS(by_clock_nanosleep, "sleep", "clock_nanosleep", 0,
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, until(CLOCK_MONOTONIC), NULL))
WAITS(by_thrd_sleep, "sleep", "thrd_sleep", 0, thrd_sleep(limit(), NULL))

WAITS(by_pause, "signal", "pause", -1, pause())
WAITS(by_sigsuspend, "signal", "sigsuspend", -1, sigsuspend(&current))
WAITS(by_sigpause, "signal", "sigpause", -1, sigpause(SIGHUP))
WAITS(by_sigwait, "signal", "sigwait", 0, sigwait(&awaited, &signo))
WAITS(by_sigwait_twice, "signal", "sigwait", 0, sigwait(&awaited, &signo))
WAITS(by_sigwaitinfo, "signal", "sigwaitinfo", SIGRTMIN, sigwaitinfo(&awaited, NULL))
WAITS(by_sigtimedwait, "signal", "sigtimedwait", -1, sigtimedwait(&awaited, NULL, limit()))

static struct sembuf take = {0, -1, 0};
static struct {
	long type;
	char body[512];
} message = {1, ""};
WAITS(by_semop, "ipc", "semop", 0, semop(set, &take, 1))
WAITS(by_semtimedop, "ipc", "semtimedop", -1, semtimedop(set, &take, 1, limit()))
WAITS(by_msgrcv, "ipc", "msgrcv", 5, msgrcv(queue, &message, sizeof message.body, 0, 0))
WAITS(by_msgsnd, "ipc", "msgsnd", 0, msgsnd(queue, &message, sizeof message.body, 0))
WAITS(by_sem_timedwait, "semaphore", "sem_timedwait", -1,
      sem_timedwait(&sem, until(CLOCK_REALTIME)))
WAITS(by_sem_clockwait, "semaphore", "sem_clockwait", -1,
      sem_clockwait(&sem, CLOCK_MONOTONIC, until(CLOCK_MONOTONIC)))

/* By syscall(2). */
static uint32_t owned; /* by the parent process */
static struct futex_waitv several = {.val = 0, .flags = FUTEX_32};
WAITS(raw_futex, "futex", "syscall", 0, syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL))
WAITS(raw_futex_timed, "futex", "syscall", -1,
      syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, limit()))
WAITS(raw_futex_bitset, "futex", "syscall", -1,
      syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 1, until(CLOCK_MONOTONIC), NULL, -1))
WAITS(raw_futex_busy, "futex", "syscall", -1, syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL))
WAITS(raw_futex_pi, "futex", "syscall", -1,
      syscall(SYS_futex, &owned, FUTEX_LOCK_PI, 0, until(CLOCK_REALTIME)))
WAITS(raw_futex_waitv, "futex", "syscall", -1,
      syscall(SYS_futex_waitv, &several, 1, 0, until(CLOCK_MONOTONIC), CLOCK_MONOTONIC))
WAITS(raw_read, "io", "syscall", 1, syscall(SYS_read, pipe_fd[0], buf, 1))
WAITS(raw_readv, "io", "syscall", 1, syscall(SYS_readv, pipe_fd[0], &vec, 1))
WAITS(raw_pread, "io", "syscall", 0, syscall(SYS_pread64, file, buf, 1, 99))
WAITS(raw_write, "io", "syscall", 1, syscall(SYS_write, pipe_fd[1], buf, 1))
WAITS(raw_fdatasync, "sync", "syscall", 0, syscall(SYS_fdatasync, file))
WAITS(raw_recvfrom, "network", "syscall", 1, syscall(SYS_recvfrom, pair[0], buf, 1, 0, NULL, NULL))
WAITS(raw_sendto, "network", "syscall", 1, syscall(SYS_sendto, pair[1], buf, 1, 0, NULL, 0))
WAITS(raw_accept, "accept", "syscall", 0, syscall(SYS_accept, listener, NULL, NULL) < 0)
WAITS(raw_poll, "poll", "syscall", 0, syscall(SYS_poll, NULL, 0, wait_ms))
WAITS(raw_select, "poll", "syscall", 0, syscall(SYS_select, 0, NULL, NULL, NULL, limit_tv()))
WAITS(raw_epoll_wait, "poll", "syscall", 0, syscall(SYS_epoll_wait, epoll, &event, 1, wait_ms))
WAITS(raw_nanosleep, "sleep", "syscall", 0, syscall(SYS_nanosleep, limit(), NULL))
WAITS(raw_clock_nanosleep, "sleep", "syscall", 0,
      syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, limit(), NULL))
WAITS(raw_pause, "signal", "syscall", -1, syscall(SYS_pause))
WAITS(raw_semtimedop, "ipc", "syscall", -1, syscall(SYS_semtimedop, set, &take, 1, limit()))
WAITS(raw_flock, "flock", "syscall", 0,
      syscall(SYS_flock, MUST(open(file_again, O_RDONLY)), LOCK_EX))
WAITS(raw_wait4, "child", "syscall", 0, syscall(SYS_wait4, -1, &status, 0, NULL) < 0)
WAITS(raw_getrandom, "random", "syscall", 16, syscall(SYS_getrandom, buf, 16, 0))
WAITS(raw_io_getevents, "events", "syscall", 0,
      syscall(SYS_io_getevents, aio, 1, 1, &event, limit()))

static NEVER_INLINE void raw_nothing(void)
{
	if (syscall(SYS_gettid) != getpid() || syscall(SYS_futex, &word, FUTEX_WAKE, 1) != 0 ||
	    syscall(SYS_fcntl, file, F_GETFD) < 0 || syscall(12345, 1, 2, 3, 4, 5, 6) != -1 ||
	    errno != ENOSYS || syscall(-1L) != -1)
		_exit(4);
	add("-", "-", "raw_nothing", 0, 0);
}

/* With a time-out of the socket, and with a signal of ours in the middle. */
WAITS(limited_recv, "network", "recv", -1, recv(pair[0], buf, 1, 0))
WAITS(dumped_recv, "network", "recv", -1, recv(pair[0], buf, 1, 0))
WAITS(dumped_recv_woken, "network", "recv", 1, recv(pair[0], buf, 1, 0))
WAITS(dumped_read, "io", "read", 1, read(pair[0], buf, 1))
WAITS(dumped_poll, "poll", "poll", 0, poll(NULL, 0, (int)wait_ms))
WAITS(dumped_sleep, "sleep", "nanosleep", 0, nanosleep(limit(), NULL))

static void set_limit(void)
{
	MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, limit_tv(), sizeof(struct timeval)));
}

static void set_long_limit(void)
{
	const struct timeval tv = {10, 0};

	MUST(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv));
}

/* In a handler on top of a wait, and out of one by longjmp. */
static sigjmp_buf env;
static volatile enum { NOTHING, SLEEP, JUMP } on_alarm;
static volatile bool is_ready; /* for a jump */

WAITS(handler, "sleep", "usleep", 0, usleep((useconds_t)wait_ms * 333))

static void handle(int is)
{
	if (on_alarm == SLEEP) {
		on_alarm = NOTHING;
		handler();
	} else if (on_alarm == JUMP && is_ready) {
		on_alarm = NOTHING;
		siglongjmp(env, is);
	}
}

static void handle_alarm(int flags, int what)
{
	struct sigaction act = {.sa_handler = handle, .sa_flags = flags};

	on_alarm = what;
	MUST(sigaction(SIGALRM, &act, NULL));
}

static void handle_and_sleep(void)
{
	handle_alarm(SA_RESTART, SLEEP);
}

static void handle_and_jump(void)
{
	drain(pipe_fd[0]);
	handle_alarm(0, JUMP);
}

WAITS(below_handler, "sleep", "clock_nanosleep", EINTR,
      clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){10, 0}, NULL))

#define JUMPS(name, call)                                                                          \
	static NEVER_INLINE void name(void)                                                        \
	{                                                                                          \
		if (sigsetjmp(env, 1) == 0) {                                                      \
			is_ready = true;                                                           \
			_exit(4 + ((call) != 0));                                                  \
		}                                                                                  \
		is_ready = false;                                                                  \
		add("-", "-", #name, 0, 0);                                                        \
	}
JUMPS(jumps_from_pause, pause())
JUMPS(jumps_from_read, (int)read(pipe_fd[0], buf, 1))
JUMPS(jumps_from_poll, poll(NULL, 0, -1))
JUMPS(jumps_from_futex, (int)syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL))
WAITS(after_pause, "sleep", "nanosleep", 0, nanosleep(limit(), NULL))
WAITS(after_read, "poll", "poll", 0, poll(NULL, 0, (int)wait_ms))
WAITS(after_poll, "io", "read", 1, read(pipe_fd[0], buf, 1))
WAITS(after_futex, "sleep", "usleep", 0, usleep((useconds_t)wait_ms * 1000))

/* ---- all of them ---- */

static void lock_file(void)
{
	MUST(flock(file, LOCK_EX));
}

static void fill_queue(void)
{
	while (msgsnd(queue, &message, sizeof message.body, IPC_NOWAIT) == 0)
		;
}

static void zero_set(void)
{
	MUST(semctl(set, 0, SETVAL, 0));
}

static void zero_word(void)
{
	word = 0;
}

static void fork_child(void)
{
	struct timespec ts = in(wait_ms);

	if (MUST(fork()) == 0) {
		nanosleep(&ts, NULL);
		_exit(0);
	}
}

static int full; /* what fills the queue of the listener */

static void fill_listener(void)
{
	MUST(listen(listener, 0));
	full = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(connect(full, (struct sockaddr *)&address, address_bytes));
}

static void wake_twice(void)
{
	struct timespec half = in(wait_ms / 2);

	wake_alarm(); /* no end of sigwait */
	nanosleep(&half, NULL);
	wake_signal();
}

static const struct {
	void (*prepare)(void), (*wait)(void), (*wake)(void);
	bool at_half; /* of the time wake is called */
} all[] = {
	{NULL, by_nanosleep, NULL, false},
	{NULL, by_read, wake_pipe, false},
	{NULL, by_read_chk, wake_pipe, false},
	{NULL, by_readv, wake_pipe, false},
	{fill_pipe, by_write, wake_drain_pipe, false},
	{fill_pipe, by_writev, wake_drain_pipe, false},
	{wake_drain_pipe, by_recv, wake_pair, false},
	{NULL, by_recv_all, wake_pair, false},
	{NULL, by_recv_chk, wake_pair, false},
	{NULL, by_recvfrom, wake_pair, false},
	{NULL, by_recvfrom_chk, wake_pair, false},
	{NULL, by_recvmsg, wake_pair, false},
	{NULL, by_recvmmsg, wake_pair, false},
	{fill_pair, by_send, wake_drain_pair, false},
	{fill_pair, by_sendto, wake_drain_pair, false},
	{fill_pair, by_sendmsg, wake_drain_pair, false},
	{fill_pair, by_sendmmsg, wake_drain_pair, false},
	{NULL, by_accept, wake_connect, false},
	{NULL, by_accept4, wake_connect, false},
	{NULL, raw_accept, wake_connect, false},
	{fill_listener, by_connect, wake_accept, false},
	{NULL, by_poll, NULL, false},
	{NULL, by_poll_at_once, NULL, false},
	{NULL, by_poll_chk, NULL, false},
	{NULL, by_ppoll, NULL, false},
	{NULL, by_ppoll_chk, NULL, false},
	{NULL, by_select, NULL, false},
	{NULL, by_pselect, NULL, false},
	{NULL, by_epoll_wait, NULL, false},
	{NULL, by_epoll_pwait, NULL, false},
	{NULL, by_epoll_pwait2, NULL, false},
	{NULL, by_sleep, NULL, false},
	{NULL, by_usleep, NULL, false},
	{NULL, by_clock_nanosleep, NULL, false},
	{NULL, by_thrd_sleep, NULL, false},
	{NULL, by_pause, wake_alarm, false},
	{NULL, by_sigsuspend, wake_alarm, false},
	{NULL, by_sigpause, wake_alarm, false},
	{NULL, by_sigwait, wake_signal, false},
	{NULL, by_sigwait_twice, wake_twice, true},
	{NULL, by_sigwaitinfo, wake_signal, false},
	{NULL, by_sigtimedwait, NULL, false},
	{zero_set, by_semop, wake_semaphore, false},
	{zero_set, by_semtimedop, NULL, false},
	{NULL, by_msgrcv, wake_receiver, false},
	{fill_queue, by_msgsnd, wake_sender, false},
	{NULL, by_sem_timedwait, NULL, false},
	{NULL, by_sem_clockwait, NULL, false},
	{zero_word, raw_futex, wake_futex, false},
	{NULL, raw_futex_timed, NULL, false},
	{NULL, raw_futex_bitset, NULL, false},
	{NULL, raw_futex_busy, NULL, false},
	{NULL, raw_futex_pi, NULL, false},
	{zero_word, raw_futex_waitv, NULL, false},
	{wake_drain_pipe, raw_read, wake_pipe, false},
	{NULL, raw_readv, wake_pipe, false},
	{NULL, raw_pread, NULL, false},
	{fill_pipe, raw_write, wake_drain_pipe, false},
	{NULL, raw_fdatasync, NULL, false},
	{wake_drain_pair, raw_recvfrom, wake_pair, false},
	{fill_pair, raw_sendto, wake_drain_pair, false},
	{NULL, raw_poll, NULL, false},
	{NULL, raw_select, NULL, false},
	{NULL, raw_epoll_wait, NULL, false},
	{NULL, raw_nanosleep, NULL, false},
	{NULL, raw_clock_nanosleep, NULL, false},
	{NULL, raw_pause, wake_alarm, false},
	{zero_set, raw_semtimedop, NULL, false},
	{lock_file, raw_flock, wake_flock, false},
	{fork_child, raw_wait4, NULL, false},
	{NULL, raw_getrandom, NULL, false},
	{NULL, raw_io_getevents, NULL, false},
	{NULL, raw_nothing, NULL, false},
	{wake_drain_pair, dumped_read, dump_then_pair, true},
	{NULL, dumped_poll, wake_dump, true},
	{NULL, dumped_sleep, wake_dump, true},
	{handle_and_sleep, below_handler, wake_alarm, true},
	{handle_and_jump, jumps_from_pause, wake_alarm, true},
	{NULL, after_pause, NULL, false},
	{handle_and_jump, jumps_from_read, wake_alarm, true},
	{NULL, after_read, NULL, false},
	{handle_and_jump, jumps_from_poll, wake_alarm, true},
	{NULL, after_poll, wake_pipe, false},
	{handle_and_jump, jumps_from_futex, wake_alarm, true},
	{NULL, after_futex, NULL, false},
	/* From here on sockets have time-outs. */
	{set_limit, limited_recv, NULL, false},
	{NULL, dumped_recv, wake_dump, true},
	{set_long_limit, dumped_recv_woken, dump_then_pair, true},
};

static void make(void)
{
	MUST(pipe(pipe_fd));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	MUST(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &(int){4096}, sizeof(int)));
	/* An abstract name of its own, by the kernel. */
	listener = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
	MUST(bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)));
	address_bytes = sizeof address;
	MUST(getsockname(listener, (struct sockaddr *)&address, &address_bytes));
	MUST(listen(listener, 8));
	epoll = MUST(epoll_create1(0));
	file = MUST(memfd_create("waited", 0));
	snprintf(file_again, sizeof file_again, "/proc/self/fd/%d", file);
	queue = MUST(msgget(IPC_PRIVATE, 0600));
	set = MUST(semget(IPC_PRIVATE, 1, 0600));
	MUST(sem_init(&sem, 0, 0));
	owned = (uint32_t)getppid();
	several.uaddr = (uintptr_t)&word;
	MUST(syscall(SYS_io_setup, 1, &aio));
	headers.msg_hdr = header;
	sigemptyset(&awaited);
	sigaddset(&awaited, SIGRTMIN);
	pthread_sigmask(SIG_BLOCK, &awaited, NULL);
	pthread_sigmask(SIG_BLOCK, NULL, &current);
	handle_alarm(0, NOTHING);
}

int main(int argc, char **argv)
{
	sigset_t every, before;
	pthread_t thread;

	if (argc > 1)
		wait_ms = atol(argv[1]);
	main_thread = pthread_self();
	make();
	usleep(1); /* the first wait makes the store */
	sigfillset(&every);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct helper h = {all[i].wake, all[i].at_half ? wait_ms / 2 : wait_ms};

		has_ended = false;
		if (all[i].prepare)
			all[i].prepare();
		if (h.wake) {
			pthread_sigmask(SIG_SETMASK, &every, &before);
			pthread_create(&thread, NULL, help, &h);
			pthread_sigmask(SIG_SETMASK, &before, NULL);
		}
		all[i].wait();
		has_ended = true;
		if (h.wake)
			pthread_join(thread, NULL);
	}
	msgctl(queue, IPC_RMID, NULL);
	semctl(set, 0, IPC_RMID);
	for (int i = 0; i < row_count; i++)
		printf("%s %s %s %d %lld\n", rows[i].class, rows[i].leaf, rows[i].caller,
		       rows[i].count, (long long)rows[i].ns);
	return 0;
}
