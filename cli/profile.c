/* SPDX-License-Identifier: MIT */
#include "cli/profile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/decode.h"
#include "cli/input.h"

/* A key under construction: numbers and numbers of strings, one behind the other. */
struct key {
	uint8_t *bytes;
	size_t n, capacity;
};

static void key_bytes(struct key *k, const void *bytes, size_t n)
{
	while (k->capacity - k->n < n)
		k->bytes = memory_grow(k->bytes, k->capacity, &k->capacity, 1);
	memcpy(k->bytes + k->n, bytes, n);
	k->n += n;
}

static void key_u64(struct key *k, uint64_t v)
{
	key_bytes(k, &v, sizeof v);
}

#define BASE_LABEL  "pprof::base" /* with the value "true" */
#define CLASS_LABEL "class"	  /* of waits, as output/pprof writes it */

/* A file being added: where its things are in the profile. */
struct adder {
	struct profile *p;
	struct decoded d;
	uint32_t *mappings, *functions, *locations; /* by index in the file, + 1; 0: not yet */
	struct key key;
	bool subtract; /* as the base of a difference */
};

static const char *text(struct adder *a, int64_t index)
{
	return pool_text(&a->p->strings, decode_string(&a->d, index));
}

/* Interned strings are equal when their addresses are. */
static void key_text(struct key *k, const char *interned)
{
	key_u64(k, (uint64_t)(uintptr_t)interned);
}

static uint32_t put_key(struct adder *a, struct pool *keys, bool *ret_new)
{
	uint32_t i = pool_put(keys, a->key.bytes, a->key.n, ret_new);

	a->key.n = 0;
	return i;
}

static uint32_t put_mapping(struct adder *a, const struct profile_mapping *m)
{
	struct profile *p = a->p;
	bool is_new;

	key_u64(&a->key, (m->limit - m->start + 0xfff) & ~UINT64_C(0xfff));
	key_u64(&a->key, m->offset);
	key_text(&a->key, m->build_id[0] ? m->build_id : m->file);
	uint32_t i = put_key(a, &p->mapping_keys, &is_new);
	if (is_new) {
		p->mappings =
			memory_grow(p->mappings, i, &p->mapping_capacity, sizeof *p->mappings);
		p->mappings[i] = *m;
	}
	return i;
}

/* For a file without any, as in pprof. */
static uint32_t fake_mapping(struct adder *a)
{
	const char *empty = pool_text(&a->p->strings, "");

	return put_mapping(a, &(struct profile_mapping){.file = empty, .build_id = empty});
}

static uint32_t add_mapping(struct adder *a, size_t index)
{
	const Pprof__Mapping *m = a->d.message->mapping[index];

	if (!a->mappings[index])
		a->mappings[index] = 1 + put_mapping(a, &(struct profile_mapping){
								.start = m->memory_start,
								.limit = m->memory_limit,
								.offset = m->file_offset,
								.file = text(a, m->filename),
								.build_id = text(a, m->build_id),
							});
	return a->mappings[index] - 1;
}

static uint32_t add_function(struct adder *a, size_t index)
{
	const Pprof__Function *f = a->d.message->function[index];
	struct profile *p = a->p;
	bool is_new;

	if (a->functions[index])
		return a->functions[index] - 1;
	struct profile_function g = {
		.name = text(a, f->name),
		.system_name = text(a, f->system_name),
		.file = text(a, f->filename),
		.start_line = f->start_line,
	};
	key_text(&a->key, g.name);
	key_text(&a->key, g.system_name);
	key_text(&a->key, g.file);
	key_u64(&a->key, (uint64_t)g.start_line);
	uint32_t i = put_key(a, &p->function_keys, &is_new);
	if (is_new) {
		p->functions =
			memory_grow(p->functions, i, &p->function_capacity, sizeof *p->functions);
		p->functions[i] = g;
	}
	a->functions[index] = i + 1;
	return i;
}

