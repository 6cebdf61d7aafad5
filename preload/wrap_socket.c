/* SPDX-License-Identifier: MIT */
/*
 * Calls on sockets with SO_RCVTIMEO or SO_SNDTIMEO: the kernel restarts them only when they have no
 * time-out, and the time-out begins anew with each call (preload/socket).  A row that receives is timed and
 * no more (preload/blocked) as long as no socket has a time-out and the handler can help; its other half, a function apart, so that
 * the frame of the first stays small, opens a scope.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/sys.h"
#include "preload/interpose.h"
#include "preload/socket.h"
#include "preload/wait.h"

INTERPOSE_HOT(read);
INTERPOSE_HOT(write);
INTERPOSE_HOT(recv);
INTERPOSE_HOT(send);
INTERPOSE_HOT(recvmsg);
INTERPOSE_HOT(sendmsg);
INTERPOSE_HOT(writev);
static INTERPOSE_HOT_AS(whole_write, write);
static INTERPOSE_HOT_AS(whole_send, send);
static INTERPOSE_HOT_AS(whole_recv, recv);

#define SOCKET_SCOPE(type, name, class, params, args, option, events)                              \
	static __attribute__((noinline)) type scoped_##name params                                 \
	{                                                                                          \
		struct wait w;                                                                     \
		type r;                                                                            \
                                                                                                   \
		wait_begin(&w, WAIT_BY_WRAPPER);                                                   \
		socket_begin(&w);                                                                  \
		while (wait_eintr(r = REAL(name) args) && socket_again(&w, fd, option, events))    \
			;                                                                          \
		wait_end(&w, class, (const void *)real_##name);                                    \
		return r;                                                                          \
	}
#define SOCKET_ROW(name)                                                                           \
	INTERPOSE_ROW(name);                                                                       \
	static _Atomic bool plain_##name;                                                          \
	__attribute__((section("cprof_socket"),                                                    \
		       used)) static const struct socket_row socket_##name = {                     \
		(void **)&real_##name, &plain_##name}
/*
 * A plain row, by the processor's counter.  This is what a read costs that need not wait, so all that is rare is a function apart, and
 * nothing has to be kept over a call of ours.  It is plain only when it is resolved: no REAL().
 */
