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
#include "preload/socket.h"
#include "preload/wait.h"

#define INTERPOSE_SOCKET(type, name, params, args, option, events)                                 \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct wait w;                                                                     \
		type r;                                                                            \
                                                                                                   \
		WAIT_BEGIN(w, -1);                                                                 \
		socket_begin(&w);                                                                  \
		while (wait_eintr(&w, r = REAL(name) args) &&                                      \
		       socket_again(&w, fd, option, events))                                       \
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
INTERPOSE_SEND(ssize_t, writev, (int fd, const struct iovec *v, int count), (fd, v, count))
INTERPOSE_SEND(ssize_t, sendto,
	       (int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		socklen_t size),
	       (fd, buf, n, flags, to, size))
INTERPOSE_SEND(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags))
INTERPOSE_SEND(int, sendmmsg, (int fd, struct mmsghdr *m, unsigned count, int flags),
	       (fd, m, count, flags))

/*
 * A call that transfers all of a buffer, or waits, returns a part of it when a signal comes in between,
 * also a tick.  When that was ours alone, the rest follows; an error then is the next call's to find.
 */
#define INTERPOSE_WHOLE(name, params, args, rest, whole, option, events)                           \
	INTERPOSE(ssize_t, name, params)                                                           \
	{                                                                                          \
		struct wait w;                                                                     \
		size_t done = 0;                                                                   \
		ssize_t r;                                                                         \
                                                                                                   \
		WAIT_BEGIN(w, -1);                                                                 \
		socket_begin(&w);                                                                  \
		for (;;) {                                                                         \
			r = done ? REAL(name) rest : REAL(name) args;                              \
			if (r > 0)                                                                 \
				done += (size_t)r;                                                 \
			if (r < 0 ? !wait_eintr(&w, r) || !socket_again(&w, fd, option, events)    \
				  : !(r && (whole) && done < n &&                                  \
				      socket_more(&w, fd, option, events)))                        \
				break;                                                             \
		}                                                                                  \
		wait_end(&w);                                                                      \
		if (!done)                                                                         \
			return r;                                                                  \
		errno = w.error; /* what follows a part is the next call's to find */              \
		return (ssize_t)done;                                                              \
	}
INTERPOSE_WHOLE(write, (int fd, const void *buf, size_t n), (fd, buf, n),
		(fd, (const char *)buf + done, n - done), true, SO_SNDTIMEO, POLLOUT)
INTERPOSE_WHOLE(send, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags),
		(fd, (const char *)buf + done, n - done, flags), true, SO_SNDTIMEO, POLLOUT)
INTERPOSE_WHOLE(recv, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags),
		(fd, (char *)buf + done, n - done, flags),
		(flags & MSG_WAITALL) && !(flags & MSG_PEEK), SO_RCVTIMEO, POLLIN)

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
 * does not.  Its call is made again with the whole time-out, until that is over when we look: to shorten
 * it would leave the host another socket option when it jumps out of here. */
static int connect_again(const struct wait *w, int fd, const struct sockaddr *to, socklen_t size,
			 __typeof__(connect) *real)
{
	socklen_t n = sizeof(int);
	uint64_t left;
	int r, error = 0;

	if (!socket_left(w, fd, SO_SNDTIMEO, &left))
		return real(fd, to, size);
	if (to->sa_family == AF_UNIX && left)
		return real(fd, to, size);
	r = to->sa_family == AF_UNIX ? 0 : socket_wait(fd, POLLOUT, left);
	if (r > 0)
		(void)SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, &error, &n, 0);
	else
		error = r < 0 ? -r : to->sa_family == AF_UNIX ? EAGAIN : EINPROGRESS;
	if (error)
		errno = error;
	return error ? -1 : 0;
}

INTERPOSE(int, connect, (int fd, const struct sockaddr *to, socklen_t size))
{
	struct wait w;
	int r;

	WAIT_BEGIN(w, -1);
	socket_begin(&w);
	r = REAL(connect)(fd, to, size);
	while (wait_eintr(&w, r))
		r = connect_again(&w, fd, to, size, REAL(connect));
	wait_end(&w);
	return r;
}
