/* SPDX-License-Identifier: MIT */
/*
 * spawn ROUNDS PROGRAM LIBRARY...: starts PROGRAM with each library preloaded in turn ("-": none),
 * ROUNDS times, interleaved, and prints for each the median wall time in us and its difference to
 * the first library.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define MOST 8

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(double *v, int n)
{
	qsort(v, (size_t)n, sizeof *v, compare);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static double once(char *program, const char *library)
{
	char preload[512];
	char *argv[] = {program, NULL};
	char *envp[] = {"PATH=/usr/bin:/bin", preload, NULL};
	struct timespec a, b;
	pid_t pid;
	int status;

	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", strcmp(library, "-") ? library : "");
	clock_gettime(CLOCK_MONOTONIC, &a);
	if (posix_spawn(&pid, program, NULL, NULL, argv, envp) || waitpid(pid, &status, 0) < 0 ||
	    status)
		exit(1);
	clock_gettime(CLOCK_MONOTONIC, &b);
	return (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0, libraries = argc - 3;
	static double *times[MOST], *extra[MOST];

	if (rounds < 1 || libraries < 1 || libraries > MOST)
		return 2;
	for (int l = 0; l < libraries; l++) {
		times[l] = calloc((size_t)rounds, sizeof(double));
		extra[l] = calloc((size_t)rounds, sizeof(double));
	}
	for (int r = -5; r < rounds; r++) /* five rounds to warm up */
		for (int l = 0; l < libraries; l++) {
			double t = once(argv[2], argv[3 + l]);

			if (r >= 0) {
				times[l][r] = t;
				extra[l][r] = t - times[0][r];
			}
		}
	for (int l = 0; l < libraries; l++)
		printf("%s\t%.1f\t%.1f\n", argv[3 + l], median(times[l], rounds),
		       median(extra[l], rounds));
	return 0;
}
