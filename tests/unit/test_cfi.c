/* SPDX-License-Identifier: MIT */
#include "unwind/cfi.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/support/check.h"
#include "unwind/ehframe.h"
#include "unwind/expr.h"
#include "unwind/rule.h"

/* A page that ends where nothing can be read: a byte too far is a crash. */
static uint8_t *fence(void)
{
	static uint8_t *page;

	if (!page) {
		page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		mprotect(page + 4096, 4096, PROT_NONE);
	}
	return page + 4096;
}

static const uint8_t *before_fence(const void *bytes, size_t n)
{
	return memcpy(fence() - n, bytes, n);
}

static uint64_t random_word(void)
{
	static uint64_t state = 88172645463325252u; /* xorshift64 */

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Every x86-64 CIE: CFA = rsp + 8, return address at CFA - 8. */
static const uint8_t usual_cie[] = {0x0c, 7, 8, 0x90, 1};

static bool row_of(const uint8_t *program, size_t n, uint64_t pc, struct cfi_row *row)
{
	struct eh_fde fde = {.cie_program = usual_cie,
			     .cie_program_end = usual_cie + sizeof usual_cie,
			     .code_align = 1,
			     .data_align = -8,
			     .ra_register = CFI_REG_RA,
			     .pc_begin = 1000,
			     .pc_end = 100000};

	fde.program = before_fence(program, n);
	fde.program_end = fde.program + n;
	return cfi_row_at(&fde, pc, row);
}
#define ROW_OF(pc, row, ...)                                                                       \
	row_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (pc), (row))

TEST(cfi_rows_follow_push_and_pop)
{
	struct cfi_row row;

	/* advance 1; def_cfa_offset 16; offset rbx -16; advance 9; def_cfa_offset 8 */
#define PROGRAM 0x41, 0x0e, 16, 0x83, 2, 0x49, 0x0e, 8
	CHECK(ROW_OF(1000, &row, PROGRAM));
	CHECK_EQ(row.cfa.reg, 7);
	CHECK_EQ(row.cfa.value, 8);
	CHECK_EQ(row.reg[CFI_RBX].how, CFI_SAME);
	CHECK_EQ(row.reg[CFI_RA].value, -8);
	CHECK(ROW_OF(1001, &row, PROGRAM));
	CHECK_EQ(row.cfa.value, 16);
	CHECK_EQ(row.reg[CFI_RBX].how, CFI_AT_CFA);
	CHECK_EQ(row.reg[CFI_RBX].value, -16);
	CHECK(ROW_OF(1009, &row, PROGRAM));
	CHECK_EQ(row.cfa.value, 16);
	CHECK(ROW_OF(1010, &row, PROGRAM));
	CHECK_EQ(row.cfa.value, 8);
#undef PROGRAM
}

TEST(cfi_all_advances_move_the_row)
{
	struct cfi_row row;

	/* advance1 200; offset 16; advance2 1000; offset 24; advance4 70000; offset 32 */
#define PROGRAM 2, 200, 0x0e, 16, 3, 0xe8, 3, 0x0e, 24, 4, 0x70, 0x11, 1, 0, 0x0e, 32
	CHECK(ROW_OF(1199, &row, PROGRAM));
	CHECK_EQ(row.cfa.value, 8);
	CHECK(ROW_OF(1200, &row, PROGRAM));
	CHECK_EQ(row.cfa.value, 16);
	CHECK(ROW_OF(2200, &row, PROGRAM));
	CHECK_EQ(row.cfa.value, 24);
	CHECK(ROW_OF(72200, &row, PROGRAM));
	CHECK_EQ(row.cfa.value, 32);
#undef PROGRAM
}

TEST(cfi_remember_and_restore_bring_back_cfa_and_registers)
{
	struct cfi_row row;

	/* offset_16 rbp@-16 adv remember; def_cfa rbp 16; restore rbp; adv; restore_state */
#define PROGRAM 0x0e, 16, 0x86, 2, 0x41, 0x0a, 0x0c, 6, 24, 0xc6, 0x41, 0x0b
	CHECK(ROW_OF(1001, &row, PROGRAM));
	CHECK_EQ(row.cfa.reg, 6);
	CHECK_EQ(row.cfa.value, 24);
	CHECK_EQ(row.reg[CFI_RBP].how, CFI_SAME);
	CHECK(ROW_OF(1002, &row, PROGRAM));
	CHECK_EQ(row.cfa.reg, 7);
	CHECK_EQ(row.cfa.value, 16);
	CHECK_EQ(row.reg[CFI_RBP].value, -16);
#undef PROGRAM
}

