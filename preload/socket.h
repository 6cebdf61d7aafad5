/* SPDX-License-Identifier: MIT */
/*
 * preload/socket: what is left of SO_RCVTIMEO or SO_SNDTIMEO when a call was interrupted.
 *
 * The kernel restarts calls on sockets only when they have no time-out, and a time-out begins anew with
 * each call.  Only after an interruption is the socket asked; before, a call costs a coarse clock, 5 ns,
 * which is as exact as these time-outs are.
 */
#ifndef CPROF_PRELOAD_SOCKET_H
#define CPROF_PRELOAD_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "preload/wait.h"

/* Before the call.
 * Context: wrapper. */
void socket_begin(struct wait *w);

/* What is left of the time-out (SO_RCVTIMEO or SO_SNDTIMEO), in *ret_ns.  False: fd has none, or is no
 * socket.
 * Context: wrapper. */
bool socket_left(const struct wait *w, int fd, int option, uint64_t *ret_ns);

#define SOCKET_FOREVER UINT64_MAX

/* Waits at most left_ns until fd is ready for events: 1; 0 when the time is over, -EINTR for a signal of
 * the host's.
 * Context: wrapper, inside a scope. */
int socket_wait(int fd, short events, uint64_t left_ns);

/* After an interruption by us: true when the call is to be made again, else errno says how it ends.
 * Context: wrapper, inside a scope. */
bool socket_again(const struct wait *w, int fd, int option, short events);

/* After a part was transferred: true when it was cut short by us alone and there is room for more.  A
 * signal of the host's ends it here too, with or without SA_RESTART, as it ends such a call.
 * Context: wrapper, inside a scope. */
bool socket_more(const struct wait *w, int fd, int flags, int option, short events);

#endif
