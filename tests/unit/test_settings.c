/* SPDX-License-Identifier: MIT */
#include "config/settings.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config/load.h"
#include "config/value.h"
#include "tests/support/check.h"

struct reports {
	unsigned count;
	char last[1024];
};

static void keep(void *opaque, const char *line)
{
	struct reports *r = opaque;

	r->count++;
	snprintf(r->last, sizeof r->last, "%s", line);
}

/* Applies one variable to the defaults; returns what was reported, or "". */
static const char *one(struct settings *s, const char *variable)
{
	static struct reports r;
	char *envp[] = {(char *)variable, NULL};

	r = (struct reports){0};
	if (load_settings(s, NULL, envp, NULL, keep, &r) != r.count || r.count > 1)
		check_fail(__FILE__, __LINE__, "%s: %u reports", variable, r.count);
	return r.last;
}

TEST(settings_defaults_are_those_of_the_table)
{
	struct settings s;

	memset(&s, 0x5a, sizeof s);
	settings_defaults(&s);
#define OPTION_PATH(section, key, default_text, doc)  CHECK_STR(s.section##_##key, default_text);
#define OPTION_NAMES(section, key, doc)		      CHECK_STR(s.section##_##key, "");
#define OPTION_BOOL(section, key, default_value, doc) CHECK_EQ(s.section##_##key, default_value);
#define OPTION_NUMBER(section, key, default_value, min, max, doc)                                  \
	CHECK_EQ(s.section##_##key, default_value);
#define OPTION_SIGNAL(section, key, default_value, doc) CHECK_EQ(s.section##_##key, default_value);
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_NAMES
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL
}

TEST(settings_number_keeps_its_bounds)
{
	struct settings s;

	CHECK_STR(one(&s, "CPROF_CPU_HZ=1"), "");
	CHECK_EQ(s.cpu_hz, 1);
	CHECK_STR(one(&s, "CPROF_CPU_HZ=1000"), "");
	CHECK_EQ(s.cpu_hz, 1000);
	static const char *const bad[] = {"0",	"1001", "abc", "-1",
					  "+1", "1.5",	" 10", "10 ",
					  "1K", "0x10", "1e2", "18446744073709551616"};
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char variable[64], want[128];

		snprintf(variable, sizeof variable, "CPROF_CPU_HZ=%s", bad[i]);
		snprintf(want, sizeof want, "%s: expected a number from 1 to 1000; using 100",
			 variable);
		CHECK_STR(one(&s, variable), want);
		CHECK_EQ(s.cpu_hz, 100);
	}
}

TEST(settings_sizes_take_suffixes)
{
	struct settings s;

	CHECK_STR(one(&s, "CPROF_STORE_MAX_BYTES=64M"), "");
	CHECK_EQ(s.store_max_bytes, 64 << 20);
	CHECK_STR(one(&s, "CPROF_STORE_MAX_BYTES=1024k"), "");
	CHECK_EQ(s.store_max_bytes, 1 << 20);
	CHECK_STR(one(&s, "CPROF_STORE_MAX_BYTES=1G"), "");
	CHECK_EQ(s.store_max_bytes, 1 << 30);
	CHECK_STR(one(&s, "CPROF_STORE_MAX_BYTES=1048577"), "");
	CHECK_EQ(s.store_max_bytes, 1048577);
	static const char *const bad[] = {"2G",	 "1",  "M",  "17592186044416M",
					  "1MB", "1T", "0K", "16777216G"};
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char variable[64], want[128];

		snprintf(variable, sizeof variable, "CPROF_STORE_MAX_BYTES=%s", bad[i]);
		snprintf(want, sizeof want,
			 "%s: expected a number of bytes from 1M to 1G; using 32M", variable);
		CHECK_STR(one(&s, variable), want);
		CHECK_EQ(s.store_max_bytes, 32 << 20);
	}
}

TEST(settings_budgets_may_be_without_a_limit)
{
	struct settings s;

	CHECK_STR(one(&s, "CPROF_OUTPUT_MAX_FILES=0"), "");
	CHECK_EQ(s.output_max_files, 0);
	CHECK_STR(one(&s, "CPROF_OUTPUT_MAX_FILES=1000001"),
		  "CPROF_OUTPUT_MAX_FILES=1000001: expected a number from 0 to 1000000; using "
		  "1000");
	CHECK_EQ(s.output_max_files, 1000);
	CHECK_STR(one(&s, "CPROF_OUTPUT_MAX_BYTES=0"), "");
	CHECK_EQ(s.output_max_bytes, 0);
	CHECK_STR(one(&s, "CPROF_OUTPUT_MAX_BYTES=2G"), "");
	CHECK_EQ(s.output_max_bytes, 1ll << 31);
	CHECK_STR(one(&s, "CPROF_OUTPUT_MAX_BYTES=-1"),
		  "CPROF_OUTPUT_MAX_BYTES=-1: expected a number of bytes from 0 to 1024G; using "
		  "256M");
	CHECK_EQ(s.output_max_bytes, 256 << 20);
	CHECK_STR(one(&s, "CPROF_STORE_KEEP=0"), "");
	CHECK_EQ(s.store_keep, 0);
	CHECK_STR(one(&s, "CPROF_STORE_KEEP=10001"),
		  "CPROF_STORE_KEEP=10001: expected a number from 0 to 10000; using 16");
	CHECK_EQ(s.store_keep, 16);
}

