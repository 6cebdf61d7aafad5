/* SPDX-License-Identifier: MIT */
/* A module for names of hosts that waits for 30 ms, by poll(2) among others, and knows none: libnss_waited.so.2. */
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <poll.h>
#include <unistd.h>

static enum nss_status wait_in_vain(int *error, int *host_error)
{
	fsync(-1); /* a wait of no time */
	poll(NULL, 0, 30);
	*error = ENOENT;
	*host_error = HOST_NOT_FOUND;
	return NSS_STATUS_NOTFOUND;
}

#define FUNCTION(name, ...)                                                                        \
	__attribute__((visibility("default"))) enum nss_status _nss_waited_##name(__VA_ARGS__);    \
	enum nss_status _nss_waited_##name(__VA_ARGS__)                                            \
	{                                                                                          \
		return wait_in_vain(error, host_error);                                            \
	}

#pragma GCC diagnostic ignored "-Wunused-parameter"
FUNCTION(gethostbyname4_r, const char *host, void **found, char *room, size_t bytes, int *error,
	 int *host_error, int *ttl)
FUNCTION(gethostbyname2_r, const char *host, int family, struct hostent *found, char *room,
	 size_t bytes, int *error, int *host_error)
FUNCTION(gethostbyname_r, const char *host, struct hostent *found, char *room, size_t bytes,
	 int *error, int *host_error)
