/* SPDX-License-Identifier: MIT */
#include "cli/sites.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/measure.h"

/* ---- allocators ---- */

/* Names; one that ends in * is a prefix. */
static const char *const allocators[] = {
	/* libc, and the names inside it */
	"malloc",
	"calloc",
	"realloc",
	"reallocarray",
	"posix_memalign",
	"aligned_alloc",
	"memalign",
	"valloc",
	"pvalloc",
	"__libc_*alloc",
	"__libc_memalign",
	"strdup",
	"strndup",
	"__strdup",
	"__strndup",
	"wcsdup",
	"asprintf",
	"vasprintf",
	"__asprintf",
	"__vasprintf",
	"__asprintf_chk",
	"__vasprintf_chk",
	"__vasprintf_internal",
	/* C++ */
	"operator new",
	"operator new[]",
	"operator new(*",
	"operator new[](*",
	"std::__new_allocator*",
	"std::allocator<*",
	"std::allocator_traits*",
	"__gnu_cxx::new_allocator*",
	/* Rust */
	"__rust_alloc*",
	"__rust_realloc",
	"__rdl_alloc*",
	"__rdl_realloc",
	"alloc::alloc::*",
	/* others, and what programs put in front */
	"je_malloc*",
	"je_calloc",
	"je_realloc",
	"tc_malloc*",
	"tc_new*",
	"mi_malloc*",
	"mi_calloc*",
	"mi_realloc*",
	"mi_new*",
	"g_malloc*",
	"g_realloc*",
	"g_try_malloc*",
	"g_strdup*",
	"g_memdup*",
	"xmalloc*",
	"xcalloc",
	"xrealloc*",
	"xstrdup",
	"xstrndup",
	"zmalloc*",
	"zcalloc*",
	"zrealloc*",
	"zstrdup",
	"ztrymalloc*",
	"ztrycalloc*",
	"ztryrealloc*",
	"PyMem_*lloc",
	"_PyMem_*lloc",
	"PyObject_Malloc",
	"PyObject_Calloc",
	"PyObject_Realloc",
};

/* The one * of a pattern stands for anything. */
static bool matches(const char *pattern, const char *name)
{
	const char *star = strchr(pattern, '*');
	size_t n = strlen(name), before, behind;

	if (!star)
		return strcmp(pattern, name) == 0;
	before = (size_t)(star - pattern);
	behind = strlen(star + 1);
	return n >= before + behind && strncmp(pattern, name, before) == 0 &&
	       strcmp(name + n - behind, star + 1) == 0;
}

bool sites_is_allocator(const char *name)
{
	for (size_t i = 0; i < sizeof allocators / sizeof *allocators; i++)
		if (matches(allocators[i], name))
			return true;
	return false;
}

/* ---- stacks ---- */

/* Names of the lines of a profile and of its locations without lines, each looked at once. */
struct names {
	const char **lines, **locations;
	bool *is_allocator; /* by function */
};

static const char *name_of_mapping(struct sites *s, const struct profile *p, uint32_t mapping)
{
	size_t n;
	const char *file = mapping == PROFILE_NONE ? "" : p->mappings[mapping].file;
	const char *base = profile_file_name(file, &n), *kept;
	char *text;

	if (!n)
		return "<unknown>";
	text = memory_get(n + 3);
	sprintf(text, "[%.*s]", (int)n, base);
	kept = pool_text(&s->texts, text);
	free(text);
	return kept;
}

static void get_names(struct sites *s, const struct profile *p, struct names *m)
{
	m->lines = memory_get(p->line_count * sizeof *m->lines);
	m->locations = memory_get(p->location_keys.count * sizeof *m->locations);
	m->is_allocator = memory_get(p->function_keys.count);
	for (size_t i = 0; i < p->function_keys.count; i++)
		m->is_allocator[i] = sites_is_allocator(p->functions[i].name);
	for (size_t i = 0; i < p->location_keys.count; i++) {
		const struct profile_location *l = &p->locations[i];

		m->locations[i] = name_of_mapping(s, p, l->mapping);
		for (size_t j = l->first_line; j < l->first_line + l->line_count; j++) {
			const char *name = p->functions[p->lines[j].function].name;

			/* Equal texts are equal pointers, and so equal keys. */
			m->lines[j] = name[0] ? pool_text(&s->texts, name) : m->locations[i];
		}
	}
}

static void put_frame(struct sites *s, const char *name)
{
	s->frames = memory_grow(s->frames, s->frame_count, &s->frame_capacity, sizeof *s->frames);
	s->frames[s->frame_count++] = name;
}

