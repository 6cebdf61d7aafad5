/* SPDX-License-Identifier: MIT */
#include "config/load.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/inifile.h"
#include "tests/support/check.h"

static char said[LOAD_REPORTS * LOAD_LINE_BYTES * 2]; /* each report and a newline */
static unsigned reports;

static void keep(void *opaque, const char *line)
{
	size_t n = strlen(said);

	(void)opaque;
	reports++;
	if (strlen(line) >= LOAD_LINE_BYTES || strchr(line, '\n'))
		check_fail(__FILE__, __LINE__, "no bounded line: %s", line);
	snprintf(said + n, sizeof said - n, "%s\n", line);
}

static struct load_source sources[SETTINGS_COUNT];

/* The reports of a file "f" with this text. */
static const char *of_text(struct settings *s, const char *text)
{
	said[0] = '\0';
	reports = 0;
	if (load_text(s, "f", text, strlen(text), sources, keep, NULL) != reports)
		check_fail(__FILE__, __LINE__, "counts differ from the lines:\n%s", said);
	return said;
}

/* The same of a file on disk and one variable; path is in file. */
static char file[64];
static const char *of_file(struct settings *s, const char *text, const char *variable)
{
	char named[128];
	char *envp[] = {named, (char *)variable, NULL};
	int fd;

	strcpy(file, "/tmp/cprof-load-XXXXXX");
	fd = mkstemp(file);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	snprintf(named, sizeof named, "CPROF_CONFIG=%s", file);
	said[0] = '\0';
	reports = 0;
	(void)load_settings(s, NULL, envp, sources, keep, NULL);
	unlink(file);
	return said;
}

static const char *of_variable(struct settings *s, const char *variable)
{
	char *envp[] = {(char *)variable, NULL};

	said[0] = '\0';
	reports = 0;
	CHECK_EQ(load_settings(s, NULL, envp, sources, keep, NULL), reports);
	return said;
}

#define INDEX(dotted) settings_find(dotted, SETTINGS_DOTTED)

TEST(load_takes_every_type_from_a_file)
{
	struct settings s;

	CHECK_STR(of_text(&s, "; all types\n[output]\ndir = /var/prof;a#b\nsignal = RTMIN+3\n"
			      "on_exit = off\nmax_bytes = 2G\n[cpu]\nhz = 50 ; less\n"
			      "[follow]\nonly = nginx,php-fpm\n"),
		  "");
	CHECK_STR(s.output_dir, "/var/prof;a#b");
	CHECK_EQ(s.output_signal, 37);
	CHECK_EQ(s.output_on_exit, false);
	CHECK_EQ(s.output_max_bytes, 1ll << 31);
	CHECK_EQ(s.cpu_hz, 50);
	CHECK_STR(s.follow_only, "nginx,php-fpm");
	CHECK_EQ(s.output_max_files, 1000);
	CHECK_EQ(sources[INDEX("cpu.hz")].from, LOAD_FILE);
	CHECK_EQ(sources[INDEX("cpu.hz")].line, 8);
	CHECK_EQ(sources[INDEX("output.max_files")].from, LOAD_DEFAULT);
}

TEST(load_keeps_blanks_inside_a_path)
{
	struct settings s;

	CHECK_STR(of_text(&s, "[output]\r\ndir =  /var/my profiles \r\n"), "");
	CHECK_STR(s.output_dir, "/var/my profiles");
}

