/* SPDX-License-Identifier: MIT */
#include "unwind/ehframe.h"

#include "unwind/cursor.h"

#include "core/as_safe.h"

/* Pointer encodings (LSB, "DWARF Exception Header Encoding"). */
enum {
	PE_ABSPTR = 0x00,
	PE_ULEB128 = 0x01,
	PE_UDATA2 = 0x02,
	PE_UDATA4 = 0x03,
	PE_UDATA8 = 0x04,
	PE_SLEB128 = 0x09,
	PE_SDATA2 = 0x0a,
	PE_SDATA4 = 0x0b,
	PE_SDATA8 = 0x0c,
	PE_FORMAT = 0x0f,
	PE_PCREL = 0x10,
	PE_DATAREL = 0x30,
	PE_BASE = 0x70,
	PE_INDIRECT = 0x80,
	PE_OMIT = 0xff,
};

/* Reads a pointer; `base` is what PE_DATAREL counts from.  An indirect pointer is not followed:
 * only personality routines use that, and they are skipped. */
static uint64_t read_pointer(struct cursor *c, uint8_t encoding, const uint8_t *base)
{
	uint64_t at = (uintptr_t)c->at, v;

	switch (encoding & PE_FORMAT) {
	case PE_ABSPTR:
	case PE_UDATA8:
	case PE_SDATA8:
		v = cursor_u64(c);
		break;
	case PE_UDATA2:
		v = cursor_u16(c);
		break;
	case PE_UDATA4:
		v = cursor_u32(c);
		break;
	case PE_SDATA2:
		v = (uint64_t)cursor_i16(c);
		break;
	case PE_SDATA4:
		v = (uint64_t)cursor_i32(c);
		break;
	case PE_ULEB128:
		v = cursor_uleb(c);
		break;
	case PE_SLEB128:
		v = (uint64_t)cursor_sleb(c);
		break;
	default:
		c->bad = true;
		return 0;
	}
	switch (encoding & PE_BASE) {
	case 0:
		return v;
	case PE_PCREL:
		return v + at;
	case PE_DATAREL:
		return v + (uintptr_t)base;
	default:
		c->bad = true;
		return 0;
	}
}

/* Reads the length field of a CIE or FDE and narrows the cursor to its body. */
static void enter_entry(struct cursor *c)
{
	uint64_t length = cursor_u32(c);

	if (length == 0xffffffff)
		length = cursor_u64(c);
	if (length == 0 || !cursor_has(c, length)) {
		c->bad = true;
		return;
	}
	c->end = c->at + length;
}

/* Everything of the CIE that unwinding needs.  Returns false when it is not one that we read;
 * *ret_augmented says whether FDEs carry a length of augmentation data. */
static bool read_cie(const struct eh_module *m, const uint8_t *at, struct eh_fde *fde,
		     bool *ret_augmented)
{
	struct cursor c = cursor_on(at, m->hi);
	const uint8_t *name, *data_end = NULL;
	uint8_t version;

	*ret_augmented = false;
	if (at < m->lo || at >= m->hi)
		return false;
	enter_entry(&c);
	if (cursor_u32(&c) != 0) /* the id of a CIE */
		return false;
	version = cursor_u8(&c);
	if (version != 1 && version != 3)
		return false;
	name = c.at;
	while (cursor_u8(&c) != 0)
		;
	if (c.bad)
		return false;
	fde->code_align = cursor_uleb(&c);
	fde->data_align = cursor_sleb(&c);
	fde->ra_register = version == 1 ? cursor_u8(&c) : cursor_uleb(&c);
	fde->pc_encoding = PE_ABSPTR;
	fde->signal_frame = false;
	if (*name == 'z') {
		uint64_t length = cursor_uleb(&c);

		if (!cursor_has(&c, length))
			return false;
		data_end = c.at + length;
		*ret_augmented = true;
		name++;
	}
	for (; *name; name++) {
		if (*name == 'R') {
			fde->pc_encoding = cursor_u8(&c);
		} else if (*name == 'L') {
			cursor_skip(&c, 1);
		} else if (*name == 'P') {
			uint8_t encoding = cursor_u8(&c);

			read_pointer(&c, encoding, m->hdr);
		} else if (*name == 'S') {
			fde->signal_frame = true;
		} else if (data_end) {
			break; /* 'z' tells where the data ends, so unknown letters can be passed
				  over */
		} else {
			return false;
		}
	}
	if (data_end)
		c.at = data_end;
	fde->cie_program = c.at;
	fde->cie_program_end = c.end;
	return !c.bad;
}

