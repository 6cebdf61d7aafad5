/* SPDX-License-Identifier: MIT */
/*
 * RUN:    forker
 * EXPECT: the parent burns 0.4 s of CPU in parent_work, its child 0.4 s in child_work after fork,
 * and a grandchild ends by _exit after 0.4 s in grandchild_work.  Prints "parent child grandchild"
 * pids.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/tick.h"

/* Different bodies, or gcc would make one function of the three. */
WORK_TO_TICK(parent_work, 3)
WORK_TO_TICK(child_work, 5)
WORK_TO_TICK(grandchild_work, 7)

int main(void)
{
	int status;

	parent_work(400);
	printf("%d ", (int)getpid());
	fflush(stdout);
	if (fork() == 0) {
		printf("%d ", (int)getpid());
		fflush(stdout);
		pid_t grandchild = fork();
		if (grandchild == 0) {
			grandchild_work(400);
			_exit(0);
		}
		child_work(400);
		waitpid(grandchild, &status, 0);
		printf("%d\n", (int)grandchild);
		return 0;
	}
	wait(&status);
	return status;
}
