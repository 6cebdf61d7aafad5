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
_Static_assert(sizeof rows / sizeof rows[0] == SETTINGS_COUNT, "both are made of options.def");

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

/* Numbers in bytes, by their name, may be written with K, M or G. */
static bool is_bytes(const struct row *row)
{
	size_t n = text_length(row->key);

	return n >= 5 &&
	       (text_equal(row->key + n - 5, "bytes") || text_equal(row->key + n - 5, "above"));
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
	for (unsigned i = 0; i < SETTINGS_COUNT; i++)
		set_default(s, &rows[i]);
}

int settings_set(struct settings *s, unsigned index, const char *value, struct text *why)
{
	const struct row *row = &rows[index];
	int r = -EINVAL;

	if (*value == '\0') {
		set_default(s, row);
		return 0;
	}
	switch (row->type) {
	case SETTINGS_PATH:
		r = value_parse_path(value, field(s, row), SETTINGS_PATH_BYTES, why);
		break;
	case SETTINGS_NAMES:
		r = value_parse_names(value, field(s, row), SETTINGS_PATH_BYTES, why);
		break;
	case SETTINGS_BOOL:
		r = value_parse_bool(value, field(s, row), why);
		break;
	case SETTINGS_NUMBER:
		r = value_parse_number(value, row->min, row->max, is_bytes(row), field(s, row),
				       why);
		break;
	case SETTINGS_SIGNAL:
		r = value_parse_signal(value, field(s, row), why);
		break;
	}
	return r < 0 ? -EINVAL : 0;
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

static void upper(struct text *t, const char *s)
{
	for (; *s; s++)
		text_char(t, *s >= 'a' && *s <= 'z' ? (char)(*s - 0x20) : *s);
}

/* The name of a row, or with an empty key what the names of its section begin with. */
static void name_of(const struct row *row, const char *key, enum settings_style style,
		    struct text *t)
{
	if (style == SETTINGS_DOTTED) {
		text_str(t, row->section);
		text_char(t, '.');
		text_str(t, key);
	} else {
		text_str(t, PREFIX);
		upper(t, row->section);
		text_char(t, '_');
		upper(t, key);
	}
}

int settings_find(const char *name, enum settings_style style)
{
	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		char buf[NAME_BYTES];
		struct text t = TEXT_ON(buf);

		name_of(&rows[i], rows[i].key, style, &t);
		if (text_equal(buf, name))
			return (int)i;
	}
	return -ENOENT;
}

/* Edits that a slip of the pen makes: CPROF_CUP_HZ is two from CPROF_CPU_HZ.  With a section that
 * is known to be meant, guess more boldly: the key may be half wrong. */
enum { EDITS_SLIP = 2, EDITS_BOLD = 6 };

/* The row whose name needs the fewest edits, of at most limit; NULL when there is none. */
static const struct row *nearest(const char *name, enum settings_style style, unsigned limit)
{
	const struct row *best = NULL;

	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		char buf[NAME_BYTES];
		struct text t = TEXT_ON(buf);
		unsigned edits;

		name_of(&rows[i], rows[i].key, style, &t);
		edits = value_distance(name, buf, limit);
		if (edits <= limit && (!best || edits < limit)) {
			best = &rows[i];
			limit = edits;
		}
	}
	return best;
}

/* What is meant by a dotted name whose key is right in another section, or is a dotted name
 * itself; NULL when neither is. */
static const struct row *namesake(const char *dotted)
{
	const char *key = dotted;
	int index;

	while (*key && *key != '.')
		key++;
	if (!*key++)
		return NULL;
	for (unsigned i = 0; i < SETTINGS_COUNT; i++)
		if (text_equal(rows[i].key, key))
			return &rows[i];
	index = settings_find(key, SETTINGS_DOTTED);
	return index < 0 ? NULL : &rows[index];
}

static bool has_known_section(const char *variable)
{
	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		char buf[NAME_BYTES];
		struct text t = TEXT_ON(buf);

		name_of(&rows[i], "", SETTINGS_VARIABLE, &t);
		if (text_starts(variable, buf))
			return true;
	}
	return false;
}

bool settings_explain(const char *name, enum settings_style style, struct text *why)
{
	const struct row *meant = nearest(name, style, EDITS_SLIP);
	bool ours = style == SETTINGS_DOTTED || has_known_section(name);

	if (!meant && !ours)
		return false;
	if (!meant && style == SETTINGS_DOTTED)
		meant = namesake(name);
	if (!meant)
		meant = nearest(name, style, EDITS_BOLD);
	text_str(why, "no such option; ");
	if (meant) {
		text_str(why, "did you mean ");
		name_of(meant, meant->key, style, why);
		text_char(why, '?');
	} else {
		text_str(why, "`cprof options` lists them");
	}
	return true;
}

/* Is rows[i] the first of its section? */
static bool opens_section(unsigned i)
{
	return i == 0 || !text_equal(rows[i].section, rows[i - 1].section);
}

bool settings_section(const char *name, struct text *why)
{
	const char *meant = NULL;
	unsigned limit = EDITS_SLIP;

	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		unsigned edits;

		if (!opens_section(i))
			continue;
		edits = value_distance(name, rows[i].section, limit);
		if (edits == 0)
			return true;
		if (edits <= limit && (!meant || edits < limit)) {
			meant = rows[i].section;
			limit = edits;
		}
	}
	text_str(why, "no such section; ");
	if (meant) {
		text_str(why, "did you mean [");
		text_str(why, meant);
		text_str(why, "]?");
		return false;
	}
	text_str(why, "expected ");
	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		if (!opens_section(i))
			continue;
		text_str(why, i ? ", [" : "[");
		text_str(why, rows[i].section);
		text_char(why, ']');
	}
	return false;
}

bool settings_option(unsigned index, struct settings_option *ret_option)
{
	const struct row *row = &rows[index];
	struct settings defaults;
	struct text t;

	if (index >= SETTINGS_COUNT)
		return false;
	memset(ret_option, 0, sizeof *ret_option);
	ret_option->section = row->section;
	ret_option->key = row->key;
	ret_option->doc = row->doc;
	ret_option->type = row->type;
	t = TEXT_ON(ret_option->variable);
	name_of(row, row->key, SETTINGS_VARIABLE, &t);
	t = TEXT_ON(ret_option->bounds);
	show_bounds(row, &t);
	settings_defaults(&defaults);
	t = TEXT_ON(ret_option->default_text);
	settings_show(&defaults, index, &t);
	return true;
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
	for (unsigned i = 0; i < SETTINGS_COUNT; i++) {
		if (is_default(s, &rows[i]))
			continue;
		name_of(&rows[i], rows[i].key, SETTINGS_DOTTED, t);
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
