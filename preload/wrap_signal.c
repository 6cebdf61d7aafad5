/* SPDX-License-Identifier: MIT */
/*
 * Signal actions and masks: what the host sets of SIGPROF and the dump signal is kept aside
 * (preload/actions), and SIGPROF stays out of every mask (preload/mask).  libc's own functions call
 * each other inside, where no wrapper sees it, so each one that sets an action or a mask is here.
 *
 * In a vfork child, which shares our memory but has actions and a mask of its own, the real functions
 * do what the host asks: that is what the program it execs will get.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "core/sys.h"
#include "preload/actions.h"
#include "preload/dump.h"
#include "preload/handlers.h"
#include "preload/host.h"
#include "preload/interpose.h"
#include "preload/mask.h"
#include "preload/signals.h"
#include "preload/thread.h"
#include "preload/wait.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* ---- actions ---- */

static bool is_ours(int signo)
{
	return actions_is_kept(signo) && host_is_here();
}

/* What is set to be ignored is no longer pending. */
static void drop_pending(int signo)
{
	const uint64_t set = UINT64_C(1) << (signo - 1);
	const struct timespec now = {0, 0};

	if (signo == SIGPROF)
		mask_drop_deferred();
	else if (SYS_CALL(SYS_rt_sigtimedwait, &set, NULL, &now, sizeof set, 0, 0) == signo)
		dump_request(); /* it was for us too */
}

static void set_action(int signo, const struct sigaction *act, struct sigaction *old)
{
	static _Atomic bool told;

	actions_exchange(signo, act, old);
	if (act && act->sa_handler != SIG_IGN && act->sa_handler != SIG_DFL)
		handlers_put_back(signo);
	if (act && act->sa_handler == SIG_IGN)
		drop_pending(signo);
	if (act && signo != SIGPROF && act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN &&
	    !atomic_exchange_explicit(&told, true, memory_order_relaxed))
		host_say("the program handles the dump signal itself: both of us get it; "
			 "CPROF_OUTPUT_SIGNAL names another");
}

/* In a vfork child: what it inherits is what the host had set, and what it sets is real. */
static int set_in_child(int signo, const struct sigaction *act, struct sigaction *old,
			__typeof__(sigaction) *real)
{
	const bool inherited = !actions_set_in_child(signo, act != NULL);
	int r = real(signo, act, old);

	if (r == 0 && inherited)
		actions_exchange(signo, NULL, old);
	return r;
}

static int set_any(int signo, const struct sigaction *act, struct sigaction *old,
		   __typeof__(sigaction) *real)
{
	struct sigaction given, room;
	int r;

	if (!actions_is_kept(signo) && !handlers_concern(signo, act))
		return real(signo, act, old);
	if (act) { /* old may be the same */
		given = *act;
		act = &given;
	}
	if (!host_is_here()) {
		if (actions_is_kept(signo))
			return set_in_child(signo, act, old, real);
		r = real(signo, act, old);
		if (r == 0 && old)
			handlers_set(signo, NULL, old);
		return r;
	}
	if (actions_is_kept(signo)) {
		set_action(signo, act, old);
		return 0;
	}
	r = real(signo, handlers_without(act, &room), old);
	if (r == 0)
		handlers_set(signo, act, old);
	return r;
}

INTERPOSE(int, sigaction, (int signo, const struct sigaction *act, struct sigaction *old))
{
	return set_any(signo, act, old, REAL(sigaction));
}

extern int __sigaction(int, const struct sigaction *, struct sigaction *);
INTERPOSE(int, __sigaction, (int signo, const struct sigaction *act, struct sigaction *old))
{
	return set_any(signo, act, old, REAL(__sigaction));
}

/* The handler before, as signal(3) and its kin return it. */
static sighandler_t set_handler(int signo, sighandler_t handler, int flags, uint64_t mask)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags}, old;

	act.sa_mask.__val[0] = mask;
	set_action(signo, &act, &old);
	return old.sa_handler;
}

static sighandler_t set_bsd(int signo, sighandler_t handler)
{
	return set_handler(signo, handler, actions_is_interrupting(signo) ? 0 : SA_RESTART,
			   UINT64_C(1) << (signo - 1));
}

