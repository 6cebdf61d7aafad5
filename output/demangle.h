/* SPDX-License-Identifier: MIT */
/*
 * output/demangle: from a linkage name to the name that people read.
 *
 * The rule: template arguments stay, the parameter list and the return type go; a clone suffix that
 * the compiler appended (.cold, .part.N, .constprop.N, .isra.N, .lto_priv.N, .localalias; clang's
 * .llvm.N, .specialized.N, .__uniq.N; BOLT's .warm) goes, so that the pieces of a function share one name, while an outlined body (._omp_fn.N) stays.
 * The "@plt" of a stub stays behind the readable name.  What cannot be demangled keeps its linkage
 * name.  The result is valid UTF-8 without control
 * characters.
 *
 * libiberty's demanglers work in arrays on the stack whose size grows with the square of the input:
 * at most 4.4 MB for DEMANGLE_INPUT_MAX bytes, plus 3 MB of recursion.  So they run on a stack of
 * their own, 16 MiB of address space of which only what is touched is ever real, with a guard
 * below.  A name that expands without end is cut at DEMANGLE_OUTPUT_MAX by leaving the demangler.
 */
#ifndef CPROF_OUTPUT_DEMANGLE_H
#define CPROF_OUTPUT_DEMANGLE_H

#include <stddef.h>

#define DEMANGLE_INPUT_MAX  2048u /* longer linkage names are not demangled */
#define DEMANGLE_OUTPUT_MAX 1024u /* longer results end in "..." */

struct demangler {
	char *stack; /* NULL: no memory, nothing is demangled */
};

/* Context: signal.  Allocates: mmap.  Locks: none. */
void demangle_start(struct demangler *d);
void demangle_stop(struct demangler *d);

/* Writes the readable name of a linkage name, with its NUL.
 * Stack use: 1 KiB of the caller's.
 * Context: signal.  Allocates: no.  Locks: none. */
void demangle_name(const struct demangler *d, const char *linkage, char name[DEMANGLE_OUTPUT_MAX]);

#endif
