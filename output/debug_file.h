/* SPDX-License-Identifier: MIT */
/*
 * output/debug_file: the separate file that holds the symbols of a stripped one, where distributions
 * and build systems put it:
 *
 *   /usr/lib/debug/.build-id/xx/yyyy.debug             by build id
 *   DIR/NAME, DIR/.debug/NAME, /usr/lib/debug/DIR/NAME  by the stripped file's .gnu_debuglink
 *
 * (GDB manual, "Debugging Information in Separate Files"; DIR is where the stripped file is.)  The
 * invariant: a file counts only when it is of the very build.  Where the stripped file has a build
 * id the debug file must have the same; where it has none, the CRC-32 in its link must be that of
 * the whole debug file.  And whoever can write a debug file could as well have written the program:
 * its owner is root, we, or the owner of the stripped file, and it is not writable by everybody.
 */
#ifndef CPROF_OUTPUT_DEBUG_FILE_H
#define CPROF_OUTPUT_DEBUG_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "output/elf.h"

#define DEBUG_LINK_NAME_MAX 256u /* its NUL included, as NAME_MAX has it */

struct debug_link {
	char name[DEBUG_LINK_NAME_MAX]; /* no '/' in it */
	uint32_t crc;
};

/* The stripped file, as far as it is known. */
struct debug_file_request {
	const uint8_t *build_id;
	unsigned build_id_bytes;       /* 0: none */
	const struct debug_link *link; /* NULL: none, or the file is gone */
	const char *path[2]; /* of the file, absolute: as recorded and as it really is; NULL */
	uint32_t owner;	     /* of the file; 0 when it is gone */
};

/* Calls use() with the first that is of the same build and has a symbol table, and returns what that
 * returns; -ENOENT when there is none.  Stack use: 6 KiB.
 * Context: own (signal-safe).  Allocates: no.  Locks: none. */
int debug_file_find(const struct debug_file_request *r,
		    int (*use)(void *opaque, const struct elf *debug), void *opaque);

/* Reads .gnu_debuglink.  0, -ENOENT (no such section), -ENOEXEC (damaged), or -errno.
 * Context: signal.  Allocates: no.  Locks: none. */
int debug_link_read(const struct elf *e, struct debug_link *ret_link);

#endif