static uint32_t add_location(struct adder *a, size_t index)
{
	const Pprof__Profile *m = a->d.message;
	const Pprof__Location *l = m->location[index];
	struct profile *p = a->p;
	uint64_t address = l->address;
	bool is_new;

	if (a->locations[index])
		return a->locations[index] - 1;
	/* A mapping that does not exist is none, as in pprof; a file without any has one fake
	 * mapping. */
	ptrdiff_t mapping_at = decode_find(a->d.mappings, m->n_mapping, l->mapping_id);
	uint32_t mapping = PROFILE_NONE;
	if (m->n_mapping == 0)
		mapping = fake_mapping(a);
	else if (mapping_at >= 0)
		mapping = add_mapping(a, (size_t)mapping_at);
	if (mapping != PROFILE_NONE && mapping_at >= 0)
		address += p->mappings[mapping].start - m->mapping[mapping_at]->memory_start;

	/* Functions first: add_function() uses the key too. */
	for (size_t i = 0; i < l->n_line; i++)
		(void)add_function(a, (size_t)decode_find(a->d.functions, m->n_function,
							  l->line[i]->function_id));
	key_u64(&a->key, mapping);
	key_u64(&a->key, address);
	key_u64(&a->key, l->is_folded);
	for (size_t i = 0; i < l->n_line; i++) {
		key_u64(&a->key, add_function(a, (size_t)decode_find(a->d.functions, m->n_function,
								     l->line[i]->function_id)));
		key_u64(&a->key, (uint64_t)l->line[i]->line);
	}
	uint32_t i = put_key(a, &p->location_keys, &is_new);
	a->locations[index] = i + 1;
	if (!is_new)
		return i;
	p->locations = memory_grow(p->locations, i, &p->location_capacity, sizeof *p->locations);
	p->locations[i] = (struct profile_location){
		.mapping = mapping,
		.line_count = (uint32_t)l->n_line,
		.first_line = p->line_count,
		.address = address,
	};
	for (size_t j = 0; j < l->n_line; j++) {
		p->lines =
			memory_grow(p->lines, p->line_count, &p->line_capacity, sizeof *p->lines);
		p->lines[p->line_count++] = (struct profile_line){
			.function =
				add_function(a, (size_t)decode_find(a->d.functions, m->n_function,
								    l->line[j]->function_id)),
			.line = l->line[j]->line,
		};
	}
	return i;
}

static int by_label(const void *a, const void *b)
{
	const Pprof__Label *x = *(Pprof__Label *const *)a, *y = *(Pprof__Label *const *)b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->str != y->str)
		return x->str < y->str ? -1 : 1;
	if (x->num != y->num)
		return x->num < y->num ? -1 : 1;
	return x->num_unit < y->num_unit ? -1 : x->num_unit > y->num_unit;
}

static bool is_zero(const Pprof__Sample *s)
{
	for (size_t i = 0; i < s->n_value; i++)
		if (s->value[i])
			return false;
	return true;
}

/* Labels into the key; their order means nothing.  Those that mean something here go into *ret. */
static void add_labels(struct adder *a, Pprof__Sample *s, struct profile_sample *ret)
{
	ret->is_base = a->subtract;
	if (a->subtract)
		key_text(&a->key, pool_text(&a->p->strings, BASE_LABEL));
	if (s->n_label)
		qsort(s->label, s->n_label, sizeof(Pprof__Label *), by_label);
	for (size_t i = 0; i < s->n_label; i++) {
		const Pprof__Label *l = s->label[i];

		if (!l->str && !l->num && !l->num_unit)
			continue;
		if (a->subtract && strcmp(decode_string(&a->d, l->key), BASE_LABEL) == 0)
			continue; /* all of it is base */
		key_text(&a->key, text(a, l->key));
		key_text(&a->key, text(a, l->str));
		key_u64(&a->key, l->str ? 0 : (uint64_t)l->num);
		key_text(&a->key, l->str ? NULL : text(a, l->num_unit));
		ret->is_base |= strcmp(decode_string(&a->d, l->key), BASE_LABEL) == 0 &&
				strcmp(decode_string(&a->d, l->str), "true") == 0;
		if (l->str && strcmp(decode_string(&a->d, l->key), CLASS_LABEL) == 0)
			ret->class = text(a, l->str);
	}
}

