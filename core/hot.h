/* SPDX-License-Identifier: MIT */
/*
 * core/hot: HOT_PATH, of what runs for most samples, from the wrapper or the handler to the store, and HOT_DATA.
 *
 * A sample finds next to nothing of itself in the processor's caches and address translations.  Side by side its functions fill
 * four pages of code, each in the place of its module fourteen.
 */
#ifndef CPROF_CORE_HOT_H
#define CPROF_CORE_HOT_H

#define HOT_PATH __attribute__((hot))

/* What malloc and free look at in every call, from several modules, lies in one line of the cache, and what mutexes look at in
 * another (tests/lint/library looks). */
#define HOT_DATA      __attribute__((section("cprof_hot")))
#define HOT_LOCK_DATA __attribute__((section("cprof_hot_lock")))

#endif
