/* SPDX-License-Identifier: MIT */
#include "preload/socket.h"

#include <poll.h>
#include <sys/socket.h>

#include "core/sys.h"
#include "preload/resume.h"

_Atomic bool socket_timed;

/* Provided by the linker for a section whose name is a C identifier. */
extern const struct socket_row __start_cprof_socket[] __attribute__((visibility("hidden")));
extern const struct socket_row __stop_cprof_socket[] __attribute__((visibility("hidden")));

static bool has_time_out(int fd, int option)
{
	struct timeval tv = {0, 0};
	socklen_t n = sizeof tv;

	return SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, option, &tv, &n, 0) == 0 &&
	       (tv.tv_sec | tv.tv_usec) != 0;
}

void socket_learn(void)
{
	/* Relaxed: each is only a hint. */
	atomic_store_explicit(&socket_timed, true, memory_order_relaxed);
	for (const struct socket_row *r = __start_cprof_socket; r < __stop_cprof_socket; r++)
		atomic_store_explicit(r->plain, false, memory_order_relaxed);
}

void socket_start(void)
{
	for (const struct socket_row *r = __start_cprof_socket; r < __stop_cprof_socket; r++)
		atomic_store_explicit(r->plain, *r->real && resume_knows(*r->real),
				      memory_order_relaxed);
	for (int fd = 0; fd < 3; fd++)
		if (has_time_out(fd, SO_RCVTIMEO) || has_time_out(fd, SO_SNDTIMEO))
			socket_learn();
}

bool socket_left(const struct wait *w, int fd, int option, uint64_t *ret_ns)
{
	struct timeval tv = {0, 0};
	socklen_t n = sizeof tv;
	uint64_t limit, used = w->began_ns ? wait_coarse_now() - w->began_ns : 0;

	if (SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, option, &tv, &n, 0) < 0 ||
	    (tv.tv_sec | tv.tv_usec) == 0)
		return false;
	socket_learn(); /* perhaps it was not known before */
	limit = (uint64_t)tv.tv_sec * 1000000000u + (uint64_t)tv.tv_usec * 1000u;
	*ret_ns = used < limit ? limit - used : 0;
	return true;
}

static int wait_for(int fd, short events, uint64_t left_ns, short *ret_found)
{
	const struct timespec ts = {(time_t)(left_ns / 1000000000), (long)(left_ns % 1000000000)};
	struct pollfd p = {.fd = fd, .events = events};
	/* A cancellation point, as the call is that waits here. */
	int r = wait_ppoll(&p, 1, left_ns == SOCKET_FOREVER ? NULL : &ts);

	*ret_found = p.revents;
	return r < 0 ? -errno : r;
}

int socket_wait(int fd, short events, uint64_t left_ns)
{
	short found;

	return wait_for(fd, events, left_ns, &found);
}

bool socket_again(const struct wait *w, int fd, int option, short events)
{
	uint64_t left;
	int r;

	if (!socket_left(w, fd, option, &left))
		return true;
	r = socket_wait(fd, events, left);
	if (r > 0)
		return true; /* with errno as it was */
	errno = r < 0 ? -r : EAGAIN;
	return false;
}

/* Calls on others than these give a part for reasons of their own: a datagram is whole, and a file has a limit, at which there is a
 * signal of its own. */
static bool goes_on(int fd, int flags, bool *ret_socket)
{
	int type = 0;
	socklen_t n = sizeof type;
	struct stat st;

	/* A part is what such a call gives. */
	if ((flags & MSG_DONTWAIT) || (SYS_CALL(SYS_fcntl, fd, F_GETFL, 0, 0, 0, 0) & O_NONBLOCK))
		return false;
	*ret_socket = SYS_CALL(SYS_getsockopt, fd, SOL_SOCKET, SO_TYPE, &type, &n, 0) == 0;
	if (*ret_socket)
		return type == SOCK_STREAM;
	return sys_fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
}

bool socket_more(const struct wait *w, int fd, int flags, int option, short events)
{
	bool socket;
	uint64_t left;
	short found;

	if (!wait_again() || !goes_on(fd, flags, &socket))
		return false;
	left = socket_left(w, fd, option, &left) ? left : SOCKET_FOREVER;
	/* A connection that is gone ends the call with the part, and the next one with a signal. */
	return wait_for(fd, events, left, &found) > 0 &&
	       !(socket && events == POLLOUT && (found & (POLLERR | POLLHUP)));
}
