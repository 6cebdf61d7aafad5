/* SPDX-License-Identifier: MIT */
/*
 * Calls that wait and that a signal ends with EINTR in spite of SA_RESTART (man 7 signal, and
 * by experiment): a row for each, with what must be shortened before it is made again.
 * What the kernel restarts by itself needs no row.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <threads.h>
#include <unistd.h>

#include "core/sys.h"
#include "preload/interpose.h"
#include "preload/mask.h"
#include "preload/wait.h"

INTERPOSE_HOT(poll);
INTERPOSE_HOT(epoll_wait);

/* ---- descriptors ---- */

INTERPOSE_WAIT(int, poll, WAIT_POLL, SYS_poll, (struct pollfd * fds, nfds_t count, int timeout),
	       (fds, count, timeout), wait_limit_ms(&w, timeout), wait_left_ms(&w, &timeout))

INTERPOSE_WAIT(int, epoll_wait, WAIT_POLL, SYS_epoll_wait,
	       (int fd, struct epoll_event *events, int count, int timeout),
	       (fd, events, count, timeout), wait_limit_ms(&w, timeout), wait_left_ms(&w, &timeout))

/* The kernel shortens *timeout, but not by the time that our handler took. */
INTERPOSE_WAIT(int, select, WAIT_POLL, SYS_pselect6,
	       (int count, fd_set *r_set, fd_set *w_set, fd_set *x_set, struct timeval *timeout),
	       (count, r_set, w_set, x_set, timeout), wait_limit_tv(&w, timeout),
	       wait_left_tv(&w, timeout))

/* Those with a mask: SIGPROF is kept out of it. */
#define INTERPOSE_WAIT_MASKED(name, number, params, args, limit, again)                            \
	INTERPOSE(int, name, params)                                                               \
	{                                                                                          \
		struct wait w;                                                                     \
		sigset_t room;                                                                     \
		struct mask_belief was = mask_enter(&mask, &room);                                 \
		int r;                                                                             \
                                                                                                   \
		wait_begin(&w, number);                                                            \
		limit;                                                                             \
		if (mask_deliver())                                                                \
			r = -1, errno = EINTR;                                                     \
		else                                                                               \
			while (wait_eintr(r = REAL(name) args))                                    \
				again;                                                             \
		wait_end(&w, WAIT_POLL, (const void *)real_##name);                                \
		mask_leave(was);                                                                   \
		return r;                                                                          \
	}

INTERPOSE_WAIT_MASKED(ppoll, SYS_ppoll,
		      (struct pollfd * fds, nfds_t count, const struct timespec *timeout,
		       const sigset_t *mask),
		      (fds, count, timeout, mask), wait_limit_ts(&w, timeout),
		      wait_left_ts(&w, &timeout))

INTERPOSE_WAIT_MASKED(pselect, SYS_pselect6,
		      (int count, fd_set *r_set, fd_set *w_set, fd_set *x_set,
		       const struct timespec *timeout, const sigset_t *mask),
		      (count, r_set, w_set, x_set, timeout, mask), wait_limit_ts(&w, timeout),
		      wait_left_ts(&w, &timeout))

INTERPOSE_WAIT_MASKED(epoll_pwait, SYS_epoll_pwait,
		      (int fd, struct epoll_event *events, int count, int timeout,
		       const sigset_t *mask),
		      (fd, events, count, timeout, mask), wait_limit_ms(&w, timeout),
		      wait_left_ms(&w, &timeout))

INTERPOSE_WAIT_MASKED(epoll_pwait2, SYS_epoll_pwait2,
		      (int fd, struct epoll_event *events, int count,
		       const struct timespec *timeout, const sigset_t *mask),
		      (fd, events, count, timeout, mask), wait_limit_ts(&w, timeout),
		      wait_left_ts(&w, &timeout))

int wait_ppoll(struct pollfd *fds, unsigned long count, const struct timespec *timeout)
{
	struct wait w;
	int r;

	wait_open(&w, SYS_ppoll);
	wait_limit_ts(&w, timeout);
	while (wait_eintr(r = REAL(ppoll)(fds, count, timeout, NULL)))
		wait_left_ts(&w, &timeout);
	wait_close(&w);
	return r;
}

/* The forms of -D_FORTIFY_SOURCE check the size of the array and call the others inside libc. */
extern int __poll_chk(struct pollfd *, nfds_t, int, size_t);
INTERPOSE(int, __poll_chk, (struct pollfd * fds, nfds_t count, int timeout, size_t bytes))
{
	if (bytes / sizeof *fds < count)
		return REAL(__poll_chk)(fds, count, timeout, bytes); /* which ends the program */
	return poll(fds, count, timeout);
}

extern int __ppoll_chk(struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t);
INTERPOSE(int, __ppoll_chk,
	  (struct pollfd * fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask,
	   size_t bytes))
{
	if (bytes / sizeof *fds < count)
		return REAL(__ppoll_chk)(fds, count, timeout, mask, bytes);
	return ppoll(fds, count, timeout, mask);
}

/* ---- sleeping ---- */

/* A clock that goes on while our handler runs. */
static bool is_wall(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_TAI;
}

INTERPOSE_ROW(clock_nanosleep);

/* What is left is asked for, whether or not the caller does. */
int wait_sleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *remain,
	       const void *entry)
{
	const bool absolute = (flags & TIMER_ABSTIME) != 0;
	struct timespec left = {0, 0};
	struct wait w;
	int r;

	wait_begin(&w, SYS_clock_nanosleep);
	if (!absolute && is_wall(clock))
		wait_limit_ts(&w, request);
	while ((r = REAL(clock_nanosleep)(clock, flags, request, &left)) == EINTR && wait_again()) {
		if (w.limit_ns) {
			wait_left_ts(&w, &request);
		} else if (!absolute) {
			w.ts = left;
			request = &w.ts;
		}
	}
	wait_end(&w, WAIT_SLEEP, entry);
	if (r == EINTR && remain && !absolute)
		*remain = left;
	return r;
}

