/* SPDX-License-Identifier: MIT */
#include "cli/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static int no_memory(char why[256])
{
	snprintf(why, 256, "out of memory");
	return -ENOMEM;
}

static int too_large(char why[256])
{
	snprintf(why, 256, "larger than %u MiB; not a profile", INPUT_BYTES_MAX >> 20);
	return -EFBIG;
}

/* Doubles a buffer that is full. */
static uint8_t *room(uint8_t *buf, size_t used, size_t *size)
{
	if (used < *size)
		return buf;
	uint8_t *more = realloc(buf, *size ? *size * 2 : 65536);
	if (!more) {
		free(buf);
		return NULL;
	}
	*size = *size ? *size * 2 : 65536;
	return more;
}

static int read_all(int fd, uint8_t **ret_bytes, size_t *ret_n, char why[256])
{
	uint8_t *buf = NULL;
	size_t n = 0, size = 0;

	for (;;) {
		if (n > INPUT_BYTES_MAX) {
			free(buf);
			return too_large(why);
		}
		if (!(buf = room(buf, n, &size)))
			return no_memory(why);
		ssize_t r = read(fd, buf + n, size - n);
		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			int e = errno;

			snprintf(why, 256, "%s", strerror(e));
			free(buf);
			return -e;
		}
		if (r == 0)
			break;
		n += (size_t)r;
	}
	*ret_bytes = buf;
	*ret_n = n;
	return 0;
}

/* Not zlib's own default: in this binary that is bound to the library's (see output/vendor.h),
 * which has no malloc to offer. */
static voidpf zip_get(voidpf opaque, uInt count, uInt size)
{
	(void)opaque;
	return calloc(count, size);
}

static void zip_put(voidpf opaque, voidpf p)
{
	(void)opaque;
	free(p);
}

static int unpack_gzip(const uint8_t *bytes, size_t n, uint8_t **ret_bytes, size_t *ret_n,
		       char why[256])
{
	z_stream z = {.zalloc = zip_get, .zfree = zip_put};
	uint8_t *buf = NULL;
	size_t used = 0, size = 0;
	int r;

	if (inflateInit2(&z, 16 + MAX_WBITS) != Z_OK)
		return no_memory(why);
	z.next_in = (Bytef *)bytes;
	z.avail_in = (uInt)n; /* n <= INPUT_BYTES_MAX */
	do {
		if (!(buf = room(buf, used, &size))) {
			inflateEnd(&z);
			return no_memory(why);
		}
		size_t step = size - used, rest = INPUT_BYTES_MAX + 1 - used;
		z.next_out = buf + used;
		z.avail_out = (uInt)(step < rest ? step : rest);
		r = inflate(&z, Z_NO_FLUSH);
		used = (size_t)(z.next_out - buf);
		if (used > INPUT_BYTES_MAX) {
			r = too_large(why);
			goto fail;
		}
		/* Members may follow each other. */
		if (r == Z_STREAM_END && z.avail_in > 0 && inflateReset(&z) == Z_OK)
			r = Z_OK;
	} while (r == Z_OK);
	if (r != Z_STREAM_END) {
		snprintf(why, 256,
			 z.avail_in == 0 && r == Z_BUF_ERROR ? "the gzip data is cut off"
							     : "the gzip data is damaged");
		r = -EBADMSG;
		goto fail;
	}
	inflateEnd(&z);
	*ret_bytes = buf;
	*ret_n = used;
	return 0;
fail:
	inflateEnd(&z);
	free(buf);
	return r;
}

int input_unpack(const uint8_t *bytes, size_t n, uint8_t **ret_bytes, size_t *ret_n, char why[256])
{
	if (n > INPUT_BYTES_MAX)
		return too_large(why);
	if (n >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
		return unpack_gzip(bytes, n, ret_bytes, ret_n, why);
	if (!(*ret_bytes = malloc(n + 1)))
		return no_memory(why);
	if (n)
		memcpy(*ret_bytes, bytes, n);
	*ret_n = n;
	return 0;
}

int input_read(const char *path, uint8_t **ret_bytes, size_t *ret_n, char why[256])
{
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		int e = errno;

		snprintf(why, 256, "%s", strerror(e));
		return -e;
	}
	int r = read_all(fd, ret_bytes, ret_n, why);
	close(fd);
	return r;
}
