/* SPDX-License-Identifier: MIT */
#include "output/rotate.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>

#include "core/arena.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/file_kind.h"

#include "core/as_safe.h"

#define NAME_BYTES    128u /* a program of 63 bytes, two numbers and a kind */
#define LISTING_BYTES 32768u
#define STALE_NS      (UINT64_C(3600) * 1000000000u)

/* So many of the oldest files are remembered in one reading of the directory, whatever its size.
 * When more must go (a limit was lowered), it is read again, at most so often. */
#define BATCH  16384u
#define ROUNDS 64u

struct file {
	uint64_t mtime_ns;
	uint64_t bytes;
	char name[NAME_BYTES];
};

struct rotation {
	const struct rotate_request *request;
	uid_t uid;
	uint64_t now_ns;
	uint64_t files, bytes;	    /* that are there, by this reading */
	unsigned count;		    /* of oldest[] */
	struct file *oldest[BATCH]; /* a heap, the newest of them first; sorted after the reading */
	struct file file[BATCH];
	char listing[LISTING_BYTES];
};

/* ---- names ---- */

/* Behind a decimal number as text_u64() writes it, or NULL. */
static const char *skip_number(const char *s)
{
	const char *from = s;

	while (*s >= '0' && *s <= '9')
		s++;
	return s == from || (*from == '0' && s > from + 1) ? NULL : s;
}

static const char *skip_text(const char *s, const char *text)
{
	return text_starts(s, text) ? s + text_length(text) : NULL;
}

static const char *skip_kind(const char *s)
{
	size_t n = 0;

	while (s[n] && s[n] != '.')
		n++;
	return file_kind_named(s, n) != KIND_NONE ? s + n : NULL;
}

/* Behind "<program>.<pid>.<kind>.<n>.pb.gz", or NULL.  A program "a" must not take the file of "a.b"
 * or of "a.5" for its own: what follows its name is two numbers with a kind between them. */
static const char *skip_file_name(const char *s, const char *program)
{
	s = skip_text(s, program);
	s = s && *s == '.' ? skip_number(s + 1) : NULL;
	s = s && *s == '.' ? skip_kind(s + 1) : NULL;
	s = s && *s == '.' ? skip_number(s + 1) : NULL;
	return s ? skip_text(s, ".pb.gz") : NULL;
}

static bool is_complete(const char *name, const char *program)
{
	const char *end = skip_file_name(name, program);

	return end && *end == '\0' && end - name < (ptrdiff_t)NAME_BYTES;
}

/* ".<name>.<writer>", see sink_create(). */
static bool is_temporary(const char *name, const char *program)
{
	const char *end = *name == '.' ? skip_file_name(name + 1, program) : NULL;

	end = end && *end == '.' ? skip_number(end + 1) : NULL;
	return end && *end == '\0';
}

static bool is_fresh(const struct rotate_request *r, const char *name)
{
	for (unsigned i = 0; i < r->fresh_count; i++)
		if (text_equal(r->fresh[i], name))
			return true;
	return false;
}

/* ---- the oldest files ---- */

/* The order that all processes share.  Of two files of the same time (some file systems count in
 * seconds) the one with the shorter name is older: file 9 of a process comes before file 10. */
static bool is_older(const struct file *a, const struct file *b)
{
	size_t a_length = text_length(a->name), b_length = text_length(b->name);

	if (a->mtime_ns != b->mtime_ns)
		return a->mtime_ns < b->mtime_ns;
	if (a_length != b_length)
		return a_length < b_length;
	return memcmp(a->name, b->name, a_length) < 0;
}

/* Lets the file at the root of a heap of n sink to its place; the newest is the root. */
static void sift_down(struct file **heap, unsigned at, unsigned n)
{
	struct file *item = heap[at];

	for (unsigned child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && is_older(heap[child], heap[child + 1]))
			child++;
		if (!is_older(item, heap[child]))
			break;
		heap[at] = heap[child];
	}
	heap[at] = item;
}