static sighandler_t set_sysv(int signo, sighandler_t handler)
{
	return set_handler(signo, handler, (int)(SA_RESETHAND | SA_NODEFER), 0);
}

/* SIG_ERR is EINVAL, by the real one, and nothing changes. */
static void note_plain(int signo, sighandler_t handler)
{
	const struct sigaction act = {.sa_handler = handler};

	if (handlers_concern(signo, &act) && host_is_here())
		handlers_set(signo, &act, NULL);
}

/* Of a signal that is not kept, or in a vfork child, as set_any(). */
static sighandler_t set_really(int signo, sighandler_t handler,
			       sighandler_t (*real)(int, sighandler_t))
{
	const bool child = actions_is_kept(signo) && handler != SIG_ERR;
	const bool inherited = child && !actions_set_in_child(signo, true);
	sighandler_t was = real(signo, handler);
	struct sigaction hosts;

	if (was == SIG_ERR)
		return was;
	if (!child)
		note_plain(signo, handler);
	else if (inherited) {
		actions_exchange(signo, NULL, &hosts);
		was = hosts.sa_handler;
	}
	return was;
}

#define SIGNAL(name, set)                                                                          \
	INTERPOSE(sighandler_t, name, (int signo, sighandler_t handler))                           \
	{                                                                                          \
		if (handler == SIG_ERR || !is_ours(signo))                                         \
			return set_really(signo, handler, REAL(name));                             \
		return set(signo, handler);                                                        \
	}
extern sighandler_t bsd_signal(int, sighandler_t);
SIGNAL(signal, set_bsd)
SIGNAL(bsd_signal, set_bsd)
SIGNAL(ssignal, set_bsd)
SIGNAL(sysv_signal, set_sysv)
SIGNAL(__sysv_signal, set_sysv)

INTERPOSE(int, siginterrupt, (int signo, int interrupt))
{
	if (!is_ours(signo))
		return REAL(siginterrupt)(signo, interrupt);
	actions_set_interrupting(signo, interrupt != 0);
	return 0;
}

INTERPOSE(int, sigignore, (int signo))
{
	if (!is_ours(signo)) {
		int r = REAL(sigignore)(signo);

		if (actions_is_kept(signo))
			(void)actions_set_in_child(signo, true);
		else if (r == 0)
			note_plain(signo, SIG_IGN);
		return r;
	}
	(void)set_handler(signo, SIG_IGN, 0, 0);
	return 0;
}

/* ---- masks ---- */

/* As pthread_sigmask: 0 or an error number. */
static int set_mask(int how, const sigset_t *set, sigset_t *old)
{
	bool has = set && (mask_word(set) & MASK_PROF), was = mask_hidden(), ours = host.on && set;
	uint64_t before, word = 0;
	sigset_t room;
	long r;

	/* In a vfork child the mask is real.  Only a set with SIGPROF, or one that takes it out, is
	 * worth the question. */
	if (ours && (has || was)) {
		ours = host_is_here();
		if (!ours)
			mask_set_in_child();
		else if (how != SIG_UNBLOCK) /* a handler's mask may have it blocked really */
			set = mask_without(set, &room);
	}
	if (set) /* as libc, which keeps the signals of cancellation and setuid out */
		word = mask_word(set) & ~(UINT64_C(3) << 31); /* 32 and 33 */
	r = sys_sigmask(how, set ? &word : NULL, &before);
	if (r < 0)
		return (int)-r;
	was = mask_hidden_under(before);
	if (old)
		old->__val[0] = before | (was ? MASK_PROF : 0);
	if (ours && how == SIG_SETMASK)
		mask_hide(has, word);
	else if (ours && has)
		mask_hide(how == SIG_BLOCK, before | word);
	else if (ours && how == SIG_UNBLOCK)
		mask_hide_without(word);
	(void)mask_deliver();
	return 0;
}

INTERPOSE(int, pthread_sigmask, (int how, const sigset_t *set, sigset_t *old))
{
	return set_mask(how, set, old);
}

