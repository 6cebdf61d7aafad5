/* SPDX-License-Identifier: MIT */
/*
 * RUN:    service [HOW UID]
 * EXPECT: uses some CPU until its standard input ends, prints "bye" and exits with 7.  HOW is
 * setuid, seteuid, setreuid or setresuid: after the first 100 ms it becomes UID in this way and
 * prints the call's result and errno, which was 77 before, then those of the same call to root
 * again, which fails when the change was for good.
 *
 * RUN:    service prefork COUNT DUMPS
 * EXPECT: COUNT children ask for DUMPS dumps each, 50 ms apart; exits with 7 when all have.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline)) static void burn(long ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	for (long end = ts.tv_sec * 1000000000L + ts.tv_nsec + ms * 1000000;
	     ts.tv_sec * 1000000000L + ts.tv_nsec < end;
	     clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts))
		for (int i = 0; i < 2000; i++)
			sink += (unsigned long)i;
}

static int become(const char *how, uid_t uid)
{
	errno = 77;
	if (!strcmp(how, "setuid"))
		return setuid(uid);
	if (!strcmp(how, "seteuid"))
		return seteuid(uid);
	if (!strcmp(how, "setreuid"))
		return setreuid(uid, uid);
	if (!strcmp(how, "setresuid"))
		return setresuid(uid, uid, uid);
	exit(2);
}

static void drop(const char *how, uid_t uid)
{
	int r = become(how, uid), e = errno;

	printf("%d %d", r, e);
	if (strcmp(how, "seteuid")) {
		r = become(how, 0);
		printf(" %d %d", r, errno);
	}
	printf("\n");
	fflush(stdout);
}

static int prefork(int count, int dumps)
{
	int state, failed = 0;

	for (int i = 0; i < count; i++) {
		if (fork() != 0)
			continue;
		for (int n = 0; n < dumps; n++) {
			burn(5);
			raise(SIGUSR2);
			usleep(50000);
		}
		_exit(0);
	}
	while (wait(&state) > 0)
		failed |= state;
	return failed ? 1 : 7;
}

int main(int argc, char **argv)
{
	struct pollfd in = {.fd = 0, .events = POLLIN};

	if (argc > 3 && !strcmp(argv[1], "prefork"))
		return prefork(atoi(argv[2]), atoi(argv[3]));
	burn(100);
	if (argc > 2)
		drop(argv[1], (uid_t)atol(argv[2]));
	while (poll(&in, 1, 10) <= 0)
		burn(5);
	puts("bye");
	return 7;
}
