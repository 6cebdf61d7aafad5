/* SPDX-License-Identifier: MIT */
#include "preload/recorder.h"

#include <errno.h>

#include "core/hot.h"
#include "core/process.h"
#include "core/run_sweep.h"
#include "core/run_file.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/version.h"
#include "preload/heap.h"
#include "preload/host.h"
#include "preload/pending.h"
#include "preload/record.h"
#include "preload/sampler.h"

#include "core/as_safe.h"

enum { NONE, MAKING, READY, FAILED };

#define MAKING_MS 100u /* it takes less than one */

static _Atomic int state;
static _Atomic bool ended; /* nothing is recorded any more */
static struct store store;
static char exe[512];
static char remark[128]; /* constant once the store is there */
/* Counted before there was a store. */
static _Atomic uint64_t early_lost[LOST_COUNT];
static _Atomic uint32_t early_requests, early_threads, early_leaving;

/* Reads a small file of /proc whole; the number of bytes, 0 when there is none. */
static size_t read_file(const char *path, char *buf, size_t size)
{
	int fd = sys_open(path, O_RDONLY, 0);
	size_t n = 0;

	if (fd < 0)
		return 0;
	while (n < size) {
		ssize_t r = sys_read(fd, buf + n, size - n);

		if (r <= 0)
			break;
		n += (size_t)r;
	}
	sys_close(fd);
	return n;
}

/* Root that is somebody else for a moment would get a file that this user owns and may truncate, which ends who writes to it. */
static bool is_of_one_user(void)
{
	uid_t real, effective, saved;

	return SYS_CALL(SYS_getresuid, &real, &effective, &saved, 0, 0, 0) == 0 &&
	       real == effective && saved == effective;
}

static void make(void)
{
	static char cmdline[1024]; /* not on the stack: this runs in a handler */
	static char cwd[256], settings[1024];
	struct text changed = TEXT_ON(settings);
	struct store_identity who = {
		.pid = (uint32_t)host.pid,
		.uid = sys_geteuid(),
		.fileless = !is_of_one_user(),
		.pid_ns = process_pid_ns(),
		.program = host.program,
		.exe = exe,
		.cwd = cwd,
		.dir = host.settings.output_dir,
		.cmdline = cmdline,
		.cpu_hz = (uint32_t)host.settings.cpu_hz,
		.cpu_fallback = sampler_is_fallback(),
		.cpu_period_ns = sampler_period_ns(),
		.cpu_on = host.settings.cpu_enabled,
		.heap_period_bytes = heap_period_bytes(),
		.block_threshold_ns = host.settings.block_threshold,
		.block_idle = host.settings.block_idle,
		.mutex_fraction = host.settings.mutex_fraction,
		.library = CPROF_VERSION,
		.settings = settings,
		.window_realtime_ns = host.started_realtime_ns,
		.window_monotonic_ns = host.started_monotonic_ns,
	};
	int why = 0;
	ssize_t n = sys_readlink("/proc/thread-self/exe", exe, sizeof exe - 1);

	exe[n > 0 ? n : 0] = '\0';
	if (sys_getcwd(cwd, sizeof cwd) < 0)
		cwd[0] = '\0';
	who.cmdline_bytes =
		(uint32_t)read_file("/proc/thread-self/cmdline", cmdline, sizeof cmdline);
	(void)process_start_ticks(0, &who.start_ticks);
	process_boot_id(who.boot_id);
	settings_show_changed(&host.settings, &changed);

	/* Before the new store: what dead processes occupy is no room for it. */
	run_sweep(host.settings.store_dir, &who, host.settings.store_keep);
	if (store_create(&store, host.settings.store_dir, host.settings.store_max_bytes, &who,
			 &why) < 0) {
		atomic_store_explicit(&state, FAILED, memory_order_release);
		return;
	}
	if (why < 0) {
		struct text t = TEXT_ON(remark);

		text_str(&t, "cprof: no file for the store (");
		text_str(&t, text_errno(why));
		text_str(&t, "): if this process is killed, what follows this dump is lost");
	}
	for (unsigned i = 0; i < LOST_COUNT; i++)
		store_lost(&store, i, atomic_load_explicit(&early_lost[i], memory_order_relaxed));
	store_request(&store, atomic_load_explicit(&early_requests, memory_order_relaxed));
	store_threads(&store, atomic_load_explicit(&early_threads, memory_order_relaxed));
	(void)store_leaving(&store,
			    (int)atomic_load_explicit(&early_leaving, memory_order_relaxed));
	/* Release pairs with the acquire in recorder_existing(). */
	atomic_store_explicit(&state, READY, memory_order_release);
	pending_flush(&store);
}

