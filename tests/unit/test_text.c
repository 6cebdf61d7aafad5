/* SPDX-License-Identifier: MIT */
#include "core/text.h"

#include <errno.h>
#include <string.h>

#include "tests/support/check.h"

TEST(text_builds_numbers_of_every_size)
{
	char buf[128];
	struct text t = TEXT_ON(buf);

	text_u64(&t, 0);
	text_char(&t, ' ');
	text_u64(&t, UINT64_MAX);
	text_char(&t, ' ');
	text_i64(&t, INT64_MIN);
	text_char(&t, ' ');
	text_hex(&t, 0xdeadbeef);
	CHECK_STR(buf, "0 18446744073709551615 -9223372036854775808 deadbeef");
	CHECK(!t.cut);
}

TEST(text_cuts_and_says_so)
{
	char buf[6];
	struct text t = TEXT_ON(buf);

	text_str(&t, "abcdefgh");
	CHECK_STR(buf, "abcde");
	CHECK(t.cut);
	text_str(&t, "x");
	CHECK_STR(buf, "abcde");
}

TEST(text_parses_only_whole_numbers)
{
	uint64_t v = 7;

	CHECK_EQ(text_parse_u64("18446744073709551615", 20, &v), 0);
	CHECK(v == UINT64_MAX);
	CHECK_EQ(text_parse_u64("18446744073709551616", 20, &v), -ERANGE);
	CHECK_EQ(text_parse_u64("", 0, &v), -EINVAL);
	CHECK_EQ(text_parse_u64("1x", 2, &v), -EINVAL);
	CHECK_EQ(text_parse_u64("-1", 2, &v), -EINVAL);
	CHECK(v == UINT64_MAX);
}

TEST(text_names_errors_and_paths)
{
	CHECK_STR(text_errno(-ENOSPC), "ENOSPC");
	CHECK_STR(text_errno(-9999), "error");
	CHECK_STR(text_basename("/a/b/c"), "c");
	CHECK_STR(text_basename("c"), "c");
	CHECK_STR(text_basename("/a/"), "");
	CHECK(text_starts("abc", "ab") && !text_starts("ab", "abc"));
}
