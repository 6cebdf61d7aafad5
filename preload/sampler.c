/* SPDX-License-Identifier: MIT */
#include "preload/sampler.h"

#include <errno.h>
#include <sys/time.h>
#include <ucontext.h>

#include "core/hot.h"
#include "core/sampling.h"
#include "core/store.h"
#include "core/sys.h"
#include "output/remapped.h"
#include "preload/blocked.h"
#include "preload/capture.h"
#include "preload/clock.h"
#include "preload/host.h"
#include "preload/mask.h"
#include "preload/record.h"
#include "preload/recorder.h"
#include "unwind/modules.h"

#include "core/as_safe.h"

/* sigevent.sigev_value of our timers; no other timer of the process can hold this address. */
static char cookie;

static uint64_t period_ns;
static _Atomic bool fallback;

/* ---- buffers for stacks ---- */

/*
 * A handler needs 4 KiB for the deepest stack, which is too much for an alternate stack of 8 KiB.
 * A few buffers serve the whole process, since a handler holds one for microseconds; the lowest
 * free one is taken, so only as many are ever touched as handlers ran at the same time.
 */
#define BUFFERS 64
static uint64_t buffers[BUFFERS][STORE_DEPTH_MAX];
static _Atomic uint64_t buffers_used;

static int buffer_take(void)
{
	uint64_t used = atomic_load_explicit(&buffers_used, memory_order_relaxed);

	while (~used) {
		int n = __builtin_ctzll(~used);

		/* Acquire pairs with the release in buffer_put(). */
		if (atomic_compare_exchange_weak_explicit(
			    &buffers_used, &used, used | UINT64_C(1) << n, memory_order_acquire,
			    memory_order_relaxed))
			return n;
	}
	return -1;
}

static void buffer_put(int n)
{
	atomic_fetch_and_explicit(&buffers_used, ~(UINT64_C(1) << n), memory_order_release);
}

/* ---- the balance of unsampled CPU ---- */

/*
 * Per start function: the CPU clock of its ended threads minus what their samples stand for.
 * Signed: a thread that was sampled for more than it used leaves a debt that later ones pay; only
 * whole periods of a positive balance are emitted (unsigned remainders would overcount by a
 * quarter, measured).
 */
#define BALANCES 256u
static struct balance {
	_Atomic uint64_t start_function; /* 0: free; claimed once, never given back */
	_Atomic int64_t ns;
} balances[BALANCES + 1]; /* the last one is for whatever finds no place */

static struct balance *balance_of(uint64_t start_function)
{
	uint64_t hash = start_function * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	for (unsigned i = 0; start_function && i < 16; i++) {
		struct balance *b = &balances[(hash + i) % BALANCES];
		uint64_t is = atomic_load_explicit(&b->start_function, memory_order_relaxed);

		if (is == 0 && atomic_compare_exchange_strong_explicit(
				       &b->start_function, &is, start_function,
				       memory_order_relaxed, memory_order_relaxed))
			return b;
		if (is == start_function)
			return b;
	}
	return &balances[BALANCES];
}

static void balance_add(uint64_t start_function, int64_t ns)
{
	struct balance *b = balance_of(start_function);
	int64_t now = atomic_fetch_add_explicit(&b->ns, ns, memory_order_relaxed) + ns;
	struct store *s;

	while (now >= (int64_t)period_ns) {
		uint64_t periods = (uint64_t)now / period_ns;

		s = recorder_store();
		if (!s)
			return; /* it stays in the balance */
		if (!atomic_compare_exchange_weak_explicit(
			    &b->ns, &now, now - (int64_t)(periods * period_ns),
			    memory_order_relaxed, memory_order_relaxed))
			continue;
		/* The balance that several start functions share names none of them. */
		uint64_t frames[2] = {FRAME(FRAME_SYNTHETIC, SYNTH_UNSAMPLED), start_function};
		unsigned depth = b == &balances[BALANCES] || !start_function ? 1 : 2;
		const uint64_t values[] = {periods, periods * period_ns, 0};

		bool was = record_enter();

		if (depth == 2)
			depth = 1 + modules_tag(s, &frames[1], 1, recorder_exe());
		store_add(s, KIND_CPU, frames, depth, 0, values);
		record_leave(was);
		return;
	}
}

/* CPU clock of a thread of this process, by its tid (the kernel's encoding of clock ids, see
 * CPUCLOCK_* in linux/posix-timers.h: not tid, shifted by 3, per-thread 4, scheduler clock 2). */
static uint64_t thread_cpu_ns(int tid)
{
	return sys_clock_ns((clockid_t)((~(unsigned)tid << 3) | 6));
}