HOT_PATH struct store *recorder_existing(void)
{
	return atomic_load_explicit(&state, memory_order_acquire) == READY ? &store : NULL;
}

HOT_PATH struct store *recorder_store(void)
{
	struct store *s = recorder_existing();
	const uint64_t all = ~UINT64_C(0);
	int none = NONE;
	uint64_t mask;

	if (atomic_load_explicit(&ended, memory_order_relaxed))
		return NULL;
	if (s || atomic_load_explicit(&state, memory_order_relaxed) != NONE)
		return s;
	/* Who begins must end it: a host handler that left us by siglongjmp would leave MAKING. */
	(void)sys_sigmask(SIG_SETMASK, &all, &mask);
	if (atomic_compare_exchange_strong_explicit(&state, &none, MAKING, memory_order_acquire,
						    memory_order_relaxed)) {
		make();
		s = recorder_existing();
		if (atomic_load_explicit(&ended, memory_order_relaxed))
			recorder_end(); /* another thread has ended the process meanwhile */
		else if (!s)
			host_say("no memory for a store: this process is not profiled");
	}
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
	return s;
}

void recorder_before_dlclose(void)
{
	if (pending_any() && !recorder_existing() && host_is_here())
		(void)recorder_store();
}

bool recorder_is_being_made(void)
{
	return atomic_load_explicit(&state, memory_order_relaxed) == MAKING;
}

const char *recorder_remark(void)
{
	return remark[0] ? remark : NULL;
}

HOT_PATH const char *recorder_exe(void)
{
	return exe;
}

void recorder_lost(enum store_loss what, uint64_t count)
{
	struct store *s = recorder_existing();

	if (s)
		store_lost(s, what, count);
	else
		atomic_fetch_add_explicit(&early_lost[what], count, memory_order_relaxed);
}

void recorder_request(void)
{
	struct store *s = recorder_existing();

	if (s)
		store_request(s, 1);
	else
		atomic_fetch_add_explicit(&early_requests, 1, memory_order_relaxed);
}

void recorder_thread(void)
{
	struct store *s = recorder_existing();

	if (s)
		store_threads(s, 1);
	else
		atomic_fetch_add_explicit(&early_threads, 1, memory_order_relaxed);
}

uint64_t recorder_leaving(int threads)
{
	struct store *s = recorder_existing();

	atomic_fetch_add_explicit(&early_leaving, (uint32_t)threads, memory_order_relaxed);
	return s ? store_leaving(s, threads) : 0;
}

void recorder_after_fork(void)
{
	remark[0] = '\0';
	atomic_store_explicit(&ended, false, memory_order_relaxed);
	if (atomic_load_explicit(&state, memory_order_relaxed) == READY) {
		if (record_is_interrupted())
			store_detach(&store);
		else
			store_drop(&store, false);
	}
	for (unsigned i = 0; i < LOST_COUNT; i++)
		atomic_store_explicit(&early_lost[i], 0, memory_order_relaxed);
	atomic_store_explicit(&early_requests, 0, memory_order_relaxed);
	atomic_store_explicit(&early_leaving, 0, memory_order_relaxed);
	atomic_store_explicit(&early_threads, 1,
			      memory_order_relaxed); /* the one that has forked */
	atomic_store_explicit(&state, NONE, memory_order_release);
}

void recorder_wait_made(void)
{
	const struct timespec moment = {0, 1000000};

	for (unsigned i = 0; i < MAKING_MS && recorder_is_being_made(); i++)
		(void)SYS_CALL(SYS_nanosleep, &moment, NULL, 0, 0, 0, 0);
}

void recorder_end(void)
{
	struct store *s;

	atomic_store_explicit(&ended, true, memory_order_relaxed);
	/* Another thread that has made its file, and not come so far as to see that, would leave it behind. */
	recorder_wait_made();
	s = recorder_existing();
	if (!s || !s->path[0])
		return;
	/* A process that has dropped its privileges may not remove what it made before: the next
	 * one that may will, see core/run_sweep. */
	store_finish(s, true);
	(void)sys_unlink(s->path);
}

bool recorder_has_ended(void)
{
	return atomic_load_explicit(&ended, memory_order_relaxed);
}

void recorder_go_on(void)
{
	struct store *s = recorder_existing();

	if (s && s->path[0])
		store_finish(s, false);
	atomic_store_explicit(&ended, false, memory_order_relaxed);
}

void recorder_give_to(uint32_t uid)
{
	struct store *s = recorder_existing();
	char path[sizeof s->path];
	struct text t = TEXT_ON(path);

	if (!s || !s->path[0] || host.settings.store_dir[0])
		return;
	if (run_file_give(s->path, uid, &t) == 0)
		memcpy(s->path, path, sizeof path);
}
