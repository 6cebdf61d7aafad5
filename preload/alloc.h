/* SPDX-License-Identifier: MIT */
/*
 * preload/alloc: the wrappers of malloc and its family, wrap_alloc.c, for the rest of us.
 */
#ifndef CPROF_PRELOAD_ALLOC_H
#define CPROF_PRELOAD_ALLOC_H

/* Looks for the real functions, once; those that cannot be had yet are served by preload/boot.
 * Context: own.  Allocates: no.  Locks: the loader's, inside dlsym. */
void alloc_resolve(void);

/* The path of the object whose malloc comes before ours, so that our wrappers are not called: "" is the
 * executable.  NULL: there is none.
 * Context: own.  Allocates: no.  Locks: the loader's, inside dlsym. */
const char *alloc_other(void);

#endif
