/* SPDX-License-Identifier: MIT */
/*
 * preload/blocked: a call of the host that waits, timed, and its sample when it is one (core/stretch).
 *
 * A wrapper keeps a struct blocked on its frame, from blocked_begin() before the real call to blocked_end() behind it.  Nearly
 * always that is two readings of the clock, a few words and a subtraction.  A host may leave in between, by cancellation or
 * siglongjmp: then the struct is stale, nothing was recorded, and the next wait of the thread replaces it.
 */
#ifndef CPROF_PRELOAD_BLOCKED_H
#define CPROF_PRELOAD_BLOCKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store_format.h"
#include "core/stretch.h"
#include "preload/clock.h"
#include "preload/interpose.h"

struct blocked {
	uint64_t began;	 /* clock_ticks() */
	uintptr_t check; /* tells a live one from a stale one */
};

/* Any numbers that are no address.  The second: it is the beginning of a struct wait. */
#define BLOCKED_CHECK 0x77616974696e6721u
#define WAIT_CHECK    0x636b706c656173edu
#define MAYBE_CHECK   0x6d61796265206974u

/* The scope of a call that goes on after a signal of ours: preload/wait. */
struct wait_scope {
	struct wait *wait; /* of the wrapper that is under way, on its frame; NULL: none */
	/* Written by the handler on this thread: the call has returned at a signal of ours, and no
	 * signal of the host's was on its way. */
	bool again;
	/* The counter is no longer to be read by this thread, which may be in a handler on top of waits that began by it. */
	bool no_counter;
	int error; /* with again: errno before the call, which the call has not set yet */
};

/*
 * A call that nobody interrupts should cost its program nothing that can be seen, and in a program at work
 * all that a wrapper touches has left the caches: so it touches little, one line here, its own frame and its
 * own few lines of code, and neither errno nor a second clock where it can be without.
 */
struct blocked_thread {
	const struct blocked *now; /* the wait that is under way, perhaps stale; NULL: none */
	struct wait_scope scope;
	struct stretch waits; /* in ticks; left is 0 at first, so that its first wait comes by */
	/* From here on not of that line. */
	struct stretch
		idle; /* the same for waits of an idle class, with a threshold of their own */
	struct stretch charges; /* to this thread as a holder */
} __attribute__((aligned(64)));
extern __thread struct blocked_thread blocked_thread
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

static inline void blocked_begin_at(struct blocked *b, uint64_t now)
{
	b->began = now;
	b->check = (uintptr_t)b ^ BLOCKED_CHECK;
	__asm__ volatile("" ::: "memory");
	blocked_thread.now =
		b; /* a tick while the clock is read is in none, here; and in one at its end */
}

static inline void blocked_begin(struct blocked *b)
{
	blocked_begin_at(b, clock_ticks());
}

/* One that is a wait only when something changes under way, a pointer of libc's; else it is to be dropped, and ticks in it are
 * CPU time as any other. */
struct blocked_maybe {
	struct blocked wait; /* first */
	char *const *watched;
	const char *was;
};

static inline void blocked_begin_maybe(struct blocked_maybe *m, char *const *watched)
{
	m->watched = watched;
	m->was = *watched;
	m->wait.check = (uintptr_t)m ^ MAYBE_CHECK;
	m->wait.began = clock_ticks();
	__asm__ volatile("" ::: "memory");
	blocked_thread.now = &m->wait;
}

/* Folds to a constant where the class is one. */
static inline bool blocked_is_idle(enum wait_class class)
{
	switch (class) {
#define X(id, name, kind)                                                                          \
	case id:                                                                                   \
		return (kind) == KIND_IDLE;
		STORE_WAIT_CLASSES(X)
#undef X
	default:
		return false;
	}
}

static inline struct stretch *blocked_line(enum wait_class class)
{
	return blocked_is_idle(class) ? &blocked_thread.idle : &blocked_thread.waits;
}

/* A wait of so many ticks, at least as long as what is left of its line.  WAIT_NO_CLASS: it was none after all, and only
 * takes its place on the line.
 * Context: wrapper.  Allocates: store.  Locks: none. */
void blocked_look(uint64_t ticks, enum wait_class class, const void *entry);

