/* SPDX-License-Identifier: MIT */
#include "output/file_kind.h"

#include <string.h>

#include "tests/support/check.h"

TEST(file_kind_next_walks_over_files_only)
{
	char names[128] = "";

	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;)
		strcat(strcat(names, file_kinds[k].name), " ");
	CHECK_STR(names, "cpu heap allocs block mutex wall ");
	CHECK_EQ(file_kind_next(KIND_NONE, KIND_BIT(KIND_IDLE)), KIND_NONE);
	CHECK_EQ(file_kind_next(KIND_CPU, KIND_BIT(KIND_CPU) | KIND_BIT(KIND_MUTEX)), KIND_MUTEX);
	CHECK_EQ(file_kind_next(KIND_WALL, KIND_ALL), KIND_NONE);
	CHECK_EQ(file_kind_next(KIND_NONE, 0), KIND_NONE);
}

TEST(file_kind_is_found_by_its_whole_name)
{
	CHECK_EQ(file_kind_named("wall.1", 4), KIND_WALL);
	CHECK_EQ(file_kind_named("allocs", 6), KIND_ALLOCS);
	CHECK_EQ(file_kind_named("alloc", 5), KIND_NONE);
	CHECK_EQ(file_kind_named("blocks", 6), KIND_NONE);
	CHECK_EQ(file_kind_named("idle", 4), KIND_NONE);
	CHECK_EQ(file_kind_named("", 0), KIND_NONE);
}

TEST(file_kind_block_has_idle_waits_when_they_are_wanted)
{
	struct store_header h = {.block_idle = 0};

	CHECK_EQ(file_kind_rows(KIND_BLOCK, &h), KIND_BIT(KIND_BLOCK));
	h.block_idle = 1;
	CHECK_EQ(file_kind_rows(KIND_BLOCK, &h), KIND_BIT(KIND_BLOCK) | KIND_BIT(KIND_IDLE));
	CHECK_EQ(file_kind_rows(KIND_MUTEX, &h), KIND_BIT(KIND_MUTEX));
}

/* Who has a twin is written with it, so they have the same samples; and rows are of kinds that have some. */
TEST(file_kinds_agree_with_each_other_and_the_store)
{
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;) {
		const struct file_kind *f = &file_kinds[k];

		CHECK(f->column_count > 0 && f->column_count <= STORE_VALUES_MAX && f->rows);
		for (unsigned row = 0; row < 32; row++)
			CHECK(!(f->rows & KIND_BIT(row)) || store_kind_values(row) > 0);
		if (!f->twin_of)
			continue;
		CHECK_EQ(f->rows, file_kinds[f->twin_of].rows);
		CHECK_EQ(f->column_count, file_kinds[f->twin_of].column_count);
		CHECK(f->default_type && !file_kinds[f->twin_of].twin_of);
	}
}
