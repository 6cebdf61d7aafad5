/* SPDX-License-Identifier: MIT */
#include "core/sampling.h"

#include "core/hot.h"

#include "core/as_safe.h"

#define LN2_Q64	  UINT64_C(0xb17217f7d1cf79ac) /* ln 2, in units of 2^-64 */
#define LOG_BITS  20			       /* of a logarithm behind the point */
#define X_BITS	  28			       /* of size / mean behind the point */
#define ONE	  (UINT64_C(1) << X_BITS)
#define LN2_Q28	  UINT64_C(186065279)
#define CERTAIN_X 44u /* exp(-44) is nothing in 64 bits */

uint64_t sampling_random(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static uint64_t high_word(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)a * b >> 64);
}

/* log2 of x != 0, with LOG_BITS bits behind the point: squaring the mantissa gives one bit of it at a time. */
static uint64_t log2_of(uint64_t x)
{
	unsigned shift = (unsigned)__builtin_clzll(x);
	uint64_t result = 63 - shift, m = x << shift; /* 1.0 is 2^63 */

	for (unsigned i = 0; i < LOG_BITS; i++) {
		uint64_t square = high_word(m, m); /* 1.0 is 2^62 */
		uint64_t bit = square >> 63;

		result = result << 1 | bit;
		m = bit ? square : square << 1;
	}
	return result;
}

HOT_PATH uint64_t sampling_gap(uint64_t *state, uint64_t mean)
{
	/* -ln(r / 2^64), r in 1..2^64-1, times the mean. */
	uint64_t minus_log2 = (UINT64_C(64) << LOG_BITS) - log2_of(sampling_random(state) | 1);

	return (high_word(mean * minus_log2, LN2_Q64) >> LOG_BITS) + 1;
}

/* exp(-x), both with X_BITS behind the point; x up to CERTAIN_X. */
static uint64_t exp_minus(uint64_t x)
{
	uint64_t halvings = x / LN2_Q28, r = x % LN2_Q28, e = ONE;

	/* Taylor's series of exp(-r), r < ln 2, from its end: 1 - r/1 (1 - r/2 (1 - ...)). */
	for (uint64_t n = 11; n > 0; n--)
		e = ONE - (r * e >> X_BITS) / n;
	return e >> halvings;
}

/* x / (1 - exp(-x)), both with X_BITS behind the point. */
static uint64_t ratio(uint64_t x)
{
	uint64_t x2, x4, x6;

	if (x > ONE)
		return (x << X_BITS) / (ONE - exp_minus(x));
	/* Its series (Bernoulli numbers): what is left out is below 1e-6 at 1. */
	x2 = x * x >> X_BITS;
	x4 = x2 * x2 >> X_BITS;
	x6 = x4 * x2 >> X_BITS;
	return ONE + x / 2 + x2 / 12 - x4 / 720 + x6 / 30240;
}

HOT_PATH struct sampling_weight sampling_weigh(uint64_t size, uint64_t mean)
{
	const uint64_t object = UINT64_C(1) << SAMPLING_OBJECT_BITS;
	struct sampling_weight w = {object, size};
	uint64_t bytes;

	if (mean <= 1 || size == 0 || size / CERTAIN_X >= mean)
		return w;
	/* mean <= 2^30 and size < 44 * mean: nothing here is above 2^64. */
	bytes = mean * ratio((size << X_BITS) / mean);
	w.objects = (bytes >> (X_BITS - SAMPLING_OBJECT_BITS)) / size;
	w.bytes = (bytes + ONE / 2) >> X_BITS;
	w.objects = w.objects < object ? object : w.objects;
	w.bytes = w.bytes < size ? size : w.bytes;
	return w;
}
