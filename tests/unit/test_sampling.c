/* SPDX-License-Identifier: MIT */
#include "core/sampling.h"

#include <fenv.h>
#include <math.h>
#include <stddef.h>

#include "tests/support/check.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define OBJECT	     (UINT64_C(1) << SAMPLING_OBJECT_BITS)
/* What the header promises. */
#define ERROR 2e-6L

static const uint64_t means[] = {
	2, 3, 7, 16, 100, 4096, 100003, 524287, 524288, 10000000, (1 << 30) - 1, SAMPLING_MEAN_MAX};

/* The generator by its definition: the test must know which uniform number a distance came from. */
static uint64_t splitmix64(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

TEST(sampling_gap_is_the_logarithm_of_a_uniform_number)
{
	for (size_t m = 0; m < COUNT(means); m++) {
		uint64_t state = m, same = m;

		for (int i = 0; i < 20000; i++) {
			long double u = (long double)(splitmix64(&same) | 1) / 0x1p64L;
			long double wanted = -logl(u) * (long double)means[m];
			uint64_t gap = sampling_gap(&state, means[m]);

			CHECK_EQ(state, same);
			CHECK(gap >= 1);
			/* The whole number above. */
			CHECK((long double)gap >= wanted - ERROR * means[m] &&
			      (long double)gap <= wanted + 1 + ERROR * means[m]);
		}
	}
}

/* Seeded, so that what passes once passes always; the limits are 5 standard deviations. */
TEST(sampling_gap_has_its_mean_and_its_distribution)
{
	enum { DRAWS = 200000, LENGTHS = 5 };

	for (size_t m = 0; m < COUNT(means); m++) {
		uint64_t mean = means[m], state = 12345 + m, within[LENGTHS] = {0};
		const uint64_t length[LENGTHS] = {(mean + 3) / 4, (mean + 1) / 2, mean, 2 * mean,
						  5 * mean};
		long double sum = 0, sigma;

		for (int i = 0; i < DRAWS; i++) {
			uint64_t gap = sampling_gap(&state, mean);

			sum += (long double)gap;
			for (int k = 0; k < LENGTHS; k++)
				within[k] += gap <= length[k];
		}
		/* Of the whole numbers above an exponential distance. */
		sigma = expl(-0.5L / mean) / -expm1l(-1.0L / mean) / sqrtl(DRAWS);
		CHECK(fabsl(sum / DRAWS - 1 / -expm1l(-1.0L / mean)) < 5 * sigma);
		/* An object of that length is sampled with the probability that its weight goes by. */
		for (int k = 0; k < LENGTHS; k++) {
			long double p = -expm1l(-(long double)length[k] / mean);

			CHECK(fabsl((long double)within[k] / DRAWS - p) <
			      5 * sqrtl(p * (1 - p) / DRAWS));
		}
	}
}

static uint64_t inverse_of(uint64_t odd)
{
	uint64_t x = odd;

	for (int i = 0; i < 6; i++) /* Newton: each step doubles the bits that are right */
		x *= 2 - odd * x;
	return x;
}

/* The state whose next word is x. */
static uint64_t state_before(uint64_t x)
{
	x ^= x >> 31 ^ x >> 62;
	x *= inverse_of(UINT64_C(0x94d049bb133111eb));
	x ^= x >> 27 ^ x >> 54;
	x *= inverse_of(UINT64_C(0xbf58476d1ce4e5b9));
	x ^= x >> 30 ^ x >> 60;
	return x - UINT64_C(0x9e3779b97f4a7c15);
}

/* 0 has no logarithm, and that of the largest word is nearly nothing. */
TEST(sampling_gap_of_the_extreme_words)
{
	for (size_t m = 0; m < COUNT(means); m++) {
		uint64_t none = state_before(0), all = state_before(UINT64_MAX), gap;

		gap = sampling_gap(&none, means[m]);
		CHECK(fabsl((long double)gap - 64 * logl(2) * means[m]) <= 1 + ERROR * means[m]);
		gap = sampling_gap(&all, means[m]);
		CHECK(gap >= 1 && (long double)gap <= 1 + ERROR * means[m]);
	}
}

/* x / (1 - exp(-x)) */
static long double exact_ratio(uint64_t size, uint64_t mean)
{
	long double x = (long double)size / (long double)mean;

	return x / -expm1l(-x);
}

static void check_weight(uint64_t size, uint64_t mean)
{
	struct sampling_weight w = sampling_weigh(size, mean);
	long double bytes = exact_ratio(size, mean) * mean, objects = bytes / size * OBJECT;

	CHECK(w.bytes >= size && w.objects >= OBJECT);
	CHECK(fabsl((long double)w.bytes - bytes) <= bytes * ERROR + 0.5L);
	CHECK(fabsl((long double)w.objects - objects) <= objects * ERROR + 1);
}

TEST(sampling_weighs_as_the_formula)
{
	for (size_t m = 0; m < COUNT(means); m++) {
		uint64_t mean = means[m];

		for (uint64_t size = 1; size < 300; size++)
			check_weight(size, mean);
		for (unsigned bit = 8; bit < 63; bit++)
			for (uint64_t d = 0; d < 3; d++)
				check_weight((UINT64_C(1) << bit) - 1 + d, mean);
		/* Around the mean, where the series ends, and around 44 times the mean, where the formula does. */
		for (uint64_t k = 1; k < 400; k++) {
			check_weight(mean * k / 200 + 1, mean);
			check_weight(mean * k / 8 + 1, mean);
		}
		for (uint64_t d = 0; d < 5; d++) {
			check_weight(mean - 1 + d, mean);
			check_weight(44 * mean - 2 + d, mean);
		}
	}
	check_weight(UINT64_MAX, 2);
	check_weight(UINT64_MAX, SAMPLING_MEAN_MAX);
}

TEST(sampling_weighs_larger_objects_more)
{
	for (size_t m = 0; m < COUNT(means); m++) {
		uint64_t mean = means[m], before = 1;
		struct sampling_weight old = sampling_weigh(1, mean);

		for (uint64_t size = 2; size < 50 * mean; before = size, size += size / 512 + 1) {
			struct sampling_weight w = sampling_weigh(size, mean);

			/* Where two formulas meet, as far as they agree. */
			CHECK(w.bytes + w.bytes * ERROR >= old.bytes);
			CHECK(w.objects <= old.objects + old.objects * ERROR);
			CHECK(size > before);
			old = w;
		}
	}
}

TEST(sampling_of_everything_weighs_nothing_up)
{
	for (uint64_t mean = 0; mean < 2; mean++)
		for (unsigned bit = 0; bit < 64; bit++) {
			struct sampling_weight w = sampling_weigh(UINT64_C(1) << bit, mean);

			CHECK(w.objects == OBJECT && w.bytes == UINT64_C(1) << bit);
		}
	/* An object without bytes is never sampled, but where everything is. */
	for (size_t m = 0; m < COUNT(means); m++) {
		struct sampling_weight w = sampling_weigh(0, means[m]);

		CHECK(w.objects == OBJECT && w.bytes == 0);
	}
}

TEST(sampling_raises_no_floating_point_flag)
{
	uint64_t state = 1, sum = 0;

	feclearexcept(FE_ALL_EXCEPT);
	for (size_t m = 0; m < COUNT(means); m++)
		for (unsigned bit = 0; bit < 64; bit++)
			sum += sampling_gap(&state, means[m]) +
			       sampling_weigh(UINT64_C(1) << bit, means[m]).bytes;
	CHECK_EQ(fetestexcept(FE_ALL_EXCEPT), 0);
	CHECK(sum != 0);
}
