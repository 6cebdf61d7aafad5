/* SPDX-License-Identifier: MIT */
/*
 * RUN:    contention
 * EXPECT: locks that are held for known times while others wait, by the numbers of docs/contention.md; each measures itself
 * what it waits.  Prints "KIND LEAF CALLER COUNT NS" for what must be in the profile KIND, in parts that are to be added
 * up; a COUNT of -1 is not known.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define MS     1000000L
#define HELD   40 /* ms */
#define WAIT_N 8  /* waiters at most */

static struct line {
	const char *kind, *leaf, *caller;
	long count, ns;
} lines[512];
static atomic_int line_count;

static void expect(const char *kind, const char *leaf, const char *caller, long count, long ns)
{
	lines[atomic_fetch_add(&line_count, 1)] = (struct line){kind, leaf, caller, count, ns};
}

static long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

static struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * MS;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {0, ms * MS};

	nanosleep(&ts, NULL);
}

static void must(int r)
{
	if (r)
		exit(3);
}

/* ---- a holder, and n waiters that begin while it holds (examples 1, 2, 4) ---- */

static atomic_int held, coming;
static atomic_long began[WAIT_N], ended[WAIT_N], left[WAIT_N];

static void meet(int n)
{
	while (atomic_load(&coming) < n)
		sched_yield();
	sleep_ms(HELD);
}

/* What is charged to waiters that have had the lock one after the other, from the first release on: what those that are still
 * to come waited since the release before. */
static void expect_turns(const char *leaf, const char *caller, int n, long release)
{
	long charged = 0;

	for (int turn = 0; turn < n; turn++) {
		int next = -1;

		for (int i = 0; i < n; i++)
			if (left[i] > release && (next < 0 || left[i] < left[next]))
				next = i;
		if (next < 0)
			return;
		charged += (n - 1 - turn) * (left[next] - release);
		release = left[next];
	}
	expect("mutex", leaf, caller, -1, charged);
}

static void begin_run(void)
{
	atomic_store(&held, 0);
	atomic_store(&coming, 0);
}

