/* SPDX-License-Identifier: MIT */
/*
 * config/settings: the values of all options, from options.def; who sets them is config/load.
 *
 * options.def is the only list: it makes the fields of struct settings, the defaults, the parser's
 * bounds, the names in configuration files and in the environment (CPROF_<SECTION>_<KEY>) and what
 * is generated from it: docs/options.md, the list in docs/man/cprof.ini.5, the example file.
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

enum {
	SETTINGS_COUNT = 0 /* of options */
#define OPTION_PATH(...)   +1
#define OPTION_NAMES(...)  +1
#define OPTION_BOOL(...)   +1
#define OPTION_NUMBER(...) +1
#define OPTION_SIGNAL(...) +1
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_NAMES
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL
};

/* Fills *s with the defaults.
 * Context: own.  Allocates: no.  Locks: none. */
void settings_defaults(struct settings *s);

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

/* How an option is called: "cpu.hz" or "CPROF_CPU_HZ". */
enum settings_style { SETTINGS_DOTTED, SETTINGS_VARIABLE };

/* The position of the option of this name, or -ENOENT.
 * Context: own.  Allocates: no.  Locks: none. */
int settings_find(const char *name, enum settings_style style);

/* Sets an option by position; the empty value is the default.  0, or -EINVAL with *s unchanged and
 * what was expected in *why.
 * Context: own.  Allocates: no.  Locks: none. */
int settings_set(struct settings *s, unsigned index, const char *value, struct text *why);

/* Why no option is called so: "no such option; did you mean cpu.hz?".  false, and nothing written:
 * a variable that resembles none of ours, and is not ours to judge.
 * Context: own.  Allocates: no.  Locks: none. */
bool settings_explain(const char *name, enum settings_style style, struct text *why);

/* Is there a section of this name?  false: *why says so, with the nearest.
 * Context: own.  Allocates: no.  Locks: none. */
bool settings_section(const char *name, struct text *why);

#endif
