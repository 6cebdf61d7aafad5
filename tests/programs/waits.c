/* SPDX-License-Identifier: MIT */
/*
 * RUN:    waits [-t] [-a|-r] [-s MS,MS...] [-o FILE] NAME
 *         waits -x [-s MS,MS...] [-n SIGNO] PROGRAM ARG...
 *         waits list
 * EXPECT: makes one waiting call, which a time-out or another process ends after 1000 ms, in the
 * main thread or (-t) in another.  Prints what the call gave back and put out, and how long it took
 * ("~": in ms, about).  -s: a helper process sends SIGUSR2 (or SIGNO) at these times, if there is
 * a handler for it.  -a, -r: the program has SIGALRM at 500 ms, without and with SA_RESTART.  -x: the same
 * for a program, with its own output.  None of our signals changes what is printed.
 */
#include "tests/programs/waiting.h"

static volatile sig_atomic_t handled;
static const struct call *call;
static bool alarmed, restarts;
static long result, error, took;
static int64_t signal_at[64];
static int signals, dump_signal = SIGUSR2;

static void on_signal(int signo)
{
	handled += signo;
}

static void handle(int signo, int flags)
{
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = flags};

	sigaction(signo, &act, NULL);
}

static void mask(int how, int signo)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, signo);
	pthread_sigmask(how, &s, NULL);
}

static void sleep_until(int64_t ns)
{
	struct timespec ts = timespec_of(ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

static void send_dump(void)
{
	if (!handles(shared->pid, dump_signal))
		return;
	if (shared->tid == shared->pid)
		kill(shared->pid, dump_signal);
	else
		syscall(SYS_tgkill, shared->pid, shared->tid, dump_signal);
}

/* In another process: sends and wakes at the right times. */
static void help(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!shared->tid)
		usleep(500);
	for (int i = 0; i < signals; i++) {
		sleep_until(shared->start + signal_at[i] * 1000000);
		send_dump();
	}
	sleep_until(shared->start + wait_ms * 1000000);
	if (call && call->wake)
		call->wake();
	for (;;)
		pause();
}

static void *wait_here(void *unused)
{
	struct itimerval half = {.it_value.tv_usec = wait_ms * 500};

	mask(call->flags & MASKED ? SIG_BLOCK : SIG_UNBLOCK, SIGALRM);
	shared->start = now_of(CLOCK_MONOTONIC);
	shared->tid = (int)syscall(SYS_gettid);
	if (alarmed || restarts)
		setitimer(ITIMER_REAL, &half, NULL);
	errno = 0;
	result = call->wait();
	error = errno;
	took = (long)(now_of(CLOCK_MONOTONIC) - shared->start);
	mask(SIG_UNBLOCK, SIGALRM);
	return unused;
}

/* Runs a program instead. */
static void run(char **argv)
{
	int code;
	pid_t pid;

	shared->start = now_of(CLOCK_MONOTONIC);
	pid = MUST(fork());
	if (!pid) {
		execvp(argv[0], argv);
		_exit(127);
	}
	for (int i = 0; i < signals; i++) {
		sleep_until(shared->start + signal_at[i] * 1000000);
		if (handles(pid, dump_signal))
			kill(pid, dump_signal);
	}
	MUST(waitpid(pid, &code, 0));
	printf("status %x\n", (unsigned)code);
	show_about("took", now_of(CLOCK_MONOTONIC) - shared->start);
	printf("pid %d\n", (int)pid);
}

static void add_signals(char *list)
{
	for (char *p = strtok(list, ","); p && signals < 64; p = strtok(NULL, ","))
		signal_at[signals++] = atol(p);
}

int main(int argc, char **argv)
{
	bool threaded = false, runs = false;
	pthread_t thread;
	pid_t helper;
	int option;

	while ((option = getopt(argc, argv, "+tarxs:n:")) != -1)
		switch (option) {
		case 't':
			threaded = true;
			break;
		case 'a':
			alarmed = true;
			break;
		case 'r':
			restarts = true;
			break;
		case 'x':
			runs = true;
			break;
		case 's':
			add_signals(optarg);
			break;
		case 'n':
			dump_signal = atoi(optarg);
			break;
		default:
			return 2;
		}
	if (optind == argc)
		return 2;
	share();
	if (runs) {
		run(argv + optind);
		return 0;
	}
	if (!strcmp(argv[optind], "list")) {
		for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
			printf("%s%s\n", calls[i].name, calls[i].flags & LATE ? " late" : "");
		return 0;
	}
	call = call_named(argv[optind]);
	if (!call)
		return 2;
	atexit(clean_up);
	handle(SIGALRM, restarts ? SA_RESTART : 0);
	handle(SIGHUP, 0);
	mask(SIG_BLOCK, SIGRTMIN);
	call->prepare();
	helper = MUST(fork());
	if (!helper)
		help();
	if (threaded) {
		mask(SIG_BLOCK, SIGALRM);
		pthread_create(&thread, NULL, wait_here, NULL);
		pthread_join(thread, NULL);
	} else {
		wait_here(NULL);
	}
	kill(helper, SIGKILL);
	waitpid(helper, NULL, 0);
	printf("result %ld\nerrno %s\nhandled %d\n", result, strerrorname_np((int)error),
	       (int)handled);
	if (call->show)
		call->show();
	show_about("took", took);
	printf("pid %d\n", (int)shared->pid);
	return 0;
}