TEST(cfi_reads_signed_and_extended_forms)
{
	struct cfi_row row;

	CHECK(ROW_OF(1000, &row, 0x12, 6, 0x7e)); /* def_cfa_sf rbp, -2 * -8 */
	CHECK_EQ(row.cfa.value, 16);
	CHECK(ROW_OF(1000, &row, 0x13, 0x7d)); /* def_cfa_offset_sf -3 * -8 */
	CHECK_EQ(row.cfa.value, 24);
	CHECK(ROW_OF(1000, &row, 5, 6, 3)); /* offset_extended rbp */
	CHECK_EQ(row.reg[CFI_RBP].value, -24);
	CHECK(ROW_OF(1000, &row, 0x11, 6, 0x7f)); /* offset_extended_sf rbp, -1 * -8 */
	CHECK_EQ(row.reg[CFI_RBP].value, 8);
	CHECK(ROW_OF(1000, &row, 0x2f, 6, 2)); /* GNU_negative_offset_extended */
	CHECK_EQ(row.reg[CFI_RBP].value, 16);
	CHECK(ROW_OF(1000, &row, 0x14, 6, 2)); /* val_offset */
	CHECK_EQ(row.reg[CFI_RBP].how, CFI_VALUE_CFA);
	CHECK_EQ(row.reg[CFI_RBP].value, -16);
	CHECK(ROW_OF(1000, &row, 0x15, 6, 0x7e)); /* val_offset_sf */
	CHECK_EQ(row.reg[CFI_RBP].value, 16);
	CHECK(ROW_OF(1000, &row, 9, 16, 1)); /* register ra in rdx */
	CHECK_EQ(row.reg[CFI_RA].how, CFI_IN_REGISTER);
	CHECK_EQ(row.reg[CFI_RA].reg, 1);
	CHECK(ROW_OF(1000, &row, 7, 16)); /* undefined ra */
	CHECK_EQ(row.reg[CFI_RA].how, CFI_UNDEFINED);
	CHECK(ROW_OF(1000, &row, 7, 16, 6, 16)); /* restore_extended ra */
	CHECK_EQ(row.reg[CFI_RA].value, -8);
	CHECK(ROW_OF(1000, &row, 0x0d, 3, 0x2e, 0x90, 1)); /* def_cfa_register, args_size */
	CHECK_EQ(row.cfa.reg, 3);
	CHECK(ROW_OF(1000, &row, 0x8c, 2, 0xcc, 0x00)); /* r12: read and dropped */
}

TEST(cfi_refuses_what_it_does_not_know)
{
	struct cfi_row row;

	CHECK(!ROW_OF(1000, &row, 0x2d));			  /* not on this processor */
	CHECK(!ROW_OF(1000, &row, 0x3f));			  /* the end of the user range */
	CHECK(!ROW_OF(1000, &row, 0x0b));			  /* restore without remember */
	CHECK(!ROW_OF(1000, &row, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a)); /* too deep */
	CHECK(!ROW_OF(1000, &row, 0x0c, 40, 8));		  /* no such register */
	CHECK(!ROW_OF(1000, &row, 9, 16, 40));			  /* nor this */
	CHECK(!ROW_OF(1000, &row, 0x0f, 1, 0x96, 0x0e, 8));	  /* offset of an expression */
	CHECK(!ROW_OF(1000, &row, 0x0e, 0xff, 0xff, 0xff, 0xff, 0x7f)); /* an absurd offset */
}

TEST(cfi_truncated_programs_are_refused_and_never_read_too_far)
{
	struct cfi_row row;

	CHECK(!ROW_OF(1000, &row, 0x0e));
	CHECK(!ROW_OF(1000, &row, 0x0e, 0x80));
	CHECK(!ROW_OF(1000, &row, 0x86));
	CHECK(!ROW_OF(2000, &row, 0x02));
	CHECK(!ROW_OF(2000, &row, 0x03, 1));
	CHECK(!ROW_OF(2000, &row, 0x04, 1, 0, 0));
	CHECK(!ROW_OF(1000, &row, 0x0f, 3, 0x77, 8));
	CHECK(!ROW_OF(1000, &row, 0x10, 6, 0xff, 0xff, 0xff, 0xff, 0x0f));
	CHECK(!ROW_OF(1000, &row, 0x05, 0x80));
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t bytes[24];
		size_t n = random_word() % sizeof bytes;

		for (size_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)random_word();
		row_of(bytes, n, 1000 + random_word() % 500, &row);
	}
}

