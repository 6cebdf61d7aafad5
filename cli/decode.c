/* SPDX-License-Identifier: MIT */
#include "cli/decode.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

/* protobuf-c's own allocator is bound to the library's in this binary (see output/vendor.h). */
static void *get(void *opaque, size_t n)
{
	struct decoded *d = opaque;

	if (n > DECODE_BYTES_MAX - d->bytes)
		return NULL;
	d->bytes += n;
	return malloc(n ? n : 1);
}

static void put(void *opaque, void *p)
{
	(void)opaque;
	free(p);
}

/* One varint; false at the end of the bytes. */
static bool varint(const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	*ret = 0;
	for (unsigned shift = 0; shift < 70 && *at < end; shift += 7) {
		uint8_t byte = *(*at)++;

		if (shift < 64)
			*ret |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	return false;
}

/* Two profiles, one after the other, are a valid message with wrong references.  As in pprof, a
 * second time tells. */
static bool is_concatenated(const uint8_t *at, const uint8_t *end)
{
	enum { TIME_NANOS = 9 };
	unsigned times = 0;
	uint64_t tag, n;

	while (at < end && varint(&at, end, &tag)) {
		switch (tag & 7) {
		case 0:
			if (!varint(&at, end, &n))
				return false;
			times += tag >> 3 == TIME_NANOS && n != 0;
			break;
		case 1:
		case 5:
			n = (tag & 7) == 1 ? 8 : 4;
			if (n > (size_t)(end - at))
				return false;
			at += n;
			break;
		case 2:
			if (!varint(&at, end, &n) || n > (size_t)(end - at))
				return false;
			at += n;
			break;
		default:
			return false;
		}
	}
	return times > 1;
}

static int by_id(const void *a, const void *b)
{
	const struct decode_id *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

ptrdiff_t decode_find(const struct decode_id *ids, size_t n, uint64_t id)
{
	struct decode_id key = {.id = id};
	const struct decode_id *found;

	if (n == 0)
		return -1;
	if (id - 1 < n && ids[id - 1].id == id) /* nearly always 1, 2, 3... */
		return (ptrdiff_t)ids[id - 1].index;
	found = bsearch(&key, ids, n, sizeof *ids, by_id);
	return found ? (ptrdiff_t)found->index : -1;
}

const char *decode_string(const struct decoded *d, int64_t index)
{
	return d->message->string_table[index];
}

/* Sorts ids and refuses 0 and twins. */
static bool index_ids(struct decode_id *ids, size_t n, const char *what, char why[256])
{
	qsort(ids, n, sizeof *ids, by_id);
	for (size_t i = 0; i < n; i++) {
		if (ids[i].id == 0) {
			snprintf(why, 256, "malformed profile: a %s has id 0", what);
			return false;
		}
		if (i > 0 && ids[i].id == ids[i - 1].id) {
			snprintf(why, 256, "malformed profile: two %ss have id %" PRIu64, what,
				 ids[i].id);
			return false;
		}
	}
	return true;
}

static bool index_all(struct decoded *d, char why[256])
{
	const Pprof__Profile *m = d->message;

	d->mappings = memory_get(m->n_mapping * sizeof *d->mappings);
	d->functions = memory_get(m->n_function * sizeof *d->functions);
	d->locations = memory_get(m->n_location * sizeof *d->locations);
	for (size_t i = 0; i < m->n_mapping; i++)
		d->mappings[i] = (struct decode_id){m->mapping[i]->id, i};
	for (size_t i = 0; i < m->n_function; i++)
		d->functions[i] = (struct decode_id){m->function[i]->id, i};
	for (size_t i = 0; i < m->n_location; i++)
		d->locations[i] = (struct decode_id){m->location[i]->id, i};
	return index_ids(d->mappings, m->n_mapping, "mapping", why) &&
	       index_ids(d->functions, m->n_function, "function", why) &&
	       index_ids(d->locations, m->n_location, "location", why);
}

static bool is_string(const Pprof__Profile *m, int64_t index)
{
	return index >= 0 && (uint64_t)index < m->n_string_table;
}

static bool strings_ok(const Pprof__Profile *m)
{
	const Pprof__ValueType *period = m->period_type;

	if (m->n_string_table == 0 || m->string_table[0][0] != '\0')
		return false;
	for (size_t i = 0; i < m->n_sample_type; i++)
		if (!is_string(m, m->sample_type[i]->type) ||
		    !is_string(m, m->sample_type[i]->unit))
			return false;
	for (size_t i = 0; i < m->n_mapping; i++)
		if (!is_string(m, m->mapping[i]->filename) ||
		    !is_string(m, m->mapping[i]->build_id))
			return false;
	for (size_t i = 0; i < m->n_function; i++)
		if (!is_string(m, m->function[i]->name) ||
		    !is_string(m, m->function[i]->system_name) ||
		    !is_string(m, m->function[i]->filename))
			return false;
	for (size_t i = 0; i < m->n_comment; i++)
		if (!is_string(m, m->comment[i]))
			return false;
	for (size_t i = 0; i < m->n_sample; i++)
		for (size_t j = 0; j < m->sample[i]->n_label; j++) {
			const Pprof__Label *l = m->sample[i]->label[j];

			if (!is_string(m, l->key) || !is_string(m, l->str) ||
			    !is_string(m, l->num_unit))
				return false;
		}
	return is_string(m, m->drop_frames) && is_string(m, m->keep_frames) &&
	       is_string(m, m->default_sample_type) &&
	       (!period || (is_string(m, period->type) && is_string(m, period->unit)));
}

static bool references_ok(const struct decoded *d, char why[256])
{
	const Pprof__Profile *m = d->message;

	if (m->n_sample && !m->n_sample_type) {
		snprintf(why, 256, "malformed profile: it has samples but no sample type");
		return false;
	}
	for (size_t i = 0; i < m->n_sample; i++) {
		const Pprof__Sample *s = m->sample[i];

		if (s->n_value != m->n_sample_type) {
			snprintf(why, 256,
				 "malformed profile: a sample has %zu values for %zu sample types",
				 s->n_value, m->n_sample_type);
			return false;
		}
		for (size_t j = 0; j < s->n_location_id; j++) {
			if (decode_find(d->locations, m->n_location, s->location_id[j]) < 0) {
				snprintf(why, 256,
					 "malformed profile: a sample has location %" PRIu64
					 ", which does not exist",
					 s->location_id[j]);
				return false;
			}
		}
	}
	for (size_t i = 0; i < m->n_location; i++) {
		const Pprof__Location *l = m->location[i];

		for (size_t j = 0; j < l->n_line; j++) {
			if (decode_find(d->functions, m->n_function, l->line[j]->function_id) < 0) {
				snprintf(why, 256,
					 "malformed profile: location %" PRIu64
					 " has function %" PRIu64 ", which does not exist",
					 l->id, l->line[j]->function_id);
				return false;
			}
		}
	}
	return true;
}

int decode_profile(struct decoded *d, const uint8_t *bytes, size_t n, char why[256])
{
	ProtobufCAllocator allocator = {.alloc = get, .free = put, .allocator_data = d};

	*d = (struct decoded){0};
	if (n == 0) {
		snprintf(why, 256, "empty file");
		return -EBADMSG;
	}
	if (is_concatenated(bytes, bytes + n)) {
		snprintf(why, 256, "two profiles in one file; give them as two files");
		return -EBADMSG;
	}
	d->message = pprof__profile__unpack(&allocator, n, bytes);
	if (!d->message) {
		snprintf(why, 256, "not a profile in pprof's protobuf format");
		return -EBADMSG;
	}
	if (!strings_ok(d->message))
		snprintf(why, 256, "malformed profile: a string index is out of range");
	else if (index_all(d, why) && references_ok(d, why))
		return 0;
	decode_free(d);
	return -EBADMSG;
}

void decode_free(struct decoded *d)
{
	ProtobufCAllocator allocator = {.alloc = get, .free = put, .allocator_data = d};

	if (d->message)
		pprof__profile__free_unpacked(d->message, &allocator);
	free(d->mappings);
	free(d->functions);
	free(d->locations);
	*d = (struct decoded){0};
}
