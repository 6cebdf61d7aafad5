/* SPDX-License-Identifier: MIT */
#include "preload/dump.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>

#include "core/arena.h"
#include "core/control.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/export.h"
#include "output/symbols.h"
#include "preload/dumper.h"
#include "preload/heap.h"
#include "preload/host.h"
#include "preload/pending.h"
#include "preload/recorder.h"
#include "preload/sampler.h"
#include "preload/signals.h"
#include "preload/thread.h"

#include "core/as_safe.h"

#define LAST_SAMPLES 10u
#define LAST_LIFE_NS UINT64_C(1000000000)
#define LAST_WAIT_MS 2000u
#define REFUSED_NAPS 100u

/* ---- whose turn it is ---- */

/*
 * The word: a phase, whether one more dump is asked for, and above a number that each dump raises, so
 * that what is said of one dump cannot hit the next.  STARTING: a thread of the host is about to clone
 * the dumper; DUMPING: there is, or was, a dumper.  Acquire and release order one dump after another.
 */
enum { IDLE, IN_PLACE, STARTING, DUMPING };
#define PHASE(s)  ((s)&3)
#define ASKED	  4
#define NUMBER(s) ((s) & ~7)
static _Atomic int state;

/* IDLE to phase: true when the caller has the turn.  Nothing of the host may run in this thread until
 * it is given back: a handler that left us by siglongjmp would leave no dump for ever. */
static bool begin(int phase, bool ask)
{
	int s = atomic_load_explicit(&state, memory_order_relaxed), next;
	bool mine;

	do {
		mine = PHASE(s) == IDLE;
		if (!mine && (!ask || (s & ASKED)))
			return false;
		next = mine ? (int)((unsigned)NUMBER(s) + 8) | phase : s | ASKED;
	} while (!atomic_compare_exchange_weak_explicit(&state, &s, next, memory_order_acquire,
							memory_order_relaxed));
	return mine;
}

/* STARTING of the dump `number` to another phase; both the cloning thread and the dumper say it. */
static void advance(int number, int phase)
{
	int s = atomic_load_explicit(&state, memory_order_relaxed);

	while (NUMBER(s) == number && PHASE(s) == STARTING &&
	       !atomic_compare_exchange_weak_explicit(&state, &s, (s & ~3) | phase,
						      memory_order_relaxed, memory_order_relaxed))
		;
}

/* True when another dump was asked for meanwhile, which is now ours to do. */
static bool take_asked(void)
{
	return (atomic_fetch_and_explicit(&state, ~ASKED, memory_order_acquire) & ASKED) != 0;
}

/* The turn is given back, in the host: true; false when another dump was asked for. */
static bool end(void)
{
	int s;

	do {
		if (take_asked())
			return false;
		s = atomic_load_explicit(&state, memory_order_relaxed) & ~ASKED;
	} while (!atomic_compare_exchange_strong_explicit(
		&state, &s, NUMBER(s), memory_order_release, memory_order_relaxed));
	return true;
}

static void nap(long us)
{
	const struct timespec ts = {0, us * 1000};

	(void)SYS_CALL(SYS_nanosleep, &ts, NULL, 0, 0, 0, 0);
}

/* ---- one dump ---- */

/* All that a dump needs, in memory that the dumper shares; changed by whose turn it is. */
static struct {
	struct store *store;
	struct arena arena; /* here, so that the memory of a killed dumper can be given back */
	uint32_t answered;  /* the requests that there were when it began */
	int result;
	bool last; /* nobody has asked for it */
	char problem[384];
	char told[384]; /* the last line said, "" after a dump that worked */
} job;
static _Atomic bool in_place_only; /* a dumper was refused */
static _Atomic bool to_be_said;	   /* job.problem */

static void commit(void *opaque, const struct export_row *rows, unsigned count)
{
	struct store *s = opaque;

	for (unsigned i = 0; i < count; i++)
		store_rebase(s, rows[i].total, rows[i].row_at);
}

/* One line for a trouble that lasts, not one for each dump. */
static void note_problem(const char *problem)
{
	struct text t = TEXT_ON(job.problem), told = TEXT_ON(job.told);

	recorder_lost(LOST_DUMPS, 1);
	if (text_equal(problem, job.told))
		return;
	text_str(&t, problem);
	text_str(&told, problem);
	atomic_store_explicit(&to_be_said, true, memory_order_release);
}

static void say_problem(void)
{
	/* Acquire pairs with the release in note_problem(). */
	if (atomic_load_explicit(&to_be_said, memory_order_relaxed) &&
	    atomic_exchange_explicit(&to_be_said, false, memory_order_acquire))
		host_say(job.problem);
}

