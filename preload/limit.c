/* SPDX-License-Identifier: MIT */
#include "preload/limit.h"

#include <stdatomic.h>

#include "core/hot.h"
#include "core/sys.h"
#include "core/text.h"
#include "preload/clock.h"
#include "preload/dump.h"

#include "core/as_safe.h"

#define PAGE	    4096u
#define INTERVAL_NS UINT64_C(1000000000)

static uint64_t limit; /* 0: none; written before there is a second thread */
static _Atomic uint64_t held;
static _Atomic uint64_t resident, resident_at_ns; /* as it was read last, and when */
/* Above this many bytes the next dump is asked for. */
static _Atomic uint64_t threshold;
static _Atomic uint64_t paid_until_ns;

void limit_start(uint64_t above_bytes)
{
	limit = above_bytes;
	atomic_store_explicit(&threshold, limit, memory_order_relaxed);
}

/* The second number of /proc/self/statm, in bytes; 0 when it cannot be read.  Of the thread: that of a process
 * whose main thread has ended is all zeros. */
static uint64_t read_resident(void)
{
	int fd = sys_open("/proc/thread-self/statm", O_RDONLY, 0);
	uint64_t pages = 0;
	char line[128];
	ssize_t n = fd < 0 ? 0 : sys_read(fd, line, sizeof line), at = 0;

	if (fd >= 0)
		sys_close(fd);
	while (at < n && line[at] != ' ')
		at++;
	for (at++; at < n && line[at] >= '0' && line[at] <= '9'; at++)
		pages = pages * 10 + (uint64_t)(line[at] - '0');
	return pages * PAGE;
}

/* Reads the resident set again when that is due; whoever moves the time does it. */
static void look(uint64_t now_ns)
{
	uint64_t at = atomic_load_explicit(&resident_at_ns, memory_order_relaxed);

	if (now_ns - at < INTERVAL_NS ||
	    !atomic_compare_exchange_strong_explicit(&resident_at_ns, &at, now_ns,
						     memory_order_relaxed, memory_order_relaxed))
		return;
	atomic_store_explicit(&resident, read_resident(), memory_order_relaxed);
}

static uint64_t level_of(uint64_t heap)
{
	uint64_t rss = atomic_load_explicit(&resident, memory_order_relaxed);

	return heap > rss ? heap : rss;
}

/* True for the one caller that has found the level above the threshold, which goes up. */
static bool crossed(uint64_t level)
{
	uint64_t t = atomic_load_explicit(&threshold, memory_order_relaxed);

	return level > t &&
	       atomic_compare_exchange_strong_explicit(&threshold, &t, level + level / 10,
						       memory_order_relaxed, memory_order_relaxed);
}

/* Each return is paid with LIMIT_RETURN_NS of time; LIMIT_RETURNS of them may be owed. */
static bool may_return(void)
{
	uint64_t now = clock_now_ns(), from;
	uint64_t until = atomic_load_explicit(&paid_until_ns, memory_order_relaxed);

	do {
		from = until > now ? until : now;
		if (from - now > (LIMIT_RETURNS - 1) * LIMIT_RETURN_NS)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&paid_until_ns, &until, from + LIMIT_RETURN_NS, memory_order_relaxed,
		memory_order_relaxed));
	return true;
}

static void come_back(uint64_t level)
{
	uint64_t t = atomic_load_explicit(&threshold, memory_order_relaxed);

	if (level < limit - limit / 10 && t != limit && may_return())
		atomic_store_explicit(&threshold, limit, memory_order_relaxed);
}

HOT_PATH void limit_allocated(uint64_t bytes, uint64_t now_monotonic_ns)
{
	uint64_t level;

	if (!limit)
		return;
	level = atomic_fetch_add_explicit(&held, bytes, memory_order_relaxed) + bytes;
	look(now_monotonic_ns);
	level = level_of(level);
	come_back(level);
	/* Not by a signal to ourselves: at the door of exec it would hit the next image. */
	if (crossed(level))
		dump_request();
}

HOT_PATH void limit_freed(uint64_t bytes)
{
	if (limit)
		come_back(level_of(atomic_fetch_sub_explicit(&held, bytes, memory_order_relaxed) -
				   bytes));
}

void limit_after_fork(void)
{
	atomic_store_explicit(&held, 0, memory_order_relaxed);
	atomic_store_explicit(&resident, 0, memory_order_relaxed);
	atomic_store_explicit(&resident_at_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&paid_until_ns, 0, memory_order_relaxed);
	atomic_store_explicit(&threshold, limit, memory_order_relaxed);
}
