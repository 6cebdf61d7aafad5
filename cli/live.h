/* SPDX-License-Identifier: MIT */
/*
 * cli/live: what /proc tells of a running process: whether libcprof.so is in it and at work, and
 * which store it has mapped.
 *
 * The store is found by the mapping and not by its name: so it does not matter where the process was
 * told to keep it, nor in which mount or PID namespace it lives.
 */
#ifndef CPROF_CLI_LIVE_H
#define CPROF_CLI_LIVE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/settings.h"

struct live {
	uint32_t pid;
	uint32_t inner_pid; /* in its own PID namespace */
	uid_t uid;
	unsigned threads;
	char state;	  /* R S D T t Z, see proc(5) */
	bool shares;	  /* its memory is its parent's: a dumper, or a vfork child before exec */
	bool foreign_pid; /* inner_pid is another number */
	uint64_t start_ticks;
	uint64_t caught, blocked, pending; /* signals: bit n - 1; blocked by the main thread */
	char proc[48];		     /* "/proc/N", or a thread's when the main one has ended */
	char name[64];		     /* of the program, harmless */
	char exe_name[64], comm[64]; /* other names of it, harmless */
	char library[PATH_MAX];	     /* "": libcprof.so is not in it */
	uint64_t library_at;	     /* where it is mapped: another place is another image */
	char store[PATH_MAX];	     /* as it sees the path; "": none is mapped */
	uint64_t store_inode;
	uint64_t store_at, store_end; /* where it is mapped */
	struct settings settings;     /* by its first environment */
};

/* Looks at one process.  0, with library "" when it is not ours; or -ESRCH (there is none, or a
 * zombie), -EACCES, another -errno, with the reason in why ("there is no process 7"), where name and
 * uid may be known all the same.
 * Context: own (the command).  Allocates: heap.  Locks: none. */
int live_look(struct live *l, uint32_t pid, char why[256]);

/* Calls found() for each process that can be looked at; returns how many could not.
 * Context: own.  Allocates: heap.  Locks: none. */
unsigned live_each(void (*found)(void *opaque, const struct live *l), void *opaque);

/* One of the names that people know it by.
 * Context: own.  Allocates: no.  Locks: none. */
bool live_is_named(const struct live *l, const char *name);

/* The handler of SIGPROF is installed, as far as can be seen; and by us, as far as can be told.
 * Context: own.  Allocates: no.  Locks: none. */
bool live_is_at_work(const struct live *l);

/* Reads the signals and the state again; false when it is gone.
 * Context: own.  Allocates: heap. */
bool live_again(struct live *l);

/* A descriptor of the mapped store, opened O_RDONLY or O_RDWR, or -errno.  A file that is there no more,
 * or (on overlayfs) by another inode number, can be opened by root only.
 * Context: own.  Allocates: no.  Locks: none. */
int live_open_store(const struct live *l, int flags);

/* What its paths begin with here: "", or "/proc/N/root" where its file system is another.
 * Context: own.  Allocates: no.  Locks: none. */
void live_root(const struct live *l, char ret[64]);

/* No thread of it runs, nor waits inside exec, as far as can be seen: each would have to be woken
 * before it did.
 * Context: own.  Allocates: heap.  Locks: none. */
bool live_rests(const struct live *l);

/* For how long it has been running. */
uint64_t live_age_ns(const struct live *l);

#endif
