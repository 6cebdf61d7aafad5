/* SPDX-License-Identifier: MIT */
/*
 * output/maps: what the kernel says of this process's memory, line by line of /proc/thread-self/maps
 * (proc_pid_maps(5)).
 *
 * The file is streamed through bounded buffers: a process with a million mappings is slower to look
 * through, and no more.
 */
#ifndef CPROF_OUTPUT_MAPS_H
#define CPROF_OUTPUT_MAPS_H

#include <stdbool.h>
#include <stdint.h>

struct maps_line {
	uint64_t start, limit;
	uint64_t file_offset; /* of start */
	uint64_t device; /* major << 32 | minor, as the kernel has it: stat may know another one */
	uint64_t inode;	 /* 0: no file */
	bool executable;
	const char *name; /* of the file, with " (deleted)" when it is gone; "[vdso]"; "" */
};

/* A path and what is before it, and what is read at once: 6 KiB that the caller has a place for. */
struct maps_buffer {
	char line[4096 + 128];
	char block[2048];
};

/* Reads one line without its newline; false: it is none.
 * Context: signal.  Allocates: no.  Locks: none. */
bool maps_parse(const char *line, struct maps_line *ret_line);

/* Calls each() for every line in ascending order until it returns false; the name is gone when each()
 * returns, and a line whose name is longer than a path may be is left out.  0, or -errno when there is
 * no /proc.
 * Context: signal.  Allocates: a descriptor for a while.  Locks: none. */
int maps_each(struct maps_buffer *buffer, bool (*each)(void *opaque, const struct maps_line *line),
	      void *opaque);

#endif
