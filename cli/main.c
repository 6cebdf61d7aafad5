/* SPDX-License-Identifier: MIT */
/*
 * cprof: the command beside libcprof.so.
 */
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "output/version.h"

/* One a line, so that two who add one do not meet. */
/* clang-format off */
static const struct command *const commands[] = {
	&command_run,
	&command_dump,
	&command_ls,
	&command_status,
	&command_check,
	&command_top,
	&command_tree,
	&command_flame,
	&command_leaks,
	&command_recover,
	&command_config,
	&command_options,
};
/* clang-format on */
#define COMMANDS (sizeof commands / sizeof commands[0])

static void print_help(void)
{
	puts("usage: cprof COMMAND [ARGUMENT]...\n\n"
	     "A sampling profiler for unmodified programs.\n");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
	puts("\n"
	     "  cprof run -- ./service            profile a program\n"
	     "  cprof dump service                its profile, now; as kill -USR2 does\n"
	     "  cprof top /tmp/cprof-0/*.cpu.*    where its time went\n"
	     "\n"
	     "cprof COMMAND --help tells more; cprof --version.\n"
	     "Exit codes: 0 done; 1 failed, with one line on stderr; 2 wrong usage, nothing done.\n"
	     "cprof run: the program's own; 126 when it cannot be executed, 127 when there is "
	     "none.");
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		print_help();
		return output_end();
	}
	if (strcmp(name, "--version") == 0) {
		puts("cprof " CPROF_VERSION);
		return output_end();
	}
	for (size_t i = 0; i < COMMANDS; i++)
		if (strcmp(name, commands[i]->name) == 0)
			return commands[i]->run(argc - 1, argv + 1);
	if (name[0])
		say("%s is no command; see cprof --help", name);
	else
		say("no command given; see cprof --help");
	return EXIT_USAGE;
}
