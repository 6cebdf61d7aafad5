/* SPDX-License-Identifier: MIT */
#include "cli/orphan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/process.h"

#define RUN_ROOT "/dev/shm"

/* More than store.max_bytes allows. */
#define STORE_BYTES_MAX (UINT64_C(2) << 30)

/* Reads what the file holds; its holes stay zero and cost nothing.  From the front to the end: an
 * index comes before the records that it names, so that what a living owner adds meanwhile is never
 * half here. */
static int copy_data(int fd, char *to, uint64_t size)
{
	off_t at = 0;

	while ((uint64_t)at < size) {
		off_t data = lseek(fd, at, SEEK_DATA);

		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		off_t end = lseek(fd, data, SEEK_HOLE);
		if (end < 0)
			return -errno;
		if ((uint64_t)end > size)
			end = (off_t)size;
		for (at = data; at < end;) {
			ssize_t n = pread(fd, to + at, (size_t)(end - at), at);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -errno;
			if (n == 0)
				return 0; /* cut meanwhile */
			at += n;
		}
	}
	return 0;
}

static int fail(char why[256], int negative_errno, const char *what)
{
	snprintf(why, 256, "%s", what ? what : strerror(-negative_errno));
	return negative_errno;
}

/* Strings of the header end inside their fields, and the program's name is one of a file. */
static void make_harmless(struct store_header *h)
{
	h->program[sizeof h->program - 1] = '\0';
	h->exe[sizeof h->exe - 1] = '\0';
	h->cwd[sizeof h->cwd - 1] = '\0';
	h->dir[sizeof h->dir - 1] = '\0';
	if (h->cmdline_bytes > sizeof h->cmdline)
		h->cmdline_bytes = sizeof h->cmdline;
	for (char *c = h->program; *c; c++)
		if (*c == '/' || (unsigned char)*c <= 0x20 || *c == 0x7f)
			*c = '_';
	if (h->program[0] == '\0' || h->program[0] == '.')
		h->program[0] = '_';
}

int orphan_open(struct orphan *o, const char *path, char why[256])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	*o = (struct orphan){0};
	if (fd < 0)
		return fail(why, -errno, errno == ELOOP ? "a symbolic link is not followed" : NULL);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (size_t)st.st_size < sizeof(struct store_header) ||
	    (uint64_t)st.st_size > STORE_BYTES_MAX) {
		close(fd);
		return fail(why, -EINVAL, "not a store of cprof");
	}
	o->bytes = (size_t)st.st_size;
	o->owner = st.st_uid;
	void *copy = mmap(NULL, o->bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (copy == MAP_FAILED) {
		close(fd);
		return fail(why, -ENOMEM, NULL);
	}
	o->header = copy;
	int r = copy_data(fd, copy, o->bytes);
	close(fd);
	if (r < 0) {
		orphan_close(o);
		return fail(why, r, NULL);
	}
	r = store_view_init(&o->view, copy, o->bytes);
	if (r == -EPROTO)
		snprintf(why, 256,
			 "a store of format %" PRIu32 ", and this cprof reads %u; use the cprof of "
			 "that version",
			 o->header->version, STORE_VERSION);
	else if (r < 0)
		snprintf(why, 256, "not a store of cprof, or damaged");
	if (r < 0) {
		orphan_close(o);
		return r;
	}
	make_harmless(o->header);
	return 0;
}

void orphan_close(struct orphan *o)
{
	if (o->header)
		munmap(o->header, o->bytes);
	*o = (struct orphan){0};
}

static bool is_this_boot(const struct orphan *o)
{
	const uint64_t *id = o->header->boot_id;
	uint64_t now[2];

	process_boot_id(now);
	return !(id[0] | id[1]) || !(now[0] | now[1]) || (now[0] == id[0] && now[1] == id[1]);
}

bool orphan_is_elsewhere(const struct orphan *o)
{
	uint64_t here = process_pid_ns();

	return is_this_boot(o) && here && o->header->pid_ns && o->header->pid_ns != here;
}

bool orphan_is_alive(const struct orphan *o)
{
	uint32_t pid = o->header->pid;
	uint64_t ticks;

	if (pid == 0 || pid > INT32_MAX || !is_this_boot(o) || orphan_is_elsewhere(o))
		return false;
	int rc = process_start_ticks(pid, &ticks);
	return rc == 0 ? ticks == o->header->start_ticks : rc != -ESRCH;
}

uint64_t orphan_end_ns(const struct orphan *o)
{
	const struct store_header *h = o->header;
	uint64_t start = atomic_load_explicit(&h->window_monotonic_ns, memory_order_relaxed);
	uint64_t last = atomic_load_explicit(&h->last_monotonic_ns, memory_order_relaxed);

	return atomic_load_explicit(&h->window_realtime_ns, memory_order_relaxed) +
	       (last > start ? last - start : 0);
}

struct search {
	unsigned long pid;
	void (*found)(void *opaque, const char *path);
	void *opaque;
	unsigned count;
};

/* "<pid>.<start ticks>.store", or with a further number */
static bool is_store_of(const char *name, unsigned long pid)
{
	char prefix[32];
	int n = snprintf(prefix, sizeof prefix, "%lu.", pid);

	if (strncmp(name, prefix, (size_t)n) != 0)
		return false;
	const char *rest = name + n;
	size_t digits = strspn(rest, "0123456789");

	if (!digits)
		return false;
	rest += digits;
	if (rest[0] == '.' && strspn(rest + 1, "0123456789")) /* see core/run_file.h */
		rest += 1 + strspn(rest + 1, "0123456789");
	return strcmp(rest, ".store") == 0;
}

static void search_dir(struct search *s, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		char path[PATH_MAX];

		if (!is_store_of(e->d_name, s->pid) ||
		    snprintf(path, sizeof path, "%s/%s", dir, e->d_name) >= (int)sizeof path)
			continue;
		s->found(s->opaque, path);
		s->count++;
	}
	if (d)
		closedir(d);
}

unsigned orphan_find(unsigned long pid, void (*found)(void *opaque, const char *path), void *opaque)
{
	struct search s = {.pid = pid, .found = found, .opaque = opaque};
	const char *configured = getenv("CPROF_STORE_DIR");
	char own[64], path[PATH_MAX];
	struct dirent *e;

	snprintf(own, sizeof own, RUN_ROOT "/cprof-%u", (unsigned)geteuid());
	if (configured && configured[0])
		search_dir(&s, configured);
	if (!configured || strcmp(configured, own) != 0)
		search_dir(&s, own);
	if (geteuid() != 0)
		return s.count;
	DIR *d = opendir(RUN_ROOT);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, RUN_ROOT "/%s", e->d_name);
		if (strncmp(e->d_name, "cprof-", 6) == 0 && strcmp(path, own) != 0 &&
		    (!configured || strcmp(path, configured) != 0))
			search_dir(&s, path);
	}
	if (d)
		closedir(d);
	return s.count;
}
