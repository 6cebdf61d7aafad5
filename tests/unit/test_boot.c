/* SPDX-License-Identifier: MIT */
#include "preload/boot.h"

#include <stdint.h>
#include <string.h>

#include "core/live.h"
#include "tests/support/check.h"

#define BYTES  65536u
#define BLOCKS 512u

/* One arena per process, so the tests are steps of one life. */
static char *first;
static unsigned count;

TEST(boot_gives_zeroed_aligned_memory)
{
	static const size_t alignment[] = {16, 32, 64, 256, 4096};

	for (size_t i = 0; i < sizeof alignment / sizeof alignment[0]; i++) {
		size_t size = 100 + i;
		char *p = boot_alloc(alignment[i], size);

		CHECK(p && (uintptr_t)p % alignment[i] == 0);
		first = first ? first : p;
		count++;
		for (size_t n = 0; n < size; n++)
			CHECK_EQ(p[n], 0);
		memset(p, 0xff, size);
		CHECK(boot_owns(p) && boot_owns(p + size - 1));
		CHECK_EQ(boot_size(p), size);
	}
	CHECK_EQ(boot_size(first), 100); /* nobody's header lies in another's memory */
	CHECK(!boot_owns(&first) && !boot_owns(NULL));
}

TEST(boot_of_no_bytes_is_a_pointer_of_its_own)
{
	char *a = boot_alloc(16, 0), *b = boot_alloc(16, 0);

	count += 2;
	CHECK(a && b && a != b && boot_owns(a) && boot_owns(b));
	CHECK_EQ(boot_size(a), 0);
}

/* free() finds them by the filter, in a child of fork too. */
TEST(boot_marks_what_it_gives)
{
	CHECK(live_maybe(first));
	live_forget();
	CHECK(!live_maybe(first));
	boot_mark();
	CHECK(live_maybe(first));
}

TEST(boot_refuses_what_is_too_large)
{
	CHECK(!boot_alloc(16, BYTES));
	CHECK(!boot_alloc(16, BYTES + 1));
	CHECK(!boot_alloc(16, SIZE_MAX));
	CHECK(!boot_alloc(16, SIZE_MAX - 15));
	CHECK(!boot_alloc(2 * BYTES, 16));
	CHECK(!boot_alloc(SIZE_MAX / 2 + 1, 16));
	/* And nothing of it was used up. */
	CHECK(boot_alloc(16, 16));
	count++;
}

TEST(boot_has_an_end)
{
	unsigned small = 0;

	/* What it cannot mark later it does not give. */
	while (boot_alloc(16, 1))
		CHECK(++small <= BLOCKS);
	CHECK_EQ(count + small, BLOCKS);
	for (unsigned i = 0; i < 2 * BYTES / 32; i++)
		CHECK(!boot_alloc(16, 1));
	CHECK(!boot_alloc(16, 20000));
	CHECK_EQ(boot_size(first), 100);
}