TEST(load_reports_with_place_and_what_counts)
{
	struct settings s;

	CHECK_STR(of_text(&s, "[cpu]\nhz = abc\n"),
		  "f:2: cpu.hz = abc: expected a number from 1 to 1000; using 100\n");
	CHECK_STR(of_text(&s, "[cpu]\n\nhz = 0\nenabled = maybe\nthread_id = yes\n"),
		  "f:3: cpu.hz = 0: expected a number from 1 to 1000; using 100\n"
		  "f:4: cpu.enabled = maybe: expected yes or no; using yes\n");
	CHECK_EQ(s.cpu_thread_id, true);
	CHECK_STR(of_text(&s, "[output]\ndir = prof\nsignal = PROF\nmax_bytes = -1\n"),
		  "f:2: output.dir = prof: expected an absolute path of at most 255 bytes; using "
		  "the default\n"
		  "f:3: output.signal = PROF: SIGPROF is cprof's sampling signal; using SIGUSR2\n"
		  "f:4: output.max_bytes = -1: expected a number of bytes from 0 to 1024G; using "
		  "256M\n");
	CHECK_STR(of_text(&s, "[follow]\nonly = a b\n"),
		  "f:2: follow.only = a b: expected names of programs with commas between them, of "
		  "at most 255 bytes; using the default\n");
	CHECK_STR(of_text(&s, "[cpu]\nhz = 5 0\n"),
		  "f:2: cpu.hz = 5 0: expected a number from 1 to 1000; using 100\n");
}

TEST(load_an_empty_value_is_the_default)
{
	struct settings s;

	CHECK_STR(of_text(&s, "[cpu]\nhz =\nenabled = ; x\n"), "");
	CHECK_EQ(s.cpu_hz, 100);
	CHECK_EQ(s.cpu_enabled, true);
	CHECK_STR(of_file(&s, "[output]\ndir = /x\n[cpu]\nhz = 7\n", "CPROF_OUTPUT_DIR="), "");
	CHECK_STR(s.output_dir, "");
	CHECK_EQ(s.cpu_hz, 7);
	CHECK_EQ(sources[INDEX("output.dir")].from, LOAD_VARIABLE);
}

TEST(load_quotes_are_refused)
{
	struct settings s;

	CHECK_STR(
		of_text(&s, "[output]\ndir = \"/var/prof\"\n[follow]\nonly = 'nginx'\n"),
		"f:2: output.dir = \"/var/prof\": expected an absolute path of at most 255 bytes, "
		"without quotes; using the default\n"
		"f:4: follow.only = 'nginx': expected names of programs with commas between them, "
		"of at most 255 bytes, without quotes; using the default\n");
	CHECK_STR(s.output_dir, "");
	CHECK_STR(s.follow_only, "");
}

TEST(load_unknown_keys_get_the_nearest)
{
	struct settings s;

	CHECK_STR(of_text(&s, "[cpu]\nhs = 5\n"),
		  "f:2: cpu.hs: no such option; did you mean cpu.hz?\n");
	CHECK_STR(of_text(&s, "[cpu]\nHZ = 5\n"),
		  "f:2: cpu.HZ: no such option; did you mean cpu.hz?\n");
	CHECK_STR(of_text(&s, "[cpu]\ninterval = 5\n"),
		  "f:2: cpu.interval: no such option; did you mean output.interval?\n");
	CHECK_STR(of_text(&s, "[output]\ndirectory = /x\n"),
		  "f:2: output.directory: no such option; did you mean output.dir?\n");
	CHECK_STR(
		of_text(&s, "[store]\nsomething_else_entirely = /x\n"),
		"f:2: store.something_else_entirely: no such option; `cprof options` lists them\n");
	/* The variable's name is none of the file's. */
	CHECK_STR(of_text(&s, "[cpu]\nCPROF_CPU_HZ = 5\n"),
		  "f:2: cpu.CPROF_CPU_HZ: no such option; `cprof options` lists them\n");
	/* A dot does not reach into another section. */
	CHECK_STR(of_text(&s, "[output]\ncpu.hz = 5\n"),
		  "f:2: output.cpu.hz: no such option; did you mean cpu.hz?\n");
	CHECK_EQ(s.cpu_hz, 100);
}