/* Tells who waits in `cprof dump`.  answered: the requests that there were when the dump began. */
static void publish(uint32_t answered, int rc, const struct export_result *result)
{
	const struct store_outcome outcome = {
		.answered = answered,
		.result = rc,
		.problem = job.problem,
		.path = rc < 0 ? "" : result->path,
		.number = rc < 0 ? 0 : result->number,
		.bytes = rc < 0 ? 0 : result->bytes,
		.kinds = rc < 0 ? 0 : result->kinds,
	};

	if (job.store)
		store_dump_ended(job.store, &outcome);
}

/* A dump that has not come as far as write_files(). */
static void fail(int rc, const char *problem)
{
	note_problem(problem);
	publish(job.answered, rc, NULL);
}

static void write_files(void *unused)
{
	struct store_view view;
	struct export_result result = {0};
	const char *const remarks[] = {recorder_remark(), heap_remark()};
	const char *comments[3] = {NULL};
	struct export_request request = {
		.dir = host.settings.output_dir,
		.now_realtime_ns = sys_clock_ns(CLOCK_REALTIME),
		.now_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC),
		.comments = comments,
		.arena = &job.arena,
		.writer = host.started_realtime_ns,
		.max_files = host.settings.output_max_files,
		.max_bytes = host.settings.output_max_bytes,
		.in_process = true,
		.last = job.last,
	};

	(void)unused;
	for (unsigned i = 0, n = 0; i < 2; i++)
		if (remarks[i])
			comments[n++] = remarks[i];
	/* Before anything is read: who asks from now on has the next dump. */
	job.answered = store_requests(job.store);
	store_view_of(job.store, &view);
	job.result = export_dump(&view, &request, commit, job.store, &result);
	if (job.result < 0) {
		note_problem(result.problem);
		publish(job.answered, job.result, &result);
		return;
	}
	job.told[0] = '\0';
	store_window(job.store, request.now_realtime_ns, request.now_monotonic_ns);
	publish(job.answered, 0, &result);
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

/* In place, with all signals blocked and the turn ours. */
static void dump_here(void)
{
	do {
		thread_busy_begin();
		job.result = -ENOMEM;
		if (!job.store || !dumper_in_place(write_files, NULL))
			fail(-ENOMEM, "no memory for a dump");
		count_pending_tick();
		thread_busy_end();
		say_problem();
	} while (!end());
}

/* In the dumper. */
static void dump_there(void)
{
	int s = atomic_load_explicit(&state, memory_order_relaxed);

	advance(NUMBER(s), DUMPING);
	if (dumper_detach() < 0) {
		atomic_store_explicit(&in_place_only, true, memory_order_relaxed);
		dumper_tell_host(CONTROL_REFUSED);
		return;
	}
	for (;;) {
		write_files(NULL);
		if (atomic_load_explicit(&to_be_said, memory_order_relaxed))
			dumper_tell_host(CONTROL_SAY);
		while (!take_asked()) {
			s = atomic_load_explicit(&state, memory_order_relaxed) & ~ASKED;
			dumper_leave(&state, s, NUMBER(s));
		}
	}
}

/* With all signals blocked and the turn ours, STARTING. */
static void launch(void)
{
	int number = NUMBER(atomic_load_explicit(&state, memory_order_relaxed)), r = -EPERM;

	job.store = recorder_store();
	/* Another thread may be making it; it blocks all signals, so it is not the one we interrupted. */
	for (unsigned i = 0; !job.store && recorder_is_being_made() && i < 200; i++) {
		nap(50);
		job.store = recorder_store();
	}
	job.answered = job.store ? store_requests(job.store) : 0;
	if (job.store && !atomic_load_explicit(&in_place_only, memory_order_relaxed))
		r = dumper_start(dump_there);
	if (r >= 0) {
		advance(number, DUMPING);
		return;
	}
	advance(number, IN_PLACE);
	dump_here();
}

/* With all signals blocked and the turn ours, STARTING: the dumper that had it is gone. */
static void replace_lost_dumper(void)
{
	arena_drop(&job.arena);
	symbols_forget();
	if (!atomic_load_explicit(&in_place_only, memory_order_relaxed)) {
		fail(-EINTR, "the process that wrote a dump was killed");
		say_problem();
	}
	if (!end())
		launch();
}

