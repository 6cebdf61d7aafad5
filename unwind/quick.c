/* SPDX-License-Identifier: MIT */
#include "unwind/quick.h"

#include <string.h>

#include "core/hot.h"
#include "unwind/rule.h"

#include "core/as_safe.h"

/* Only what all of an instruction's operands can take is checked at its end: no instruction that is
 * read here is longer, and the mapping must go on for this long behind the program. */
#define SLACK 8

static uint32_t word32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

static uint64_t word64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

static uint64_t distant(const uint8_t *from, const uint8_t *field)
{
	return (uintptr_t)from + (uint64_t)(int64_t)(int32_t)word32(field);
}

/* Page of code -> a row of it in the module's table, with 12 more bits of the address. */
static _Atomic uint32_t hints[QUICK_HINTS];

void quick_expect(uint64_t pc)
{
	__builtin_prefetch(&hints[quick_hint(pc)]);
}

static int64_t row_start(const uint8_t *table, uint64_t row)
{
	return (int32_t)word32(table + 8 * row);
}

/* The row of .eh_frame_hdr's table that pc belongs to; NULL when it has another form or none. */
static const uint8_t *find_row(const struct eh_module *m, uint64_t pc)
{
	const uint8_t *table = m->hdr + 12;
	uint64_t low = 0, high, count;
	_Atomic uint32_t *hint;
	uint32_t was;
	int64_t distance = (int64_t)(pc - (uintptr_t)m->hdr);

	/* Version 1, pointer pcrel sdata4, count udata4, table datarel sdata4. */
	if (!m->hdr || m->hdr < m->lo || m->hi - m->hdr < 12 || word32(m->hdr) != 0x3b031b01 ||
	    distance != (int32_t)distance)
		return NULL;
	high = word32(m->hdr + 8);
	if (high > (uint64_t)(m->hi - table) / 8)
		return NULL;
	count = high;
	/* From the row of the last search in this page, in growing steps; then between two rows. */
	hint = &hints[quick_hint(pc)];
	was = atomic_load_explicit(hint, memory_order_relaxed);
	if (was >> 20 == (pc >> 24 & 0xfff) && (was & 0xfffff) < count) {
		uint64_t step = 1;

		low = was & 0xfffff;
		if (row_start(table, low) <= distance) {
			for (low++; low + step < count; step *= 2) {
				if (row_start(table, low + step - 1) > distance) {
					high = low + step - 1;
					break;
				}
				low += step;
			}
		} else {
			high = low;
			low = 0;
			for (; step <= high; step *= 2) {
				if (row_start(table, high - step) <= distance) {
					low = high - step + 1;
					break;
				}
				high -= step;
			}
		}
	}
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (row_start(table, middle) <= distance)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && low <= 0x100000)
		atomic_store_explicit(hint, (uint32_t)((pc >> 24 & 0xfff) << 20 | (low - 1)),
				      memory_order_relaxed);
	return low ? table + 8 * (low - 1) : NULL;
}

/* The state that a program changes.  Saved registers: distance below the CFA in words, 0 when the
 * register was not saved. */
struct state {
	uint32_t reg, offset, rbp, rbx;
};

/* Is this the CIE that gcc and clang write for x86-64, without or with a personality routine?
 * Alignments 1 and -8, pcrel sdata4 addresses; CFA = rsp + 8 and the return address at CFA - 8. */
static bool is_ordinary_cie(const uint8_t *at)
{
	uint64_t head = word64(at); /* length, id */

	/* 1 "zR" 1 -8 16 | 1 byte: 1b | def_cfa rsp 8, offset 16 1, nop nop */
	if (head == 0x14)
		return word64(at + 8) == 0x0110780100527a01 &&
		       word64(at + 16) == 0x0000019008070c1b;
	/* 1 "zPLR" 1 -8 16 | 7 bytes: 1b or 9b ........ ?? 1b | the same */
	return head == 0x1c && word64(at + 8) == 0x780100524c507a01 &&
	       (word32(at + 16) & 0x7fffff) == 0x1b0710 && word64(at + 24) == 0x0000019008070c1b;
}

/* Runs the program up to pc; false when it uses anything out of the ordinary.  at[0..SLACK) behind
 * end can be read. */
static bool run(const uint8_t *at, const uint8_t *end, uint64_t pc, struct state *state,
		struct quick_answer *answer)
{
	struct state now = {.reg = CFI_REG_RSP, .offset = 8}, remembered = {0};
	uint64_t loc = answer->from;

