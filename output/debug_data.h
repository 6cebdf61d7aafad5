/* SPDX-License-Identifier: MIT */
/*
 * output/debug_data: .gnu_debugdata, an xz-compressed ELF file with a .symtab of what the stripped
 * file's .dynsym lacks (GDB manual, "MiniDebugInfo"); Fedora and its kin ship every file with one.
 *
 * liblzma decodes it.  What a damaged or hostile section may cost is bounded: the section, the
 * decoder's memory and the result each have a limit, and a section beyond one of them names nothing.
 */
#ifndef CPROF_OUTPUT_DEBUG_DATA_H
#define CPROF_OUTPUT_DEBUG_DATA_H

#include "core/arena.h"
#include "output/elf.h"

#define DEBUG_DATA_MAX	  ((size_t)64 << 20)  /* decompressed */
#define DEBUG_DATA_MEMORY ((size_t)256 << 20) /* for an arena: section, decoder, result twice */

/* Decompresses the section of e into the arena and opens it.  0, -ENOENT (no such section), -ENOEXEC
 * (damaged or beyond a limit), -ENOMEM, or the error of reading.
 * Context: own (signal-safe).  Allocates: arena, much; one of its own can be dropped early.
 * Locks: none. */
int debug_data_open(const struct elf *e, struct arena *a, struct elf *ret_inner);

#endif