static void settle(struct thread *t)
{
	uint64_t cpu = thread_cpu_ns(atomic_load_explicit(&t->tid, memory_order_relaxed));
	uint64_t had = atomic_exchange_explicit(&t->attributed_ns, cpu, memory_order_relaxed);

	if (!cpu || !host.settings.cpu_enabled)
		return;
	/* One timer for all: what one thread was sampled for another has used, so that only the sum
	 * at the end means anything. */
	if (atomic_load_explicit(&fallback, memory_order_relaxed))
		atomic_fetch_add_explicit(&balance_of(0)->ns, (int64_t)(cpu - had),
					  memory_order_relaxed);
	else
		balance_add(t->start_function, (int64_t)(cpu - had));
}

/* ---- timers ---- */

static uint64_t random_below(uint64_t limit)
{
	uint64_t state = clock_now_ns() ^ (uint64_t)sys_gettid() << 32;

	return sampling_random(&state) % limit;
}

static void fallback_arm(bool on)
{
	uint64_t us = period_ns / 1000;
	struct itimerval tv = {0};

	if (on) {
		uint64_t first = random_below(us) + 1;

		tv.it_interval.tv_sec = (time_t)(us / 1000000);
		tv.it_interval.tv_usec = (suseconds_t)(us % 1000000);
		tv.it_value.tv_sec = (time_t)(first / 1000000);
		tv.it_value.tv_usec = (suseconds_t)(first % 1000000);
	}
	(void)SYS_CALL(SYS_setitimer, ITIMER_PROF, &tv, NULL, 0, 0, 0);
}

static void fallback_begin(void)
{
	if (atomic_exchange_explicit(&fallback, true, memory_order_relaxed))
		return;
	fallback_arm(true);
	host_say("no CPU timer per thread (RLIMIT_SIGPENDING, see ulimit -i): using ITIMER_PROF, "
		 "whose samples are less exact");
}

static void timer_begin(struct thread *t)
{
	/* The kernel's struct sigevent; glibc's name for the thread id field is not public. */
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGPROF,
		.sigev_value.sival_ptr = &cookie,
	};
	uint64_t first = random_below(period_ns) + 1;
	struct itimerspec at = {
		.it_interval = {(time_t)(period_ns / 1000000000), (long)(period_ns % 1000000000)},
		.it_value = {(time_t)(first / 1000000000), (long)(first % 1000000000)},
	};
	int id = -1;

	event._sigev_un._tid = atomic_load_explicit(&t->tid, memory_order_relaxed);
	if (!host.settings.cpu_enabled)
		return;
	if (sampler_is_fallback() ||
	    SYS_CALL(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &id, 0, 0, 0) < 0) {
		recorder_lost(LOST_TIMERS, 1);
		fallback_begin();
		return;
	}
	t->timer = id;
	(void)SYS_CALL(SYS_timer_settime, id, 0, &at, NULL, 0, 0);
}

static void timer_end(struct thread *t)
{
	if (t->timer >= 0)
		(void)SYS_CALL(SYS_timer_delete, t->timer, 0, 0, 0, 0, 0);
	t->timer = -1;
}

/* ---- threads ---- */

void sampler_init(uint64_t hz)
{
	period_ns = UINT64_C(1000000000) / hz;
}

uint64_t sampler_period_ns(void)
{
	return period_ns;
}

bool sampler_is_fallback(void)
{
	return atomic_load_explicit(&fallback, memory_order_relaxed);
}

void sampler_thread_begin(struct thread *t)
{
	uw_stack_of_self(&t->stack, t->stack_bytes);
	atomic_store_explicit(&t->tid, sys_gettid(), memory_order_relaxed);
	thread_set_self(t);
	mask_thread_begin(t->prof_hidden);
	timer_begin(t);
}

void sampler_thread_from_now(struct thread *t)
{
	atomic_store_explicit(&t->attributed_ns, sys_clock_ns(CLOCK_THREAD_CPUTIME_ID),
			      memory_order_relaxed);
}

void sampler_thread_end(struct thread *t)
{
	if (thread_self() != t)
		return;
	timer_end(t);
	thread_set_self(NULL); /* a tick that is still pending is in the balance from here on */
	settle(t);
}

void sampler_settle(void)
{
	thread_each(settle);
	if (sampler_is_fallback())
		balance_add(0, 0);
}

