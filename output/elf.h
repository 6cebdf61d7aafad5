/* SPDX-License-Identifier: MIT */
/*
 * output/elf: what naming needs of an ELF64 file: its build id, its function symbols, and a few
 * sections that say where more names are.
 *
 * The file is read with pread, never mapped: a file that somebody truncates while it is mapped is a
 * SIGBUS in the host.  Nothing in it is believed: every offset and size is checked against the size
 * of the file, so a damaged one gives fewer symbols.  Tables are streamed in small blocks (node and
 * cc1 have 100,000 symbols), and strings are read one by one when somebody asks for them.
 */
#ifndef CPROF_OUTPUT_ELF_H
#define CPROF_OUTPUT_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_BUILD_ID_MAX 32u

enum elf_table_kind { ELF_SYMTAB, ELF_DYNSYM, ELF_TABLES };

enum elf_section_kind {
	ELF_PLT,	/* stubs that jump to functions of other objects: ".plt" */
	ELF_PLT_SEC,	/* the same where jumps are checked (Intel IBT): ".plt.sec" */
	ELF_PLT_GOT,	/* of functions that are never bound lazily: ".plt.got" */
	ELF_RELA_PLT,	/* ".rela.plt" */
	ELF_RELA_DYN,	/* ".rela.dyn" */
	ELF_DEBUG_LINK, /* ".gnu_debuglink", see output/debug_file */
	ELF_DEBUG_DATA, /* ".gnu_debugdata", see output/debug_data */
	ELF_SECTIONS
};

struct elf {
	int fd;		      /* -1: memory */
	const uint8_t *image; /* when fd is -1 */
	uint64_t base;	      /* of fd: where in it the file begins, see output/loaded */
	uint64_t size_bytes;
	uint8_t build_id[ELF_BUILD_ID_MAX];
	unsigned build_id_bytes; /* 0: none */
	struct elf_table {
		uint64_t at, bytes;		    /* of the symbols; bytes 0: no table */
		uint64_t strings_at, strings_bytes; /* of their names */
	} table[ELF_TABLES];
	struct elf_section {
		uint64_t at, bytes; /* bytes 0: no such section, or one without bytes in the file */
		uint64_t address;   /* as linked */
		uint64_t entry_bytes;
	} section[ELF_SECTIONS];
};

/* One defined symbol that may name code: FUNC, IFUNC, or NOTYPE with a size. */
struct elf_symbol {
	uint64_t value; /* virtual address as linked */
	uint64_t size_bytes;
	uint64_t name; /* for elf_name() */
	unsigned type, binding;
};

/* Opens a regular file (the descriptor stays the caller's) or the image of one in memory.
 * 0, -ENOEXEC (not an ELF64 file for this machine), or the error of reading.
 * Context: signal.  Allocates: no.  Locks: none. */
int elf_open_fd(struct elf *e, int fd);
int elf_open_image(struct elf *e, const void *image, uint64_t size_bytes);

/* Calls each() for every symbol of a table, in file order, until it returns false.  0 or -errno.
 * Stack use: 6 KiB.
 * Context: signal.  Allocates: no.  Locks: none. */
int elf_symbols(const struct elf *e, enum elf_table_kind kind,
		bool (*each)(void *opaque, const struct elf_symbol *symbol), void *opaque);

/* Exactly n bytes at an offset of the file: 0, -ENOEXEC when it has not that many, or the error.
 * Context: signal.  Allocates: no.  Locks: none. */
int elf_read(const struct elf *e, uint64_t at, void *buf, size_t n);

/* Takes the build id from a run of notes, if it is there.
 * Context: signal.  Allocates: no.  Locks: none. */
void elf_scan_notes(struct elf *e, uint64_t at, uint64_t bytes, uint64_t align);

/* The name of symbol number `index` of a table, defined or not, for elf_name(); -ENOEXEC when there is
 * none.
 * Context: signal.  Allocates: no.  Locks: none. */
int elf_symbol_name(const struct elf *e, enum elf_table_kind kind, uint64_t index,
		    uint64_t *ret_name);

/* What was last read of a file's strings: names of neighbours are mostly neighbours.  Starts with
 * at and bytes 0; one for each file. */
struct elf_window {
	uint64_t at;
	size_t bytes;
	char data[1024];
};

/* Copies a symbol's name, cut to size - 1 bytes; returns its length in buf, or -errno.  The second
 * form is for many names of one file.
 * Context: signal.  Allocates: no.  Locks: none. */
int elf_name(const struct elf *e, enum elf_table_kind kind, uint64_t name, char *buf, size_t size);
int elf_name_near(const struct elf *e, struct elf_window *w, enum elf_table_kind kind,
		  uint64_t name, char *buf, size_t size);

#endif
