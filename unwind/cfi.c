/* SPDX-License-Identifier: MIT */
#include "unwind/cfi.h"

#include "unwind/cursor.h"

#include "core/as_safe.h"

enum {
	DW_CFA_nop = 0x00,
	DW_CFA_set_loc = 0x01,
	DW_CFA_advance_loc1 = 0x02,
	DW_CFA_advance_loc2 = 0x03,
	DW_CFA_advance_loc4 = 0x04,
	DW_CFA_offset_extended = 0x05,
	DW_CFA_restore_extended = 0x06,
	DW_CFA_undefined = 0x07,
	DW_CFA_same_value = 0x08,
	DW_CFA_register = 0x09,
	DW_CFA_remember_state = 0x0a,
	DW_CFA_restore_state = 0x0b,
	DW_CFA_def_cfa = 0x0c,
	DW_CFA_def_cfa_register = 0x0d,
	DW_CFA_def_cfa_offset = 0x0e,
	DW_CFA_def_cfa_expression = 0x0f,
	DW_CFA_expression = 0x10,
	DW_CFA_offset_extended_sf = 0x11,
	DW_CFA_def_cfa_sf = 0x12,
	DW_CFA_def_cfa_offset_sf = 0x13,
	DW_CFA_val_offset = 0x14,
	DW_CFA_val_offset_sf = 0x15,
	DW_CFA_val_expression = 0x16,
	DW_CFA_GNU_args_size = 0x2e,
	DW_CFA_GNU_negative_offset_extended = 0x2f,
	/* The two high bits, with an operand in the low six. */
	DW_CFA_advance_loc = 0x40,
	DW_CFA_offset = 0x80,
	DW_CFA_restore = 0xc0,
};

/* Compilers nest remember_state once, hand-written code twice; libunwind and libgcc have no bound.
 */
#define REMEMBERED_MAX 4

struct machine {
	const struct eh_fde *fde;
	uint64_t loc;	     /* the current row starts here */
	struct cfi_row *row; /* the caller's: the row being built */
	struct cfi_row initial;
	struct cfi_row remembered[REMEMBERED_MAX];
	unsigned remembered_count;
	bool bad;
};

/* Which tracked register this is; CFI_TRACKED for the others, whose rules are read and dropped. */
static unsigned tracked(const struct machine *m, uint64_t reg)
{
	if (reg == m->fde->ra_register)
		return CFI_RA;
	switch (reg) {
	case CFI_REG_RBX:
		return CFI_RBX;
	case CFI_REG_RBP:
		return CFI_RBP;
	case CFI_REG_RSP:
		return CFI_RSP;
	default:
		return CFI_TRACKED;
	}
}

static void set_rule(struct machine *m, uint64_t reg, enum cfi_how how, int64_t value)
{
	unsigned i = tracked(m, reg);

	if (i == CFI_TRACKED)
		return;
	if (value != (int32_t)value) {
		m->bad = true;
		return;
	}
	m->row->reg[i] = (struct cfi_rule){.how = (uint8_t)how, .value = (int32_t)value};
}

static void set_register_rule(struct machine *m, uint64_t reg, uint64_t from)
{
	unsigned i = tracked(m, reg);

	if (i == CFI_TRACKED)
		return;
	if (from > CFI_REG_RA) {
		m->bad = true;
		return;
	}
	m->row->reg[i] = (struct cfi_rule){.how = CFI_IN_REGISTER, .reg = (uint8_t)from};
}

static void restore_rule(struct machine *m, uint64_t reg)
{
	unsigned i = tracked(m, reg);

	if (i != CFI_TRACKED)
		m->row->reg[i] = m->initial.reg[i];
}

/* Reads a block and makes *rule refer to it. */
static void set_expression(struct machine *m, struct cursor *c, struct cfi_rule *rule,
			   enum cfi_how how)
{
	uint64_t length = cursor_uleb(c);
	int64_t distance = c->at - m->fde->program;

