/* SPDX-License-Identifier: MIT */
/*
 * cli/orphan: the stores of processes, dead or alive, found and copied.
 *
 * A store is read into memory of ours: its owner may still write, cut or remove the file, and a
 * mapping of a file that shrinks is a SIGBUS.  What is in it may come from another user, so names
 * that become file names are made harmless in the copy.
 */
#ifndef CPROF_CLI_ORPHAN_H
#define CPROF_CLI_ORPHAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/store_view.h"

struct orphan {
	struct store_header *header; /* of the copy */
	size_t bytes;
	struct store_view view;
	uid_t owner; /* of the file */
};

/* 0, or -errno with the reason in why.
 * Context: own (the command).  Allocates: mmap.  Locks: none. */
int orphan_open(struct orphan *o, const char *path, char why[256]);
void orphan_close(struct orphan *o);

/* Its process is of another PID namespace (a container that shares the directory), so that whether it
 * runs cannot be seen from here.
 * Context: own.  Allocates: no.  Locks: none. */
bool orphan_is_elsewhere(const struct orphan *o);

/* Its process still runs: the same pid, started at the same time of the same boot, and no zombie.
 * Context: own.  Allocates: no.  Locks: none. */
bool orphan_is_alive(const struct orphan *o);

/* When its window ended, as far as a killed process can say: at its newest sample.
 * Context: own.  Allocates: no.  Locks: none. */
uint64_t orphan_end_ns(const struct orphan *o);

/* Calls found for every store of pid in the run directories: $CPROF_STORE_DIR,
 * /dev/shm/cprof-<euid>, and for root /dev/shm/cprof-*.  Returns their number.
 * Context: own. Allocates: heap.  Locks: none. */
unsigned orphan_find(unsigned long pid, void (*found)(void *opaque, const char *path),
		     void *opaque);

#endif