static void sift_up(struct file **heap, unsigned at)
{
	struct file *item = heap[at];

	for (; at && is_older(heap[(at - 1) / 2], item); at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = item;
}

static void sort_oldest_first(struct file **heap, unsigned n)
{
	while (n > 1) {
		struct file *newest = heap[0];

		heap[0] = heap[--n];
		heap[n] = newest;
		sift_down(heap, 0, n);
	}
}

static void remember(struct rotation *r, const char *name, uint64_t mtime_ns, uint64_t bytes)
{
	struct file *f = &r->file[r->count];
	bool full = r->count == BATCH;
	struct file candidate = {.mtime_ns = mtime_ns, .bytes = bytes};
	struct text t = TEXT_ON(candidate.name);

	text_str(&t, name);
	if (full) { /* it takes the place of the newest, or is newer than all of them */
		f = r->oldest[0];
		if (!is_older(&candidate, f))
			return;
	}
	*f = candidate;
	if (full) {
		sift_down(r->oldest, 0, BATCH);
	} else {
		r->oldest[r->count++] = f;
		sift_up(r->oldest, r->count - 1);
	}
}

/* ---- the directory ---- */

static void look_at(struct rotation *r, const char *name)
{
	const struct rotate_request *q = r->request;
	bool complete = is_complete(name, q->program);
	struct stat st;

	if (complete ? !q->max_files && !q->max_bytes : !is_temporary(name, q->program))
		return;
	if (sys_fstatat(q->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_uid != r->uid)
		return;
	uint64_t mtime_ns =
		(uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	if (!complete) {
		if (mtime_ns + STALE_NS < r->now_ns)
			(void)sys_unlinkat(q->dir, name);
		return;
	}
	r->files++;
	r->bytes += (uint64_t)st.st_size;
	if (!is_fresh(q, name))
		remember(r, name, mtime_ns, (uint64_t)st.st_size);
}

static int read_directory(struct rotation *r)
{
	ssize_t n;

	r->files = r->bytes = r->count = 0;
	while ((n = sys_getdents(r->request->dir, r->listing, sizeof r->listing)) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct sys_dirent *e = (const void *)(r->listing + at);

			at += e->d_reclen;
			if (e->d_type == DT_REG || e->d_type == DT_UNKNOWN)
				look_at(r, e->d_name);
		}
	}
	return (int)n;
}

static bool is_above(const struct rotation *r)
{
	const struct rotate_request *q = r->request;

	return (q->max_files && r->files > q->max_files) ||
	       (q->max_bytes && r->bytes > q->max_bytes);
}

/* What another process has removed meanwhile is gone as well: it counts.  0, or why it ended early.
 */
static int remove_oldest(struct rotation *r)
{
	int result = 0;

	for (unsigned i = 0; i < r->count && is_above(r); i++) {
		int rc = sys_unlinkat(r->request->dir, r->oldest[i]->name);

		if (rc == -EPERM) { /* immutable: the next one goes instead */
			result = rc;
			continue;
		}
		if (rc < 0 && rc != -ENOENT)
			return rc;
		r->files--;
		r->bytes -= r->oldest[i]->bytes;
	}
	return result;
}

int rotate_files(const struct rotate_request *request)
{
	struct arena arena = {.max_bytes = (size_t)4 << 20};
	struct rotation *r = arena_alloc(&arena, sizeof *r);
	int rc = r ? 0 : -ENOMEM;

	if (r) {
		r->request = request;
		r->uid = sys_geteuid();
		r->now_ns = sys_clock_ns(CLOCK_REALTIME);
	}
	for (unsigned round = 0; rc == 0 && round < ROUNDS; round++) {
		if (round)
			rc = (int)SYS_CALL(SYS_lseek, request->dir, 0, SEEK_SET, 0, 0, 0);
		if (rc == 0)
			rc = read_directory(r);
		if (rc < 0 || !is_above(r) || r->count == 0)
			break;
		sort_oldest_first(r->oldest, r->count);
		rc = remove_oldest(r);
		if (r->count < BATCH)
			break;
	}
	arena_drop(&arena);
	return rc;
}
