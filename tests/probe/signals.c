/* SPDX-License-Identifier: MIT */
/*
 * Throw-away: our signal beside the host's.
 *
 * RUN: signals
 * What a handler sees of an interrupted system call: after EINTR rcx == rip; after a kernel restart
 * rcx == rip + 2 with rip at the syscall instruction.  Then USR2 and at once ALRM, 300 times: how
 * often ALRM does not end poll(-1) when our handler rewinds it always, and when it asks for pending
 * signals first.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static volatile int rewind_rule, alarms, seen_eintr, eintr_rcx, seen_restart;

static void on_usr2(int s, siginfo_t *i, void *c)
{
	ucontext_t *u = c;
	greg_t *g = u->uc_mcontext.gregs;
	const unsigned char *ip = (const unsigned char *)g[REG_RIP];
	uint64_t pending = 0;

	(void)s, (void)i;
	if (g[REG_RAX] == -EINTR && ip[-2] == 0x0f && ip[-1] == 5) {
		seen_eintr++;
		eintr_rcx += g[REG_RCX] == g[REG_RIP];
		if (rewind_rule == 2)
			syscall(SYS_rt_sigpending, &pending, 8);
		if (rewind_rule && !pending && ip[-7] == 0xb8) {
			uint32_t nr;
			memcpy(&nr, ip - 6, 4);
			g[REG_RAX] = nr;
			g[REG_RIP] -= 2;
		}
	} else if (ip[0] == 0x0f && ip[1] == 5 && g[REG_RCX] == g[REG_RIP] + 2)
		seen_restart++;
}
static void on_alarm(int s)
{
	(void)s;
	alarms++;
}

int main(void)
{
	struct sigaction a = {.sa_sigaction = on_usr2, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigaction b = {.sa_handler = on_alarm};
	int p[2], ack[2], st;
	char c;

	memset(&a.sa_mask, 0xff, sizeof a.sa_mask);
	sigaction(SIGUSR2, &a, NULL);
	sigaction(SIGALRM, &b, NULL);
	if (pipe(p) || pipe(ack))
		return 1;
	if (fork() == 0) {
		usleep(50000);
		for (int i = 0; i < 10; i++) {
			kill(getppid(), SIGUSR2);
			usleep(2000);
		}
		_exit(write(p[1], "x", 1) != 1);
	}
	if (read(p[0], &c, 1) != 1)
		return 1;
	wait(&st);
	printf("read with SA_RESTART: %d of 10 with rip at syscall and rcx == rip + 2\n",
	       seen_restart);
	for (rewind_rule = 0; rewind_rule <= 2; rewind_rule++) {
		pid_t pid;
		int lost = 0;

		seen_eintr = eintr_rcx = 0;
		if ((pid = fork()) == 0) {
			struct pollfd none = {ack[0], 0, 0};
			for (;;) {
				int was = alarms;
				poll(&none, 1, -1);
				if (alarms != was && write(p[1], "x", 1) != 1)
					_exit(0);
			}
		}
		for (int i = 0; i < 300; i++) {
			struct pollfd f = {p[0], POLLIN, 0};
			usleep(2000);
			kill(pid, SIGUSR2);
			kill(pid, SIGALRM);
			if (poll(&f, 1, 100) != 1) {
				lost++;
				kill(pid, SIGALRM);
				poll(&f, 1, 1000);
			}
			if (read(p[0], &c, 1) != 1)
				return 1;
		}
		kill(pid, SIGKILL);
		wait(&st);
		printf("%s: %d of 300 lost\n",
		       rewind_rule == 0	  ? "no rewinding"
		       : rewind_rule == 1 ? "rewind always"
					  : "rewind unless pending",
		       lost);
	}
	return 0;
}
