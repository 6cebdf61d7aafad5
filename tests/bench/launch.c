/* SPDX-License-Identifier: MIT */
/*
 * launch REPORT CPU HOLD LIBRARY PROGRAM ARGS...: runs PROGRAM on one CPU (-1: any) with LIBRARY preloaded ("-": none;
 * what LD_PRELOAD has already stays behind it), and says so in the file REPORT: "pid N" when it is there, "cpu N" (us,
 * user and system, of it and what it has waited for) and "status N" when it has ended.  HOLD 1: it is stopped before
 * its first instruction and waits for SIGCONT.  Ends as it does, and takes it along when it is itself ended.
 *
 * A tool that runs its target itself (perf record, gprofng collect) runs this; so all are measured alike.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void program(char **argv)
{
	const char *had = getenv("LD_PRELOAD");
	int cpu = atoi(argv[2]);
	char preload[4096];
	cpu_set_t one;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&one);
	CPU_SET((size_t)(cpu < 0 ? 0 : cpu), &one);
	if (cpu >= 0 && sched_setaffinity(0, sizeof one, &one) < 0)
		_exit(126);
	if (strcmp(argv[4], "-") != 0) {
		snprintf(preload, sizeof preload, "%s%s%s", argv[4], had ? ":" : "",
			 had ? had : "");
		setenv("LD_PRELOAD", preload, 1);
	}
	if (atoi(argv[3]))
		raise(SIGSTOP);
	execvp(argv[5], argv + 5);
	_exit(127);
}

int main(int argc, char **argv)
{
	struct rusage used;
	FILE *report;
	int status;
	pid_t pid;

	if (argc < 6 || !(report = fopen(argv[1], "we")))
		return 125;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pid = fork();
	if (!pid)
		program(argv);
	fprintf(report, "pid %d\n", pid);
	fflush(report);
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid)
		return 125;
	fprintf(report, "cpu %lld\nstatus %d\n",
		(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec +
			used.ru_stime.tv_usec,
		WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	fclose(report);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
