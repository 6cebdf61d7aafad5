/* SPDX-License-Identifier: MIT */
/* The pass-through for calls that wait and syscall(2): each a jump to the next definition. */
#include <dlfcn.h>
#include <poll.h>
#include <sys/types.h>

#define FORWARD(symbol, name, type, parameters, arguments)                                         \
	static type first_##name parameters;                                                       \
	static type(*real_##name) parameters = first_##name;                                       \
	static type first_##name parameters                                                        \
	{                                                                                          \
		real_##name = (type(*) parameters)dlsym(RTLD_NEXT, symbol);                        \
		return real_##name arguments;                                                      \
	}                                                                                          \
	type any_##name parameters __asm__(symbol);                                                \
	__attribute__((visibility("default"))) type any_##name parameters                          \
	{                                                                                          \
		return real_##name arguments;                                                      \
	}

FORWARD("read", read, ssize_t, (int fd, void *buf, size_t n), (fd, buf, n))
FORWARD("write", write, ssize_t, (int fd, const void *buf, size_t n), (fd, buf, n))
FORWARD("poll", poll, int, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
FORWARD("send", send, ssize_t, (int fd, const void *buf, size_t n, int flags), (fd, buf, n, flags))
FORWARD("recv", recv, ssize_t, (int fd, void *buf, size_t n, int flags), (fd, buf, n, flags))
FORWARD("syscall", syscall, long, (long nr, long a, long b, long c, long d, long e, long f),
	(nr, a, b, c, d, e, f))
