/* SPDX-License-Identifier: MIT */
/*
 * Root that becomes somebody else: setuid, seteuid, setreuid, setresuid.
 *
 * A service that starts as root and drops its privileges (nginx, postgres) could not write to the
 * configured directory any more; so before it drops them it makes a directory there for the user
 * that it becomes.  The default directory, /tmp/cprof-<euid>, is made by whoever writes.  The store moves
 * along, so that the process can remove it at its end.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "core/sys.h"
#include "output/sink.h"
#include "preload/host.h"
#include "preload/interpose.h"
#include "preload/recorder.h"

/* The users that this process has become.  A file server becomes thousands of them, back and forth:
 * the first few get a directory, and no call is made twice. */
#define USERS 8
static _Atomic uid_t users[USERS]; /* 0: free; claimed once, never given back */

static bool is_new_user(uid_t uid)
{
	for (unsigned i = 0; i < USERS; i++) {
		uid_t is = atomic_load_explicit(&users[i], memory_order_relaxed);

		if (is == 0 && atomic_compare_exchange_strong_explicit(&users[i], &is, uid,
								       memory_order_relaxed,
								       memory_order_relaxed))
			return true;
		if (is == uid)
			return false;
	}
	return false;
}

/* What goes wrong here is said by the dump that finds no directory. */
static void prepare(uid_t uid, bool for_good)
{
	struct sink_dir scratch;

	if (!host.on || uid == 0 || uid == (uid_t)-1 || !host_is_here() || sys_geteuid() != 0)
		return;
	/* Not for the time of a request: whoever owns the store's file could end a process that is
	 * root again. */
	if (for_good)
		recorder_give_to(uid);
	if (host.settings.output_dir[0] && is_new_user(uid))
		(void)sink_dir_prepare(&scratch, host.settings.output_dir, uid);
}

INTERPOSE(int, setuid, (uid_t uid))
{
	prepare(uid, true);
	return REAL(setuid)(uid);
}

INTERPOSE(int, seteuid, (uid_t uid))
{
	prepare(uid, false);
	return REAL(seteuid)(uid);
}

INTERPOSE(int, setreuid, (uid_t real, uid_t effective))
{
	prepare(effective, real == effective);
	return REAL(setreuid)(real, effective);
}

INTERPOSE(int, setresuid, (uid_t real, uid_t effective, uid_t saved))
{
	prepare(effective, real == effective && saved == effective);
	return REAL(setresuid)(real, effective, saved);
}
