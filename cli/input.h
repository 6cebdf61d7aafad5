/* SPDX-License-Identifier: MIT */
/*
 * cli/input: the bytes of a file, and what is in them when they are gzip.
 *
 * A file is untrusted: it may be a pipe, cut off, or unpack to more than fits into memory.  What is
 * returned is complete or an error, never a part.
 * Context: own (the command).  Allocates: heap.  Locks: none.
 */
#ifndef CPROF_CLI_INPUT_H
#define CPROF_CLI_INPUT_H

#include <stddef.h>
#include <stdint.h>

#define INPUT_BYTES_MAX (512u << 20) /* of a file, packed or not */

/* Reads all of path ("-": standard input), packed or not.  0 and *ret_bytes to free(), or -errno
 * with the reason in why. */
int input_read(const char *path, uint8_t **ret_bytes, size_t *ret_n, char why[256]);

/* Unpacks gzip; other bytes are returned as a copy. */
int input_unpack(const uint8_t *bytes, size_t n, uint8_t **ret_bytes, size_t *ret_n, char why[256]);

#endif
