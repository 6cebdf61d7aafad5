/* SPDX-License-Identifier: MIT */
#include "output/pprof.h"

#include <errno.h>
#include <stdbool.h>

#include "core/text.h"
#include "core/utf8.h"
#include "output/profile.pb-c.h"
#include "output/vendor.h"

#include "core/as_safe.h"

/* Upper bounds of what a new record costs in the file: field tags, lengths, ids below 2^28. */
#define SAMPLE_BYTES   64u /* four values and a label, whose strings are few */
#define LOCATION_BYTES 24u
#define FUNCTION_BYTES 26u  /* and its two strings */
#define MAPPING_BYTES  128u /* and its path */
/* Not an enum synthetic: it exists in files only. */
#define FOLDED_ADDRESS 4095u

/* The message that grows.  An id of 0 means: not in the file yet. */
struct builder {
	const struct pprof_input *input;
	const struct locations *names;
	struct arena *arena;
	Pprof__Profile profile;
	struct intern strings;
	uint32_t *location_ids; /* by index in names->list */
	uint32_t *function_ids; /* by number in names->functions */
	uint32_t *mapping_ids;	/* by merged module id */
	uint64_t bytes;		/* upper bound of what the profile takes */
	bool no_memory;
};

static void *take(struct builder *b, size_t n)
{
	void *p = arena_alloc(b->arena, n);

	if (!p)
		b->no_memory = true;
	return p;
}

/* A fresh message of a generated type. */
#define NEW(b, type, init) ((type *)new_message((b), sizeof(type), &(const type)init))
static void *new_message(struct builder *b, size_t n, const void *init)
{
	void *p = take(b, n);

	return p ? memcpy(p, init, n) : NULL;
}

static int64_t string(struct builder *b, const char *s)
{
	uint32_t number = intern_string(&b->strings, s);

	if (number != INTERN_FAILED)
		return number;
	b->no_memory = true;
	return 0;
}

static Pprof__ValueType *value_type(struct builder *b, const struct file_kind_type *t)
{
	Pprof__ValueType *v = NEW(b, Pprof__ValueType, PPROF__VALUE_TYPE__INIT);

	if (v) {
		v->type = string(b, t->type);
		v->unit = string(b, t->unit);
	}
	return v;
}

/* A copy that every reader accepts. */
static const char *clean_copy(struct builder *b, const char *s)
{
	size_t n = text_length(s);
	char *copy = arena_strndup(b->arena, s, n);

	if (!copy) {
		b->no_memory = true;
		return "";
	}
	utf8_clean(copy, n);
	return copy;
}

static const char *build_id_text(struct builder *b, const struct store_module_info *info)
{
	char hex[2 * sizeof((struct store_module *)0)->build_id + 1];
	struct text t = TEXT_ON(hex);

	for (unsigned i = 0; i < info->build_id_bytes; i++) {
		text_char(&t, "0123456789abcdef"[info->build_id[i] >> 4]);
		text_char(&t, "0123456789abcdef"[info->build_id[i] & 15]);
	}
	return clean_copy(b, t.len ? hex : "");
}

/* m NULL: a store that knows no executable still needs mapping[0]. */
static uint32_t add_mapping(struct builder *b, const struct symbols_module *m)
{
	Pprof__Mapping *mapping = NEW(b, Pprof__Mapping, PPROF__MAPPING__INIT);

	if (!mapping)
		return 0;
	b->profile.mapping[b->profile.n_mapping++] = mapping;
	mapping->id = b->profile.n_mapping;
	mapping->has_functions = true;
	if (!m) {
		mapping->filename = string(b, clean_copy(b, b->names->exe));
		return (uint32_t)mapping->id;
	}
	uint64_t before = m->info.start - m->mapped_start;
	mapping->memory_start = m->mapped_start;
	mapping->memory_limit = m->mapped_limit;
	mapping->file_offset = m->info.file_offset > before ? m->info.file_offset - before : 0;
	mapping->filename = string(b, clean_copy(b, m->canonical_path));
	mapping->build_id = string(b, build_id_text(b, &m->info));
	b->bytes += MAPPING_BYTES + text_length(m->canonical_path);
	return (uint32_t)mapping->id;
}

/* The mapping of a merged module; 0 for frames that are words or in no module. */
static uint64_t mapping_id(struct builder *b, unsigned module)
{
	if (module == FRAME_SYNTHETIC || module == FRAME_NO_MODULE)
		return 0;
	if (!b->mapping_ids[module])
		b->mapping_ids[module] = add_mapping(b, b->names->modules[module]);
	return b->mapping_ids[module];
}

