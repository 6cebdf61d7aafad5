/* SPDX-License-Identifier: MIT */
/* core/stretch: what is recorded of waits of all lengths adds up to what there was. */
#include "core/stretch.h"

#include "core/sampling.h"
#include "tests/support/check.h"

#define R 1000000u

/* As a thread does it. */
static bool pass(struct stretch *s, uint64_t length, uint64_t threshold, struct stretch_weight *w)
{
	if ((int64_t)length < s->left) {
		s->left -= (int64_t)length;
		return false;
	}
	return stretch_pass(s, length, threshold, w);
}

TEST(stretch_long_waits_are_exact)
{
	struct stretch s = {.seed = 1};
	struct stretch_weight w;

	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t length = R + i * 977;

		CHECK(pass(&s, length, R, &w));
		CHECK_EQ(w.contentions, 1u << SAMPLING_OBJECT_BITS);
		CHECK_EQ(w.delay, length);
		(void)pass(&s, i * 31 % R, R, &w);
		CHECK(s.left <= (int64_t)R && s.left >= 0);
	}
}

TEST(stretch_every_wait_with_a_threshold_of_one)
{
	struct stretch s = {.seed = 2};
	struct stretch_weight w;

	for (uint64_t length = 1; length < 1000; length++) {
		CHECK(pass(&s, length, 1, &w));
		CHECK_EQ(w.delay, length);
	}
	CHECK(!pass(&s, 0, 1, &w));
}

/* Stratified: what a line of short waits has recorded differs from what was on it by less than two thresholds. */
TEST(stretch_sum_of_short_waits)
{
	for (unsigned seed = 1; seed < 400; seed++) {
		struct stretch s = {.seed = seed};
		struct stretch_weight w;
		uint64_t state = seed * 77, all = 0, recorded = 0;

		for (unsigned i = 0; i < 2000; i++) {
			uint64_t length = sampling_random(&state) % (seed % 2 ? R : R / 50);

			all += length;
			if (pass(&s, length, R, &w))
				recorded += w.delay;
		}
		CHECK(recorded <= all + 2 * R && all <= recorded + 2 * R);
	}
}

/* Over many threads with one wait each, where a line begins matters: it must not prefer or spare the first. */
TEST(stretch_unbiased_for_each_length)
{
	static const uint64_t lengths[] = {1000, 50000, 333333, 999999};

	for (unsigned k = 0; k < 4; k++) {
		const uint64_t n = 4000000;
		uint64_t contentions = 0, delay = 0, want = n * lengths[k];

		for (uint64_t i = 0; i < n / 8; i++) {
			struct stretch s = {.seed = i * 1000003 + k};
			struct stretch_weight w;

			for (unsigned j = 0; j < 8; j++)
				if (pass(&s, lengths[k], R, &w)) {
					contentions += w.contentions;
					delay += w.delay;
				}
		}
		contentions >>= SAMPLING_OBJECT_BITS;
		/* Four deviations of a coin for each wait, which is more than they are. */
		double p = (double)lengths[k] / R;
		double limit = 4 * __builtin_sqrt((double)n * (1 - p) / p) + 1;

		CHECK((double)contentions > (double)n - limit &&
		      (double)contentions < (double)n + limit);
		limit *= (double)lengths[k];
		CHECK((double)delay > (double)want - limit && (double)delay < (double)want + limit);
	}
}
