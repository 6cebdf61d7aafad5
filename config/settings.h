/* SPDX-License-Identifier: MIT */
/*
 * config/settings: the values of all options, from options.def: defaults < environment.
 *
 * options.def is the only list: it makes the fields of struct settings, the defaults, the parser's
 * bounds, the environment names (CPROF_<SECTION>_<KEY>) and docs/options.md.
 * After any of these functions every field holds a value inside its bounds, whatever was asked for.
 */
#ifndef CPROF_CONFIG_SETTINGS_H
#define CPROF_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

#define SETTINGS_PATH_BYTES 256

/* Types of option: the C type of each field. */
struct settings {
#define OPTION_PATH(section, key, default_text, doc)		  char section##_##key[SETTINGS_PATH_BYTES];
#define OPTION_NAMES(section, key, doc)				  char section##_##key[SETTINGS_PATH_BYTES];
#define OPTION_BOOL(section, key, default_value, doc)		  bool section##_##key;
#define OPTION_NUMBER(section, key, default_value, min, max, doc) uint64_t section##_##key;
#define OPTION_SIGNAL(section, key, default_value, doc)		  int section##_##key; /* 0: none */
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_NAMES
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL
};

/* Called once for each bad value with one complete line without a newline. */
typedef void (*settings_report_fn)(void *opaque, const char *line);

/* Fills *s with the defaults.
 * Context: own.  Allocates: no.  Locks: none. */
void settings_defaults(struct settings *s);

/* Applies every CPROF_<SECTION>_<KEY>=value of envp.  A bad value keeps the default and is
 * reported: "CPROF_CPU_HZ=abc: expected a number from 1 to 1000; using 100".  A variable that looks
 * like an option (CPROF_ and a known section) but is none is reported with the nearest known name.
 * An empty value is as good as none; of a name that occurs twice the first counts, as with
 * getenv(). Returns the number of reports.  Never calls libc functions that allocate or lock.
 * Context: own (start-up of the host).  Allocates: no.  Locks: none. */
unsigned settings_from_environment(struct settings *s, char *const *envp, settings_report_fn report,
				   void *opaque);

/* One option, for the command and the documentation. */
enum settings_type {
	SETTINGS_PATH,
	SETTINGS_NAMES,
	SETTINGS_BOOL,
	SETTINGS_NUMBER,
	SETTINGS_SIGNAL
};
struct settings_option {
	const char *section, *key, *doc;
	enum settings_type type;
	char variable[48];			/* CPROF_<SECTION>_<KEY> */
	char default_text[SETTINGS_PATH_BYTES]; /* "" is a default of its own, see doc */
	char bounds[96];			/* "a number from 1 to 1000" */
};

/* Option by position, 0.. in the order of options.def: true, or false when there are no more.
 * Context: own.  Allocates: no.  Locks: none. */
bool settings_option(unsigned index, struct settings_option *ret_option);

/* The value of an option as the text that sets it again.
 * Context: own.  Allocates: no.  Locks: none. */
void settings_show(const struct settings *s, unsigned index, struct text *ret_value);

/* Appends "section.key=value\n" for each option that is not at its default.
 * Context: signal.  Allocates: no.  Locks: none. */
void settings_show_changed(const struct settings *s, struct text *t);

/* Is name one of the comma-separated names of an OPTION_NAMES?
 * Context: own.  Allocates: no.  Locks: none. */
bool settings_names(const char *names, const char *name);

/* Sets one option by its dotted name ("cpu.hz").  *ret_index, when not NULL, is its position.
 * 0, or -ENOENT (no such option), -EINVAL (a bad value), with the reason in *why and *s unchanged.
 * Context: own.  Allocates: no.  Locks: none. */
int settings_set(struct settings *s, const char *dotted, const char *value, unsigned *ret_index,
		 struct text *why);

#endif
