/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/rawprof.h"

struct checker {
	const struct rawprof *r;
	void (*report)(void *opaque, const char *line);
	void *opaque;
	unsigned violations;
	bool *function_used, *location_used, *mapping_used; /* by id */
};

static void __attribute__((format(printf, 2, 3)))
violation(struct checker *c, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof line, format, args);
	va_end(args);
	c->report(c->opaque, line);
	c->violations++;
}

/* By decoding code points, unlike core/utf8, which goes by ranges of bytes. */
static bool is_utf8(const char *s)
{
	for (const unsigned char *p = (const unsigned char *)s; *p;) {
		unsigned length = *p < 0x80		? 1
				  : (*p & 0xe0) == 0xc0 ? 2
				  : (*p & 0xf0) == 0xe0 ? 3
				  : (*p & 0xf8) == 0xf0 ? 4
							: 0;
		static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
		uint32_t code = length == 1 ? *p : *p & (0x7fu >> length);

		if (!length)
			return false;
		for (unsigned i = 1; i < length; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i] & 0x3f);
		}
		if (code < smallest[length] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
			return false;
		p += length;
	}
	return true;
}

static void check_strings(struct checker *c)
{
	const Pprof__Profile *p = c->r->profile;

	if (p->n_string_table == 0 || p->string_table[0][0])
		violation(c, "check-01 string_table[0] is not \"\"");
	for (size_t i = 0; i < p->n_string_table; i++) {
		if (!is_utf8(p->string_table[i]))
			violation(c, "check-01 string %zu is not UTF-8", i);
		if (strlen(p->string_table[i]) > 65535)
			violation(c, "check-01 string %zu is longer than 65535", i);
	}
}

static void check_index(struct checker *c, int64_t index, const char *where)
{
	if (index < 0 || (size_t)index >= c->r->profile->n_string_table)
		violation(c, "check-01 %s: string index %lld is outside the table", where,
			  (long long)index);
}

static void check_unknown(struct checker *c, const ProtobufCMessage *m, const char *where)
{
	for (unsigned i = 0; i < m->n_unknown_fields; i++)
		violation(c, "check-01 %s: field %u", where, m->unknown_fields[i].tag);
}

static void check_value_type(struct checker *c, const Pprof__ValueType *t, const char *where)
{
	if (!t) {
		violation(c, "check-07 %s is missing", where);
		return;
	}
	check_unknown(c, &t->base, where);
	check_index(c, t->type, where);
	check_index(c, t->unit, where);
	const char *name = rawprof_string(c->r, t->type);
	if (!name[0] || !rawprof_string(c->r, t->unit)[0])
		violation(c, "check-07 %s: empty type or unit", where);
	for (; *name; name++)
		if (*name != '_' && !islower((unsigned char)*name)) {
			violation(c, "check-07 %s: a name outside [a-z_]", where);
			return;
		}
}

static void check_types(struct checker *c)
{
	const Pprof__Profile *p = c->r->profile;
	bool found = p->default_sample_type == 0;

	check_unknown(c, &p->base, "Profile");
	if (p->n_sample_type == 0 || p->n_sample_type > 4)
		violation(c, "check-07 %zu sample types", p->n_sample_type);
	for (size_t i = 0; i < p->n_sample_type; i++) {
		check_value_type(c, p->sample_type[i], "sample_type");
		found = found || p->sample_type[i]->type == p->default_sample_type;
	}
	check_value_type(c, p->period_type, "period_type");
	if (!found)
		violation(c, "check-07 default_sample_type is no sample type");
	if (p->time_nanos <= 0)
		violation(c, "check-07 time_nanos is missing");
	if (p->period <= 0)
		violation(c, "check-07 period is missing");
	for (size_t i = 0; i < p->n_comment; i++) {
		check_index(c, p->comment[i], "comment");
		if (strncmp(rawprof_string(c->r, p->comment[i]), "executableInfo=", 15) == 0)
			violation(c, "check-01 a comment starts with executableInfo=");
	}
	check_index(c, p->drop_frames, "drop_frames");
	check_index(c, p->keep_frames, "keep_frames");
	check_index(c, p->default_sample_type, "default_sample_type");
}

