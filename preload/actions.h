/* SPDX-License-Identifier: MIT */
/*
 * preload/actions: what the host believes about the actions of SIGPROF and of the dump signal.
 *
 * The invariant: once installed, our handlers stay; they are never replaced by SIG_DFL, since a pending
 * SIGPROF would then end the host.  What the host sets for these two is kept aside, shown to it when it
 * asks, and called for what is not ours.  Our own action takes over SA_RESTART and SA_ONSTACK from the
 * host's handler, so that the kernel treats interrupted calls and stacks as the host has asked.
 */
#ifndef CPROF_PRELOAD_ACTIONS_H
#define CPROF_PRELOAD_ACTIONS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

typedef void (*action_handler_fn)(int signo, siginfo_t *info, void *context);

/* Keeps a signal: installs handler and remembers what was there.
 * Context: own.  Allocates: no.  Locks: none. */
void actions_keep(int signo, action_handler_fn handler);

bool actions_is_kept(int signo);

/* The host sets (act) or asks for (old) the action of a signal that we keep, as sigaction(2).
 * Context: wrapper. */
void actions_exchange(int signo, const struct sigaction *act, struct sigaction *old);

/* Calls the host's handler, as the kernel would; false when there is none.  The mask is then what the
 * handler has left.
 * Context: signal. */
bool actions_call(int signo, siginfo_t *info, void *context);

/* Has the host a handler for signo, one that we keep or another; *ret_restarts: with SA_RESTART.
 * Context: signal. */
bool actions_has_handler(int signo, bool *ret_restarts);

/* Around exec, which keeps what is ignored and resets what is handled: signals that the host ignores
 * are really ignored, in this process or in a vfork child; and after an exec that failed handled again.
 * Context: wrapper. */
void actions_before_exec(void);
void actions_after_failed_exec(void);

/* In a child that is not followed: the host's own actions become the real ones. */
void actions_give_back(void);

/* Is our handler still there for signo?  A host may replace it by a raw system call.
 * Context: signal. */
bool actions_stand(int signo);

/* In a vfork child, which shares this memory: has it set that action itself, or (now) is it about to?  Then it is really so, and
 * actions_before_exec() leaves it alone.
 * Context: wrapper. */
bool actions_set_in_child(int signo, bool now);

/* siginterrupt(3): what signal(3) is to do from now on for a signal that we keep. */
void actions_set_interrupting(int signo, bool yes);
bool actions_is_interrupting(int signo);

#endif
