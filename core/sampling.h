/* SPDX-License-Identifier: MIT */
/*
 * core/sampling: which allocations are sampled, and what each of them stands for.
 *
 * The bytes that a thread allocates are a line with random points on it, `mean` bytes apart on
 * average and independent of each other (a Poisson process); an allocation with a point in it is sampled.  So one of
 * `size` bytes is sampled with the probability p = 1 - exp(-size / mean) and counts as 1 / p objects: sums are
 * right on average whatever the sizes are, as in Go (runtime/mprof.go) and jemalloc.
 *
 * All in integers: floating point would leave flags in the host's MXCSR, and be a SIGFPE where it traps
 * inexact results.
 */
#ifndef CPROF_CORE_SAMPLING_H
#define CPROF_CORE_SAMPLING_H

#include <stdint.h>

/* Objects are counted in 1/65536, because weights are no whole numbers. */
#define SAMPLING_OBJECT_BITS 16

#define SAMPLING_MEAN_MAX (UINT64_C(1) << 30)

struct sampling_weight {
	uint64_t objects; /* in 1/65536; never less than one object */
	uint64_t bytes;	  /* size times that, rounded; never less than size */
};

/* 64 random bits.  state: anything at first.  splitmix64, by Sebastiano Vigna (public domain).
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t sampling_random(uint64_t *state);

/* Bytes to the next point: at least 1; an allocation of at least so many bytes has the point in it.  mean:
 * 2..SAMPLING_MEAN_MAX.  state: anything at first, each thread its own.  Error below 2e-6 of the mean.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t sampling_gap(uint64_t *state, uint64_t mean);

/* What a sampled allocation of so many bytes stands for.  mean 0 or 1: every allocation is sampled, and
 * stands for itself.  Relative error below 2e-6, and the rounding of bytes.
 * Context: signal.  Allocates: no.  Locks: none. */
struct sampling_weight sampling_weigh(uint64_t size, uint64_t mean);

#endif