static void check_mappings(struct checker *c)
{
	const Pprof__Profile *p = c->r->profile;

	if (p->n_mapping == 0)
		violation(c, "check-21 no mapping of the main executable");
	for (size_t i = 0; i < p->n_mapping; i++) {
		const Pprof__Mapping *m = p->mapping[i];
		const char *id = rawprof_string(c->r, m->build_id);
		const char *file = rawprof_string(c->r, m->filename);

		check_unknown(c, &m->base, "Mapping");
		if (m->id != i + 1)
			violation(c, "check-02 mapping %zu has id %llu", i,
				  (unsigned long long)m->id);
		check_index(c, m->filename, "Mapping.filename");
		check_index(c, m->build_id, "Mapping.build_id");
		if (!m->has_functions)
			violation(c, "check-18 mapping %s has no functions", file);
		if (strlen(id) % 2 || id[strspn(id, "0123456789abcdef")])
			violation(c, "check-21 mapping %s: build id \"%s\"", file, id);
		if (strstr(file, " (deleted)") || strcmp(file, "[vsyscall]") == 0)
			violation(c, "check-19 mapping is called \"%s\"", file);
		if ((m->memory_start | m->memory_limit | m->file_offset) % 4096 ||
		    m->memory_limit < m->memory_start)
			violation(c, "check-21 mapping %s: limits are not those of a segment",
				  file);
		if (i && !c->mapping_used[m->id <= p->n_mapping ? m->id : 0])
			violation(c, "check-02 mapping %s is not referenced", file);
	}
}

static void check_functions(struct checker *c)
{
	const Pprof__Profile *p = c->r->profile;

	for (size_t i = 0; i < p->n_function; i++) {
		const Pprof__Function *f = p->function[i];

		check_unknown(c, &f->base, "Function");
		if (f->id != i + 1)
			violation(c, "check-02 function %zu has id %llu", i,
				  (unsigned long long)f->id);
		check_index(c, f->name, "Function.name");
		check_index(c, f->system_name, "Function.system_name");
		check_index(c, f->filename, "Function.filename");
		if (f->name == 0 || f->system_name == 0)
			violation(c, "check-02 function %zu has no name", i + 1);
		if (!c->function_used[f->id <= p->n_function ? f->id : 0])
			violation(c, "check-02 function %s is not referenced",
				  rawprof_string(c->r, f->name));
	}
}