EXPORT int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request,
			   struct timespec *remain)
{
	return wait_sleep(clock, flags, request, remain, (const void *)REAL(clock_nanosleep));
}

INTERPOSE(int, nanosleep, (const struct timespec *request, struct timespec *remain))
{
	int r = wait_sleep(CLOCK_REALTIME, 0, request, remain, (const void *)REAL(nanosleep));

	if (r)
		errno = r;
	return r ? -1 : 0;
}

INTERPOSE(int, usleep, (useconds_t us))
{
	const struct timespec ts = {us / 1000000, us % 1000000 * 1000L};
	int r = wait_sleep(CLOCK_REALTIME, 0, &ts, NULL, (const void *)REAL(usleep));

	if (r)
		errno = r;
	return r ? -1 : 0;
}

INTERPOSE(unsigned, sleep, (unsigned seconds))
{
	struct timespec ts = {seconds, 0};

	/* errno stays when it succeeds, as in libc. */
	if (!wait_sleep(CLOCK_REALTIME, 0, &ts, &ts, (const void *)REAL(sleep)))
		return 0;
	errno = EINTR;
	return (unsigned)ts.tv_sec;
}

INTERPOSE(int, thrd_sleep, (const struct timespec *request, struct timespec *remain))
{
	int r = wait_sleep(CLOCK_REALTIME, 0, request, remain, (const void *)REAL(thrd_sleep));

	return r == 0 ? 0 : r == EINTR ? -1 : -2;
}

/* ---- System V semaphores, messages ---- */

INTERPOSE_WAIT(int, semop, WAIT_IPC, SYS_semop, (int id, struct sembuf *ops, size_t count),
	       (id, ops, count), (void)0, (void)0)
INTERPOSE_WAIT(int, semtimedop, WAIT_IPC, SYS_semtimedop,
	       (int id, struct sembuf *ops, size_t count, const struct timespec *timeout),
	       (id, ops, count, timeout), wait_limit_ts(&w, timeout), wait_left_ts(&w, &timeout))
INTERPOSE_WAIT(ssize_t, msgrcv, WAIT_IPC, SYS_msgrcv,
	       (int id, void *message, size_t bytes, long type, int flags),
	       (id, message, bytes, type, flags), (void)0, (void)0)
INTERPOSE_WAIT(int, msgsnd, WAIT_IPC, SYS_msgsnd,
	       (int id, const void *message, size_t bytes, int flags), (id, message, bytes, flags),
	       (void)0, (void)0)