INTERPOSE(int, sigprocmask, (int how, const sigset_t *set, sigset_t *old))
{
	int r = set_mask(how, set, old);

	if (r)
		errno = r;
	return r ? -1 : 0;
}

/* The sets of 4.2BSD: an int. */
static int set_int_mask(int how, int mask)
{
	sigset_t set = {{(unsigned)mask}}, old;

	(void)set_mask(how, &set, &old);
	return (int)mask_word(&old);
}

INTERPOSE(int, sigblock, (int mask))
{
	return set_int_mask(SIG_BLOCK, mask);
}

INTERPOSE(int, sigsetmask, (int mask))
{
	return set_int_mask(SIG_SETMASK, mask);
}

INTERPOSE(int, siggetmask, (void))
{
	return set_int_mask(SIG_BLOCK, 0);
}

/* Changes one signal; was it blocked? */
static bool set_one(int how, int signo)
{
	sigset_t set = {{UINT64_C(1) << (signo - 1)}}, old = {{0}};

	(void)set_mask(how, &set, &old);
	return (mask_word(&old) & mask_word(&set)) != 0;
}

INTERPOSE(int, sighold, (int signo))
{
	if (signo != SIGPROF)
		return REAL(sighold)(signo);
	(void)set_one(SIG_BLOCK, signo);
	return 0;
}

INTERPOSE(int, sigrelse, (int signo))
{
	if (signo != SIGPROF)
		return REAL(sigrelse)(signo);
	(void)set_one(SIG_UNBLOCK, signo);
	return 0;
}

INTERPOSE(sighandler_t, sigset, (int signo, sighandler_t disposition))
{
	struct sigaction old;
	bool held;

	if (!is_ours(signo)) {
		if (disposition == SIG_HOLD)
			return REAL(sigset)(signo, disposition);
		return set_really(signo, disposition, REAL(sigset));
	}
	if (disposition == SIG_HOLD) {
		actions_exchange(signo, NULL, &old);
		held = set_one(SIG_BLOCK, signo);
	} else {
		old.sa_handler = set_handler(signo, disposition, 0, 0);
		held = set_one(SIG_UNBLOCK, signo);
	}
	return held ? SIG_HOLD : old.sa_handler;
}

INTERPOSE(int, sigpending, (sigset_t * set))
{
	int r = REAL(sigpending)(set);

	if (r == 0 && host.on) { /* a tick may be on its way */
		set->__val[0] &= ~MASK_PROF;
		if (mask_has_deferred())
			set->__val[0] |= MASK_PROF;
	}
	return r;
}

/* ---- waiting for signals ---- */

INTERPOSE_WAIT(int, pause, WAIT_SIGNAL, SYS_pause, (void), (), (void)0, (void)0)

/* entry: of the function that the host has called. */
static int suspend(const sigset_t *mask, __typeof__(sigsuspend) *real, const void *entry)
{
	sigset_t room;
	struct wait w;
	struct mask_belief was = mask_enter(&mask, &room);
	int r;

	wait_begin(&w, SYS_rt_sigsuspend);
	if (mask_deliver())
		r = -1, errno = EINTR;
	else
		while (wait_eintr(r = real(mask)))
			;
	wait_end(&w, WAIT_SIGNAL, entry);
	mask_leave(was);
	return r;
}

INTERPOSE(int, sigsuspend, (const sigset_t *mask))
{
	return suspend(mask, REAL(sigsuspend), (const void *)real_sigsuspend);
}

extern int __sigsuspend(const sigset_t *);
INTERPOSE(int, __sigsuspend, (const sigset_t *mask))
{
	return suspend(mask, REAL(__sigsuspend), (const void *)real___sigsuspend);
}

/* sigpause(mask) of 4.2BSD and sigpause(signo) of X/Open, by their names in libc. */
extern int __xpg_sigpause(int);
extern int __sigpause(int, int);
INTERPOSE(int, __sigpause, (int signo_or_mask, int is_signo))
{
	sigset_t set = {{0}};

	if (is_signo) {
		if (signo_or_mask < 1 || signo_or_mask > 64) {
			errno = EINVAL;
			return -1;
		}
		(void)set_mask(SIG_BLOCK, NULL, &set);
		set.__val[0] &= ~(UINT64_C(1) << (signo_or_mask - 1));
	} else {
		set.__val[0] = (unsigned)signo_or_mask;
	}
	return suspend(&set, REAL(sigsuspend), (const void *)REAL(__sigpause));
}

