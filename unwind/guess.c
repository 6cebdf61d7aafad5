/* SPDX-License-Identifier: MIT */
#include "unwind/guess.h"

#include <dlfcn.h>

#include "core/as_safe.h"

/* Copies words of code; false when they cannot be read, as in a gap of a module's mapping. */
static bool read_code(uint64_t at, uint64_t *words, unsigned n)
{
	if (!stack_probe(at) || !stack_probe(at + 8 * n - 1))
		return false;
	for (unsigned i = 0; i < n; i++)
		words[i] = stack_word(at + 8 * i);
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
	uint64_t code[2];
	const uint8_t *c = (const uint8_t *)code;

	if (!read_code(pc, code, 2))
		return false;
	if (memcmp(c, endbr64, sizeof endbr64) == 0)
		c += sizeof endbr64;
	if (c[0] == 0xf2)
		c++;
	if (c[0] == 0xff && c[1] == 0x25)
		return true;
	return c[0] == 0x68 && (c[5] == 0xe9 || (c[5] == 0xf2 && c[6] == 0xe9));
}

/* Length of an instruction "ff /2" (call through a register or memory) by its ModRM byte. */
static unsigned call_length(uint8_t modrm)
{
	unsigned mod = modrm >> 6, rm = modrm & 7;
	unsigned length = 2 + (mod != 3 && rm == 4); /* a SIB byte */

	if (mod == 1)
		length += 1;
	if (mod == 2 || (mod == 0 && rm == 5))
		length += 4;
	return length;
}

/* Does a call instruction end here? */
static bool after_call(uint64_t pc)
{
	uint64_t code;
	const uint8_t *end = (const uint8_t *)(&code + 1);

	if (!in_module(pc) || !read_code(pc - 8, &code, 1))
		return false;
	if (end[-5] == 0xe8)
		return true;
	for (unsigned length = 2; length <= 7; length++) {
		const uint8_t *at = end - length;

		if (at[0] == 0xff && (at[1] & 0x38) == 0x10 && call_length(at[1]) == length)
			return true;
	}
	return false;
}

/* add $8,%rsp; ret: the end of .init's function, behind its last call.  libcrypto's calls a function of
 * its own from there, so samples find it in the middle of a stack.  Also that of the code that CPython
 * 3.12 makes for -X perf, which leaves rbp to its caller. */
static bool at_end_of_padded(uint64_t pc)
{
	static const uint8_t end[] = {0x48, 0x83, 0xc4, 0x08, 0xc3};
	uint64_t code;

	return read_code(pc, &code, 1) && memcmp(&code, end, sizeof end) == 0;
}

static bool by_frame_pointer(struct stack_view *view, struct guess *f)
{
	uint64_t caller_bp, ra;

	if (f->bp < f->sp || f->bp % 8 != 0 || !stack_holds(view, f->bp, 16))
		return false;
	caller_bp = stack_word(f->bp);
	ra = stack_word(f->bp + 8);
	if (caller_bp <= f->bp && !in_module(ra))
		return false;
	f->pc = ra;
	f->sp = f->bp + 16;
	f->bp = caller_bp;
	return true;
}

/* Outside of modules a probe for each frame would be dear: first, is there a return address at all? */
static bool may_have_padding(struct stack_view *view, const struct guess *f)
{
	return f->in_module ||
	       (stack_holds(view, f->sp + 8, 8) && in_module(stack_word(f->sp + 8)));
}

static bool by_word_at_sp(struct stack_view *view, struct guess *f, uint64_t offset)
{
	uint64_t ra;

	if (!stack_holds(view, f->sp + offset, 8))
		return false;
	ra = stack_word(f->sp + offset);
	if (!after_call(ra))
		return false;
	f->pc = ra;
	f->sp += offset + 8;
	return true;
}

bool guess_caller(struct stack_view *view, struct guess *f)
{
	if (f->exact && f->in_module && at_plt_entry(f->pc) && stack_holds(view, f->sp, 8)) {
		f->pc = stack_word(f->sp);
		f->sp += 8;
		return true;
	}
	if (!f->exact && may_have_padding(view, f) && at_end_of_padded(f->pc) &&
	    by_word_at_sp(view, f, 8))
		return true;
	if (by_frame_pointer(view, f))
		return true;
	/* .init's function has 8 bytes of padding on the stack, crtstuff's nothing or a saved rbp.
	 */
	return f->exact && (by_word_at_sp(view, f, 0) || by_word_at_sp(view, f, 8));
}
