/* SPDX-License-Identifier: MIT */
/*
 * Throw-away: what the clone of preload/dumper costs and what the host can see of it.
 *
 * RUN: dumper [gigabytes threads descriptors]     also as PID 1: unshare --pid --fork --mount-proc dumper
 * Prints microseconds (median, worst of 200) that the caller is held, waitpid(-1), Threads, and what
 * becomes of a dumper that faults or is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char stack[65536] __attribute__((aligned(16)));
static char tls[4096] __attribute__((aligned(4096)));
static volatile int phase, mode, fds_left, probe_kill;

static long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static long sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

__attribute__((optimize("no-stack-protector"))) static void on_fault(int s)
{
	(void)s;
	sys6(SYS_exit_group, 3, 0, 0, 0, 0, 0);
}

__attribute__((optimize("no-stack-protector"))) static void child(void)
{
	sys6(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE, 0, 0, 0);
	sys6(SYS_prctl, PR_SET_NAME, (long)"probe-dump", 0, 0, 0, 0);
	fds_left = (int)sys6(SYS_fcntl, 0, F_GETFD, 0, 0, 0, 0) != -EBADF;
	probe_kill = (int)sys6(SYS_tgkill, sys6(SYS_getppid, 0, 0, 0, 0, 0, 0),
			       sys6(SYS_getppid, 0, 0, 0, 0, 0, 0), 0, 0, 0, 0);
	phase = 1;
	if (mode == 1) { /* a fault */
		struct {
			void (*h)(int);
			unsigned long f;
			void *r;
			unsigned long m;
		} act = {on_fault, 0x04000000 | SA_NODEFER, (void *)on_fault, 0};
		unsigned long segv = 1UL << (SIGSEGV - 1);

		sys6(SYS_rt_sigaction, SIGSEGV, (long)&act, 0, 8, 0, 0);
		sys6(SYS_rt_sigprocmask, SIG_UNBLOCK, (long)&segv, 0, 8, 0, 0);
		*(volatile int *)8 = 1;
	}
	while (mode == 2)
		;
	struct timespec ts = {0, 2000000};
	sys6(SYS_nanosleep, (long)&ts, 0, 0, 0, 0, 0);
	sys6(SYS_exit_group, 0, 0, 0, 0, 0, 0);
}

__attribute__((noinline)) static long start(void)
{
	unsigned long *tcb = (unsigned long *)(tls + 2048);
	unsigned long canary, all = ~0UL, old;
	long flags = CLONE_VM | CLONE_FILES | CLONE_SETTLS | CLONE_UNTRACED;
	register long r10 __asm__("r10") = 0;
	register unsigned long r8 __asm__("r8") = (unsigned long)tcb;
	long r;

	__asm__("mov %%fs:0x28,%0" : "=r"(canary));
	tcb[0] = (unsigned long)tcb;
	tcb[2] = (unsigned long)tcb;
	tcb[5] = canary;
	sys6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, (long)&old, 8, 0, 0);
	__asm__ volatile(
		"syscall\n\ttest %%rax,%%rax\n\tjnz 1f\n\txor %%ebp,%%ebp\n\tcall *%5\n\thlt\n1:"
		: "=a"(r)
		: "a"(SYS_clone), "D"(flags), "S"(stack + sizeof stack - 64), "d"(0), "r"(child),
		  "r"(r10), "r"(r8)
		: "rcx", "r11", "memory");
	sys6(SYS_rt_sigprocmask, SIG_SETMASK, (long)&old, 0, 8, 0, 0);
	return r;
}

static int by_number(const void *a, const void *b)
{
	return (int)(*(const long *)a - *(const long *)b);
}
static void *idle(void *x)
{
	pause();
	return x;
}

int main(int argc, char **argv)
{
	long gb = argc > 1 ? atol(argv[1]) : 0, threads = argc > 2 ? atol(argv[2]) : 0,
	     fds = argc > 3 ? atol(argv[3]) : 0;
	long held[200], total[200];
	pthread_attr_t attr;
	struct rlimit rl;
	char line[256];
	int st, r;

	if (gb) {
		char *m = mmap(NULL, (size_t)gb << 30, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (long i = 0; i < gb << 30; i += 4096)
			m[i] = 1;
	}
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	for (r = 0; r < fds && open("/dev/null", O_RDONLY) >= 0;)
		r++;
	printf("%d descriptors (limit %lu)\n", r, (unsigned long)rl.rlim_max);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (long i = 0; i < threads; i++) {
		pthread_t t;
		if ((r = pthread_create(&t, &attr, idle, NULL)) != 0) {
			fprintf(stderr, "thread %ld: %s\n", i, strerror(r));
			break;
		}
	}
	for (int i = 0; i < 200; i++) {
		long a = now_us();
		long pid = start();
		held[i] = now_us() - a;
		if (pid < 0)
			return printf("clone: %s\n", strerror((int)-pid)), 1;
		while (!phase)
			;
		total[i] = now_us() - a;
		phase = 0;
		if (i == 0)
			r = waitpid(-1, &st, WNOHANG),
			printf("waitpid(-1) while it runs: %d (%s); descriptors left %d; tgkill of "
			       "the host %d\n",
			       r, strerror(errno), fds_left, probe_kill);
		waitpid((int)pid, &st, __WCLONE);
	}
	qsort(held, 200, sizeof *held, by_number);
	qsort(total, 200, sizeof *total, by_number);
	printf("held us: median %ld worst %ld; until its descriptors are its own: median %ld worst "
	       "%ld\n",
	       held[100], held[199], total[100], total[199]);
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (!strncmp(line, "Threads", 7))
			printf("%s", line);
	printf("single threaded: %d\n", __libc_single_threaded);
	for (mode = 1; mode <= 2; mode++) {
		long pid = start();
		if (mode == 2) {
			usleep(20000);
			kill((int)pid, SIGKILL);
		}
		r = waitpid((int)pid, &st, __WCLONE);
		printf("%s: waited %s, status 0x%x; host lives\n", mode == 1 ? "fault" : "kill -9",
		       r == pid ? "yes" : "no", st);
	}
	return 0;
}
