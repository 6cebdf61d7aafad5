/* SPDX-License-Identifier: MIT */
/*
 * RUN:    places MODE [ARG]
 * EXPECT: the process works for 100 ms (before), goes to a place where few go, asks for a dump and
 * works for 60 ms more (after).  What it prints is the same without the library; each mode says
 * what that is, and where it does not follow these steps.  Exits 0.  With PLACES_SHORT in its
 * environment it works a tenth of that.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
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
#include <ucontext.h>
#include <unistd.h>

#include "tests/programs/work.h"

WORK(at_last, 13)

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

/* Reads a small file whole, with a NUL behind; its length or -1. */
static long read_small(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return -1;
	n = fread(buf, 1, size - 1, f);
	fclose(f);
	buf[n] = '\0';
	return (long)n;
}

/* The parent of a process, its name and state; 0 when there is no such process. */
static pid_t parent_of(pid_t pid, char ret_comm[32], char *ret_state)
{
	char path[64], buf[512];
	int parent;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if (read_small(path, buf, sizeof buf) <= 0)
		return 0;
	char *name = strchr(buf, '('), *end = strrchr(buf, ')');
	if (!name || !end || sscanf(end + 1, " %c %d", ret_state, &parent) != 2)
		return 0;
	*end = '\0';
	snprintf(ret_comm, 32, "%s", name + 1);
	return parent;
}

/* Children of ours, zombies and those with another exit signal included. */
static int count_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	char comm[32], state;
	int count = 0;

	while (proc && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			count += parent_of(atoi(entry->d_name), comm, &state) == getpid();
	if (proc)
		closedir(proc);
	return count;
}

/* The same when nothing happens any more: a dumper ends by itself, and is buried at an event, such as
 * a tick.  On a busy machine that takes longer. */
static int children_at_last(void)
{
	int count = 1;

	for (int i = 0; i < 10 && count; i++) {
		sleep_ms(200);
		at_last(100);
		count = count_children();
	}
	return count;
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

/* Every descriptor and what it is open on, in one number. */
static unsigned long descriptors_hash(int *ret_count)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned long sum = 0;
	int count = 0;

	while (d && (entry = readdir(d))) {
		char target[512];
		unsigned long h = 1469598103934665603UL;
		ssize_t n;

		if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(d))
			continue;
		n = readlinkat(dirfd(d), entry->d_name, target, sizeof target);
		for (const char *c = entry->d_name; *c; c++)
			h = (h ^ (unsigned char)*c) * 1099511628211UL;
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ (unsigned char)target[i]) * 1099511628211UL;
		sum += h; /* in any order */
		count++;
	}
	if (d)
		closedir(d);
	if (ret_count)
		*ret_count = count;
	return sum;
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

WORK(before, 3)
WORK(after, 5)
WORK(child_work, 7)
WORK(coroutine, 9)
WORK(hunted, 11)

static const char *arg;
static long times = 10; /* tenths */

static void work_before(void)
{
	before(10 * times);
}

static void work_after(void)
{
	after(6 * times);
}

/* Asks, gives a dumper time and us an event at which it can be buried. */
static void dump_here(void)
{
	ask_for_dump();
	sleep_ms(150);
	work_after();
}

static void say(const char *what, long rc)
{
	printf("%s %s\n", what, rc < 0 ? strerrorname_np(errno) : "0");
	fflush(stdout);
}

/* Ends a child that forked now; prints its status. */
static void wait_for_child(pid_t pid)
{
	int status = -1;

	if (pid < 0)
		say("fork", pid);
	else if (waitpid(pid, &status, 0) == pid)
		printf("child 0x%x\n", status);
	fflush(stdout);
}

/* ---- descriptors ---- */

static void plain(void)
{
	dump_here();
}

static void close_from(void)
{
	closefrom(3);
	dump_here();
}

static void close_a_range(void)
{
	close_range(3, ~0U, 0);
	dump_here();
}

static void close_loop(void)
{
	for (int fd = 3; fd < 4096; fd++)
		close(fd);
	dump_here();
}

