/* SPDX-License-Identifier: MIT */
#include "preload/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "core/control.h"
#include "core/hot.h"
#include "core/store.h"
#include "core/sys.h"
#include "preload/actions.h"
#include "preload/dump.h"
#include "preload/host.h"
#include "preload/mask.h"
#include "preload/recorder.h"
#include "preload/resume.h"
#include "preload/sampler.h"

#include "core/as_safe.h"

static int dump_signo; /* 0: none */

/* Our signals, as a set. */
static uint64_t both(void)
{
	return MASK_PROF | (dump_signo ? UINT64_C(1) << (dump_signo - 1) : 0);
}

HOT_PATH static int control_in(const siginfo_t *info)
{
	if (info->si_code != SI_QUEUE && info->si_code != SI_TIMER)
		return 0;
	return control_of((uint64_t)info->si_value.sival_ptr);
}

bool signals_is_ours(const siginfo_t *info)
{
	return sampler_is_tick(info) || control_in(info);
}

/* The kernel would have chosen a thread that does not block it. */
static void hand_over(void)
{
	siginfo_t info;
	int tid;

	/* Pairs with the fence of whoever says that it waits, and looks then for what is kept (wrap_signal.c). */
	atomic_thread_fence(memory_order_seq_cst);
	tid = thread_for_signal();

	if (!tid)
		return;
	memset(&info, 0, sizeof info);
	info.si_code = SI_QUEUE;
	info.si_value.sival_ptr = (void *)CONTROL_VALUE(CONTROL_TAKE);
	(void)SYS_CALL(SYS_rt_tgsigqueueinfo, host.pid, tid, SIGPROF, &info, 0, 0);
}

/* Behind a handler of the host's that has interrupted a call: what was blocked in it comes here, on top of us, and not where we return
 * to, at a call that ends because of the host's signal. */
static void let_ours_come(const void *context)
{
	const uint64_t set = both();
	uint64_t mask;

	if (!resume_is_in_call(context))
		return;
	(void)sys_sigmask(SIG_UNBLOCK, &set, &mask);
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

/* A SIGPROF of the host's own. */
static void pass_on(siginfo_t *info, void *context)
{
	bool restarts;
	uint64_t mask;

	memcpy(&mask, &((const ucontext_t *)context)->uc_sigmask, sizeof mask);
	if (mask_hidden_under(mask)) {
		mask_defer(info);
		if (info->si_code != SI_TKILL)
			hand_over();
		resume_call(context);
		return;
	}
	if (actions_has_handler(SIGPROF, &restarts)) {
		(void)actions_call(SIGPROF, info, context);
		let_ours_come(context);
		mask_set_hidden(false); /* what it has blocked ends with it */
		if (!restarts)
			resume_interrupted(context);
		return;
	}
	recorder_lost(LOST_FOREIGN_SIGNALS, 1);
	resume_call(context);
}

HOT_PATH static void on_prof(int signo, siginfo_t *info, void *context)
{
	int control;

	(void)signo;
	if (sampler_tick(info, context)) {
		dump_collect();
		resume_call(context);
		return;
	}
	control = control_in(info);
	if (!control) {
		pass_on(info, context);
		return;
	}
	if (control == CONTROL_DUMP)
		dump_request();
	else if (control == CONTROL_INTERVAL)
		dump_request_if_news();
	else if (control == CONTROL_TAKE) {
		if (!mask_hidden() && mask_take_deferred(info)) {
			pass_on(info, context);
			return;
		}
	} else
		dump_heard(control);
	resume_call(context);
}

static void on_dump(int signo, siginfo_t *info, void *context)
{
	bool hidden = mask_hidden();

	dump_request();
	if (actions_call(signo, info, context)) {
		let_ours_come(context);
		mask_set_hidden(hidden); /* what it has blocked ends with it */
	} else {
		resume_call(context);
	}
}

void signals_init(int signo)
{
	actions_keep(SIGPROF, on_prof);
	if (signo)
		actions_keep(signo, on_dump);
	dump_signo = signo;
}

void signals_block(uint64_t *ret_mask)
{
	const uint64_t set = both();

	(void)sys_sigmask(SIG_BLOCK, &set, ret_mask);
}

void signals_restore(const uint64_t *mask)
{
	(void)sys_sigmask(SIG_SETMASK, mask, NULL);
}

void signals_verify(void)
{
	static _Atomic bool told;

	if (actions_stand(SIGPROF) && actions_stand(dump_signo))
		return;
	recorder_lost(LOST_HANDLERS, 1);
	if (!atomic_exchange_explicit(&told, true, memory_order_relaxed))
		host_say("the program has replaced a signal handler of ours by a raw system call: "
			 "this process is no longer profiled, or not dumped on request");
}
