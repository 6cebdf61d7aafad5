/* SPDX-License-Identifier: MIT */
/*
 * output/rotate: the budget of a program's profiles in one directory.
 *
 * The invariant: what one process removes are always the oldest files that it sees, in an order that
 * all processes share (time, then name).  So two that rotate the same directory at the same time
 * remove the same files, and none of the newest that the budget has room for is ever removed,
 * whatever each of them has seen.
 */
#ifndef CPROF_OUTPUT_ROTATE_H
#define CPROF_OUTPUT_ROTATE_H

#include <stdint.h>

struct rotate_request {
	int dir;		  /* descriptor that was not read from yet */
	const char *program;	  /* as it is written in file names */
	uint64_t max_files;	  /* 0: no limit */
	uint64_t max_bytes;	  /* 0: no limit */
	const char *const *fresh; /* names of what was just written, which stays in any case */
	unsigned fresh_count;
};

/* Removes the oldest complete files of this program (regular files of our euid that are named
 * <program>.<pid>.<kind>.<n>.pb.gz, to the letter) while they are more or larger than allowed, and
 * temporary files that a killed writer of this program left more than an hour ago.  0, or -errno
 * when the directory could not be read or a file not be removed.
 * Context: own (signal-safe).  Allocates: mmap of 3 MiB, touched as far as needed, given back.  Locks: none. */
int rotate_files(const struct rotate_request *request);

#endif
