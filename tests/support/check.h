/* SPDX-License-Identifier: MIT */
/*
 * tests/support/check: unit tests that register themselves.
 *
 * TEST(name) { ... } is a claim; CHECK and CHECK_EQ end the test when they fail.  The program
 * prints "ok name" or "not ok name: file:line: what" for each test, and exits 1 when one failed.  A
 * test that cannot run here says SKIP("reason").
 */
#ifndef CPROF_TESTS_CHECK_H
#define CPROF_TESTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

typedef void (*check_fn)(void);
void check_register(const char *name, check_fn run);
_Noreturn void check_fail(const char *file, int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
_Noreturn void check_skip(const char *reason);

#define TEST(name)                                                                                 \
	static void test_##name(void);                                                             \
	__attribute__((constructor)) static void register_##name(void)                             \
	{                                                                                          \
		check_register(#name, test_##name);                                                \
	}                                                                                          \
	static void test_##name(void)

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			check_fail(__FILE__, __LINE__, "%s", #condition);                          \
	} while (0)
#define CHECK_EQ(a, b)                                                                             \
	do {                                                                                       \
		long long check_a = (long long)(a), check_b = (long long)(b);                      \
		if (check_a != check_b)                                                            \
			check_fail(__FILE__, __LINE__, "%s is %lld, expected %s = %lld", #a,       \
				   check_a, #b, check_b);                                          \
	} while (0)
#define CHECK_STR(a, b)                                                                            \
	do {                                                                                       \
		const char *check_a = (a), *check_b = (b);                                         \
		if (__builtin_strcmp(check_a, check_b))                                            \
			check_fail(__FILE__, __LINE__, "%s is \"%s\", expected \"%s\"", #a,        \
				   check_a, check_b);                                              \
	} while (0)
#define SKIP(reason) check_skip(reason)

/* How many entries a directory has, hidden ones too; 0 when there is none. */
unsigned check_files_in(const char *path);

#endif
