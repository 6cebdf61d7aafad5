/* SPDX-License-Identifier: MIT */
#include "unwind/guess.h"

#include <dlfcn.h>

#include "core/as_safe.h"

static uint64_t word_at(uint64_t address)
{
	return *(const uint64_t *)(uintptr_t)address;
}

/* Copies n bytes of code; false when they cannot be read, as in a gap of a module's mapping. */
static bool read_code(uint64_t at, uint8_t *bytes, unsigned n)
{
	if (!stack_probe(at) || !stack_probe(at + n - 1))
		return false;
	memcpy(bytes, (const void *)(uintptr_t)at, n);
	return true;
}

static bool in_module(uint64_t pc)
{
	struct dl_find_object found;

	return _dl_find_object((void *)(uintptr_t)pc, &found) == 0;
}

/* [endbr64] [bnd] jmp *x(%rip), or [endbr64] push $n; [bnd] jmp: nothing was pushed yet. */
static bool at_plt_entry(uint64_t pc)
{
	static const uint8_t endbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};
	uint8_t code[16], *c = code;

	if (!read_code(pc, code, sizeof code))
		return false;
	if (memcmp(c, endbr64, sizeof endbr64) == 0)
		c += sizeof endbr64;
	if (c[0] == 0xf2)
		c++;
	if (c[0] == 0xff && c[1] == 0x25)
		return true;
	return c[0] == 0x68 && (c[5] == 0xe9 || (c[5] == 0xf2 && c[6] == 0xe9));
}

/* Does a call instruction end here?  The five forms that compilers use. */
static bool after_call(uint64_t pc)
{
	uint8_t c[6];

	if (!in_module(pc) || !read_code(pc - sizeof c, c, sizeof c))
		return false;
	return c[1] == 0xe8 || (c[0] == 0xff && c[1] == 0x15) ||
	       (c[0] == 0xff && (c[1] & 0xf8) == 0x90) || (c[3] == 0xff && (c[4] & 0xf8) == 0x50) ||
	       (c[4] == 0xff && (c[5] & 0xf8) == 0xd0);
}

static bool by_frame_pointer(struct stack_view *view, struct guess *f)
{
	uint64_t caller_bp, ra;

	if (f->bp < f->sp || f->bp % 8 != 0 || !stack_holds(view, f->bp, 16))
		return false;
	caller_bp = word_at(f->bp);
	ra = word_at(f->bp + 8);
	if (caller_bp <= f->bp && !in_module(ra))
		return false;
	f->pc = ra;
	f->sp = f->bp + 16;
	f->bp = caller_bp;
	return true;
}

static bool by_word_at_sp(struct stack_view *view, struct guess *f, uint64_t offset)
{
	uint64_t ra;

	if (!stack_holds(view, f->sp + offset, 8))
		return false;
	ra = word_at(f->sp + offset);
	if (!after_call(ra))
		return false;
	f->pc = ra;
	f->sp += offset + 8;
	return true;
}

bool guess_caller(struct stack_view *view, struct guess *f)
{
	if (f->exact && f->in_module && at_plt_entry(f->pc) && stack_holds(view, f->sp, 8)) {
		f->pc = word_at(f->sp);
		f->sp += 8;
		return true;
	}
	if (by_frame_pointer(view, f))
		return true;
	/* .init's function has 8 bytes of padding on the stack, crtstuff's nothing or a saved rbp.
	 */
	return f->exact && (by_word_at_sp(view, f, 0) || by_word_at_sp(view, f, 8));
}
