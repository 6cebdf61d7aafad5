/* SPDX-License-Identifier: MIT */
#include "preload/mask.h"

#include <errno.h>
#include <stdatomic.h>

#include "core/sys.h"
#include "preload/host.h"
#include "preload/thread.h"

#include "core/as_safe.h"

static __thread bool hidden;
static __thread uint64_t hidden_with; /* the other signals that were blocked then */

enum { EMPTY, FILLING, FULL };
static struct kept {
	_Atomic int state;
	unsigned drops; /* as they were then */
	siginfo_t info;
} for_process;
static __thread struct kept for_thread; /* sent to it by pthread_kill */
/* How often the host has set SIGPROF to be ignored: what was kept before that, for any thread, is gone. */
static _Atomic unsigned drops;

bool mask_hidden(void)
{
	return hidden;
}

void mask_set_hidden(bool is)
{
	struct thread *t = thread_self();

	hidden = is;
	if (t)
		atomic_store_explicit(&t->prof_hidden, is, memory_order_relaxed);
	__asm__ volatile("" ::: "memory"); /* a handler on this thread sees it from here on */
}

void mask_hide(bool is, uint64_t with)
{
	hidden_with = with & ~MASK_PROF;
	mask_set_hidden(is);
}

void mask_hide_without(uint64_t unblocked)
{
	hidden_with &= ~unblocked;
}

bool mask_hidden_under(uint64_t kernel_mask)
{
	if (hidden && hidden_with && !(kernel_mask & hidden_with))
		mask_set_hidden(false);
	return hidden;
}

const sigset_t *mask_without(const sigset_t *set, sigset_t *ret_room)
{
	if (!host.on || !set || !(mask_word(set) & MASK_PROF))
		return set;
	memset(ret_room, 0, sizeof *ret_room);
	ret_room->__val[0] = mask_word(set) & ~MASK_PROF;
	return ret_room;
}

struct mask_belief mask_enter(const sigset_t **mask, sigset_t *ret_room)
{
	const struct mask_belief was = {hidden, hidden_with};

	if (host.on && *mask) {
		/* What is shown to a handler as the mask is the one outside of the call. */
		hidden_with = 0;
		mask_set_hidden((mask_word(*mask) & MASK_PROF) != 0);
		*mask = mask_without(*mask, ret_room);
	}
	return was;
}

void mask_leave(struct mask_belief was)
{
	const int error = errno; /* the kernel's handler would run before libc sets it */

	hidden_with = was.with;
	mask_set_hidden(was.hidden);
	(void)mask_deliver();
	errno = error;
}

void mask_defer(const siginfo_t *info)
{
	struct kept *k = info->si_code == SI_TKILL ? &for_thread : &for_process;
	const unsigned now = atomic_load_explicit(&drops, memory_order_relaxed);
	int is = EMPTY;

	while (!atomic_compare_exchange_weak_explicit(&k->state, &is, FILLING, memory_order_acquire,
						      memory_order_relaxed))
		if (is == FILLING)
			return; /* at the same time in another thread: one of them is kept */
	/* One is pending at most, as in the kernel; a timer then overruns. */
	if (is == EMPTY || k->drops != now) {
		k->info = *info;
		k->drops = now;
	} else if (k->info.si_code == SI_TIMER && info->si_code == SI_TIMER &&
		   k->info.si_timerid == info->si_timerid) {
		k->info.si_overrun += 1 + info->si_overrun;
	}
	/* Release pairs with the acquire in take_from(). */
	atomic_store_explicit(&k->state, FULL, memory_order_release);
}

static bool is_full(const struct kept *k)
{
	/* Acquire pairs with the release in mask_defer(). */
	return atomic_load_explicit(&k->state, memory_order_acquire) == FULL &&
	       k->drops == atomic_load_explicit(&drops, memory_order_relaxed);
}

bool mask_has_deferred(void)
{
	return is_full(&for_thread) || is_full(&for_process);
}

void mask_drop_deferred(void)
{
	atomic_fetch_add_explicit(&drops, 1, memory_order_relaxed);
}

static bool take_from(struct kept *k, siginfo_t *ret_info)
{
	int is = FULL;

	if (!is_full(k) ||
	    !atomic_compare_exchange_strong_explicit(&k->state, &is, FILLING, memory_order_acquire,
						     memory_order_relaxed))
		return false;
	*ret_info = k->info;
	atomic_store_explicit(&k->state, EMPTY, memory_order_release);
	return true;
}

bool mask_take_deferred(siginfo_t *ret_info)
{
	return take_from(&for_thread, ret_info) || take_from(&for_process, ret_info);
}

bool mask_deliver(void)
{
	siginfo_t info;
	bool any = false;

	for (; !hidden && mask_take_deferred(&info); any = true)
		(void)SYS_CALL(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), SIGPROF, &info, 0,
			       0);
	return any;
}

void mask_make_real(bool real)
{
	const uint64_t prof = MASK_PROF;

	if (hidden)
		(void)sys_sigmask(real ? SIG_BLOCK : SIG_UNBLOCK, &prof, NULL);
}

void mask_pend_deferred(void)
{
	siginfo_t info;

	while (hidden && mask_take_deferred(&info))
		(void)SYS_CALL(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), SIGPROF, &info, 0,
			       0);
}

void mask_after_fork(void)
{
	atomic_store_explicit(&for_process.state, EMPTY, memory_order_relaxed);
	atomic_store_explicit(&for_thread.state, EMPTY, memory_order_relaxed);
}

static __thread int set_by_child; /* the pid of a vfork child, which shares this variable */

void mask_set_in_child(void)
{
	set_by_child = sys_getpid();
}

void mask_make_real_in_child(void)
{
	if (set_by_child != sys_getpid())
		mask_make_real(true);
}

void mask_thread_begin(bool is)
{
	const uint64_t prof = MASK_PROF;

	mask_set_hidden(is);
	(void)sys_sigmask(SIG_UNBLOCK, &prof, NULL);
}