/* Registers have the value 1000 + number; memory has the value of its address + 1, from 5000 on. */
static bool test_reg(void *arg, uint64_t reg, uint64_t *ret)
{
	(void)arg;
	*ret = 1000 + reg;
	return reg <= 16;
}
static bool test_word(void *arg, uint64_t at, uint64_t *ret)
{
	(void)arg;
	*ret = at + 1;
	return at >= 5000;
}
static const struct expr_machine machine = {.reg = test_reg, .word = test_word};

static bool run_bytes(const uint8_t *bytes, size_t n, uint64_t *ret)
{
	return expr_run(&machine, before_fence(bytes, n), n, true, 7000, ret);
}
#define RUN(ret, ...)                                                                              \
	run_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (ret))

TEST(cfi_expressions_compute)
{
	uint64_t v;

	CHECK(RUN(&v, 0x77, 8) && v == 1015);		      /* breg7 8 */
	CHECK(RUN(&v, 0x77, 0x78) && v == 999);		      /* breg7 -8 */
	CHECK(RUN(&v, 0x92, 9, 1) && v == 1010);	      /* bregx r9 1 */
	CHECK(RUN(&v, 0x06) && v == 7001);		      /* deref of the CFA */
	CHECK(RUN(&v, 0x23, 0x90, 1) && v == 7144);	      /* plus_uconst 144 */
	CHECK(RUN(&v, 0x35, 0x33, 0x1c) && v == 2);	      /* 5 - 3 */
	CHECK(RUN(&v, 0x35, 0x33, 0x16, 0x1c) && v == ~1ull); /* swap */
	CHECK(RUN(&v, 0x35, 0x33, 0x24) && v == 40);	      /* 5 << 3 */
	CHECK(RUN(&v, 0x09, 0xf0, 0x34, 0x26) && v == ~0ull); /* -16 >> 4, signed */
	CHECK(RUN(&v, 0x09, 0xff, 0x31, 0x2d) && v == 1);     /* -1 < 1 */
	CHECK(RUN(&v, 0x0a, 0x34, 0x12) && v == 0x1234);
	CHECK(RUN(&v, 0x12, 0x22) && v == 14000);		  /* dup plus */
	CHECK(RUN(&v, 0x31, 0x14, 0x1c) && v == (uint64_t)-6999); /* over minus */
	CHECK(RUN(&v, 0x31, 0x28, 1, 0, 0x30) && v == 7000);	  /* a branch over lit0 */
	CHECK(RUN(&v, 0x2f, 1, 0, 0x30) && v == 7000);		  /* skip over lit0 */
	/* A lazy PLT entry: rsp + 8 + ((rip & 15) >= 11) * 8, here with rip & 15 = 1016 & 15 = 8.
	 */
	CHECK(RUN(&v, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22) && v == 1015);
	CHECK(RUN(&v, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x36, 0x2a, 0x33, 0x24, 0x22) && v == 1023);
}

TEST(cfi_expressions_fail_within_bounds)
{
	uint64_t v;

	CHECK(!RUN(&v, 0x13, 0x13));					 /* drop of nothing */
	CHECK(!RUN(&v, 0x13));						 /* no result */
	CHECK(!RUN(&v, 0x31, 0x1b));					 /* division */
	CHECK(!RUN(&v, 0x8f, 0));					 /* breg31 */
	CHECK(!RUN(&v, 0x30, 0x06));					 /* deref of address 0 */
	CHECK(!RUN(&v, 0x77));						 /* truncated */
	CHECK(!RUN(&v, 0x0e, 1, 2, 3));					 /* truncated constant */
	CHECK(!RUN(&v, 0x2f, 0xfd, 0xff));				 /* a loop without an end */
	CHECK(!RUN(&v, 0x2f, 0xf0, 0xff));				 /* out of the program */
	CHECK(!RUN(&v, 1, 0x31));					 /* unknown */
	CHECK(!RUN(&v, 0x31, 0x31, 0x31, 0x31, 0x31, 0x31, 0x31, 0x31)); /* full */
	for (unsigned i = 0; i < 200000; i++) {
		uint8_t bytes[16];
		size_t n = random_word() % sizeof bytes;

		for (size_t k = 0; k < n; k++)
			bytes[k] = (uint8_t)random_word();
		run_bytes(bytes, n, &v);
	}
}