/* Prints whether a thousand descriptors are what they were. */
static void many_fds(void)
{
	int count[2];

	for (int i = 0; i < 1000; i++)
		if (open(i % 2 ? "/dev/null" : "/proc/self/stat", O_RDONLY) < 0)
			exit(2);
	unsigned long was = descriptors_hash(&count[0]);
	dump_here();
	printf("%s\n",
	       was == descriptors_hash(&count[1]) && count[0] == count[1] ? "same" : "other");
}

/* A lock of POSIX belongs to the descriptor table and goes with the first close of the file. */
static void record_lock(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = open(arg, O_RDWR | O_CREAT, 0600);

	say("lock", fcntl(fd, F_SETLK, &lock));
	dump_here();
	pid_t pid = fork();
	if (pid == 0) {
		fcntl(fd, F_GETLK, &lock);
		_exit(lock.l_type == F_UNLCK ? 1 : 0);
	}
	wait_for_child(pid);
}

/* ---- another root, user, namespace ---- */

static void change_root(void)
{
	say("chroot", chroot(arg) | chdir("/"));
	dump_here();
}

static void change_dir(void)
{
	say("chdir", chdir("/proc"));
	dump_here();
}

static void become_nobody(void)
{
	say("setgid", setgid(65534));
	say("setuid", setuid(65534));
	dump_here();
}

static void undumpable(void)
{
	say("prctl", prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	dump_here();
}

static void undumpable_nobody(void)
{
	if (setgid(65534) < 0 || setuid(65534) < 0)
		exit(2);
	undumpable();
}

/* No other process may be made. */
static void no_process(void)
{
	struct rlimit one = {1, 1};

	setrlimit(RLIMIT_NPROC, &one);
	if (setgid(65534) < 0 || setuid(65534) < 0)
		exit(2);
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	wait_for_child(pid); /* "fork EAGAIN" */
	dump_here();
}

static void fork_and_work(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		child_work(6 * times);
		ask_for_dump();
		exit(0);
	}
	wait_for_child(pid);
}

static int flag_of(const char *name)
{
	static const struct {
		const char *name;
		int flag;
	} flags[] = {{"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID},   {"user", CLONE_NEWUSER},
		     {"net", CLONE_NEWNET}, {"time", CLONE_NEWTIME}, {"fs", CLONE_FS | CLONE_FILES},
		     {"uts", CLONE_NEWUTS}};

	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
		if (!strcmp(flags[i].name, name))
			return flags[i].flag;
	exit(2);
}

/* In the new namespace: a dump, then the first child, whose pid it prints when it is 1. */
static void unshare_one(void)
{
	int p[2];
	char pid_there = '?';

	say("unshare", unshare(flag_of(arg)));
	dump_here();
	if (pipe(p) < 0)
		exit(2);
	pid_t pid = fork();
	if (pid == 0) {
		pid_there = getpid() == 1 ? '1' : 'n';
		if (write(p[1], &pid_there, 1) != 1)
			_exit(1);
		child_work(6 * times);
		ask_for_dump();
		exit(0);
	}
	close(p[1]);
	if (read(p[0], &pid_there, 1) == 1)
		printf("pid %c\n", pid_there);
	wait_for_child(pid);
}

/* 40 children ask for a dump and do it at once, or a little later, while the dump runs.  Prints how
 * many could. */
static void unshare_in_dumps(void)
{
	int done = 0, status;

	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			child_work(12);
			ask_for_dump();
			for (long end = clock_of(CLOCK_MONOTONIC) + i / 2 * 50000;
			     clock_of(CLOCK_MONOTONIC) < end;)
				;
			_exit(unshare(flag_of(arg)) < 0);
		}
		done += waitpid(pid, &status, 0) == pid && status == 0;
	}
	printf("%d\n", done);
}

