/* SPDX-License-Identifier: MIT */
#include "cli/names.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "output/demangle.h"

#define PATTERN_BYTES_MAX 1024u
#define PATTERN_DEPTH_MAX 50u

static bool looks_like_cpp(const char *name)
{
	if (strstr(name, ".<") || strstr(name, "]).")) /* Java, Go with type parameters */
		return false;
	return strpbrk(name, "<>[]") || strstr(name, "::");
}

/* Takes out what is between open and close, nested or not.  At a close too many it stops; an open
 * too many stays. */
static void remove_nested(char *name, char open, char close)
{
	unsigned depth = 0;
	char *first = name, *c = name;

	while (*c) {
		if (*c == open && depth++ == 0)
			first = c;
		if (*c == close) {
			if (depth == 0)
				return;
			if (--depth == 0) {
				memmove(first, c + 1, strlen(c + 1) + 1);
				c = first;
				continue;
			}
		}
		c++;
	}
}

void names_simplify(struct profile *p)
{
	struct demangler d;

	demangle_start(&d);
	for (size_t i = 0; i < p->function_keys.count; i++) {
		struct profile_function *f = &p->functions[i];
		char readable[DEMANGLE_OUTPUT_MAX];

		if (f->name[0] && f->name != f->system_name)
			continue;
		demangle_name(&d, f->system_name, readable);
		bool is_same = strcmp(readable, f->system_name) == 0;
		char *name = strdup(is_same ? f->system_name : readable);
		if (!name)
			break;
		if (is_same && looks_like_cpp(name))
			remove_nested(name, '(', ')');
		if (looks_like_cpp(name))
			remove_nested(name, '<', '>');
		f->name = pool_text(&p->strings, name);
		free(name);
	}
	demangle_stop(&d);
}

/* The name without its parameters, which is what the patterns are for. */
static bool matches(const regex_t *pattern, const char *name)
{
	static const char *const reserved[] = {"(anonymous namespace)", "operator()"};
	char *copy = strdup(name[0] == '.' ? name + 1 : name);
	char *c = copy;

	if (!copy)
		return false;
	while (*c) {
		size_t skip = 0;

		for (int i = 0; i < 2; i++)
			if (strncmp(c, reserved[i], strlen(reserved[i])) == 0)
				skip = strlen(reserved[i]);
		if (!skip && *c == '(')
			*c = '\0';
		else
			c += skip ? skip : 1;
	}
	bool is = regexec(pattern, copy, 0, NULL, 0) == 0;
	free(copy);
	return is;
}

enum { STAYS, GOES_IN_PART, GOES };

/* The outermost line of a location that matches goes with the lines inlined into it. */
static uint8_t prune_location(struct profile *p, struct profile_location *l, const regex_t *drop,
			      const regex_t *keep)
{
	for (uint32_t i = l->line_count; i-- > 0;) {
		const char *name = p->functions[p->lines[l->first_line + i].function].name;

		if (!name[0] || !matches(drop, name) || (keep && matches(keep, name)))
			continue;
		if (i == l->line_count - 1)
			return GOES;
		l->first_line += i + 1;
		l->line_count -= i + 1;
		return GOES_IN_PART;
	}
	return STAYS;
}

static void prune_sample(const struct profile *p, struct profile_sample *s, const uint8_t *fate)
{
	bool found_user = false; /* a stack of nothing but such frames stays */

	for (uint32_t i = s->frame_count; i-- > 0;) {
		uint8_t f = fate[p->frames[s->first_frame + i]];

		found_user |= f == STAYS;
		if (f == STAYS || !found_user)
			continue;
		uint32_t gone = f == GOES ? i + 1 : i;
		s->first_frame += gone;
		s->frame_count -= gone;
		return;
	}
}

static bool repeats(char c)
{
	return c == '*' || c == '+';
}

/* A pattern is as untrusted as the rest of its file.  glibc unfolds counted repetitions until the memory
 * is gone, recurses for groups, and searches without end where what is repeated can be empty or
 * repeated itself, and for back-references. */
static bool is_affordable(const char *text)
{
	unsigned depth = 0;

	if (strlen(text) > PATTERN_BYTES_MAX)
		return false;
	for (const char *c = text; *c; c++) {
		if (*c == '{' || (*c == '\\' && c[1] >= '1' && c[1] <= '9'))
			return false;
		if ((*c == ')' || *c == '?' || repeats(*c)) && repeats(c[1]))
			return false;
		if (*c == '(' && ++depth > PATTERN_DEPTH_MAX)
			return false;
		if (*c == ')' && depth)
			depth--;
	}
	return true;
}

static bool compile(regex_t *pattern, const char *text)
{
	char *anchored;
	bool ok;

	if (!is_affordable(text) || asprintf(&anchored, "^(%s)$", text) < 0)
		return false;
	ok = regcomp(pattern, anchored, REG_EXTENDED | REG_NOSUB) == 0;
	free(anchored);
	return ok;
}

void names_prune(struct profile *p)
{
	size_t locations = p->location_keys.count;
	regex_t drop, keep;
	bool has_keep = p->keep_frames[0] != '\0';

	if (!p->drop_frames[0] || !compile(&drop, p->drop_frames))
		return;
	if (has_keep && !compile(&keep, p->keep_frames)) {
		regfree(&drop);
		return;
	}
	uint8_t *fate = memory_get(locations);
	for (size_t i = 0; i < locations; i++)
		fate[i] = prune_location(p, &p->locations[i], &drop, has_keep ? &keep : NULL);
	for (size_t i = 0; i < p->sample_keys.count; i++)
		prune_sample(p, &p->samples[i], fate);
	free(fate);
	regfree(&drop);
	if (has_keep)
		regfree(&keep);
}
