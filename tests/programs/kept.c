/* SPDX-License-Identifier: MIT */
/*
 * RUN:    kept MODE | kept list
 * EXPECT: prints what becomes of a program's signals and calls while ticks and dumps come: the same with and without us.
 * A second SIGALRM after 3 s, or SIGKILL by the caller, ends what hangs.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/programs/work.h"

static volatile sig_atomic_t alarms, profs, prof_in_alarm;
static sigjmp_buf env;

WORK(burn_ms, 1)

/* Asks for a dump where somebody listens: the signal's default is to end us. */
static bool listens(void)
{
	unsigned long long caught = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof line, f))
		(void)sscanf(line, "SigCgt: %llx", &caught);
	if (f)
		fclose(f);
	return caught >> (SIGUSR2 - 1) & 1;
}

static void ask_for_dump(void)
{
	if (listens())
		kill(getpid(), SIGUSR2);
}

static void alarms_from(long first_ms)
{
	struct itimerval t = {.it_interval = {3, 0}, .it_value = {0, first_ms * 1000}};

	setitimer(ITIMER_REAL, &t, NULL);
}

/* In it ticks and a dump come. */
static void on_alarm(int signo)
{
	(void)signo;
	alarms++;
	ask_for_dump();
	burn_ms(60);
}

static void handle(int signo, void (*handler)(int), bool all)
{
	struct sigaction act = {.sa_handler = handler};

	if (all)
		sigfillset(&act.sa_mask);
	sigaction(signo, &act, NULL);
}

static void pause_full(void)
{
	int r;

	handle(SIGALRM, on_alarm, true);
	alarms_from(200);
	r = pause();
	printf("%d %s, %d alarms\n", r, strerrorname_np(errno), (int)alarms);
}

static void read_full(void)
{
	int ends[2];
	char c;

	if (pipe(ends) < 0)
		return;
	handle(SIGALRM, on_alarm, true);
	alarms_from(200);
	printf("%zd", read(ends[0], &c, 1));
	printf(" %s, %d alarms\n", strerrorname_np(errno), (int)alarms);
}

static void poll_full(void)
{
	int r;

	handle(SIGALRM, on_alarm, true);
	alarms_from(200);
	r = poll(NULL, 0, -1);
	printf("%d %s, %d alarms\n", r, strerrorname_np(errno), (int)alarms);
}

static void on_prof(int signo)
{
	(void)signo;
	profs++;
}

static void on_alarm_with_prof(int signo)
{
	(void)signo;
	raise(SIGPROF);
	prof_in_alarm = profs;
}

/* What a handler's mask says, and that it holds for a signal that the program handles itself. */
static void mask_is_shown(void)
{
	struct sigaction old;

	handle(SIGALRM, on_alarm_with_prof, true);
	sigaction(SIGALRM, NULL, &old);
	printf("prof %d usr2 %d\n", sigismember(&old.sa_mask, SIGPROF),
	       sigismember(&old.sa_mask, SIGUSR2));
	handle(SIGPROF, on_prof, false);
	raise(SIGALRM);
	printf("in the handler %d, behind it %d\n", (int)prof_in_alarm, (int)profs);
	handle(SIGALRM, on_alarm_with_prof, false);
	sigaction(SIGALRM, NULL, &old);
	printf("prof %d usr2 %d\n", sigismember(&old.sa_mask, SIGPROF),
	       sigismember(&old.sa_mask, SIGUSR2));
	raise(SIGALRM);
	printf("in the handler %d\n", (int)prof_in_alarm);
}

static void start_timer(long ms)
{
	struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGPROF};
	struct itimerspec at = {.it_value = {0, ms * 1000000}};
	timer_t t;

	timer_create(CLOCK_MONOTONIC, &e, &t);
	timer_settime(t, 0, &at, NULL);
}

