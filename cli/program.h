/* SPDX-License-Identifier: MIT */
/*
 * cli/program: which file a program's name means, and whether a preloaded library can get into it.
 *
 * The judgement is advice: it never keeps a program from running.
 */
#ifndef CPROF_CLI_PROGRAM_H
#define CPROF_CLI_PROGRAM_H

#include <stddef.h>

/* The file that execvp() would run.  0, or -ENOENT, -EACCES.
 * Context: own (the command).  Allocates: no.  Locks: none. */
int program_find(const char *name, char *ret_path, size_t size);

/* Why LD_PRELOAD does not work for this file, as one clause ("it is linked statically"), or NULL
 * when nothing speaks against it.  For a script its interpreter is judged.
 * Context: own (the command).  Allocates: no.  Locks: none. */
const char *program_obstacle(const char *path, char buf[512]);

#endif
