/* SPDX-License-Identifier: MIT */
#include "tests/support/sketch.h"

#include <stdio.h>
#include <string.h>

static void key(struct pool *keys, size_t i)
{
	(void)pool_put(keys, &i, sizeof i, NULL);
}

uint32_t sketch_function(struct sketch *s, const char *name, size_t n)
{
	struct profile *p = &s->p;
	char text[64];

	snprintf(text, sizeof text, "%.*s", (int)n, name);
	const char *kept = pool_text(&p->strings, text);
	for (uint32_t i = 0; i < p->function_keys.count; i++)
		if (p->functions[i].name == kept)
			return i;
	uint32_t i = (uint32_t)p->function_keys.count;
	key(&p->function_keys, i);
	p->functions[i] = (struct profile_function){.name = kept, .system_name = "", .file = ""};
	return i;
}

void sketch_add(struct sketch *s, int64_t value, const char *stack)
{
	struct profile *p = &s->p;
	size_t i = p->sample_keys.count;

	key(&p->sample_keys, i);
	p->samples[i].first_frame = p->frame_count;
	p->values[i] = value;
	while (*stack) {
		size_t frame = strcspn(stack, " "), at = p->location_keys.count;
		struct profile_location *l = &p->locations[at];

		key(&p->location_keys, at);
		l->first_line = p->line_count;
		for (size_t from = 0; from < frame;) {
			size_t n = strcspn(stack + from, "< ");

			p->lines[p->line_count++].function = sketch_function(s, stack + from, n);
			l->line_count++;
			from += n + 1;
		}
		p->frames[p->frame_count++] = (uint32_t)at;
		p->samples[i].frame_count++;
		stack += frame + (stack[frame] == ' ');
	}
}

void sketch_start(struct sketch *s)
{
	memset(s, 0, sizeof *s);
	s->types[0] = (struct profile_type){"cpu", "nanoseconds"};
	s->p = (struct profile){.types = s->types,
				.type_count = 1,
				.mappings = s->mappings,
				.functions = s->functions,
				.locations = s->locations,
				.lines = s->lines,
				.samples = s->samples,
				.frames = s->frames,
				.values = s->values,
				.drop_frames = "",
				.keep_frames = ""};
	s->mappings[0] = (struct profile_mapping){.file = "", .build_id = ""};
	key(&s->p.mapping_keys, 0);
}

void sketch_stop(struct sketch *s)
{
	pool_free(&s->p.strings);
	pool_free(&s->p.mapping_keys);
	pool_free(&s->p.function_keys);
	pool_free(&s->p.location_keys);
	pool_free(&s->p.sample_keys);
}
