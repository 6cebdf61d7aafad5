/* SPDX-License-Identifier: MIT */
/*
 * prctl(2): what takes our clock away.  PR_SET_TSC forbids the processor's counter, which the vdso reads too.  Strict seccomp forbids it as well,
 * and nearly every system call: a thread that goes in is not profiled from then on, and when it is the only one the last
 * profile is written before.
 */
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>

#include "core/sys.h"
#include "preload/blocked.h"
#include "preload/clock.h"
#include "preload/host.h"
#include "preload/interpose.h"

void host_before_strict(void)
{
	/* Whoever is filtered already is refused. */
	if (SYS_CALL(SYS_prctl, PR_GET_SECCOMP, 0, 0, 0, 0, 0) == 0)
		host_confine(__libc_single_threaded);
}

INTERPOSE_ROW(prctl);

/* Not variadic: the registers are passed on as they came. */
extern int every_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
		       unsigned long d) __asm__("prctl");
EXPORT int every_prctl(int option, unsigned long a, unsigned long b, unsigned long c,
		       unsigned long d)
{
	if (option == PR_SET_TSC && a == PR_TSC_SIGSEGV) {
		clock_without_counter();
		blocked_thread.scope.no_counter = true;
	}
	if (option == PR_SET_SECCOMP && a == SECCOMP_MODE_STRICT)
		host_before_strict();
	return REAL(prctl)(option, a, b, c, d);
}
