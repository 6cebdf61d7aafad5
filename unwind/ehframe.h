/* SPDX-License-Identifier: MIT */
/*
 * unwind/ehframe: from an address to the one frame description entry (FDE) that covers it.
 *
 * The invariant: every byte is read from inside the module's mapping [lo, hi) through a cursor, so
 * tables that are damaged or made up give EH_BAD and never a fault.  The formats are those of the
 * Linux Standard Base, "Exception Frames": .eh_frame_hdr (a sorted table) and .eh_frame.
 */
#ifndef CPROF_UNWIND_EHFRAME_H
#define CPROF_UNWIND_EHFRAME_H

#include <stdbool.h>
#include <stdint.h>

struct eh_module {
	const uint8_t *lo, *hi; /* the module's mapping */
	const uint8_t *hdr;	/* its .eh_frame_hdr; NULL when it has none */
};

struct eh_fde {
	const uint8_t *cie_program, *cie_program_end;
	const uint8_t *program, *program_end;
	uint64_t pc_begin, pc_end;
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_register;
	uint8_t pc_encoding;
	bool signal_frame; /* augmentation 'S': the caller was interrupted, its pc is exact */
};

enum eh_answer {
	EH_FOUND,
	EH_NONE,  /* nothing is known about this address */
	EH_ENTRY, /* nothing covers it, but a function starts at the very next byte */
	EH_BAD	  /* an encoding that we do not read, or damaged data */
};

/* Context: signal.  Allocates: no.  Locks: none (the caller keeps the module mapped, see gate.h).
 */
enum eh_answer eh_find(const struct eh_module *m, uint64_t pc, struct eh_fde *ret_fde);

#endif
