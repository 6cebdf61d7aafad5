/* SPDX-License-Identifier: MIT */
/*
 * cli/program: which file a program's name means, and whether a preloaded library can get into it.
 *
 * The judgement is advice: it never keeps a program from running.
 */
#ifndef CPROF_CLI_PROGRAM_H
#define CPROF_CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/facts.h"

#define PROGRAM_GLIBC_LOADER "ld-linux-x86-64.so.2"

/* The file that execvp() would run.  0, or -ENOENT, -EACCES.
 * Context: own (the command).  Allocates: no.  Locks: none. */
int program_find(const char *name, char *ret_path, size_t size);

/* libcprof.so beside the command, as built and as installed.  0 or -ENOENT.
 * Context: own (the command).  Allocates: no.  Locks: none. */
int program_library(char *ret_path, size_t size);

/* What is executed in the end. */
struct program {
	char path[PATH_MAX]; /* the last interpreter, when it is a script */
	unsigned scripts;    /* how many there were before it */
	bool readable;	     /* else the rest is unknown */
	struct facts facts;
};

/* Why LD_PRELOAD does not work for this file, as one clause ("it is linked statically"), or NULL
 * when nothing speaks against it.  For a script its interpreter is judged, and what env runs.
 * Context: own (the command).  Allocates: no.  Locks: none. */
const char *program_judge(const char *path, struct program *ret_program, char buf[512]);
const char *program_obstacle(const char *path, char buf[512]);

#endif
