/* SPDX-License-Identifier: MIT */
#include "preload/dump.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "core/sys.h"
#include "core/text.h"
#include "output/export.h"
#include "preload/host.h"
#include "preload/recorder.h"
#include "preload/sampler.h"
#include "preload/thread.h"

#include "core/as_safe.h"

#define STACK_BYTES  (512u << 10) /* export.h asks for 64 KiB and the demangler's alloca */
#define LAST_SAMPLES 10u
#define LAST_LIFE_NS UINT64_C(1000000000)

enum { IDLE, RUNNING, RUNNING_ASKED };
static _Atomic int state;

/* Calls run(argument) on the stack that ends at top. */
__attribute__((noinline)) static void call_on_stack(void *top, void (*run)(void *), void *argument)
{
	register void *sp __asm__("rbx") = top;

	/* rbx is kept by the callee, so it brings our own stack pointer back. */
	__asm__ volatile("xchg %%rsp, %0\n\t"
			 "call *%1\n\t"
			 "mov %0, %%rsp"
			 : "+r"(sp), "+r"(run), "+D"(argument)
			 :
			 : "rax", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "memory", "cc",
			   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static void commit(void *opaque, const struct export_row *rows, unsigned count)
{
	struct store *s = opaque;

	for (unsigned i = 0; i < count; i++)
		store_rebase(s, rows[i].total, rows[i].row_at);
}

struct job {
	struct store *store;
	int result;
};

static void write_files(void *opaque)
{
	struct job *job = opaque;
	struct store_view view;
	struct export_result result = {0};
	const char *const comments[] = {recorder_remark(), NULL};
	struct export_request request = {
		.dir = host.settings.output_dir,
		.now_realtime_ns = sys_clock_ns(CLOCK_REALTIME),
		.now_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC),
		.comments = comments,
		.max_files = host.settings.output_max_files,
		.max_bytes = host.settings.output_max_bytes,
	};

	store_view_of(job->store, &view);
	job->result = export_dump(&view, &request, commit, job->store, &result);
	if (job->result < 0) {
		recorder_lost(LOST_DUMPS, 1);
		host_say(result.problem);
		return;
	}
	store_window(job->store, request.now_realtime_ns, request.now_monotonic_ns);
}

/* What the dump itself has used is ours, not the interrupted function's: the tick that is pending
 * must be counted before we stop being busy.  It is fetched and not let in, because its frame would
 * come on top of ours on what may be an alternate stack of 8 KiB. */
static void count_pending_tick(void)
{
	const uint64_t prof = UINT64_C(1) << (SIGPROF - 1);
	const struct timespec now = {0, 0};
	siginfo_t info, foreign;
	bool found = false;

	while (SYS_CALL(SYS_rt_sigtimedwait, &prof, &info, &now, sizeof prof, 0, 0) == SIGPROF) {
		if (sampler_tick(&info, NULL))
			continue;
		foreign = info;
		found = true;
	}
	if (found) /* the host's: back to where it was */
		(void)SYS_CALL(SYS_rt_tgsigqueueinfo, sys_getpid(), sys_gettid(), SIGPROF, &foreign,
			       0, 0);
}

/* With all signals blocked. */
static int dump_once(void)
{
	struct job job = {.store = recorder_store(), .result = -ENOMEM};

	char *stack = sys_mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (!job.store || sys_failed(stack)) {
		recorder_lost(LOST_DUMPS, 1);
		host_say("no memory for a dump");
	} else {
		/* The lowest page is a guard. */
		(void)SYS_CALL(SYS_mprotect, stack, 4096, PROT_NONE, 0, 0, 0);
		thread_busy_begin();
		call_on_stack(stack + STACK_BYTES, write_files, &job);
		count_pending_tick();
		thread_busy_end();
	}
	if (!sys_failed(stack))
		sys_munmap(stack, STACK_BYTES);
	return job.result;
}

/* True when the caller is the dumper now.  Acquire and release on state order one dumper after
 * another.  Nothing of the host may run in this thread until end(): a handler that left us by
 * siglongjmp would leave no dumper for ever. */
static bool begin(void)
{
	int is = IDLE;

	return atomic_compare_exchange_strong_explicit(&state, &is, RUNNING, memory_order_acquire,
						       memory_order_relaxed);
}

/* The same, and otherwise asks the dumper for one more. */
static bool begin_or_ask(void)
{
	int is = IDLE;

	while (!atomic_compare_exchange_weak_explicit(&state, &is,
						      is == IDLE ? RUNNING : RUNNING_ASKED,
						      memory_order_acquire, memory_order_relaxed))
		;
	return is == IDLE;
}

/* True when the dump was the last one; false when another was asked for meanwhile. */
static bool end(void)
{
	int is = RUNNING;

	if (atomic_compare_exchange_strong_explicit(&state, &is, IDLE, memory_order_release,
						    memory_order_relaxed))
		return true;
	atomic_store_explicit(&state, RUNNING, memory_order_relaxed);
	return false;
}

void dump_request(void)
{
	const uint64_t all = ~UINT64_C(0);
	uint64_t mask;

	if (!host_is_here())
		return;
	(void)sys_sigmask(SIG_SETMASK, &all, &mask);
	if (begin_or_ask())
		do
			(void)dump_once();
		while (!end());
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

static void nap(void)
{
	const struct timespec ms = {0, 1000000};

	(void)SYS_CALL(SYS_nanosleep, &ms, NULL, 0, 0, 0, 0);
}

/* Samples that no file holds yet. */
static uint64_t unwritten(const struct store *s)
{
	struct store_view view;
	struct store_sample sample;
	uint32_t cursor = 0;
	uint64_t n = 0;

	store_view_of(s, &view);
	while (store_view_next(&view, &cursor, &sample))
		n += sample.total[0] - sample.base[0];
	return n;
}

static bool is_worth_a_file(const struct store *s)
{
	uint64_t n = unwritten(s);

	return n >= LAST_SAMPLES ||
	       (n && sys_clock_ns(CLOCK_MONOTONIC) - host.started_monotonic_ns >= LAST_LIFE_NS);
}

bool dump_last(void)
{
	struct store *s = recorder_existing();
	const uint64_t all = ~UINT64_C(0);
	bool wanted, mine = false;
	int result = 0;
	uint64_t mask;

	if (!s || !host.settings.output_on_exit)
		return true;
	for (int i = 0; !mine && i < 2000; i++) {
		if (i)
			nap();
		(void)sys_sigmask(SIG_SETMASK, &all, &mask);
		mine = begin();
		if (!mine)
			(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
	}
	if (!mine)
		return false;
	wanted = is_worth_a_file(s);
	do {
		if (wanted)
			result = dump_once();
		wanted = true; /* when end() says that somebody has asked meanwhile */
	} while (!end());
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
	return result == 0;
}

void dump_wait(unsigned ms)
{
	for (; ms && atomic_load_explicit(&state, memory_order_relaxed) != IDLE; ms--)
		nap();
}

void dump_after_fork(void)
{
	atomic_store_explicit(&state, IDLE, memory_order_relaxed);
}
