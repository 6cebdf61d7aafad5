/* SPDX-License-Identifier: MIT */
/*
 * A configuration file of any bytes; its first line is also tried as a variable of the environment.
 *
 * Afterwards every option is inside its bounds and can be written and set again, each report is one
 * clean line with its place, and reports or none make the same settings.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CLAIM(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static const char name[] = "/f.ini";
static unsigned lines, reports, last_line;

static void check_clean(const char *line)
{
	size_t n = strlen(line);

	CLAIM(n > 0 && n < LOAD_LINE_BYTES - 1); /* not cut */
	for (size_t i = 0; i < n; i++)
		CLAIM((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
}

static void on_report(void *opaque, const char *line)
{
	const char *at = line + sizeof name - 1;

	(void)opaque;
	check_clean(line);
	CLAIM(strncmp(line, name, sizeof name - 1) == 0);
	if (++reports <= LOAD_REPORTS) {
		char *end;
		unsigned long number;

		CLAIM(at[0] == ':' && at[1] >= '1' && at[1] <= '9');
		number = strtoul(at + 1, &end, 10);
		CLAIM(strncmp(end, ": ", 2) == 0 && end[2]);
		CLAIM(number >= last_line && number <= lines);
		last_line = (unsigned)number;
	} else {
		CLAIM(strncmp(at, ": and ", 6) == 0);
	}
}

static void on_variable_report(void *opaque, const char *line)
{
	(void)opaque;
	check_clean(line);
	CLAIM(strncmp(line, "CPROF_", 6) == 0 && strstr(line, ": "));
}

static void check_settings(const struct settings *s)
{
#define OPTION_PATH(section, key, default_text, doc)                                               \
	CLAIM(memchr(s->section##_##key, 0, SETTINGS_PATH_BYTES));                                 \
	CLAIM(s->section##_##key[0] == '\0' || s->section##_##key[0] == '/');
#define OPTION_NAMES(section, key, doc)                                                            \
	CLAIM(memchr(s->section##_##key, 0, SETTINGS_PATH_BYTES));                                 \
	CLAIM(!strpbrk(s->section##_##key, " /"));
#define OPTION_BOOL(section, key, default_value, doc)                                              \
	CLAIM(*(const uint8_t *)&s->section##_##key <= 1);
#define OPTION_NUMBER(section, key, default_value, min, max, doc)                                  \
	CLAIM(s->section##_##key + 1 > (min) && s->section##_##key <= (max));
#define OPTION_SIGNAL(section, key, default_value, doc)                                            \
	CLAIM(s->section##_##key >= 0 && s->section##_##key <= 64);                                \
	CLAIM(s->section##_##key != SIGPROF && s->section##_##key != SIGKILL &&                    \
	      s->section##_##key != SIGSEGV && s->section##_##key != 32);
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_NAMES
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL
}

/* What is shown sets the same again. */
static void check_shown(const struct settings *s)
{
	struct settings again;

	settings_defaults(&again);
	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		char shown[SETTINGS_PATH_BYTES] = "", repeated[SETTINGS_PATH_BYTES] = "",
		     buf[256] = "";
		struct text t = TEXT_ON(shown), u = TEXT_ON(repeated), why = TEXT_ON(buf);

		settings_show(s, i, &t);
		CLAIM(settings_set(&again, i, shown, &why) == 0);
		settings_show(&again, i, &u);
		CLAIM(strcmp(shown, repeated) == 0);
	}
}

static void try_file(const uint8_t *data, size_t size)
{
	char *text = malloc(size); /* of exactly this size, for the sanitizer */
	struct load_source sources[SETTINGS_COUNT];
	struct settings s, silent;
	unsigned problems;

	CLAIM(text || size == 0);
	if (size)
		memcpy(text, data, size);
	lines = 1;
	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	reports = last_line = 0;
	memset(&s, 0x5a, sizeof s);
	memset(sources, 0x5a, sizeof sources);
	problems = load_text(&s, name, text, size, sources, on_report, NULL);
	CLAIM(reports == (problems > LOAD_REPORTS ? LOAD_REPORTS + 1 : problems));
	CLAIM(load_text(&silent, name, text, size, NULL, NULL, NULL) == problems);
	check_settings(&s);
	check_shown(&s);
	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		char a[SETTINGS_PATH_BYTES] = "", b[SETTINGS_PATH_BYTES] = "";
		struct text t = TEXT_ON(a), u = TEXT_ON(b);

		settings_show(&s, i, &t);
		settings_show(&silent, i, &u);
		CLAIM(strcmp(a, b) == 0);
		CLAIM(sources[i].from == LOAD_DEFAULT || sources[i].from == LOAD_FILE);
		CLAIM(sources[i].from == LOAD_DEFAULT
			      ? sources[i].line == 0
			      : sources[i].line >= 1 && sources[i].line <= lines);
	}
	free(text);
}

static void try_variable(const uint8_t *data, size_t size)
{
	char variable[2000] = "CPROF_";
	char *envp[] = {variable, NULL};
	struct settings s;
	size_t n = 0;

	while (n < size && n < sizeof variable - 7 && data[n] && data[n] != '\n')
		n++;
	memcpy(variable + 6, data, n);
	if (strncmp(variable, "CPROF_CONFIG=", 13) == 0)
		return; /* a file that anybody chooses */
	(void)load_settings(&s, NULL, envp, NULL, on_variable_report, NULL);
	check_settings(&s);
	check_shown(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	try_file(data, size);
	if (size)
		try_variable(data, size);
	return 0;
}
