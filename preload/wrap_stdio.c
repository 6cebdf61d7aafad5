/* SPDX-License-Identifier: MIT */
/*
 * Streams: libc reads and writes for them by system calls of its own, which no wrapper of read() sees.  A call is a wait when
 * its buffer has not what was asked for (preload/blocked).  Never those for single characters.
 *
 * Another thread may be about to change the stream: then only its pointers are looked at, and never what they point to, and at most
 * a call is timed that was no wait, or one is missed.  A stream without a descriptor (of memory, or of functions of the
 * program's, which wait in calls of their own) is left alone.
 */
#ifndef __NO_INLINE__ /* the header would define getline() */
#define __NO_INLINE__ 1
#endif
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "preload/blocked.h"
#include "preload/interpose.h"

static inline bool is_file(const FILE *stream)
{
	return stream && stream->_fileno >= 0;
}

/* ---- blocks ---- */

static inline bool has_bytes(const FILE *stream, size_t size, size_t count)
{
	size_t bytes;

	return !__builtin_mul_overflow(size, count, &bytes) &&
	       stream->_IO_read_end - stream->_IO_read_ptr >= (ssize_t)bytes;
}

#define INTERPOSE_FREAD(name, params, args)                                                        \
	INTERPOSE(size_t, name, params)                                                            \
	{                                                                                          \
		struct blocked b;                                                                  \
		size_t r;                                                                          \
                                                                                                   \
		if (!is_file(stream) || has_bytes(stream, size, count))                            \
			return REAL(name) args;                                                    \
		blocked_begin(&b);                                                                 \
		r = REAL(name) args;                                                               \
		blocked_end(&b, WAIT_IO, (const void *)real_##name);                               \
		return r;                                                                          \
	}

extern size_t __fread_chk(void *to, size_t bytes, size_t size, size_t count, FILE *stream);
extern size_t __fread_unlocked_chk(void *to, size_t bytes, size_t size, size_t count, FILE *stream);

INTERPOSE_FREAD(fread, (void *to, size_t size, size_t count, FILE *stream),
		(to, size, count, stream))
INTERPOSE_FREAD(fread_unlocked, (void *to, size_t size, size_t count, FILE *stream),
		(to, size, count, stream))
INTERPOSE_FREAD(__fread_chk, (void *to, size_t bytes, size_t size, size_t count, FILE *stream),
		(to, bytes, size, count, stream))
INTERPOSE_FREAD(__fread_unlocked_chk,
		(void *to, size_t bytes, size_t size, size_t count, FILE *stream),
		(to, bytes, size, count, stream))

/* ---- lines ---- */

/*
 * To wait for an empty buffer would not do: what comes in blocks is cut within a line, and then it is never empty when a line is
 * asked for.  So: where there is no other thread, does it have the end of the line?  Else the call itself finds out, and it had
 * it when the buffer is the same afterwards and some of it is taken.
 */

struct buffer {
	const char *at, *end;
};

static inline struct buffer buffer_of(const FILE *stream)
{
	return (struct buffer){stream->_IO_read_ptr, stream->_IO_read_end};
}

/* most: characters that are asked for. */
static inline bool has_line(struct buffer b, ssize_t most, int delimiter)
{
	return b.end - b.at >= most || (b.end > b.at && __libc_single_threaded &&
					memchr(b.at, delimiter, (size_t)(b.end - b.at)));
}

/* length: of the line, or less where that is not known. */
static inline void line_end(const struct blocked *b, const FILE *stream, struct buffer before,
			    ssize_t length, const void *entry)
{
	struct buffer now = buffer_of(stream);

	if (now.end == before.end && now.at > before.at && length <= before.end - before.at)
		blocked_drop();
	else
		blocked_end(b, WAIT_IO, entry);
}

#define INTERPOSE_LINE(type, name, params, args, most, delimiter, length)                          \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct buffer before;                                                              \
		struct blocked_maybe b;                                                            \
		type r;                                                                            \
                                                                                                   \
		if (!is_file(stream))                                                              \
			return REAL(name) args;                                                    \
		before = buffer_of(stream);                                                        \
		if (has_line(before, most, delimiter))                                             \
			return REAL(name) args;                                                    \
		blocked_begin_maybe(&b, &stream->_IO_read_end);                                    \
		r = REAL(name) args;                                                               \
		line_end(&b.wait, stream, before, length, (const void *)real_##name);              \
		return r;                                                                          \
	}
#define INTERPOSE_FGETS(name, params, args)                                                        \
	INTERPOSE_LINE(char *, name, params, args, n - 1, '\n', 0)
#define INTERPOSE_GETLINE(name, params, args, delimiter)                                           \
	INTERPOSE_LINE(ssize_t, name, params, args, SSIZE_MAX, delimiter, r)

extern char *__fgets_chk(char *to, size_t bytes, int n, FILE *stream);
extern char *__fgets_unlocked_chk(char *to, size_t bytes, int n, FILE *stream);

INTERPOSE_FGETS(fgets, (char *to, int n, FILE *stream), (to, n, stream))
INTERPOSE_FGETS(fgets_unlocked, (char *to, int n, FILE *stream), (to, n, stream))
INTERPOSE_FGETS(__fgets_chk, (char *to, size_t bytes, int n, FILE *stream), (to, bytes, n, stream))
INTERPOSE_FGETS(__fgets_unlocked_chk, (char *to, size_t bytes, int n, FILE *stream),
		(to, bytes, n, stream))
INTERPOSE_GETLINE(getline, (char **line, size_t *room, FILE *stream), (line, room, stream), '\n')
INTERPOSE_GETLINE(getdelim, (char **line, size_t *room, int end, FILE *stream),
		  (line, room, end, stream), end)
INTERPOSE_GETLINE(__getdelim, (char **line, size_t *room, int end, FILE *stream),
		  (line, room, end, stream), end)

/* ---- what is still to be written ---- */

static inline bool has_unwritten(const FILE *stream)
{
	return !stream || (is_file(stream) && stream->_IO_write_ptr > stream->_IO_write_base);
}

#define INTERPOSE_FLUSH(name)                                                                      \
	INTERPOSE(int, name, (FILE * stream))                                                      \
	{                                                                                          \
		struct blocked b;                                                                  \
		int r;                                                                             \
                                                                                                   \
		if (!has_unwritten(stream))                                                        \
			return REAL(name)(stream);                                                 \
		blocked_begin(&b);                                                                 \
		r = REAL(name)(stream);                                                            \
		blocked_end(&b, WAIT_IO, (const void *)real_##name);                               \
		return r;                                                                          \
	}
INTERPOSE_FLUSH(fflush)
INTERPOSE_FLUSH(fflush_unlocked)
INTERPOSE_FLUSH(fclose)
