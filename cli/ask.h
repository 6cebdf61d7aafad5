/* SPDX-License-Identifier: MIT */
/*
 * cli/ask: a request for a dump that cannot end the process.
 *
 * The request is a SIGPROF with the value CONTROL_DUMP.  To a process that has no handler for it
 * this signal is the end.  So it is sent through a descriptor of the process (whose pid may be
 * another's by now), after libcprof.so was seen in its memory and the handler among its caught
 * signals.  exec takes the handler away and keeps a pending signal, so it must not be under way:
 * - A process with a store is held: exec waits for a moment that we write there (core/store_format.h).
 * - One without has hardly used its CPU: it is starting, or it sleeps.  It is asked when it has been
 *   the same image for a while and no thread of it runs; to be hit it would have to wake up and come
 *   into exec between that look and the signal, which are two system calls in a row.  One that runs
 *   all the time (cpu.enabled = no) is asked after a second.
 * - One whose store cannot be opened (its file was removed) may be busy and cannot be held: it is asked
 *   only when no thread of it runs.
 * An exec by a raw system call, past our wrapper, is not seen.
 */
#ifndef CPROF_CLI_ASK_H
#define CPROF_CLI_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/live.h"
#include "core/store_format.h"

struct ask {
	struct live live;
	int process;		     /* pidfd, opened before anything is looked at */
	int store;		     /* -1: none yet */
	uint64_t inode;		     /* of the store */
	uint64_t image_at, image_ns; /* where the library is, and since when we know */
	uint32_t dumps;		     /* that were complete then */
	uint32_t heard;		     /* requests that it had heard when we last asked */
	uint64_t asked_ns;
};

/* Looks at the process (live.pid) again; false when it is gone.
 * Context: own (the command).  Allocates: heap.  Locks: none. */
bool ask_look_again(struct ask *a);

/* Opens the store that is mapped now, if there is one; of another image than before, all counts begin
 * at 0.  false: it is not this process's own or of another version, with the reason.
 * Context: own.  Allocates: no.  Locks: none. */
bool ask_find_store(struct ask *a, const char **ret_why);

/* Sends the request when that is safe now.  0; -EAGAIN: not now, with the reason; another -errno.
 * Context: own.  Allocates: heap.  Locks: none. */
int ask_send(struct ask *a, const char **ret_why);

/* The store's header, and a word of it; false, 0 when there is no store.
 * Context: own.  Allocates: no.  Locks: none. */
bool ask_read_header(const struct ask *a, struct store_header *h);
uint32_t ask_word(const struct ask *a, size_t at);
#define ASK_WORD(a, field) ask_word(a, offsetof(struct store_header, field))

#endif
