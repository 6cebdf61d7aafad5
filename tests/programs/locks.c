/* SPDX-License-Identifier: MIT */
/*
 * RUN:    locks
 * EXPECT: every type of mutex, read-write lock, semaphore and C11 mutex in every state, and what each call says then: one
 * line each, "WHAT: result errno state afterwards".  The same with and without the library.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct timespec at(clockid_t clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

enum { SHORT, PAST, NEGATIVE, TOO_MUCH, TIMES };
static const char *const time_names[] = {"2ms", "past", "negative", "invalid"};

static struct timespec time_of(int which, clockid_t clock)
{
	struct timespec ts = at(clock == 99 ? CLOCK_REALTIME : clock, 2);

	if (which == PAST)
		ts.tv_sec = 1;
	else if (which == NEGATIVE)
		ts.tv_nsec = -1;
	else if (which == TOO_MUCH)
		ts.tv_nsec = 1000000000;
	return ts;
}

/* ---- mutexes ---- */

static const struct {
	const char *name;
	int type;
} types[] = {{"normal", PTHREAD_MUTEX_NORMAL},
	     {"recursive", PTHREAD_MUTEX_RECURSIVE},
	     {"checking", PTHREAD_MUTEX_ERRORCHECK},
	     {"adaptive", PTHREAD_MUTEX_ADAPTIVE_NP}};
enum { PLAIN, ROBUST, INHERIT, PROTECT, SHARED, ROBUST_SHARED, INHERIT_ROBUST, KINDS };
static const char *const kind_names[] = {"plain",  "robust",	    "inherit",	     "protect",
					 "shared", "robust_shared", "inherit_robust"};
enum { FREE, MINE, OTHERS, DEAD, LOST, STATES };
static const char *const state_names[] = {"free", "mine", "others", "dead", "lost"};

static pthread_mutex_t *mutex;
static sem_t taken, give_back;

static void *takes(void *stays)
{
	pthread_mutex_lock(mutex);
	sem_post(&taken);
	if (!stays) {
		while (sem_wait(&give_back))
			;
		pthread_mutex_unlock(mutex);
	}
	return NULL;
}

static int init(int type, int kind)
{
	pthread_mutexattr_t a;
	int r = 0;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, type);
	if (kind == ROBUST || kind == ROBUST_SHARED || kind == INHERIT_ROBUST)
		r |= pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	if (kind == INHERIT || kind == INHERIT_ROBUST)
		r |= pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT);
	if (kind == PROTECT) {
		r |= pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_PROTECT);
		r |= pthread_mutexattr_setprioceiling(&a, 20);
	}
	if (kind == SHARED || kind == ROBUST_SHARED)
		r |= pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	memset(mutex, 0, sizeof *mutex);
	return r ? r : pthread_mutex_init(mutex, &a);
}

/* Can the calling thread unlock it, and how often?  owned: it has it, perhaps from a dead one. */
static void rest(int owned)
{
	int n = 0;

	printf(" owner %d count %u", mutex->__data.__owner == gettid(), mutex->__data.__count);
	while ((owned || mutex->__data.__owner == gettid()) && n < 5 &&
	       pthread_mutex_unlock(mutex) == 0) {
		owned = 0;
		n++;
	}
	printf(" unlocked %d", n);
}

enum { LOCK, TRY, TIMED, CLOCK_R, CLOCK_M, CLOCK_BAD, UNLOCK, COND, COND_TIMED, CALLS };
static const char *const call_names[] = {"lock",	"trylock",     "timedlock",
					 "clocklock_r", "clocklock_m", "clocklock_99",
					 "unlock",	"cond_wait",   "cond_timedwait"};

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static int call(int which, const struct timespec *until)
{
	switch (which) {
	case LOCK:
		return pthread_mutex_lock(mutex);
	case TRY:
		return pthread_mutex_trylock(mutex);
	case TIMED:
		return pthread_mutex_timedlock(mutex, until);
	case CLOCK_R:
		return pthread_mutex_clocklock(mutex, CLOCK_REALTIME, until);
	case CLOCK_M:
		return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, until);
	case CLOCK_BAD:
		return pthread_mutex_clocklock(mutex, 99, until);
	case UNLOCK:
		return pthread_mutex_unlock(mutex);
	default:
		return pthread_cond_timedwait(&cond, mutex, until);
	}
}

