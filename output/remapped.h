/* SPDX-License-Identifier: MIT */
/*
 * output/remapped: code of files that the program has mapped itself, past the loader.
 *
 * V8 maps its builtins, which are code of the program's file, a second time near the code that it
 * compiles; such a place is in nobody's link map.  What is mapped there the kernel knows: a place and
 * a loaded module are the same code when their lines in /proc/self/maps have the same file and the
 * offsets agree, and no path needs to be opened for that.  Files that were never loaded are described
 * as the loader would have.
 *
 * It knows the process that it runs in: what a dead process had mapped nobody can tell.  V8 unmaps its
 * copy on its way to exit, before the last dump, so such places are noted while they are sampled
 * (remapped_note), and a note counts where nothing else that is executable has taken the place.
 */
#ifndef CPROF_OUTPUT_REMAPPED_H
#define CPROF_OUTPUT_REMAPPED_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/store_view.h"

#define REMAPPED_LINES_MAX 4096u /* executable mappings of files; those behind are not known */

struct remapped_line {
	uint64_t start, limit, file_offset;
	uint64_t device, inode;
	const char *path; /* "" when it is from a note: nothing can be opened */
	/* For who asks: the module that held the last address of this line; what stands for a file
	 * that is no module.  0: not known yet. */
	unsigned module, other;
};

struct remapped {
	struct remapped_line *lines; /* ascending, disjoint */
	unsigned count;
};

/* A sample had code in no module.  At the first, the fourth, the sixteenth... of them the places that
 * the loader does not know are noted: a tenth of a millisecond for a few hundred mappings.
 * Context: signal.  Allocates: a descriptor for a while.  Locks: none; who comes meanwhile does
 * nothing. */
void remapped_note(void);
/* In the child of fork: another thread may have been at it. */
void remapped_after_fork(void);

/* Reads the executable mappings of files of this process, and adds the notes; without /proc there are
 * no others.  0 or -ENOMEM.
 * Context: signal.  Allocates: arena, a descriptor for a while.  Locks: none. */
int remapped_read(struct remapped *r, struct arena *a);

/* The line that holds an address, or NULL.
 * Context: signal.  Allocates: no.  Locks: none. */
struct remapped_line *remapped_find(const struct remapped *r, uint64_t address);

/* The address in module m of the code that lies at an address of the line; 0 when it is not in m.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t remapped_in_module(const struct remapped *r, const struct remapped_line *line,
			    uint64_t address, const struct store_module_info *m);

/* Describes the mapping of an ELF file that is still at its path: its place, its bias and build id.
 * 0, -ENOMEM, -ESTALE (another file by now), -ENOEXEC (no ELF file, or no code there), or -errno.
 * Context: own (signal-safe).  Allocates: arena, a descriptor for a while.  Locks: none. */
int remapped_describe(const struct remapped_line *line, struct arena *a,
		      struct store_module_info *ret_module);

#endif
