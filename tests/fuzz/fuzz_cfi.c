/* SPDX-License-Identifier: MIT */
/*
 * Unwind tables of any bytes: .eh_frame_hdr, .eh_frame, call frame programs, expressions.
 *
 * An input is two bytes, the place of .eh_frame_hdr in the module, and the bytes of the module.  Nothing
 * outside of them may be read.  Where the table is sorted, the quick reader gives what the full ones
 * give.  Expressions are run with memory that answers at random.
 */
#include "tests/fuzz/fuzz.h"

#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <string.h>

#include "unwind/cfi.h"
#include "unwind/ehframe.h"
#include "unwind/expr.h"
#include "unwind/quick.h"
#include "unwind/rule.h"

#define MODULE_MAX 8192u
#define ROWS_MAX   16u

/* At one place, since the quick reader remembers addresses; poisoned around the module. */
static _Alignas(4096) struct {
	uint8_t before[64], bytes[MODULE_MAX], after[64];
} space;

static bool any_register(void *arg, uint64_t reg, uint64_t *ret_value)
{
	(void)arg;
	*ret_value = reg * 0x9e3779b97f4a7c15u;
	return reg <= CFI_REG_RA;
}

static bool any_word(void *arg, uint64_t address, uint64_t *ret_value)
{
	(void)arg;
	*ret_value = address * 0xd6e8feb86659fd93u;
	return address % 16 != 1;
}

static void run_expression(const struct eh_fde *fde, const struct cfi_rule *rule)
{
	static const struct expr_machine machine = {.reg = any_register, .word = any_word};
	uint64_t value;

	if (rule->how != CFI_AT_EXPR && rule->how != CFI_VALUE_EXPR)
		return;
	(void)expr_run(&machine, cfi_expression(fde, rule), rule->length, true, 0x7000, &value);
	(void)expr_run(&machine, cfi_expression(fde, rule), rule->length, false, 0, &value);
}

/* What the full readers say about an address of an FDE. */
static bool ask_program(const struct eh_fde *fde, uint64_t pc, uint64_t *ret_rule)
{
	struct cfi_row row;

	if (!cfi_row_at(fde, pc, &row))
		return false;
	run_expression(fde, &row.cfa);
	for (unsigned i = 0; i < CFI_TRACKED; i++)
		run_expression(fde, &row.reg[i]);
	*ret_rule = rule_pack(fde, &row);
	return true;
}

static bool ask_all(const struct eh_module *m, uint64_t pc, struct eh_fde *fde, uint64_t *ret_rule)
{
	if (eh_find(m, pc, fde) != EH_FOUND)
		return false;
	CLAIM(fde->pc_begin <= pc && pc < fde->pc_end);
	CLAIM(fde->program >= m->lo && fde->program_end <= m->hi);
	CLAIM(fde->cie_program >= m->lo && fde->cie_program_end <= m->hi);
	return ask_program(fde, pc, ret_rule);
}

static void ask_both(const struct eh_module *m, uint64_t pc, _Atomic uintptr_t *cie, bool sorted)
{
	uint64_t rule = 0, first = 0, last = 0;
	struct quick_answer quick;
	struct eh_fde fde;
	bool full = ask_all(m, pc, &fde, &rule);

	if (!quick_find(m, pc, cie, &quick))
		return;
	CLAIM(quick.from <= pc && pc < quick.to);
	/* In a table without order each search has an answer of its own. */
	if (!sorted)
		return;
	CLAIM(full && rule == quick.rule);
	CLAIM(fde.pc_begin <= quick.from && quick.to <= fde.pc_end);
	CLAIM(ask_program(&fde, quick.from, &first) && first == rule);
	CLAIM(ask_program(&fde, quick.to - 1, &last) && last == rule);
}

static int32_t field(const struct eh_module *m, size_t at)
{
	int32_t v;

	memcpy(&v, m->hdr + at, sizeof v);
	return v;
}

/* Asks for the addresses around the rows of the table, if there is one. */
static void ask_rows(const struct eh_module *m, uint64_t seed)
{
	size_t room = (size_t)(m->hi - m->hdr);
	_Atomic uintptr_t cie = 0;
	bool sorted = true;
	uint32_t count;

	if (room < 12)
		return;
	count = (uint32_t)field(m, 8);
	if (count > (room - 12) / 8)
		count = (uint32_t)((room - 12) / 8);
	for (uint32_t i = 1; i < count; i++)
		sorted = sorted && field(m, 12 + 8 * i) > field(m, 4 + 8 * i);
	for (uint32_t i = 0; i < count && i < ROWS_MAX; i++) {
		uint64_t start = (uintptr_t)m->hdr + (uint64_t)(int64_t)field(m, 12 + 8 * i);

		ask_both(m, start - 1, &cie, sorted);
		ask_both(m, start, &cie, sorted);
		ask_both(m, start + 1, NULL, sorted);
		ask_both(m, start + seed % 256, &cie, sorted);
		ask_both(m, start + 0x100000, NULL, sorted);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct eh_fde fde;
	uint64_t rule;
	size_t hdr, n;

	if (size < 3 || size - 2 > MODULE_MAX)
		return 0;
	hdr = data[0] | (size_t)data[1] << 8;
	n = size - 2;
	ASAN_UNPOISON_MEMORY_REGION(&space, sizeof space);
	memcpy(space.bytes, data + 2, n);
	ASAN_POISON_MEMORY_REGION(space.before, sizeof space.before);
	ASAN_POISON_MEMORY_REGION(space.bytes + n, sizeof space - sizeof space.before - n);
	struct eh_module m = {
		.lo = space.bytes, .hi = space.bytes + n, .hdr = space.bytes + hdr % (n + 8)};
	(void)ask_all(&m, (uintptr_t)space.bytes, &fde, &rule);
	if (m.hdr < m.hi)
		ask_rows(&m, data[n + 1]);
	return 0;
}
