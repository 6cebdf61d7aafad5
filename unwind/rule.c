/* SPDX-License-Identifier: MIT */
#include "unwind/rule.h"

#include "unwind/cursor.h"

#include "core/as_safe.h"

struct rule_set rule_sets[1 << RULE_SETS_LOG2];

enum { OP_DEREF = 0x06, OP_PLUS_UCONST = 0x23, OP_LIT0 = 0x30, OP_BREG0 = 0x70 };

static bool fits(int64_t v, unsigned bits)
{
	return v >= -((int64_t)1 << (bits - 1)) && v < (int64_t)1 << (bits - 1);
}

static uint64_t field(int64_t v, unsigned shift, unsigned bits)
{
	return ((uint64_t)v & (((uint64_t)1 << bits) - 1)) << shift;
}

/* "breg N offset" at the start of an expression. */
static bool read_breg(struct cursor *c, unsigned *ret_reg, int64_t *ret_offset)
{
	uint8_t op = cursor_u8(c);

	*ret_reg = (unsigned)op - OP_BREG0;
	*ret_offset = cursor_sleb(c);
	return !c->bad && *ret_reg < CFI_REG_RA;
}

/* The linker's expression for lazy PLT entries (elf_x86_64_eh_frame_plt in binutils):
 * rsp + 8 + ((rip & 15) >= N) * 8; N depends on the kind of PLT. */
static bool pack_plt(struct cursor c, uint64_t *ret_rule)
{
	static const uint8_t head[] = {0x77, 0x08, 0x80, 0x00, 0x3f, 0x1a};
	static const uint8_t tail[] = {0x2a, 0x33, 0x24, 0x22};
	unsigned n;

	if (cursor_left(&c) != sizeof head + 1 + sizeof tail ||
	    memcmp(c.at, head, sizeof head) != 0 ||
	    memcmp(c.at + sizeof head + 1, tail, sizeof tail) != 0)
		return false;
	n = (unsigned)c.at[sizeof head] - OP_LIT0;
	if (n > 15)
		return false;
	*ret_rule = RULE_PLT | field(n, 3, 4) | field(8, 8, 28);
	return true;
}

static bool pack_cfa(const struct eh_fde *fde, const struct cfi_row *row, uint64_t *ret_rule)
{
	const uint8_t *expression = cfi_expression(fde, &row->cfa);
	struct cursor c;
	int64_t offset, addend = 0;
	unsigned reg;

	if (row->cfa.how == CFI_IN_REGISTER) {
		*ret_rule = RULE_CFA | field(row->cfa.reg, 3, 4) | field(row->cfa.value, 8, 28);
		return fits(row->cfa.value, 28);
	}
	c = cursor_on(expression, expression + row->cfa.length);
	if (pack_plt(c, ret_rule))
		return true;
	/* "deref(reg + offset)", gcc's realigned stacks; the same "+ 8", OpenSSL's assembly. */
	if (!read_breg(&c, &reg, &offset) || cursor_u8(&c) != OP_DEREF || !fits(offset, 28))
		return false;
	if (cursor_left(&c) != 0 && cursor_u8(&c) == OP_PLUS_UCONST)
		addend = (int64_t)cursor_uleb(&c);
	if (c.bad || cursor_left(&c) != 0 || (addend != 0 && addend != 8))
		return false;
	*ret_rule = RULE_DEREF | field(reg, 3, 4) | field(addend >> 3, 7, 1) | field(offset, 8, 28);
	return true;
}

/* How rbp or rbx is saved, into the 14 bits at shift. */
static bool pack_saved(const struct eh_fde *fde, const struct cfi_rule *rule, unsigned shift,
		       uint64_t *rule_bits)
{
	const uint8_t *expression = cfi_expression(fde, rule);
	enum rule_saved how;
	int64_t offset = 0;
	struct cursor c;
	unsigned reg;

	switch (rule->how) {
	case CFI_SAME:
		how = SAVED_NOT;
		break;
	case CFI_UNDEFINED:
		how = SAVED_LOST;
		break;
	case CFI_AT_CFA:
		how = SAVED_AT_CFA;
		offset = rule->value;
		break;
	case CFI_AT_EXPR:
		how = SAVED_AT_RBP;
		c = cursor_on(expression, expression + rule->length);
		if (!read_breg(&c, &reg, &offset) || reg != CFI_REG_RBP || cursor_left(&c) != 0)
			return false;
		break;
	default:
		return false;
	}
	if (offset % 8 != 0 || !fits(offset / 8, 12))
		return false;
	*rule_bits |= field(how, shift, 2) | field(offset / 8, shift + 2, 12);
	return true;
}

uint64_t rule_pack(const struct eh_fde *fde, const struct cfi_row *row)
{
	const struct cfi_rule *rsp = &row->reg[CFI_RSP], *ra = &row->reg[CFI_RA];
	uint64_t rule;

	if (fde->signal_frame)
		return RULE_SIGNAL;
	/* A return address that is "the same" as in the caller means that nobody said where it is.
	 */
	if (ra->how == CFI_UNDEFINED)
		return RULE_ROOT;
	if (ra->how == CFI_SAME)
		return RULE_UNSUPPORTED;
	if (ra->how == CFI_AT_CFA && ra->value == -8 && rsp->how == CFI_VALUE_CFA &&
	    rsp->value == 0 && pack_cfa(fde, row, &rule) &&
	    pack_saved(fde, &row->reg[CFI_RBP], 36, &rule) &&
	    pack_saved(fde, &row->reg[CFI_RBX], 50, &rule))
		return rule;
	return RULE_WIDE;
}

/* The new rule takes the first slot, the last one is given up: a key names its addresses, so it is
 * good in any slot of its set. */
void rule_put(uint64_t address, uint64_t from, uint64_t to, uint64_t salt, uint64_t rule)
{
	struct rule_slot *slot = rule_set(address)->slot;
	uint64_t start = address / RULE_BLOCK * RULE_BLOCK, last = start + RULE_BLOCK - 1;
	uint64_t range;

	if (from > start)
		start = from;
	if (to - 1 < last)
		last = to - 1;
	range = address / RULE_BLOCK << 20 | start % RULE_BLOCK << 10 | last % RULE_BLOCK;
	/* relaxed, all: see rule_get. */
	for (unsigned i = RULE_WAYS - 1; i > 0; i--) {
		uint64_t key = atomic_load_explicit(&slot[i - 1].key, memory_order_relaxed);
		uint64_t old = atomic_load_explicit(&slot[i - 1].rule, memory_order_relaxed);

		atomic_store_explicit(&slot[i].key, key, memory_order_relaxed);
		atomic_store_explicit(&slot[i].rule, old, memory_order_relaxed);
	}
	atomic_store_explicit(&slot->key, rule_range(range, rule, salt), memory_order_relaxed);
	atomic_store_explicit(&slot->rule, rule, memory_order_relaxed);
}
