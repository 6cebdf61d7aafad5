/* SPDX-License-Identifier: MIT */
/* Takes and gives back memory as it is told on standard input, one command a line, and answers "ok".
 *
 *   + N  allocates N MiB in hold(), which stay untouched       -    frees the newest of them
 *   m N  maps N MiB of its own and touches them                g    allocates 1 MiB a millisecond until there is none,
 *   f    forks; the child goes on, its parent waits                 then ends by SIGKILL
 *
 * RUN: heap_steps, with sample_bytes = 1.  EXPECT: in use is what is held, to the byte, all of it by hold(). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1u << 20)

static void *held[4096];
static unsigned count;

__attribute__((noinline)) static int hold(size_t n)
{
	held[count] = malloc(n);
	return held[count] && ++count < 4096;
}

static void map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED)
		memset(p, 1, n);
}

int main(void)
{
	char line[32];

	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IONBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		size_t n = strtoul(line + 1, NULL, 10) * MIB;

		if (line[0] == '+' && !hold(n))
			return 1;
		if (line[0] == '-' && count)
			free(held[--count]);
		if (line[0] == 'm')
			map(n);
		if (line[0] == 'g') {
			while (hold(MIB))
				usleep(1000);
			raise(SIGKILL);
		}
		if (line[0] == 'f' && fork() > 0) {
			wait(NULL);
			return 0;
		}
		puts("ok");
	}
	return 0;
}
