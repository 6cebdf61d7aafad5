/* SPDX-License-Identifier: MIT */
/*
 * RUN:    races [-p] [-r] [-w] [-i] [-n ROUNDS] [-c CPU] [-l LOST] CALL SIGNO
 *         races [-p] [-e] -k CALL SIGNO
 * EXPECT: `while (!flag) CALL` on processor 0, where the handler of SIGNO sets the flag; a call whose
 * mask lets SIGNO in is made with SIGNO blocked.  In each round another process, on processor CPU,
 * sends SIGUSR2 and SIGNO together, and counts who is not out of the loop within 500 ms.
 * Prints "lost N spurious N rounds N"; spurious: returns of CALL with an error and without the flag.
 * It stops at LOST lost ones.
 * -p: the program has an empty SA_RESTART handler of SIGUSR2.  -r: SA_RESTART for SIGNO.
 * -w: CALL is restarted, so that it is woken when the handler has run.  -i: SIGNO is ignored by
 * default, and the call woken.
 * -k: the sender is a debugger that lets K = 0, 1, 2... instructions pass between the end of
 * SIGUSR2's handler and SIGNO (-e: between the host's call and both signals), until the thread
 * blocks.  Prints "lost N steps K".
 */
#include "tests/programs/waiting.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/ptrace.h>
#include <sys/user.h>

static const struct call *call;
static int signo;
static bool plain, restarts, woken, ignored, entry;
static volatile sig_atomic_t flag;
static long rounds = 300, most_lost = 10;

static struct race {
	_Atomic long begun, handled, left, spurious;
	_Atomic bool end;
} * race;

static void on_usr2(int unused)
{
	(void)unused;
}

static void on_signal(int unused)
{
	(void)unused;
	flag = 1;
	atomic_store(&race->handled, atomic_load(&race->begun));
}

static void run_on(int cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof one, &one);
}

static void drain_one(void)
{
	struct pollfd p = {.fd = fd[0], .events = POLLIN};
	char c;

	if (poll(&p, 1, 0) == 1)
		MUST(read(fd[0], &c, 1));
}

/* The usual loop. */
static void victim(void)
{
	sigset_t here;

	for (long round = 1; !atomic_load(&race->end); round++) {
		if (call->flags & MASKED) {
			sigemptyset(&here);
			sigaddset(&here, signo);
			sigprocmask(SIG_BLOCK, &here, NULL);
		}
		flag = 0;
		atomic_store(&race->begun, round);
		syscall(SYS_getppid);
		while (!flag && !atomic_load(&race->end)) {
			long r = call->wait();

			if (ignored && r >= 0) {
				if (call->wake == wake_pipe)
					drain_one();
				break;
			}
			/* Some give back the error itself. */
			if ((r < 0 || r == EINTR) && !flag && !atomic_load(&race->end))
				race->spurious++;
		}
		atomic_store(&race->left, round);
		if (call->flags & MASKED)
			sigprocmask(SIG_UNBLOCK, &here, NULL);
	}
}

static char state_of(pid_t pid)
{
	char path[40], line[256], *p;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	f = fopen(path, "r");
	if (!f)
		exit(4);
	p = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return p ? p[2] : '?';
}

static void until(_Atomic long *value, long wanted, long ms, bool *ret_late)
{
	int64_t start = now_of(CLOCK_MONOTONIC), passed = 0;

	/* Who sleeps after 60 ms sleeps for good. */
	for (int asleep = 0; atomic_load(value) < wanted && passed < ms && asleep < 3;) {
		usleep(passed < 60 ? 100 : 2000);
		passed = (now_of(CLOCK_MONOTONIC) - start) / 1000000;
		if (passed >= 60)
			asleep = state_of(shared->pid) == 'S' ? asleep + 1 : 0;
	}
	*ret_late = atomic_load(value) < wanted;
}

static void until_blocked(long round)
{
	while (atomic_load(&race->begun) < round)
		usleep(50);
	while (state_of(shared->pid) != 'S')
		usleep(50);
}

static void spin(int64_t ns)
{
	for (int64_t end = now_of(CLOCK_MONOTONIC) + ns; now_of(CLOCK_MONOTONIC) < end;)
		;
}

static void send_both(void)
{
	bool usr2 = handles(shared->pid, SIGUSR2), late;
	long lost = 0, round = 1;

	srand(1);
	for (; round <= rounds && lost < most_lost; round++) {
		until_blocked(round);
		if (call->flags & MASKED && round % 2)
			spin(rand() % 100000);
		if (round % 4 == 3)
			kill(shared->pid, signo);
		if (usr2)
			kill(shared->pid, SIGUSR2);
		if (round % 4 == 2)
			spin(rand() % 4000000);
		if (round % 4 != 3)
			kill(shared->pid, signo);
		if (ignored) {
			usleep(rand() % 3000);
			call->wake();
		}
		until(woken ? &race->handled : &race->left, round, 500, &late);
		lost += late;
		if (woken)
			call->wake();
		while (atomic_load(&race->left) < round) {
			usleep(late || woken ? 5000 : 100);
			if (ignored || woken)
				call->wake();
			if (!ignored)
				kill(shared->pid, signo);
		}
	}
	printf("lost %ld spurious %ld rounds %ld\n", lost, atomic_load(&race->spurious), round - 1);
}

/* ---- the debugger ---- */

enum { SYSCALL_STOP = SIGTRAP | 0x80 };

static int deliver; /* with the next resume() */
static bool stopped;

static void resume(int request)
{
	if (ptrace(request, shared->pid, NULL, (long)deliver) < 0)
		fail("ptrace");
	deliver = 0;
	stopped = false;
}

