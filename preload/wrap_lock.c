/* SPDX-License-Identifier: MIT */
/*
 * Locks.  One that is free is taken by the function that tries it, which does the same as the one that waits; only when that
 * says busy is there a wait.  Where that would differ (an invalid time, which the real function looks at first) the real one is called
 * at once and nothing is measured.
 *
 * While a process has one thread, glibc takes a mutex without an atomic instruction in the function that waits, and not in the one that
 * tries: there the call is only passed on, since there is nobody to wait for; and so it is where no waits are wanted.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <threads.h>

#include "preload/blocked.h"
#include "preload/holder.h"
#include "preload/interpose.h"
#include "preload/wait.h"

INTERPOSE_HOT(pthread_mutex_lock) __attribute__((aligned(64)));
INTERPOSE_HOT(pthread_mutex_unlock) __attribute__((aligned(64)));
INTERPOSE_HOT(pthread_rwlock_rdlock) __attribute__((aligned(64)));
INTERPOSE_HOT(pthread_rwlock_wrlock) __attribute__((aligned(64)));
INTERPOSE_HOT(pthread_rwlock_unlock) __attribute__((aligned(64)));
INTERPOSE_HOT(sem_wait);
INTERPOSE_HOT(pthread_cond_wait);
static INTERPOSE_HOT_AS(wait_sem_wait, sem_wait);

#define SHARED	   128 /* of __kind; between processes */
#define INHERITING 32  /* of __kind: PTHREAD_PRIO_INHERIT */
#define ROBUST	   16  /* of __kind */

/* Beside holder_alone. */
static __typeof__(pthread_mutex_lock) *real_pthread_mutex_lock HOT_LOCK_DATA;
static __typeof__(pthread_mutex_unlock) *real_pthread_mutex_unlock HOT_LOCK_DATA;

static inline bool is_alone_with(const pthread_mutex_t *mutex)
{
	return __builtin_expect(*holder_alone, 0) && !(mutex->__data.__kind & SHARED);
}

/* pthread_mutex_trylock of a robust mutex that is not recoverable any more fails and yet keeps it (glibc 2.36), and all others
 * wait for ever: robust ones are never tried, but looked at. */
static inline bool is_robust(const pthread_mutex_t *mutex)
{
	return __builtin_expect(mutex->__data.__kind & ROBUST, 0);
}

static inline bool is_robust_and_free(const pthread_mutex_t *mutex)
{
	return is_robust(mutex) && !holder_is_another(mutex);
}

static inline bool is_valid(const struct timespec *until)
{
	return until->tv_nsec >= 0 && until->tv_nsec <= 999999999;
}