static uint64_t add_function(struct builder *b, const char *name, const char *system_name)
{
	Pprof__Function *f = NEW(b, Pprof__Function, PPROF__FUNCTION__INIT);

	if (!f)
		return 0;
	b->profile.function[b->profile.n_function++] = f;
	f->id = b->profile.n_function;
	f->name = string(b, name);
	f->system_name = string(b, system_name);
	b->bytes += FUNCTION_BYTES + text_length(name) + text_length(system_name);
	return f->id;
}

static uint64_t add_location(struct builder *b, uint64_t mapping, uint64_t address,
			     uint64_t function)
{
	Pprof__Location *l = NEW(b, Pprof__Location, PPROF__LOCATION__INIT);
	Pprof__Line *line = NEW(b, Pprof__Line, PPROF__LINE__INIT);
	Pprof__Line **lines = take(b, sizeof *lines);

	if (!l || !line || !lines)
		return 0;
	b->profile.location[b->profile.n_location++] = l;
	l->id = b->profile.n_location;
	l->mapping_id = mapping;
	l->address = address;
	line->function_id = function;
	lines[0] = line;
	l->line = lines;
	l->n_line = 1;
	b->bytes += LOCATION_BYTES;
	return l->id;
}

/* The id of a location of the snapshot, which enters the file with the first sample that needs it.
 */
static uint64_t location_id(struct builder *b, uint32_t index)
{
	const struct location *l = &b->names->list[index];

	if (b->location_ids[index])
		return b->location_ids[index];
	if (!b->function_ids[l->function])
		b->function_ids[l->function] =
			(uint32_t)add_function(b, b->names->function_names[l->function],
					       b->names->functions.strings[l->function]);
	uint64_t mapping = mapping_id(b, FRAME_MODULE(l->frame));
	b->location_ids[index] = (uint32_t)add_location(b, mapping, FRAME_ADDRESS(l->frame),
							b->function_ids[l->function]);
	return b->location_ids[index];
}

/* Upper bound of a sample itself: no id in it is above the last one plus its depth. */
static uint64_t sample_bytes(const struct builder *b, unsigned depth)
{
	unsigned bytes_per_id = 1;

	for (uint64_t id = b->profile.n_location + depth; id >= 128; id >>= 7)
		bytes_per_id++;
	return SAMPLE_BYTES + depth * bytes_per_id;
}

/* What the mapping of a merged module would add. */
static uint64_t mapping_bytes(const struct builder *b, unsigned module)
{
	if (module == FRAME_SYNTHETIC || module == FRAME_NO_MODULE || b->mapping_ids[module])
		return 0;
	return MAPPING_BYTES + text_length(b->names->modules[module]->canonical_path);
}

/* Upper bound of what a row adds to the file. */
static uint64_t row_bytes(const struct builder *b, const struct snapshot_row *row)
{
	uint64_t bytes = sample_bytes(b, row->in.depth);

	for (unsigned i = 0; i < row->in.depth; i++) {
		uint32_t index = row->locations[i], function = b->names->list[index].function;

		if (b->location_ids[index])
			continue;
		bytes += LOCATION_BYTES +
			 mapping_bytes(b, FRAME_MODULE(b->names->list[index].frame));
		if (!b->function_ids[function])
			bytes += FUNCTION_BYTES + text_length(b->names->function_names[function]) +
				 text_length(b->names->functions.strings[function]);
	}
	return bytes;
}

static Pprof__Sample *add_sample(struct builder *b, const int64_t *values, unsigned depth)
{
	unsigned columns = b->input->kind->column_count;
	Pprof__Sample *s = NEW(b, Pprof__Sample, PPROF__SAMPLE__INIT);
	int64_t *value = take(b, columns * sizeof *value);
	uint64_t *ids = take(b, depth * sizeof *ids);

	if (!s || !value || !ids)
		return NULL;
	memcpy(value, values, columns * sizeof *value);
	s->value = value;
	s->n_value = columns;
	s->location_id = ids;
	s->n_location_id = depth;
	b->profile.sample[b->profile.n_sample++] = s;
	b->bytes += sample_bytes(b, depth);
	return s;
}

static const char *class_name(uint64_t class)
{
	switch (class) {
#define X(id, name, kind)                                                                          \
	case id:                                                                                   \
		return name;
		STORE_WAIT_CLASSES(X)
#undef X
	default:
		return NULL;
	}
}