TEST(settings_of_the_heap_are_sizes)
{
	struct settings s;

	CHECK_STR(one(&s, "CPROF_HEAP_DUMP_ABOVE=3G"), "");
	CHECK_EQ(s.heap_dump_above, 3ll << 30);
	CHECK_STR(
		one(&s, "CPROF_HEAP_DUMP_ABOVE=most"),
		"CPROF_HEAP_DUMP_ABOVE=most: expected a number of bytes from 0 to 1024G; using 0");
	CHECK_EQ(s.heap_dump_above, 0);
	CHECK_STR(one(&s, "CPROF_HEAP_SAMPLE_BYTES=1M"), "");
	CHECK_EQ(s.heap_sample_bytes, 1 << 20);
	CHECK_STR(
		one(&s, "CPROF_HEAP_SAMPLE_BYTES=2G"),
		"CPROF_HEAP_SAMPLE_BYTES=2G: expected a number of bytes from 0 to 1G; using 512K");
	CHECK_EQ(s.heap_sample_bytes, 512 << 10);
	CHECK_STR(one(&s, "CPROF_OUTPUT_SHORT=yes"), "");
	CHECK(s.output_short);
	CHECK_STR(one(&s, "CPROF_OUTPUT_SHORT=often"),
		  "CPROF_OUTPUT_SHORT=often: expected yes or no; using no");
	CHECK(!s.output_short);
}

TEST(settings_booleans_have_four_spellings)
{
	static const char *const words[][2] = {
		{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}, {"OFF", "Yes"}};
	struct settings s;

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
		for (int v = 0; v < 2; v++) {
			char variable[64];

			snprintf(variable, sizeof variable, "CPROF_CPU_THREAD_ID=%s", words[i][v]);
			CHECK_STR(one(&s, variable), "");
			CHECK_EQ(s.cpu_thread_id, v);
			snprintf(variable, sizeof variable, "CPROF_CPU_ENABLED=%s", words[i][v]);
			CHECK_STR(one(&s, variable), "");
			CHECK_EQ(s.cpu_enabled, v);
		}
	}
	CHECK_STR(one(&s, "CPROF_CPU_ENABLED=2"),
		  "CPROF_CPU_ENABLED=2: expected yes or no; using yes");
	CHECK_EQ(s.cpu_enabled, true);
	CHECK_STR(one(&s, "CPROF_CPU_THREAD_ID=yess"),
		  "CPROF_CPU_THREAD_ID=yess: expected yes or no; using no");
	CHECK_STR(one(&s, "CPROF_CPU_THREAD_ID=y"),
		  "CPROF_CPU_THREAD_ID=y: expected yes or no; using no");
}

TEST(settings_signals_by_name_and_number)
{
	static const struct {
		const char *text;
		int signal;
	} good[] = {{"USR1", SIGUSR1},
		    {"SIGUSR1", SIGUSR1},
		    {"sigusr2", SIGUSR2},
		    {"12", SIGUSR2},
		    {"none", 0},
		    {"None", 0},
		    {"RTMIN", 34},
		    {"RTMIN+3", 37},
		    {"SIGRTMIN+30", 64},
		    {"RTMAX", 64},
		    {"SIGRTMAX-4", 60},
		    {"rtmax-30", 34},
		    {"WINCH", SIGWINCH},
		    {"SIGVTALRM", SIGVTALRM},
		    {"64", 64}};
	struct settings s;

	CHECK_EQ(SIGRTMIN, 34);
	CHECK_EQ(SIGRTMAX, 64);
	for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
		char variable[64];

		snprintf(variable, sizeof variable, "CPROF_OUTPUT_SIGNAL=%s", good[i].text);
		CHECK_STR(one(&s, variable), "");
		CHECK_EQ(s.output_signal, good[i].signal);
	}
	static const char *const bad[] = {
		"0",	     "65",	"-1",	   "SIG",      "USR3",
		"SIGSIGHUP", "RTMIN-1", "RTMAX+1", "RTMIN+31", "RTMAX-31",
		"RTMIN+",    "RTMIN+x", "SIG12",   "USR2 ",    "RTMIN+18446744073709551615"};
	for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char variable[64], want[256];

		snprintf(variable, sizeof variable, "CPROF_OUTPUT_SIGNAL=%s", bad[i]);
		snprintf(want, sizeof want,
			 "%s: expected the name or number of a signal, RTMIN+n, RTMAX-n, or none; "
			 "using SIGUSR2",
			 variable);
		CHECK_STR(one(&s, variable), want);
		CHECK_EQ(s.output_signal, SIGUSR2);
	}
}

