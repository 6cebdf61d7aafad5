/* SPDX-License-Identifier: MIT */
/*
 * preload/mask: SIGPROF is never blocked by the host, and the host believes that it is.
 *
 * Hosts block all signals in their workers; those would be invisible, and SIGPROF is also how a dump
 * is asked for where everything else is blocked.  So our wrappers keep it out of every mask, and what
 * the host has set is remembered per thread (`hidden`) and shown to it.  A SIGPROF of the host's own
 * that comes while it is hidden is kept (one for the process and one for each thread, as the kernel does) until a thread unblocks it.
 */
#ifndef CPROF_PRELOAD_MASK_H
#define CPROF_PRELOAD_MASK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#define MASK_PROF (UINT64_C(1) << (SIGPROF - 1))

/* The kernel's word of a set: all of it that is read or written. */
static inline uint64_t mask_word(const sigset_t *set)
{
	return set->__val[0];
}

/* Does the host believe that SIGPROF is blocked in the calling thread?
 * Context: signal. */
bool mask_hidden(void);
void mask_set_hidden(bool hidden);

/* The host has set it, together with the kernel's mask.
 * Context: wrapper. */
void mask_hide(bool hidden, uint64_t with);

/* It has unblocked these and not SIGPROF.
 * Context: wrapper. */
void mask_hide_without(uint64_t unblocked);

/* The same question where the kernel's mask is known.  The return of a handler, siglongjmp and swapcontext
 * set the mask without us: when none of what was blocked together with SIGPROF is blocked any more, it is
 * not hidden any more either.
 * Context: signal. */
bool mask_hidden_under(uint64_t kernel_mask);

/* What the host's set becomes on its way to the kernel, in *ret_room when it is another; NULL for NULL.
 * Context: signal. */
const sigset_t *mask_without(const sigset_t *set, sigset_t *ret_room);

/* The same for a mask that is in force during a call only, and the host's belief follows it, until mask_leave() with what it was
 * before, which also delivers what was kept meanwhile.
 * Context: wrapper. */
struct mask_belief {
	bool hidden;
	uint64_t with;
};
struct mask_belief mask_enter(const sigset_t **mask, sigset_t *ret_room);
void mask_leave(struct mask_belief was);

/* Keeps a SIGPROF of the host's, for the calling thread when pthread_kill has sent it, else for the process, unless one is kept already.
 * Context: signal. */
void mask_defer(const siginfo_t *info);

/* Takes one that is kept for this thread or for all: true with *ret_info.
 * Context: signal. */
bool mask_take_deferred(siginfo_t *ret_info);
bool mask_has_deferred(void);

/* SIGPROF is to be ignored: none is kept any more, for no thread.
 * Context: wrapper. */
void mask_drop_deferred(void);

/* Sends what is kept to the calling thread, when it is not hidden there.  True when there was
 * some: the host's handler has run.
 * Context: wrapper. */
bool mask_deliver(void);

/* Really blocks SIGPROF, or not any more, when the host believes so: around calls that pass the mask on
 * to another program.
 * Context: wrapper. */
void mask_make_real(bool real);

/* Where it is really blocked, before exec: what is kept becomes pending, and the new image inherits it. */
void mask_pend_deferred(void);

/* The same in a vfork child, before exec: unless it has set a mask itself, which was real.
 * mask_set_in_child() notes that it has. */
void mask_make_real_in_child(void);
void mask_set_in_child(void);

/* In the child of fork, in which nothing is pending.
 * Context: signal. */
void mask_after_fork(void);

/* In a thread that begins: SIGPROF becomes deliverable; hidden says what its creator believed.
 * Context: own. */
void mask_thread_begin(bool hidden);

#endif
