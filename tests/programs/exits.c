/* SPDX-License-Identifier: MIT */
/*
 * RUN:    exits KIND [SO_LATE]
 * EXPECT: the process works for 300 ms (work), some kinds for 100 ms more while they end (late),
 * prints the ns of its CPU clock as its last act, and ends by KIND.
 *
 * RUN:    exits asked KIND
 * EXPECT: 20 children, a second old, work for 50 ms, ask for a dump and end at once by KIND (exit,
 * _exit, return, quick_exit, main_gone, thread).  Prints "NS BAD", the sum of what they had used when they asked,
 * and how many did not end with 7.
 *
 * RUN:    exits thread_ends
 * EXPECT: 300 threads work for 3 ms each and end by return, pthread_exit and cancellation while
 * dumps are asked for all the time.  Prints "NS TIMERS THREADS" at the end.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/programs/tick.h"

/* Without the library the dump signal would end us. */
static void keep_dump_signal(void)
{
	signal(SIGUSR2, SIG_IGN);
}

/* To the process: with one thread it has arrived when this returns.  Not raise(), which needs
 * tgkill. */
static void ask_for_dump(void)
{
	kill(getpid(), SIGUSR2);
}

static void sleep_ms(long ms)
{
	long end = clock_of(CLOCK_MONOTONIC) + ms * 1000000, left;

	/* A signal ends a sleep early. */
	while ((left = end - clock_of(CLOCK_MONOTONIC)) > 0) {
		struct timespec ts = {left / 1000000000, left % 1000000000};

		nanosleep(&ts, NULL);
	}
}

/* POSIX timers of this process. */
static int count_timers(void)
{
	FILE *f = fopen("/proc/self/timers", "re");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof line, f))
		n += strncmp(line, "ID:", 3) == 0;
	if (f)
		fclose(f);
	return n;
}

/* The number behind a name of /proc/self/status; -1 when there is none. */
static long status_of(const char *name)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	long value = -1;

	while (f && value < 0 && fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			value = atol(line + strlen(name) + 1);
	if (f)
		fclose(f);
	return value;
}

WORK(work, 3)
WORK(late, 5)
WORK(busy, 7)

static volatile int stop;

static void print_cpu(void)
{
	char line[32];
	int n = snprintf(line, sizeof line, "%ld\n", clock_of(CLOCK_PROCESS_CPUTIME_ID));

	if (write(1, line, (size_t)n) != n)
		_exit(9);
}

static void late_and_print(void)
{
	late(100);
	print_cpu();
}

static void late_and_exit(void)
{
	late(100);
	print_cpu();
	exit(7);
}

static void late_and__exit(void)
{
	late(100);
	print_cpu();
	_exit(7);
}

static void *thread_exits(void *unused)
{
	work(100);
	print_cpu();
	exit(7);
	return unused;
}

static void *thread_goes_on(void *ms)
{
	sleep_ms(50);
	work((long)ms);
	print_cpu();
	return NULL;
}

static void *busy_thread(void *unused)
{
	while (!stop)
		busy(1);
	return unused;
}

static void start_busy(int n)
{
	pthread_attr_t attr;
	pthread_t thread;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	for (int i = 0; i < n; i++)
		pthread_create(&thread, &attr, busy_thread, NULL);
}

static bool is_killed_by(const char *kind)
{
	static const char *const kinds[] = {"abort", "segv", "term", "kill", "exit_group"};

	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (!strcmp(kind, kinds[i]))
			return true;
	return false;
}

/* ---- one process, ended by KIND; those that come back are ended by return from main with 7 ---- */

