/* SPDX-License-Identifier: MIT */
/*
 * RUN:    narrow ROOM
 * EXPECT: a handler on an alternate stack, with ROOM bytes besides those of two signal frames and no page below it, waits often by calls that
 * are safe there; half a second of CPU.  "done" at the end.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u

#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

static int null;

static void wait_often(int signo)
{
	char c;

	(void)signo;
	for (int i = 0; i < 100; i++) {
		poll(NULL, 0, 0);
		if (read(null, &c, 1))
			_exit(2);
		fsync(null);
	}
}

int main(int argc, char **argv)
{
	const size_t frame = getauxval(AT_MINSIGSTKSZ) ? getauxval(AT_MINSIGSTKSZ) : MINSIGSTKSZ;
	const size_t bytes = 2 * frame + (size_t)(argc > 1 ? atoi(argv[1]) : 0);
	const clock_t end = clock() + CLOCKS_PER_SEC / 2;
	struct sigaction act = {.sa_handler = wait_often, .sa_flags = SA_ONSTACK};
	stack_t stack = {.ss_size = bytes};
	size_t pages = bytes / PAGE + 2;
	char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	null = open("/dev/null", O_RDWR);
	if (at == MAP_FAILED || mprotect(at, PAGE, PROT_NONE))
		return 1;
	stack.ss_sp = at + PAGE;
	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &act, NULL);
	while (clock() < end)
		raise(SIGUSR1);
	puts("done");
	return 0;
}