/* The rule of a program at its first instruction. */
static uint64_t packed(const uint8_t *program, size_t n)
{
	struct eh_fde fde = {.cie_program = usual_cie,
			     .cie_program_end = usual_cie + sizeof usual_cie,
			     .program = program,
			     .program_end = program + n,
			     .code_align = 1,
			     .data_align = -8,
			     .ra_register = CFI_REG_RA,
			     .pc_begin = 1000};
	struct cfi_row row;

	return cfi_row_at(&fde, 1000, &row) ? rule_pack(&fde, &row) : (uint64_t)RULE_UNSUPPORTED;
}
#define PACKED(...) packed((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

TEST(cfi_rules_keep_what_the_row_says)
{
	uint64_t r = PACKED(0x0c, 6, 16, 0x86, 2, 0x83, 7);

	CHECK_EQ(rule_kind(r), RULE_CFA);
	CHECK_EQ(rule_register(r), 6);
	CHECK_EQ(rule_cfa_offset(r), 16);
	CHECK_EQ(rule_rbp_how(r), SAVED_AT_CFA);
	CHECK_EQ(rule_rbp_offset(r), -16);
	CHECK_EQ(rule_rbx_how(r), SAVED_AT_CFA);
	CHECK_EQ(rule_rbx_offset(r), -56);
	r = PACKED(0x0f, 3, 0x76, 0x78, 6, 0x10, 6, 2, 0x76, 0, 7, 3); /* a realigned stack */
	CHECK_EQ(rule_kind(r), RULE_DEREF);
	CHECK_EQ(rule_register(r), 6);
	CHECK_EQ(rule_cfa_offset(r), -8);
	CHECK_EQ(rule_addend(r), 0);
	CHECK_EQ(rule_rbp_how(r), SAVED_AT_RBP);
	CHECK_EQ(rule_rbp_offset(r), 0);
	CHECK_EQ(rule_rbx_how(r), SAVED_LOST);
	r = PACKED(0x0f, 6, 0x77, 0x98, 1, 6, 0x23, 8); /* OpenSSL: deref(rsp + 152) + 8 */
	CHECK_EQ(rule_kind(r), RULE_DEREF);
	CHECK_EQ(rule_cfa_offset(r), 152);
	CHECK_EQ(rule_addend(r), 8);
	r = PACKED(0x0f, 11, 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22);
	CHECK_EQ(rule_kind(r), RULE_PLT);
	CHECK_EQ(rule_register(r), 11);
	CHECK_EQ(rule_kind(PACKED(7, 16)), RULE_ROOT);
	CHECK_EQ(rule_kind(PACKED(9, 16, 1)), RULE_WIDE);
	CHECK_EQ(rule_kind(PACKED(0x0f, 2, 0x77, 8)), RULE_WIDE);
	CHECK_EQ(rule_kind(PACKED(0x86, 0x81, 0x80, 1)), RULE_WIDE); /* saved too far away */
	CHECK_EQ(rule_kind(PACKED(8, 16)), RULE_UNSUPPORTED);
}

TEST(cfi_cache_hits_only_its_range_and_salt)
{
	const uint64_t r = 0xabcdef0123456789u, from = 0x123450, to = 0x123460;
	/* As the gate makes them: they differ in their high bits. */
	const uint64_t salt = 77 * 0x9e3779b97f4a7c15u, next = salt + 0x9e3779b97f4a7c15u;
	uint64_t rule;

	rule_put(0x123456, from, to, salt, r);
	for (uint64_t address = 0x120000; address < 0x323456; address++)
		if (rule_get(address, salt, &rule))
			CHECK(address >= from && address < to && rule == r);
		else
			CHECK(address < from || address >= to);
	CHECK(!rule_get(0x123456, next, &rule));
	/* A store that was cut in half: the key of one rule with another. */
	for (unsigned i = 0; i < RULE_WAYS; i++)
		if (atomic_load(&rule_set(0x123456)->slot[i].rule) == r)
			atomic_store(&rule_set(0x123456)->slot[i].rule, r + 1);
	CHECK(!rule_get(0x123456, salt, &rule));
}

TEST(cfi_cache_keeps_of_a_long_row_the_block_of_the_address)
{
	const uint64_t block = 0x7f0000401000, at = block + 5;
	uint64_t rule;

	rule_put(at, at - 5000, at + 5000, 9, 1234);
	CHECK(rule_get(block, 9, &rule) && rule == 1234);
	CHECK(rule_get(block + RULE_BLOCK - 1, 9, &rule) && rule == 1234);
	CHECK(!rule_get(block - 1, 9, &rule));
	CHECK(!rule_get(block + RULE_BLOCK, 9, &rule));
}

