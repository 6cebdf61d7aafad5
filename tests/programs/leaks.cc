// SPDX-License-Identifier: MIT
// Holds and forgets memory in known amounts, then waits for a line on standard input, takes more, and waits again.
//
// RUN: leaks, with sample_bytes = 1.
// EXPECT in use:  forget 100 x 10000 by malloc, never freed; half 50 x 4000 of 100; copies 10 x 100 by strdup;
//                 make 3 x 2000 by operator new; churn nothing of 1000 x 500.
// Behind the line: forget 50 more, half 10 less, late 1 x 30000.
#include <cstdio>
#include <cstdlib>
#include <cstring>

void *volatile kept[400];
static int count;
static void *halves[100];

struct large {
	char bytes[2000];
};

extern "C" {
__attribute__((noinline)) void forget(int n)
{
	while (n-- > 0)
		kept[count++] = malloc(10000);
}
__attribute__((noinline)) void half()
{
	for (int i = 0; i < 100; i++)
		halves[i] = malloc(4000);
	for (int i = 0; i < 50; i++)
		free(halves[i]);
}
__attribute__((noinline)) void copies()
{
	char text[100];

	memset(text, 'x', 99);
	text[99] = '\0';
	for (int i = 0; i < 10; i++)
		kept[count++] = strdup(text);
}
__attribute__((noinline)) void make()
{
	for (int i = 0; i < 3; i++)
		kept[count++] = new large;
}
__attribute__((noinline)) void churn()
{
	for (int i = 0; i < 1000; i++) {
		void *volatile p = malloc(500);

		free(p);
	}
}
__attribute__((noinline)) void late()
{
	kept[count++] = malloc(30000);
}
}

static void wait_for_line()
{
	char c;

	puts("ready");
	do
		c = (char)getchar();
	while (c != '\n' && c != (char)EOF);
}

int main()
{
	setvbuf(stdin, nullptr, _IONBF, 0);
	setvbuf(stdout, nullptr, _IONBF, 0);
	forget(100);
	half();
	copies();
	make();
	churn();
	wait_for_line();
	forget(50);
	for (int i = 50; i < 60; i++)
		free(halves[i]);
	late();
	wait_for_line();
}
