/* SPDX-License-Identifier: MIT */
/*
 * A profile of any bytes, as `cprof top` reads it.
 *
 * A profile that is refused leaves what was there; one that is taken can be added again and makes no new
 * samples, only more of the same.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "cli/graph.h"
#include "cli/names.h"
#include "cli/profile.h"
#include "cli/sites.h"

/* Other rules than pprof's would be a surprise, a wrong index a crash: all are followed here. */
static uint64_t follow(const struct profile *p)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < p->sample_keys.count; i++) {
		const struct profile_sample *s = &p->samples[i];

		for (uint32_t f = 0; f < s->frame_count; f++) {
			const struct profile_location *l =
				&p->locations[p->frames[s->first_frame + f]];

			if (l->mapping != PROFILE_NONE)
				sum += strlen(p->mappings[l->mapping].file);
			for (uint32_t k = 0; k < l->line_count; k++) {
				const struct profile_line *line = &p->lines[l->first_line + k];

				sum += strlen(p->functions[line->function].name);
			}
		}
		for (unsigned v = 0; v < p->type_count; v++)
			sum += (uint64_t)p->values[i * p->type_count + v];
	}
	return sum;
}

static void show(const struct profile *p, unsigned column)
{
	const struct graph_cut cut = {.node_fraction = 0.005, .edge_fraction = 0.001, .count = 10};
	struct graph g;
	size_t dropped, left;

	graph_make(&g, p, column, &cut, &dropped, &left);
	CLAIM(g.order_count <= 10 && g.order_count <= left && left + dropped <= g.node_count);
	graph_free(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile p = {0};
	char why[256];
	uint64_t sum = 0;

	if (profile_add_bytes(&p, data, size, why) < 0) {
		CLAIM(why[0] && strlen(why) < sizeof why);
		CLAIM(p.files == 0 && p.sample_keys.count == 0);
		profile_free(&p);
		return 0;
	}
	size_t samples = p.sample_keys.count, functions = p.function_keys.count,
	       locations = p.location_keys.count, mappings = p.mapping_keys.count;
	CLAIM(profile_add_bytes(&p, data, size, why) == 0);
	CLAIM(p.sample_keys.count == samples && p.function_keys.count == functions &&
	      p.location_keys.count == locations && p.mapping_keys.count == mappings);
	sum += follow(&p);
	names_simplify(&p);
	names_prune(&p);
	sum += follow(&p);
	__asm__ volatile("" : : "r"(sum)); /* all of it is read */
	struct sites sites;
	if (sites_make(&sites, &p, sum % 4, sum % 8 > 3) == 0)
		CLAIM(sites.count <= samples);
	sites_free(&sites);
	int column = profile_column(&p, NULL);
	if (column >= 0) {
		CLAIM((unsigned)column < p.type_count);
		show(&p, (unsigned)column);
		show(&p, 0);
	}
	profile_free(&p);
	return 0;
}
