/* SPDX-License-Identifier: MIT */
#include "output/perf_map.h"

#include <errno.h>

#include "core/regular.h"
#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

#define BLOCK_BYTES ((size_t)64 << 10) /* longer lines are cut */
/* Lines times the addresses that they cover: a map of lines that cover everything ends there.  In a true one
 * a line covers a function, and memory is used again a few times. */
#define STEPS_MAX UINT64_C(50000000)

int perf_map_open(struct perf_map *m, uint32_t pid, uint32_t uid, uint64_t not_before_realtime_ns,
		  uint64_t not_after_realtime_ns, const char **ret_why)
{
	char path[64];
	struct text t = TEXT_ON(path);
	struct stat st;

	*ret_why = "it cannot be opened";
	text_str(&t, "/tmp/perf-");
	text_u64(&t, pid);
	text_str(&t, ".map");
	int fd = regular_open(path, O_NOFOLLOW);
	if (fd == -EPERM)
		*ret_why = "it is no regular file";
	if (fd < 0)
		return fd;
	int rc = sys_fstat(fd, &st);
	if (rc == 0 && st.st_uid != 0 && st.st_uid != uid && st.st_uid != sys_geteuid()) {
		*ret_why = "it belongs to another user";
		rc = -EPERM;
	} else if (rc == 0 && (st.st_mode & S_IWOTH)) {
		*ret_why = "everybody may write to it";
		rc = -EPERM;
	} else if (rc == 0) {
		uint64_t written =
			(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;

		if (written < not_before_realtime_ns) {
			*ret_why = "it is older than the process";
			rc = -ESTALE;
		} else if (written > not_after_realtime_ns) {
			*ret_why = "it is younger than the process";
			rc = -ESTALE;
		}
	}
	if (rc < 0) {
		sys_close(fd);
		return rc;
	}
	*m = (struct perf_map){.fd = fd, .size_bytes = (uint64_t)st.st_size};
	return 0;
}

void perf_map_close(struct perf_map *m)
{
	sys_close(m->fd);
	m->fd = -1;
	m->size_bytes = 0;
}

/* A number in hex with a blank behind it; NULL when it is none. */
static const char *parse_number(const char *s, const char *end, uint64_t *ret_value)
{
	const char *first;

	if (end - s > 2 && s[0] == '0' && s[1] == 'x')
		s += 2;
	*ret_value = 0;
	for (first = s; s < end && *s != ' '; s++) {
		unsigned digit = (unsigned char)*s - (unsigned)'0';

		if (digit > 9)
			digit = ((unsigned char)*s | 0x20u) - (unsigned)'a' + 10;
		if (digit > 15 || *ret_value >> 60)
			return NULL;
		*ret_value = *ret_value << 4 | digit;
	}
	return s < end && s > first ? s + 1 : NULL;
}

bool perf_map_parse(const char *line, size_t n, struct perf_map_line *ret_line)
{
	const char *end = line + n, *s = parse_number(line, end, &ret_line->start);

	s = s ? parse_number(s, end, &ret_line->size_bytes) : NULL;
	if (!s)
		return false;
	while (end > s && (unsigned char)end[-1] <= ' ')
		end--;
	ret_line->name = s;
	ret_line->name_bytes = (size_t)(end - s);
	return end > s && ret_line->size_bytes &&
	       ret_line->start + ret_line->size_bytes > ret_line->start;
}

static ssize_t read_map(const struct perf_map *m, uint64_t at, char *buf, size_t n)
{
	if (m->fd >= 0)
		return sys_pread(m->fd, buf, n, at);
	if (at >= m->size_bytes)
		return 0;
	n = m->size_bytes - at < n ? m->size_bytes - at : n;
	memcpy(buf, m->image + at, n);
	return (ssize_t)n;
}

/* Notes the place of the name of what one line covers; names are read when the last is known.
 * line_at: offset in the file. */
static void take_line(const char *line, size_t n, uint64_t line_at, struct address *list,
		      unsigned count, uint64_t *left)
{
	struct perf_map_line l;

	if (!perf_map_parse(line, n, &l))
		return;
	for (unsigned i = addresses_first(list, count, l.start);
	     i < count && list[i].address < l.start + l.size_bytes && *left; i++, --*left) {
		list[i].symbol_start = line_at + (uint64_t)(l.name - line);
		list[i].symbol_rank = l.name_bytes < PERF_MAP_NAME_MAX ? (unsigned)l.name_bytes
								       : PERF_MAP_NAME_MAX - 1;
	}
}

/* All whole lines of [at, end). */
static void scan(const struct perf_map *m, uint64_t at, uint64_t end, char *block,
		 struct address *list, unsigned n, uint64_t *left_steps)
{
	bool skip = at > 0; /* in the middle of a line */
	size_t have = 0;

	while (at < end && *left_steps) {
		uint64_t left = end - at;
		size_t room = BLOCK_BYTES - have, from = 0;
		ssize_t got = read_map(m, at, block + have, left < room ? left : room);

		if (got <= 0)
			return;
		at += (uint64_t)got;
		have += (size_t)got;
		uint64_t block_at = at - have;
		for (size_t i = have - (size_t)got; i < have; i++) {
			if (block[i] != '\n')
				continue;
			if (!skip)
				take_line(block + from, i - from, block_at + from, list, n,
					  left_steps);
			skip = false;
			from = i + 1;
		}
		if (from == 0 && have == BLOCK_BYTES) { /* a line longer than the block */
			if (!skip)
				take_line(block, have, block_at, list, n, left_steps);
			skip = true;
			from = have;
		}
		have -= from;
		memmove(block, block + from, have);
	}
}

static int read_names(const struct perf_map *m, struct arena *a, struct address *list, unsigned n)
{
	uint64_t last_at = 0;
	const char *last = NULL;

	for (unsigned i = 0; i < n; i++) {
		if (!list[i].symbol_rank)
			continue;
		if (!last || list[i].symbol_start != last_at) { /* neighbours share it */
			char *name = arena_alloc(a, list[i].symbol_rank + 1);

			if (!name)
				return -ENOMEM;
			if (read_map(m, list[i].symbol_start, name, list[i].symbol_rank) !=
			    (ssize_t)list[i].symbol_rank)
				return 0; /* somebody has cut it */
			last = name;
			last_at = list[i].symbol_start;
		}
		list[i].name = last;
	}
	return 0;
}

int perf_map_resolve(const struct perf_map *m, struct arena *a, struct address *list, unsigned n)
{
	char *block = arena_alloc(a, BLOCK_BYTES);
	uint64_t half = PERF_MAP_BYTES_MAX / 2, left = STEPS_MAX;

	if (!block)
		return -ENOMEM;
	if (m->size_bytes <= PERF_MAP_BYTES_MAX) {
		scan(m, 0, m->size_bytes, block, list, n, &left);
	} else {
		scan(m, 0, half, block, list, n, &left);
		scan(m, m->size_bytes - half, m->size_bytes, block, list, n, &left);
	}
	return read_names(m, a, list, n);
}
