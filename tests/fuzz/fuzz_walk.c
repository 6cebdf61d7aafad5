/* SPDX-License-Identifier: MIT */
/*
 * The whole unwinder on a stack, registers and unwind tables of any content.
 *
 * An input is
 *   1 byte flags, 17 words of registers, 1 byte place of .eh_frame_hdr, 2 bytes n,
 *   n bytes of tables, then words of the stack, from sp's usual place upwards;
 * a word is 3 bytes: what it is (see word()) and 16 bits.
 *
 * Stack and module lie at fixed addresses.  The pages around the stack cannot be read, the module is
 * poisoned behind its tables.  Where the tables are in order, a walk gives the same with rules cached or
 * not.
 */
#include "tests/fuzz/fuzz.h"

#include <dlfcn.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "unwind/ehframe.h"
#include "unwind/resident.h"
#include "unwind/unwind.h"

#define MODULE	     ((uint8_t *)0x300000000000)
#define CODE_BYTES   0x10000u /* then the tables */
#define MODULE_BYTES 0x12000u
#define STACK	     ((uint8_t *)0x200000000000)
#define STACK_BYTES  0x2000u
#define SP_AT	     0x100u
#define FRAMES_MAX   40u
#define PAGE	     4096u

enum { OWN_KNOWN = 1, ALTERNATE = 2, RESIDENT = 4 };

static struct eh_module module;

static int find_object(void *address, struct dl_find_object *ret_object)
{
	if ((uint8_t *)address < MODULE || (uint8_t *)address >= MODULE + MODULE_BYTES)
		return -1;
	*ret_object = (struct dl_find_object){
		.dlfo_map_start = MODULE,
		.dlfo_map_end = (void *)(uintptr_t)module.hi,
		.dlfo_eh_frame = (void *)(uintptr_t)module.hdr,
	};
	return 0;
}

static void map_at(uint8_t *at, size_t bytes, int protection)
{
	CLAIM(mmap(at, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		   0) == at);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	/* endbr64; jmp *(rip) / call rel32; call *rax / add $8, rsp; ret / push n; jmp */
	static const uint8_t code[32] = {
		0xf3, 0x0f, 0x1e, 0xfa, 0xff, 0x25, 0,	  0, 0, 0, 0xe8, 0,    0, 0, 0, 0xff,
		0xd0, 0x48, 0x83, 0xc4, 0x08, 0xc3, 0x68, 1, 0, 0, 0,	 0xe9, 0, 0, 0, 0};

	(void)argc, (void)argv;
	map_at(MODULE, MODULE_BYTES, PROT_READ | PROT_WRITE);
	map_at(STACK - PAGE, PAGE, PROT_NONE);
	map_at(STACK, STACK_BYTES, PROT_READ | PROT_WRITE);
	map_at(STACK + STACK_BYTES, PAGE, PROT_NONE);
	for (unsigned i = 0; i < CODE_BYTES; i += sizeof code)
		memcpy(MODULE + i, code, sizeof code);
	fuzz_find_object = find_object;
	return 0;
}

static uint64_t word(struct fuzz_input *in)
{
	unsigned what = (unsigned)fuzz_take(in, 1);
	uint64_t v = fuzz_take(in, 2);

	switch (what % 5) {
	case 0:
		return v;
	case 1:
		return (uintptr_t)STACK + v % (2 * STACK_BYTES) - 0x40;
	case 2:
		return (uintptr_t)MODULE + v;
	case 3:
		return (uint64_t)(int64_t)(int16_t)v;
	default:
		return v * 0x9e3779b97f4a7c15u;
	}
}