static int open_namespace(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Enters the namespace of a child, while a dump runs, and forks there. */
static void enter_in_dump(void)
{
	int p[2], go[2];
	char c = 0;

	if (pipe(p) < 0 || pipe(go) < 0)
		exit(2);
	pid_t pid = fork();
	if (pid == 0) {
		close(go[1]);
		c = unshare(flag_of(arg)) < 0 ? 'n' : 'y';
		if (write(p[1], &c, 1) != 1 || read(go[0], &c, 1) != 0)
			_exit(1);
		_exit(0);
	}
	if (read(p[0], &c, 1) != 1 || c != 'y')
		exit(2);
	int fd = open_namespace(pid, arg);
	ask_for_dump();
	say("setns", setns(fd, 0));
	sleep_ms(150);
	work_after();
	ask_for_dump();
	close(fd);
	close(go[1]);
	wait_for_child(pid);
	fork_and_work();
}

/* A new time namespace is for the children only; the host itself enters it while a dump runs. */
static void enter_time_in_dump(void)
{
	say("unshare", unshare(CLONE_NEWTIME));
	int fd = open("/proc/self/ns/time_for_children", O_RDONLY | O_CLOEXEC);
	ask_for_dump();
	say("setns", setns(fd, 0));
	sleep_ms(150);
	work_after();
	fork_and_work();
}

/* ---- seccomp ---- */

static void deny(int nr)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {4, filter};

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		exit(2);
}

static void denied(void)
{
	static const struct {
		const char *name;
		int nr;
	} calls[] = {{"clone", SYS_clone},
		     {"clone3", SYS_clone3},
		     {"close_range", SYS_close_range},
		     {"timer_create", SYS_timer_create},
		     {"openat", SYS_openat},
		     {"mmap", SYS_mmap},
		     {"madvise", SYS_madvise},
		     {"rt_sigaction", SYS_rt_sigaction},
		     {"prctl", SYS_prctl},
		     {"wait4", SYS_wait4},
		     {"renameat2", SYS_renameat2},
		     {"getdents64", SYS_getdents64},
		     {"tgkill", SYS_tgkill}};

	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		if (!strcmp(calls[i].name, arg))
			deny(calls[i].nr);
	dump_here();
	ask_for_dump();
	sleep_ms(50);
}

/* ---- children, parents, and who waits for whom ---- */

static volatile sig_atomic_t children_signalled;

static void on_child(int signo)
{
	(void)signo;
	children_signalled++;
}

/* Prints SIGCHLDs, what waiting says, and children of any kind after 20 dumps. */
static void no_children(void)
{
	if (!strcmp(arg, "ignored"))
		signal(SIGCHLD, SIG_IGN);
	else
		signal(SIGCHLD, on_child);
	for (int i = 0; i < 20; i++) {
		siginfo_t info;

		ask_for_dump();
		if (waitpid(-1, NULL, i % 2 ? WNOHANG : 0) != -1 || errno != ECHILD)
			printf("waitpid found a child\n");
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != -1 || errno != ECHILD)
			printf("waitid found a child\n");
		sleep_ms(i < 10 ? 1 : 20);
	}
	int left = children_at_last();
	printf("signals %d children %d\n", (int)children_signalled, left);
}

/* A host that asks for a dump and ends at once; the number says how. */
static void asked_host(int i)
{
	child_work(12);
	ask_for_dump();
	if (i % 3 == 0)
		exit(0);
	_exit(0);
}

/* One that takes care of orphans sees the processes that it has made, and no other; it is dumped
 * itself.  Prints how many it has seen, and how many of them it does not know. */
static void takes_orphans(void)
{
	pid_t made[30];
	int seen = 0, unknown = 0, status;

	if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		exit(2);
	for (int i = 0; i < 30; i++) {
		made[i] = fork();
		if (made[i] == 0)
			asked_host(i);
		if (i % 5 == 0)
			ask_for_dump();
		if (i % 3 == 2) {
			pid_t pid = waitpid(-1, &status, 0);
			bool known = false;

			for (int n = 0; n <= i; n++)
				known |= made[n] == pid;
			seen++;
			unknown += !known;
		}
	}
	sleep_ms(200);
	for (pid_t pid; (pid = waitpid(-1, &status, 0)) > 0 || errno == EINTR;) {
		bool known = false;

		for (int n = 0; pid > 0 && n < 30; n++)
			known |= made[n] == pid;
		seen += pid > 0;
		unknown += pid > 0 && !known;
	}
	work_after();
	printf("seen %d unknown %d\n", seen, unknown);
}

static volatile sig_atomic_t parent_gone;

static void on_parent_gone(int signo)
{
	(void)signo;
	parent_gone++;
}

