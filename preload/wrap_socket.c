/* SPDX-License-Identifier: MIT */
/*
 * Calls on sockets with SO_RCVTIMEO or SO_SNDTIMEO: the kernel restarts them only when they have no
 * time-out, and the time-out begins anew with each call.  Only after an interruption is the socket
 * asked what it is; before, a row costs a coarse clock, 5 ns.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/sys.h"
#include "preload/interpose.h"
#include "preload/wait.h"

static uint64_t coarse_now(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* What is left of the socket's time-out, in *ret_ns.  False: it has none, or it is no socket. */
static bool time_left(const struct wait *w, int fd, int option, uint64_t *ret_ns)
{
	struct timeval tv = {0, 0};
	socklen_t n = sizeof tv;
	uint64_t limit, used = coarse_now() - w->began_ns;

	if (SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, option, &tv, &n, 0) < 0 ||
	    (tv.tv_sec | tv.tv_usec) == 0)
		return false;
	limit = (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
	*ret_ns = used < limit ? limit - used : 0;
	return true;
}

/* Waits for what is left until fd is ready: 1; 0 when the time is over, -EINTR for the host's signal. */
static int wait_ready(int fd, short events, uint64_t left_ns)
{
	struct timespec ts = {(time_t)(left_ns / 1000000000), (long)(left_ns % 1000000000)};
	struct pollfd p = {.fd = fd, .events = events};
	long r;

	do /* the kernel shortens ts */
		r = SYS_CALL(SYS_ppoll, &p, 1, &ts, NULL, 0, 0);
	while (r == -EINTR && wait_again());
	return r > 0 ? 1 : (int)r;
}

/* After an interruption by us: true when the call is to be made again, else errno says how it ends. */
static bool again_when_ready(const struct wait *w, int fd, int option, short events)
{
	uint64_t left;
	int r;

	if (!time_left(w, fd, option, &left))
		return true;
	r = wait_ready(fd, events, left);
	errno = r < 0 ? -r : EAGAIN;
	return r > 0;
}

#define INTERPOSE_SOCKET(type, name, params, args, option, events)                                 \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct wait w;                                                                     \
		type r;                                                                            \
                                                                                                   \
		WAIT_BEGIN(w);                                                                     \
		w.began_ns = coarse_now();                                                         \
		while (wait_eintr(r = REAL(name) args) &&                                          \
		       again_when_ready(&w, fd, option, events))                                   \
			;                                                                          \
		wait_end(&w);                                                                      \
		return r;                                                                          \
	}
#define INTERPOSE_RECEIVE(type, name, params, args)                                                \
	INTERPOSE_SOCKET(type, name, params, args, SO_RCVTIMEO, POLLIN)
#define INTERPOSE_SEND(type, name, params, args)                                                   \
	INTERPOSE_SOCKET(type, name, params, args, SO_SNDTIMEO, POLLOUT)

INTERPOSE_RECEIVE(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))
INTERPOSE_RECEIVE(ssize_t, readv, (int fd, const struct iovec *v, int count), (fd, v, count))
INTERPOSE_RECEIVE(ssize_t, recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))
INTERPOSE_RECEIVE(ssize_t, recvfrom,
		  (int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *size),
		  (fd, buf, n, flags, from, size))
INTERPOSE_RECEIVE(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags))
INTERPOSE_RECEIVE(int, recvmmsg,
		  (int fd, struct mmsghdr *m, unsigned count, int flags, struct timespec *timeout),
		  (fd, m, count, flags, timeout))
INTERPOSE_RECEIVE(int, accept, (int fd, struct sockaddr *from, socklen_t *size), (fd, from, size))
INTERPOSE_RECEIVE(int, accept4, (int fd, struct sockaddr *from, socklen_t *size, int flags),
		  (fd, from, size, flags))
INTERPOSE_SEND(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
INTERPOSE_SEND(ssize_t, writev, (int fd, const struct iovec *v, int count), (fd, v, count))
INTERPOSE_SEND(ssize_t, send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
INTERPOSE_SEND(ssize_t, sendto,
	       (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		socklen_t size),
	       (fd, buf, n, flags, to, size))
INTERPOSE_SEND(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
INTERPOSE_SEND(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned count, int flags),
	       (fd, m, count, flags))

/* The forms of -D_FORTIFY_SOURCE. */
#define INTERPOSE_CHECKED(type, name, params, args, n, bytes, plain)                               \
	extern type name params;                                                                   \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		return n > bytes ? REAL(name) args : plain; /* the real one ends the program */    \
	}
INTERPOSE_CHECKED(ssize_t, __read_chk, (int fd, void *buf, size_t n, size_t bytes),
		  (fd, buf, n, bytes), n, bytes, read(fd, buf, n))
INTERPOSE_CHECKED(ssize_t, __recv_chk, (int fd, void *buf, size_t n, size_t bytes, int flags),
		  (fd, buf, n, bytes, flags), n, bytes, recv(fd, buf, n, flags))
INTERPOSE_CHECKED(ssize_t, __recvfrom_chk,
		  (int fd, void *buf, size_t n, size_t bytes, int flags, struct sockaddr *from,
		   socklen_t *size),
		  (fd, buf, n, bytes, flags, from, size), n, bytes,
		  recvfrom(fd, buf, n, flags, from, size))

/* A connection goes on being made when the call was interrupted; one to a full queue of a local socket
 * does not, and its call is made again with the socket's time-out shortened. */
static int connect_again(const struct wait *w, int fd, const struct sockaddr *to, socklen_t size,
			 __typeof__(connect) *real)
{
	struct timeval had, left_tv;
	socklen_t n = sizeof had;
	uint64_t left;
	int r, error = 0;

	if (!time_left(w, fd, SO_SNDTIMEO, &left))
		return real(fd, to, size);
	if (to->sa_family == AF_UNIX) {
		left = left < 1000 ? 1000 : left; /* 0 would be none */
		left_tv = (struct timeval){(time_t)(left / 1000000000),
					   (long)(left % 1000000000 / 1000)};
		(void)SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &had, &n, 0);
		(void)SYS_CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &left_tv, n, 0);
		r = real(fd, to, size);
		(void)SYS_CALL(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, &had, n, 0);
		return r;
	}
	r = wait_ready(fd, POLLOUT, left);
	n = sizeof error;
	if (r > 0)
		(void)SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &n, 0);
	else
		error = r < 0 ? -r : EINPROGRESS;
	if (error)
		errno = error;
	return error ? -1 : 0;
}

INTERPOSE(int, connect, (int fd, const struct sockaddr *to, socklen_t size))
{
	struct wait w;
	int r;

	WAIT_BEGIN(w);
	w.began_ns = coarse_now();
	r = REAL(connect)(fd, to, size);
	while (wait_eintr(r))
		r = connect_again(&w, fd, to, size, REAL(connect));
	wait_end(&w);
	return r;
}