static enum eh_answer read_fde(const struct eh_module *m, const uint8_t *at, struct eh_fde *fde)
{
	struct cursor c = cursor_on(at, m->hi);
	const uint8_t *id_at;
	uint32_t cie_distance;
	bool augmented;

	if (at < m->lo || at >= m->hi)
		return EH_BAD;
	enter_entry(&c);
	id_at = c.at;
	cie_distance = cursor_u32(&c);
	if (c.bad || cie_distance == 0 || cie_distance > (uintptr_t)(id_at - m->lo) ||
	    !read_cie(m, id_at - cie_distance, fde, &augmented))
		return EH_BAD;
	fde->pc_begin = read_pointer(&c, fde->pc_encoding, m->hdr);
	fde->pc_end = fde->pc_begin + read_pointer(&c, fde->pc_encoding & PE_FORMAT, m->hdr);
	if (augmented)
		cursor_skip(&c, cursor_uleb(&c));
	fde->program = c.at;
	fde->program_end = c.end;
	return c.bad ? EH_BAD : EH_FOUND;
}

/* One row of the table: two signed distances from the header, of the function and of its FDE. */
static uint64_t table_address(const struct eh_module *m, const uint8_t *field)
{
	int32_t distance;

	memcpy(&distance, field, sizeof distance);
	return (uintptr_t)m->hdr + (uint64_t)(int64_t)distance;
}

enum eh_answer eh_find(const struct eh_module *m, uint64_t pc, struct eh_fde *ret_fde)
{
	struct cursor c;
	uint8_t frame_encoding, count_encoding, table_encoding;
	uint64_t count, low = 0, high;
	const uint8_t *table;
	enum eh_answer answer;

	if (!m->hdr)
		return EH_NONE;
	if (m->hdr < m->lo || m->hdr >= m->hi)
		return EH_BAD;
	c = cursor_on(m->hdr, m->hi);
	if (cursor_u8(&c) != 1)
		return EH_BAD;
	frame_encoding = cursor_u8(&c);
	count_encoding = cursor_u8(&c);
	table_encoding = cursor_u8(&c);
	/* Linkers write exactly this table or none.  Without one a search would read all of
	 * .eh_frame, which has no bound that a handler could accept. */
	if (count_encoding == PE_OMIT || table_encoding != (PE_DATAREL | PE_SDATA4))
		return EH_BAD;
	read_pointer(&c, frame_encoding, m->hdr);
	count = read_pointer(&c, count_encoding, m->hdr);
	if (c.bad || count > cursor_left(&c) / 8)
		return EH_BAD;
	table = c.at;
	/* The last row that starts at or before pc is low - 1. */
	for (high = count; low < high;) {
		uint64_t middle = low + (high - low) / 2;

		if (table_address(m, table + 8 * middle) <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	answer = EH_NONE;
	if (low > 0) {
		uint64_t fde_at = table_address(m, table + 8 * (low - 1) + 4);

		answer = read_fde(m, (const uint8_t *)(uintptr_t)fde_at, ret_fde);
		if (answer == EH_FOUND && (pc < ret_fde->pc_begin || pc >= ret_fde->pc_end))
			answer = EH_NONE;
	}
	if (answer == EH_NONE && low < count && table_address(m, table + 8 * low) == pc + 1)
		answer = EH_ENTRY;
	return answer;
}
