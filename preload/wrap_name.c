/* SPDX-License-Identifier: MIT */
/*
 * Names of hosts.  Modules that libc loads for them wait by poll() and its kin, which have wrappers: the time is that of the call
 * that the program has made, and of nothing in it.
 */
#include <netdb.h>

#include "preload/blocked.h"
#include "preload/interpose.h"

#define INTERPOSE_NAME(type, name, params, args)                                                   \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct blocked_call c;                                                             \
		type r;                                                                            \
                                                                                                   \
		blocked_begin_around(&c);                                                          \
		r = REAL(name) args;                                                               \
		blocked_end_around(&c, WAIT_NETWORK, (const void *)real_##name);                   \
		return r;                                                                          \
	}

INTERPOSE_NAME(int, getaddrinfo,
	       (const char *host, const char *service, const struct addrinfo *hints,
		struct addrinfo **ret),
	       (host, service, hints, ret))
INTERPOSE_NAME(int, getnameinfo,
	       (const struct sockaddr *address, socklen_t size, char *host, socklen_t host_bytes,
		char *service, socklen_t service_bytes, int flags),
	       (address, size, host, host_bytes, service, service_bytes, flags))
INTERPOSE_NAME(struct hostent *, gethostbyname, (const char *host), (host))
INTERPOSE_NAME(struct hostent *, gethostbyname2, (const char *host, int family), (host, family))
INTERPOSE_NAME(struct hostent *, gethostbyaddr, (const void *address, socklen_t size, int family),
	       (address, size, family))
INTERPOSE_NAME(int, gethostbyname_r,
	       (const char *host, struct hostent *entry, char *room, size_t bytes,
		struct hostent **ret, int *error),
	       (host, entry, room, bytes, ret, error))
INTERPOSE_NAME(int, gethostbyname2_r,
	       (const char *host, int family, struct hostent *entry, char *room, size_t bytes,
		struct hostent **ret, int *error),
	       (host, family, entry, room, bytes, ret, error))
INTERPOSE_NAME(int, gethostbyaddr_r,
	       (const void *address, socklen_t size, int family, struct hostent *entry, char *room,
		size_t bytes, struct hostent **ret, int *error),
	       (address, size, family, entry, room, bytes, ret, error))