static void ppoll_prof(void)
{
	struct timespec time_out = {0, 150000000};
	sigset_t prof;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	handle(SIGPROF, on_prof, false);
	start_timer(50);
	printf("%d", ppoll(NULL, 0, &time_out, &prof));
	printf(", handled %d\n", (int)profs);
}

static void *waits(void *set)
{
	int signo = 0;

	sigwait(set, &signo);
	return (void *)(intptr_t)signo;
}

static void sigwait_prof(void)
{
	sigset_t prof;
	pthread_t thread;
	void *got;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	pthread_sigmask(SIG_BLOCK, &prof, NULL);
	for (int i = 0; i < 200; i++) { /* the thread is in its call by then, or just before it */
		pthread_create(&thread, NULL, waits, &prof);
		usleep(i * 10);
		kill(getpid(), SIGPROF);
		pthread_join(thread, &got);
		if ((intptr_t)got != SIGPROF)
			printf("got %d\n", (int)(intptr_t)got);
	}
	printf("all\n");
}

static void sigtimedwait_prof(void)
{
	struct timespec time_out = {0, 120000000};
	sigset_t prof;
	siginfo_t info;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	pthread_sigmask(SIG_BLOCK, &prof, NULL);
	ask_for_dump();
	int r = sigtimedwait(&prof, &info, &time_out);
	printf("%d %s\n", r, strerrorname_np(errno));
	raise(SIGPROF);
	printf("%d", sigtimedwait(&prof, &info, NULL));
	printf(" code %d\n", info.si_code);
	start_timer(50);
	printf("%d", sigtimedwait(&prof, &info, NULL));
	printf(" code %d\n", info.si_code);
}

static pthread_t sent_to;
static volatile sig_atomic_t to_others;
static pthread_barrier_t both;

static void on_prof_of_thread(int signo)
{
	(void)signo;
	profs++;
	to_others += !pthread_equal(pthread_self(), sent_to);
}

static void *takes_what_is_sent(void *set)
{
	pthread_barrier_wait(&both);
	pthread_barrier_wait(&both); /* it was sent, and another thread has had a look */
	pthread_sigmask(SIG_UNBLOCK, set, NULL);
	return NULL;
}

static void prof_of_a_thread(void)
{
	sigset_t prof, full;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	sigfillset(&full);
	handle(SIGPROF, on_prof_of_thread, false);
	pthread_barrier_init(&both, NULL, 2);
	pthread_sigmask(SIG_BLOCK, &prof, NULL);
	pthread_create(&sent_to, NULL, takes_what_is_sent, &prof);
	pthread_barrier_wait(&both);
	pthread_kill(sent_to, SIGPROF);
	usleep(50000);
	pthread_sigmask(SIG_UNBLOCK, &prof, NULL);
	pthread_sigmask(SIG_BLOCK, &full, NULL);
	printf("handled %d\n", (int)profs);
	pthread_barrier_wait(&both);
	pthread_join(sent_to, NULL);
	printf("handled %d, by others %d\n", (int)profs, (int)to_others);
}

static void fork_pending(void)
{
	sigset_t prof, pending;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	sigprocmask(SIG_BLOCK, &prof, NULL);
	raise(SIGPROF);
	sigpending(&pending);
	printf("parent %d\n", sigismember(&pending, SIGPROF));
	fflush(stdout);
	if (fork() == 0) {
		sigpending(&pending);
		printf("child %d\n", sigismember(&pending, SIGPROF));
		exit(0);
	}
	wait(NULL);
}

static void on_prof_jump(int signo)
{
	(void)signo;
	profs++;
	siglongjmp(env, 1);
}

static void jump_unblock(void)
{
	sigset_t full, now;

	sigfillset(&full);
	handle(SIGPROF, on_prof_jump, false);
	for (volatile int i = 0; i < 2; i++) {
		if (sigsetjmp(env, 0) == 0)
			raise(SIGPROF);
		sigprocmask(SIG_UNBLOCK, &full, NULL);
		sigprocmask(SIG_BLOCK, NULL, &now);
		printf("handled %d, blocked %d\n", (int)profs, sigismember(&now, SIGPROF));
	}
}

