/* SPDX-License-Identifier: MIT */
/*
 * unwind/cursor: reading bytes that somebody else wrote.
 *
 * The invariant: nothing at or behind `end` is ever read.  A read that does not fit gives 0, moves
 * the cursor to its end and sets `bad`, so a decoder may check once when it is done instead of
 * after each byte.
 *
 * Context: signal.  Allocates: no.  Locks: none.
 */
#ifndef CPROF_UNWIND_CURSOR_H
#define CPROF_UNWIND_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
	bool bad;
};

static inline struct cursor cursor_on(const uint8_t *from, const uint8_t *end)
{
	return (struct cursor){.at = from, .end = end, .bad = from > end};
}

static inline size_t cursor_left(const struct cursor *c)
{
	return c->bad ? 0 : (size_t)(c->end - c->at);
}

static inline bool cursor_has(struct cursor *c, size_t n)
{
	if (__builtin_expect(cursor_left(c) >= n, 1))
		return true;
	c->bad = true;
	c->at = c->end;
	return false;
}

static inline void cursor_skip(struct cursor *c, uint64_t n)
{
	if (cursor_has(c, n))
		c->at += n;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	return cursor_has(c, 1) ? *c->at++ : 0;
}

/* memcpy: the data has no alignment. */
#define CURSOR_READER(name, type)                                                                  \
	static inline type name(struct cursor *c)                                                  \
	{                                                                                          \
		type v = 0;                                                                        \
                                                                                                   \
		if (cursor_has(c, sizeof v)) {                                                     \
			memcpy(&v, c->at, sizeof v);                                               \
			c->at += sizeof v;                                                         \
		}                                                                                  \
		return v;                                                                          \
	}
CURSOR_READER(cursor_u16, uint16_t)
CURSOR_READER(cursor_u32, uint32_t)
CURSOR_READER(cursor_u64, uint64_t)
CURSOR_READER(cursor_i8, int8_t)
CURSOR_READER(cursor_i16, int16_t)
CURSOR_READER(cursor_i32, int32_t)

/* LEB128 as in DWARF 5, 7.6.  What does not fit in 64 bits is dropped, as every other reader does.
 */
static inline uint64_t cursor_uleb(struct cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = cursor_u8(c);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	return v;
}

static inline int64_t cursor_sleb(struct cursor *c)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t byte;

	do {
		byte = cursor_u8(c);
		if (shift < 64)
			v |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80);
	if (shift < 64 && (byte & 0x40))
		v |= ~(uint64_t)0 << shift;
	return (int64_t)v;
}

#endif
