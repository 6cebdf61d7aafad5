/* SPDX-License-Identifier: MIT */
/*
 * For victims that must have been seen whole.  The kernel looks at CPU timers on its tick only, and on a
 * busy machine a thread may use a third of a second between two that find it running: then what it has used
 * stands beside the function that used it, or in no store at all when it is killed.
 */
#ifndef CPROF_TESTS_PROGRAMS_TICK_H
#define CPROF_TESTS_PROGRAMS_TICK_H

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "tests/programs/work.h"

static __thread volatile sig_atomic_t ticked;

static void on_tick(int signo)
{
	(void)signo;
	ticked = 1;
}

/* Has the kernel looked at the CPU timers of this thread, ours among them, since this was first asked or
 * last true?  Takes SIGALRM. */
static bool has_ticked(void)
{
	static __thread bool armed;
	static __thread timer_t timer;
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
	struct itimerspec soon = {.it_value = {0, 1}};

	if (!armed) {
		ticked = 0;
		event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
		signal(SIGALRM, on_tick);
		if (timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) < 0)
			_exit(2);
		timer_settime(timer, 0, &soon, NULL);
		armed = true;
	}
	if (!ticked)
		return false;
	timer_delete(timer);
	armed = false;
	return true;
}

/* WORK() that ends right behind a tick. */
#define WORK_TO_TICK(name, n) WORK_UNTIL(name, n, has_ticked())

#endif