/* A child wants to know when its parent ends, and must not think so when the parent's dumps end. */
static void parent_death(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		signal(SIGUSR1, on_parent_gone);
		prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
		for (int i = 0; i < 10; i++) {
			ask_for_dump();
			sleep_ms(20);
		}
		_exit(parent_gone);
	}
	for (int i = 0; i < 8; i++) {
		ask_for_dump();
		sleep_ms(20);
	}
	wait_for_child(pid);
	work_after();
}

/* ---- stacks ---- */

enum { COROUTINES = 4, STACK = 16384, CANARY = 4096 };
static ucontext_t contexts[COROUTINES], main_context;

static void coroutine_body(int me)
{
	for (int i = 0; i < 25; i++) {
		coroutine(2);
		if (i % 5 == me)
			ask_for_dump();
		swapcontext(&contexts[me], &contexts[(me + 1) % COROUTINES]);
	}
	setcontext(&main_context);
}

/* Coroutines on 16 KiB, with samples and dumps on them.  Prints whether what lies below the stacks
 * is what it was. */
static void coroutines(void)
{
	unsigned char *memory[COROUTINES];
	int hurt = 0;

	for (int i = 0; i < COROUTINES; i++) {
		memory[i] = malloc(CANARY + STACK);
		memset(memory[i], 0xa5, CANARY);
		getcontext(&contexts[i]);
		contexts[i].uc_stack.ss_sp = memory[i] + CANARY;
		contexts[i].uc_stack.ss_size = STACK;
		contexts[i].uc_link = &main_context;
		makecontext(&contexts[i], (void (*)(void))coroutine_body, 1, i);
	}
	swapcontext(&main_context, &contexts[0]);
	for (int i = 0; i < COROUTINES; i++)
		for (int n = 0; n < CANARY; n++)
			hurt += memory[i][n] != 0xa5;
	printf("hurt %d\n", hurt);
	sleep_ms(100);
	work_after();
}

/* What an image with an empty environment has of our signals. */
static void inherits(void)
{
	char *none[] = {NULL};

	execve("/bin/grep",
	       (char *const[]){"grep", "-E",
			       "^(SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt):", "/proc/self/status", NULL},
	       none);
}

/* ---- a dumper that is killed ---- */

/* Kills the dumper that the process has now, after so many ns; false when it has none. */
static bool kill_dumper(pid_t host, long delay)
{
	char buf[64], comm[32], state;
	int last;

	/* It is among the latest processes: a walk through all of /proc takes longer than it lives. */
	if (read_small("/proc/loadavg", buf, sizeof buf) <= 0 ||
	    sscanf(buf, "%*s %*s %*s %*s %d", &last) != 1)
		exit(2);
	for (pid_t pid = last; pid > last - 16; pid--) {
		if (parent_of(pid, comm, &state) != host || strcmp(comm, "cprof-dump") != 0 ||
		    state == 'Z')
			continue;
		for (long end = clock_of(CLOCK_MONOTONIC) + delay; clock_of(CLOCK_MONOTONIC) < end;)
			;
		return kill(pid, SIGKILL) == 0;
	}
	return false;
}

/* A child asks for a dump every 20 ms; for ARG ms each of its dumpers is killed, then the last ones
 * live.  Prints the child's pid, the ns that it spent in hunted(), how many dumpers were killed, and
 * how many children of any kind the child has at its end. */
