/* SPDX-License-Identifier: MIT */
#include "cli/filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/command.h"

static const char *const names[FILTER_KINDS] = {"focus", "ignore", "hide", "show", "class"};

const char *filter_name(enum filter_kind kind)
{
	return names[kind];
}

int filter_set(struct filter *f, enum filter_kind kind, const char *pattern, char why[256])
{
	int r;

	if (f->pattern[kind])
		regfree(&f->regex[kind]);
	f->pattern[kind] = NULL;
	if (!pattern[0])
		return 0;
	r = regcomp(&f->regex[kind], pattern, REG_EXTENDED | REG_NOSUB);
	if (r) {
		regerror(r, &f->regex[kind], why, 256);
		return -EINVAL;
	}
	f->pattern[kind] = pattern;
	return 0;
}

void filter_free(struct filter *f)
{
	for (int k = 0; k < FILTER_KINDS; k++)
		if (f->pattern[k])
			regfree(&f->regex[k]);
	*f = (struct filter){0};
}

static bool has(const struct filter *f, enum filter_kind k, const char *text)
{
	return f->pattern[k] && regexec(&f->regex[k], text, 0, NULL, 0) == 0;
}

/* One bit for each kind of frames whose pattern is in the text. */
static uint8_t matches(const struct filter *f, const char *text)
{
	uint8_t bits = 0;

	for (int k = 0; k < FILTER_CLASS; k++)
		if (has(f, k, text))
			bits |= (uint8_t)(1 << k);
	return bits;
}

/* What has been matched, once for each function and mapping: there are many more locations. */
struct matched {
	uint8_t *functions, *mappings;
	uint8_t *locations; /* fate of each: a set of the values below */
};
enum { FOCUSED = 1, IGNORED = 2, HIDDEN = 4 };

/* Keeps the lines that have, or have not, the bit. */
static void keep_lines(const struct profile *p, struct profile_location *l,
		       const uint8_t *functions, uint8_t bit, bool having)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < l->line_count; i++) {
		struct profile_line line = p->lines[l->first_line + i];

		if (!!(functions[line.function] & bit) == having)
			p->lines[l->first_line + kept++] = line;
	}
	l->line_count = kept;
}

static void judge_location(const struct filter *f, struct profile *p, const struct matched *m,
			   size_t at, unsigned *met)
{
	const uint8_t hide = 1 << FILTER_HIDE, show = 1 << FILTER_SHOW;
	struct profile_location *l = &p->locations[at];
	uint8_t mapping = l->mapping == PROFILE_NONE ? 0 : m->mappings[l->mapping], all = mapping;
	uint8_t *fate = &m->locations[at];

	for (uint32_t i = 0; i < l->line_count; i++)
		all |= m->functions[p->lines[l->first_line + i].function];
	if (all & 1 << FILTER_IGNORE) {
		*fate = IGNORED;
		*met |= 1 << FILTER_IGNORE;
	} else if (!f->pattern[FILTER_FOCUS] || all & 1 << FILTER_FOCUS) {
		*fate = FOCUSED;
		*met |= 1 << FILTER_FOCUS;
	}
	if (all & hide) {
		*met |= hide;
		if (mapping & hide)
			l->line_count = 0;
		keep_lines(p, l, m->functions, hide, false);
		if (l->line_count == 0)
			*fate |= HIDDEN;
	}
	if (f->pattern[FILTER_SHOW]) {
		if (!(mapping & show))
			keep_lines(p, l, m->functions, show, true);
		if (l->line_count == 0)
			*fate |= HIDDEN;
		else
			*met |= show;
	}
}

static void apply_to_sample(const struct profile *p, struct profile_sample *s, const uint8_t *fate)
{
	bool focused = false, ignored = false;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->frame_count; i++) {
		uint32_t location = p->frames[s->first_frame + i];

		focused |= fate[location] & FOCUSED;
		ignored |= !!(fate[location] & IGNORED);
		if (!(fate[location] & HIDDEN))
			p->frames[s->first_frame + kept++] = location;
	}
	s->frame_count = focused && !ignored ? kept : 0;
}

static void apply_class(const struct filter *f, struct profile_sample *s, unsigned *met)
{
	if (!f->pattern[FILTER_CLASS])
		return;
	if (has(f, FILTER_CLASS, s->class ? s->class : ""))
		*met |= 1 << FILTER_CLASS;
	else
		s->frame_count = 0;
}

unsigned filter_apply(const struct filter *f, struct profile *p)
{
	struct matched m = {
		.functions = memory_get(p->function_keys.count),
		.mappings = memory_get(p->mapping_keys.count),
		.locations = memory_get(p->location_keys.count),
	};
	unsigned met = 0, missed = 0;

	for (size_t i = 0; i < p->function_keys.count; i++)
		m.functions[i] =
			matches(f, p->functions[i].name) | matches(f, p->functions[i].file);
	for (size_t i = 0; i < p->mapping_keys.count; i++)
		m.mappings[i] = matches(f, p->mappings[i].file);
	for (size_t i = 0; i < p->location_keys.count; i++)
		judge_location(f, p, &m, i, &met);
	for (size_t i = 0; i < p->sample_keys.count; i++)
		apply_class(f, &p->samples[i], &met);
	for (size_t i = 0; i < p->sample_keys.count; i++)
		apply_to_sample(p, &p->samples[i], m.locations);
	free(m.functions);
	free(m.mappings);
	free(m.locations);
	for (int k = 0; k < FILTER_KINDS; k++)
		if (f->pattern[k] && !(met & 1u << k))
			missed |= 1u << k;
	return missed;
}