static void add_sample(struct adder *a, Pprof__Sample *s)
{
	const Pprof__Profile *m = a->d.message;
	struct profile *p = a->p;
	size_t first = p->frame_count;
	struct profile_sample sample = {.first_frame = first,
					.frame_count = (uint32_t)s->n_location_id};
	bool is_new;

	for (size_t i = 0; i < s->n_location_id; i++) {
		ptrdiff_t at = decode_find(a->d.locations, m->n_location, s->location_id[i]);

		p->frames = memory_grow(p->frames, p->frame_count, &p->frame_capacity,
					sizeof *p->frames);
		p->frames[p->frame_count++] = add_location(a, (size_t)at);
	}
	key_u64(&a->key, s->n_location_id);
	if (s->n_location_id)
		key_bytes(&a->key, p->frames + first, s->n_location_id * sizeof *p->frames);
	add_labels(a, s, &sample);
	uint32_t i = put_key(a, &p->sample_keys, &is_new);
	if (is_new) {
		p->samples = memory_grow(p->samples, i, &p->sample_capacity, sizeof *p->samples);
		p->samples[i] = sample;
	} else {
		p->frame_count = first;
	}
	for (unsigned v = 0; v < p->type_count; v++) {
		size_t at = (size_t)i * p->type_count + v;

		p->values = memory_grow(p->values, at, &p->value_capacity, sizeof *p->values);
		/* Wraps, as Go's addition does. */
		uint64_t old = is_new ? 0 : (uint64_t)p->values[at];
		uint64_t value = (uint64_t)s->value[v];
		p->values[at] = (int64_t)(a->subtract ? old - value : old + value);
	}
}

static void add_comment(struct profile *p, const char *interned)
{
	for (size_t i = 0; i < p->comment_count; i++)
		if (p->comments[i] == interned)
			return;
	p->comments = memory_grow(p->comments, p->comment_count, &p->comment_capacity,
				  sizeof *p->comments);
	p->comments[p->comment_count++] = interned;
}

static struct profile_type type_of(struct adder *a, const Pprof__ValueType *t)
{
	return (struct profile_type){.type = text(a, t ? t->type : 0),
				     .unit = text(a, t ? t->unit : 0)};
}

static bool same_type(struct profile_type x, struct profile_type y)
{
	return x.type == y.type && x.unit == y.unit;
}

/* What must agree between the files of one profile. */
static int check_types(struct adder *a, char why[256])
{
	const Pprof__Profile *m = a->d.message;
	struct profile *p = a->p;
	struct profile_type period = type_of(a, m->period_type);

	if (p->files == 0)
		return 0;
	if (m->n_sample_type != p->type_count) {
		snprintf(why, 256,
			 "it has %zu sample types and the files before it have %u; look at "
			 "them one by one",
			 m->n_sample_type, p->type_count);
		return -EINVAL;
	}
	for (unsigned i = 0; i < p->type_count; i++) {
		struct profile_type t = type_of(a, m->sample_type[i]);

		if (!same_type(t, p->types[i])) {
			snprintf(why, 256,
				 "its samples are %.40s/%.40s and those before it %.40s/%.40s; "
				 "look at them one by one",
				 t.type, t.unit, p->types[i].type, p->types[i].unit);
			return -EINVAL;
		}
	}
	if (!same_type(period, p->period_type)) {
		snprintf(why, 256,
			 "its period is in %.40s/%.40s and that before it in %.40s/%.40s; look "
			 "at them one by one",
			 period.type, period.unit, p->period_type.type, p->period_type.unit);
		return -EINVAL;
	}
	return 0;
}

static void add_header(struct adder *a)
{
	const Pprof__Profile *m = a->d.message;
	struct profile *p = a->p;

	if (p->files++ == 0) {
		p->type_count = (unsigned)m->n_sample_type;
		p->types = memory_get(p->type_count * sizeof *p->types);
		for (unsigned i = 0; i < p->type_count; i++)
			p->types[i] = type_of(a, m->sample_type[i]);
		p->period_type = type_of(a, m->period_type);
		p->drop_frames = text(a, m->drop_frames);
		p->keep_frames = text(a, m->keep_frames);
		p->default_type = "";
	}
	if (p->time_ns == 0 || m->time_nanos < p->time_ns)
		p->time_ns = m->time_nanos;
	int64_t *newest = a->subtract ? &p->base_ns : &p->newest_ns;
	if (m->time_nanos > *newest)
		*newest = m->time_nanos;
	p->duration_ns = (int64_t)((uint64_t)p->duration_ns + (uint64_t)m->duration_nanos);
	if (p->period == 0 || p->period < m->period)
		p->period = m->period;
	if (!p->default_type[0])
		p->default_type = text(a, m->default_sample_type);
	for (size_t i = 0; i < m->n_comment; i++)
		add_comment(p, text(a, m->comment[i]));
}

