/* SPDX-License-Identifier: MIT */
#include "preload/signals.h"

#include <stdatomic.h>
#include <ucontext.h>

#include "core/control.h"
#include "core/sys.h"
#include "preload/dump.h"
#include "preload/host.h"
#include "preload/interpose.h"
#include "preload/recorder.h"
#include "preload/sampler.h"

#include "core/as_safe.h"

/* What the host has set for a signal that we keep. */
static struct managed {
	int signo; /* 0: not kept */
	struct sigaction host;
	_Atomic(void *) handler; /* host.sa_handler; read by our handler */
	_Atomic bool wants_info;
	_Atomic uint64_t mask; /* what is blocked while it runs, beside what was blocked before */
} prof, dump;

static struct managed *managed_of(int signo)
{
	if (!host.on || signo <= 0)
		return NULL;
	if (signo == prof.signo)
		return &prof;
	return signo == dump.signo ? &dump : NULL;
}

/* Calls the handler that the host has set; false when there is none. */
static bool pass_on(struct managed *m, int signo, siginfo_t *info, void *context)
{
	void *handler = atomic_load_explicit(&m->handler, memory_order_acquire);
	uint64_t mask;

	if (handler == (void *)SIG_DFL || handler == (void *)SIG_IGN)
		return false;
	/* Our own mask is full.  The host's handler may wait for another signal, or leave by
	 * longjmp, which keeps the mask. */
	memcpy(&mask, &((const ucontext_t *)context)->uc_sigmask, sizeof mask);
	mask |= atomic_load_explicit(&m->mask, memory_order_relaxed);
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
	if (atomic_load_explicit(&m->wants_info, memory_order_relaxed))
		((void (*)(int, siginfo_t *, void *))handler)(signo, info, context);
	else
		((void (*)(int))handler)(signo);
	return true;
}

static int control_in(const siginfo_t *info)
{
	if (info->si_code != SI_QUEUE && info->si_code != SI_TIMER)
		return 0;
	return control_of((uint64_t)info->si_value.sival_ptr);
}

static void on_prof(int signo, siginfo_t *info, void *context)
{
	int control = 0;

	if (!sampler_tick(info, context)) {
		control = control_in(info);
		if (control == CONTROL_DUMP)
			dump_request();
		else if (control == CONTROL_INTERVAL)
			dump_request_if_news();
		else if (control)
			dump_heard(control);
		else if (!pass_on(&prof, signo, info, context))
			recorder_lost(LOST_FOREIGN_SIGNALS, 1);
	}
	if (!control)
		dump_collect();
}

static void on_dump(int signo, siginfo_t *info, void *context)
{
	dump_request();
	(void)pass_on(&dump, signo, info, context);
}

static void remember(struct managed *m, int signo, const struct sigaction *act)
{
	uint64_t mask;

	memcpy(&mask, &act->sa_mask, sizeof mask);
	if (!(act->sa_flags & SA_NODEFER))
		mask |= UINT64_C(1) << (signo - 1);
	m->host = *act;
	atomic_store_explicit(&m->mask, mask, memory_order_relaxed);
	atomic_store_explicit(&m->wants_info, (act->sa_flags & SA_SIGINFO) != 0,
			      memory_order_relaxed);
	/* Release pairs with the acquire in pass_on(). */
	atomic_store_explicit(&m->handler, (void *)act->sa_handler, memory_order_release);
}

/* The host sets or asks for a signal that we keep. */
static void exchange(struct managed *m, const struct sigaction *act, struct sigaction *old)
{
	static _Atomic bool told;
	struct sigaction was = m->host;

	if (act) {
		remember(m, m->signo, act);
		if (m == &dump && act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN &&
		    !atomic_exchange_explicit(&told, true, memory_order_relaxed))
			host_say("the program handles the dump signal itself: both of us get it; "
				 "CPROF_OUTPUT_SIGNAL names another");
	}
	if (old)
		*old = was;
}

INTERPOSE(int, sigaction, (int signo, const struct sigaction *act, struct sigaction *old))
{
	struct managed *m = managed_of(signo);

	if (!m || !host_is_here())
		return REAL(sigaction)(signo, act, old);
	exchange(m, act, old);
	return 0;
}

INTERPOSE(sighandler_t, signal, (int signo, sighandler_t handler))
{
	struct managed *m = managed_of(signo);
	struct sigaction act = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;

	if (!m || handler == SIG_ERR || !host_is_here())
		return REAL(signal)(signo, handler); /* SIG_ERR: EINVAL, and nothing changes */
	exchange(m, &act, &old);
	return old.sa_handler;
}

static void install(struct managed *m, int signo, void (*handler)(int, siginfo_t *, void *))
{
	/* A full mask: nothing of the host runs on top of us.  Not sigfillset(), which leaves out
	 * the signal of pthread_cancel: an asynchronous one would end the thread in our middle.
	 * SA_ONSTACK: a thread with a small stack or a coroutine stack has an alternate one for a
	 * reason. */
	struct sigaction act = {.sa_sigaction = handler,
				.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	struct sigaction was;

	memset(&act.sa_mask, 0xff, sizeof act.sa_mask);
	if (REAL(sigaction)(signo, &act, &was) < 0)
		return;
	remember(m, signo, &was);
	m->signo = signo;
}

void signals_init(bool with_prof, int dump_signal)
{
	if (with_prof)
		install(&prof, SIGPROF, on_prof);
	if (dump_signal)
		install(&dump, dump_signal, on_dump);
}

void signals_block(uint64_t *ret_mask)
{
	uint64_t set = UINT64_C(1) << (SIGPROF - 1);

	if (dump.signo)
		set |= UINT64_C(1) << (dump.signo - 1);
	(void)sys_sigmask(SIG_BLOCK, &set, ret_mask);
}

void signals_restore(const uint64_t *mask)
{
	(void)sys_sigmask(SIG_SETMASK, mask, NULL);
}
