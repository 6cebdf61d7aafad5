/* SPDX-License-Identifier: MIT */
/*
 * config/inifile: one configuration file: reading it whole, and taking it apart with inih.
 *
 * It runs at the start of the host, before its main(): raw system calls, memory of our own, no
 * stdio (inih gets its lines from a reader of ours, and its imports are bound in output/vendor.c).
 * Whatever the file holds, each line either reaches the visitor whole or is a problem with its
 * number; nothing is cut short and taken for a value.
 *
 * The format: [section] lines, key = value lines, blank lines; white space around each is nothing.
 * A comment begins with ; or # at the start of a line or behind white space.  No quotes, no
 * continued lines.
 */
#ifndef CPROF_CONFIG_INIFILE_H
#define CPROF_CONFIG_INIFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/text.h"

#define INIFILE_MAX_BYTES ((size_t)1 << 20)
#define INIFILE_LINE_BYTES                                                                         \
	1000 /* of a line, without white space around it; comments may be longer */

struct inifile {
	char *text; /* bytes of it, no NUL behind; NULL: none */
	size_t bytes;
	size_t mapped;
};

/* Reads a regular file of at most INIFILE_MAX_BYTES that not everybody may write.  Waits for no
 * FIFO and opens no device.  0, or -errno with the reason in *why: "is a directory, expected a
 * regular file".
 * Context: own.  Allocates: mmap.  Locks: none. */
int inifile_read(const char *path, struct inifile *ret_file, struct text *why);

/* Gives the memory back.
 * Context: own.  Allocates: no.  Locks: none. */
void inifile_drop(struct inifile *file);

/* Called in the order of the file.  Strings are valid during the call only. */
struct inifile_visitor {
	/* A section begins.  false: the visitor has reported it, and wants no pair of it. */
	bool (*section)(void *opaque, unsigned line, const char *name);
	void (*pair)(void *opaque, unsigned line, const char *section, const char *key,
		     const char *value);
	/* shown: the part of the line that is meant, or NULL; what: the second half of one line. */
	void (*problem)(void *opaque, unsigned line, const char *shown, const char *what);
	void *opaque;
};

/* Walks [text, text + bytes).
 * Context: own.  Allocates: no (1 KiB of stack).  Locks: none. */
void inifile_parse(const char *text, size_t bytes, const struct inifile_visitor *visitor);

#endif