static void add_all(struct adder *a)
{
	const Pprof__Profile *m = a->d.message;

	a->mappings = memory_get(m->n_mapping * sizeof *a->mappings);
	a->functions = memory_get(m->n_function * sizeof *a->functions);
	a->locations = memory_get(m->n_location * sizeof *a->locations);
	add_header(a);
	/* The main program is first whatever the samples touch first. */
	if (a->p->mapping_keys.count == 0)
		(void)(m->n_mapping ? add_mapping(a, 0) : fake_mapping(a));
	for (size_t i = 0; i < m->n_sample; i++)
		if (!is_zero(m->sample[i]))
			add_sample(a, m->sample[i]);
	free(a->mappings);
	free(a->functions);
	free(a->locations);
}

static int add_bytes(struct profile *p, const uint8_t *bytes, size_t n, bool subtract,
		     char why[256])
{
	struct adder a = {.p = p, .subtract = subtract};
	uint8_t *plain;
	size_t plain_n;
	int r = input_unpack(bytes, n, &plain, &plain_n, why);

	if (r < 0)
		return r;
	r = decode_profile(&a.d, plain, plain_n, why);
	free(plain);
	if (r < 0)
		return r;
	r = check_types(&a, why);
	if (r == 0)
		add_all(&a);
	decode_free(&a.d);
	free(a.key.bytes);
	return r;
}

int profile_add_bytes(struct profile *p, const uint8_t *bytes, size_t n, char why[256])
{
	return add_bytes(p, bytes, n, false, why);
}

static int add_file(struct profile *p, const char *path, bool subtract, char why[256])
{
	uint8_t *bytes;
	size_t n;
	int r = input_read(path, &bytes, &n, why);

	if (r < 0)
		return r;
	r = add_bytes(p, bytes, n, subtract, why);
	free(bytes);
	return r;
}

int profile_add_file(struct profile *p, const char *path, char why[256])
{
	return add_file(p, path, false, why);
}

int profile_subtract_file(struct profile *p, const char *path, char why[256])
{
	return add_file(p, path, true, why);
}

static int find_type(const struct profile *p, const char *name)
{
	for (unsigned i = 0; i < p->type_count; i++)
		if (strcmp(p->types[i].type, name) == 0)
			return (int)i;
	return -ENOENT;
}

int profile_column(const struct profile *p, const char *name)
{
	char *end;
	int i;

	if (p->type_count == 0)
		return -ENOENT;
	if (!name || !name[0]) {
		i = p->default_type[0] ? find_type(p, p->default_type) : -ENOENT;
		return i >= 0 ? i : (int)p->type_count - 1;
	}
	unsigned long n = strtoul(name, &end, 10);
	if (*end == '\0' && name[0] >= '0' && name[0] <= '9')
		return n < p->type_count ? (int)n : -ENOENT;
	i = find_type(p, name);
	return i < 0 && strncmp(name, "inuse_", 6) == 0 ? find_type(p, name + 6) : i;
}

const char *profile_file_name(const char *path, size_t *ret_n)
{
	size_t n = strlen(path), from;

	while (n > 1 && path[n - 1] == '/')
		n--;
	for (from = n; from > 0 && path[from - 1] != '/'; from--)
		;
	if (from == n)
		from = 0; /* "/" alone */
	*ret_n = n - from;
	return path + from;
}

void profile_free(struct profile *p)
{
	free(p->types);
	free(p->comments);
	free(p->mappings);
	free(p->functions);
	free(p->locations);
	free(p->lines);
	free(p->samples);
	free(p->frames);
	free(p->values);
	pool_free(&p->strings);
	pool_free(&p->mapping_keys);
	pool_free(&p->function_keys);
	pool_free(&p->location_keys);
	pool_free(&p->sample_keys);
	*p = (struct profile){0};
}
