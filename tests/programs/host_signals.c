/* SPDX-License-Identifier: MIT */
/*
 * RUN:    host_signals
 * EXPECT: the program sets SIGPROF to SIG_DFL and its own handlers for SIGUSR2, reads them back as
 * it has set them, burns 0.3 s of CPU, sends itself SIGUSR2 and SIGPROF (by kill), and counts what
 * arrives. Prints "usr2 1 prof 1" and exits 0.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t usr2, prof;

static void on_usr2(int signo)
{
	usr2 += signo == SIGUSR2;
}

static void on_prof(int signo, siginfo_t *info, void *context)
{
	prof += signo == SIGPROF && info->si_pid == getpid() && context;
}

static void burn(long ms)
{
	clock_t until = clock() + ms * (CLOCKS_PER_SEC / 1000);
	volatile unsigned long sink = 0;

	while (clock() < until)
		for (int i = 0; i < 10000; i++)
			sink += (unsigned long)i;
}

int main(void)
{
	struct sigaction act = {.sa_sigaction = on_prof, .sa_flags = SA_SIGINFO}, old;

	if (signal(SIGPROF, SIG_DFL) != SIG_DFL || signal(SIGUSR2, on_usr2) != SIG_DFL)
		return 1;
	burn(100); /* with SIG_DFL in place a tick would kill */
	if (sigaction(SIGUSR2, NULL, &old) || old.sa_handler != on_usr2)
		return 2;
	if (sigaction(SIGPROF, &act, &old) || old.sa_handler != SIG_DFL)
		return 3;
	burn(100);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGPROF);
	burn(100);
	if (signal(SIGUSR2, SIG_IGN) != on_usr2)
		return 4;
	printf("usr2 %d prof %d\n", (int)usr2, (int)prof);
	return 0;
}