/* The signal that it has stopped for, 0 when it runs on. */
static int stop_within(long ms)
{
	int64_t end = now_of(CLOCK_MONOTONIC) + ms * 1000000;
	int how;

	for (int i = 0; !waitpid(shared->pid, &how, __WALL | WNOHANG); i++) {
		if (now_of(CLOCK_MONOTONIC) > end)
			return 0;
		if (i > 200)
			usleep(100);
	}
	if (!WIFSTOPPED(how))
		exit(6);
	stopped = true;
	if (WSTOPSIG(how) != SYSCALL_STOP && WSTOPSIG(how) != SIGTRAP)
		deliver = WSTOPSIG(how);
	return WSTOPSIG(how);
}

/* The same; 0 only when it sleeps for good: the machine may have kept it from running. */
static int stop_or_sleep(long ms)
{
	int stop = stop_within(ms);

	for (int asleep = 0, n = 0; !stop && asleep < 3 && n < 2000; n++) {
		asleep = state_of(shared->pid) == 'S' ? asleep + 1 : 0;
		stop = stop_within(2);
	}
	return stop;
}

/* Lets it run to the end of its next call with this number; false when it sleeps before that. */
static bool run_through(unsigned long number)
{
	struct user_regs_struct regs;
	bool inside = false;
	int stop;

	for (;;) {
		if (stopped)
			resume(PTRACE_SYSCALL);
		stop = stop_or_sleep(200);
		if (!stop)
			return false;
		if (stop != SYSCALL_STOP)
			continue;
		if (inside)
			return true;
		ptrace(PTRACE_GETREGS, shared->pid, NULL, &regs);
		inside = regs.orig_rax == number;
	}
}

/* Lets it run until it is out of this round's loop; false when it sleeps before that. */
static bool run_out_of(long round)
{
	int64_t start = now_of(CLOCK_MONOTONIC), passed = 0;

	for (int asleep = 0; atomic_load(&race->left) < round && passed < 5000 && asleep < 3;) {
		if (stopped)
			resume(PTRACE_CONT);
		if (stop_within(1))
			continue;
		passed = (now_of(CLOCK_MONOTONIC) - start) / 1000000;
		if (passed >= 200)
			asleep = state_of(shared->pid) == 'S' ? asleep + 1 : 0;
	}
	if (stopped)
		resume(PTRACE_CONT);
	return atomic_load(&race->left) >= round;
}

static void debug(void)
{
	long lost = 0, steps = 0;
	bool blocked = false;

	if (ptrace(PTRACE_SEIZE, shared->pid, NULL, PTRACE_O_TRACESYSGOOD) < 0) {
		puts("no debugger");
		return;
	}
	for (long round = 1; !blocked && lost < most_lost; round++, steps++) {
		if (entry && round == 1) {
			/* The next round begins before our eyes. */
			until_blocked(round);
			kill(shared->pid, signo);
			(void)stop_within(500);
			(void)run_through(SYS_getppid);
			round++;
		} else if (!entry) {
			/* Signals that came too late. */
			while (stop_within(1))
				resume(PTRACE_CONT);
			until_blocked(round);
			kill(shared->pid, SIGUSR2);
			(void)stop_within(500);
			if (!run_through(SYS_rt_sigreturn))
				fail("no handler of SIGUSR2");
		}
		for (long i = 0; i < steps && !blocked; i++) {
			resume(PTRACE_SINGLESTEP);
			blocked = !stop_or_sleep(20);
		}
		if (entry)
			kill(shared->pid, SIGUSR2);
		kill(shared->pid, signo);
		if (entry ? run_through(SYS_getppid) : run_out_of(round))
			continue;
		lost++;
		do
			kill(shared->pid, signo);
		while (!(entry ? run_through(SYS_getppid) : run_out_of(round)));
	}
	printf("lost %ld steps %ld\n", lost, steps - 1);
}

static void handle(int which, void (*handler)(int), int flags)
{
	struct sigaction act = {.sa_handler = handler, .sa_flags = flags};

	sigaction(which, &act, NULL);
}

int main(int argc, char **argv)
{
	bool debugger = false;
	int option, cpu = 0;
	pid_t pid;

	while ((option = getopt(argc, argv, "prwiken:c:l:")) != -1)
		switch (option) {
		case 'p':
			plain = true;
			break;
		case 'r':
			restarts = true;
			break;
		case 'w':
			woken = true;
			break;
		case 'i':
			ignored = true;
			break;
		case 'k':
			debugger = true;
			break;
		case 'e':
			entry = true;
			break;
		case 'n':
			rounds = atol(optarg);
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'l':
			most_lost = atol(optarg);
			break;
		default:
			return 2;
		}
	call = optind + 2 == argc ? call_named(argv[optind]) : NULL;
	if (!call)
		return 2;
	signo = atoi(argv[optind + 1]);
	share();
	race = mmap(NULL, sizeof *race, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	atexit(clean_up);
	wait_ms = 60000;
	if (plain)
		handle(SIGUSR2, on_usr2, SA_RESTART);
	alarm(60); /* against our own mistakes */
	call->prepare();
	pid = MUST(fork());
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!ignored)
			handle(signo, on_signal, restarts ? SA_RESTART : 0);
		run_on(0);
		victim();
		_exit(0);
	}
	shared->pid = shared->tid = pid;
	run_on(debugger ? 1 : cpu);
	if (debugger)
		debug();
	else
		send_both();
	kill(shared->pid, SIGKILL);
	return 0;
}
