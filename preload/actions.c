/* SPDX-License-Identifier: MIT */
#include "preload/actions.h"

#include <errno.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "core/sys.h"
#include "preload/host.h"

#include "core/as_safe.h"

static struct kept {
	int signo; /* 0: none */
	bool interrupting;
	_Atomic int set_by_child; /* the pid of a vfork child */
	action_handler_fn ours;
	/* What the host has set, as the kernel would keep it.  handler is stored last. */
	_Atomic(void *) handler;
	_Atomic unsigned long flags;
	_Atomic uint64_t mask;
	void *restorer; /* libc's; constant */
} kept[2];

static struct kept *kept_of(int signo)
{
	for (unsigned i = 0; i < 2 && signo > 0; i++)
		if (kept[i].signo == signo)
			return &kept[i];
	return NULL;
}

bool actions_is_kept(int signo)
{
	return host.on && kept_of(signo);
}

static bool is_function(const void *handler)
{
	return handler != (void *)SIG_DFL && handler != (void *)SIG_IGN &&
	       handler != (void *)SIG_ERR; /* which sigset(3) stores */
}

/* Our action for what the host has set.  A full mask: nothing of the host runs on top of us.  Not
 * sigfillset(), which leaves out the signal of pthread_cancel: an asynchronous one would end the thread
 * in our middle.  SA_ONSTACK where the host has no handler: a thread with a small stack or a coroutine
 * stack has an alternate one for a reason. */
static void install(const struct kept *k)
{
	bool hosts = is_function(atomic_load_explicit(&k->handler, memory_order_relaxed));
	unsigned long flags = atomic_load_explicit(&k->flags, memory_order_relaxed);
	struct sys_action act = {(void *)k->ours, SA_SIGINFO | SYS_SA_RESTORER, k->restorer,
				 ~UINT64_C(0)};

	act.flags |= hosts ? flags & SA_ONSTACK : SA_ONSTACK;
	/* Ticks must not interrupt what the host wants interrupted; see resume.c for its own. */
	act.flags |= hosts && k->signo != SIGPROF ? flags & SA_RESTART : SA_RESTART;
	(void)sys_sigaction(k->signo, &act, NULL);
}

void actions_keep(int signo, action_handler_fn handler)
{
	struct kept *k = &kept[kept[0].signo != 0];
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	struct sys_action was, now;

	/* First by libc, whose restorer comes along. */
	memset(&act.sa_mask, 0xff, sizeof act.sa_mask);
	if (sys_sigaction(signo, NULL, &was) < 0 || sigaction(signo, &act, NULL) < 0 ||
	    sys_sigaction(signo, NULL, &now) < 0)
		return;
	k->restorer = now.restorer;
	k->ours = handler;
	atomic_store_explicit(&k->flags, was.flags, memory_order_relaxed);
	atomic_store_explicit(&k->mask, was.mask, memory_order_relaxed);
	atomic_store_explicit(&k->handler, was.handler, memory_order_relaxed);
	k->signo = signo;
	install(k);
}

void actions_exchange(int signo, const struct sigaction *act, struct sigaction *old)
{
	struct kept *k = kept_of(signo);
	struct sigaction was = {0};
	uint64_t mask = atomic_load_explicit(&k->mask, memory_order_relaxed);

	was.sa_handler = (__sighandler_t)atomic_load_explicit(&k->handler, memory_order_relaxed);
	was.sa_flags = (int)atomic_load_explicit(&k->flags, memory_order_relaxed);
	if (act) {
		uint64_t set;

		memcpy(&set, &act->sa_mask, sizeof set);
		set &= ~(UINT64_C(1) << (SIGKILL - 1) | UINT64_C(1) << (SIGSTOP - 1));
		atomic_store_explicit(&k->mask, set, memory_order_relaxed);
		atomic_store_explicit(&k->flags,
				      (unsigned)act->sa_flags | (unsigned long)SYS_SA_RESTORER,
				      memory_order_relaxed);
		/* Release pairs with the acquire in actions_call(). */
		atomic_store_explicit(&k->handler, (void *)act->sa_handler, memory_order_release);
		install(k);
	}
	if (old) { /* as libc does: one word of the set */
		old->sa_handler = was.sa_handler;
		old->sa_flags = was.sa_flags;
		old->sa_restorer =
			(was.sa_flags & SYS_SA_RESTORER) ? (void (*)(void))k->restorer : NULL;
		memcpy(&old->sa_mask, &mask, sizeof mask);
	}
}

