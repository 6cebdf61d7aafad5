/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_hot MILLISECONDS [MAPS-FILE]
 * EXPECT: main -> outer -> hot -> helper; hot has more than 90 % of the CPU time itself, helper a
 * few per cent.  Copies /proc/self/maps to MAPS-FILE before it begins.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static volatile unsigned long sink;
static unsigned random_state = 1;

/* Rounds differ in length: a fixed one may beat with the kernel's tick, and then the tick sees one
 * place more often than its share. */
static unsigned vary(unsigned n)
{
	random_state = random_state * 1664525 + 1013904223; /* Numerical Recipes, 7.1 */
	return n / 2 + random_state % n;
}

__attribute__((noinline, noclone)) static void helper(void)
{
	for (unsigned i = 0, n = vary(80000); i < n; i++)
		sink += i;
	__asm__ volatile("");
}

__attribute__((noinline, noclone)) static void hot(void)
{
	for (unsigned i = 0, n = vary(1000000); i < n; i++)
		sink += i * i;
	helper();
	__asm__ volatile(""); /* no tail call */
}

__attribute__((noinline, noclone)) static void outer(clock_t until)
{
	while (clock() < until)
		hot();
	__asm__ volatile("");
}

static void copy_maps(const char *to)
{
	FILE *in = fopen("/proc/self/maps", "r"), *out = fopen(to, "w");
	int c;

	while (in && out && (c = getc(in)) != EOF)
		putc(c, out);
	if (in)
		fclose(in);
	if (out)
		fclose(out);
}

int main(int argc, char **argv)
{
	long ms = argc > 1 ? atol(argv[1]) : 1000;

	if (argc > 2)
		copy_maps(argv[2]);
	outer(clock() + ms * CLOCKS_PER_SEC / 1000);
	return 0;
}