static void unblock_other(void)
{
	sigset_t two, one, now;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	two = one;
	sigaddset(&two, SIGPROF);
	handle(SIGPROF, on_prof, false);
	sigprocmask(SIG_BLOCK, &two, NULL);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	raise(SIGPROF);
	sigprocmask(SIG_BLOCK, NULL, &now);
	printf("blocked %d, handled %d\n", sigismember(&now, SIGPROF), (int)profs);
	sigaddset(&one, SIGPROF);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	printf("handled %d\n", (int)profs);
}

static void vfork_default(void)
{
	struct sigaction old;
	pid_t child;

	signal(SIGUSR2, SIG_IGN);
	signal(SIGPROF, SIG_IGN);
	fflush(stdout);
	child = vfork();
	if (child == 0) {
		sigaction(SIGUSR2, NULL, &old);
		if (old.sa_handler != SIG_IGN)
			_exit(1);
		if (signal(SIGUSR2, SIG_DFL) != SIG_IGN)
			_exit(3);
		execle("/bin/grep", "grep", "SigIgn", "/proc/self/status", (char *)NULL,
		       (char *[]){NULL});
		_exit(2);
	}
	int status = 0;

	waitpid(child, &status, 0);
	printf("status %d\n", status);
}

/* dec %rdi; jz out; jmp *%rcx; out: ret -- with nothing in front of it. */
static void code_at_a_start(void)
{
	static const unsigned char code[] = {0x48, 0xff, 0xcf, 0x74, 0x02, 0xff, 0xe1, 0xc3};
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *entry = pages + 4096;
	long n = 400000000, to = (long)entry;

	memcpy(entry, code, sizeof code);
	mprotect(pages, 4096, PROT_NONE);
	__asm__ volatile("call *%%rcx" : "+D"(n), "+c"(to) : : "memory", "cc");
	printf("alive %ld\n", n);
}

static void datagrams_waitall(void)
{
	int ends[2], wrong = 0;
	char buf[1024];
	struct rusage use;

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) < 0)
		return;
	alarm(20);
	do {
		for (int i = 0; i < 1000; i++) {
			(void)!send(ends[0], buf, 10, 0);
			wrong += recv(ends[1], buf, sizeof buf, MSG_WAITALL) != 10;
		}
		getrusage(RUSAGE_SELF, &use);
	} while (use.ru_utime.tv_sec + use.ru_stime.tv_sec < 1);
	printf("%d wrong\n", wrong);
}

static void file_limit(void)
{
	const size_t limit = (size_t)48 << 20, more = limit + (1 << 20);
	struct rlimit r = {limit, limit};
	char *much = mmap(NULL, more, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	setrlimit(RLIMIT_FSIZE, &r);
	for (int i = 0; i < 8; i++) {
		int fd = memfd_create("limited", 0);

		printf("%zd\n", write(fd, much, more));
		close(fd);
	}
}

static int stream[2];
static void *reads_slowly(void *unused)
{
	static char buf[65536];
	long all = 0;
	ssize_t n;

	while ((n = read(stream[1], buf, sizeof buf)) > 0) {
		all += n;
		usleep(300);
		if (all % (1 << 20) < 65536)
			ask_for_dump();
	}
	return (void *)all;
	(void)unused;
}

static void vectors_go_out_whole(void)
{
	enum { PARTS = 64, PART = 65536 };
	static char part[PART];
	struct iovec v[PARTS];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = PARTS};
	pthread_t thread;
	sigset_t usr2;
	void *all;

	for (int i = 0; i < PARTS; i++)
		v[i] = (struct iovec){part, PART};
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, stream) < 0)
		return;
	/* The dump signal comes to this thread. */
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &usr2, NULL);
	pthread_create(&thread, NULL, reads_slowly, NULL);
	pthread_sigmask(SIG_UNBLOCK, &usr2, NULL);
	for (int i = 0; i < 3; i++)
		printf("%zd %zd\n", writev(stream[0], v, PARTS), sendmsg(stream[0], &m, 0));
	close(stream[0]);
	pthread_join(thread, &all);
	printf("%ld\n", (long)all);
}