/* A thread id is numeric and without a unit: readers that make a series of every string label do not see it.  Classes are a
 * few words, which may be series.  What a row's label means goes by its own kind: a file may have rows of several. */
static void add_label(struct builder *b, Pprof__Sample *s, const struct store_sample *row)
{
	const bool is_thread = row->kind == KIND_CPU;
	const char *class = is_thread ? NULL : class_name(row->label);

	if (is_thread ? !row->label : !class)
		return;
	Pprof__Label *label = NEW(b, Pprof__Label, PPROF__LABEL__INIT);
	Pprof__Label **labels = take(b, sizeof *labels);
	if (!label || !labels)
		return;
	label->key = string(b, is_thread ? "thread_id" : "class");
	if (is_thread)
		label->num = (int64_t)row->label;
	else
		label->str = string(b, class);
	labels[0] = label;
	s->label = labels;
	s->n_label = 1;
}

static void add_row(struct builder *b, const struct snapshot_sample *sample)
{
	const struct snapshot_row *row = sample->row;
	Pprof__Sample *s = add_sample(b, sample->column, row->in.depth);

	if (!s)
		return;
	for (unsigned i = 0; i < row->in.depth; i++)
		s->location_id[i] = location_id(b, row->locations[i]);
	add_label(b, s, &row->in);
}

/* The samples from `first` on, as one. */
static void add_folded(struct builder *b, unsigned first)
{
	const struct snapshot_file *file = b->input->file;
	int64_t sum[STORE_VALUES_MAX] = {0};

	for (unsigned i = first; i < file->count; i++)
		for (unsigned c = 0; c < file->columns; c++)
			if (__builtin_add_overflow(sum[c], file->samples[i].column[c], &sum[c]))
				sum[c] = INT64_MAX; /* only of a damaged store */
	Pprof__Sample *s = add_sample(b, sum, 1);
	if (s)
		s->location_id[0] = add_location(b, 0, FOLDED_ADDRESS,
						 add_function(b, PPROF_FOLDED, PPROF_FOLDED));
}

/* Heaviest first; the number of those that fit. */
static unsigned add_rows(struct builder *b)
{
	const struct snapshot_file *file = b->input->file;
	unsigned i;

	for (i = 0; i < file->count && !b->no_memory; i++) {
		const struct snapshot_row *row = file->samples[i].row;
		bool last_place = b->profile.n_sample == PPROF_SAMPLES_MAX - 1;

		if (!row->locations || (last_place && i + 1 < file->count) ||
		    b->bytes + row_bytes(b, row) > PPROF_BYTES_MAX)
			break;
		add_row(b, &file->samples[i]);
	}
	return i;
}

/* Parca takes what starts with "executableInfo=" for a description of the mappings. */
static void add_comment(struct builder *b, const char *comment)
{
	if (text_starts(comment, "executableInfo="))
		return;
	b->profile.comment[b->profile.n_comment++] = string(b, clean_copy(b, comment));
}

static void add_comments(struct builder *b, unsigned folded)
{
	const struct pprof_input *in = b->input;
	char line[128];
	struct text t = TEXT_ON(line);

	for (unsigned i = 0; i < in->comment_count && i < PPROF_COMMENTS_MAX; i++)
		add_comment(b, in->comments[i]);
	if (!folded)
		return;
	text_str(&t, "cprof: rows folded into " PPROF_FOLDED ": ");
	text_u64(&t, folded);
	add_comment(b, line);
}

static int init(struct builder *b)
{
	const struct pprof_input *in = b->input;
	unsigned functions = in->locations->functions.count + 1,
		 locations = in->locations->count + 1,
		 samples =
			 in->file->count < PPROF_SAMPLES_MAX ? in->file->count : PPROF_SAMPLES_MAX;
	Pprof__Profile *p = &b->profile;

	b->strings.arena = b->arena;
	b->location_ids = take(b, locations * sizeof *b->location_ids);
	b->function_ids = take(b, functions * sizeof *b->function_ids);
	b->mapping_ids = take(b, LOCATION_MODULES_MAX * sizeof *b->mapping_ids);
	p->sample_type = take(b, STORE_VALUES_MAX * sizeof *p->sample_type);
	p->sample = take(b, samples * sizeof *p->sample);
	p->mapping = take(b, (LOCATION_MODULES_MAX + 1) * sizeof *p->mapping);
	p->location = take(b, locations * sizeof *p->location);
	p->function = take(b, functions * sizeof *p->function);
	p->comment = take(b, (PPROF_COMMENTS_MAX + 1) * sizeof *p->comment);
	return b->no_memory ? -ENOMEM : 0;
}