static inline bool is_known(clockid_t clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

/* The functions that try; nobody but us need call them through us. */
INTERPOSE_ROW(pthread_mutex_trylock);
INTERPOSE_ROW(pthread_rwlock_tryrdlock);
INTERPOSE_ROW(pthread_rwlock_trywrlock);
INTERPOSE_ROW(pthread_spin_trylock);
INTERPOSE_ROW(mtx_trylock);
INTERPOSE_ROW(sem_trywait);

/* What a function is tried by: see holder_start().  aligned: or gcc leaves gaps between them. */
#define TRY_ROW(name, try, is_for_waits)                                                           \
	/* Not with what is 0 at first, but beside most real_name. */                              \
	static __typeof__(try) *try_##name __attribute__((section(".data")));                      \
	__attribute__((section("cprof_try"), used,                                                 \
		       aligned(8))) static const struct holder_try row_of_##name = {               \
		(void **)&real_##name, (void **)&real_##try, (void **)&try_##name, is_for_waits}

/*
 * One row: try, then forward and time.  `direct`: the call is only passed on.  busy: what `try` says when somebody has it.  The wait is a
 * function apart, so that the common path needs no frame for it.
 */
#define LOCK_BODY(name, class, lock, params, args, direct, held, try, busy, is)                    \
	TRY_ROW(name, try, true);                                                                  \
	static __attribute__((noinline)) int wait_##name params                                    \
	{                                                                                          \
		struct blocked b;                                                                  \
		int r;                                                                             \
                                                                                                   \
		holder_wait_begin(&b, (const void *)(lock));                                       \
		r = REAL(name) args;                                                               \
		holder_wait_end(&b, class, (const void *)real_##name);                             \
		return r;                                                                          \
	}                                                                                          \
	is                                                                                         \
	{                                                                                          \
		int r;                                                                             \
                                                                                                   \
		if (__builtin_expect(!try_##name, 0))                                              \
			return REAL(name) args;                                                    \
		if (direct)                                                                        \
			return real_##name args; /* known when the other is */                     \
		if (held)                                                                          \
			return wait_##name args;                                                   \
		r = try_##name(lock);                                                              \
		return __builtin_expect(r != (busy), 1) ? r : wait_##name args;                    \
	}

#define INTERPOSE_LOCK(name, class, lock, params, args, direct, held, try, busy)                   \
	INTERPOSE_ROW(name);                                                                       \
	LOCK_BODY(name, class, lock, params, args, direct, held, try, busy, EXPORT int name params)

/* alone: there is nobody to wait for, or nobody wants to know.  Then the call is a jump, which is not in the way of a process with
 * threads. */
#define INTERPOSE_LOCK_ALONE(name, class, lock, params, args, alone, direct, held, try, busy)                \
	INTERPOSE_ROW_READY(name, int, params, args)                                                         \
	LOCK_BODY(name, class, lock, params, args, direct, held, try, busy,                                  \
		  static inline __attribute__((always_inline)) int lock_##name params)                       \
	EXPORT int name params                                                                               \
	{                                                                                                    \
		if (__builtin_expect(alone, 0))                                                              \
			return real_##name args;                                                             \
		/* What keeps it across a call is another variable, so that its frame is not made before. */ \
		__asm__("" : "+r"(lock));                                                                    \
		return lock_##name args;                                                                     \
	}

/* Its counterpart: nobody waits for what the only thread releases.  What is rare is a function apart here too. */
#define INTERPOSE_UNLOCK(name, lock, params, args, release)                                        \
	INTERPOSE_ROW_READY(name, int, params, args)                                               \
	static __attribute__((noinline)) int release_##name params                                 \
	{                                                                                          \
		const void *entry = (const void *)real_##name;                                     \
                                                                                                   \
		release;                                                                           \
		return real_##name args;                                                           \
	}                                                                                          \
	EXPORT int name params                                                                     \
	{                                                                                          \
		if (__builtin_expect(*holder_alone, 0))                                            \
			return real_##name args;                                                   \
		if (contention_maybe((const void *)(lock)))                                        \
			return release_##name args;                                                \
		return real_##name args;                                                           \
	}

/* ---- mutexes ---- */

INTERPOSE_LOCK_ALONE(pthread_mutex_lock, WAIT_MUTEX, mutex, (pthread_mutex_t * mutex), (mutex),
		     is_alone_with(mutex), is_robust_and_free(mutex), is_robust(mutex),
		     pthread_mutex_trylock, EBUSY)
INTERPOSE_UNLOCK(pthread_mutex_unlock, mutex, (pthread_mutex_t * mutex), (mutex),
		 holder_release_mutex(mutex, entry))
INTERPOSE_LOCK(pthread_mutex_timedlock, WAIT_MUTEX, mutex,
	       (pthread_mutex_t * mutex, const struct timespec *until), (mutex, until),
	       (mutex->__data.__kind & INHERITING && !is_valid(until)) || is_robust_and_free(mutex),
	       is_robust(mutex), pthread_mutex_trylock, EBUSY)
INTERPOSE_LOCK(pthread_mutex_clocklock, WAIT_MUTEX, mutex,
	       (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until),
	       (mutex, clock, until),
	       !is_known(clock) || mutex->__data.__kind & INHERITING || is_robust_and_free(mutex),
	       is_robust(mutex), pthread_mutex_trylock, EBUSY)
INTERPOSE_LOCK_ALONE(mtx_lock, WAIT_MUTEX, mutex, (mtx_t * mutex), (mutex), *holder_alone, false,
		     false, mtx_trylock, thrd_busy)
INTERPOSE_LOCK(mtx_timedlock, WAIT_MUTEX, mutex,
	       (mtx_t *restrict mutex, const struct timespec *restrict until), (mutex, until),
	       false, false, mtx_trylock, thrd_busy)

INTERPOSE_UNLOCK(mtx_unlock, mutex, (mtx_t * mutex), (mutex),
		 holder_release_mutex((const pthread_mutex_t *)mutex, entry))

/* ---- read-write locks ---- */

INTERPOSE_LOCK(pthread_rwlock_rdlock, WAIT_RWLOCK, lock, (pthread_rwlock_t * lock), (lock), false,
	       false, pthread_rwlock_tryrdlock, EBUSY)
INTERPOSE_LOCK(pthread_rwlock_wrlock, WAIT_RWLOCK, lock, (pthread_rwlock_t * lock), (lock), false,
	       false, pthread_rwlock_trywrlock, EBUSY)
INTERPOSE_LOCK(pthread_rwlock_timedrdlock, WAIT_RWLOCK, lock,
	       (pthread_rwlock_t * lock, const struct timespec *until), (lock, until),
	       !is_valid(until), false, pthread_rwlock_tryrdlock, EBUSY)
INTERPOSE_LOCK(pthread_rwlock_timedwrlock, WAIT_RWLOCK, lock,
	       (pthread_rwlock_t * lock, const struct timespec *until), (lock, until),
	       !is_valid(until), false, pthread_rwlock_trywrlock, EBUSY)
INTERPOSE_LOCK(pthread_rwlock_clockrdlock, WAIT_RWLOCK, lock,
	       (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
	       (lock, clock, until), !is_known(clock) || !is_valid(until), false,
	       pthread_rwlock_tryrdlock, EBUSY)
INTERPOSE_LOCK(pthread_rwlock_clockwrlock, WAIT_RWLOCK, lock,
	       (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
	       (lock, clock, until), !is_known(clock) || !is_valid(until), false,
	       pthread_rwlock_trywrlock, EBUSY)

INTERPOSE_UNLOCK(pthread_rwlock_unlock, lock, (pthread_rwlock_t * lock), (lock),
		 holder_release(lock, WAIT_RWLOCK, entry))

/* ---- spin locks ---- */

INTERPOSE_LOCK(pthread_spin_lock, WAIT_SPIN, lock, (pthread_spinlock_t * lock), (lock), false,
	       false, pthread_spin_trylock, EBUSY)

INTERPOSE_UNLOCK(pthread_spin_unlock, lock, (pthread_spinlock_t * lock), (lock),
		 holder_release((const void *)lock, WAIT_SPIN, entry))

/* ---- semaphores: nobody holds them ---- */

/* As the real ones do, they look whether the thread is cancelled, whatever they find. */
#define INTERPOSE_SEMAPHORE(name, params, args, direct)                                            \
	INTERPOSE_ROW(name);                                                                       \
	TRY_ROW(name, sem_trywait, false);                                                         \
	static __attribute__((noinline)) int wait_##name params                                    \
	{                                                                                          \
		struct wait w;                                                                     \
		int r;                                                                             \
                                                                                                   \
		wait_begin(&w, SYS_futex);                                                         \
		while (wait_eintr(r = REAL(name) args))                                            \
			;                                                                          \
		wait_end(&w, WAIT_SEMAPHORE, (const void *)real_##name);                           \
		return r;                                                                          \
	}                                                                                          \
	EXPORT int name params                                                                     \
	{                                                                                          \
		const int error = errno;                                                           \
                                                                                                   \
		if (direct)                                                                        \
			return REAL(name) args;                                                    \
		if (__builtin_expect(!try_##name, 0))                                              \
			return wait_##name args;                                                   \
		pthread_testcancel();                                                              \
		if (try_##name(sem) == 0)                                                          \
			return 0;                                                                  \
		if (errno != EAGAIN)                                                               \
			return -1;                                                                 \
		errno = error;                                                                     \
		return wait_##name args;                                                           \
	}

INTERPOSE_SEMAPHORE(sem_wait, (sem_t * sem), (sem), false)
INTERPOSE_SEMAPHORE(sem_timedwait, (sem_t * sem, const struct timespec *until), (sem, until),
		    !is_valid(until))
INTERPOSE_SEMAPHORE(sem_clockwait, (sem_t * sem, clockid_t clock, const struct timespec *until),
		    (sem, clock, until), !is_known(clock) || !is_valid(until))

/* ---- condition variables: they release a mutex, and every call is a wait ---- */

#define INTERPOSE_COND(name, params, args)                                                         \
	INTERPOSE(int, name, params)                                                               \
	{                                                                                          \
		struct blocked b;                                                                  \
		int r;                                                                             \
                                                                                                   \
		if (contention_maybe(mutex))                                                       \
			holder_release_mutex((const pthread_mutex_t *)mutex,                       \
					     (const void *)REAL(name));                            \
		blocked_begin(&b);                                                                 \
		r = REAL(name) args;                                                               \
		blocked_end(&b, WAIT_COND, (const void *)real_##name);                             \
		return r;                                                                          \
	}

INTERPOSE_COND(pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t *mutex), (cond, mutex))
INTERPOSE_COND(pthread_cond_timedwait,
	       (pthread_cond_t * cond, pthread_mutex_t *mutex, const struct timespec *until),
	       (cond, mutex, until))
INTERPOSE_COND(pthread_cond_clockwait,
	       (pthread_cond_t * cond, pthread_mutex_t *mutex, clockid_t clock,
		const struct timespec *until),
	       (cond, mutex, clock, until))
INTERPOSE_COND(cnd_wait, (cnd_t * cond, mtx_t *mutex), (cond, mutex))
INTERPOSE_COND(cnd_timedwait,
	       (cnd_t *restrict cond, mtx_t *restrict mutex, const struct timespec *restrict until),
	       (cond, mutex, until))

/* ---- what every call waits for ---- */

INTERPOSE_TIMED(int, pthread_barrier_wait, WAIT_BARRIER, (pthread_barrier_t * barrier), (barrier))
INTERPOSE_TIMED(int, pthread_join, WAIT_JOIN, (pthread_t thread, void **result), (thread, result))
INTERPOSE_TIMED(int, pthread_timedjoin_np, WAIT_JOIN,
		(pthread_t thread, void **result, const struct timespec *until),
		(thread, result, until))
INTERPOSE_TIMED(int, pthread_clockjoin_np, WAIT_JOIN,
		(pthread_t thread, void **result, clockid_t clock, const struct timespec *until),
		(thread, result, clock, until))
INTERPOSE_TIMED(int, thrd_join, WAIT_JOIN, (thrd_t thread, int *result), (thread, result))
