/* SPDX-License-Identifier: MIT */
/*
 * cli/command: what all subcommands of cprof share: their table, their exit codes, their voice.
 *
 * The command is a program of its own: it may malloc, printf and exit, which nothing else here may.
 * A message is one line on stderr, "cprof top: what: why; what to do".
 */
#ifndef CPROF_CLI_COMMAND_H
#define CPROF_CLI_COMMAND_H

#include <stddef.h>

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1, /* something that was asked for could not be done */
	EXIT_USAGE = 2,	 /* the command line is wrong; nothing was done */
	EXIT_NO_EXEC = 126,
	EXIT_NO_PROGRAM = 127,
};

/* A subcommand: argv[0] is its name. */
struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments; /* behind the name, in the help */
	const char *summary;
	const char *help; /* of `cprof NAME --help`, behind the first line */
};
extern const struct command command_run, command_dump, command_ls, command_status, command_check,
	command_top, command_tree, command_flame, command_leaks, command_recover, command_config,
	command_options;

/* Ends the output of a command: EXIT_OK, or EXIT_FAILED with a message when stdout took not all of
 * it. */
int output_end(void);

/* One line on stderr. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* "... is no option" and the way to the help; returns EXIT_USAGE. */
int usage_error(const struct command *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* For `--help` of one subcommand; returns EXIT_OK. */
int usage_show(const struct command *c);

/* An option in the forms --name VALUE and --name=VALUE at argv[*at], or the flag --name itself when
 * ret_value is NULL.  1: it is, *at is at its last word.  0: it is another.  -1: the value is
 * missing. */
int option_is(int argc, char **argv, int *at, const char *name, char **ret_value);

/* Memory, or the end of the command: there is nothing that it could do without. */
void *memory_get(size_t n);
/* Room for one more element behind count of them; *capacity is kept by this function. */
void *memory_grow(void *array, size_t count, size_t *capacity, size_t element_bytes);

#endif
