/* SPDX-License-Identifier: MIT */
/*
 * output/loaded: a module as it lies in this process's memory.
 *
 * A library that a package upgrade has replaced, or that somebody has removed, stays loaded, and with
 * it what the loader needs of it: .dynsym, which names its exported functions.  Its file can be
 * opened by its /proc/self/map_files link only with privileges.
 *
 * Memory is read through /proc/self/mem, so what is unmapped meanwhile is an error and not a fault.
 * What is found counts only with the recorded build id: the command may read the store of another
 * process.
 */
#ifndef CPROF_OUTPUT_LOADED_H
#define CPROF_OUTPUT_LOADED_H

#include "output/elf.h"

/* Opens what is loaded with this bias (run-time address - linked address): build id and .dynsym.  The
 * descriptor, or -ENOENT (no ELF header there), -ENOEXEC (damaged, or without a table), or -errno.
 * Stack use: 2 KiB.
 * Context: own (signal-safe).  Allocates: a descriptor.  Locks: none. */
int loaded_open(struct elf *e, uint64_t bias);

/* The second half of it: e says where to read, from `base` on; the rest is filled in.  0, -ENOENT or
 * -ENOEXEC.
 * Context: signal.  Allocates: no.  Locks: none. */
int loaded_read(struct elf *e);

#endif
