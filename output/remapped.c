/* SPDX-License-Identifier: MIT */
#include "output/remapped.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdatomic.h>

#include "core/regular.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/elf.h"
#include "output/maps.h"

#include "core/as_safe.h"

#define FIRST_LINES    64u
#define NOTES_MAX      32u
#define NOTE_LINES_MAX 8192u /* mappings that a handler looks through */
#define SEGMENTS_MAX   256u
#define PAGE	       UINT64_C(4096)

/* Places that the loader does not know, as they were when code there was sampled.  Only who has `noting`
 * adds; what is below note_count does not change any more. */
static struct remapped_line notes[NOTES_MAX];
static _Atomic unsigned note_count;
static _Atomic bool noting;
static _Atomic unsigned unknown_samples;

static bool same_place(const struct remapped_line *a, const struct maps_line *b)
{
	return a->start == b->start && a->limit == b->limit && a->file_offset == b->file_offset &&
	       a->inode == b->inode && a->device == b->device;
}

static struct remapped_line line_of(const struct maps_line *line, const char *path)
{
	return (struct remapped_line){
		.start = line->start,
		.limit = line->limit,
		.file_offset = line->file_offset,
		.device = line->device,
		.inode = line->inode,
		.path = path,
	};
}

static bool is_code_of_a_file(const struct maps_line *line)
{
	return line->executable && line->inode && line->name[0] == '/';
}

static bool note_line(void *opaque, const struct maps_line *line)
{
	unsigned *left = opaque;
	/* Relaxed: we are the only one who moves it. */
	unsigned n = atomic_load_explicit(&note_count, memory_order_relaxed);
	struct dl_find_object object;

	if (n == NOTES_MAX || --*left == 0)
		return false;
	if (!is_code_of_a_file(line) || _dl_find_object((void *)line->start, &object) == 0)
		return true;
	for (unsigned i = 0; i < n; i++)
		if (same_place(&notes[i], line))
			return true;
	notes[n] = line_of(line, "");
	/* Release pairs with the acquire in remapped_read(). */
	atomic_store_explicit(&note_count, n + 1, memory_order_release);
	return true;
}