bool actions_call(int signo, siginfo_t *info, void *context)
{
	struct kept *k = kept_of(signo);
	void *handler = k ? atomic_load_explicit(&k->handler, memory_order_acquire) : NULL;
	unsigned long flags;
	uint64_t mask;

	if (!k || !is_function(handler))
		return false;
	flags = atomic_load_explicit(&k->flags, memory_order_relaxed);
	/* Our own mask is full.  The host's handler may wait for another signal, or leave by
	 * longjmp, which keeps the mask. */
	memcpy(&mask, &((const ucontext_t *)context)->uc_sigmask, sizeof mask);
	mask |= atomic_load_explicit(&k->mask, memory_order_relaxed);
	if (!(flags & SA_NODEFER))
		mask |= UINT64_C(1) << (signo - 1);
	if (flags & SA_RESETHAND) {
		atomic_store_explicit(&k->handler, (void *)SIG_DFL, memory_order_relaxed);
		install(k);
	}
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
	if (flags & SA_SIGINFO)
		((action_handler_fn)handler)(signo, info, context);
	else
		((void (*)(int))handler)(signo);
	return true;
}

bool actions_has_handler(int signo, bool *ret_restarts)
{
	const struct kept *k = kept_of(signo);
	struct sys_action act;

	if (k) {
		act.handler = atomic_load_explicit(&k->handler, memory_order_relaxed);
		act.flags = atomic_load_explicit(&k->flags, memory_order_relaxed);
	} else if (sys_sigaction(signo, NULL, &act) < 0) {
		return false;
	}
	*ret_restarts = (act.flags & SA_RESTART) != 0;
	return is_function(act.handler);
}

static void really(const struct kept *k, void *handler)
{
	struct sys_action act = {
		handler, atomic_load_explicit(&k->flags, memory_order_relaxed) | SYS_SA_RESTORER,
		k->restorer, atomic_load_explicit(&k->mask, memory_order_relaxed)};

	(void)sys_sigaction(k->signo, &act, NULL);
}

void actions_before_exec(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (kept[i].signo && !actions_set_in_child(kept[i].signo, false) &&
		    atomic_load_explicit(&kept[i].handler, memory_order_relaxed) == (void *)SIG_IGN)
			really(&kept[i], (void *)SIG_IGN);
}

bool actions_set_in_child(int signo, bool now)
{
	struct kept *k = kept_of(signo);
	const int pid = sys_getpid();
	const bool was = k && atomic_load_explicit(&k->set_by_child, memory_order_relaxed) == pid;

	if (k && now)
		atomic_store_explicit(&k->set_by_child, pid, memory_order_relaxed);
	return was;
}

void actions_after_failed_exec(void)
{
	for (unsigned i = 0; i < 2; i++)
		if (kept[i].signo &&
		    atomic_load_explicit(&kept[i].handler, memory_order_relaxed) == (void *)SIG_IGN)
			install(&kept[i]);
}

void actions_give_back(void)
{
	for (unsigned i = 0; i < 2; i++) {
		if (!kept[i].signo)
			continue;
		really(&kept[i], atomic_load_explicit(&kept[i].handler, memory_order_relaxed));
		kept[i].signo = 0;
	}
}

bool actions_stand(int signo)
{
	const struct kept *k = kept_of(signo);
	struct sys_action act;

	return !k || sys_sigaction(signo, NULL, &act) < 0 || act.handler == (void *)k->ours;
}

void actions_set_interrupting(int signo, bool yes)
{
	struct kept *k = kept_of(signo);

	if (!k)
		return;
	k->interrupting = yes;
	if (yes)
		atomic_fetch_and_explicit(&k->flags, ~(unsigned long)SA_RESTART,
					  memory_order_relaxed);
	else
		atomic_fetch_or_explicit(&k->flags, SA_RESTART, memory_order_relaxed);
	install(k);
}

bool actions_is_interrupting(int signo)
{
	const struct kept *k = kept_of(signo);

	return k && k->interrupting;
}
