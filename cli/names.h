/* SPDX-License-Identifier: MIT */
/*
 * cli/names: what pprof does to the functions of a profile before it shows them.
 *
 * Both change only what is shown, never a value.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_NAMES_H
#define CPROF_CLI_NAMES_H

#include "cli/profile.h"

/* Functions whose name is their linkage name get the readable one; of a name that is C++ already,
 * parameters and template arguments go.  Others have been named by their producer and stay. */
void names_simplify(struct profile *p);

/* Cuts stacks by the profile's own drop_frames and keep_frames: the first frame behind another that
 * matches goes with all that it called.  Patterns are taken as POSIX extended ones; a pattern that
 * is none cuts nothing, nor does one that may take time or memory without bound: of more than 1 KiB or
 * 50 nested groups, with groups that are repeated, counted repetitions or back-references. */
void names_prune(struct profile *p);

#endif
