/* SPDX-License-Identifier: MIT */
/*
 * output/file_kind: the kinds of profile file, and what each of them is made of.
 *
 * Files and rows are numbered by the same enum store_kind, but they are not the same: rows of waits that are idling by nature
 * have no file of their own, and wall and allocs have no rows.  Who walks over files does it by file_kind_next().
 */
#ifndef CPROF_OUTPUT_FILE_KIND_H
#define CPROF_OUTPUT_FILE_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/store_format.h"

/* Sets of kinds have bit k for enum store_kind k. */
#define KIND_BIT(k) (UINT32_C(1) << (k))
#define KIND_ALL    (~UINT32_C(0))

struct file_kind_type {
	const char *type, *unit;
};

/* Names and order are Go's, where Go has the kind. */
struct file_kind {
	const char *name; /* in the file name; NULL: no file is of this kind */
	uint32_t rows;	  /* set of the kinds of rows that it is made of; see file_kind_rows() */
	bool is_window;	  /* what was recorded since the last dump; else since the start */
	struct file_kind_type columns[STORE_VALUES_MAX];
	unsigned column_count;
	struct file_kind_type period_type;
	uint64_t period;	  /* 0: the header says it */
	const char *default_type; /* NULL: the last column */
	enum store_kind
		twin_of; /* the same samples with another default: they are written together */
};

/* By enum store_kind. */
extern const struct file_kind file_kinds[KIND_COUNT];

/* The first kind behind k that is a file's and in the set, KIND_NONE when there is none.  From KIND_NONE on all
 * of them.
 * Context: signal.  Allocates: no.  Locks: none. */
enum store_kind file_kind_next(enum store_kind k, uint32_t set);

/* The kind whose file has this name, of n bytes; KIND_NONE when there is none.
 * Context: signal.  Allocates: no.  Locks: none. */
enum store_kind file_kind_named(const char *name, size_t n);

/* The set of the kinds of rows that a file of kind k has, for a process with these settings.
 * Context: signal.  Allocates: no.  Locks: none. */
uint32_t file_kind_rows(enum store_kind k, const struct store_header *h);

#endif