	while (at < end) {
		uint32_t op = *at++, n = op & 0x3f;

		if (op >> 6 == 1) { /* advance_loc */
		advance:
			if (loc + n > pc) {
				answer->to = loc + n < answer->to ? loc + n : answer->to;
				break;
			}
			loc += n;
		} else if (op == 0x0e) { /* def_cfa_offset */
			n = *at++;
			if (n >= 0x80) {
				uint32_t high = *at++;

				if (high >= 0x80)
					return false;
				n = (n & 0x7f) | high << 7;
			}
			now.offset = n;
		} else if (op >> 6 == 2) { /* offset */
			uint32_t words = *at++;

			if (words == 0 || words >= 0x80)
				return false;
			if (n == CFI_REG_RBP)
				now.rbp = words;
			else if (n == CFI_REG_RBX)
				now.rbx = words;
			else if (n == CFI_REG_RSP || n == CFI_REG_RA)
				return false;
		} else if (op == 0x0a) { /* remember_state */
			if (remembered.offset)
				return false;
			remembered = now;
		} else if (op == 0x0b) { /* restore_state */
			if (!remembered.offset)
				return false;
			now = remembered;
			remembered.offset = 0;
		} else if (op >> 6 == 3) { /* restore */
			if (n == CFI_REG_RBP)
				now.rbp = 0;
			else if (n == CFI_REG_RBX)
				now.rbx = 0;
			else if (n == CFI_REG_RSP || n == CFI_REG_RA)
				return false;
		} else if (op == 0x02) { /* advance_loc1 */
			n = *at++;
			goto advance;
		} else if (op == 0x03) { /* advance_loc2 */
			n = at[0] | (uint32_t)at[1] << 8;
			at += 2;
			goto advance;
		} else if (op == 0x0c && at[0] < CFI_REG_RA && at[1] < 0x80) { /* def_cfa */
			now.reg = at[0];
			now.offset = at[1];
			at += 2;
		} else if (op == 0x0d && at[0] < CFI_REG_RA) { /* def_cfa_register */
			now.reg = *at++;
		} else if (op != 0) { /* nop */
			return false;
		}
	}
	answer->from = loc;
	*state = now;
	return at <= end;
}

HOT_PATH bool quick_find(const struct eh_module *m, uint64_t pc, _Atomic uintptr_t *known_cie,
			 struct quick_answer *ret_answer)
{
	const uint8_t *row = find_row(m, pc), *fde, *cie, *program, *end;
	struct state state;
	uint64_t length;

	if (!row)
		return false;
	fde = (const uint8_t *)(uintptr_t)distant(m->hdr, row + 4);
	if (fde < m->lo || fde >= m->hi || m->hi - fde < 32)
		return false;
	length = word32(fde);
	if (length < 13 || length + 4 + SLACK > (uint64_t)(m->hi - fde))
		return false;
	end = fde + 4 + length;
	cie = fde + 4 - word32(fde + 4);
	if (word32(fde + 4) > (uint64_t)(fde + 4 - m->lo) || m->hi - cie < 32)
		return false;
	if (!known_cie || atomic_load_explicit(known_cie, memory_order_relaxed) != (uintptr_t)cie) {
		if (!is_ordinary_cie(cie))
			return false;
		if (known_cie)
			atomic_store_explicit(known_cie, (uintptr_t)cie, memory_order_relaxed);
	}
	ret_answer->from = distant(fde + 8, fde + 8);
	ret_answer->to = ret_answer->from + word32(fde + 12);
	if (pc < ret_answer->from || pc >= ret_answer->to || (int32_t)word32(fde + 12) < 0 ||
	    fde[16] >= 0x80)
		return false;
	program = fde + 17 + fde[16];
	if (!run(program, end, pc, &state, ret_answer))
		return false;
	ret_answer->rule = RULE_CFA | state.reg << 3 | (uint64_t)state.offset << 8;
	if (state.rbp)
		ret_answer->rule |=
			(uint64_t)SAVED_AT_CFA << 36 | ((0 - (uint64_t)state.rbp) & 0xfff) << 38;
	if (state.rbx)
		ret_answer->rule |= (uint64_t)SAVED_AT_CFA << 50 | (0 - (uint64_t)state.rbx) << 52;
	return true;
}