void sampler_pause(void)
{
	const uint64_t prof = UINT64_C(1) << (SIGPROF - 1);
	const struct timespec now = {0, 0};
	struct thread *t = thread_self();
	uint64_t mask;

	if (t)
		timer_end(t);
	if (sampler_is_fallback())
		fallback_arm(false);
	(void)sys_sigmask(SIG_BLOCK, &prof, &mask);
	while (SYS_CALL(SYS_rt_sigtimedwait, &prof, NULL, &now, sizeof prof, 0, 0) > 0)
		;
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

void sampler_resume(void)
{
	if (sampler_is_fallback())
		fallback_arm(true);
	else if (thread_self())
		timer_begin(thread_self());
}

void sampler_after_fork(void)
{
	struct thread *t = thread_self();

	remapped_after_fork();
	atomic_store_explicit(&buffers_used, 0, memory_order_relaxed);
	for (unsigned i = 0; i <= BALANCES; i++)
		atomic_store_explicit(&balances[i].ns, 0, memory_order_relaxed);
	if (!t)
		return;
	t->timer = -1;
	atomic_store_explicit(&t->tid, sys_gettid(), memory_order_relaxed);
	atomic_store_explicit(&t->attributed_ns, 0, memory_order_relaxed);
	if (sampler_is_fallback())
		fallback_arm(true);
	else
		timer_begin(t);
}

/* ---- the handler ---- */

/* Fills frame[] with the interrupted stack; the number of frames. */
HOT_PATH static unsigned capture(struct store *s, const struct thread *t, const void *context,
				 uint64_t *frame)
{
	if (thread_is_busy()) { /* there may be no context: see count_pending_tick() in dump.c */
		store_lost(s, LOST_SELF_TICKS, 1);
		frame[0] = FRAME(FRAME_SYNTHETIC, SYNTH_SELF);
		return 1;
	}
	return capture_interrupted(s, t, context, frame, STORE_DEPTH_MAX);
}

/* Has the wait that was interrupted this time already?  See KIND_WALL. */
HOT_PATH static bool is_in_wait(const void *context)
{
	return context &&
	       blocked_is_under_way(
		       (uintptr_t)((const ucontext_t *)context)->uc_mcontext.gregs[REG_RSP]);
}

HOT_PATH static void record(struct thread *t, unsigned ticks, const void *context)
{
	const uint64_t ns = ticks * period_ns, from = clock_now_ns();
	const uint64_t values[] = {ticks, ns, is_in_wait(context) ? ns : 0};
	uint64_t to;
	struct store *s = recorder_store();
	int b;

	if (!s || (b = buffer_take()) < 0) {
		recorder_lost(LOST_NO_MEMORY, ticks);
		return;
	}
	store_expect(s);
	unsigned depth = capture(s, t, context, buffers[b]);
	uint64_t label = host.settings.cpu_thread_id
				 ? (uint64_t)atomic_load_explicit(&t->tid, memory_order_relaxed)
				 : 0;

	store_add(s, KIND_CPU, buffers[b], depth, label, values);
	buffer_put(b);
	atomic_fetch_add_explicit(&t->attributed_ns, ns, memory_order_relaxed);
	to = clock_now_ns();
	store_cost(s, to - from, to);
}

/* A tick that comes late stands for many, and meanwhile a dump may have told of what the thread had used. */
HOT_PATH static unsigned not_told_yet(const struct thread *t, unsigned ticks)
{
	uint64_t cpu = sys_clock_ns(CLOCK_THREAD_CPUTIME_ID), periods = 0;
	int64_t left =
		(int64_t)(cpu - atomic_load_explicit(&t->attributed_ns, memory_order_relaxed));

	if (!cpu) /* the host's seccomp filter, perhaps */
		return ticks;
	if (left > 0)
		periods = ((uint64_t)left + period_ns - 1) / period_ns;
	return periods < ticks ? (unsigned)periods : ticks;
}

static bool is_from_timer(const siginfo_t *info)
{
	return info->si_code == SI_TIMER && info->si_value.sival_ptr == &cookie;
}

HOT_PATH bool sampler_is_tick(const siginfo_t *info)
{
	return is_from_timer(info) || (info->si_code == SI_KERNEL && sampler_is_fallback());
}

HOT_PATH bool sampler_tick(const siginfo_t *info, const void *context)
{
	struct thread *t = thread_self();
	unsigned ticks = 1;

	if (!sampler_is_tick(info))
		return false;
	if (is_from_timer(info)) {
		if (info->si_overrun > 0)
			ticks += (unsigned)info->si_overrun;
		if (ticks > 1 && t)
			ticks = not_told_yet(t, ticks);
	}
	if (t && ticks)
		record(t, ticks, context);
	/* ITIMER_PROF stands for all threads: one that has a timer too would be sampled twice. */
	if (t && sampler_is_fallback())
		timer_end(t);
	return true;
}