TEST(load_unknown_sections_get_the_nearest)
{
	struct settings s;

	CHECK_STR(of_text(&s, "[cup]\nhz = 5\nx\n[cpu]\nhz = 6\n"),
		  "f:1: [cup]: no such section; did you mean [cpu]? ignoring its options\n");
	CHECK_EQ(s.cpu_hz, 6);
	CHECK_STR(of_text(&s, "[cpus]\nhz = 5\n"),
		  "f:1: [cpus]: no such section; did you mean [cpu]? ignoring its options\n");
	CHECK_EQ(s.cpu_hz, 100);
	CHECK_STR(of_text(&s, "[profile]\nhz = 5\n"),
		  "f:1: [profile]: no such section; expected "
		  "[output], [cpu], [heap], [block], [mutex], [store], [follow]; "
		  "ignoring its options\n");
	CHECK_STR(of_text(&s, "[CPU]\n"),
		  "f:1: [CPU]: no such section; expected [output], [cpu], "
		  "[heap], [block], [mutex], [store], [follow]; ignoring its options\n");
	CHECK_STR(of_text(&s, "[]\nhz = 5\n"),
		  "f:1: []: no such section; expected [output], [cpu], [heap], [block], [mutex], "
		  "[store], [follow]; "
		  "ignoring its options\n");
	CHECK_STR(of_text(&s, "[cpu.hz]\n"), "f:1: [cpu.hz]: no such section; expected [output], "
					     "[cpu], [heap], [block], [mutex], [store], [follow]; "
					     "ignoring its options\n");
	CHECK_EQ(s.cpu_hz, 100);
}

TEST(load_of_twice_the_last_counts_and_is_told)
{
	struct settings s;

	CHECK_STR(of_text(&s, "[cpu]\nhz = 5\n[output]\n[cpu]\nhz = 6\nhz = 7\n"),
		  "f:5: cpu.hz: given in line 2 already, expected once; using the last\n"
		  "f:6: cpu.hz: given in line 5 already, expected once; using the last\n");
	CHECK_EQ(s.cpu_hz, 7);
	CHECK_STR(of_text(&s, "[cpu]\nhz = 5\nhz = x\n"),
		  "f:3: cpu.hz = x: expected a number from 1 to 1000; using 5\n");
	CHECK_EQ(s.cpu_hz, 5);
	CHECK_STR(of_text(&s, "[cpu]\nhz = x\nhz = 5\n"),
		  "f:2: cpu.hz = x: expected a number from 1 to 1000; using 5\n");
}

TEST(load_environment_wins_over_the_file)
{
	struct settings s;
	char want[256];

	CHECK_STR(of_file(&s, "[cpu]\nhz = 5\nthread_id = yes\n", "CPROF_CPU_HZ=9"), "");
	CHECK_EQ(s.cpu_hz, 9);
	CHECK_EQ(s.cpu_thread_id, true);
	CHECK_EQ(sources[INDEX("cpu.hz")].from, LOAD_VARIABLE);
	CHECK_EQ(sources[INDEX("cpu.thread_id")].from, LOAD_FILE);
	/* A bad variable leaves the file's value, and says so. */
	CHECK_STR(of_file(&s, "[cpu]\nhz = 5\n", "CPROF_CPU_HZ=x"),
		  "CPROF_CPU_HZ=x: expected a number from 1 to 1000; using 5\n");
	CHECK_EQ(s.cpu_hz, 5);
	CHECK_EQ(sources[INDEX("cpu.hz")].from, LOAD_FILE);
	/* A bad line of the file says what counts in the end. */
	(void)of_file(&s, "[cpu]\nhz = x\n", "CPROF_CPU_HZ=9");
	snprintf(want, sizeof want, "%s:2: cpu.hz = x: expected a number from 1 to 1000; using 9\n",
		 file);
	CHECK_STR(said, want);
	CHECK_EQ(s.cpu_hz, 9);
}

/* What a report finds in the settings. */
static char log_then[SETTINGS_PATH_BYTES];
static void look(void *opaque, const char *line)
{
	const struct settings *s = opaque;

	(void)line;
	strcpy(log_then, s->output_log);
}

