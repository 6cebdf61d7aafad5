/* SPDX-License-Identifier: MIT */
/*
 * core/text: building and reading short strings without libc's printf, locale or errno.
 *
 * A text never overflows: what does not fit is cut and `cut` is set; the buffer always ends with a
 * NUL.
 * Context: signal.  Allocates: no.  Locks: none.
 */
#ifndef CPROF_CORE_TEXT_H
#define CPROF_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
	char *buf;
	size_t size; /* of buf, NUL included; at least 1 */
	size_t len;
	bool cut;
};

#define TEXT_ON(array) ((struct text){.buf = (array), .size = sizeof(array)})

void text_str(struct text *t, const char *s);
void text_bytes(struct text *t, const char *s, size_t n);
void text_char(struct text *t, char c);
void text_u64(struct text *t, uint64_t v);
void text_i64(struct text *t, int64_t v);
void text_hex(struct text *t, uint64_t v); /* lower case, no 0x */

/* Whole of [s, s+n) as a decimal number: 0, or -EINVAL (empty, another character), -ERANGE. */
int text_parse_u64(const char *s, size_t n, uint64_t *ret_value);

size_t text_length(const char *s);
bool text_equal(const char *a, const char *b);
bool text_starts(const char *s, const char *prefix);
/* After the last '/', or s. */
const char *text_basename(const char *s);

/* Short name of an errno value ("ENOSPC"), or "error". */
const char *text_errno(int negative_errno);

#endif