TEST(settings_refuses_signals_that_cannot_ask)
{
	static const char *const refused[] = {"PROF", "27",  "KILL", "9",   "STOP", "SEGV", "BUS",
					      "FPE",  "ILL", "TRAP", "SYS", "32",   "33"};
	struct settings s;

	for (unsigned i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		char variable[64];
		const char *line;

		snprintf(variable, sizeof variable, "CPROF_OUTPUT_SIGNAL=%s", refused[i]);
		line = one(&s, variable);
		if (!strstr(line, "; using SIGUSR2"))
			check_fail(__FILE__, __LINE__, "%s gave \"%s\"", variable, line);
		CHECK_EQ(s.output_signal, SIGUSR2);
	}
	CHECK_STR(one(&s, "CPROF_OUTPUT_SIGNAL=PROF"),
		  "CPROF_OUTPUT_SIGNAL=PROF: SIGPROF is cprof's sampling signal; using SIGUSR2");
	CHECK_STR(one(&s, "CPROF_OUTPUT_SIGNAL=33"),
		  "CPROF_OUTPUT_SIGNAL=33: this signal belongs to the C library; using SIGUSR2");
}

TEST(settings_paths_are_absolute_and_fit)
{
	char variable[600] = "CPROF_OUTPUT_DIR=/";
	const size_t start = sizeof "CPROF_OUTPUT_DIR=" - 1;
	struct settings s;

	CHECK_STR(one(&s, "CPROF_OUTPUT_DIR=/var/prof"), "");
	CHECK_STR(s.output_dir, "/var/prof");
	CHECK_STR(one(&s, "CPROF_OUTPUT_DIR=prof"),
		  "CPROF_OUTPUT_DIR=prof: expected an absolute path of at most 255 bytes; "
		  "using the default");
	CHECK_STR(s.output_dir, "");
	memset(variable + start + 1, 'x', 254);
	variable[start + 255] = '\0';
	CHECK_STR(one(&s, variable), "");
	CHECK_EQ(strlen(s.output_dir), 255);
	variable[start + 255] = 'x';
	variable[start + 256] = '\0';
	CHECK(strstr(one(&s, variable), "xxx...: expected an absolute path") != NULL);
	CHECK_STR(s.output_dir, "");
}

TEST(settings_empty_value_is_as_good_as_none)
{
	struct settings s;

	CHECK_STR(one(&s, "CPROF_CPU_HZ="), "");
	CHECK_EQ(s.cpu_hz, 100);
	CHECK_STR(one(&s, "CPROF_OUTPUT_DIR="), "");
	CHECK_STR(one(&s, "CPROF_OUTPUT_SIGNAL="), "");
	CHECK_EQ(s.output_signal, SIGUSR2);
}

TEST(settings_unknown_names_get_the_nearest)
{
	struct settings s;

	CHECK_STR(one(&s, "CPROF_CPU_HERTZ=5"),
		  "CPROF_CPU_HERTZ: no such option; did you mean CPROF_CPU_HZ?");
	CHECK_STR(one(&s, "CPROF_OUTPUT_DIRECTORY=/x"),
		  "CPROF_OUTPUT_DIRECTORY: no such option; did you mean CPROF_OUTPUT_DIR?");
	CHECK_STR(one(&s, "CPROF_CUP_HZ=5"),
		  "CPROF_CUP_HZ: no such option; did you mean CPROF_CPU_HZ?");
	CHECK_STR(one(&s, "CPROF_CPU_SOMETHING_ELSE_ENTIRELY=5"),
		  "CPROF_CPU_SOMETHING_ELSE_ENTIRELY: no such option; `cprof options` lists them");
	/* Not ours to judge. */
	CHECK_STR(one(&s, "CPROF_=5"), "");
	CHECK_STR(one(&s, "CPROF=5"), "");
	CHECK_STR(one(&s, "CPROF_TESTSUITE=5"), "");
	CHECK_STR(one(&s, "CPROF_CPU_HZ"), "");
	CHECK_STR(one(&s, "cprof_cpu_hz=5"), "");
	CHECK_EQ(s.cpu_hz, 100);
}

