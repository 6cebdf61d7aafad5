/* SPDX-License-Identifier: MIT */
/*
 * output/symbols: linkage names for addresses of one loaded module.
 *
 * A wrong name is worse than none.  So the file's build id must be the one that was recorded when
 * the module was loaded (a replaced binary names nothing), and an address is named only by a symbol
 * that covers it: code outside every symbol is left to the caller, who shows the module instead.
 *
 * Where several symbols cover an address the choice is the same in every run: the one that starts
 * last (the innermost), then FUNC and IFUNC before NOTYPE, global and weak (the vdso: global before weak) before local, fewer
 * leading underscores, the shorter name, the smaller in strcmp's order.
 */
#ifndef CPROF_OUTPUT_SYMBOLS_H
#define CPROF_OUTPUT_SYMBOLS_H

#include <stdint.h>

#include "core/arena.h"
#include "core/store_view.h"
#include "output/addresses.h"

#define SYMBOL_NAME_MAX 2048u /* longer names are cut, a NUL included */

struct symbols_module {
	struct store_module_info info;
	const char *path;	      /* absolute; the link of /proc/self/exe when info has none */
	uint64_t process_realtime_ns; /* when the store was made */
	uint64_t mapped_start, mapped_limit; /* of the segment and of what is named, in pages */
	/* Result: the path as in /proc/PID/maps (symbolic links resolved, " (deleted)" stripped).
	 */
	const char *canonical_path;
};

/* Names what can be named of n addresses, sorted and inside the module.  Files that are tried: the
 * path, the main program's /proc/self/exe, the segment's /proc/self/map_files link (both fit only
 * when this process runs the same binary, which the build id tells).  From the one that fits come
 * its PLT, symtab and dynsym; what is still unnamed is looked for in its debug file, then in its
 * .gnu_debugdata.  Where no file fits, exported functions are read from our own memory when the module
 * is there, and the debug file is found by the recorded build id alone.  The
 * vdso is read from our own memory when its build id is the recorded one.  Of a damaged file whose names
 * would take more than a sixteenth of what the arena may have, the rest stays unnamed.  0 or the error of the last
 * file; -ESTALE: no file with the recorded build id.  Stack use: 24 KiB.
 * Context: own (signal-safe).  Allocates: arena, and for a while one of its own.  Locks: none. */
int symbols_resolve(struct symbols_module *m, struct arena *a, struct address *addresses,
		    unsigned n);

/* Gives back what a symbols_resolve() that was killed in the middle has left.
 * Context: signal.  Locks: none. */
void symbols_forget(void);

/* In the child of fork: what a dump of the parent's was working with is not there.
 * Context: signal.  Locks: none. */
void symbols_after_fork(void);

#endif
