/* SPDX-License-Identifier: MIT */
/*
 * tests/support/storebuild: stores with known content, for the tests of output/.
 *
 * The modules are those of the test program itself, as the loader reports them, so that real code
 * has real symbols; rows are added by the test.
 */
#ifndef CPROF_TESTS_STOREBUILD_H
#define CPROF_TESTS_STOREBUILD_H

#include <stdint.h>

#include "core/store.h"

/* An empty store in anonymous memory, of a process called "unit" at 100 Hz whose window is 2 s long
 * at storebuild_now(). */
void storebuild_open(struct store *s, uint64_t bytes);
/* The same of a process in which everything is recorded, at the defaults. */
void storebuild_open_all(struct store *s, uint64_t bytes);
void storebuild_close(struct store *s);

#define STOREBUILD_WINDOW_NS 2000000000u

/* The clocks for an export_request. */
uint64_t storebuild_realtime(const struct store *s);
uint64_t storebuild_monotonic(const struct store *s);

/* Adds every loaded object of this process. */
void storebuild_modules(struct store *s);

/* The id of the module that holds an address of this process, 0 when there is none. */
unsigned storebuild_module_of(const struct store *s, const void *pc);

/* A frame for an address of this process. */
uint64_t storebuild_frame(const struct store *s, const void *pc);

/* Adds `samples` samples of 10 ms with the given stack, leaf first. */
void storebuild_add(struct store *s, const uint64_t *frames, unsigned depth, uint64_t label,
		    uint64_t samples);

/* Adds waits of that many ns in all, of KIND_BLOCK or KIND_IDLE as their class is. */
void storebuild_wait(struct store *s, const uint64_t *frames, unsigned depth, enum wait_class class,
		     uint64_t waits, uint64_t ns);
/* Adds what a holder was charged for. */
void storebuild_charge(struct store *s, const uint64_t *frames, unsigned depth,
		       enum wait_class class, uint64_t contentions, uint64_t ns);
/* Adds samples of 10 ms of CPU inside of waits. */
void storebuild_add_in_waits(struct store *s, const uint64_t *frames, unsigned depth,
			     uint64_t samples);

#endif