static int compare_addresses(const void *a, const void *b)
{
	const Pprof__Location *x = *(Pprof__Location *const *)a, *y = *(Pprof__Location *const *)b;

	if (x->mapping_id != y->mapping_id)
		return x->mapping_id < y->mapping_id ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* Readers that clear or key on addresses would merge two locations of one. */
static void check_addresses(struct checker *c)
{
	const Pprof__Profile *p = c->r->profile;
	Pprof__Location **sorted = malloc(p->n_location * sizeof(Pprof__Location *) + 1);

	if (p->n_location)
		memcpy(sorted, p->location, p->n_location * sizeof *sorted);
	qsort(sorted, p->n_location, sizeof *sorted, compare_addresses);
	for (size_t i = 0; i < p->n_location; i++) {
		if (sorted[i]->address == 0)
			violation(c, "check-12 location %llu has address 0",
				  (unsigned long long)sorted[i]->id);
		if (i && compare_addresses(&sorted[i - 1], &sorted[i]) == 0)
			violation(c, "check-12 two locations with address %#llx",
				  (unsigned long long)sorted[i]->address);
	}
	free(sorted);
}

static void check_locations(struct checker *c)
{
	const Pprof__Profile *p = c->r->profile;

	for (size_t i = 0; i < p->n_location; i++) {
		const Pprof__Location *l = p->location[i];

		check_unknown(c, &l->base, "Location");
		if (l->id != i + 1)
			violation(c, "check-02 location %zu has id %llu", i,
				  (unsigned long long)l->id);
		if (l->mapping_id > p->n_mapping)
			violation(c, "check-02 location %zu: mapping %llu", i + 1,
				  (unsigned long long)l->mapping_id);
		else
			c->mapping_used[l->mapping_id] = true;
		if (l->n_line == 0)
			violation(c, "check-02 location %zu has no line", i + 1);
		for (size_t n = 0; n < l->n_line; n++) {
			uint64_t id = l->line[n]->function_id;

			check_unknown(c, &l->line[n]->base, "Line");
			if (id == 0 || id > p->n_function)
				violation(c, "check-02 location %zu: function %llu", i + 1,
					  (unsigned long long)id);
			else
				c->function_used[id] = true;
		}
		if (!c->location_used[i + 1])
			violation(c, "check-02 location %zu is not referenced", i + 1);
		const Pprof__Mapping *m = rawprof_mapping(c->r, l->mapping_id);
		if (m && (l->address < m->memory_start || l->address >= m->memory_limit))
			violation(c, "check-21 location %zu is outside its mapping", i + 1);
	}
	check_addresses(c);
}

static void check_samples(struct checker *c)
{
	const Pprof__Profile *p = c->r->profile;

	if (c->r->byte_count >= 4u << 20)
		violation(c, "check-08 %zu bytes before compression", c->r->byte_count);
	if (p->n_sample >= 16000)
		violation(c, "check-08 %zu samples", p->n_sample);
	for (size_t i = 0; i < p->n_sample; i++) {
		const Pprof__Sample *s = p->sample[i];
		bool any = false;

		check_unknown(c, &s->base, "Sample");
		if (s->n_location_id == 0 || s->n_location_id > 512)
			violation(c, "check-08 sample %zu has depth %zu", i, s->n_location_id);
		if (s->n_value != p->n_sample_type)
			violation(c, "check-02 sample %zu has %zu values", i, s->n_value);
		for (size_t n = 0; n < s->n_value; n++) {
			if (s->value[n] < 0)
				violation(c, "check-02 sample %zu has a negative value", i);
			any = any || s->value[n];
		}
		if (!any)
			violation(c, "check-02 sample %zu is all zero", i);
		for (size_t n = 0; n < s->n_location_id; n++) {
			if (s->location_id[n] == 0 || s->location_id[n] > p->n_location)
				violation(c, "check-02 sample %zu: location %llu", i,
					  (unsigned long long)s->location_id[n]);
			else
				c->location_used[s->location_id[n]] = true;
		}
		for (size_t n = 0; n < s->n_label; n++) {
			const Pprof__Label *l = s->label[n];

			check_unknown(c, &l->base, "Label");
			check_index(c, l->key, "Label.key");
			check_index(c, l->str, "Label.str");
			check_index(c, l->num_unit, "Label.num_unit");
			if (l->key == 0 || (l->str != 0) == (l->num != 0))
				violation(c, "check-25 sample %zu: label without a key or a value",
					  i);
		}
	}
}

unsigned rawprof_check(const struct rawprof *r, void (*report)(void *opaque, const char *line),
		       void *opaque)
{
	const Pprof__Profile *p = r->profile;
	struct checker c = {
		.r = r,
		.report = report,
		.opaque = opaque,
		.function_used = calloc(p->n_function + 1, sizeof(bool)),
		.location_used = calloc(p->n_location + 1, sizeof(bool)),
		.mapping_used = calloc(p->n_mapping + 1, sizeof(bool)),
	};

	check_strings(&c);
	check_types(&c);
	check_samples(&c); /* before locations, these before functions and mappings: what is used */
	check_locations(&c);
	check_functions(&c);
	check_mappings(&c);
	free(c.function_used);
	free(c.location_used);
	free(c.mapping_used);
	return c.violations;
}