/* Ends a wait: true when that is all, else it was so many ticks, for blocked_look(). */
static inline bool blocked_passes(struct stretch *line, const struct blocked *b, uint64_t now,
				  uint64_t *ret_ticks)
{
	*ret_ticks = now - b->began;
	blocked_thread.now = NULL;
	/* Less than nothing, of two clocks or two processors, is much here: for blocked_look(). */
	if (__builtin_expect(*ret_ticks >= (uint64_t)line->left, 0))
		return false;
	line->left -= (int64_t)*ret_ticks;
	return true;
}

/* now: clock_ticks().  entry: of the real function that the host has called; these are macros, so that it is loaded
 * only when it is wanted.  Keeps errno.
 * Context: wrapper.  Allocates: store.  Locks: none. */
#define blocked_end_at(b, now, class, entry)                                                       \
	do {                                                                                       \
		uint64_t blocked_ticks;                                                            \
                                                                                                   \
		if (!blocked_passes(blocked_line(class), b, now, &blocked_ticks))                  \
			blocked_look(blocked_ticks, class, entry);                                 \
	} while (0)
#define blocked_end(b, class, entry) blocked_end_at(b, clock_ticks(), class, entry)

/* The calling thread is about to release a lock for which others have waited, so many ticks all together.  As above.
 * Context: wrapper.  Allocates: store.  Locks: none. */
void blocked_charge(uint64_t ticks, enum wait_class class, const void *entry);

/* It was no wait: nothing had to be waited for.
 * Context: wrapper.  Allocates: no.  Locks: none. */
static inline void blocked_drop(void)
{
	blocked_thread.now = NULL;
}

/*
 * A call in which code of others runs that waits by calls which have wrappers: its time has theirs, so they are no waits of
 * their own.  What it leaves behind when the host jumps out of it may look alive for long: a wait that would not be recorded
 * because of it is looked for in the stack first (preload/record).
 */
struct blocked_call {
	struct blocked wait;
	uintptr_t caller; /* the return address */
	const struct blocked_call *outer;
};
extern __thread const struct blocked_call *blocked_around
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Of the call that this thread is perhaps in, with sp below it; NULL: in none.
 * Context: wrapper.  Allocates: no.  Locks: none. */
const struct blocked_call *blocked_inside_of(const struct blocked_call *c, uintptr_t sp);

static inline const struct blocked_call *blocked_inside(uintptr_t sp)
{
	const struct blocked_call *c = blocked_around;

	return __builtin_expect(!c, 1) ? NULL : blocked_inside_of(c, sp);
}

/* Of one in another the outer one counts, too. */
#define blocked_begin_around(c)                                                                    \
	do {                                                                                       \
		(c)->outer = blocked_inside((uintptr_t)(c));                                       \
		(c)->caller = (uintptr_t)__builtin_return_address(0);                              \
		blocked_around = (c);                                                              \
		blocked_begin(&(c)->wait);                                                         \
	} while (0)

#define blocked_end_around(c, class, entry)                                                        \
	do {                                                                                       \
		blocked_around = (c)->outer;                                                       \
		blocked_end(&(c)->wait, class, entry);                                             \
	} while (0)

/* Was this thread, whose stack pointer is sp, interrupted in a wait that has a row of its own?
 * Context: signal.  Allocates: no.  Locks: none. */
bool blocked_is_under_way(uintptr_t sp);

/*
 * One row: forward and time.  For calls that need no help when a signal of ours interrupts them; the others are rows of
 * preload/wait.  errno is what the real call left.
 */
#define INTERPOSE_TIMED(type, name, class, params, args)                                           \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct blocked b;                                                                  \
		type r;                                                                            \
                                                                                                   \
		blocked_begin(&b);                                                                 \
		r = REAL(name) args;                                                               \
		blocked_end(&b, class, (const void *)real_##name);                                 \
		return r;                                                                          \
	}

/* Waits that end before that are not recorded.  recorded: or none ever is.
 * Context: own.  Allocates: no.  Locks: none. */
void blocked_start(bool recorded);

/* The calling thread is to record nothing any more.
 * Context: wrapper.  Allocates: no.  Locks: none. */
void blocked_stop_in_thread(void);

/* In the child of fork.
 * Context: signal.  Allocates: no.  Locks: none. */
void blocked_after_fork(void);

#endif
