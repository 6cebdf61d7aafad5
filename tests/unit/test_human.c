/* SPDX-License-Identifier: MIT */
#include "cli/human.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/losses.h"
#include "tests/support/check.h"

static char buf[HUMAN_BYTES];

TEST(human_safe_leaves_no_control_character)
{
	char s[] = "a\x1b[31m\n\t\x7f\xc2\x9b"
		   "b\xc3\xa4\xc2\xa0";

	CHECK(human_safe(s) == s);
	CHECK_STR(s, "a?[31m??\?\?\?b\xc3\xa4\xc2\xa0");
	char cut[] = "\xc2"; /* the first half of a character, at the end */
	CHECK_STR(human_safe(cut), "?");
}

TEST(human_bytes_are_powers_of_1024)
{
	CHECK_STR(human_bytes(0, buf), "0B");
	CHECK_STR(human_bytes(1023, buf), "1023B");
	CHECK_STR(human_bytes(1024, buf), "1.0K");
	CHECK_STR(human_bytes(10 * 1024 + 511, buf), "10K");
	CHECK_STR(human_bytes(3u << 29, buf), "1.5G");
	CHECK_STR(human_bytes(UINT64_MAX, buf), "16E");
}

TEST(human_age_has_two_units)
{
	const uint64_t s = 1000000000;

	CHECK_STR(human_age(0, buf), "0s");
	CHECK_STR(human_age(59 * s + s / 2, buf), "59s");
	CHECK_STR(human_age(61 * s, buf), "1m01s");
	CHECK_STR(human_age(3600 * s, buf), "1h00m");
	CHECK_STR(human_age((86400 + 3600) * s, buf), "1d01h");
	CHECK(strlen(human_age(UINT64_MAX, buf)) < HUMAN_BYTES);
}

TEST(human_ns_has_the_largest_unit_that_fits)
{
	CHECK_STR(human_ns(0, buf), "0ns");
	CHECK_STR(human_ns(999, buf), "999ns");
	CHECK_STR(human_ns(1500, buf), "1.5us");
	CHECK_STR(human_ns(10000000, buf), "10ms");
	CHECK_STR(human_ns(5640000000, buf), "5.6s");
	CHECK_STR(human_ns(59999999999, buf), "60s");
	CHECK_STR(human_ns(60000000000, buf), "1m00s");
	CHECK(strlen(human_ns(UINT64_MAX, buf)) < HUMAN_BYTES);
}

TEST(human_time_is_local)
{
	setenv("TZ", "UTC0", 1);
	tzset();
	CHECK_STR(human_time(UINT64_C(86399) * 1000000000, buf), "1970-01-01 23:59:59");
	CHECK(strlen(human_time(UINT64_MAX, buf)) < HUMAN_BYTES);
}

TEST(losses_are_all_explained_and_what_bends_only_is_not_counted)
{
	static struct store_header h;

	for (unsigned i = 0; i < LOST_COUNT; i++)
		CHECK(losses_explain(i)[0]);
	CHECK_STR(losses_explain(LOST_COUNT), "");
	h.lost[LOST_TRUNCATED] = 7;
	CHECK_EQ(losses_total(&h), 0);
	h.lost[LOST_NO_MEMORY] = 3;
	h.lost[LOST_DUMPS] = 1;
	CHECK_EQ(losses_total(&h), 4);
}
