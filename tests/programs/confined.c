/* SPDX-License-Identifier: MIT */
/*
 * RUN:    confined prctl|raw-prctl|raw-seccomp|counter alone|thread|exit
 * EXPECT: a thread goes into strict seccomp, by one of three calls, or forbids the processor's counter; then it burns CPU, reads and
 * writes.  "ok", and status 0; with "exit" 3, or killed by SIGKILL in strict seccomp, which allows no exit(3).
 */
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fds[2];

static long confine(const char *how)
{
	if (strcmp(how, "prctl") == 0)
		return prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	if (strcmp(how, "raw-prctl") == 0)
		return syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
	if (strcmp(how, "raw-seccomp") == 0)
		return syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL);
	return prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0);
}

static void work(const char *how)
{
	volatile double x = 1;
	char c;

	if (write(fds[1], "1234", 4) != 4 || confine(how))
		syscall(SYS_exit, 9);
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < 5000000; k++)
			x = x * 0.9 + 1;
		if (read(fds[0], &c, 1) != 1)
			syscall(SYS_exit, 8);
	}
	if (write(1, "ok\n", 3) != 3)
		syscall(SYS_exit, 7);
}

static void *run(void *how)
{
	work(how);
	syscall(SYS_exit, 0);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	char said[4];
	int out[2];

	if (argc < 3 || pipe(fds) || pipe(out))
		return 1;
	if (strcmp(argv[2], "thread") == 0) { /* the process goes on */
		int terminal = dup(1);

		dup2(out[1], 1);
		pthread_create(&thread, NULL, run, argv[1]);
		if (read(out[0], said, 3) != 3 || write(terminal, said, 3) != 3)
			return 6;
		poll(NULL, 0, 20);
		_exit(0);
	}
	work(argv[1]);
	if (strcmp(argv[2], "exit") == 0)
		exit(3);
	syscall(SYS_exit, 0);
}
