/* SPDX-License-Identifier: MIT */
/*
 * RUN:    leave jump|deferred|async CALL
 *         leave list
 * EXPECT: leaves a waiting call 50 times ($LEAVE_TIMES), by siglongjmp out of its SIGALRM handler or by
 * cancellation, while another process sends SIGUSR2 every 2 ms, if there is a handler for it.  Then
 * the call is made twice more: SIGALRM after 250 ms, and to its end after 500 ms.
 * Prints how often the call came back instead, and what it gave back in the end ("~": in ms, about).
 */
#include "tests/programs/waiting.h"

#include <setjmp.h>
#include <stdatomic.h>

static int times = 50;

static const struct call *call;
static bool async;
static sigjmp_buf env;
static volatile sig_atomic_t handled;
static int came_back, cancelled;

static struct plan {
	_Atomic int64_t wake_at;
	_Atomic bool waiting;
	_Atomic long every_us;
} * plan;

static void jump(int signo)
{
	siglongjmp(env, signo);
}

static void on_alarm(int signo)
{
	handled += signo;
}

static void handle_alarm(void (*handler)(int))
{
	struct sigaction act = {.sa_handler = handler};

	sigaction(SIGALRM, &act, NULL);
}

static void alarm_in(long us)
{
	struct itimerval in = {.it_value.tv_usec = us};

	setitimer(ITIMER_REAL, &in, NULL);
}

static void mask(int how, int signo)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, signo);
	pthread_sigmask(how, &s, NULL);
}

/* In another process. */
static void help(void)
{
	int64_t end = now_of(CLOCK_MONOTONIC) + INT64_C(20000000000);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (now_of(CLOCK_MONOTONIC) < end) {
		int64_t at = atomic_load(&plan->wake_at);

		usleep((useconds_t)atomic_load(&plan->every_us));
		if (at && now_of(CLOCK_MONOTONIC) >= at) {
			atomic_store(&plan->wake_at, 0);
			if (atomic_load(&plan->waiting) && call->wake)
				call->wake();
		}
		if (shared->tid && handles(shared->pid, SIGUSR2))
			syscall(SYS_tgkill, shared->pid, shared->tid, SIGUSR2);
	}
	kill(shared->pid, SIGKILL);
	_exit(0);
}

static void jump_often(void)
{
	handle_alarm(jump);
	for (volatile int i = 0; i < times; i++)
		if (!sigsetjmp(env, 1)) {
			alarm_in(3000);
			(void)call->wait();
			alarm_in(0);
			came_back++;
		}
	alarm_in(0);
}

static void *wait_to_be_cancelled(void *unused)
{
	if (async)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	shared->tid = (int)syscall(SYS_gettid);
	(void)call->wait();
	/* It came back by itself. */
	pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, NULL);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	return unused;
}

static void cancel_often(void)
{
	pthread_t thread;
	void *value;

	for (int i = 0; i < times; i++) {
		pthread_create(&thread, NULL, wait_to_be_cancelled, NULL);
		usleep(3000);
		pthread_cancel(thread);
		pthread_join(thread, &value);
		cancelled += value == PTHREAD_CANCELED;
		came_back += value != PTHREAD_CANCELED;
	}
}

static void wait_once(const char *what, bool alarmed)
{
	int64_t start = now_of(CLOCK_MONOTONIC);
	long result;
	int error;

	handled = 0;
	atomic_store(&plan->waiting, true);
	atomic_store(&plan->wake_at, start + wait_ms * 1000000);
	if (alarmed)
		alarm_in(wait_ms * 500);
	errno = 0;
	result = call->wait();
	error = errno;
	atomic_store(&plan->waiting, false);
	atomic_store(&plan->wake_at, 0);
	printf("%s_result %ld %s handled %d\n", what, result, strerrorname_np(error), (int)handled);
	printf("~%s %ld\n", what, (long)((now_of(CLOCK_MONOTONIC) - start) / 1000000));
}

static void *wait_twice(void *unused)
{
	shared->tid = (int)syscall(SYS_gettid);
	mask(SIG_UNBLOCK, SIGALRM);
	wait_once("alarmed", true);
	wait_once("whole", false);
	return unused;
}

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "";
	bool jumps = !strcmp(way, "jump");
	pthread_t thread;
	pid_t helper;

	if (!strcmp(way, "list")) {
		for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
			unsigned flags = calls[i].flags;

			if (flags & ONCE)
				continue;
			if (!(flags & (NO_JUMP | LATE)))
				printf("jump %s\n", calls[i].name);
			if (flags & CANCELS)
				printf("deferred %s\n", calls[i].name);
			if (!(flags & NO_CANCEL))
				printf("async %s\n", calls[i].name);
		}
		return 0;
	}
	if (getenv("LEAVE_TIMES"))
		times = atoi(getenv("LEAVE_TIMES"));
	async = !strcmp(way, "async");
	call = argc == 3 ? call_named(argv[2]) : NULL;
	if (!call)
		return 2;
	share();
	plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	plan->every_us = 2000;
	atexit(clean_up);
	handle_alarm(on_alarm);
	/* Sockets have the time-out of the last two calls. */
	wait_ms = 500;
	mask(SIG_BLOCK, SIGRTMIN);
	signal(SIGHUP, on_alarm);
	call->prepare();
	helper = MUST(fork());
	if (!helper)
		help();
	wait_ms = 60000;
	if (jumps) {
		shared->tid = shared->pid;
		jump_often();
	} else {
		cancel_often();
	}
	wait_ms = 500;
	plan->every_us = 25000;
	handle_alarm(on_alarm);
	printf("came_back %d\ncancelled %d\n", came_back, cancelled);
	fflush(stdout); /* what hangs from here on is known by it */
	if (jumps) {
		wait_twice(NULL);
	} else {
		mask(SIG_BLOCK, SIGALRM);
		pthread_create(&thread, NULL, wait_twice, NULL);
		pthread_join(thread, NULL);
	}
	kill(helper, SIGKILL);
	waitpid(helper, NULL, 0);
	printf("pid %d\n", (int)shared->pid);
	return 0;
}
