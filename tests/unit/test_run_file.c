/* SPDX-License-Identifier: MIT */
#include "core/run_file.h"

#include "tests/support/check.h"

TEST(run_file_names_are_numbers)
{
	uint32_t pid;
	uint64_t ticks;

	CHECK(run_file_is_name("12.345.store", &pid, &ticks) && pid == 12 && ticks == 345);
	CHECK(run_file_is_name("12.345.6.store", &pid, &ticks));
	CHECK(!run_file_is_name("12.store", &pid, &ticks));
	CHECK(!run_file_is_name("0.1.store", &pid, &ticks));
	CHECK(!run_file_is_name("12.345.store2", &pid, &ticks));
	CHECK(!run_file_is_name("12.345.6.7.store", &pid, &ticks));
	CHECK(!run_file_is_name("99999999999.1.store", &pid, &ticks));
	CHECK(!run_file_is_name("1.99999999999999999999999.store", &pid, &ticks));
	CHECK(!run_file_is_name("a.1.store", &pid, &ticks));
	CHECK(!run_file_is_name("", &pid, &ticks));
	CHECK(run_file_is_name("2147483647.18446744073709551615.18446744073709551615.store", &pid,
			       &ticks));
	CHECK(!run_file_is_name(
		"0000000000000000000000000000000000000000000000000000000012.1.store", &pid,
		&ticks));
}