static int32_t field(const uint8_t *at)
{
	int32_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

/* Is the table sorted, and has each row an FDE of its own that ends before the next? */
static bool in_order(void)
{
	uint64_t last_end = 0;
	uint32_t count;

	if (module.hi - module.hdr < 12)
		return true;
	count = (uint32_t)field(module.hdr + 8);
	if (count > (size_t)(module.hi - module.hdr - 12) / 8)
		return true; /* refused by all */
	for (uint32_t i = 0; i < count; i++) {
		uint64_t start =
			(uintptr_t)module.hdr + (uint64_t)(int64_t)field(module.hdr + 12 + 8 * i);
		struct eh_fde fde;

		if (start < last_end || eh_find(&module, start, &fde) != EH_FOUND ||
		    fde.pc_begin != start)
			return false;
		last_end = fde.pc_end;
	}
	return true;
}

struct walk {
	struct uw_result result;
	uint64_t pc[FRAMES_MAX];
};

static void walk(struct walk *w, const ucontext_t *uc, const struct uw_stack *own, unsigned max)
{
	memset(w, 0, sizeof *w);
	w->result = uw_from_context(uc, own, w->pc, max);
	CLAIM(w->result.depth >= 1 && w->result.depth <= max);
	CLAIM(w->result.end <= UW_END_BUSY);
	for (unsigned i = 1; i < w->result.depth; i++)
		CLAIM(w->pc[i] < UINT64_C(1) << 47 || w->pc[i - 1] != w->pc[i]);
}

static bool same(const struct walk *a, const struct walk *b)
{
	return a->result.depth == b->result.depth && a->result.end == b->result.end &&
	       a->result.guessed == b->result.guessed && memcmp(a->pc, b->pc, sizeof a->pc) == 0;
}

/* Fills registers, tables and stack; returns the flags. */
static unsigned set_up(struct fuzz_input in, ucontext_t *uc)
{
	static const int registers[17] = {REG_RIP, REG_RSP, REG_RBP, REG_RBX, REG_RAX, REG_RCX,
					  REG_RDX, REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10,
					  REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	unsigned flags = (unsigned)fuzz_take(&in, 1);

	memset(uc, 0, sizeof *uc);
	for (unsigned i = 0; i < 17; i++)
		uc->uc_mcontext.gregs[registers[i]] = (greg_t)word(&in);
	if (flags & ALTERNATE) {
		uc->uc_stack.ss_sp = STACK + STACK_BYTES / 2;
		uc->uc_stack.ss_size = STACK_BYTES / 2;
	}
	uint64_t hdr = fuzz_take(&in, 1), n = fuzz_take(&in, 2);
	if (n > in.left)
		n = in.left;
	if (n > MODULE_BYTES - CODE_BYTES)
		n = MODULE_BYTES - CODE_BYTES;
	ASAN_UNPOISON_MEMORY_REGION(MODULE + CODE_BYTES, MODULE_BYTES - CODE_BYTES);
	memcpy(MODULE + CODE_BYTES, in.at, n);
	ASAN_POISON_MEMORY_REGION(MODULE + CODE_BYTES + n, MODULE_BYTES - CODE_BYTES - n);
	in.at += n;
	in.left -= n;
	module = (struct eh_module){.lo = MODULE,
				    .hi = MODULE + CODE_BYTES + n,
				    .hdr = MODULE + CODE_BYTES + (hdr < n ? hdr : 0)};
	residents[0] = (struct resident){0};
	if (flags & RESIDENT) {
		residents[0].start = (uintptr_t)MODULE;
		residents[0].limit = (uintptr_t)MODULE + MODULE_BYTES;
		residents[0].tables = module;
	}
	memset(STACK, 0, STACK_BYTES);
	for (unsigned at = SP_AT; in.left >= 3 && at < STACK_BYTES; at += 8) {
		uint64_t v = word(&in);

		memcpy(STACK + at, &v, sizeof v);
	}
	return flags;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct uw_stack own = {(uintptr_t)STACK, (uintptr_t)STACK + STACK_BYTES};
	static const struct uw_stack unknown;
	static struct walk cold, warm, again, busy;
	static ucontext_t uc;
	unsigned flags = set_up((struct fuzz_input){data, size}, &uc);
	const struct uw_stack *stack = flags & OWN_KNOWN ? &own : &unknown;

	uw_closing_begin(); /* no rule of the last input is left */
	uw_closing_end();
	uw_expect(&uc, stack);
	walk(&cold, &uc, stack, FRAMES_MAX);
	walk(&warm, &uc, stack, FRAMES_MAX);
	uw_closing_begin();
	walk(&busy, &uc, stack, 3);
	uw_closing_end();
	walk(&again, &uc, stack, FRAMES_MAX);
	if (in_order()) {
		CLAIM(same(&cold, &warm));
		CLAIM(same(&cold, &again));
	}
	return 0;
}