TEST(settings_first_of_two_counts)
{
	char *envp[] = {"PATH=/bin", "CPROF_CPU_HZ=7", "CPROF_CPU_HZ=abc",
			"",	     "CPROF_CPU_HZ=8", NULL};
	struct reports r = {0};
	struct settings s;

	CHECK_EQ(load_settings(&s, NULL, envp, NULL, keep, &r), 0);
	CHECK_EQ(s.cpu_hz, 7);
	CHECK_EQ(load_settings(&s, NULL, NULL, NULL, keep, &r), 0);
	CHECK_EQ(s.cpu_hz, 100);
}

TEST(settings_reports_are_one_bounded_clean_line)
{
	static char variable[100000];
	struct settings s;
	const char *line;

	memset(variable, '\n', sizeof variable - 1);
	memcpy(variable, "CPROF_CPU_HZ=", 13);
	line = one(&s, variable);
	CHECK(strlen(line) < 200);
	CHECK(strchr(line, '\n') == NULL);
	CHECK(strstr(line, "???...: expected a number") != NULL);
	/* A name may be long too. */
	memset(variable, 'A', sizeof variable - 1);
	memcpy(variable, "CPROF_CPU_", 10);
	memcpy(variable + 90000, "=1", 3);
	line = one(&s, variable);
	CHECK(strlen(line) < 200);
	CHECK(strstr(line, "AAA...: no such option") != NULL);
	/* A cut does not split a character: 58 bytes of prefix, then two three-byte ones. */
	memset(variable, 0, sizeof variable);
	memcpy(variable, "CPROF_CPU_HZ=", 13);
	memset(variable + 13, 'a', 58);
	strcpy(variable + 13 + 58, "\u20ac\u20ac");
	CHECK(strstr(one(&s, variable), "aa...: expected") != NULL);
}

TEST(settings_can_be_listed_and_set_again)
{
	struct settings s, defaults;
	struct settings_option o;
	unsigned n = 0;

	settings_defaults(&defaults);
	for (; settings_option(n, &o); n++) {
		char dotted[64], why_buf[256] = "";
		struct text why = TEXT_ON(why_buf);

		snprintf(dotted, sizeof dotted, "%s.%s", o.section, o.key);
		settings_defaults(&s);
		CHECK_EQ(settings_find(dotted, SETTINGS_DOTTED), n);
		CHECK_EQ(settings_find(o.variable, SETTINGS_VARIABLE), n);
		CHECK_EQ(settings_set(&s, n, o.default_text, &why), 0);
		CHECK(memcmp(&s, &defaults, sizeof s) == 0);
		CHECK(strlen(o.doc) > 10 && o.bounds[0] && o.variable[0]);
	}
	CHECK_EQ(n, SETTINGS_COUNT);
	CHECK(settings_option(0, &o));
	CHECK_STR(o.variable, "CPROF_OUTPUT_DIR");
}

TEST(settings_set_says_why)
{
	char buf[256] = "";
	struct text why = TEXT_ON(buf);
	struct settings s;
	int hz = settings_find("cpu.hz", SETTINGS_DOTTED);

	settings_defaults(&s);
	CHECK_EQ(settings_set(&s, (unsigned)hz, "x", &why), -EINVAL);
	CHECK_STR(buf, "expected a number from 1 to 1000");
	CHECK_EQ(s.cpu_hz, 100);
	why = TEXT_ON(buf);
	CHECK_EQ(settings_find("cpu.hs", SETTINGS_DOTTED), -ENOENT);
	CHECK(settings_explain("cpu.hs", SETTINGS_DOTTED, &why));
	CHECK_STR(buf, "no such option; did you mean cpu.hz?");
}

TEST(value_distance_counts_edits)
{
	CHECK_EQ(value_distance("", "", 3), 0);
	CHECK_EQ(value_distance("abc", "abc", 0), 0);
	CHECK_EQ(value_distance("abc", "abd", 3), 1);
	CHECK_EQ(value_distance("kitten", "sitting", 3), 3);
	CHECK_EQ(value_distance("kitten", "sitting", 2), 3);
	CHECK_EQ(value_distance("", "abcd", 9), 4);
}

TEST(settings_shown_changed_are_those_that_set_them_again)
{
	char buf[256];
	struct text t = TEXT_ON(buf);
	struct settings s;

	buf[0] = '\0';
	settings_defaults(&s);
	settings_show_changed(&s, &t);
	CHECK_STR(buf, "");
	s.cpu_hz = 250;
	s.follow_fork = false;
	s.output_signal = 0;
	s.store_max_bytes = 2 << 20;
	strcpy(s.output_dir, "/var/p");
	settings_show_changed(&s, &t);
	CHECK_STR(buf, "output.dir=/var/p\noutput.signal=none\ncpu.hz=250\nstore.max_bytes=2M\n"
		       "follow.fork=no\n");
}
