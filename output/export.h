/* SPDX-License-Identifier: MIT */
/*
 * output/export: one dump: store -> snapshot -> names -> profile.proto -> gzip -> file.
 *
 * The same code runs in the host (from its dump signal and at exit, on our own stack) and in `cprof
 * recover` on the store of a dead process.  So it is async-signal-safe by construction: memory from
 * an arena, files by pread, system calls by core/sys.
 */
#ifndef CPROF_OUTPUT_EXPORT_H
#define CPROF_OUTPUT_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/store_view.h"
#include "core/text.h"

struct export_request {
	const char *dir;	  /* absolute; "" means /tmp/cprof-<euid> */
	uint64_t now_realtime_ns; /* end of the window; for a dead process the time of its store */
	uint64_t now_monotonic_ns;
	const char *const *comments; /* NULL-terminated further comments, or NULL */
	struct arena *arena;	     /* empty; NULL: one of its own */
	uint64_t writer;	     /* see struct sink_dir */
	uint64_t max_files;	     /* of this program in dir, see output/rotate.h; 0: no limit */
	uint64_t max_bytes;
	bool in_process; /* the store is that of the process that this runs in */
	bool last;	 /* nobody has asked: files of waits only when there were any */
};

struct export_row {
	uint64_t row_at;
	uint64_t total[STORE_VALUES_MAX]; /* as read: the row's new base */
};

struct export_result {
	char path[512];		    /* of the last complete file */
	unsigned files;		    /* complete files */
	unsigned samples;	    /* in them */
	uint32_t kinds;		    /* bit k: a file of enum store_kind k */
	uint64_t number;	    /* in their names */
	uint64_t bytes;		    /* of all of them */
	unsigned unnamed_per_mille; /* frames shown by module only */
	char problem[384];	    /* one line for a person when the result is < 0 */
};

/* "<program>.<pid>.<kind>.<number>.pb.gz", the name of a file; the header may be damaged.  kind: one of file_kind_next().
 * Context: signal.  Allocates: no.  Locks: none. */
void export_file_name(const struct store_header *h, enum store_kind kind, uint64_t number,
		      struct text *ret_name);

/* Writes one file per kind that is recorded (output/file_kind), all of the same reading of the store; an empty
 * profile is valid and is written too.  The file number is header->dumps + 1, or the next one that
 * no file has.  committed, when not NULL, is called once after all files are complete, with the
 * rows that have changed since their bases, so that the owner of the store can move these.  0 or -errno with
 * result->problem set; then no file of this dump is left behind.  Older files beyond max_files or
 * max_bytes go afterwards; whether they can is no part of the result.  Stack use: at most 64 KiB; the
 * demangler has a stack of its own.
 * Context: own (signal-safe).  Allocates: arena of its own, given back.  Locks: none. */
int export_dump(const struct store_view *view, const struct export_request *request,
		void (*committed)(void *opaque, const struct export_row *rows, unsigned count),
		void *opaque, struct export_result *ret_result);

#endif
