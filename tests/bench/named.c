/* SPDX-License-Identifier: MIT */
/*
 * named STACKS DUMPS LIBRARY...: a dump with names, of many stacks over many libraries.
 *
 * Each library has a table of functions (see named_library) that call the next one of a path.  Paths are
 * those of a tree, so stacks share their roots.  The ticks are those of its own timer, which it queues
 * itself.  Prints in KiB what is resident at start, with all stacks recorded, at the peak of a dump and
 * behind it, and in ms how long a dump takes until its file is there (median, worst).
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define DEPTH 16

typedef void (*function)(const void *path);
struct table {
	uint64_t count;
	function of[];
};

static void *cookie;
static struct table **tables;
static unsigned table_count;

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static int find_cookie(void)
{
	char line[256];
	FILE *f = fopen("/proc/self/timers", "r");
	int signo, found = 0;

	while (f && !found && fgets(line, sizeof line, f))
		found = sscanf(line, "signal: %d/%p", &signo, &cookie) == 2 && signo == SIGPROF;
	if (f)
		fclose(f);
	return found;
}

static void tick(const void *unused)
{
	siginfo_t info;

	(void)unused;
	memset(&info, 0, sizeof info);
	info.si_code = SI_TIMER;
	info.si_value.sival_ptr = cookie;
	syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGPROF, &info);
}

/* The node of a tree that a number passes at a depth, as a function. */
static function node(uint64_t number, unsigned depth)
{
	uint64_t h = ((number >> (DEPTH - 1 - depth)) << 8 | depth) * UINT64_C(0x9e3779b97f4a7c15);
	struct table *t = tables[(h >> 33) % table_count];

	return t->of[(h >> 12) % t->count];
}

static void record(unsigned stacks)
{
	for (unsigned n = 0; n < stacks; n++) {
		function path[DEPTH + 1];

		for (unsigned d = 0; d < DEPTH; d++)
			path[d] = node(n, d);
		path[DEPTH] = tick;
		path[0](path + 1);
	}
}

static long status_kib(const char *key)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0)
			kib = atol(line + strlen(key) + 1);
	if (f)
		fclose(f);
	return kib;
}

static void reset_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	if (fd < 0 || write(fd, "5", 1) != 1)
		fputs("# the peak cannot be reset\n", stderr);
	close(fd);
}

static int files(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	unsigned stacks = argc > 3 ? (unsigned)atoi(argv[1]) : 0;
	int dumps = argc > 3 ? atoi(argv[2]) : 0;
	const char *dir = getenv("CPROF_OUTPUT_DIR");
	double *took = calloc((size_t)dumps + 1, sizeof *took);
	uint64_t functions = 0;

	tables = calloc((size_t)argc, sizeof *tables);
	for (int i = 3; i < argc; i++) {
		void *library = dlopen(argv[i], RTLD_NOW);

		if (!library || !(tables[table_count] = dlsym(library, "functions"))) {
			fprintf(stderr, "named: %s\n", dlerror());
			return 2;
		}
		functions += tables[table_count++]->count;
	}
	if (!dir || !dumps || !table_count || !find_cookie()) {
		fputs("usage: named STACKS DUMPS LIBRARY..., under cprof\n", stderr);
		return 2;
	}
	long start = status_kib("VmRSS:");
	record(stacks);
	long before = status_kib("VmRSS:"), peak = 0, after = 0;
	for (int i = 0; i < dumps; i++) {
		int had = files(dir);

		reset_peak();
		double begin = now_ms();
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
		while (files(dir) == had)
			usleep(200);
		took[i] = now_ms() - begin;
		if (i == 0) {
			usleep(20000);
			peak = status_kib("VmHWM:");
			after = status_kib("VmRSS:");
		}
		record(stacks); /* as much to write again */
	}
	qsort(took, (size_t)dumps, sizeof *took, by_value);
	printf("%u stacks of %d frames over %u libraries with %llu functions\n", stacks, DEPTH,
	       table_count, (unsigned long long)functions);
	printf("resident KiB: at start %ld, all recorded %+ld, peak of the dump %+ld, behind it "
	       "%+ld\n",
	       start, before - start, peak - before, after - before);
	printf("dump ms: median %.1f, worst %.1f\n", took[dumps / 2], took[dumps - 1]);
	return 0;
}