static void one_mutex(int t, int kind, int state, int which, int time)
{
	const int clock = which == CLOCK_M     ? CLOCK_MONOTONIC
			  : which == CLOCK_BAD ? 99
					       : CLOCK_REALTIME;
	struct timespec until = time_of(time, clock);
	pthread_t thread;
	int r = init(types[t].type, kind);

	printf("%s %s %s %s %s:", types[t].name, kind_names[kind], state_names[state],
	       call_names[which], time_names[time]);
	if (r) {
		printf(" cannot be made: %d\n", r);
		return;
	}
	if (state == MINE) {
		printf(" [%d]", pthread_mutex_lock(mutex));
	} else if (state != FREE) {
		pthread_create(&thread, NULL, takes, state == OTHERS ? NULL : mutex);
		while (sem_wait(&taken))
			;
		if (state != OTHERS)
			pthread_join(thread, NULL);
	}
	if (state == LOST) { /* taken over, and given back without being made consistent */
		printf(" [%d", pthread_mutex_lock(mutex));
		printf(" %d]", pthread_mutex_unlock(mutex));
	}
	errno = 77;
	r = call(which, &until);
	printf(" %d errno %d", r, errno);
	rest(r == EOWNERDEAD);
	if (state == LOST) /* nobody has it: it is not kept either */
		printf(" again %d", pthread_mutex_trylock(mutex));
	if (state == OTHERS) {
		sem_post(&give_back);
		pthread_join(thread, NULL);
	}
	printf(" destroy %d\n", pthread_mutex_destroy(mutex));
}

/* Would it wait for ever? */
static int deadlocks(int t, int kind, int state, int which)
{
	int robust = kind == ROBUST || kind == ROBUST_SHARED || kind == INHERIT_ROBUST;

	if (which == UNLOCK && state == OTHERS && t != 1 && t != 2 && !robust)
		return 1; /* not defined */
	if (which == COND || (which == COND_TIMED && state != MINE))
		return 1;
	if ((state == DEAD || state == LOST) && !robust)
		return 1;
	if (which == LOCK && state == OTHERS)
		return 1;
	/* glibc stops a priority inheriting one that deadlocks for ever, whatever the time. */
	if (state == MINE && (t == 0 || t == 3) &&
	    (which == LOCK || kind == INHERIT || kind == INHERIT_ROBUST))
		return 1;
	return 0;
}

static void mutexes(int alone)
{
	for (int t = 0; t < (int)COUNT(types); t++)
		for (int kind = 0; kind < KINDS; kind++)
			for (int state = 0; state < (alone ? OTHERS : STATES); state++)
				for (int which = 0; which < CALLS; which++)
					for (int time = 0; time < TIMES; time++)
						if (!deadlocks(t, kind, state, which) &&
						    (time == 0 ||
						     (which >= TIMED && which != UNLOCK)))
							one_mutex(t, kind, state, which, time);
}

/* ---- read-write locks ---- */

static pthread_rwlock_t rwlock;
static int wanted;

static void *takes_rwlock(void *unused)
{
	(void)(wanted ? pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_rdlock(&rwlock));
	sem_post(&taken);
	while (sem_wait(&give_back))
		;
	pthread_rwlock_unlock(&rwlock);
	return unused;
}

static void one_rwlock(int prefer, int state, int write, int how, int time)
{
	static const char *const hows[] = {"plain",   "try",	 "timed",
					   "clock_r", "clock_m", "clock_99"};
	const int clock = how == 4 ? CLOCK_MONOTONIC : how == 5 ? 99 : CLOCK_REALTIME;
	struct timespec until = time_of(time, clock);
	pthread_rwlockattr_t a;
	pthread_t thread;
	int r;

	/* state: 0 free, 1 I read, 2 I write, 3 another reads, 4 another writes */
	if (how == 0 && (state == 4 || (state == 3 && write) || (state == 1 && write)))
		return;
	pthread_rwlockattr_init(&a);
	pthread_rwlockattr_setkind_np(&a, prefer);
	pthread_rwlock_init(&rwlock, &a);
	if (state == 1)
		pthread_rwlock_rdlock(&rwlock);
	else if (state == 2)
		pthread_rwlock_wrlock(&rwlock);
	else if (state > 2) {
		wanted = state == 4;
		pthread_create(&thread, NULL, takes_rwlock, NULL);
		while (sem_wait(&taken))
			;
	}
	errno = 77;
	switch (how) {
	case 0:
		r = write ? pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_rdlock(&rwlock);
		break;
	case 1:
		r = write ? pthread_rwlock_trywrlock(&rwlock) : pthread_rwlock_tryrdlock(&rwlock);
		break;
	case 2:
		r = write ? pthread_rwlock_timedwrlock(&rwlock, &until)
			  : pthread_rwlock_timedrdlock(&rwlock, &until);
		break;
	default:
		r = write ? pthread_rwlock_clockwrlock(&rwlock, clock, &until)
			  : pthread_rwlock_clockrdlock(&rwlock, clock, &until);
	}
	printf("rwlock %d state %d %s %s %s: %d errno %d", prefer, state, write ? "write" : "read",
	       hows[how], time_names[time], r, errno);
	if (r == 0)
		printf(" unlock %d", pthread_rwlock_unlock(&rwlock));
	if (state == 1 || state == 2)
		printf(" unlock %d", pthread_rwlock_unlock(&rwlock));
	if (state > 2) {
		sem_post(&give_back);
		pthread_join(thread, NULL);
	}
	printf(" try %d\n", pthread_rwlock_trywrlock(&rwlock));
}