TEST(load_reports_when_all_is_set)
{
	static const char text[] = "[nonsense]\n[output]\nlog = /var/log/x\n";
	char *envp[] = {"CPROF_CPU_HZ=x", "CPROF_OUTPUT_LOG=/log/of/a/later/variable", NULL};
	struct settings s;

	CHECK_EQ(load_text(&s, "f", text, sizeof text - 1, NULL, look, &s), 1);
	CHECK_STR(log_then, "/var/log/x");
	CHECK_EQ(load_settings(&s, NULL, envp, NULL, look, &s), 1);
	CHECK_STR(log_then, "/log/of/a/later/variable");
}

TEST(load_without_file_when_it_cannot_be_read)
{
	char *envp[] = {"CPROF_CONFIG=/nowhere/x.ini", "CPROF_CPU_HZ=3", NULL};
	struct settings s;

	said[0] = '\0';
	CHECK_EQ(load_settings(&s, NULL, envp, NULL, keep, NULL), 1);
	CHECK_STR(said, "/nowhere/x.ini: cannot be opened (ENOENT), expected a readable file; "
			"using no file\n");
	CHECK_EQ(s.cpu_hz, 3);
	CHECK_STR(of_variable(&s, "CPROF_CONFIG=/tmp"),
		  "/tmp: is a directory, expected a regular file; using no file\n");
	CHECK_STR(of_variable(&s, "CPROF_CONFIG=/dev/null"),
		  "/dev/null: is a device, expected a regular file; using no file\n");
	CHECK_STR(of_variable(&s, "CPROF_CONFIG=x.ini"),
		  "CPROF_CONFIG=x.ini: expected an absolute path of at most 255 bytes; using no "
		  "file\n");
	CHECK_STR(of_variable(&s, "CPROF_CONFIG="), "");
	CHECK_STR(of_variable(&s, "CPROF_CONFGI=/x"),
		  "CPROF_CONFGI: no such option; did you mean CPROF_CONFIG?\n");
}

TEST(load_of_two_CPROF_CONFIG_the_first_counts)
{
	char *envp[] = {"CPROF_CONFIG=/nowhere/1", "CPROF_CONFIG=/nowhere/2", NULL};
	struct settings s;

	said[0] = '\0';
	CHECK_EQ(load_settings(&s, NULL, envp, NULL, keep, NULL), 1);
	CHECK(strncmp(said, "/nowhere/1: ", 12) == 0);
	/* A path that is given takes the place of both. */
	said[0] = '\0';
	CHECK_EQ(load_settings(&s, "nowhere/3", envp, NULL, keep, NULL), 1);
	CHECK(strncmp(said, "nowhere/3: ", 11) == 0);
}

TEST(load_tells_twenty_problems_and_how_many_more)
{
	static char text[20000] = "[cpu]\n";
	struct settings s;
	unsigned n = 0;

	for (unsigned i = 0; i < 1000; i++)
		strcat(text, "nonsense\n");
	strcat(text, "hz = 77\n");
	said[0] = '\0';
	reports = 0;
	CHECK_EQ(load_text(&s, "f", text, strlen(text), NULL, keep, NULL), 1000);
	CHECK_EQ(reports, LOAD_REPORTS + 1);
	for (const char *at = said; (at = strstr(at, "\"nonsense\"")); at++)
		n++;
	CHECK_EQ(n, 0);
	CHECK(strstr(said, "f:21: nonsense: expected key = value; ignoring it\nf: and 980 more\n"));
	CHECK_EQ(s.cpu_hz, 77);
	/* Exactly twenty need no such line. */
	strcpy(text, "[cpu]\n");
	for (unsigned i = 0; i < LOAD_REPORTS; i++)
		strcat(text, "nonsense\n");
	(void)of_text(&s, text);
	CHECK_EQ(reports, LOAD_REPORTS);
	CHECK(strstr(said, "more") == NULL);
}