	if (!cursor_has(c, length) || length > UINT16_MAX || distance != (int32_t)distance) {
		m->bad = true;
		return;
	}
	*rule = (struct cfi_rule){
		.how = (uint8_t)how, .length = (uint16_t)length, .value = (int32_t)distance};
	c->at += length;
}

static void set_register_expression(struct machine *m, struct cursor *c, enum cfi_how how)
{
	unsigned i = tracked(m, cursor_uleb(c));
	struct cfi_rule dropped;

	set_expression(m, c, i == CFI_TRACKED ? &dropped : &m->row->reg[i], how);
}

static void set_cfa_offset(struct machine *m, int64_t offset)
{
	if (offset != (int32_t)offset || m->row->cfa.how != CFI_IN_REGISTER)
		m->bad = true;
	m->row->cfa.value = (int32_t)offset;
}

static void set_cfa_register(struct machine *m, uint64_t reg)
{
	/* def_cfa_register after an expression has no offset to keep (DWARF 5, 6.4.2.2). */
	if (reg >= CFI_REG_RA || m->row->cfa.how != CFI_IN_REGISTER)
		m->bad = true;
	m->row->cfa.reg = (uint8_t)reg;
}

static void set_cfa(struct machine *m, uint64_t reg, int64_t offset)
{
	m->row->cfa = (struct cfi_rule){.how = CFI_IN_REGISTER};
	set_cfa_register(m, reg);
	set_cfa_offset(m, offset);
}

/* Factored offsets of a damaged program may overflow, which is defined for unsigned only. */
static int64_t factored(const struct machine *m, int64_t n)
{
	return (int64_t)((uint64_t)n * (uint64_t)m->fde->data_align);
}

static void remember(struct machine *m)
{
	if (m->remembered_count == REMEMBERED_MAX)
		m->bad = true;
	else
		m->remembered[m->remembered_count++] = *m->row;
}

static void recall(struct machine *m)
{
	if (m->remembered_count == 0)
		m->bad = true;
	else
		*m->row = m->remembered[--m->remembered_count];
}

/* set_loc carries an address in the FDE's encoding.  No compiler emits it for x86-64; the two
 * fixed-size encodings are enough to keep hand-written code working. */
static uint64_t read_location(struct machine *m, struct cursor *c)
{
	uint64_t at = (uintptr_t)c->at;

	switch (m->fde->pc_encoding) {
	case 0x00:
		return cursor_u64(c);
	case 0x1b: /* pcrel | sdata4 */
		return at + (uint64_t)(int64_t)cursor_i32(c);
	default:
		m->bad = true;
		return 0;
	}
}

