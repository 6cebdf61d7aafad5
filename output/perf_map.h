/* SPDX-License-Identifier: MIT */
/*
 * output/perf_map: names of code that a just-in-time compiler made, from /tmp/perf-PID.map.
 *
 * A process writes it for whoever profiles it (node --perf-basic-prof, python -X perf, java agents,
 * LuaJIT, wasmtime): lines "START SIZE NAME" with numbers in hex, appended while code is made
 * (Linux, tools/perf/Documentation/jit-interface.txt).  Memory of dead code is used again, so the
 * last line that covers an address names it.
 *
 * The directory is everybody's.  So the file must be a regular one, no link, of the process's user
 * or root, writable by no other, and written to since the process began: a container's pid comes
 * again.  A line without its newline is still being written and counts as none.
 */
#ifndef CPROF_OUTPUT_PERF_MAP_H
#define CPROF_OUTPUT_PERF_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "output/addresses.h"

#define PERF_MAP_NAME_MAX 2048u /* longer names are cut, a NUL included */
/* Of a larger file the first and the last half of this are read: where a runtime begins, and what it
 * compiled last.  64 MiB take 0.1 to 0.2 s. */
#define PERF_MAP_BYTES_MAX (UINT64_C(64) << 20)

struct perf_map {
	int fd;		   /* -1: memory */
	const char *image; /* when fd is -1 */
	uint64_t size_bytes;
};

struct perf_map_line {
	uint64_t start, size_bytes;
	const char *name;  /* inside the line, not NUL-terminated */
	size_t name_bytes; /* at least 1 */
};

/* Opens the map of a process: its pid in its own PID namespace, its user, when it began and, when it is
 * dead, ended (UINT64_MAX: it has not).  0; -ENOENT when there is none; else -errno with *ret_why: a file
 * that is not to be trusted.
 * Context: own (signal-safe).  Allocates: a descriptor.  Locks: none. */
int perf_map_open(struct perf_map *m, uint32_t pid, uint32_t uid, uint64_t not_before_realtime_ns,
		  uint64_t not_after_realtime_ns, const char **ret_why);
void perf_map_close(struct perf_map *m);

/* Names what it can of n addresses.  What cannot be read names nothing; -ENOMEM is the only error.
 * Stack use: 3 KiB.
 * Context: signal.  Allocates: arena.  Locks: none. */
int perf_map_resolve(const struct perf_map *m, struct arena *a, struct address *list, unsigned n);

/* Reads one line without its newline; false: it is none.
 * Context: signal.  Allocates: no.  Locks: none. */
bool perf_map_parse(const char *line, size_t n, struct perf_map_line *ret_line);

#endif