void dump_collect(void)
{
	int s;

	say_problem();
	if (!dumper_any())
		return;
	/* Read before: a dump that begins in between is not taken for the one that is gone. */
	s = atomic_load_explicit(&state, memory_order_acquire);
	(void)dumper_reap();
	if (PHASE(s) != DUMPING || dumper_any())
		return;
	/* It did not give the turn back: killed, or refused. */
	const uint64_t all = ~UINT64_C(0);
	uint64_t mask;
	(void)sys_sigmask(SIG_SETMASK, &all, &mask);
	if (atomic_compare_exchange_strong_explicit(&state, &s, STARTING | (s & ~3),
						    memory_order_acquire, memory_order_relaxed))
		replace_lost_dumper();
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

/* force: an empty profile is written too, and a request during a dump is one more. */
static void request(bool force)
{
	const uint64_t all = ~UINT64_C(0);
	uint64_t mask;

	/* The next image would have the dumper for a child.  Relaxed: exec waits once more for whoever has begun. */
	if (!host_is_here() || recorder_has_ended() ||
	    atomic_load_explicit(&host.leaving, memory_order_relaxed))
		return;
	if (force)
		recorder_request();
	(void)sys_sigmask(SIG_SETMASK, &all, &mask);
	dump_collect();
	signals_verify();
	if (begin(STARTING, force))
		launch();
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

void dump_request(void)
{
	request(true);
}

void dump_request_if_news(void)
{
	const struct store *s = recorder_existing();

	/* Relaxed: two clocks of the store, each written by one. */
	if (s &&
	    atomic_load_explicit(&s->header->last_monotonic_ns, memory_order_relaxed) >
		    atomic_load_explicit(&s->header->window_monotonic_ns, memory_order_relaxed))
		request(false);
}

void dump_heard(int control)
{
	if (!host_is_here())
		return;
	/* It is about to end; its stack is the one that we need. */
	for (unsigned i = 0; control == CONTROL_REFUSED && dumper_any() && i < REFUSED_NAPS; i++) {
		if (i)
			nap(100);
		dump_collect();
	}
	if (control == CONTROL_REFUSED)
		dump_request();
	else
		dump_collect();
}

/* CPU samples that no file holds yet, and rows of other kinds that have something new.  A sample of those says little about a
 * short process: a compiler's are many.  That it was idle says nothing: a shell waits for its children. */
static uint64_t unwritten(const struct store *s, uint64_t *ret_other_rows)
{
	struct store_view view;
	struct store_sample sample;
	uint32_t cursor = 0;
	uint64_t n = 0;

	*ret_other_rows = 0;
	store_view_of(s, &view);
	while (store_view_next(&view, &cursor, &sample))
		if (sample.kind == KIND_IDLE)
			continue;
		else if (sample.kind != KIND_CPU)
			*ret_other_rows += sample.total[0] != sample.base[0];
		else
			n += sample.total[0] - sample.base[0];
	return n;
}

static bool has_lived(void)
{
	return sys_clock_ns(CLOCK_MONOTONIC) - host.started_monotonic_ns >= LAST_LIFE_NS;
}

static bool is_worth_a_file(const struct store *s)
{
	uint64_t other_rows, n = unwritten(s, &other_rows);

	if (host.settings.output_short)
		return n + other_rows > 0;
	/* Who wants to see every allocation or wait wants those of a short process too. */
	return n >= LAST_SAMPLES ||
	       (other_rows && (heap_period_bytes() == 1 || host.settings.block_threshold == 1)) ||
	       (n + other_rows && has_lived());
}

/* Another thread is about to have a dumper. */
static bool is_starting(void)
{
	return PHASE(atomic_load_explicit(&state, memory_order_relaxed)) == STARTING;
}

void dump_wait_alone(unsigned ms)
{
	for (; ms && (dumper_any() || is_starting()); ms--) {
		dump_collect();
		if (dumper_any() || is_starting())
			nap(1000);
	}
}

bool dump_last(bool wanted)
{
	struct store *s = pending_news() && (has_lived() || host.settings.output_short)
				  ? recorder_store()
				  : recorder_existing();
	const uint64_t all = ~UINT64_C(0);
	bool mine = false;
	int result = 0;
	uint64_t mask;

	for (unsigned i = 0; s && wanted && !mine && i < LAST_WAIT_MS; i++) {
		if (i)
			nap(1000);
		(void)sys_sigmask(SIG_SETMASK, &all, &mask);
		dump_collect();
		mine = begin(IN_PLACE, false);
		if (!mine)
			(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
	}
	if (mine) {
		job.store = s;
		job.result = 0;
		job.last = is_worth_a_file(s);
		if (job.last || !end()) /* or somebody has asked meanwhile */
			dump_here();
		job.last = false;
		result = job.result;
		(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
	}
	dump_wait_alone(LAST_WAIT_MS);
	return (mine && result == 0) || !s || !wanted;
}

void dump_wait_in_place(unsigned ms)
{
	for (; ms && PHASE(atomic_load_explicit(&state, memory_order_relaxed)) == IN_PLACE; ms--)
		nap(1000);
}

void dump_after_fork(void)
{
	/* Of the parent's; neither it nor the dumper's stack was inherited. */
	job.arena = (struct arena){0};
	symbols_after_fork();
	dumper_after_fork();
	atomic_store_explicit(&to_be_said, false, memory_order_relaxed);
	atomic_store_explicit(&state, IDLE, memory_order_relaxed);
}