static void end_by(const char *kind, const char *library)
{
	pthread_t thread;

	if (!strcmp(kind, "destructor")) {
		if (!dlopen(library, RTLD_NOW))
			exit(2);
		work(300);
		exit(7);
	}
	work(strcmp(kind, "from_thread") ? 300 : 200);
	if (!strcmp(kind, "quick_exit_handler")) {
		at_quick_exit(late_and_print);
		quick_exit(7);
	} else if (!strcmp(kind, "quick_exit_handler_exits")) {
		at_quick_exit(late_and__exit);
		quick_exit(7);
	} else if (!strcmp(kind, "atexit")) {
		atexit(late_and_print);
		exit(7);
	} else if (!strcmp(kind, "exit_in_atexit")) {
		atexit(late_and_exit);
		exit(8);
	} else if (!strcmp(kind, "_exit_in_atexit")) {
		atexit(late_and__exit);
		exit(8);
	} else if (!strcmp(kind, "from_thread")) {
		pthread_create(&thread, NULL, thread_exits, NULL);
		for (;;)
			pause();
	} else if (!strcmp(kind, "main_gone")) {
		pthread_create(&thread, NULL, thread_goes_on, (void *)200);
		pthread_exit(NULL);
	} else if (!strcmp(kind, "exit_busy") || !strcmp(kind, "_exit_busy")) {
		start_busy(3);
		work(100);
	} else if (is_killed_by(kind)) {
		while (!has_ticked()) /* who is killed leaves no more than the store has */
			sink = sink + 1;
	}
	print_cpu();
	if (!strcmp(kind, "exit") || !strcmp(kind, "exit_busy"))
		exit(7);
	else if (!strcmp(kind, "_exit") || !strcmp(kind, "_exit_busy"))
		_exit(7);
	else if (!strcmp(kind, "_Exit"))
		_Exit(7);
	else if (!strcmp(kind, "quick_exit"))
		quick_exit(7);
	else if (!strcmp(kind, "abort"))
		abort();
	else if (!strcmp(kind, "segv"))
		raise(SIGSEGV);
	else if (!strcmp(kind, "term"))
		kill(getpid(), SIGTERM);
	else if (!strcmp(kind, "kill"))
		kill(getpid(), SIGKILL);
	else if (!strcmp(kind, "exit_group"))
		syscall(SYS_exit_group, 7);
}

/* ---- ended while a dump runs ---- */

enum { ASKED = 20 };

static void *ask_and_exit(void *ns)
{
	work(50);
	*(long *)ns = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	ask_for_dump();
	exit(7);
}

static void *ask_and_end(void *ns)
{
	sleep_ms(2);
	work(50);
	*(long *)ns = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	ask_for_dump();
	_exit(7);
}

static int asked_child(const char *kind, long *ns)
{
	pthread_t thread;

	if (!strcmp(kind, "thread")) {
		pthread_create(&thread, NULL, ask_and_exit, ns);
		for (;;)
			pause();
	}
	if (!strcmp(kind, "main_gone")) {
		pthread_create(&thread, NULL, ask_and_end, ns);
		pthread_exit(NULL);
	}
	work(50);
	*ns = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	ask_for_dump();
	if (!strcmp(kind, "exit"))
		exit(7);
	else if (!strcmp(kind, "_exit"))
		_exit(7);
	else if (!strcmp(kind, "quick_exit"))
		quick_exit(7);
	return 7;
}

static int asked(const char *kind)
{
	long *ns = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long sum = 0;
	int bad = 0, status;

	for (int i = 0; i < ASKED; i++)
		if (fork() == 0) {
			/* The last window of a younger one is written if it has ten samples. */
			sleep_ms(1000);
			return asked_child(kind, &ns[i]);
		}
	while (wait(&status) > 0)
		bad += status != 7 << 8;
	for (int i = 0; i < ASKED; i++)
		sum += ns[i];
	printf("%ld %d\n", sum, bad);
	return 0;
}

/* ---- threads that end while dumps run ---- */

static void *asks_for_dumps(void *unused)
{
	sigset_t set;

	/* So that the main thread or a worker runs the handler. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	while (!stop) {
		ask_for_dump();
		usleep(2000);
	}
	return unused;
}

static void *ends(void *how)
{
	work(3);
	if ((long)how == 1)
		pthread_exit(NULL);
	while ((long)how == 2)
		usleep(1000);
	return NULL;
}

static void *ends_anywhere(void *unused)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	work(3);
	for (;;)
		sink = sink + 1;
	return unused;
}

static void thread_ends(void)
{
	pthread_t asking, thread[4];

	pthread_create(&asking, NULL, asks_for_dumps, NULL);
	for (int i = 0; i < 75; i++) {
		for (long how = 0; how < 3; how++)
			pthread_create(&thread[how], NULL, ends, (void *)how);
		pthread_create(&thread[3], NULL, ends_anywhere, NULL);
		sleep_ms(8);
		pthread_cancel(thread[2]);
		pthread_cancel(thread[3]);
		for (int n = 0; n < 4; n++)
			pthread_join(thread[n], NULL);
	}
	stop = 1;
	pthread_join(asking, NULL);
	int timers = count_timers();
	printf("%ld %d %ld\n", clock_of(CLOCK_PROCESS_CPUTIME_ID), timers, status_of("Threads"));
}

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "";

	keep_dump_signal();
	if (!strcmp(kind, "asked") && argc > 2)
		return asked(argv[2]);
	if (!strcmp(kind, "thread_ends")) {
		thread_ends();
		return 0;
	}
	end_by(kind, argc > 2 ? argv[2] : "");
	return 7;
}