/* Appends the frames of a stack without its allocators.  *ret_by: the outermost of these. */
static void put_stack(struct sites *s, const struct profile *p, const struct names *m,
		      const struct profile_sample *sample, size_t depth, const char **ret_by)
{
	size_t first = s->frame_count;

	*ret_by = "";
	for (uint32_t k = 0; k < sample->frame_count; k++) {
		uint32_t at = p->frames[sample->first_frame + k];
		const struct profile_location *l = &p->locations[at];

		for (uint32_t i = 0; i < l->line_count; i++) {
			size_t line = l->first_line + i;

			if (s->frame_count == first && m->is_allocator[p->lines[line].function])
				*ret_by = m->lines[line];
			else if (!depth || s->frame_count - first < depth)
				put_frame(s, m->lines[line]);
		}
		if (!l->line_count && (!depth || s->frame_count - first < depth))
			put_frame(s, m->locations[at]);
	}
}

static struct site *site_of(struct sites *s, const struct profile *p, const struct names *m,
			    const struct profile_sample *sample, size_t depth)
{
	size_t first = s->frame_count, n;
	const char *by;
	bool is_new;

	put_stack(s, p, m, sample, depth, &by);
	n = s->frame_count - first;
	/* What was called is part of the key, for the moment as one more frame. */
	put_frame(s, by);
	uint32_t i = pool_put(&s->keys, s->frames + first, (n + 1) * sizeof *s->frames, &is_new);
	s->frame_count = is_new ? first + n : first;
	if (!is_new)
		return &s->list[i];
	s->list = memory_grow(s->list, i, &s->capacity, sizeof *s->list);
	s->list[i] = (struct site){.by = by, .first_frame = first, .frame_count = (uint32_t)n};
	s->count = i + 1;
	return &s->list[i];
}

/* ---- sums ---- */

static void add(struct site_sums *to, const int64_t v[4], int sign)
{
	to->alloc_objects = measure_add(to->alloc_objects, sign * v[0]);
	to->alloc_bytes = measure_add(to->alloc_bytes, sign * v[1]);
	to->inuse_objects = measure_add(to->inuse_objects, sign * v[2]);
	to->inuse_bytes = measure_add(to->inuse_bytes, sign * v[3]);
}

int64_t site_growth(const struct site *s)
{
	return (int64_t)((uint64_t)s->now.inuse_bytes - (uint64_t)s->base.inuse_bytes);
}

static int compare(const void *a, const void *b, void *by_growth)
{
	const struct site *x = a, *y = b;
	bool growth = *(const bool *)by_growth;
	int64_t p = growth ? site_growth(x) : x->now.inuse_bytes;
	int64_t q = growth ? site_growth(y) : y->now.inuse_bytes;

	if (p != q)
		return p > q ? -1 : 1;
	/* Of equal weight: what was there first. */
	return x->first_frame < y->first_frame ? -1 : x->first_frame > y->first_frame;
}

int sites_make(struct sites *s, const struct profile *p, size_t depth, bool by_growth)
{
	static const char *const columns[4] = {"alloc_objects", "alloc_space", "inuse_objects",
					       "inuse_space"};
	struct names m;
	int column[4];

	*s = (struct sites){0};
	for (unsigned i = 0; i < 4; i++)
		if ((column[i] = profile_column(p, columns[i])) < 0 ||
		    strcmp(p->types[column[i]].type, columns[i]) != 0)
			return -ENOENT;
	get_names(s, p, &m);
	for (size_t i = 0; i < p->sample_keys.count; i++) {
		const struct profile_sample *sample = &p->samples[i];
		bool is_base = sample->is_base;
		int64_t v[4];

		/* What was subtracted has its sign turned round. */
		for (unsigned c = 0; c < 4; c++) {
			v[c] = p->values[i * p->type_count + (unsigned)column[c]];
			if (v[c] == INT64_MIN)
				v[c] = 0; /* nothing has written that */
		}
		add(is_base ? &s->base : &s->now, v, is_base ? -1 : 1);
		if (!sample->frame_count)
			continue;
		struct site *site = site_of(s, p, &m, sample, depth);
		add(is_base ? &site->base : &site->now, v, is_base ? -1 : 1);
		site->in_base |= is_base;
	}
	free(m.lines);
	free(m.locations);
	free(m.is_allocator);
	if (s->count)
		qsort_r(s->list, s->count, sizeof *s->list, compare, &by_growth);
	return 0;
}

void sites_free(struct sites *s)
{
	free(s->list);
	free(s->frames);
	pool_free(&s->texts);
	pool_free(&s->keys);
	*s = (struct sites){0};
}
