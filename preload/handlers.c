/* SPDX-License-Identifier: MIT */
#include "preload/handlers.h"

#include <stdatomic.h>

#include "core/sys.h"
#include "preload/actions.h"
#include "preload/host.h"
#include "preload/mask.h"

#include "core/as_safe.h"

#define SIGNALS 65

/* What is left out of the mask of each signal's handler. */
static _Atomic uint64_t left_out[SIGNALS];

static uint64_t bit_of(int signo)
{
	return signo > 0 ? UINT64_C(1) << (signo - 1) : 0;
}

/* Ours that the host has no handler for. */
static uint64_t ours(void)
{
	const int dump = host.settings.output_signal;
	uint64_t set = MASK_PROF | bit_of(dump);
	bool restarts;

	if (actions_has_handler(SIGPROF, &restarts))
		set &= ~MASK_PROF;
	if (dump > 0 && actions_has_handler(dump, &restarts))
		set &= ~bit_of(dump);
	return set;
}

static uint64_t without(const struct sigaction *act)
{
	if (!host.on || !act || act->sa_handler == SIG_DFL || act->sa_handler == SIG_IGN ||
	    (act->sa_flags & SA_ONSTACK))
		return 0;
	return mask_word(&act->sa_mask) & ours();
}

bool handlers_concern(int signo, const struct sigaction *act)
{
	return signo > 0 && signo < SIGNALS &&
	       (atomic_load_explicit(&left_out[signo], memory_order_relaxed) || without(act));
}

const struct sigaction *handlers_without(const struct sigaction *act, struct sigaction *ret_room)
{
	uint64_t out = without(act);

	if (!out)
		return act;
	*ret_room = *act;
	ret_room->sa_mask.__val[0] &= ~out;
	return ret_room;
}

void handlers_set(int signo, const struct sigaction *act, struct sigaction *old)
{
	uint64_t was;

	if (signo <= 0 || signo >= SIGNALS)
		return;
	/* Relaxed: of two threads that set the same action at once either may be the last. */
	was = act ? atomic_exchange_explicit(&left_out[signo], without(act), memory_order_relaxed)
		  : atomic_load_explicit(&left_out[signo], memory_order_relaxed);
	if (old && old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN)
		old->sa_mask.__val[0] |= was;
}

void handlers_put_back(int signo)
{
	uint64_t set = signo ? bit_of(signo) : ~UINT64_C(0), out;
	struct sys_action act;

	for (int other = 1; other < SIGNALS; other++) {
		out = atomic_fetch_and_explicit(&left_out[other], ~set, memory_order_relaxed) & set;
		if (!out || sys_sigaction(other, NULL, &act) < 0)
			continue;
		act.mask |= out;
		(void)sys_sigaction(other, &act, NULL);
	}
}
