/* SPDX-License-Identifier: MIT */
/*
 * preload/next: the next function of a name, as dlsym(RTLD_NEXT) finds it, without its cost: dlsym takes 1 us for a name, and a
 * process that does nothing has 500 us in all.
 *
 * The objects behind ours in the loader's list are searched in that order by their hash tables, which the loader has mapped and
 * goes by itself ("GNU hash section format" of binutils, and the generic ABI).  What is not plainly one function by its default version is left to dlsym: an
 * object without such a table, an IFUNC, a symbol with several versions of which none is hidden.
 *
 * Unlike dlsym it tells no auditor (LD_AUDIT) that a name was looked for.
 */
#ifndef CPROF_PRELOAD_NEXT_H
#define CPROF_PRELOAD_NEXT_H

#include "preload/interpose.h"

/* Sets *real of every row from begin to end where it is NULL; it stays NULL when there is no such function.  The objects in
 * front of libc must stay where they are meanwhile, as those do that a program was started with.
 * Context: own (start-up) or wrapper.  Allocates: no, unless dlsym does.  Locks: none, or the loader's inside dlsym. */
void next_resolve(const struct interpose_row *begin, const struct interpose_row *end);

#endif
