/* SPDX-License-Identifier: MIT */
/* Reads numbers, makes so many round trips of 64 bytes between two threads over a socket pair, and says "done" on
 * standard error: on one CPU, two context switches each. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static void *answer(void *unused)
{
	char buf[64];
	ssize_t n;

	while ((n = read(pair[1], buf, sizeof buf)) > 0 && write(pair[1], buf, (size_t)n) == n)
		;
	return unused;
}

int main(void)
{
	char line[32], buf[64] = {0};
	pthread_t thread;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
	    pthread_create(&thread, NULL, answer, NULL))
		return 1;
	while (fgets(line, sizeof line, stdin)) {
		for (long n = atol(line); n > 0; n--)
			if (write(pair[0], buf, sizeof buf) != sizeof buf ||
			    read(pair[0], buf, sizeof buf) != sizeof buf)
				return 1;
		(void)!write(2, "done\n", 5);
	}
	return 0;
}
