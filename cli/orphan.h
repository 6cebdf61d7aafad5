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

#include "config/settings.h"
#include "core/store_view.h"

struct orphan {
	struct store_header *header; /* of the copy */
	size_t bytes;
	struct store_view view;
	uid_t owner; /* of the file */
	uint64_t inode;
	uint64_t disk_bytes; /* what the file occupies */
	uint64_t mtime_ns;   /* when it last grew */
};

/* A file that is named as a store. */
struct orphan_file {
	int dir; /* open while it is told of */
	const char *name, *path;
	uint32_t pid;
	uint64_t start_ticks;
	uid_t dir_owner;
};

/* 0, or -errno with the reason in why.
 * Context: own (the command).  Allocates: mmap.  Locks: none. */
int orphan_open(struct orphan *o, const char *path, char why[256]);
int orphan_open_at(struct orphan *o, int dir, const char *name, char why[256]);
/* The same of a descriptor, which stays the caller's. */
int orphan_from_fd(struct orphan *o, int fd, char why[256]);
void orphan_close(struct orphan *o);

/* Its process is of another PID namespace (a container that shares the directory), or of another boot id
 * and not older than this boot (a container that has its own, another machine), so that whether it runs
 * cannot be seen from here.
 * Context: own.  Allocates: no.  Locks: none. */
bool orphan_is_elsewhere(const struct orphan *o);

/* It was made since this machine was booted, as far as both are known.
 * Context: own.  Allocates: no.  Locks: none. */
bool orphan_is_this_boot(const struct orphan *o);

/* Its process still runs: the same pid, started at the same time of the same boot, and no zombie.
 * Context: own.  Allocates: no.  Locks: none. */
bool orphan_is_alive(const struct orphan *o);

/* When its window ended, as far as a killed process can say: at its newest sample.
 * Context: own.  Allocates: no.  Locks: none. */
uint64_t orphan_end_ns(const struct orphan *o);

/* What is in it: samples of CPU time since the start, those that are in no file yet, CPU time; estimates since the
 * start of the heap and of what is in use, of waits, those that are idling by nature apart, and of
 * what holders of locks were charged.
 * Context: own.  Allocates: no.  Locks: none. */
struct orphan_sums {
	uint64_t samples, unwritten, cpu_ns;
	uint64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
	struct orphan_waits {
		uint64_t count, ns;
	} block, idle, mutex;
};
struct orphan_sums orphan_sum(const struct orphan *o);

/* "cpu 100 Hz, heap 512K, block 10ms, mutex", "nothing".  The other one by what is asked for in settings.
 * Context: own.  Allocates: no.  Locks: none. */
#define ORPHAN_KINDS_BYTES 96
void orphan_show_kinds(const struct store_header *h, char ret[ORPHAN_KINDS_BYTES]);
void orphan_show_wanted(const struct settings *s, char ret[ORPHAN_KINDS_BYTES]);

/* The last dump as the file says it now: false when it could not be read whole, because it is being
 * written, or its writer was killed.
 * Context: own.  Allocates: no.  Locks: none. */
bool orphan_read_dump(int fd, struct store_dump *ret_dump);

/* The path of the last complete dump's file of one kind, made harmless; false when there is none.
 * Context: own.  Allocates: no.  Locks: none. */
bool orphan_dump_path(const struct store_header *h, const struct store_dump *d,
		      enum store_kind kind, char *ret_path, size_t size);

/* Calls found for every file that is named as a store in the run directories: see orphan_find().
 * Context: own.  Allocates: heap.  Locks: none. */
void orphan_each(void (*found)(void *opaque, const struct orphan_file *f), void *opaque);

/* Calls found for every store of pid in the run directories: $CPROF_STORE_DIR,
 * /dev/shm/cprof-<euid>, and for root /dev/shm/cprof-*.  Returns their number.
 * Context: own. Allocates: heap.  Locks: none. */
unsigned orphan_find(unsigned long pid, void (*found)(void *opaque, const char *path),
		     void *opaque);

#endif
