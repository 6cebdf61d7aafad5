/* SPDX-License-Identifier: MIT */
/*
 * config/load: who sets the options of a process: defaults < configuration file < environment.
 *
 * The file is the one that the variable CPROF_CONFIG names.  What is bad in either is reported, one
 * line each, and counts for nothing; all the rest counts.
 */
#ifndef CPROF_CONFIG_LOAD_H
#define CPROF_CONFIG_LOAD_H

#include "config/settings.h"

/* Of one file so many problems are told, then how many more there are. */
#define LOAD_REPORTS 20

/* Called once for each problem with one complete line without a newline, of at most
 * LOAD_LINE_BYTES with its NUL. */
#define LOAD_LINE_BYTES 640
typedef void (*load_report_fn)(void *opaque, const char *line);

/* Where the value of an option is from. */
struct load_source {
	enum { LOAD_DEFAULT, LOAD_FILE, LOAD_VARIABLE } from;
	unsigned line; /* of the file */
};

/* Fills *s.  path: the file, as the user of the command names it, or NULL: $CPROF_CONFIG of envp,
 * which is an absolute path (a child may run elsewhere); no file when that is empty or missing.
 * Reports begin with what is meant and end with what counts instead:
 *	/etc/cprof.ini:3: cpu.hz = abc: expected a number from 1 to 1000; using 100
 *	CPROF_CPU_HZ=abc: expected a number from 1 to 1000; using 50
 * They are made when *s is whole, so that report() may go by it.  An empty value is the default, in
 * the environment too.  Of an option that is given twice the last counts in the file, where that is
 * a problem, and the first in the environment, as with getenv().  ret_sources has SETTINGS_COUNT
 * elements or is NULL.  Returns the number of problems.
 * Context: own (start-up of the host).  Allocates: mmap, given back.  Locks: none. */
unsigned load_settings(struct settings *s, const char *path, char *const *envp,
		       struct load_source *ret_sources, load_report_fn report, void *opaque);

/* The same for a file in memory that is called name, without an environment.
 * Context: own.  Allocates: no.  Locks: none. */
unsigned load_text(struct settings *s, const char *name, const char *text, size_t bytes,
		   struct load_source *ret_sources, load_report_fn report, void *opaque);

#endif