static void rwlocks(int alone)
{
	for (int prefer = 0; prefer < 3; prefer++)
		for (int state = 0; state < (alone ? 3 : 5); state++)
			for (int write = 0; write < 2; write++)
				for (int how = 0; how < 6; how++)
					for (int time = 0; time < (how < 2 ? 1 : TIMES); time++)
						one_rwlock(prefer, state, write, how, time);
}

/* ---- semaphores ---- */

static void semaphores(void)
{
	sem_t s;

	for (int value = 0; value < 2; value++)
		for (int how = 0; how < 6; how++)
			for (int time = 0; time < (how < 2 ? 1 : TIMES); time++) {
				const int clock = how == 4   ? CLOCK_MONOTONIC
						  : how == 5 ? 99
							     : CLOCK_REALTIME;
				struct timespec until = time_of(time, clock);
				int r, left;

				if (how == 0 && !value)
					continue;
				sem_init(&s, 0, (unsigned)value);
				errno = 77;
				r = how == 0   ? sem_wait(&s)
				    : how == 1 ? sem_trywait(&s)
				    : how == 2 ? sem_timedwait(&s, &until)
					       : sem_clockwait(&s, clock, &until);
				printf("semaphore %d how %d %s: %d errno %d", value, how,
				       time_names[time], r, errno);
				sem_getvalue(&s, &left);
				printf(" left %d\n", left);
			}
}

/* ---- C11 ---- */

static mtx_t c11;

static void *takes_c11(void *unused)
{
	mtx_lock(&c11);
	sem_post(&taken);
	while (sem_wait(&give_back))
		;
	mtx_unlock(&c11);
	return unused;
}

static void c11_mutexes(void)
{
	static const int kinds[] = {mtx_plain, mtx_timed, mtx_plain | mtx_recursive,
				    mtx_timed | mtx_recursive};

	for (size_t k = 0; k < COUNT(kinds); k++)
		for (int state = 0; state < 3; state++)
			for (int how = 0; how < 3; how++)
				for (int time = 0; time < (how == 2 ? TIMES : 1); time++) {
					struct timespec until = time_of(time, CLOCK_REALTIME);
					pthread_t thread;
					int r;

					if (how == 0 && (state == 2 || (state == 1 && k < 2)))
						continue;
					mtx_init(&c11, kinds[k]);
					if (state == 1)
						mtx_lock(&c11);
					if (state == 2) {
						pthread_create(&thread, NULL, takes_c11, NULL);
						while (sem_wait(&taken))
							;
					}
					errno = 77;
					r = how == 0   ? mtx_lock(&c11)
					    : how == 1 ? mtx_trylock(&c11)
						       : mtx_timedlock(&c11, &until);
					printf("c11 %d state %d how %d %s: %d errno %d", kinds[k],
					       state, how, time_names[time], r, errno);
					if (r == thrd_success)
						printf(" unlock %d", mtx_unlock(&c11));
					if (state == 1)
						printf(" unlock %d", mtx_unlock(&c11));
					if (state == 2) {
						sem_post(&give_back);
						pthread_join(thread, NULL);
					}
					printf(" try %d\n", mtx_trylock(&c11));
				}
}

/* ---- a pending cancellation is acted upon by calls that do not have to wait ---- */

static void *cancelled_in(void *which)
{
	sem_t s;
	struct timespec until = at(CLOCK_REALTIME, 2);

	sem_init(&s, 0, 1);
	pthread_cancel(pthread_self());
	if ((long)which == 0)
		sem_wait(&s);
	else if ((long)which == 1)
		sem_timedwait(&s, &until);
	else if ((long)which == 2)
		pthread_mutex_lock(mutex);
	else
		pthread_rwlock_rdlock(&rwlock);
	return which;
}

static void cancellations(void)
{
	for (long which = 0; which < 4; which++) {
		pthread_t thread;
		void *result;

		init(PTHREAD_MUTEX_NORMAL, PLAIN);
		pthread_rwlock_init(&rwlock, NULL);
		pthread_create(&thread, NULL, cancelled_in, (void *)which);
		pthread_join(thread, &result);
		printf("cancelled in %ld: %d\n", which, result == PTHREAD_CANCELED);
	}
}

static void *nothing(void *unused)
{
	return unused;
}

int main(void)
{
	static char buffer[1 << 16];
	pthread_t thread;

	setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
	mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sem_init(&taken, 0, 0);
	sem_init(&give_back, 0, 0);
	puts("alone");
	mutexes(1);
	rwlocks(1);
	semaphores();
	puts("with threads");
	pthread_create(&thread, NULL, nothing, NULL);
	pthread_join(thread, NULL);
	mutexes(0);
	rwlocks(0);
	semaphores();
	c11_mutexes();
	cancellations();
	return 0;
}
