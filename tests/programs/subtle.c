/* SPDX-License-Identifier: MIT */
/*
 * RUN:    subtle MODE
 * EXPECT: what a careful wrapper gets wrong; each mode says what it prints, with and without us.  The
 * dump signal is sent by the program itself where that matters; without a handler it is left out (-p).
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/programs/work.h"

enum { MUCH = 4 << 20 };
static char much[MUCH], taken[MUCH];
static int pair[2];
static volatile int handled, inside;
static volatile bool stop, plain;

WORK(burn, 3)

static void on_signal(int signo)
{
	(void)signo;
	handled++;
}

static void handle(int signo, int flags)
{
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = flags};

	sigaction(signo, &act, NULL);
}

static void block_all(int how)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(how, &all, NULL);
}

/* Much is written to a socket that does not block, while ticks come: prints "parts", or hangs. */
static void parts(int flags)
{
	long end = clock_of(CLOCK_MONOTONIC) + 1500000000L, n = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	if (!flags)
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	alarm(10);
	while (clock_of(CLOCK_MONOTONIC) < end) {
		n += (flags ? send(pair[0], much, MUCH, flags) : write(pair[0], much, MUCH)) < MUCH;
		while (read(pair[1], taken, MUCH) > 0)
			;
	}
	puts(n > 100 ? "parts" : "few");
}

static void *take_slowly(void *unused)
{
	block_all(SIG_BLOCK);
	while (read(pair[1], taken, 65536) > 0)
		usleep(300);
	return unused;
}

static void *ask_often(void *unused)
{
	block_all(SIG_BLOCK);
	while (!plain && !stop) {
		usleep(7000);
		kill(getpid(), SIGUSR2);
	}
	return unused;
}

/* Blocking writes of much in every form, while dumps are asked for.  Prints how many were short. */
static void whole(void)
{
	struct iovec v[2] = {{much, MUCH / 2}, {much, MUCH / 2}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};
	pthread_t thread;
	int is_short = 0;

	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	pthread_create(&thread, NULL, take_slowly, NULL);
	pthread_create(&thread, NULL, ask_often, NULL);
	for (int i = 0; i < 5; i++) {
		is_short += write(pair[0], much, MUCH) != MUCH;
		is_short += send(pair[0], much, MUCH, 0) != MUCH;
		is_short += sendto(pair[0], much, MUCH, 0, NULL, 0) != MUCH;
		is_short += writev(pair[0], v, 2) != MUCH;
		is_short += sendmsg(pair[0], &m, 0) != MUCH;
	}
	stop = true;
	printf("%d\n", is_short);
}

static pthread_mutex_t mutex;

static void *lock_it(void *unused)
{
	pthread_mutex_lock(&mutex);
	printf("locked while %d inside\n", inside);
	pthread_mutex_unlock(&mutex);
	return unused;
}

/* A thread that waits for a priority-inheriting mutex gets the host's own SIGPROF. */
static void pi_mutex(void)
{
	pthread_mutexattr_t attr;
	pthread_t thread;

	handle(SIGPROF, 0);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&mutex, &attr);
	pthread_mutex_lock(&mutex);
	inside = 1;
	pthread_create(&thread, NULL, lock_it, NULL);
	usleep(100000);
	pthread_kill(thread, SIGPROF);
	usleep(200000);
	inside = 0;
	pthread_mutex_unlock(&mutex);
	pthread_join(thread, NULL);
}

static void *work_blocked(void *unused)
{
	block_all(SIG_BLOCK);
	burn(1000);
	return unused;
}

/* The host's profiling timer while a worker that blocks everything works: the main thread gets its
 * signals.  Prints "most" of 50. */
static void others(void)
{
	struct itimerval every = {{0, 20000}, {0, 20000}};
	pthread_t thread;

	handle(SIGPROF, SA_RESTART);
	setitimer(ITIMER_PROF, &every, NULL);
	pthread_create(&thread, NULL, work_blocked, NULL);
	pthread_join(thread, NULL);
	/* Ticks and the timer meet; two of one kind that are pending are one. */
	puts(handled > 25 ? "most" : "few");
}

static void block_in_handler(int signo)
{
	(void)signo;
	block_all(SIG_BLOCK);
}

/* A mask that a handler has set ends with it, and one before siglongjmp.  Prints "2 of 2". */
static void ends(void)
{
	static sigjmp_buf out;

	handle(SIGPROF, SA_RESTART);
	signal(SIGUSR1, block_in_handler);
	raise(SIGUSR1);
	raise(SIGPROF);
	if (!sigsetjmp(out, 1)) {
		block_all(SIG_BLOCK);
		siglongjmp(out, 1);
	}
	raise(SIGPROF);
	printf("%d of 2\n", handled);
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	plain = argc > 2;
	if (!strcmp(mode, "parts"))
		parts(0);
	else if (!strcmp(mode, "parts_once"))
		parts(MSG_DONTWAIT);
	else if (!strcmp(mode, "whole"))
		whole();
	else if (!strcmp(mode, "pi_mutex"))
		pi_mutex();
	else if (!strcmp(mode, "others"))
		others();
	else if (!strcmp(mode, "ends"))
		ends();
	else
		return 2;
	return 0;
}
