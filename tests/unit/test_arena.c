/* SPDX-License-Identifier: MIT */
#include "core/arena.h"

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/check.h"

TEST(arena_gives_zeroed_aligned_bytes_that_do_not_overlap)
{
	struct arena a = {0};
	unsigned char *block[200];

	for (unsigned i = 0; i < 200; i++) {
		size_t n = i * 37 % 5000 + 1;

		block[i] = arena_alloc(&a, n);
		CHECK(block[i] != NULL);
		CHECK_EQ((uintptr_t)block[i] % 16, 0);
		for (size_t k = 0; k < n; k++)
			CHECK_EQ(block[i][k], 0);
		memset(block[i], (int)i, n);
	}
	for (unsigned i = 0; i < 200; i++)
		for (size_t k = 0; k < i * 37 % 5000 + 1; k++)
			CHECK_EQ(block[i][k], (unsigned char)i);
	arena_drop(&a);
}

TEST(arena_zero_bytes_is_a_distinct_block)
{
	struct arena a = {0};
	void *p = arena_alloc(&a, 0), *q = arena_alloc(&a, 0);

	CHECK(p && q && p != q);
	arena_drop(&a);
}

TEST(arena_large_block_does_not_waste_the_current_chunk)
{
	struct arena a = {0};
	char *first = arena_alloc(&a, 100);
	char *large = arena_alloc(&a, 10 << 20);
	char *second = arena_alloc(&a, 100);

	CHECK(first && large && second);
	CHECK(second > first && second - first < 4096);
	large[(10 << 20) - 1] = 1;
	arena_drop(&a);
}

TEST(arena_cap_refuses_and_what_is_there_stays)
{
	struct arena a = {.max_bytes = 1 << 20};
	char *p = arena_alloc(&a, 1000);
	unsigned got = 0;

	CHECK(p != NULL);
	p[0] = 'x';
	while (arena_alloc(&a, 100000))
		got++;
	CHECK(got >= 4 && got <= 10);
	CHECK(a.mapped_bytes <= 1 << 20);
	CHECK_EQ(p[0], 'x');
	CHECK(arena_alloc(&a, 2 << 20) == NULL);
	CHECK(arena_alloc(&a, SIZE_MAX) == NULL);
	CHECK(arena_alloc(&a, SIZE_MAX - 15) == NULL);
	CHECK(arena_strndup(&a, "x", SIZE_MAX) == NULL);
	arena_drop(&a);
}

TEST(arena_says_no_when_the_kernel_does)
{
	struct arena a = {0};
	struct rlimit old, none = {0};

	getrlimit(RLIMIT_AS, &old);
	none.rlim_max = old.rlim_max;
	none.rlim_cur = 4096;
	CHECK_EQ(setrlimit(RLIMIT_AS, &none), 0);
	void *p = arena_alloc(&a, 1);
	setrlimit(RLIMIT_AS, &old);
	CHECK(p == NULL);
	CHECK_EQ(a.mapped_bytes, 0);
}

TEST(arena_drop_gives_back_and_the_arena_is_usable_again)
{
	struct arena a = {0};

	CHECK(arena_alloc(&a, 1 << 20) != NULL);
	CHECK(a.mapped_bytes >= 1 << 20);
	arena_drop(&a);
	CHECK_EQ(a.mapped_bytes, 0);
	CHECK(a.chunks == NULL);
	CHECK(arena_alloc(&a, 10) != NULL);
	arena_drop(&a);
	arena_drop(&a);
}

TEST(arena_strndup_ends_with_a_nul)
{
	struct arena a = {0};
	char *s = arena_strndup(&a, "abcdef", 3);

	CHECK_STR(s, "abc");
	CHECK_STR(arena_strndup(&a, "", 0), "");
	arena_drop(&a);
}
