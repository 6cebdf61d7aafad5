/* SPDX-License-Identifier: MIT */
/*
 * Streams: libc reads and writes for them by system calls of its own, which no wrapper of read() sees.  A call is a wait when
 * its buffer has not what was asked for (preload/blocked).  Never those for single characters.
 *
 * All that is looked at are the pointers of the stream, and never what they point to: another thread may be about to change them,
 * and then at most a call is timed that was no wait, or one is missed.  A stream without a descriptor (of memory, or of
 * functions of the program's, which wait in calls of their own) is left alone.
 */
#include <stdio.h>
#include <stdbool.h>

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

#undef fread_unlocked /* a macro for a few bytes */
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

/* Whether the buffer has all of the next line only the call itself finds out: it has, when it is the same buffer afterwards and
 * some of it is taken.  To wait for an empty one would not do: what comes in blocks is cut within a line, and then it
 * is never empty when a line is asked for. */
struct buffer {
	const char *at, *end;
};

static inline struct buffer buffer_of(const FILE *stream)
{
	return (struct buffer){stream->_IO_read_ptr, stream->_IO_read_end};
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

#define INTERPOSE_LINE(type, name, params, args, length)                                           \
	INTERPOSE(type, name, params)                                                              \
	{                                                                                          \
		struct buffer before;                                                              \
		struct blocked b;                                                                  \
		type r;                                                                            \
                                                                                                   \
		if (!is_file(stream))                                                              \
			return REAL(name) args;                                                    \
		before = buffer_of(stream);                                                        \
		blocked_begin(&b);                                                                 \
		r = REAL(name) args;                                                               \
		line_end(&b, stream, before, length, (const void *)real_##name);                   \
		return r;                                                                          \
	}

extern char *__fgets_chk(char *to, size_t bytes, int n, FILE *stream);
extern char *__fgets_unlocked_chk(char *to, size_t bytes, int n, FILE *stream);

INTERPOSE_LINE(char *, fgets, (char *to, int n, FILE *stream), (to, n, stream), 0)
INTERPOSE_LINE(char *, fgets_unlocked, (char *to, int n, FILE *stream), (to, n, stream), 0)
INTERPOSE_LINE(char *, __fgets_chk, (char *to, size_t bytes, int n, FILE *stream),
	       (to, bytes, n, stream), 0)
INTERPOSE_LINE(char *, __fgets_unlocked_chk, (char *to, size_t bytes, int n, FILE *stream),
	       (to, bytes, n, stream), 0)
INTERPOSE_LINE(ssize_t, getline, (char **line, size_t *room, FILE *stream), (line, room, stream), r)
INTERPOSE_LINE(ssize_t, getdelim, (char **line, size_t *room, int end, FILE *stream),
	       (line, room, end, stream), r)
INTERPOSE_LINE(ssize_t, __getdelim, (char **line, size_t *room, int end, FILE *stream),
	       (line, room, end, stream), r)

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
