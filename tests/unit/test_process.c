/* SPDX-License-Identifier: MIT */
#include "core/process.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/check.h"

TEST(process_is_alive_while_pid_and_start_time_are_its_own)
{
	uint32_t pid = (uint32_t)getpid();
	uint64_t ticks;

	CHECK_EQ(process_start_ticks(0, &ticks), 0);
	CHECK(process_has_own_proc());
	CHECK(process_may_be_alive(pid, ticks));
	CHECK(!process_may_be_alive(pid, ticks + 1));
	CHECK(!process_may_be_alive(4194304, ticks));
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	siginfo_t info;
	CHECK_EQ(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT), 0);
	CHECK(!process_may_be_alive((uint32_t)child, 0)); /* a zombie */
	waitpid(child, NULL, 0);
	CHECK(!process_may_be_alive((uint32_t)child, 0));
}

/* Its numbers are those of other processes: 1 is an init that started at another time. */
TEST(process_of_a_foreign_proc_takes_no_living_one_for_dead)
{
	pid_t outside = fork();
	int state;

	if (outside == 0) {
		if (unshare(CLONE_NEWPID) < 0)
			_exit(3);
		pid_t inside = fork();
		if (inside == 0)
			_exit(getpid() != 1			     ? 1
			      : process_has_own_proc()		     ? 2
			      : !process_may_be_alive(1, UINT64_MAX) ? 4
			      : process_may_be_alive(2, 0)	     ? 5
								     : 0);
		waitpid(inside, &state, 0);
		_exit(WEXITSTATUS(state));
	}
	waitpid(outside, &state, 0);
	if (WEXITSTATUS(state) == 3)
		SKIP("no PID namespace can be made here");
	CHECK_EQ(WEXITSTATUS(state), 0);
}

TEST(process_boot_time_is_that_of_the_kernel)
{
	unsigned long long s = 0;
	char line[256];
	FILE *f = fopen("/proc/stat", "r");

	CHECK(f != NULL);
	while (fgets(line, sizeof line, f) && sscanf(line, "btime %llu", &s) != 1)
		;
	fclose(f);
	if (!s)
		SKIP("/proc/stat has no btime");
	uint64_t ours = process_boot_realtime_ns() / 1000000000;
	CHECK(ours + 2 >= s && ours <= s + 2);
}
