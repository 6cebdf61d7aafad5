/* SPDX-License-Identifier: MIT */
#include "tests/support/check.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static struct {
	const char *name;
	check_fn run;
} tests[256];
static unsigned test_count;
static jmp_buf out;
static char why[1024];

void check_register(const char *name, check_fn run)
{
	if (test_count < sizeof tests / sizeof tests[0]) {
		tests[test_count].name = name;
		tests[test_count++].run = run;
	}
}

void check_fail(const char *file, int line, const char *format, ...)
{
	va_list args;
	int n = snprintf(why, sizeof why, "%s:%d: ", file, line);

	va_start(args, format);
	vsnprintf(why + n, sizeof why - (size_t)n, format, args);
	va_end(args);
	longjmp(out, 1);
}

void check_skip(const char *reason)
{
	snprintf(why, sizeof why, "%s", reason);
	longjmp(out, 2);
}

int main(int argc, char **argv)
{
	volatile unsigned failed = 0;

	for (volatile unsigned i = 0; i < test_count; i++) {
		if (argc > 1 && strcmp(argv[1], tests[i].name) != 0)
			continue;
		int end = setjmp(out);

		if (end == 0) {
			tests[i].run();
			printf("ok %s\n", tests[i].name);
		} else if (end == 2) {
			printf("skip %s: %s\n", tests[i].name, why);
		} else {
			printf("not ok %s: %s\n", tests[i].name, why);
			failed++;
		}
		fflush(stdout);
	}
	return failed != 0;
}

unsigned check_files_in(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}
