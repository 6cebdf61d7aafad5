/* SPDX-License-Identifier: MIT */
/*
 * RUN:    exec_chain COUNT
 * EXPECT: the process burns 1 to 4 ms of CPU and replaces itself, COUNT times, with timers armed
 * and signals pending; the last image exits with 42.  A signal that survives exec would kill it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int left = argc > 1 ? atoi(argv[1]) : 0;
	char next[16];
	struct timespec ts;
	volatile unsigned long sink = 0;
	long want = 1000000L + (long)(left * 7919 % 3000) * 1000L;

	do {
		for (int i = 0; i < 1000; i++)
			sink += (unsigned long)i;
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	} while (ts.tv_sec == 0 && ts.tv_nsec < want);
	if (left == 0)
		return 42;
	snprintf(next, sizeof next, "%d", left - 1);
	switch (left % 3) {
	case 0:
		execl(argv[0], argv[0], next, (char *)NULL);
		break;
	case 1:
		execvp(argv[0], (char *[]){argv[0], next, NULL});
		break;
	default:
		execl("/nonexistent", argv[0], next,
		      (char *)NULL); /* a failure must leave us whole */
		execv(argv[0], (char *[]){argv[0], next, NULL});
	}
	return 1;
}
