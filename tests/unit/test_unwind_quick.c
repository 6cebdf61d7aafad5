/* SPDX-License-Identifier: MIT */
#include "unwind/quick.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "unwind/cfi.h"
#include "unwind/gate.h"
#include "unwind/resident.h"
#include "unwind/rule.h"
#include "unwind/trail.h"

/* The same question to the modules that read everything. */
static bool ask_all(const struct eh_module *m, uint64_t pc, uint64_t *ret_rule)
{
	struct eh_fde fde;
	struct cfi_row row;

	if (eh_find(m, pc, &fde) != EH_FOUND || !cfi_row_at(&fde, pc, &row))
		return false;
	*ret_rule = rule_pack(&fde, &row);
	return true;
}

static void compare(uint64_t inside, unsigned *ret_quick, unsigned *ret_all)
{
	struct resident object;
	struct quick_answer a;
	uint64_t rule;

	*ret_quick = *ret_all = 0;
	CHECK(resident_ask(inside, &object));
	for (uint64_t pc = object.start; pc < object.limit; pc += 13) {
		bool found = ask_all(&object.tables, pc, &rule);

		*ret_all += found;
		if (!quick_find(&object.tables, pc, NULL, &a))
			continue;
		++*ret_quick;
		CHECK(found && rule == a.rule);
		CHECK(a.from <= pc && pc < a.to);
		CHECK(ask_all(&object.tables, a.from, &rule) && rule == a.rule);
		CHECK(ask_all(&object.tables, a.to - 1, &rule) && rule == a.rule);
	}
}

TEST(quick_gives_what_the_others_give_for_all_of_libc)
{
	unsigned quick, all;

	compare((uintptr_t)strtod, &quick, &all);
	CHECK(all > 10000 && quick > all * 9 / 10);
}

TEST(quick_gives_what_the_others_give_for_a_cxx_library)
{
	unsigned quick, all;
	void *library = dlopen("libstdc++.so.6", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		SKIP("no libstdc++.so.6 here");
	compare((uintptr_t)dlsym(library, "_ZSt9terminatev"), &quick, &all);
	CHECK(all > 10000 && quick > all * 9 / 10);
	dlclose(library);
}

TEST(quick_survives_damaged_tables)
{
	struct resident object;
	struct quick_answer a;
	uint64_t seed = 88172645463325252u, answers = 0;

	CHECK(resident_ask((uintptr_t)strtod, &object));
	/* A copy of the tables that ends where its mapping ends, with bytes changed. */
	size_t offset = (size_t)(object.tables.hdr - object.tables.lo);
	size_t bytes = (size_t)(object.tables.hi - object.tables.lo);
	uint8_t *copy = malloc(bytes);
	CHECK(copy != NULL);
	for (size_t i = 0; i < bytes; i += 4096) /* gaps between segments cannot be read */
		if (i + 4096 <= bytes && i >= (offset & ~4095ul))
			memcpy(copy + i, object.tables.lo + i, bytes - i < 4096 ? bytes - i : 4096);
	struct eh_module m = {.lo = copy, .hi = copy + bytes, .hdr = copy + offset};
	for (unsigned i = 0; i < 300000; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		if (i % 4 == 0 && seed % (bytes - offset) > 12)
			copy[offset + seed % (bytes - offset)] ^= (uint8_t)(1u << (seed >> 60));
		answers += quick_find(&m, (uintptr_t)copy + (seed >> 20) % bytes, NULL, &a);
	}
	CHECK(answers > 0);
	free(copy);
}

TEST(trail_answers_only_for_the_address_it_knows)
{
	const uint64_t salt = gate_salt();
	uint64_t rule;
	struct trail *t = trail_take(0x1000, salt);

	CHECK(t != NULL);
	CHECK(trail_take(0x1000, salt) == NULL); /* held: the other walks without */
	CHECK(!trail_get(t, 100, 7, &rule));
	trail_add(t, 100, 7, 70);
	CHECK(!trail_get(t, 200, 8, &rule));
	trail_add(t, 200, 8, 80);
	CHECK(!trail_get(t, 300, 9, &rule));
	trail_add(t, 300, 9, 90);
	trail_put(t);

	t = trail_take(0x1000, salt);
	CHECK(!trail_get(t, 90, 5, &rule)); /* a new leaf below */
	trail_add(t, 90, 5, 50);
	CHECK(!trail_get(t, 200, 88, &rule)); /* another caller in the same place */
	trail_add(t, 200, 88, 880);
	CHECK(trail_get(t, 300, 9, &rule) && rule == 90);
	trail_put(t);

	t = trail_take(0x1000, salt);
	CHECK(trail_get(t, 90, 5, &rule) && rule == 50);
	CHECK(trail_get(t, 200, 88, &rule) && rule == 880);
	CHECK(trail_get(t, 300, 9, &rule) && rule == 90);
	CHECK(!trail_get(t, 400, 1, &rule));
	trail_put(t);
}

TEST(trail_forgets_at_dlclose_and_at_fork)
{
	const uint64_t salt = gate_salt();
	uint64_t rule;
	struct trail *t = trail_take(0x2000, salt);

	trail_add(t, 100, 7, 70);
	trail_put(t);
	t = trail_take(0x2000, salt + 1);
	CHECK(t && !trail_get(t, 100, 7, &rule));
	trail_add(t, 100, 7, 71);
	/* Still held, by a thread that is not in the child. */
	trail_after_fork();
	struct trail *again = trail_take(0x2000, salt + 1);
	CHECK(again == t && !trail_get(again, 100, 7, &rule));
	trail_put(again);
}

TEST(trail_of_a_deep_stack_keeps_its_outermost_frames)
{
	uint64_t rule, hits = 0;
	struct trail *t = trail_take(0x3000, 1);

	for (uint64_t sp = 1; sp <= 500; sp++)
		if (!trail_get(t, sp * 16, sp, &rule))
			trail_add(t, sp * 16, sp, sp);
	trail_put(t);
	t = trail_take(0x3000, 1);
	for (uint64_t sp = 1; sp <= 500; sp++)
		if (trail_get(t, sp * 16, sp, &rule)) {
			CHECK_EQ(rule, sp);
			hits++;
		}
	trail_put(t);
	CHECK(hits >= TRAIL_FRESH && hits <= TRAIL_FRAMES);
}
