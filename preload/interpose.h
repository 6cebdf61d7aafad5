/* SPDX-License-Identifier: MIT */
/*
 * preload/interpose: how a wrapper is written.
 *
 *     INTERPOSE(int, dlclose, (void *handle)) { ... return REAL(dlclose)(handle); }
 *
 * defines the exported function and enters a row into a linker section, by which start-up finds the
 * next definition (preload/next).  REAL(name) is the way to the original; it resolves
 * itself when a call arrives before our constructor.  errno is what the real function left.
 */
#ifndef CPROF_PRELOAD_INTERPOSE_H
#define CPROF_PRELOAD_INTERPOSE_H

#include <stddef.h>

#include "core/hot.h"

struct interpose_row {
	const char *name;
	void **real;
	void *first; /* what is in *real before it is known */
};

/* Resolves every row; idempotent.
 * Context: own (start-up) or wrapper.  Allocates: no (dlsym of a symbol that exists does not).
 * Locks: the loader's, inside dlsym. */
void interpose_resolve(void);

#define REAL(name)                                                                                 \
	(__builtin_expect(!real_##name, 0) ? (interpose_resolve(), real_##name) : real_##name)

#define EXPORT __attribute__((visibility("default")))

/* What programs call most lies side by side, in two pages of code.  The second: a static function, of the type of that. */
#define INTERPOSE_HOT(name)	     extern HOT_PATH __typeof__(name) name
#define INTERPOSE_HOT_AS(name, type) HOT_PATH __typeof__(type) name

/* aligned: or gcc leaves gaps between them. */
#define INTERPOSE_ENTER(name, first)                                                               \
	__attribute__((section("cprof_interpose"), used,                                           \
		       aligned(8))) static const struct interpose_row row_##name = {               \
		#name, (void **)&real_##name, (void *)(first)}

#define INTERPOSE_ROW(name)                                                                        \
	static __typeof__(name) *real_##name;                                                      \
	INTERPOSE_ENTER(name, NULL)

/* For a function that is called so often that not even a look whether its original is known should cost anything: as long as it is
 * not, a call of real_name finds it. */
#define INTERPOSE_ROW_READY(name, type, params, args)                                              \
	static type first_##name params;                                                           \
	static __typeof__(name) *real_##name = first_##name;                                       \
	INTERPOSE_ENTER(name, first_##name);                                                       \
	static type first_##name params                                                            \
	{                                                                                          \
		interpose_resolve();                                                               \
		return real_##name args;                                                           \
	}

#define INTERPOSE(type, name, params)                                                              \
	INTERPOSE_ROW(name);                                                                       \
	EXPORT type name params

#endif
