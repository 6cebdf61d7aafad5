/* SPDX-License-Identifier: MIT */
/*
 * output/plt: "name@plt" for the stubs by which a module calls other modules.
 *
 * No symbol covers a stub.  Its one jump reads a slot of the GOT, and a relocation says whose address
 * goes into that slot.  So the stub's bytes are decoded and its slot is looked for among the
 * relocations; the order of either says nothing (classic and IBT layouts, GNU ld, gold and lld differ
 * in it).  A stub that is bound lazily and has no jump of its own (".plt" beside ".plt.sec") pushes
 * the number of its relocation.  What the stubs share, the first entry of ".plt", has no name.
 *
 * A slot may be filled by a resolver of the module itself (IRELATIVE: memcpy inside libc).  Such a
 * stub is named after the symbol of its resolver, which the caller finds: struct plt_resolvers.
 *
 * The layouts: x86-64 psABI, "Procedure Linkage Table" and its IBT version.
 */
#ifndef CPROF_OUTPUT_PLT_H
#define CPROF_OUTPUT_PLT_H

#include <stdint.h>

#include "core/arena.h"
#include "output/addresses.h"
#include "output/elf.h"

struct plt_resolvers {
	struct address *list;  /* ascending; the caller names them */
	struct address **stub; /* of the caller's addresses, one for each */
	unsigned n;
};

/* Names what of n addresses lies in a stub of e, loaded at `bias`.  0, -ENOMEM, or the error of
 * reading.  Stack use: 9 KiB.
 * Context: signal.  Allocates: arena.  Locks: none. */
int plt_resolve(const struct elf *e, uint64_t bias, struct arena *a, struct address *list,
		unsigned n, struct plt_resolvers *ret_resolvers);

/* Gives the stubs of named resolvers their names.  0 or -ENOMEM.
 * Context: signal.  Allocates: arena.  Locks: none. */
int plt_name_by_resolvers(const struct plt_resolvers *r, struct arena *a);

#endif
