/* SPDX-License-Identifier: MIT */
#include "output/debug_file.h"

#include <errno.h>
#include <stdbool.h>
#include <zlib.h>

#include "core/regular.h"
#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

#define DEBUG_DIR     "/usr/lib/debug"
#define PATH_BYTES    4096u
#define CRC_BLOCK     4096u
#define CRC_BYTES_MAX (UINT64_C(256) << 20) /* a tenth of a second; larger ones need a build id */

int debug_link_read(const struct elf *e, struct debug_link *ret_link)
{
	const struct elf_section *s = &e->section[ELF_DEBUG_LINK];
	size_t n = 0;

	if (s->bytes == 0)
		return -ENOENT;
	/* The name, its NUL, zeros up to a multiple of four, the CRC. */
	uint64_t room = s->bytes < sizeof ret_link->name ? s->bytes : sizeof ret_link->name;
	int rc = elf_read(e, s->at, ret_link->name, room);
	if (rc < 0)
		return rc;
	while (n < room && ret_link->name[n] && ret_link->name[n] != '/')
		n++;
	if (n == 0 || n == room || ret_link->name[n] == '/')
		return -ENOEXEC;
	uint64_t crc_at = (n + 4) & ~UINT64_C(3);
	if (crc_at > s->bytes || s->bytes - crc_at < sizeof ret_link->crc)
		return -ENOEXEC;
	return elf_read(e, s->at + crc_at, &ret_link->crc, sizeof ret_link->crc);
}

static bool has_crc(const struct elf *e, uint32_t wanted)
{
	uint8_t block[CRC_BLOCK];
	uLong crc = crc32(0, NULL, 0);

	if (e->size_bytes > CRC_BYTES_MAX)
		return false;
	for (uint64_t at = 0; at < e->size_bytes;) {
		uint64_t n = e->size_bytes - at < sizeof block ? e->size_bytes - at : sizeof block;

		if (elf_read(e, at, block, n) < 0)
			return false;
		crc = crc32(crc, block, (unsigned)n);
		at += n;
	}
	return crc == wanted;
}

static bool is_trusted(const struct debug_file_request *r, int fd)
{
	struct stat st;

	return sys_fstat(fd, &st) == 0 && !(st.st_mode & S_IWOTH) &&
	       (st.st_uid == 0 || st.st_uid == sys_geteuid() || st.st_uid == r->owner);
}

static bool is_same_build(const struct debug_file_request *r, const struct elf *e)
{
	if (r->build_id_bytes)
		return e->build_id_bytes == r->build_id_bytes &&
		       memcmp(e->build_id, r->build_id, r->build_id_bytes) == 0;
	return r->link && has_crc(e, r->link->crc);
}

/* true: it was the one, and *ret_rc is what use() said. */
static bool try_path(const struct debug_file_request *r, const struct text *path,
		     int (*use)(void *opaque, const struct elf *debug), void *opaque, int *ret_rc)
{
	struct elf e;
	int fd = path->cut ? -ENAMETOOLONG : regular_open(path->buf, 0);

	if (fd < 0)
		return false;
	/* Without a table it may be the stripped file itself, which a link may name. */
	bool found = is_trusted(r, fd) && elf_open_fd(&e, fd) == 0 && e.table[ELF_SYMTAB].bytes &&
		     is_same_build(r, &e);
	if (found)
		*ret_rc = use(opaque, &e);
	sys_close(fd);
	return found;
}

static void build_id_path(const struct debug_file_request *r, struct text *t)
{
	text_str(t, DEBUG_DIR "/.build-id/");
	for (unsigned i = 0; i < r->build_id_bytes; i++) {
		text_char(t, "0123456789abcdef"[r->build_id[i] >> 4]);
		text_char(t, "0123456789abcdef"[r->build_id[i] & 15]);
		if (i == 0)
			text_char(t, '/');
	}
	text_str(t, ".debug");
}

int debug_file_find(const struct debug_file_request *r,
		    int (*use)(void *opaque, const struct elf *debug), void *opaque)
{
	static const struct {
		const char *before, *behind; /* the directory */
	} places[] = {{"", ""}, {"", ".debug/"}, {DEBUG_DIR, ""}};
	char buf[PATH_BYTES];
	struct text t = TEXT_ON(buf);
	int rc;

	build_id_path(r, &t);
	if (r->build_id_bytes > 1 && try_path(r, &t, use, opaque, &rc))
		return rc;
	for (unsigned i = 0; r->link && i < 2; i++) {
		const char *path = r->path[i];

		if (!path || path[0] != '/' || (i && r->path[0] && text_equal(path, r->path[0])))
			continue;
		for (unsigned k = 0; k < sizeof places / sizeof places[0]; k++) {
			t = TEXT_ON(buf);
			text_str(&t, places[k].before);
			text_bytes(&t, path, (size_t)(text_basename(path) - path));
			text_str(&t, places[k].behind);
			text_str(&t, r->link->name);
			if (try_path(r, &t, use, opaque, &rc))
				return rc;
		}
	}
	return -ENOENT;
}
