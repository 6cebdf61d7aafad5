/* SPDX-License-Identifier: MIT */
/*
 * output/locations: the distinct frames of a dump, each with its function and its mapping.
 *
 * A frame is known by (module, address), where modules with the same file at the same place count
 * as one: a library that was closed and opened again must not show every function twice.  Every
 * frame has a function: one without a symbol gets the synthetic one of its module, "[libfoo.so]".
 * Code in no module may be a module's all the same (output/remapped): then its frame is the one that
 * the module has for this code.  This comes before the perf map, since a mapping is true now and lines
 * of a perf map are never taken back.  Of a file that is no module the file's symbols come first, then
 * the perf map: who loads code in his own way may know names that the file has not.  All other code is
 * named by the perf map of the process (output/perf_map) or "[unknown]".
 */
#ifndef CPROF_OUTPUT_LOCATIONS_H
#define CPROF_OUTPUT_LOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/store_view.h"
#include "output/intern.h"
#include "output/remapped.h"
#include "output/symbols.h"

/* Each costs at least 16 bytes in a file of at most 4 MiB. */
#define LOCATIONS_MAX	    262144u
#define LOCATION_FRAMES_MAX (4u << 20) /* in all stacks: a frame costs at least a byte there */
/* Ids from STORE_MODULES_MAX on are those of files that the program has mapped itself. */
#define LOCATION_MODULES_MAX (STORE_MODULES_MAX + 64u)

struct location {
	uint64_t frame;	   /* with the merged module's id, or FRAME_SYNTHETIC, FRAME_NO_MODULE */
	uint32_t function; /* number in functions, after locations_resolve() */
};

struct locations {
	const struct store_view *view;
	struct arena *arena;
	struct location *list;
	uint32_t *slots; /* index + 1, 0: empty; a power of two, at most half full */
	unsigned count, capacity;
	unsigned frame_count;		 /* in all stacks */
	uint16_t *merged;		 /* by module id: the id that stands for it, 0: not seen */
	struct symbols_module **modules; /* by merged id, below LOCATION_MODULES_MAX */
	unsigned other_count;		 /* of those from STORE_MODULES_MAX on */
	/* The store is that of the process that this runs in.  Set before the first stack is added. */
	bool in_process;
	bool remapped_known; /* remapped is filled */
	struct remapped remapped;
	struct intern functions;     /* by linkage name */
	const char **function_names; /* the readable ones, by number in functions */
	unsigned function_capacity;
	unsigned named, unnamed; /* locations that are code, with and without a symbol */
	/* Who has most of the unnamed ones: a path, NULL for code that is in no file. */
	const char *worst;
	unsigned worst_count;
	const char *notes[2]; /* what should be said about the names */
	bool perf_map_noted;
	unsigned note_count;
	char exe[sizeof((struct store_header *)0)->exe];
	char cwd[sizeof((struct store_header *)0)->cwd];
};

/* 0 or -ENOMEM.
 * Context: signal.  Allocates: arena.  Locks: none. */
int locations_init(struct locations *l, const struct store_view *view, struct arena *a);

/* The indexes of a stack's frames, or NULL when there is no room or memory.
 * Context: signal.  Allocates: arena, a descriptor for a while.  Locks: none. */
const uint32_t *locations_add_stack(struct locations *l, const uint64_t *frames, unsigned depth);

/* Names all of them.  A module whose file cannot be read is shown by its name; the only error is
 * -ENOMEM. Stack use: 24 KiB.
 * Context: own (signal-safe).  Allocates: arena.  Locks: none. */
int locations_resolve(struct locations *l);

/* The main executable's module with its canonical path, or NULL when the store has none or no
 * memory.
 * Context: own (signal-safe).  Allocates: arena.  Locks: none. */
const struct symbols_module *locations_executable(struct locations *l, unsigned *ret_id);

#endif
