/* SPDX-License-Identifier: MIT */
/*
 * output/vdso: the code that the kernel maps into every process, as an ELF image in our own memory.
 *
 * It is the same in all processes of one boot, so the command finds in its own what a dead process
 * had; another kernel's is told by the build id.
 */
#ifndef CPROF_OUTPUT_VDSO_H
#define CPROF_OUTPUT_VDSO_H

#include "output/elf.h"

/* 0, -ENOENT when this process has none, or -ENOEXEC.
 * Context: own (signal-safe).  Allocates: no.  Locks: none. */
int vdso_open(struct elf *e);

#endif