TEST(load_longest_report_is_not_cut)
{
	char name[300] = "/", text[2000] = "[follow]\nonly = good\nonly = \"", *end;
	struct settings s;

	memset(name + 1, 'n', 254);
	end = text + strlen(text);
	memset(end, 'v', 900);
	strcpy(end + 900, "\n");
	said[0] = '\0';
	CHECK_EQ(load_text(&s, name, text, strlen(text), NULL, keep, NULL), 1);
	CHECK(strstr(said, "...: expected names of programs with commas between them, of at most "
			   "255 bytes, without quotes; using good\n"));
	CHECK(strncmp(said, name, 255) == 0);
	CHECK(strncmp(said + 255, ":3: ", 4) == 0);
}

TEST(load_reports_are_clean)
{
	struct settings s;

	CHECK_STR(of_text(&s, "[\x1b[31m]\n[cpu]\nh\tz\x01 = 1\nhz = \x1b[0m\n"),
		  "f:1: [?[31m]: no such section; expected [output], [cpu], [heap], [block], "
		  "[mutex], [store], "
		  "[follow]; "
		  "ignoring its options\n"
		  "f:3: cpu.h?z?: no such option; did you mean cpu.hz?\n"
		  "f:4: cpu.hz = ?[0m: expected a number from 1 to 1000; using 100\n");
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void check_bounds(const struct settings *s)
{
#define OPTION_PATH(section, key, default_text, doc)                                               \
	CHECK(memchr(s->section##_##key, 0, SETTINGS_PATH_BYTES) &&                                \
	      (s->section##_##key[0] == '\0' || s->section##_##key[0] == '/'));
#define OPTION_NAMES(section, key, doc) CHECK(memchr(s->section##_##key, 0, SETTINGS_PATH_BYTES));
#define OPTION_BOOL(section, key, default_value, doc)
#define OPTION_NUMBER(section, key, default_value, min, max, doc)                                  \
	CHECK((int64_t)s->section##_##key >= (int64_t)(min) && s->section##_##key <= (max));
#define OPTION_SIGNAL(section, key, default_value, doc)                                            \
	CHECK(s->section##_##key >= 0 && s->section##_##key <= 64 && s->section##_##key != SIGPROF);
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_NAMES
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL
}

TEST(load_of_random_bytes_keeps_all_bounds)
{
	static const char *const pieces[] = {"[cpu]\n",	 "[output]",  "\n", "hz", " = ",   "50",
					     "dir=/x",	 "max_bytes", "=",  ";",  "#",	   "\r\n",
					     "signal=9", "99999999",  "[",  "]",  "\0\0x", "\xff"};
	struct settings s;

	for (unsigned round = 0; round < 3000; round++) {
		char text[600];
		size_t n = 0, size = next_random() % 500;

		while (n < size) {
			const char *piece =
				pieces[next_random() % (sizeof pieces / sizeof pieces[0])];
			if (round % 3 == 0) {
				text[n++] = (char)next_random();
				continue;
			}
			memcpy(text + n, piece, strlen(piece) + !*piece);
			n += strlen(piece) + !*piece;
		}
		said[0] = '\0';
		reports = 0;
		unsigned problems = load_text(&s, "f", text, n, sources, keep, NULL);
		CHECK(reports <= LOAD_REPORTS + 1);
		CHECK((reports == 0) == (problems == 0));
		check_bounds(&s);
	}
}

TEST(load_of_the_largest_file_ends_soon)
{
	char *text = malloc(INIFILE_MAX_BYTES);
	struct settings s;

	for (size_t i = 0; i < INIFILE_MAX_BYTES; i++)
		text[i] = "[cpu]\nhz=1\n=\nq=\nx\n"[i % 19];
	CHECK(load_text(&s, "f", text, INIFILE_MAX_BYTES, NULL, keep, NULL) > 100000);
	CHECK_EQ(s.cpu_hz, 1);
	free(text);
}