static void hunt(void)
{
	struct shared {
		volatile int over;
		int children;
		long ns;
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int killed = 0;
	long end = clock_of(CLOCK_MONOTONIC) + atol(arg) * 1000000;
	pid_t pid = fork();

	if (pid == 0) {
		while (!shared->over) {
			shared->ns += hunted(15);
			ask_for_dump();
			sleep_ms(5);
		}
		sleep_ms(100);
		ask_for_dump();
		shared->children = children_at_last();
		exit(0);
	}
	while (clock_of(CLOCK_MONOTONIC) < end)
		killed += kill_dumper(pid, killed * 330000L % 3000000);
	shared->over = 1;
	waitpid(pid, NULL, 0);
	printf("%d %ld %d %d\n", (int)pid, shared->ns, killed, shared->children);
}

/* ---- what a host can see of itself ---- */

/* For ARG seconds, with 2000 descriptors and one thread: a dump every 100 ms.  Prints
 * "single yes|no threads N waits N fds N children N", the counts of what was not as it is without
 * us, and then malloc+free pairs per ms of CPU: of all, and of the slowest tenth of a second. */
static void quiet(void)
{
	long seconds = atol(arg), pairs = 0, used = 0, slowest = 1L << 60;
	int count, now_count, threads = 0, waits = 0, fds = 0;
	bool single = true;

	for (int i = 0; i < 2000; i++)
		if (open(i % 2 ? "/dev/null" : "/proc/self/stat", O_RDONLY) < 0)
			exit(2);
	unsigned long was = descriptors_hash(&count);
	long end = clock_of(CLOCK_MONOTONIC) + seconds * 1000000000;
	while (clock_of(CLOCK_MONOTONIC) < end) {
		long next = clock_of(CLOCK_MONOTONIC) + 100000000;

		ask_for_dump();
		for (int look = 0; look < 2; look++) {
			threads += status_of("Threads") != 1;
			waits += waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
			single &= __libc_single_threaded != 0;
			fds += descriptors_hash(&now_count) != was || now_count != count;
		}
		long start = clock_of(CLOCK_THREAD_CPUTIME_ID), ns, n = 0;
		do {
			for (int i = 0; i < 2000; i++) {
				void *volatile p = malloc(64);
				free(p);
			}
			n += 2000;
			ns = clock_of(CLOCK_THREAD_CPUTIME_ID) - start;
		} while (ns < 30000000);
		pairs += n;
		used += ns;
		slowest = n * 1000000 / ns < slowest ? n * 1000000 / ns : slowest;
		sleep_ms((next - clock_of(CLOCK_MONOTONIC)) / 1000000);
	}
	int left = children_at_last();
	printf("single %s threads %d waits %d fds %d children %d\n%ld %ld\n", single ? "yes" : "no",
	       threads, waits, fds, left, pairs * 1000000 / used, slowest);
}

/* ---- a big process that forks ---- */

/* ARG GiB, 50 forks, asked for a dump every 10 ms.  Prints the forks that succeeded, and how many ms
 * they took. */
static void storm(void)
{
	const size_t size = (size_t)atol(arg) << 30;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int *over =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t parent = getpid(), asking = fork();
	int done = 0, status;
	long ns = 0;

	if (p == MAP_FAILED)
		exit(2);
	if (asking == 0) {
		while (!*over && getppid() == parent) {
			kill(parent, SIGUSR2);
			usleep(10000);
		}
		_exit(0);
	}
	/* Small pages: so that a copy takes long. */
	madvise(p, size, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	for (int i = 0; i < 50; i++) {
		long start = clock_of(CLOCK_MONOTONIC);
		pid_t pid = fork();

		if (pid == 0)
			syscall(SYS_exit_group, 7);
		ns += clock_of(CLOCK_MONOTONIC) - start;
		done += pid > 0 && waitpid(pid, &status, 0) == pid && status == 7 << 8;
		after(2);
	}
	*over = 1;
	waitpid(asking, NULL, 0);
	printf("%d %ld\n", done, ns / 1000000);
}

static const struct {
	const char *name;
	void (*run)(void);
} modes[] = {
	{"plain", plain},
	{"closefrom", close_from},
	{"close_range", close_a_range},
	{"close_loop", close_loop},
	{"many_fds", many_fds},
	{"record_lock", record_lock},
	{"chroot", change_root},
	{"chdir", change_dir},
	{"nobody", become_nobody},
	{"undumpable", undumpable},
	{"undumpable_nobody", undumpable_nobody},
	{"no_process", no_process},
	{"unshare", unshare_one},
	{"unshare_in_dumps", unshare_in_dumps},
	{"enter_in_dump", enter_in_dump},
	{"enter_time_in_dump", enter_time_in_dump},
	{"denied", denied},
	{"no_children", no_children},
	{"takes_orphans", takes_orphans},
	{"parent_death", parent_death},
	{"coroutines", coroutines},
	{"inherits", inherits},
	{"hunt", hunt},
	{"quiet", quiet},
	{"storm", storm},
};

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	keep_dump_signal();
	arg = argc > 2 ? argv[2] : "";
	times = getenv("PLACES_SHORT") ? 1 : 10;
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (!strcmp(modes[i].name, mode)) {
			work_before();
			modes[i].run();
			puts("alive");
			return 0;
		}
	return 2;
}
