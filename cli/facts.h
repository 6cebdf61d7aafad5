/* SPDX-License-Identifier: MIT */
/*
 * cli/facts: what the file of a program tells before it is run.
 *
 * Nothing in the file is believed: offsets and counts are checked against its size, and what cannot
 * be read is as if it were not there.
 */
#ifndef CPROF_CLI_FACTS_H
#define CPROF_CLI_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#define FACTS_NEEDED 64u

struct facts {
	bool is_64, is_x86_64;
	unsigned machine;
	char loader[256]; /* PT_INTERP; "": none */
	bool go;	  /* built by the Go tool chain */
	bool has_symtab;  /* names of all functions */
	bool has_unwind;  /* .eh_frame_hdr */
	bool own_malloc;  /* defines malloc or free for all libraries */
	unsigned needed_count;
	char needed[FACTS_NEEDED][128]; /* DT_NEEDED */
};

/* 0, -ENOEXEC when it is no ELF file, or -errno.
 * Context: own (the command).  Allocates: no.  Locks: none. */
int facts_read(struct facts *f, int fd);

#endif
