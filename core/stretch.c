/* SPDX-License-Identifier: MIT */
#include "core/stretch.h"

#include "core/sampling.h"

#include "core/as_safe.h"

/* A point of the next stretch, from its beginning. */
static int64_t draw(struct stretch *s, int64_t r)
{
	int64_t at = (int64_t)((unsigned __int128)sampling_random(&s->seed) * (uint64_t)r >> 64);

	s->end = r - at;
	return at;
}

bool stretch_pass(struct stretch *s, uint64_t length, uint64_t threshold,
		  struct stretch_weight *ret_weight)
{
	const int64_t r = (int64_t)threshold;
	int64_t distance = s->end ? s->left + s->rest : draw(s, r);
	uint64_t points = 0;

	if (length >= threshold) {
		*ret_weight = (struct stretch_weight){UINT64_C(1) << SAMPLING_OBJECT_BITS, length};
		points = 1;
	} else {
		for (distance -= (int64_t)length; distance < 0; points++) {
			int64_t end = s->end;

			distance += end + draw(s, r);
		}
		if (points) {
			ret_weight->delay = points * threshold;
			ret_weight->contentions =
				(ret_weight->delay << SAMPLING_OBJECT_BITS) / length;
		}
	}
	s->left = distance < r ? distance : r;
	s->rest = distance - s->left;
	return points != 0;
}
