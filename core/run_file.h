/* SPDX-License-Identifier: MIT */
/*
 * core/run_file: the file of a store: where it lies, how it is named, how large it may be.
 *
 * The invariant: the directory is ours alone (owned by us, closed to everybody else, no symbolic
 * link), and the file is new: nobody else can have opened it before its first byte is written.
 */
#ifndef CPROF_CORE_RUN_FILE_H
#define CPROF_CORE_RUN_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/text.h"

/* Opens the run directory; dir "" means /dev/shm/cprof-<uid>, made 0700 when missing.  Its path is
 * appended to *path.  A descriptor, or -errno.
 * Context: signal.  Allocates: no.  Locks: none. */
int run_file_dir(struct text *path, const char *dir, uint32_t uid);

/* Creates <dir>/<pid>.<start_ticks>[.<n>].store, mode 0600, in the run directory.  A file of that name that the image before exec has left is removed when all
 * of it is in profiles; otherwise it stays for `cprof recover`, and n is the next number.  The path
 * is appended to *path.  A descriptor, or -errno.
 * Context: signal.  Allocates: no.  Locks: none. */
int run_file_create(struct text *path, const char *dir, uint32_t uid, uint32_t pid,
		    uint64_t start_ticks);

/* A name that run_file_create() gives: shorter than this.
 * Context: signal.  Allocates: no.  Locks: none. */
#define RUN_FILE_NAME_BYTES 64u
bool run_file_is_name(const char *name, uint32_t *ret_pid, uint64_t *ret_start_ticks);

/* Moves the file to the default directory of another user, made 0700 and theirs when missing, and makes
 * it theirs; *path is then the new one.  For root only.  0 or -errno, with nothing changed.
 * Context: signal.  Allocates: no.  Locks: none. */
int run_file_give(const char *from, uint32_t uid, struct text *path);

/* How many bytes the file may have: at most max_bytes, an eighth of what is free (the host uses
 * /dev/shm too) and RLIMIT_FSIZE; 0 when it has no room.
 * Context: signal.  Allocates: no.  Locks: none. */
uint64_t run_file_budget(int fd, uint64_t max_bytes);

#endif
