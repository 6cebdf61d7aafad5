/* SPDX-License-Identifier: MIT */
/*
 * config/settings: the values of all options, from options.def: defaults < environment.
 *
 * options.def is the only list: it makes the fields of struct settings, the defaults, the parser's
 * bounds, the environment names (CPROF_<SECTION>_<KEY>) and docs/options.md.
 */
#ifndef CPROF_CONFIG_SETTINGS_H
#define CPROF_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#define SETTINGS_PATH_BYTES 256

/* Types of option: the C type of each field. */
struct settings {
#define OPTION_PATH(section, key, default_text, doc) char section##_##key[SETTINGS_PATH_BYTES];
#define OPTION_BOOL(section, key, default_value, doc) bool section##_##key;
#define OPTION_NUMBER(section, key, default_value, min, max, doc) uint64_t section##_##key;
#define OPTION_SIGNAL(section, key, default_value, doc) int section##_##key; /* 0: none */
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL
};

/* Called once for each bad value with one complete line without a newline. */
typedef void (*settings_report_fn)(void *opaque, const char *line);

/* Fills *s with the defaults.
 * Context: own.  Allocates: no.  Locks: none. */
void settings_defaults(struct settings *s);

/* Applies every CPROF_<SECTION>_<KEY>=value of envp.  A bad value keeps the default and is reported:
 * "CPROF_CPU_HZ=abc: expected a number from 1 to 1000; using 100".  A variable that looks like an option
 * (CPROF_ and a known section) but is none is reported with the nearest known name.
 * Returns the number of reports.  Never calls libc functions that allocate or lock.
 * Context: own (start-up of the host).  Allocates: no.  Locks: none. */
unsigned settings_from_environment(struct settings *s, char *const *envp, settings_report_fn report,
				   void *opaque);

#endif
