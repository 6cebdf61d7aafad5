/* SPDX-License-Identifier: MIT */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void say(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("cprof: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

int output_end(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_OK;
	say("standard output: %s", strerror(errno));
	return EXIT_FAILED;
}

int usage_error(const struct command *c, const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "cprof %s: ", c->name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see cprof %s --help\n", c->name);
	return EXIT_USAGE;
}

int usage_show(const struct command *c)
{
	printf("usage: cprof %s %s\n\n%s", c->name, c->arguments, c->help);
	return output_end();
}

int option_is(int argc, char **argv, int *at, const char *name, char **ret_value)
{
	char *word = argv[*at];
	size_t n = strlen(name);

	if (strncmp(word, name, n) != 0)
		return 0;
	if (!ret_value)
		return word[n] == '\0';
	if (word[n] == '=') {
		*ret_value = word + n + 1;
		return 1;
	}
	if (word[n] != '\0')
		return 0;
	if (*at + 1 >= argc)
		return -1;
	*ret_value = argv[++*at];
	return 1;
}

void *memory_get(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p) {
		say("out of memory");
		exit(EXIT_FAILED);
	}
	return p;
}

void *memory_grow(void *array, size_t count, size_t *capacity, size_t element_bytes)
{
	size_t more = *capacity ? *capacity * 2 : 16;

	if (count < *capacity)
		return array;
	if (more > SIZE_MAX / element_bytes || !(array = realloc(array, more * element_bytes))) {
		say("out of memory");
		exit(EXIT_FAILED);
	}
	*capacity = more;
	return array;
}