/* A file that another user owns could be cut off under us. */
static void somebody_else_for_a_moment(void)
{
	char line[512];
	bool file = false;
	FILE *f;

	fflush(stdout);
	if (fork() == 0) {
		if (getuid() == 0 && seteuid(65534) < 0)
			exit(1);
		burn_ms(100);
		if (getuid() == 0 && seteuid(0) < 0)
			exit(2);
		burn_ms(50);
		f = fopen("/proc/self/maps", "r");
		while (f && fgets(line, sizeof line, f))
			file |= getuid() == 0 && strstr(line, ".store") != NULL;
		printf("file %d\n", file);
		exit(0);
	}
	wait(NULL);
}

static void *leaves_namespace(void *root)
{
	int status = 0;
	pid_t child;

	if (unshare(CLONE_NEWPID) < 0)
		return (void *)"no right";
	if (listens())
		pthread_kill(pthread_self(), SIGUSR2);
	if (root && chroot(root) < 0)
		return (void *)"no root";
	usleep(100000);
	child = fork();
	if (child < 0)
		return (void *)"no child";
	if (child == 0)
		_exit(7);
	if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
		return (void *)"no status";
	return (void *)"a child";
}

static void namespace_of_a_thread(void)
{
	pthread_t thread;
	sigset_t usr2;
	void *said;

	burn_ms(50);
	sigemptyset(&usr2);
	sigaddset(&usr2, SIGUSR2);
	ask_for_dump();
	usleep(100000);
	pthread_create(&thread, NULL, leaves_namespace, NULL);
	pthread_join(thread, &said);
	printf("%s\n", (char *)said);
}

static void without_proc(const char *empty)
{
	const char *said;
	bool ask = listens();
	int status = 0;
	pid_t child;

	burn_ms(50);
	if (chroot(empty) < 0 || chdir("/") < 0)
		printf("no root\n");
	if (unshare(CLONE_NEWPID) < 0) {
		printf("no right\n");
		exit(0);
	}
	if (ask)
		kill(getpid(), SIGUSR2);
	usleep(100000);
	child = fork();
	if (child == 0)
		_exit(7);
	said = child < 0							 ? "no child"
	       : waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7 ? "no status"
										 : "a child";
	printf("%s\n", said);
	exit(0);
}

static void namespace_without_proc(void)
{
	char empty[] = "/tmp/kept.XXXXXX";

	if (!mkdtemp(empty))
		return;
	if (fork() == 0)
		without_proc(empty);
	wait(NULL);
	rmdir(empty);
}

/* A program that handles SIGPROF itself, for longer than a tick takes to come. */
static void on_prof_for_long(int signo)
{
	(void)signo;
	profs++;
	burn_ms(60);
}

static void pause_own_prof(void)
{
	handle(SIGPROF, on_prof_for_long, false);
	start_timer(200);
	alarm(5); /* which ends us, where the call does not */
	int r = pause();
	printf("%d %s, handled %d\n", r, strerrorname_np(errno), (int)profs);
}