TEST(cfi_cache_keeps_four_rows_of_the_same_place)
{
	uint64_t rule;

	for (uint64_t i = 0; i < RULE_WAYS; i++)
		rule_put(0x5000 + i, 0x5000 + i, 0x5001 + i, 5, 1000 + i);
	for (uint64_t i = 0; i < RULE_WAYS; i++)
		CHECK(rule_get(0x5000 + i, 5, &rule) && rule == 1000 + i);
}

/* A module of 2 KiB with one CIE, two FDEs, of [100,150) and [200,250) from its start, and their
 * table. */
static uint8_t image[2048] __attribute__((aligned(8)));

static void put32(size_t at, int32_t v)
{
	memcpy(image + at, &v, sizeof v);
}

static struct eh_module build_image(void)
{
	static const uint8_t cie[] = {1,    'z',  'R', 0, 1,	0x78, 16, 1,
				      0x1b, 0x0c, 7,   8, 0x90, 1,    0,  0};
	static const uint8_t hdr[] = {1, 0x1b, 3, 0x3b};

	memset(image, 0, sizeof image);
	put32(512, 4 + sizeof cie);
	memcpy(image + 520, cie, sizeof cie);
	for (int i = 0; i < 2; i++) {
		int at = 540 + 24 * i;

		put32((size_t)at, 20);
		put32((size_t)at + 4, at + 4 - 512);
		put32((size_t)at + 8, 100 + 100 * i - (at + 8));
		put32((size_t)at + 12, 50);
	}
	memcpy(image + 1024, hdr, sizeof hdr);
	put32(1028, 512 - 1028);
	put32(1032, 2);
	put32(1036, 100 - 1024);
	put32(1040, 540 - 1024);
	put32(1044, 200 - 1024);
	put32(1048, 564 - 1024);
	return (struct eh_module){image, image + sizeof image, image + 1024};
}

TEST(cfi_search_finds_the_covering_entry)
{
	struct eh_module m = build_image();
	struct eh_fde fde;
	uint64_t base = (uintptr_t)image;

	CHECK_EQ(eh_find(&m, base + 100, &fde), EH_FOUND);
	CHECK_EQ(fde.pc_begin, base + 100);
	CHECK_EQ(fde.pc_end, base + 150);
	CHECK_EQ(fde.data_align, -8);
	CHECK_EQ(eh_find(&m, base + 149, &fde), EH_FOUND);
	CHECK_EQ(eh_find(&m, base + 150, &fde), EH_NONE);
	CHECK_EQ(eh_find(&m, base + 198, &fde), EH_NONE);
	CHECK_EQ(eh_find(&m, base + 199, &fde), EH_ENTRY);
	CHECK_EQ(eh_find(&m, base + 249, &fde), EH_FOUND);
	CHECK_EQ(eh_find(&m, base + 250, &fde), EH_NONE);
	CHECK_EQ(eh_find(&m, base, &fde), EH_NONE);
	m.hdr = NULL;
	CHECK_EQ(eh_find(&m, base + 100, &fde), EH_NONE);
}

TEST(cfi_search_survives_damaged_tables)
{
	struct eh_module m = build_image();
	struct cfi_row row;
	struct eh_fde fde;

	image[1027] = 0xff; /* no table */
	CHECK_EQ(eh_find(&m, (uintptr_t)image + 100, &fde), EH_BAD);
	m = build_image();
	put32(1032, 1 << 30); /* longer than the module */
	CHECK_EQ(eh_find(&m, (uintptr_t)image + 100, &fde), EH_BAD);
	m = build_image();
	put32(544, 1 << 30); /* the CIE before the module */
	CHECK_EQ(eh_find(&m, (uintptr_t)image + 100, &fde), EH_BAD);
	for (unsigned i = 0; i < 300000; i++) {
		m = build_image();
		m.lo = before_fence(image, sizeof image);
		m.hdr = m.lo + 1024;
		m.hi = fence();
		for (unsigned k = 0; k < 1 + i % 4; k++)
			((uint8_t *)(uintptr_t)m.lo)[512 + random_word() % 544] ^=
				(uint8_t)(1 << random_word() % 8);
		if (eh_find(&m, (uintptr_t)m.lo + 90 + random_word() % 170, &fde) == EH_FOUND)
			cfi_row_at(&fde, (uintptr_t)m.lo + 120, &row);
	}
}