#define SCENARIO(name, exclusive, type, object, hold, release, leaf_release, wait, leave,          \
		 leaf_wait)                                                                        \
	static __attribute__((noinline)) long name##_holds(int n)                                  \
	{                                                                                          \
		long charged = 0, at;                                                              \
                                                                                                   \
		must(hold(object));                                                                \
		atomic_store(&held, 1);                                                            \
		meet(n);                                                                           \
		at = now();                                                                        \
		must(release(object));                                                             \
		for (int i = 0; i < n; i++)                                                        \
			charged += at - began[i];                                                  \
		expect("mutex", leaf_release, #name "_holds", 1, charged);                         \
		return at;                                                                         \
	}                                                                                          \
	static __attribute__((noinline)) void *name##_waits(void *number)                          \
	{                                                                                          \
		const long i = (long)number;                                                       \
		type *o = object;                                                                  \
                                                                                                   \
		while (!atomic_load(&held))                                                        \
			sched_yield();                                                             \
		began[i] = now();                                                                  \
		atomic_fetch_add(&coming, 1);                                                      \
		must(wait);                                                                        \
		ended[i] = now();                                                                  \
		left[i] = now();                                                                   \
		must(leave(o));                                                                    \
		expect("block", leaf_wait, #name "_waits", 1, ended[i] - began[i]);                \
		return NULL;                                                                       \
	}                                                                                          \
	static void name(int n)                                                                    \
	{                                                                                          \
		pthread_t thread[WAIT_N];                                                          \
                                                                                                   \
		begin_run();                                                                       \
		for (long i = 0; i < n; i++)                                                       \
			must(pthread_create(&thread[i], NULL, name##_waits, (void *)i));           \
		long at = name##_holds(n);                                                         \
		for (int i = 0; i < n; i++)                                                        \
			must(pthread_join(thread[i], NULL));                                       \
		if (exclusive)                                                                     \
			expect_turns(leaf_release, #name "_waits", n, at);                         \
	}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static mtx_t c11;

#define SOON(clock)                                                                                \
	(struct timespec[])                                                                        \
	{                                                                                          \
		in_ms(clock, 5000)                                                                 \
	}

SCENARIO(one, true, pthread_mutex_t, &mutex, pthread_mutex_lock, pthread_mutex_unlock,
	 "pthread_mutex_unlock", pthread_mutex_lock(o), pthread_mutex_unlock, "pthread_mutex_lock")
SCENARIO(three, true, pthread_mutex_t, &mutex, pthread_mutex_lock, pthread_mutex_unlock,
	 "pthread_mutex_unlock", pthread_mutex_lock(o), pthread_mutex_unlock, "pthread_mutex_lock")
SCENARIO(eight, true, pthread_mutex_t, &mutex, pthread_mutex_lock, pthread_mutex_unlock,
	 "pthread_mutex_unlock", pthread_mutex_lock(o), pthread_mutex_unlock, "pthread_mutex_lock")
SCENARIO(timed, true, pthread_mutex_t, &mutex, pthread_mutex_lock, pthread_mutex_unlock,
	 "pthread_mutex_unlock", pthread_mutex_timedlock(o, SOON(CLOCK_REALTIME)),
	 pthread_mutex_unlock, "pthread_mutex_timedlock")
SCENARIO(clocked, true, pthread_mutex_t, &adaptive, pthread_mutex_lock, pthread_mutex_unlock,
	 "pthread_mutex_unlock", pthread_mutex_clocklock(o, CLOCK_MONOTONIC, SOON(CLOCK_MONOTONIC)),
	 pthread_mutex_unlock, "pthread_mutex_clocklock")
SCENARIO(c11_plain, true, mtx_t, &c11, mtx_lock, mtx_unlock, "mtx_unlock", mtx_lock(o), mtx_unlock,
	 "mtx_lock")
SCENARIO(c11_timed, true, mtx_t, &c11, mtx_lock, mtx_unlock, "mtx_unlock",
	 mtx_timedlock(o, SOON(CLOCK_REALTIME)), mtx_unlock, "mtx_timedlock")
SCENARIO(readers, false, pthread_rwlock_t, &rwlock, pthread_rwlock_wrlock, pthread_rwlock_unlock,
	 "pthread_rwlock_unlock", pthread_rwlock_rdlock(o), pthread_rwlock_unlock,
	 "pthread_rwlock_rdlock")
SCENARIO(readers_timed, false, pthread_rwlock_t, &rwlock, pthread_rwlock_wrlock,
	 pthread_rwlock_unlock, "pthread_rwlock_unlock",
	 pthread_rwlock_timedrdlock(o, SOON(CLOCK_REALTIME)), pthread_rwlock_unlock,
	 "pthread_rwlock_timedrdlock")
SCENARIO(readers_clocked, false, pthread_rwlock_t, &rwlock, pthread_rwlock_wrlock,
	 pthread_rwlock_unlock, "pthread_rwlock_unlock",
	 pthread_rwlock_clockrdlock(o, CLOCK_MONOTONIC, SOON(CLOCK_MONOTONIC)),
	 pthread_rwlock_unlock, "pthread_rwlock_clockrdlock")
SCENARIO(writers, true, pthread_rwlock_t, &rwlock, pthread_rwlock_rdlock, pthread_rwlock_unlock,
	 "pthread_rwlock_unlock", pthread_rwlock_wrlock(o), pthread_rwlock_unlock,
	 "pthread_rwlock_wrlock")
SCENARIO(writers_timed, true, pthread_rwlock_t, &rwlock, pthread_rwlock_rdlock,
	 pthread_rwlock_unlock, "pthread_rwlock_unlock",
	 pthread_rwlock_timedwrlock(o, SOON(CLOCK_REALTIME)), pthread_rwlock_unlock,
	 "pthread_rwlock_timedwrlock")
SCENARIO(writers_clocked, true, pthread_rwlock_t, &rwlock, pthread_rwlock_rdlock,
	 pthread_rwlock_unlock, "pthread_rwlock_unlock",
	 pthread_rwlock_clockwrlock(o, CLOCK_MONOTONIC, SOON(CLOCK_MONOTONIC)),
	 pthread_rwlock_unlock, "pthread_rwlock_clockwrlock")
SCENARIO(spinning, true, pthread_spinlock_t, &spin, pthread_spin_lock, pthread_spin_unlock,
	 "pthread_spin_unlock", pthread_spin_lock(o), pthread_spin_unlock, "pthread_spin_lock")

/* ---- 3: the second holder is charged for what the third thread waits from then on ---- */

static atomic_long first_release;

static __attribute__((noinline)) void *chain_second(void *unused)
{
	long start, got, at;

	while (!atomic_load(&held))
		sched_yield();
	start = now();
	began[0] = start;
	atomic_fetch_add(&coming, 1);
	must(pthread_mutex_lock(&mutex));
	got = now();
	expect("block", "pthread_mutex_lock", "chain_second", 1, got - start);
	atomic_store(&held, 2);
	while (atomic_load(&coming) < 2)
		sched_yield();
	sleep_ms(HELD);
	at = now();
	must(pthread_mutex_unlock(&mutex));
	expect("mutex", "pthread_mutex_unlock", "chain_second", 1, at - first_release);
	return unused;
}

static __attribute__((noinline)) void *chain_third(void *unused)
{
	long start;

	while (!atomic_load(&held))
		sched_yield();
	sleep_ms(5); /* the second one is before us */
	start = now();
	began[1] = start;
	atomic_fetch_add(&coming, 1);
	must(pthread_mutex_lock(&mutex));
	expect("block", "pthread_mutex_lock", "chain_third", 1, now() - start);
	must(pthread_mutex_unlock(&mutex));
	return unused;
}

static __attribute__((noinline)) void chain(void)
{
	pthread_t thread[2];

	begin_run();
	must(pthread_mutex_lock(&mutex));
	must(pthread_create(&thread[0], NULL, chain_second, NULL));
	must(pthread_create(&thread[1], NULL, chain_third, NULL));
	atomic_store(&held, 1);
	meet(2);
	first_release = now();
	must(pthread_mutex_unlock(&mutex));
	expect("mutex", "pthread_mutex_unlock", "chain", 1,
	       2 * first_release - began[0] - began[1]);
	must(pthread_join(thread[0], NULL));
	must(pthread_join(thread[1], NULL));
}

/* ---- 5: two readers, a writer ---- */

static __attribute__((noinline)) void *overlap_writes(void *unused)
{
	began[0] = now();
	atomic_fetch_add(&coming, 1);
	must(pthread_rwlock_wrlock(&rwlock));
	expect("block", "pthread_rwlock_wrlock", "overlap_writes", 1, now() - began[0]);
	must(pthread_rwlock_unlock(&rwlock));
	return unused;
}

static __attribute__((noinline)) void overlap_first(void)
{
	first_release = now();
	must(pthread_rwlock_unlock(&rwlock));
	expect("mutex", "pthread_rwlock_unlock", "overlap_first", 1, first_release - began[0]);
}

static __attribute__((noinline)) void overlap_second(void)
{
	long at = now();

	must(pthread_rwlock_unlock(&rwlock));
	expect("mutex", "pthread_rwlock_unlock", "overlap_second", 1, at - first_release);
}

static void overlap(void)
{
	pthread_t thread;

	begin_run();
	must(pthread_rwlock_rdlock(&rwlock));
	must(pthread_rwlock_rdlock(&rwlock));
	must(pthread_create(&thread, NULL, overlap_writes, NULL));
	meet(1);
	overlap_first();
	sleep_ms(HELD);
	overlap_second();
	must(pthread_join(thread, NULL));
}

/* ---- 6, 7: condition variables ---- */

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static cnd_t cond11;
static atomic_int signalled;

static void *signals_later(void *kind)
{
	sleep_ms(HELD);
	must(kind ? mtx_lock(&c11) : pthread_mutex_lock(&mutex));
	signalled = 1;
	must(kind ? cnd_signal(&cond11) : pthread_cond_signal(&cond));
	must(kind ? mtx_unlock(&c11) : pthread_mutex_unlock(&mutex));
	return NULL;
}

#define CONDITION(name, leaf, is11, lock, unlock, call)                                            \
	static __attribute__((noinline)) void name(void)                                           \
	{                                                                                          \
		pthread_t thread;                                                                  \
		long start;                                                                        \
                                                                                                   \
		signalled = 0;                                                                     \
		must(lock);                                                                        \
		must(pthread_create(&thread, NULL, signals_later, (is11) ? &c11 : NULL));          \
		while (!signalled) {                                                               \
			start = now();                                                             \
			must(call);                                                                \
			expect("block", leaf, #name, 1, now() - start);                            \
		}                                                                                  \
		must(unlock);                                                                      \
		must(pthread_join(thread, NULL));                                                  \
	}
CONDITION(cond_plain, "pthread_cond_wait", 0, pthread_mutex_lock(&mutex),
	  pthread_mutex_unlock(&mutex), pthread_cond_wait(&cond, &mutex))
CONDITION(cond_timed, "pthread_cond_timedwait", 0, pthread_mutex_lock(&mutex),
	  pthread_mutex_unlock(&mutex), pthread_cond_timedwait(&cond, &mutex, SOON(CLOCK_REALTIME)))
CONDITION(cond_clocked, "pthread_cond_clockwait", 0, pthread_mutex_lock(&mutex),
	  pthread_mutex_unlock(&mutex),
	  pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, SOON(CLOCK_MONOTONIC)))
CONDITION(cond_c11, "cnd_wait", 1, mtx_lock(&c11), mtx_unlock(&c11), cnd_wait(&cond11, &c11))
CONDITION(cond_c11_timed, "cnd_timedwait", 1, mtx_lock(&c11), mtx_unlock(&c11),
	  cnd_timedwait(&cond11, &c11, SOON(CLOCK_REALTIME)))

static __attribute__((noinline)) void *released_by_cond_waits(void *unused)
{
	began[0] = now();
	atomic_fetch_add(&coming, 1);
	must(pthread_mutex_lock(&mutex));
	expect("block", "pthread_mutex_lock", "released_by_cond_waits", 1, now() - began[0]);
	must(pthread_cond_signal(&cond));
	must(pthread_mutex_unlock(&mutex));
	return unused;
}

static __attribute__((noinline)) void released_by_cond(void)
{
	pthread_t thread;
	long at;

	begin_run();
	must(pthread_mutex_lock(&mutex));
	must(pthread_create(&thread, NULL, released_by_cond_waits, NULL));
	meet(1);
	at = now();
	must(pthread_cond_wait(&cond, &mutex));
	expect("block", "pthread_cond_wait", "released_by_cond", 1, now() - at);
	expect("mutex", "pthread_cond_wait", "released_by_cond", 1, at - began[0]);
	must(pthread_mutex_unlock(&mutex));
	must(pthread_join(thread, NULL));
}

/* ---- 8: semaphores ---- */

static sem_t semaphore;

static void *posts_later(void *unused)
{
	sleep_ms(HELD);
	must(sem_post(&semaphore));
	return unused;
}

#define SEMAPHORE(name, leaf, call)                                                                \
	static __attribute__((noinline)) void name(void)                                           \
	{                                                                                          \
		pthread_t thread;                                                                  \
		long start;                                                                        \
                                                                                                   \
		must(sem_post(&semaphore));                                                        \
		must(call); /* raised: no wait */                                                  \
		must(pthread_create(&thread, NULL, posts_later, NULL));                            \
		start = now();                                                                     \
		must(call);                                                                        \
		expect("block", leaf, #name, 1, now() - start);                                    \
		must(pthread_join(thread, NULL));                                                  \
	}
SEMAPHORE(sem_plain, "sem_wait", sem_wait(&semaphore))
SEMAPHORE(sem_timed, "sem_timedwait", sem_timedwait(&semaphore, SOON(CLOCK_REALTIME)))
SEMAPHORE(sem_clocked, "sem_clockwait",
	  sem_clockwait(&semaphore, CLOCK_MONOTONIC, SOON(CLOCK_MONOTONIC)))

/* ---- 9: a barrier; joining ---- */

static pthread_barrier_t barrier;

static __attribute__((noinline)) void *meets(void *late)
{
	long start;
	int r;

	sleep_ms(late ? 5 + HELD : 5);
	start = now();
	r = pthread_barrier_wait(&barrier);
	expect("block", "pthread_barrier_wait", "meets", 1, now() - start);
	return r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD ? NULL : late;
}

static __attribute__((noinline)) void joins(pthread_t thread, int how)
{
	long start = now();

	if (how == 0)
		must(pthread_join(thread, NULL));
	else if (how == 1)
		must(pthread_timedjoin_np(thread, NULL, SOON(CLOCK_REALTIME)));
	else
		must(pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, SOON(CLOCK_MONOTONIC)));
	expect("block",
	       how == 0	  ? "pthread_join"
	       : how == 1 ? "pthread_timedjoin_np"
			  : "pthread_clockjoin_np",
	       "joins", 1, now() - start);
}

static int ends_later(void *unused)
{
	(void)unused;
	sleep_ms(HELD);
	return 0;
}

static __attribute__((noinline)) void joins_c11(void)
{
	thrd_t thread;
	long start;

	must(thrd_create(&thread, ends_later, NULL));
	start = now();
	must(thrd_join(thread, NULL));
	expect("block", "thrd_join", "joins_c11", 1, now() - start);
}

static void meeting(void)
{
	pthread_t thread[4];

	must(pthread_barrier_init(&barrier, NULL, 4));
	for (long i = 0; i < 4; i++)
		must(pthread_create(&thread[i], NULL, meets, i == 3 ? &barrier : NULL));
	for (int i = 0; i < 4; i++)
		joins(thread[i], i % 3);
}

/* ---- 10: a lock of the program's own ---- */

static atomic_int word; /* 0 free, 1 held, 2 held and somebody waits */

static __attribute__((noinline)) void own_lock(void)
{
	int free = 0;

	if (atomic_compare_exchange_strong(&word, &free, 1))
		return;
	while (atomic_exchange(&word, 2) != 0) {
		long start = now();

		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
		expect("block", "syscall", "own_lock", 1, now() - start);
	}
}

static int own_unlock(void)
{
	if (atomic_exchange(&word, 0) == 2)
		syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	return 0;
}

static void *own_waits(void *unused)
{
	atomic_fetch_add(&coming, 1);
	own_lock();
	own_unlock();
	return unused;
}

static void own(void)
{
	pthread_t thread[3];

	begin_run();
	own_lock();
	for (int i = 0; i < 3; i++)
		must(pthread_create(&thread[i], NULL, own_waits, NULL));
	meet(3);
	own_unlock();
	for (int i = 0; i < 3; i++)
		must(pthread_join(thread[i], NULL));
}

/* ---- 11: a recursive mutex ---- */

static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static __attribute__((noinline)) void *recursive_waits(void *unused)
{
	began[0] = now();
	atomic_fetch_add(&coming, 1);
	must(pthread_mutex_lock(&recursive));
	expect("block", "pthread_mutex_lock", "recursive_waits", 1, now() - began[0]);
	must(pthread_mutex_unlock(&recursive));
	return unused;
}

static __attribute__((noinline)) void recursive_inner(void)
{
	must(pthread_mutex_unlock(&recursive));
}

static __attribute__((noinline)) void recursive_outer(void)
{
	long at = now();

	must(pthread_mutex_unlock(&recursive));
	expect("mutex", "pthread_mutex_unlock", "recursive_outer", 1, at - began[0]);
}

static void twice(void)
{
	pthread_t thread;

	begin_run();
	must(pthread_mutex_lock(&recursive));
	must(pthread_mutex_lock(&recursive));
	must(pthread_create(&thread, NULL, recursive_waits, NULL));
	meet(1);
	recursive_inner();
	sleep_ms(HELD);
	recursive_outer();
	must(pthread_join(thread, NULL));
}

/* ---- 12: who gives up is in no release ---- */

static __attribute__((noinline)) void *gives_up(void *unused)
{
	struct timespec until = in_ms(CLOCK_REALTIME, HELD);
	long start = now();

	atomic_fetch_add(&coming, 1);
	if (pthread_mutex_timedlock(&mutex, &until) == 0)
		exit(3);
	expect("block", "pthread_mutex_timedlock", "gives_up", 1, now() - start);
	return unused;
}

static __attribute__((noinline)) void outlasts(void)
{
	pthread_t thread;

	begin_run();
	must(pthread_mutex_lock(&mutex));
	must(pthread_create(&thread, NULL, gives_up, NULL));
	must(pthread_join(thread, NULL));
	sleep_ms(HELD);
	must(pthread_mutex_unlock(&mutex));
}

/* ---- 14: out of a wait by siglongjmp, and by cancellation ---- */

static sigjmp_buf out;

static void jump_out(int signo)
{
	(void)signo;
	siglongjmp(out, 1);
}

static __attribute__((noinline)) void ghost_waits(void)
{
	long start = now();

	must(pthread_mutex_lock(&adaptive));
	expect("block", "pthread_mutex_lock", "ghost_waits", 1, now() - start);
	must(pthread_mutex_unlock(&adaptive));
}

static __attribute__((noinline)) void *ghost(void *unused)
{
	atomic_fetch_add(&coming, 1);
	if (sigsetjmp(out, 1) == 0) {
		must(pthread_mutex_lock(&mutex));
		exit(3);
	}
	ghost_waits();
	atomic_fetch_add(&coming, 1);
	return unused;
}

static __attribute__((noinline)) void *cancelled(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	atomic_fetch_add(&coming, 1);
	must(pthread_mutex_lock(&mutex));
	return unused;
}

static __attribute__((noinline)) void ghost_releases(void)
{
	must(pthread_mutex_unlock(&mutex));
}

static void ghosts(void)
{
	struct sigaction action = {.sa_handler = jump_out};
	pthread_t thread[2];
	void *result;

	begin_run();
	sigaction(SIGUSR1, &action, NULL);
	must(pthread_mutex_lock(&mutex));
	must(pthread_mutex_lock(&adaptive));
	must(pthread_create(&thread[0], NULL, ghost, NULL));
	must(pthread_create(&thread[1], NULL, cancelled, NULL));
	meet(2);
	pthread_kill(thread[0], SIGUSR1);
	pthread_cancel(thread[1]);
	must(pthread_join(thread[1], &result));
	if (result != PTHREAD_CANCELED)
		exit(3);
	sleep_ms(HELD);
	must(pthread_mutex_unlock(&adaptive));
	must(pthread_join(thread[0], NULL));
	ghost_releases();
}

int main(void)
{
	must(pthread_spin_init(&spin, 0));
	must(mtx_init(&c11, mtx_timed));
	must(cnd_init(&cond11));
	must(sem_init(&semaphore, 0, 0));
	one(1);
	three(3);
	eight(8);
	timed(3);
	clocked(3);
	c11_plain(3);
	c11_timed(3);
	readers(4);
	readers_timed(2);
	readers_clocked(2);
	writers(3);
	writers_timed(2);
	writers_clocked(2);
	spinning(1);
	chain();
	overlap();
	cond_plain();
	cond_timed();
	cond_clocked();
	cond_c11();
	cond_c11_timed();
	released_by_cond();
	sem_plain();
	sem_timed();
	sem_clocked();
	meeting();
	joins_c11();
	own();
	twice();
	outlasts();
	ghosts();
	for (int i = 0; i < line_count; i++)
		printf("%s %s %s %ld %ld\n", lines[i].kind, lines[i].leaf, lines[i].caller,
		       lines[i].count, lines[i].ns);
	return 0;
}