static void ignored_drops_all(void)
{
	sigset_t prof, pending;
	struct sigaction old;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	sigprocmask(SIG_BLOCK, &prof, NULL);
	raise(SIGPROF);
	kill(getpid(), SIGPROF);
	signal(SIGPROF, SIG_IGN);
	sigpending(&pending);
	printf("pending %d\n", sigismember(&pending, SIGPROF));
	/* What signal() sets has no mask. */
	handle(SIGALRM, on_alarm, true);
	signal(SIGALRM, on_alarm_with_prof);
	sigaction(SIGALRM, NULL, &old);
	printf("prof %d usr2 %d\n", sigismember(&old.sa_mask, SIGPROF),
	       sigismember(&old.sa_mask, SIGUSR2));
	handle(SIGPROF, on_prof, false);
	sigprocmask(SIG_UNBLOCK, &prof, NULL);
	raise(SIGALRM);
	printf("in the handler %d\n", (int)prof_in_alarm);
	/* Into the same struct. */
	sigaction(SIGALRM, NULL, &old);
	sigfillset(&old.sa_mask);
	struct sigaction *volatile same = &old;
	sigaction(SIGALRM, &old, same);
	printf("was prof %d\n", sigismember(&old.sa_mask, SIGPROF));
	sigaction(SIGALRM, NULL, &old);
	printf("is prof %d\n", sigismember(&old.sa_mask, SIGPROF));
}

/* The handler does not keep errno. */
static void on_prof_errno(int signo)
{
	(void)signo;
	profs++;
	errno = E2BIG;
}

static void suspend_errno(void)
{
	sigset_t prof;

	sigemptyset(&prof);
	sigaddset(&prof, SIGPROF);
	handle(SIGPROF, on_prof_errno, false);
	handle(SIGALRM, on_prof, false);
	start_timer(50);
	alarms_from(200);
	int r = sigsuspend(&prof);
	printf("%d %s, handled %d\n", r, strerrorname_np(errno), (int)profs);
}

static void gives_up_root(void)
{
	burn_ms(100);
	if (setgid(65533) < 0 || setuid(65533) < 0)
		printf("no right\n");
	burn_ms(50);
	printf("%d\n", (int)getuid());
}

/* Children that are born while a dump is being written end with one of their own. */
static void forks_in_dumps(void)
{
	int wrong = 0;

	burn_ms(30);
	for (int i = 0; i < 60; i++) {
		int status = 0;
		pid_t child;

		ask_for_dump();
		usleep((useconds_t)(i % 20) * 2000);
		child = fork();
		if (child == 0) {
			burn_ms(25);
			exit(7);
		}
		waitpid(child, &status, 0);
		wrong += !WIFEXITED(status) || WEXITSTATUS(status) != 7;
		burn_ms(5);
	}
	printf("%d wrong\n", wrong);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {{"pause_full", pause_full},
	     {"read_full", read_full},
	     {"poll_full", poll_full},
	     {"mask_is_shown", mask_is_shown},
	     {"ppoll_prof", ppoll_prof},
	     {"sigwait_prof", sigwait_prof},
	     {"sigtimedwait_prof", sigtimedwait_prof},
	     {"prof_of_a_thread", prof_of_a_thread},
	     {"fork_pending", fork_pending},
	     {"jump_unblock", jump_unblock},
	     {"unblock_other", unblock_other},
	     {"vfork_default", vfork_default},
	     {"code_at_a_start", code_at_a_start},
	     {"datagrams_waitall", datagrams_waitall},
	     {"file_limit", file_limit},
	     {"forks_in_dumps", forks_in_dumps},
	     {"vectors_go_out_whole", vectors_go_out_whole},
	     {"somebody_else_for_a_moment", somebody_else_for_a_moment},
	     {"pause_own_prof", pause_own_prof},
	     {"ignored_drops_all", ignored_drops_all},
	     {"suspend_errno", suspend_errno},
	     {"gives_up_root", gives_up_root},
	     {"namespace_of_a_thread", namespace_of_a_thread},
	     {"namespace_without_proc", namespace_without_proc}};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof modes / sizeof modes[0]; i++) {
		if (!strcmp(argv[1], "list"))
			printf("%s\n", modes[i].name);
		else if (!strcmp(argv[1], modes[i].name))
			modes[i].run();
	}
	return 0;
}