static int build(struct builder *b, struct pprof_result *ret)
{
	const struct pprof_input *in = b->input;
	Pprof__Profile *p = &b->profile;
	unsigned exe_id = 0;

	if (init(b) < 0)
		return -ENOMEM;
	(void)string(b, ""); /* number 0 */
	for (unsigned i = 0; i < in->kind->column_count; i++)
		p->sample_type[p->n_sample_type++] = value_type(b, &in->kind->columns[i]);
	p->period_type = value_type(b, &in->kind->period_type);
	p->period = (int64_t)in->period;
	p->time_nanos = (int64_t)in->time_ns;
	p->duration_nanos = (int64_t)in->duration_ns;
	if (in->kind->default_type)
		p->default_sample_type = string(b, in->kind->default_type);

	const struct symbols_module *exe = locations_executable(in->locations, &exe_id);
	b->mapping_ids[exe_id] = add_mapping(b, exe); /* [0] is nobody's id */
	unsigned added = add_rows(b);
	ret->folded = in->file->count - added;
	if (ret->folded)
		add_folded(b, added);
	add_comments(b, ret->folded);
	if (b->no_memory)
		return -ENOMEM;
	/* The generated type wants char *; packing does not write to it. */
	p->n_string_table = b->strings.count;
	p->string_table = (char **)(uintptr_t)b->strings.strings;
	ret->samples = (unsigned)p->n_sample;
	return 0;
}

/* default_sample_type, field 14, a varint, as the end of a message; its length. */
static size_t twin_tail(struct builder *b, uint8_t tail[11])
{
	uint64_t number = (uint64_t)string(b, b->input->twin->default_type);
	size_t n = 0;

	for (tail[n++] = 14 << 3; number >= 128; number >>= 7)
		tail[n++] = (uint8_t)(number | 128);
	tail[n++] = (uint8_t)number;
	return n;
}

/* protobuf-c hands out the packed message in pieces of a few bytes. */
struct packer {
	ProtobufCBuffer base;
	const Pprof__Profile *profile;
	uint64_t bytes;
	const struct pprof_input *input;
	gzip_write_fn write;
	void *opaque;
};

static int write_both(void *packer, const void *bytes, size_t n)
{
	struct packer *p = packer;
	int rc = p->write(p->opaque, bytes, n);

	return rc == 0 ? p->input->twin_write(p->input->twin_opaque, bytes, n) : rc;
}

static void append(ProtobufCBuffer *base, size_t n, const uint8_t *bytes)
{
	struct packer *p = (struct packer *)base;

	p->bytes += n;
	gzip_add(p->input->gzip, bytes, n);
}

static void pack(void *opaque, struct vendor_guard *guard)
{
	struct packer *p = opaque;

	(void)guard;
	protobuf_c_message_pack_to_buffer(&p->profile->base, &p->base);
}

int pprof_write(const struct pprof_input *input, struct arena *a, gzip_write_fn write, void *opaque,
		struct pprof_result *ret_result)
{
	struct builder *b = arena_alloc(a, sizeof *b);
	struct packer *p = arena_alloc(a, sizeof *p);
	uint8_t tail[11];

	*ret_result = (struct pprof_result){0};
	if (!b || !p)
		return -ENOMEM;
	*b = (struct builder){
		.input = input,
		.names = input->locations,
		.arena = a,
		.profile = PPROF__PROFILE__INIT,
	};
	int rc = build(b, ret_result);
	if (rc < 0)
		return rc;
	p->base.append = append;
	p->profile = &b->profile;
	p->input = input;
	p->write = write;
	p->opaque = opaque;
	size_t n = input->twin_write ? twin_tail(b, tail)
				     : 0; /* a column's name: it is in the table */
	rc = input->twin_write ? gzip_start(input->gzip, a, write_both, p)
			       : gzip_start(input->gzip, a, write, opaque);
	if (rc < 0)
		return rc;
	rc = vendor_try(pack, p);
	int end = input->twin_write ? gzip_end_twice(input->gzip, write, opaque, input->twin_write,
						     input->twin_opaque, tail, n)
				    : gzip_end(input->gzip);
	ret_result->bytes = p->bytes;
	return rc < 0 ? rc : end;
}
