/* SPDX-License-Identifier: MIT */
#include "preload/holder.h"

#include <dlfcn.h>
#include <linux/futex.h>
#include <sys/single_threaded.h>

#include "core/hot.h"
#include "core/sys.h"
#include "preload/recorder.h"
#include "preload/thread.h"

#include "core/as_safe.h"

static __thread struct {
	struct contention waiter;
	const struct blocked *wait; /* whose it is; NULL: nobody's */
} mine __attribute__((tls_model("initial-exec")));

extern const struct holder_try __start_cprof_try[] __attribute__((visibility("hidden")));
extern const struct holder_try __stop_cprof_try[] __attribute__((visibility("hidden")));

const char *holder_alone HOT_LOCK_DATA __attribute__((aligned(64))) = &__libc_single_threaded;

void holder_start(bool waits)
{
	static const char always = 1;
	struct dl_find_object lock, try;

	holder_alone = waits ? &__libc_single_threaded : &always;
	for (const struct holder_try *t = __start_cprof_try; t < __stop_cprof_try; t++)
		if ((waits || !t->is_for_waits) && _dl_find_object(*t->lock, &lock) == 0 &&
		    _dl_find_object(*t->try, &try) == 0 && lock.dlfo_link_map == try.dlfo_link_map)
			*t->use = *t->try;
}

/* Of a wait that its thread has left without coming back to us, or that a handler has interrupted: it is no waiter from here on,
 * so that no release is charged for it, and its delay so far is nobody's. */
static void end_older(uint64_t now)
{
	if (mine.wait)
		(void)contention_end(&mine.waiter, now);
	mine.wait = NULL;
}

HOT_PATH void holder_wait_begin(struct blocked *b, const void *lock)
{
	blocked_begin(b);
	end_older(b->began);
	if (contention_begin(&mine.waiter, lock, b->began))
		mine.wait = b;
	else
		recorder_lost(LOST_WAITERS, 1);
}

HOT_PATH void holder_wait_end(const struct blocked *b, enum wait_class class, const void *entry)
{
	uint64_t now = clock_ticks();

	if (mine.wait == b)
		end_older(now);
	blocked_end_at(b, now, class, entry);
}

HOT_PATH void holder_release(const void *lock, enum wait_class class, const void *entry)
{
	const uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	unsigned waiters;
	uint64_t delay;

	/* Left by longjmp, from a frame that is below ours: or a thread would be charged for its own ghost. */
	if (mine.wait && (uintptr_t)mine.wait < here)
		end_older(clock_ticks());
	delay = contention_release(lock, clock_ticks(), &waiters);
	if (delay)
		blocked_charge(delay, class, entry);
}

static int my_tid(void)
{
	const struct thread *t = thread_self();

	return t ? atomic_load_explicit(&t->tid, memory_order_relaxed) : sys_gettid();
}

bool holder_is_another(const pthread_mutex_t *mutex)
{
	/* As the kernel knows it, "The robust futex ABI" of its documentation. */
	int tid = __atomic_load_n(&mutex->__data.__lock, __ATOMIC_RELAXED) & FUTEX_TID_MASK;

	return tid && tid != my_tid();
}

void holder_release_mutex(const pthread_mutex_t *mutex, const void *entry)
{
	/* The fields that glibc has declared part of its binary interface; the type is in the lowest two bits. */
	if (mutex->__data.__owner != my_tid())
		return;
	if ((mutex->__data.__kind & 3) == PTHREAD_MUTEX_RECURSIVE && mutex->__data.__count > 1)
		return;
	holder_release(mutex, WAIT_MUTEX, entry);
}

void holder_thread_ended(void)
{
	end_older(clock_ticks());
}