/* Everything but the three packed forms and the advances. */
static void run_extended(struct machine *m, struct cursor *c, uint8_t op)
{
	uint64_t reg;

	switch (op) {
	case DW_CFA_nop:
		break;
	case DW_CFA_offset_extended:
		reg = cursor_uleb(c);
		set_rule(m, reg, CFI_AT_CFA, factored(m, (int64_t)cursor_uleb(c)));
		break;
	case DW_CFA_offset_extended_sf:
		reg = cursor_uleb(c);
		set_rule(m, reg, CFI_AT_CFA, factored(m, cursor_sleb(c)));
		break;
	case DW_CFA_GNU_negative_offset_extended:
		reg = cursor_uleb(c);
		set_rule(m, reg, CFI_AT_CFA, factored(m, (int64_t)-cursor_uleb(c)));
		break;
	case DW_CFA_val_offset:
		reg = cursor_uleb(c);
		set_rule(m, reg, CFI_VALUE_CFA, factored(m, (int64_t)cursor_uleb(c)));
		break;
	case DW_CFA_val_offset_sf:
		reg = cursor_uleb(c);
		set_rule(m, reg, CFI_VALUE_CFA, factored(m, cursor_sleb(c)));
		break;
	case DW_CFA_restore_extended:
		restore_rule(m, cursor_uleb(c));
		break;
	case DW_CFA_undefined:
		set_rule(m, cursor_uleb(c), CFI_UNDEFINED, 0);
		break;
	case DW_CFA_same_value:
		set_rule(m, cursor_uleb(c), CFI_SAME, 0);
		break;
	case DW_CFA_register:
		reg = cursor_uleb(c);
		set_register_rule(m, reg, cursor_uleb(c));
		break;
	case DW_CFA_remember_state:
		remember(m);
		break;
	case DW_CFA_restore_state:
		recall(m);
		break;
	case DW_CFA_def_cfa:
		reg = cursor_uleb(c);
		set_cfa(m, reg, (int64_t)cursor_uleb(c));
		break;
	case DW_CFA_def_cfa_sf:
		reg = cursor_uleb(c);
		set_cfa(m, reg, factored(m, cursor_sleb(c)));
		break;
	case DW_CFA_def_cfa_register:
		set_cfa_register(m, cursor_uleb(c));
		break;
	case DW_CFA_def_cfa_offset:
		set_cfa_offset(m, (int64_t)cursor_uleb(c));
		break;
	case DW_CFA_def_cfa_offset_sf:
		set_cfa_offset(m, factored(m, cursor_sleb(c)));
		break;
	case DW_CFA_def_cfa_expression:
		set_expression(m, c, &m->row->cfa, CFI_VALUE_EXPR);
		break;
	case DW_CFA_expression:
		set_register_expression(m, c, CFI_AT_EXPR);
		break;
	case DW_CFA_val_expression:
		set_register_expression(m, c, CFI_VALUE_EXPR);
		break;
	case DW_CFA_GNU_args_size:
		cursor_uleb(c);
		break;
	default:
		m->bad = true;
		break;
	}
}

/* Runs until the program ends or its next row begins behind pc. */
static void run(struct machine *m, struct cursor *c, uint64_t pc)
{
	while (c->at < c->end && !m->bad && !c->bad) {
		uint8_t op = cursor_u8(c);
		uint64_t next;

		switch (op & 0xc0) {
		case DW_CFA_offset:
			set_rule(m, op & 0x3f, CFI_AT_CFA, factored(m, (int64_t)cursor_uleb(c)));
			continue;
		case DW_CFA_restore:
			restore_rule(m, op & 0x3f);
			continue;
		case DW_CFA_advance_loc:
			next = m->loc + (op & 0x3f) * m->fde->code_align;
			break;
		default:
			switch (op) {
			case DW_CFA_set_loc:
				next = read_location(m, c);
				break;
			case DW_CFA_advance_loc1:
				next = m->loc + cursor_u8(c) * m->fde->code_align;
				break;
			case DW_CFA_advance_loc2:
				next = m->loc + cursor_u16(c) * m->fde->code_align;
				break;
			case DW_CFA_advance_loc4:
				next = m->loc + cursor_u32(c) * m->fde->code_align;
				break;
			default:
				run_extended(m, c, op);
				continue;
			}
		}
		if (next > pc)
			return;
		m->loc = next;
	}
}

bool cfi_row_at(const struct eh_fde *fde, uint64_t pc, struct cfi_row *ret_row)
{
	struct machine m; /* not initialised as a whole: remembered[] is large and rarely used */
	struct cursor c = cursor_on(fde->cie_program, fde->cie_program_end);

	m.fde = fde;
	m.loc = fde->pc_begin;
	m.row = ret_row;
	m.remembered_count = 0;
	m.bad = false;
	memset(ret_row, 0, sizeof *ret_row); /* CFI_SAME everywhere */
	/* A row without a CFA is no row: said by a CFA that no expression gives. */
	ret_row->cfa.how = CFI_UNDEFINED;
	ret_row->reg[CFI_RSP].how = CFI_VALUE_CFA;
	m.initial = *ret_row;
	run(&m, &c, UINT64_MAX);
	if (m.bad || c.bad)
		return false;
	m.initial = *ret_row;
	c = cursor_on(fde->program, fde->program_end);
	run(&m, &c, pc);
	return !m.bad && !c.bad && ret_row->cfa.how != CFI_UNDEFINED;
}
