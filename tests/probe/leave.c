/* SPDX-License-Identifier: MIT */
/*
 * Throw-away: cancellation and siglongjmp out of a wrapper with a scope in TLS.
 *
 * RUN: leave
 * Is a frame of a wrapper, with the scope's stack pointer in TLS, told apart from a handler that runs on
 * top of it, by distance alone?  Prints the distance from the wrapper's frame to the stack pointer in
 * the call itself, and in the same call made by a handler on top; and that cancellation passes a
 * wrapper without landing pads.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static __thread uintptr_t scope;
static volatile long direct, nested;
static volatile int in_handler;
static sigjmp_buf out;

static void on_usr2(int s, siginfo_t *i, void *c)
{
	long d = (long)(scope - (uintptr_t)((ucontext_t *)c)->uc_mcontext.gregs[REG_RSP]);

	(void)s, (void)i;
	if (in_handler)
		nested = d;
	else
		direct = d > direct ? d : direct;
}
__attribute__((noinline)) static int my_poll(int ms)
{
	int r;

	scope = (uintptr_t)__builtin_frame_address(0);
	r = poll(NULL, 0, ms);
	scope = 0;
	return r;
}
static void on_alarm(int s)
{
	struct timespec ts = {0, 200000000};
	(void)s;
	in_handler = 1;
	nanosleep(&ts, NULL);
	in_handler = 0;
	siglongjmp(out, 1);
}
static void *waits(void *x)
{
	my_poll(-1);
	return x;
}
int main(void)
{
	struct sigaction a = {.sa_sigaction = on_usr2, .sa_flags = SA_SIGINFO | SA_RESTART};
	pthread_t t;
	void *r;
	int st;
	pid_t kid;

	sigaction(SIGUSR2, &a, NULL);
	signal(SIGALRM, on_alarm);
	if ((kid = fork()) == 0) {
		for (int i = 0; i < 4; i++) {
			usleep(100000);
			kill(getppid(), SIGUSR2);
			usleep(10000);
			if (i == 1)
				kill(getppid(), SIGALRM);
		}
		_exit(0);
	}
	if (!sigsetjmp(out, 1))
		for (;;)
			my_poll(-1);
	printf("bytes from the wrapper's frame: direct %ld, below a handler on top %ld; stale "
	       "after siglongjmp: %s\n",
	       direct, nested, scope ? "yes" : "no");
	waitpid(kid, &st, 0);
	pthread_create(&t, NULL, waits, NULL);
	usleep(20000);
	pthread_cancel(t);
	pthread_join(t, &r);
	printf("cancelled through the wrapper: %s\n", r == PTHREAD_CANCELED ? "yes" : "no");
	return 0;
}
