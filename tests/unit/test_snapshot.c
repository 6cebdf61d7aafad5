/* SPDX-License-Identifier: MIT */
#include "output/snapshot.h"

#include "tests/support/check.h"
#include "tests/support/storebuild.h"

#define MS 1000000

static struct store store;
static struct arena arena;
static struct snapshot all;
static struct snapshot_file file;
static const uint64_t frame = FRAME(FRAME_NO_MODULE, 0x1000);

static void look(enum store_kind kind)
{
	struct store_view view;

	store_view_of(&store, &view);
	CHECK_EQ(snapshot_take(&all, &view, &arena), 0);
	CHECK_EQ(snapshot_select(&file, &all, &file_kinds[kind], file_kind_rows(kind, store.header),
				 &arena),
		 0);
}

static void is(unsigned n, int64_t first, int64_t second)
{
	CHECK(n < file.count);
	CHECK_EQ(file.samples[n].column[0], first);
	CHECK_EQ(file.samples[n].column[1], second);
}

/* What a complete dump does. */
static void rebase(void)
{
	for (unsigned i = 0; i < all.count; i++)
		store_rebase(&store, all.rows[i].in.total, all.rows[i].in.row_at);
}

static void end(void)
{
	arena_drop(&arena);
	storebuild_close(&store);
}

TEST(snapshot_of_a_heap_row_after_many_objects)
{
	const uint64_t high = UINT64_C(1) << 63;
	const uint64_t values[] = {high + (5 << 16), 1000, high + (2 << 16) + 1, 400};

	storebuild_open_all(&store, 8 << 20);
	store_add(&store, KIND_HEAP, &frame, 1, 0, values);
	look(KIND_HEAP);
	CHECK_EQ(file.count, 1);
	CHECK_EQ(file.columns, 4);
	is(0, (INT64_C(1) << 47) + 5, 1000);
	CHECK_EQ(file.samples[0].column[2], 3);
	CHECK_EQ(file.samples[0].column[3], 600);
	end();
}

TEST(snapshot_without_rows_has_empty_files)
{
	storebuild_open_all(&store, 8 << 20);
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;) {
		look(k);
		CHECK_EQ(all.count, 0); /* those of [cprof: store full] are all zero */
		CHECK_EQ(all.kinds, 0);
		CHECK_EQ(file.count, 0);
	}
	end();
}

TEST(snapshot_of_block_is_since_the_start_and_of_wall_since_the_last_dump)
{
	storebuild_open_all(&store, 8 << 20);
	storebuild_wait(&store, &frame, 1, WAIT_IO, 3, 30 * MS);
	storebuild_wait(&store, &frame, 1, WAIT_SLEEP, 1, 90 * MS);
	look(KIND_BLOCK);
	CHECK_EQ(all.kinds, KIND_BIT(KIND_BLOCK) | KIND_BIT(KIND_IDLE));
	CHECK_EQ(file.count, 1);
	is(0, 3, 30 * MS);
	look(KIND_WALL);
	CHECK_EQ(file.count, 2);
	is(0, 1, 90 * MS); /* heaviest first */
	is(1, 3, 30 * MS);
	rebase();
	storebuild_wait(&store, &frame, 1, WAIT_IO, 2, 5 * MS);
	look(KIND_WALL);
	CHECK_EQ(file.count, 1);
	is(0, 2, 5 * MS);
	look(KIND_BLOCK);
	is(0, 5, 35 * MS);
	store.header->block_idle = 1;
	look(KIND_BLOCK);
	CHECK_EQ(file.count, 2);
	is(0, 1, 90 * MS);
	end();
}

TEST(snapshot_of_wall_leaves_out_cpu_that_is_in_waits)
{
	const uint64_t all_in[] = {2, 20 * MS, 20 * MS}, half[] = {0, 0, 5 * MS},
		       too_much[] = {1, 10 * MS, 99 * MS};
	const uint64_t frames[] = {FRAME(FRAME_NO_MODULE, 0x2000), FRAME(FRAME_NO_MODULE, 0x3000)};

	storebuild_open_all(&store, 8 << 20);
	storebuild_add(&store, &frame, 1, 0, 7);
	storebuild_add_in_waits(&store, &frame, 1, 2);
	store_add(&store, KIND_CPU, &frames[0], 1, 0, all_in);
	store_add(&store, KIND_CPU, &frames[1], 1, 0, too_much);
	look(KIND_WALL);
	CHECK_EQ(file.count, 1); /* nothing is left of the others */
	is(0, 7, 70 * MS);
	look(KIND_CPU);
	CHECK_EQ(file.count, 3);
	is(0, 9, 90 * MS);
	rebase();
	/* Of a row that was read in the middle, and of a damaged one. */
	store_add(&store, KIND_CPU, &frame, 1, 0, half);
	look(KIND_WALL);
	CHECK_EQ(file.count, 0);
	storebuild_add(&store, &frame, 1, 0, 1);
	look(KIND_WALL);
	is(0, 1, 5 * MS); /* time without a sample there is not */
	end();
}

/* A sample may stand for one and a half. */
TEST(snapshot_of_waits_counts_whole_ones_and_windows_add_up)
{
	const uint64_t one_and_a_half[] = {3 << 15, MS};
	int64_t sum = 0;

	storebuild_open_all(&store, 8 << 20);
	for (unsigned i = 0; i < 10; i++) {
		store_add(&store, KIND_BLOCK, &frame, 1, WAIT_IO, one_and_a_half);
		look(KIND_WALL);
		CHECK_EQ(file.count, 1);
		CHECK(file.samples[0].column[0] >= 1 && file.samples[0].column[0] <= 2);
		sum += file.samples[0].column[0];
		rebase();
	}
	CHECK_EQ(sum, 15);
	look(KIND_BLOCK);
	is(0, 15, 10 * MS);
	end();
}

TEST(snapshot_of_a_delay_without_a_count_has_one_contention)
{
	const uint64_t little[] = {1, 5000}, uncounted[] = {1 << 16, 0}, damage[] = {9 << 16, 9};
	const uint64_t other = FRAME(FRAME_NO_MODULE, 0x2000);

	storebuild_open_all(&store, 8 << 20);
	store_add(&store, KIND_BLOCK, &frame, 1, WAIT_IO, little);
	store_add(&store, KIND_BLOCK, &other, 1, WAIT_IO, uncounted);
	look(KIND_BLOCK);
	CHECK_EQ(file.count, 2);
	is(0, 1, 5000);
	is(1, 1, 0);
	for (unsigned i = 0; i < all.count; i++) /* a base above its total is no gain */
		store_rebase(&store, damage, all.rows[i].in.row_at);
	look(KIND_WALL);
	CHECK_EQ(file.count, 1);
	is(0, 1, 4991);
	end();
}
