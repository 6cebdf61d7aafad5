/* SPDX-License-Identifier: MIT */
#include "cli/live.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

static struct live l;
static char why[256];

static void handler(int signo)
{
	(void)signo;
}

TEST(live_of_this_process)
{
	CHECK_EQ(live_look(&l, (uint32_t)getpid(), why), 0);
	CHECK_STR(l.library, "");
	CHECK_STR(l.store, "");
	CHECK(live_is_named(&l, "test_live") && !live_is_named(&l, "live"));
	CHECK(l.threads == 1 && l.uid == geteuid() && l.start_ticks);
	CHECK(live_age_ns(&l) < UINT64_C(3600) * 1000000000);
	CHECK_EQ(live_open_store(&l, O_RDONLY), -ENOENT);
}

TEST(live_sees_the_handler_come_and_go)
{
	CHECK_EQ(live_look(&l, (uint32_t)getpid(), why), 0);
	CHECK(!live_is_at_work(&l));
	signal(SIGPROF, handler);
	CHECK(live_again(&l) && live_is_at_work(&l));
	/* Left out by [follow] only, it is a handler of the program's own. */
	strcpy(l.settings.follow_only, "other");
	CHECK(!live_is_at_work(&l));
	strcpy(l.settings.follow_only, "other,test_live");
	CHECK(live_is_at_work(&l));
	signal(SIGPROF, SIG_IGN);
	CHECK(live_again(&l) && !live_is_at_work(&l));
	signal(SIGPROF, SIG_DFL);
}

TEST(live_of_nobody)
{
	CHECK_EQ(live_look(&l, 0, why), -ESRCH);
	CHECK_EQ(live_look(&l, 4194304, why), -ESRCH);
	CHECK(strstr(why, "no process 4194304") != NULL);
	CHECK_EQ(live_look(&l, UINT32_MAX, why), -ESRCH);
}

TEST(live_of_a_zombie_and_a_stopped_child)
{
	siginfo_t info;
	pid_t child = fork();

	if (child == 0)
		_exit(0);
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	CHECK_EQ(live_look(&l, (uint32_t)child, why), -ESRCH);
	CHECK(strstr(why, "zombie") != NULL);
	waitpid(child, NULL, 0);

	child = fork();
	if (child == 0)
		for (;;)
			pause();
	kill(child, SIGSTOP);
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WSTOPPED | WNOWAIT), 0);
	CHECK_EQ(live_look(&l, (uint32_t)child, why), 0);
	CHECK_EQ(l.state, 'T');
	CHECK(live_rests(&l));
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(!live_again(&l));
	CHECK(!live_rests(&l));
}

TEST(live_that_runs_does_not_rest)
{
	pid_t child = fork();

	if (child == 0)
		for (volatile long x = 0;; x++)
			;
	CHECK_EQ(live_look(&l, (uint32_t)child, why), 0);
	bool rests = live_rests(&l);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	CHECK(!rests);
}