INTERPOSE(int, __xpg_sigpause, (int signo))
{
	return __sigpause(signo, 1);
}

#undef sigpause
extern int bsd_sigpause(int) __asm__("sigpause");
EXPORT int bsd_sigpause(int mask)
{
	return __sigpause(mask, 0);
}

/* The dump signal may be one that the host takes here: then both of us get it. */
static int taken(int signo)
{
	if (signo > 0 && signo != SIGPROF && actions_is_kept(signo))
		dump_request();
	return signo;
}

INTERPOSE_ROW(sigtimedwait);

static void say_awaited(bool is)
{
	struct thread *t = thread_self();

	if (t)
		atomic_store_explicit(&t->prof_awaited, is, memory_order_relaxed);
	/* Pairs with that of hand_over(): it finds us, or we what it has kept. */
	atomic_thread_fence(memory_order_seq_cst);
}

/* sigtimedwait with SIGPROF, which is really blocked for so long: the kernel then keeps one that comes just before.  What is ours
 * comes by here too, and goes on to our handler.  True: to be called again. */
static bool take_prof(const sigset_t *set, siginfo_t *ret_info, const struct timespec *timeout,
		      int *ret_signo)
{
	const uint64_t prof = MASK_PROF;
	uint64_t before;
	int error;

	(void)sys_sigmask(SIG_BLOCK, &prof, &before);
	say_awaited(true);
	if (mask_take_deferred(ret_info)) {
		*ret_signo = SIGPROF;
		if (ret_info->si_code == SI_TKILL) /* as libc */
			ret_info->si_code = SI_USER;
	} else {
		*ret_signo = REAL(sigtimedwait)(set, ret_info, timeout);
	}
	error = errno;
	say_awaited(false);
	bool again = *ret_signo == SIGPROF && signals_is_ours(ret_info);
	if (again)
		(void)SYS_CALL(SYS_rt_tgsigqueueinfo, host.pid, sys_gettid(), SIGPROF, ret_info, 0,
			       0);
	(void)sys_sigmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return again;
}

/* sigtimedwait; the host's own SIGPROF comes from where it is kept.  patient: no signal of the host's ends it.  entry: of the
 * function that the host has called. */
static int take(const sigset_t *set, siginfo_t *info, const struct timespec *timeout, bool patient,
		const void *entry)
{
	const bool prof = host.on && (mask_word(set) & MASK_PROF) && host_is_here();
	siginfo_t got;
	struct wait w;
	int r;

	wait_begin(&w, SYS_rt_sigtimedwait);
	wait_limit_ts(&w, timeout);
	for (;; wait_left_ts(&w, &timeout)) {
		if (prof && take_prof(set, &got, timeout, &r))
			continue;
		if (!prof)
			r = REAL(sigtimedwait)(set, &got, timeout);
		if (!wait_eintr(r) && !(patient && r < 0 && errno == EINTR))
			break;
	}
	wait_end(&w, WAIT_SIGNAL, entry);
	if (r > 0 && info)
		*info = got;
	return taken(r);
}

EXPORT int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *timeout)
{
	return take(set, info, timeout, false, (const void *)REAL(sigtimedwait));
}

INTERPOSE(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info))
{
	return take(set, info, NULL, false, (const void *)REAL(sigwaitinfo));
}

INTERPOSE(int, sigwait, (const sigset_t *set, int *ret_signo))
{
	int r = take(set, NULL, NULL, true, (const void *)REAL(sigwait));

	if (r > 0)
		*ret_signo = r;
	return r > 0 ? 0 : errno;
}

INTERPOSE(int, signalfd, (int fd, const sigset_t *mask, int flags))
{
	sigset_t room;

	return REAL(signalfd)(fd, mask_without(mask, &room), flags);
}
