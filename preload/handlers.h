/* SPDX-License-Identifier: MIT */
/*
 * preload/handlers: SIGPROF and the dump signal stay out of the masks of the host's handlers.
 *
 * One of them that is blocked while a handler of the host's runs, is pending when that ends, and comes where the interrupted call has
 * returned EINTR because of the host's signal: nothing there tells that from an EINTR of our own, which the host must not see.
 * So a sa_mask goes to the kernel without them, and the host is shown its own.  Not where the handler has an alternate stack, whose
 * size may count on nothing else coming; nor for a signal that the host handles itself.
 */
#ifndef CPROF_PRELOAD_HANDLERS_H
#define CPROF_PRELOAD_HANDLERS_H

#include <signal.h>
#include <stdbool.h>

/* Is there anything to be done for what the host sets of signo (act) or asks for (NULL)?  For nearly all there is not.
 * Context: wrapper. */
bool handlers_concern(int signo, const struct sigaction *act);

/* The host sets the action of a signal that is not kept: what the kernel is to be told, in *ret_room when it is another.
 * Context: wrapper. */
const struct sigaction *handlers_without(const struct sigaction *act, struct sigaction *ret_room);

/* It was set: act as the host has given it, NULL for a question only; what the kernel said it was before, in *old (may be NULL),
 * becomes what the host had set.
 * Context: wrapper. */
void handlers_set(int signo, const struct sigaction *act, struct sigaction *old);

/* From now on the host handles signo, one of ours, itself, or none of them is ours any more (0): the masks become what it has set.
 * Context: signal. */
void handlers_put_back(int signo);

#endif
