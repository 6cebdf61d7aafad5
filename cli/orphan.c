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

#include "cli/human.h"
#include "core/process.h"
#include "core/run_file.h"
#include "core/sampling.h"
#include "core/text.h"
#include "output/export.h"

#define RUN_ROOT "/dev/shm"

/* Magic and version: a shorter file is none, one of another format may be shorter than ours. */
#define MINIMUM_BYTES 64

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
	h->library[sizeof h->library - 1] = '\0';
	h->settings[sizeof h->settings - 1] = '\0';
	h->dump.dir[sizeof h->dump.dir - 1] = '\0';
	h->dump.problem[sizeof h->dump.problem - 1] = '\0';
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
	return orphan_open_at(o, AT_FDCWD, path, why);
}

int orphan_open_at(struct orphan *o, int dir, const char *name, char why[256])
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*o = (struct orphan){0};
	if (fd < 0)
		return fail(why, -errno, errno == ELOOP ? "a symbolic link is not followed" : NULL);
	int r = orphan_from_fd(o, fd, why);
	close(fd);
	return r;
}

int orphan_from_fd(struct orphan *o, int fd, char why[256])
{
	struct stat st;

	*o = (struct orphan){0};
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || (size_t)st.st_size < MINIMUM_BYTES ||
	    (uint64_t)st.st_size > STORE_BYTES_MAX)
		return fail(why, -EINVAL, "not a store of cprof");
	o->bytes = (size_t)st.st_size;
	o->owner = st.st_uid;
	o->inode = st.st_ino;
	o->disk_bytes = (uint64_t)st.st_blocks * 512;
	o->mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	void *copy = mmap(NULL, o->bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (copy == MAP_FAILED)
		return fail(why, -ENOMEM, NULL);
	o->header = copy;
	int r = copy_data(fd, copy, o->bytes);
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

bool orphan_is_this_boot(const struct orphan *o)
{
	const uint64_t *id = o->header->boot_id;
	uint64_t now[2];

	process_boot_id(now);
	return !(id[0] | id[1]) || !(now[0] | now[1]) || (now[0] == id[0] && now[1] == id[1]);
}

bool orphan_is_elsewhere(const struct orphan *o)
{
	uint64_t here = process_pid_ns();

	if (!orphan_is_this_boot(o))
		return o->header->created_realtime_ns >= process_boot_realtime_ns();
	return here && o->header->pid_ns && o->header->pid_ns != here;
}

bool orphan_is_alive(const struct orphan *o)
{
	uint32_t pid = o->header->pid;

	if (pid == 0 || pid > INT32_MAX || !orphan_is_this_boot(o) || orphan_is_elsewhere(o))
		return false;
	return process_may_be_alive(pid, o->header->start_ticks);
}

uint64_t orphan_end_ns(const struct orphan *o)
{
	const struct store_header *h = o->header;
	uint64_t start = atomic_load_explicit(&h->window_monotonic_ns, memory_order_relaxed);
	uint64_t last = atomic_load_explicit(&h->last_monotonic_ns, memory_order_relaxed);

	return atomic_load_explicit(&h->window_realtime_ns, memory_order_relaxed) +
	       (last > start ? last - start : 0);
}

/* Of a damaged store: what was freed and never allocated is not in use. */
static uint64_t difference(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static void add_waits(struct orphan_waits *w, const uint64_t *total)
{
	w->count += total[0];
	w->ns += total[1];
}

struct orphan_sums orphan_sum(const struct orphan *o)
{
	struct orphan_sums s = {0};
	struct store_sample sample;
	uint32_t cursor = 0;

	while (store_view_next(&o->view, &cursor, &sample)) {
		const uint64_t *total = sample.total;

		if (sample.kind == KIND_CPU) {
			s.samples += total[0];
			s.unwritten += total[0] - sample.base[0];
			s.cpu_ns += total[1];
		} else if (sample.kind == KIND_BLOCK) {
			add_waits(&s.block, total);
		} else if (sample.kind == KIND_IDLE) {
			add_waits(&s.idle, total);
		} else if (sample.kind == KIND_MUTEX) {
			add_waits(&s.mutex, total);
		} else if (sample.kind == KIND_HEAP) {
			s.alloc_objects += total[HEAP_ALLOC_OBJECTS];
			s.alloc_bytes += total[HEAP_ALLOC_SPACE];
			s.inuse_objects +=
				difference(total[HEAP_ALLOC_OBJECTS], total[HEAP_FREE_OBJECTS]);
			s.inuse_bytes +=
				difference(total[HEAP_ALLOC_SPACE], total[HEAP_FREE_SPACE]);
		}
	}
	s.alloc_objects >>= SAMPLING_OBJECT_BITS;
	s.inuse_objects >>= SAMPLING_OBJECT_BITS;
	s.block.count >>= SAMPLING_OBJECT_BITS;
	s.idle.count >>= SAMPLING_OBJECT_BITS;
	s.mutex.count >>= SAMPLING_OBJECT_BITS;
	return s;
}

/* What is recorded, and how finely; 0: not. */
struct recorded {
	uint64_t cpu_hz, heap_bytes, block_ns, mutex_fraction;
};

static void show(const struct recorded *r, char ret[ORPHAN_KINDS_BYTES])
{
	struct text t = {.buf = ret, .size = ORPHAN_KINDS_BYTES};
	char size[HUMAN_BYTES];

	ret[0] = '\0';
	if (r->cpu_hz) {
		text_str(&t, "cpu ");
		text_u64(&t, r->cpu_hz);
		text_str(&t, " Hz");
	}
	if (r->heap_bytes) {
		text_str(&t, t.len ? ", heap " : "heap ");
		text_str(&t, r->heap_bytes == 1 ? "exact" : human_bytes(r->heap_bytes, size));
	}
	if (r->block_ns) {
		text_str(&t, t.len ? ", block " : "block ");
		text_str(&t, r->block_ns == 1 ? "exact" : human_ns(r->block_ns, size));
	}
	if (r->mutex_fraction) {
		text_str(&t, t.len ? ", mutex" : "mutex");
		if (r->mutex_fraction > 1) {
			text_str(&t, " 1/");
			text_u64(&t, r->mutex_fraction);
		}
	}
	if (!t.len)
		text_str(&t, "nothing");
}

void orphan_show_wanted(const struct settings *s, char ret[ORPHAN_KINDS_BYTES])
{
	show(&(struct recorded){s->cpu_enabled ? s->cpu_hz : 0, s->heap_sample_bytes,
				s->block_threshold, s->mutex_fraction},
	     ret);
}

void orphan_show_kinds(const struct store_header *h, char ret[ORPHAN_KINDS_BYTES])
{
	const uint64_t *period = h->kind_period;

	show(&(struct recorded){period[KIND_CPU] ? h->cpu_hz : 0, period[KIND_HEAP],
				period[KIND_BLOCK], period[KIND_MUTEX]},
	     ret);
}

bool orphan_read_dump(int fd, struct store_dump *d)
{
	const off_t at = offsetof(struct store_header, dump);
	uint32_t before, after;

	for (int tries = 0; tries < 100; tries++) {
		if (tries)
			usleep(100);
		if (pread(fd, &before, sizeof before, at) != sizeof before ||
		    pread(fd, d, sizeof *d, at) != sizeof *d ||
		    pread(fd, &after, sizeof after, at) != sizeof after)
			return false;
		if (before != after || before % 2)
			continue;
		d->dir[sizeof d->dir - 1] = '\0';
		d->problem[sizeof d->problem - 1] = '\0';
		human_safe(d->dir);
		human_safe(d->problem);
		return true;
	}
	return false;
}

bool orphan_dump_path(const struct store_header *h, const struct store_dump *d,
		      enum store_kind kind, char *ret_path, size_t size)
{
	char name[192];
	struct text t = TEXT_ON(name);

	if (!d->complete_realtime_ns || !(d->kinds & UINT32_C(1) << kind))
		return false;
	export_file_name(h, kind, d->number, &t);
	snprintf(ret_path, size, "%s/%s", d->dir, name);
	return true;
}

/* ---- the run directories ---- */

struct search {
	void (*found)(void *opaque, const struct orphan_file *f);
	void *opaque;
	unsigned seen; /* directories, by device and inode: two names may mean the same */
	struct {
		dev_t device;
		ino_t inode;
	} directory[256];
};

static bool is_new(struct search *s, const struct stat *st)
{
	for (unsigned i = 0; i < s->seen; i++)
		if (s->directory[i].device == st->st_dev && s->directory[i].inode == st->st_ino)
			return false;
	if (s->seen < sizeof s->directory / sizeof *s->directory) {
		s->directory[s->seen].device = st->st_dev;
		s->directory[s->seen++].inode = st->st_ino;
	}
	return true;
}

static void search_dir(struct search *s, const char *dir, int flags)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | flags);
	struct stat st;
	struct dirent *e;

	if (fd < 0)
		return;
	DIR *d = fstat(fd, &st) == 0 && is_new(s, &st) ? fdopendir(fd) : NULL;
	if (!d) {
		close(fd);
		return;
	}
	while ((e = readdir(d))) {
		char path[PATH_MAX];
		struct orphan_file f = {
			.dir = fd, .name = e->d_name, .path = path, .dir_owner = st.st_uid};

		if (run_file_is_name(e->d_name, &f.pid, &f.start_ticks) &&
		    snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path)
			s->found(s->opaque, &f);
	}
	closedir(d);
}

