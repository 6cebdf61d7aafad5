/* SPDX-License-Identifier: MIT */
/*
 * rawprof FILE...              prints every field
 * rawprof --check FILE...      one line per violation of the file-level rules; exits 1 when there
 * is one rawprof --sums FILE...       one line per sample: functions leaf first, values, labels
 * rawprof --mappings FILE...   one line per mapping: id start limit offset build-id flags filename
 * rawprof --locations FILE...  one line per use of a location: leaf or caller, address, file offset
 * in its mapping (both hex), mapping's file name, function; each once rawprof --functions FILE...
 * one line per function: name, a tab, system name
 */
#include "tests/support/rawprof.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void report(void *opaque, const char *line)
{
	printf("%s: %s\n", (const char *)opaque, line);
}

static const char *function_name(const struct rawprof *r, const Pprof__Line *line)
{
	const Pprof__Function *f = rawprof_function(r, line->function_id);

	return f ? rawprof_string(r, f->name) : "(no function)";
}

static void print_sums(const struct rawprof *r)
{
	for (size_t i = 0; i < r->profile->n_sample; i++) {
		const Pprof__Sample *s = r->profile->sample[i];

		for (size_t n = 0; n < s->n_location_id; n++) {
			const Pprof__Location *l = rawprof_location(r, s->location_id[n]);

			for (size_t k = 0; l && k < l->n_line; k++)
				printf("%s;", function_name(r, l->line[k]));
		}
		for (size_t n = 0; n < s->n_value; n++)
			printf(" %" PRId64, s->value[n]);
		for (size_t n = 0; n < s->n_label; n++)
			printf(" %s=%s/%" PRId64, rawprof_string(r, s->label[n]->key),
			       rawprof_string(r, s->label[n]->str), s->label[n]->num);
		puts("");
	}
}

static void print_mappings(const struct rawprof *r)
{
	for (size_t i = 0; i < r->profile->n_mapping; i++) {
		const Pprof__Mapping *m = r->profile->mapping[i];
		const char *id = rawprof_string(r, m->build_id);

		printf("%" PRIu64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %s %s%s%s%s %s\n", m->id,
		       m->memory_start, m->memory_limit, m->file_offset, id[0] ? id : "-",
		       m->has_functions ? "F" : "-", m->has_filenames ? "N" : "-",
		       m->has_line_numbers ? "L" : "-", m->has_inline_frames ? "I" : "-",
		       rawprof_string(r, m->filename));
	}
}

static void print_location(const struct rawprof *r, const char *role, const Pprof__Location *l)
{
	const Pprof__Mapping *m = rawprof_mapping(r, l->mapping_id);

	printf("%s %" PRIx64 " %" PRIx64 " %s %s\n", role, l->address,
	       m ? l->address - m->memory_start + m->file_offset : 0,
	       m ? rawprof_string(r, m->filename) : "-", function_name(r, l->line[0]));
}

static void print_locations(const struct rawprof *r)
{
	static const char *const roles[] = {"leaf", "caller", "entry"};
	size_t n_locations = r->profile->n_location + 1;
	char *seen = calloc(n_locations, 3);

	for (size_t i = 0; i < r->profile->n_sample; i++) {
		const Pprof__Sample *s = r->profile->sample[i];
		const Pprof__Location *leaf = rawprof_location(r, s->location_id[0]);

		for (size_t n = 0; n < s->n_location_id; n++) {
			const Pprof__Location *l = rawprof_location(r, s->location_id[n]);
			unsigned role = n == 0 ? 0 : leaf && leaf->mapping_id == 0 ? 2 : 1;

			if (!l || l->id >= n_locations || !l->n_line || seen[3 * l->id + role]++)
				continue;
			print_location(r, roles[role], l);
		}
	}
	free(seen);
}

static void print_functions(const struct rawprof *r)
{
	for (size_t i = 0; i < r->profile->n_function; i++)
		printf("%s\t%s\n", rawprof_string(r, r->profile->function[i]->name),
		       rawprof_string(r, r->profile->function[i]->system_name));
}

static void print_all(const struct rawprof *r)
{
	const Pprof__Profile *p = r->profile;

	for (size_t i = 0; i < p->n_sample_type; i++)
		printf("sample_type %s/%s\n", rawprof_string(r, p->sample_type[i]->type),
		       rawprof_string(r, p->sample_type[i]->unit));
	if (p->period_type)
		printf("period %" PRId64 " %s/%s\n", p->period,
		       rawprof_string(r, p->period_type->type),
		       rawprof_string(r, p->period_type->unit));
	printf("time_nanos %" PRId64 "\nduration_nanos %" PRId64 "\n", p->time_nanos,
	       p->duration_nanos);
	printf("default_sample_type \"%s\"\n", rawprof_string(r, p->default_sample_type));
	for (size_t i = 0; i < p->n_comment; i++)
		printf("comment %s\n", rawprof_string(r, p->comment[i]));
	printf("bytes %zu samples %zu mappings %zu locations %zu functions %zu strings %zu\n",
	       r->byte_count, p->n_sample, p->n_mapping, p->n_location, p->n_function,
	       p->n_string_table);
	print_mappings(r);
	print_locations(r);
	print_functions(r);
	print_sums(r);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *option;
		void (*print)(const struct rawprof *r);
	} modes[] = {{"--sums", print_sums},
		     {"--mappings", print_mappings},
		     {"--locations", print_locations},
		     {"--functions", print_functions}};
	void (*print)(const struct rawprof *r) = print_all;
	int first = 1, bad = 0, check = 0;

	if (argc > 1 && strncmp(argv[1], "--", 2) == 0) {
		first = 2;
		check = strcmp(argv[1], "--check") == 0;
		print = NULL;
		for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
			if (strcmp(argv[1], modes[i].option) == 0)
				print = modes[i].print;
	}
	if (argc <= first || (!print && !check)) {
		fprintf(stderr, "usage: rawprof [--check|--sums|--mappings|--locations|--functions]"
				" FILE...\n");
		return 2;
	}
	for (int i = first; i < argc; i++) {
		struct rawprof r;
		char why[256];

		if (rawprof_read(&r, argv[i], why, sizeof why) < 0) {
			printf("%s: check-03 %s\n", argv[i], why);
			bad = 1;
			continue;
		}
		if (check)
			bad |= rawprof_check(&r, report, argv[i]) != 0;
		else
			print(&r);
		rawprof_free(&r);
	}
	return bad;
}
