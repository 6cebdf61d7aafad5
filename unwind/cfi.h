/* SPDX-License-Identifier: MIT */
/*
 * unwind/cfi: runs the call frame program of one FDE up to one address.
 *
 * The result is a row: how the canonical frame address (CFA) is computed and where the caller's
 * rbx, rbp, rsp and return address are.  Other registers are not followed from frame to frame: no
 * code that we have seen computes a CFA from one of them except in its innermost frame, where the
 * interrupted context has them all.  Meaning of the instructions: DWARF 5, section 6.4, and the
 * System V ABI for x86-64.
 *
 * The invariant: a program of any bytes ends, reads nothing outside its bounds, and gives a row or
 * false.
 */
#ifndef CPROF_UNWIND_CFI_H
#define CPROF_UNWIND_CFI_H

#include <stdbool.h>
#include <stdint.h>

#include "unwind/ehframe.h"

/* DWARF's register numbers (System V ABI for x86-64, figure 3.36). */
enum { CFI_REG_RBX = 3, CFI_REG_RBP = 6, CFI_REG_RSP = 7, CFI_REG_RA = 16 };

enum cfi_how {
	CFI_SAME,	 /* the caller's value is still in the register */
	CFI_UNDEFINED,	 /* nobody has it; for the return address: there is no caller */
	CFI_AT_CFA,	 /* saved at CFA + value */
	CFI_VALUE_CFA,	 /* is CFA + value */
	CFI_IN_REGISTER, /* is in register reg; for the CFA: reg + value */
	CFI_AT_EXPR,	 /* saved at the address that an expression gives */
	CFI_VALUE_EXPR	 /* is what an expression gives */
};

/* 8 bytes, because a row exists ten times in the interpreter's frame inside a handler. */
struct cfi_rule {
	uint8_t how; /* enum cfi_how */
	uint8_t reg;
	uint16_t length; /* of the expression in bytes */
	int32_t value;	 /* offset; for an expression its distance from the FDE's program */
};

enum { CFI_RBX, CFI_RBP, CFI_RSP, CFI_RA, CFI_TRACKED };

struct cfi_row {
	struct cfi_rule cfa, reg[CFI_TRACKED];
};

/* The row that holds at pc; false when the program is damaged or uses what we do not know.
 * Context: signal.  Allocates: no.  Locks: none. */
bool cfi_row_at(const struct eh_fde *fde, uint64_t pc, struct cfi_row *ret_row);

/* The bytes of a rule's expression. */
static inline const uint8_t *cfi_expression(const struct eh_fde *fde, const struct cfi_rule *rule)
{
	return fde->program + rule->value;
}

#endif
