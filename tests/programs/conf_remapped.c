/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_remapped [FILE [unmap]]
 * EXPECT: 0.5 s of CPU in hot(), which runs in a mapping that the program has made itself of FILE, by
 * default of its own file, past the loader; stacks are hot;main.  FILE is a copy of the program.
 * "unmap": the mapping is gone when the program ends.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

typedef unsigned long (*hot_fn)(clock_t (*now)(void), clock_t until);

/* Nothing in it is relative to where it is.  The frame pointer leads out of the copy, which has no
 * unwind information. */
__attribute__((noinline, noclone,
	       optimize("no-omit-frame-pointer", "no-jump-tables"))) static unsigned long
hot(clock_t (*now)(void), clock_t until)
{
	unsigned long sum = 0;

	while (now() < until)
		for (unsigned long i = 0; i < 1000000; i++)
			__asm__ volatile("add %1, %0" : "+r"(sum) : "r"(i));
	return sum;
}

int main(int argc, char **argv)
{
	unsigned long start, limit, offset, at = (unsigned long)hot;
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096], perms[8];
	int fd = open(argc > 1 ? argv[1] : "/proc/self/exe", O_RDONLY);

	while (maps && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx %7s %lx", &start, &limit, perms, &offset) == 4 &&
		    at >= start && at < limit)
			break;
	char *copy =
		mmap(NULL, limit - start, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, (long)offset);
	if (copy == MAP_FAILED)
		return 1;
	hot_fn moved = (hot_fn)(void *)(copy + (at - start));
	unsigned long sum = moved(clock, clock() + CLOCKS_PER_SEC / 2);
	if (argc > 2 && strcmp(argv[2], "unmap") == 0)
		munmap(copy, limit - start);
	return sum == 0;
}
