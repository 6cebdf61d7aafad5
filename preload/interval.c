/* SPDX-License-Identifier: MIT */
#include "preload/interval.h"

#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "core/control.h"
#include "core/sys.h"
#include "preload/host.h"

#include "core/as_safe.h"

static _Atomic int timer = -1;

void interval_start(void)
{
	const time_t seconds = (time_t)host.settings.output_interval;
	const struct itimerspec at = {.it_interval = {seconds, 0}, .it_value = {seconds, 0}};
	struct sigevent event = {
		.sigev_notify = SIGEV_SIGNAL,
		.sigev_signo = SIGPROF,
		.sigev_value.sival_ptr = (void *)CONTROL_VALUE(CONTROL_INTERVAL),
	};
	int id = -1;

	if (!seconds || atomic_load_explicit(&timer, memory_order_relaxed) >= 0)
		return;
	if (SYS_CALL(SYS_timer_create, CLOCK_MONOTONIC, &event, &id, 0, 0, 0) < 0) {
		host_say("no timer for output.interval (RLIMIT_SIGPENDING, see ulimit -i): no "
			 "dumps at intervals");
		return;
	}
	atomic_store_explicit(&timer, id, memory_order_relaxed);
	(void)SYS_CALL(SYS_timer_settime, id, 0, &at, NULL, 0, 0);
}

void interval_stop(void)
{
	int id = atomic_exchange_explicit(&timer, -1, memory_order_relaxed);

	if (id >= 0)
		(void)SYS_CALL(SYS_timer_delete, id, 0, 0, 0, 0, 0);
}

void interval_after_fork(void)
{
	atomic_store_explicit(&timer, -1, memory_order_relaxed);
	interval_start();
}