#define SOCKET_RARE(type, name, class, params, args)                                               \
	static __attribute__((noinline)) type by_other_clock_##name params                         \
	{                                                                                          \
		struct blocked b;                                                                  \
		type r;                                                                            \
                                                                                                   \
		blocked_begin(&b);                                                                 \
		r = real_##name args;                                                              \
		blocked_end(&b, class, (const void *)real_##name);                                 \
		return r;                                                                          \
	}                                                                                          \
	static __attribute__((noinline)) type looked_at_##name(type r, uint64_t ticks)             \
	{                                                                                          \
		blocked_look(ticks, class, (const void *)real_##name);                             \
		return r;                                                                          \
	}                                                                                          \
	/* PR_SET_TSC, by a handler under way. */                                                  \
	static __attribute__((noinline)) type dropped_##name(type r)                               \
	{                                                                                          \
		blocked_drop();                                                                    \
		return r;                                                                          \
	}
#define SOCKET_PLAIN(type, name, class, args)                                                      \
	do {                                                                                       \
		struct blocked b;                                                                  \
		uint64_t ticks;                                                                    \
		type r;                                                                            \
                                                                                                   \
		if (__builtin_expect(!clock_by_counter, 0)) {                                      \
			if (clock_is_off)                                                          \
				return real_##name args;                                           \
			return by_other_clock_##name args;                                         \
		}                                                                                  \
		blocked_begin_at(&b, __builtin_ia32_rdtsc());                                      \
		r = real_##name args;                                                              \
		if (__builtin_expect(!clock_by_counter, 0))                                        \
			return dropped_##name(r);                                                  \
		if (blocked_passes(blocked_line(class), &b, __builtin_ia32_rdtsc(), &ticks))       \
			return r;                                                                  \
		return looked_at_##name(r, ticks);                                                 \
	} while (0)
#define INTERPOSE_SOCKET(type, name, class, params, args, option, events)                          \
	SOCKET_ROW(name);                                                                          \
	SOCKET_SCOPE(type, name, class, params, args, option, events)                              \
	SOCKET_RARE(type, name, class, params, args)                                               \
	EXPORT type name params                                                                    \
	{                                                                                          \
		if (!socket_is_plain(&plain_##name))                                               \
			return scoped_##name args;                                                 \
		SOCKET_PLAIN(type, name, class, args);                                             \
	}
#define INTERPOSE_RECEIVE(type, name, class, params, args)                                         \
	INTERPOSE_SOCKET(type, name, class, params, args, SO_RCVTIMEO, POLLIN)
#define INTERPOSE_SEND(type, name, class, params, args)                                            \
	INTERPOSE_SOCKET(type, name, class, params, args, SO_SNDTIMEO, POLLOUT)

INTERPOSE_RECEIVE(ssize_t, read, WAIT_IO, (int fd, void *buf, size_t n), (fd, buf, n))
INTERPOSE_RECEIVE(ssize_t, readv, WAIT_IO, (int fd, const struct iovec *v, int count),
		  (fd, v, count))
INTERPOSE_RECEIVE(ssize_t, recvmsg, WAIT_NETWORK, (int fd, struct msghdr *m, int flags),
		  (fd, m, flags))
INTERPOSE_RECEIVE(int, recvmmsg, WAIT_NETWORK,
		  (int fd, struct mmsghdr *m, unsigned count, int flags, struct timespec *timeout),
		  (fd, m, count, flags, timeout))
INTERPOSE_RECEIVE(int, accept, WAIT_ACCEPT, (int fd, struct sockaddr *from, socklen_t *size),
		  (fd, from, size))
INTERPOSE_RECEIVE(int, accept4, WAIT_ACCEPT,
		  (int fd, struct sockaddr *from, socklen_t *size, int flags),
		  (fd, from, size, flags))
INTERPOSE_SEND(int, sendmmsg, WAIT_NETWORK, (int fd, struct mmsghdr *m, unsigned count, int flags),
	       (fd, m, count, flags))

/*
 * A call that transfers all of a buffer, or waits, returns a part of it when a signal comes in between,
 * also a tick.  When that was ours alone, the rest follows; an error then is the next call's to find.
 * One that does not wait for all of it is one that receives, as above.
 */
#define INTERPOSE_WHOLE(name, class, params, args, rest, how, waits, option, events)               \
	SOCKET_ROW(name);                                                                          \
	static __attribute__((noinline)) ssize_t whole_##name params                               \
	{                                                                                          \
		struct wait w;                                                                     \
		ssize_t r;                                                                         \
                                                                                                   \
		wait_begin(&w, WAIT_WHOLE);                                                        \
		socket_begin(&w);                                                                  \
		r = REAL(name) args;                                                               \
		if (__builtin_expect(blocked_thread.scope.again, 0)) {                             \
			const int error = r < 0 ? blocked_thread.scope.error : errno;              \
			size_t done = 0;                                                           \
                                                                                                   \
			for (;;) {                                                                 \
				done += r > 0 ? (size_t)r : 0;                                     \
				if (r < 0 ? !wait_eintr(r) ||                                      \
						    !socket_again(&w, fd, option, events)          \
					  : !(r && (waits) && done < n &&                          \
					      socket_more(&w, fd, how, option, events)))           \
					break;                                                     \
				r = done ? REAL(name) rest : REAL(name) args;                      \
			}                                                                          \
			if (done) { /* what follows a part is the next call's to find */           \
				errno = error;                                                     \
				r = (ssize_t)done;                                                 \
			}                                                                          \
		}                                                                                  \
		wait_end(&w, class, (const void *)real_##name);                                    \
		return r;                                                                          \
	}                                                                                          \
	SOCKET_RARE(ssize_t, name, class, params, args)                                            \
	EXPORT ssize_t name params                                                                 \
	{                                                                                          \
		if ((waits) || !socket_is_plain(&plain_##name))                                    \
			return whole_##name args;                                                  \
		SOCKET_PLAIN(ssize_t, name, class, args);                                          \
	}
INTERPOSE_WHOLE(write, WAIT_IO, (int fd, const void *buf, size_t n), (fd, buf, n),
		(fd, (const char *)buf + done, n - done), 0, true, SO_SNDTIMEO, POLLOUT)
INTERPOSE_WHOLE(send, WAIT_NETWORK, (int fd, const void *buf, size_t n, int flags),
		(fd, buf, n, flags), (fd, (const char *)buf + done, n - done, flags | MSG_NOSIGNAL),
		flags, !(flags & MSG_DONTWAIT), SO_SNDTIMEO, POLLOUT)
INTERPOSE_WHOLE(recv, WAIT_NETWORK, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags),
		(fd, (char *)buf + done, n - done, flags), flags,
		(flags & MSG_WAITALL) && !(flags & MSG_PEEK), SO_RCVTIMEO, POLLIN)

INTERPOSE_WHOLE(sendto, WAIT_NETWORK,
		(int fd, const void *buf, size_t n, int flags, const struct sockaddr *to,
		 socklen_t size),
		(fd, buf, n, flags, to, size),
		(fd, (const char *)buf + done, n - done, flags | MSG_NOSIGNAL, to, size), flags,
		!(flags & MSG_DONTWAIT), SO_SNDTIMEO, POLLOUT)
INTERPOSE_WHOLE(recvfrom, WAIT_NETWORK,
		(int fd, void *buf, size_t n, int flags, struct sockaddr *from, socklen_t *size),
		(fd, buf, n, flags, from, size),
		(fd, (char *)buf + done, n - done, flags, from, size), flags,
		(flags & MSG_WAITALL) && !(flags & MSG_PEEK), SO_RCVTIMEO, POLLIN)

/* What follows the first done bytes of a vector, in rest, which has room for REST parts; how many. */
#define REST 16 /* few: a scope reaches WAIT_REACH bytes down the stack */
static int vector_after(const struct iovec *v, size_t count, size_t done, struct iovec *rest)
{
	int n = 0;

	for (; count; v++, count--) {
		size_t skip = done < v->iov_len ? done : v->iov_len;

		done -= skip;
		if (skip == v->iov_len)
			continue;
		if (n == REST)
			break; /* the others later */
		rest[n++] = (struct iovec){(char *)v->iov_base + skip, v->iov_len - skip};
	}
	return n;
}

/* Goes on with a vector of which done bytes are sent; all that are sent then.  Apart, since few calls
 * need its room. */
static __attribute__((noinline)) ssize_t
send_rest(const struct wait *w, int fd, const struct iovec *v, size_t count, ssize_t done,
	  int flags, __typeof__(sendmsg) *by_socket, __typeof__(writev) *by_file)
{
	struct iovec rest[REST];
	struct msghdr m = {.msg_iov = rest};
	const int error = errno; /* the part that is sent has left it alone */
	ssize_t r = done;
	bool whole = false; /* the last call has sent all that it was given */
	int n;

	while (r > 0 && (n = vector_after(v, count, (size_t)done, rest)) > 0 &&
	       (whole || socket_more(w, fd, flags, SO_SNDTIMEO, POLLOUT))) {
		size_t given = 0;

		for (int i = 0; i < n; i++)
			given += rest[i].iov_len;
		m.msg_iovlen = (size_t)n;
		r = by_socket ? by_socket(fd, &m, flags | MSG_NOSIGNAL) : by_file(fd, rest, n);
		done += r > 0 ? r : 0;
		whole = r == (ssize_t)given;
	}
	errno = error;
	return done;
}

INTERPOSE(ssize_t, writev, (int fd, const struct iovec *v, int count))
{
	struct wait w;
	ssize_t r;

	wait_begin(&w, WAIT_WHOLE);
	socket_begin(&w);
	while (wait_eintr(r = REAL(writev)(fd, v, count)) &&
	       socket_again(&w, fd, SO_SNDTIMEO, POLLOUT))
		;
	if (__builtin_expect(blocked_thread.scope.again, 0) && r > 0)
		r = send_rest(&w, fd, v, (size_t)count, r, 0, NULL, REAL(writev));
	wait_end(&w, WAIT_IO, (const void *)real_writev);
	return r;
}

INTERPOSE(ssize_t, sendmsg, (int fd, const struct msghdr *m, int flags))
{
	struct wait w;
	ssize_t r;

	wait_begin(&w, WAIT_WHOLE);
	socket_begin(&w);
	while (wait_eintr(r = REAL(sendmsg)(fd, m, flags)) &&
	       socket_again(&w, fd, SO_SNDTIMEO, POLLOUT))
		;
	/* Without its address and control data: they have gone with the first part. */
	if (__builtin_expect(blocked_thread.scope.again, 0) && r > 0)
		r = send_rest(&w, fd, m->msg_iov, m->msg_iovlen, r, flags, REAL(sendmsg), NULL);
	wait_end(&w, WAIT_NETWORK, (const void *)real_sendmsg);
	return r;
}

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

	wait_begin(&w, WAIT_BY_WRAPPER);
	socket_begin(&w);
	r = REAL(connect)(fd, to, size);
	while (wait_eintr(r))
		r = connect_again(&w, fd, to, size, REAL(connect));
	wait_end(&w, WAIT_NETWORK, (const void *)real_connect);
	return r;
}

/* From here on sockets may have time-outs. */
INTERPOSE(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t size))
{
	socket_option(level, option);
	return REAL(setsockopt)(fd, level, option, value, size);
}