void remapped_note(void)
{
	static struct maps_buffer buffer; /* not on the stack of a handler; of who has `noting` */
	unsigned n = 1 + atomic_fetch_add_explicit(&unknown_samples, 1, memory_order_relaxed);
	unsigned left = NOTE_LINES_MAX;
	const uint64_t all = ~UINT64_C(0);
	uint64_t mask;

	/* A power of four? */
	if ((n & (n - 1)) != 0 || !(n & 0x55555555u) ||
	    atomic_load_explicit(&noting, memory_order_relaxed))
		return;
	/* Who begins must end it: a host handler that left us by siglongjmp would leave a descriptor. */
	(void)sys_sigmask(SIG_SETMASK, &all, &mask);
	if (!atomic_exchange_explicit(&noting, true, memory_order_acquire)) {
		(void)maps_each(&buffer, note_line, &left);
		atomic_store_explicit(&noting, false, memory_order_release);
	}
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

void remapped_after_fork(void)
{
	atomic_store_explicit(&noting, false, memory_order_relaxed);
}

struct reading {
	struct remapped *list;
	struct arena *arena;
	unsigned capacity;
	unsigned note_count;
	bool gone[NOTES_MAX]; /* notes whose place something else has */
	int rc;
};

static bool grow(struct reading *r)
{
	unsigned capacity = r->capacity ? 2 * r->capacity : FIRST_LINES;
	struct remapped_line *lines = arena_alloc(r->arena, capacity * sizeof *lines);

	if (!lines)
		return false;
	for (unsigned i = 0; i < r->list->count; i++)
		lines[i] = r->list->lines[i];
	r->list->lines = lines;
	r->capacity = capacity;
	return true;
}

static bool add_line(struct reading *r, const struct remapped_line *line)
{
	struct remapped *list = r->list;
	unsigned at = list->count;

	if (list->count == r->capacity && !grow(r)) {
		r->rc = -ENOMEM;
		return false;
	}
	for (; at > 0 && list->lines[at - 1].start > line->start; at--)
		list->lines[at] = list->lines[at - 1];
	list->lines[at] = *line;
	list->count++;
	return true;
}

static bool take_line(void *opaque, const struct maps_line *line)
{
	struct reading *r = opaque;
	struct remapped *list = r->list;

	if (!line->executable)
		return true;
	for (unsigned i = 0; i < r->note_count; i++)
		if (line->start < notes[i].limit && notes[i].start < line->limit)
			r->gone[i] = true;
	/* The kernel reads in pieces, and between two of them mappings may change. */
	if (!is_code_of_a_file(line) ||
	    (list->count && line->start < list->lines[list->count - 1].limit))
		return true;
	if (list->count == REMAPPED_LINES_MAX)
		return false;
	const char *path = arena_strndup(r->arena, line->name, text_length(line->name));
	if (!path) {
		r->rc = -ENOMEM;
		return false;
	}
	struct remapped_line l = line_of(line, path);
	return add_line(r, &l);
}

int remapped_read(struct remapped *r, struct arena *a)
{
	struct reading reading = {.list = r, .arena = a};
	struct maps_buffer *buffer = arena_alloc(a, sizeof *buffer);

	*r = (struct remapped){0};
	if (!buffer)
		return -ENOMEM;
	/* Acquire pairs with the release in note_line(). */
	reading.note_count = atomic_load_explicit(&note_count, memory_order_acquire);
	(void)maps_each(buffer, take_line, &reading);
	for (unsigned i = 0; i < reading.note_count && reading.rc == 0; i++) {
		bool gone = reading.gone[i];

		/* Of two at one place nobody knows which one was sampled. */
		for (unsigned k = 0; k < reading.note_count; k++)
			gone = gone || (k != i && notes[k].start < notes[i].limit &&
					notes[i].start < notes[k].limit);
		if (!gone)
			(void)add_line(&reading, &notes[i]);
	}
	return reading.rc;
}

struct remapped_line *remapped_find(const struct remapped *r, uint64_t address)
{
	unsigned low = 0, high = r->count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (r->lines[middle].limit <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->count && r->lines[low].start <= address ? &r->lines[low] : NULL;
}

uint64_t remapped_in_module(const struct remapped *r, const struct remapped_line *line,
			    uint64_t address, const struct store_module_info *m)
{
	const struct remapped_line *own = m->unloaded ? NULL : remapped_find(r, m->start);

	if (!own || own->inode != line->inode || own->device != line->device ||
	    own->file_offset + (m->start - own->start) != m->file_offset)
		return 0;
	uint64_t file_at = line->file_offset + (address - line->start);
	uint64_t into = file_at - m->file_offset;
	return file_at >= m->file_offset && into < m->limit - m->start ? m->start + into : 0;
}

/* Finds the segment of code that the line shows, and so its bias. */
static int find_bias(const struct elf *e, const struct remapped_line *line, uint64_t *ret_bias)
{
	Elf64_Ehdr head;
	int rc = elf_read(e, 0, &head, sizeof head);

	if (rc < 0 || head.e_phentsize != sizeof(Elf64_Phdr) || head.e_phnum > SEGMENTS_MAX)
		return -ENOEXEC;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		Elf64_Phdr p;
		uint64_t at;

		if (__builtin_add_overflow(head.e_phoff, i * sizeof p, &at) ||
		    elf_read(e, at, &p, sizeof p) < 0)
			return -ENOEXEC;
		uint64_t end = line->file_offset + (line->limit - line->start);
		if (p.p_type != PT_LOAD || !(p.p_flags & PF_X) || p.p_offset >= end ||
		    (line->file_offset >= p.p_offset &&
		     line->file_offset - p.p_offset >= p.p_filesz))
			continue;
		*ret_bias = line->start - line->file_offset + p.p_offset - p.p_vaddr;
		return *ret_bias % PAGE ? -ENOEXEC : 0;
	}
	return -ENOEXEC;
}

int remapped_describe(const struct remapped_line *line, struct arena *a,
		      struct store_module_info *ret_module)
{
	struct stat st;
	struct elf e;
	uint64_t bias = 0;
	uint8_t *build_id = NULL;
	int fd = regular_open(line->path, 0);

	if (fd < 0)
		return fd;
	/* Not the device: overlayfs and btrfs show one here and another there. */
	int rc = sys_fstat(fd, &st);
	if (rc == 0 && st.st_ino != line->inode)
		rc = -ESTALE;
	if (rc == 0)
		rc = elf_open_fd(&e, fd);
	if (rc == 0)
		rc = find_bias(&e, line, &bias);
	if (rc == 0 && !(build_id = arena_alloc(a, ELF_BUILD_ID_MAX)))
		rc = -ENOMEM;
	sys_close(fd);
	if (rc < 0)
		return rc;
	memcpy(build_id, e.build_id, e.build_id_bytes);
	*ret_module = (struct store_module_info){
		.start = line->start,
		.limit = line->limit,
		.file_offset = line->file_offset,
		.bias = bias,
		.path = line->path,
		.build_id = build_id,
		.build_id_bytes = e.build_id_bytes,
	};
	return 0;
}