void orphan_each(void (*found)(void *opaque, const struct orphan_file *f), void *opaque)
{
	struct search s = {.found = found, .opaque = opaque};
	const char *configured = getenv("CPROF_STORE_DIR");
	char path[PATH_MAX];
	struct dirent *e;

	if (configured && configured[0])
		search_dir(&s, configured, 0);
	snprintf(path, sizeof path, RUN_ROOT "/cprof-%u", (unsigned)geteuid());
	search_dir(&s, path, O_NOFOLLOW);
	if (geteuid() != 0)
		return;
	DIR *d = opendir(RUN_ROOT);
	while (d && (e = readdir(d))) {
		snprintf(path, sizeof path, RUN_ROOT "/%s", e->d_name);
		if (strncmp(e->d_name, "cprof-", 6) == 0)
			search_dir(&s, path, O_NOFOLLOW);
	}
	if (d)
		closedir(d);
}

struct wanted {
	unsigned long pid;
	void (*found)(void *opaque, const char *path);
	void *opaque;
	unsigned count;
};

static void look_for(void *opaque, const struct orphan_file *f)
{
	struct wanted *w = opaque;

	if (f->pid != w->pid)
		return;
	w->found(w->opaque, f->path);
	w->count++;
}

unsigned orphan_find(unsigned long pid, void (*found)(void *opaque, const char *path), void *opaque)
{
	struct wanted w = {.pid = pid, .found = found, .opaque = opaque};

	orphan_each(look_for, &w);
	return w.count;
}
