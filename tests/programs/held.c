/* SPDX-License-Identifier: MIT */
/*
 * RUN:    held STACKS THREADS GIGABYTES DESCRIPTORS DUMPS
 * EXPECT: a host with so many distinct stacks in its store (it queues itself the ticks of its own timer,
 * whose value /proc/self/timers shows), idle threads, GiB of touched memory and descriptors asks for so
 * many dumps by SIGUSR2 and prints in us: how long the interrupted thread is held (median, worst), how
 * long a dump takes until its file is there (median, worst), and the longest gap that another running
 * thread sees during dumps and in as much time without (median of windows).
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *cookie;
static volatile unsigned long sink;
static volatile int watching, stop;
static volatile long worst_gap;

static long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000L + ts.tv_nsec / 1000;
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

static void tick(void)
{
	siginfo_t info;

	memset(&info, 0, sizeof info);
	info.si_code = SI_TIMER;
	info.si_value.sival_ptr = cookie;
	syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), SIGPROF, &info);
}

/* The path through the calls is the number's bits, so each number is another stack. */
static void left(unsigned long number, int depth);
static void right(unsigned long number, int depth);
__attribute__((noinline)) static void left(unsigned long number, int depth)
{
	if (depth == 0)
		tick();
	else if (number & 1)
		right(number >> 1, depth - 1);
	else
		left(number >> 1, depth - 1);
	sink++;
}
__attribute__((noinline)) static void right(unsigned long number, int depth)
{
	if (depth == 0)
		tick();
	else if (number & 1)
		right(number >> 1, depth - 1);
	else
		left(number >> 1, depth - 1);
	sink += 2;
}

static void *idle(void *unused)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	for (;;)
		pause();
	return unused;
}

static void *watch(void *unused)
{
	long last = now_us();

	while (!stop) {
		long now = now_us();

		if (watching && now - last > worst_gap)
			worst_gap = now - last;
		last = now;
	}
	return unused;
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
	long x = *(const long *)a, y = *(const long *)b;

	return x < y ? -1 : x > y;
}
static void report(const char *what, long *us, int n)
{
	qsort(us, (size_t)n, sizeof *us, by_value);
	printf("%s %ld %ld\n", what, us[n / 2], us[n - 1]);
}

int main(int argc, char **argv)
{
	long stacks = argc > 1 ? atol(argv[1]) : 1000, threads = argc > 2 ? atol(argv[2]) : 0;
	long gib = argc > 3 ? atol(argv[3]) : 0, fds = argc > 4 ? atol(argv[4]) : 0;
	int dumps = argc > 5 ? atoi(argv[5]) : 20, made = 0;
	const char *dir = getenv("CPROF_OUTPUT_DIR");
	long *held = calloc(4 * (size_t)dumps, sizeof *held), *took = held + dumps;
	long *gap = took + dumps, *calm = gap + dumps;
	struct rlimit limit;
	pthread_attr_t attr;
	pthread_t thread;

	if (gib) {
		char *p = mmap(NULL, (size_t)gib << 30, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; p != MAP_FAILED && i < (size_t)gib << 30; i += 4096)
			p[i] = 1;
	}
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	/* Some room for our own. */
	while (made < fds && made + 64 < (int)limit.rlim_cur && open("/dev/null", O_RDONLY) >= 0)
		made++;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&thread, &attr, idle, NULL))
			printf("# only %ld threads\n", i), threads = i;
	if (!dir || !find_cookie())
		return 2;
	for (long i = 0; i < stacks; i++)
		left((unsigned long)i, 15);
	pthread_create(&thread, NULL, watch, NULL);
	printf("# %ld stacks, %ld threads, %ld GiB, %d descriptors\n", stacks, threads, gib, made);
	for (int i = 0; i < dumps; i++) {
		int had = files(dir);

		worst_gap = 0;
		watching = 1;
		long begin = now_us();
		syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR2);
		held[i] = now_us() - begin;
		while (files(dir) == had)
			usleep(500);
		took[i] = now_us() - begin;
		watching = 0;
		gap[i] = worst_gap;
		usleep(20000);
		worst_gap = 0;
		watching = 1;
		usleep((useconds_t)took[i]);
		watching = 0;
		calm[i] = worst_gap;
		/* As much to write again. */
		for (long n = 0; n < stacks; n++)
			left((unsigned long)n, 15);
	}
	stop = 1;
	report("held", held, dumps);
	report("dump", took, dumps);
	report("gap_during", gap, dumps);
	report("gap_without", calm, dumps);
	return 0;
}
