/* SPDX-License-Identifier: MIT */
/*
 * RUN:    forker
 * EXPECT: the parent burns 0.4 s of CPU in parent_work, its child 0.4 s in child_work after fork,
 * and a grandchild ends by _exit after 0.4 s in grandchild_work.  Prints "parent child grandchild"
 * pids.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

#define WORK(name, n)                                                                              \
	__attribute__((noinline)) static void name(void)                                           \
	{                                                                                          \
		clock_t until = clock() + CLOCKS_PER_SEC * 2 / 5;                                  \
		while (clock() < until)                                                            \
			for (int i = 0; i < 100000; i++)                                           \
				sink += (unsigned long)i * n;                                      \
	}
/* Different bodies, or gcc would make one function of the three. */
WORK(parent_work, 3)
WORK(child_work, 5)
WORK(grandchild_work, 7)

int main(void)
{
	int status;

	parent_work();
	printf("%d ", (int)getpid());
	fflush(stdout);
	if (fork() == 0) {
		printf("%d ", (int)getpid());
		fflush(stdout);
		pid_t grandchild = fork();
		if (grandchild == 0) {
			grandchild_work();
			_exit(0);
		}
		child_work();
		waitpid(grandchild, &status, 0);
		printf("%d\n", (int)grandchild);
		return 0;
	}
	wait(&status);
	return status;
}
