/* SPDX-License-Identifier: MIT */
#include "config/settings.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "config/value.h"
#include "core/as_safe.h"

#define PREFIX	   "CPROF_"
#define NAME_BYTES 48 /* of a variable; longer names are none of ours */

/* One row of options.def.  The first values are in number or path by type. */
struct row {
	const char *section, *key, *doc;
	enum settings_type type;
	uint32_t offset; /* of the field in struct settings */
	uint64_t number, min, max;
	const char *path;
};

#define FIELD(section, key) (uint32_t) offsetof(struct settings, section##_##key)
static const struct row rows[] = {
#define OPTION_PATH(section, key, default_text, doc)                                               \
	{#section, #key, doc, SETTINGS_PATH, FIELD(section, key), 0, 0, 0, default_text},
#define OPTION_NAMES(section, key, doc)                                                            \
	{#section, #key, doc, SETTINGS_NAMES, FIELD(section, key), 0, 0, 0, ""},
#define OPTION_BOOL(section, key, default_value, doc)                                              \
	{#section, #key, doc, SETTINGS_BOOL, FIELD(section, key), default_value, 0, 1, ""},
#define OPTION_NUMBER(section, key, default_value, min, max, doc)                                  \
	{#section, #key, doc, SETTINGS_NUMBER, FIELD(section, key), default_value, min, max, ""},
#define OPTION_SIGNAL(section, key, default_value, doc)                                            \
	{#section, #key, doc, SETTINGS_SIGNAL, FIELD(section, key), default_value, 0, 0, ""},
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_NAMES
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL
};
#define ROWS ((unsigned)(sizeof rows / sizeof rows[0]))
_Static_assert(sizeof rows / sizeof rows[0] <= 64,
	       "settings_from_environment keeps a bit per option");

/* A default outside its own bounds is a mistake in options.def; let it not compile. */
#define OPTION_PATH(section, key, default_text, doc)                                               \
	_Static_assert(sizeof default_text <= SETTINGS_PATH_BYTES, #section "." #key);             \
	_Static_assert(sizeof PREFIX #section "_" #key <= NAME_BYTES, #section "." #key);
#define OPTION_NAMES(section, key, doc)                                                            \
	_Static_assert(sizeof PREFIX #section "_" #key <= NAME_BYTES, #section "." #key);
#define OPTION_BOOL(section, key, default_value, doc)                                              \
	_Static_assert(sizeof PREFIX #section "_" #key <= NAME_BYTES, #section "." #key);
#define OPTION_NUMBER(section, key, default_value, min, max, doc)                                  \
	_Static_assert((min) <= (default_value) && (default_value) <= (max), #section "." #key);   \
	_Static_assert(sizeof PREFIX #section "_" #key <= NAME_BYTES, #section "." #key);
#define OPTION_SIGNAL(section, key, default_value, doc)                                            \
	_Static_assert(sizeof PREFIX #section "_" #key <= NAME_BYTES, #section "." #key);
#include "config/options.def"
#undef OPTION_PATH
#undef OPTION_NAMES
#undef OPTION_BOOL
#undef OPTION_NUMBER
#undef OPTION_SIGNAL

static void *field(struct settings *s, const struct row *row)
{
	return (char *)s + row->offset;
}

static const void *field_of(const struct settings *s, const struct row *row)
{
	return (const char *)s + row->offset;
}

/* Numbers in bytes have the unit in their name, and may be written with K, M or G. */
static bool is_bytes(const struct row *row)
{
	size_t n = text_length(row->key);

	return n >= 5 && text_equal(row->key + n - 5, "bytes");
}

static void set_default(struct settings *s, const struct row *row)
{
	switch (row->type) {
	case SETTINGS_PATH:
	case SETTINGS_NAMES:
		memcpy(field(s, row), row->path, text_length(row->path) + 1);
		break;
	case SETTINGS_BOOL:
		*(bool *)field(s, row) = row->number != 0;
		break;
	case SETTINGS_NUMBER:
		*(uint64_t *)field(s, row) = row->number;
		break;
	case SETTINGS_SIGNAL:
		*(int *)field(s, row) = (int)row->number;
		break;
	}
}

void settings_defaults(struct settings *s)
{
	memset(s, 0, sizeof *s);
	for (unsigned i = 0; i < ROWS; i++)
		set_default(s, &rows[i]);
}

static int set_value(struct settings *s, const struct row *row, const char *value, struct text *why)
{
	if (*value == '\0') {
		set_default(s, row);
		return 0;
	}
	switch (row->type) {
	case SETTINGS_PATH:
		return value_parse_path(value, field(s, row), SETTINGS_PATH_BYTES, why);
	case SETTINGS_NAMES:
		return value_parse_names(value, field(s, row), SETTINGS_PATH_BYTES, why);
	case SETTINGS_BOOL:
		return value_parse_bool(value, field(s, row), why);
	case SETTINGS_NUMBER:
		return value_parse_number(value, row->min, row->max, is_bytes(row), field(s, row),
					  why);
	case SETTINGS_SIGNAL:
		return value_parse_signal(value, field(s, row), why);
	}
	return -EINVAL;
}

static void show_bounds(const struct row *row, struct text *t)
{
	switch (row->type) {
	case SETTINGS_PATH:
		value_bounds_path(t, SETTINGS_PATH_BYTES);
		break;
	case SETTINGS_NAMES:
		value_bounds_names(t, SETTINGS_PATH_BYTES);
		break;
	case SETTINGS_BOOL:
		value_bounds_bool(t);
		break;
	case SETTINGS_NUMBER:
		value_bounds_number(t, row->min, row->max, is_bytes(row));
		break;
	case SETTINGS_SIGNAL:
		value_bounds_signal(t);
		break;
	}
}

void settings_show(const struct settings *s, unsigned index, struct text *ret_value)
{
	const struct row *row = &rows[index];
	const void *at = field_of(s, row);

	switch (row->type) {
	case SETTINGS_PATH:
	case SETTINGS_NAMES:
		text_str(ret_value, at);
		break;
	case SETTINGS_BOOL:
		text_str(ret_value, *(const bool *)at ? "yes" : "no");
		break;
	case SETTINGS_NUMBER:
		value_show_number(ret_value, *(const uint64_t *)at, is_bytes(row));
		break;
	case SETTINGS_SIGNAL:
		value_show_signal(ret_value, *(const int *)at);
		break;
	}
}

/* The name of a row: dotted "cpu.hz", or the variable "CPROF_CPU_HZ". */
static void dotted_name(const struct row *row, struct text *t)
{
	text_str(t, row->section);
	text_char(t, '.');
	text_str(t, row->key);
}

static void upper(struct text *t, const char *s)
{
	for (; *s; s++)
		text_char(t, *s >= 'a' && *s <= 'z' ? (char)(*s - 0x20) : *s);
}

static void variable_name(const struct row *row, struct text *t)
{
	text_str(t, PREFIX);
	upper(t, row->section);
	text_char(t, '_');
	upper(t, row->key);
}

typedef void (*name_fn)(const struct row *row, struct text *t);

static const struct row *find(const char *name, name_fn name_of)
{
	for (unsigned i = 0; i < ROWS; i++) {
		char buf[NAME_BYTES];
		struct text t = TEXT_ON(buf);

		name_of(&rows[i], &t);
		if (text_equal(buf, name))
			return &rows[i];
	}
	return NULL;
}

/* The row whose name needs the fewest edits, of at most limit; NULL when there is none. */
static const struct row *nearest(const char *name, name_fn name_of, unsigned limit)
{
	const struct row *best = NULL;

	for (unsigned i = 0; i < ROWS; i++) {
		char buf[NAME_BYTES];
		struct text t = TEXT_ON(buf);
		unsigned edits;

		name_of(&rows[i], &t);
		edits = value_distance(name, buf, limit);
		if (edits <= limit && (!best || edits < limit)) {
			best = &rows[i];
			limit = edits;
		}
	}
	return best;
}

/* Edits that a slip of the pen makes: CPROF_CUP_HZ is two from CPROF_CPU_HZ.  With a section that
 * is known to be meant, guess more boldly: the key may be half wrong. */
enum { EDITS_SLIP = 2, EDITS_BOLD = 6 };

static void unknown_option(const char *name, name_fn name_of, unsigned limit, struct text *why)
{
	const struct row *meant = nearest(name, name_of, limit);

	text_str(why, "no such option");
	if (meant) {
		text_str(why, "; did you mean ");
		name_of(meant, why);
		text_char(why, '?');
	} else {
		text_str(why, "; `cprof options` lists them");
	}
}

static bool has_known_section(const char *name)
{
	for (unsigned i = 0; i < ROWS; i++) {
		char buf[NAME_BYTES];
		struct text t = TEXT_ON(buf);

		text_str(&t, PREFIX);
		upper(&t, rows[i].section);
		text_char(&t, '_');
		if (text_starts(name, buf))
			return true;
	}
	return false;
}

int settings_set(struct settings *s, const char *dotted, const char *value, unsigned *ret_index,
		 struct text *why)
{
	const struct row *row = find(dotted, dotted_name);

	if (!row) {
		unknown_option(dotted, dotted_name, EDITS_BOLD, why);
		return -ENOENT;
	}
	if (set_value(s, row, value, why) < 0)
		return -EINVAL;
	if (ret_index)
		*ret_index = (unsigned)(row - rows);
	return 0;
}

bool settings_option(unsigned index, struct settings_option *ret_option)
{
	const struct row *row = &rows[index];
	struct settings defaults;
	struct text t;

	if (index >= ROWS)
		return false;
	memset(ret_option, 0, sizeof *ret_option);
	ret_option->section = row->section;
	ret_option->key = row->key;
	ret_option->doc = row->doc;
	ret_option->type = row->type;
	t = TEXT_ON(ret_option->variable);
	variable_name(row, &t);
	t = TEXT_ON(ret_option->bounds);
	show_bounds(row, &t);
	settings_defaults(&defaults);
	t = TEXT_ON(ret_option->default_text);
	settings_show(&defaults, index, &t);
	return true;
}

/* One variable that starts with CPROF_.  false: line holds a report. */
static bool apply(struct settings *s, const char *name, const char *value, uint64_t *seen,
		  struct text *line)
{
	const struct row *row = find(name, variable_name);
	char buf[192];
	struct text why = TEXT_ON(buf);

	buf[0] = '\0';
	if (row) {
		uint64_t bit = UINT64_C(1) << (row - rows);

		if (*seen & bit)
			return true;
		*seen |= bit;
		if (set_value(s, row, value, &why) == 0)
			return true;
		text_str(&why, "; using ");
		settings_show(s, (unsigned)(row - rows), &why);
		if ((row->type == SETTINGS_PATH || row->type == SETTINGS_NAMES) &&
		    *row->path == '\0')
			text_str(&why, "the default");
	} else if (text_equal(name, PREFIX "CONFIG")) {
		if (*value == '\0')
			return true;
		text_str(&why,
			 "this version reads no configuration file; set CPROF_<SECTION>_<KEY>");
	} else if (has_known_section(name)) {
		unknown_option(name, variable_name, EDITS_BOLD, &why);
	} else if (nearest(name, variable_name, EDITS_SLIP)) {
		unknown_option(name, variable_name, EDITS_SLIP, &why);
	} else {
		return true; /* somebody else's */
	}
	value_show_foreign(line, name);
	if (row || text_equal(name, PREFIX "CONFIG")) {
		text_char(line, '=');
		value_show_foreign(line, value);
	}
	text_str(line, ": ");
	text_str(line, buf);
	return false;
}

unsigned settings_from_environment(struct settings *s, char *const *envp, settings_report_fn report,
				   void *opaque)
{
	unsigned reports = 0;
	uint64_t seen = 0;

	for (; envp && *envp; envp++) {
		const char *variable = *envp, *value = variable;
		char name[2 * NAME_BYTES], buf[512];
		struct text t = TEXT_ON(name), line = TEXT_ON(buf);

		if (!text_starts(variable, PREFIX))
			continue;
		while (*value && *value != '=')
			value++;
		if (*value != '=')
			continue;
		text_bytes(&t, variable, (size_t)(value - variable));
		if (apply(s, name, value + 1, &seen, &line))
			continue;
		report(opaque, buf);
		reports++;
	}
	return reports;
}

static bool is_default(const struct settings *s, const struct row *row)
{
	const void *at = field_of(s, row);

	switch (row->type) {
	case SETTINGS_PATH:
	case SETTINGS_NAMES:
		return text_equal(at, row->path);
	case SETTINGS_BOOL:
		return *(const bool *)at == (row->number != 0);
	case SETTINGS_NUMBER:
		return *(const uint64_t *)at == row->number;
	case SETTINGS_SIGNAL:
		return *(const int *)at == (int)row->number;
	}
	return true;
}

void settings_show_changed(const struct settings *s, struct text *t)
{
	for (unsigned i = 0; i < ROWS; i++) {
		if (is_default(s, &rows[i]))
			continue;
		dotted_name(&rows[i], t);
		text_char(t, '=');
		settings_show(s, i, t);
		text_char(t, '\n');
	}
}

bool settings_names(const char *names, const char *name)
{
	size_t n = text_length(name);

	while (*names) {
		if (text_starts(names, name) && (names[n] == ',' || names[n] == '\0'))
			return true;
		while (*names && *names++ != ',')
			;
	}
	return false;
}
