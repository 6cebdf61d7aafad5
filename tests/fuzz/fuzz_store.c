/* SPDX-License-Identifier: MIT */
/*
 * A store of any bytes: the reader, and all that `cprof recover` makes of it.
 *
 * An input is a list of changes to a whole store, so that it means the same when the format changes:
 *   1 byte where (enum place), 3 bytes offset, 1 byte n, n bytes
 * What comes out must be a profile that our strict checker accepts, whatever went in.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/orphan.h"
#include "core/store.h"
#include "output/export.h"
#include "output/file_kind.h"
#include "output/pprof.h"
#include "tests/fuzz/elf_image.h"
#include "tests/support/rawprof.h"

#define NAMED	      "/lib/libc.so.6"
#define MODULES_ASKED 12u
#define REPEATS_MAX   40u

/* What an offset counts from, and the end of what is used there in a whole store. */
enum place { IN_HEADER, IN_MODULES, IN_STACKS, IN_ROWS, IN_ARENA, IN_ALL, CUT, REPEAT, PLACES };

static struct {
	uint8_t *whole, *now; /* as it was made, as it is given to the readers */
	uint64_t size_bytes;
	uint64_t from[PLACES], bytes[PLACES];
	uint64_t slots[STORE_INDEX_SLOTS]; /* offsets of the row slots in use */
	unsigned slot_count;
	char dir[64];
	int elf; /* what is opened as NAMED */
	uint8_t *gz;
} fuzz;

static const uint8_t build_ids[2][20] = {ELF_IMAGE_BUILD_ID, "another build id 20b"};

static void add_modules(struct store *s)
{
	static const struct {
		const char *path;
		uint64_t start;
		bool is_exe, is_vdso;
	} list[] = {
		{"", 0x400000, true, false},
		{NAMED, 0x7f0000000000, false, false},
		{"[vdso]", 0x7ffff000, false, true},
		{"plugin.so", 0x7f1000000000, false, false},
		{"/gone (deleted)", 0x7f2000000000, false, false},
		{NAMED, 0x7f0000000000, false, false},
		{"/lib/libm.so.6", 0x7f0000001000, false, false}, /* closes the one before */
		{NAMED, 0x7f0000000000, false, false},
	};

	for (unsigned i = 0; i < sizeof list / sizeof list[0]; i++) {
		struct store_module_info m = {
			.start = list[i].start,
			.limit = list[i].start + 0x3000,
			.file_offset = 0x1000,
			.bias = list[i].start - 0x1000,
			.path = list[i].path,
			.build_id = build_ids[i == 4],
			.build_id_bytes = list[i].is_vdso ? 0 : 20,
			.is_exe = list[i].is_exe,
			.is_vdso = list[i].is_vdso,
		};
		store_module_add(s, &m);
	}
}

/* Stacks of all depths, with all kinds of frame. */
static void add_rows(struct store *s)
{
	static const uint64_t code[] = {
		FRAME(1, 0x400100),
		FRAME(2, 0x7f0000000010),
		FRAME(2, 0x7f0000000110),
		FRAME(3, 0x7ffff800),
		FRAME(4, 0x7f1000000200),
		FRAME(5, 0x7f2000000000),
		FRAME(6, 0x7f0000001200),
		FRAME(7, 0x7f0000000111),
		FRAME(FRAME_NO_MODULE, 0xdead000),
		FRAME(FRAME_SYNTHETIC, SYNTH_TRUNC_BOUNDS),
		FRAME(FRAME_SYNTHETIC, SYNTH_UNSAMPLED),
		FRAME(1, 0x400200),
	};
	const unsigned n = sizeof code / sizeof code[0];
	uint64_t frames[STORE_DEPTH_MAX];

	for (unsigned i = 0; i < STORE_DEPTH_MAX; i++)
		frames[i] = code[i * 7 % n];
	for (unsigned i = 0; i < n; i++) {
		uint64_t values[] = {i + 1, (i + 1) * 10000000, i % 4 * 10000000};

		store_add(s, KIND_CPU, frames + i, 1 + i % 5, i % 3 ? 0 : 1000 + i, values);
	}
	store_add(s, KIND_CPU, frames, STORE_DEPTH_MAX, 0, (uint64_t[]){1, 10000000, 0});
	store_add(s, KIND_HEAP, frames, 2, 0, (uint64_t[]){3 << 16, 300, 1 << 16, 100});
	store_add(s, KIND_BLOCK, frames, 3, WAIT_IO, (uint64_t[]){5 << 15, 20000000});
	store_add(s, KIND_BLOCK, frames, 3, WAIT_NO_CLASS, (uint64_t[]){1, 30000000});
	store_add(s, KIND_IDLE, frames, 4, WAIT_EVENTS, (uint64_t[]){1 << 16, 900000000});
	store_add(s, KIND_MUTEX, frames, 2, WAIT_SPIN, (uint64_t[]){2 << 16, 15000000});
}

static void make_store(void)
{
	static const char words[] = "./service\0--port\0"
				    "80\0\xff\n";
	struct store_identity who = {
		.pid = 4242,
		.uid = 1000,
		.start_ticks = 1,
		.program = "service",
		.exe = "/srv/service (deleted)",
		.cwd = "/srv",
		.dir = "",
		.cmdline = words,
		.cmdline_bytes = sizeof words,
		.cpu_hz = 100,
		.cpu_period_ns = 10000000,
		.cpu_on = true,
		.heap_period_bytes = 512 << 10,
		.block_threshold_ns = 10000000,
		.mutex_fraction = 1,
		.window_realtime_ns = 1700000000000000000,
		.window_monotonic_ns = 1000000000,
	};
	struct store s;
	int why;

	CLAIM(store_create(&s, "/nonexistent/dir", 1 << 20, &who, &why) == 0);
	add_modules(&s);
	add_rows(&s);
	store_lost(&s, LOST_TRUNCATED, 3);
	store_cost(&s, 2500, 3000000000);

	const struct store_header *h = s.header;
	fuzz.size_bytes = h->arena_offset + ((h->arena_used + 4095) & ~UINT64_C(4095));
	fuzz.whole = aligned_alloc(4096, fuzz.size_bytes);
	fuzz.now = aligned_alloc(4096, fuzz.size_bytes);
	CLAIM(fuzz.whole && fuzz.now);
	memcpy(fuzz.whole, h, fuzz.size_bytes);
	/* Clocks of this run are no part of an input. */
	((struct store_header *)(void *)fuzz.whole)->created_realtime_ns = who.window_realtime_ns;
	((struct store_header *)(void *)fuzz.whole)->created_monotonic_ns = who.window_monotonic_ns;
	memcpy(fuzz.now, fuzz.whole, fuzz.size_bytes);
	const uint64_t *rows = (const uint64_t *)(const void *)(fuzz.whole + h->rows_offset);
	for (unsigned i = 0; i < STORE_INDEX_SLOTS; i++)
		if (rows[i])
			fuzz.slots[fuzz.slot_count++] = h->rows_offset + 8 * i;
	fuzz.from[IN_MODULES] = h->modules_offset;
	fuzz.from[IN_STACKS] = h->stacks_offset;
	fuzz.from[IN_ROWS] = h->rows_offset;
	fuzz.from[IN_ARENA] = h->arena_offset;
	fuzz.bytes[IN_HEADER] = sizeof *h;
	fuzz.bytes[IN_MODULES] = 12 * sizeof(struct store_module);
	fuzz.bytes[IN_STACKS] = STORE_INDEX_SLOTS * sizeof(uint64_t);
	fuzz.bytes[IN_ROWS] = STORE_INDEX_SLOTS * sizeof(uint64_t);
	fuzz.bytes[IN_ARENA] = h->arena_used;
	fuzz.bytes[IN_ALL] = fuzz.size_bytes;
	store_drop(&s, false);
}

/* One library can be opened, and what is open once more (core/regular); it is a small ELF file. */
static int open_fake(int dir, const char *path, int flags, mode_t mode)
{
	static const char again[] = "/proc/thread-self/fd/";

	if (dir != AT_FDCWD || strcmp(path, fuzz.dir) == 0 ||
	    strncmp(path, again, sizeof again - 1) == 0)
		return __real_sys_openat(dir, path, flags, mode);
	return strcmp(path, NAMED) == 0 ? fcntl(fuzz.elf, F_DUPFD_CLOEXEC, 3) : -ENOENT;
}

static void remove_dir(void)
{
	rmdir(fuzz.dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	uint8_t image[ELF_IMAGE_BYTES];

	(void)argc, (void)argv;
	make_store();
	strcpy(fuzz.dir, "/dev/shm/cprof-fuzz-XXXXXX");
	CLAIM(mkdtemp(fuzz.dir));
	atexit(remove_dir);
	fuzz.elf = memfd_create("elf", MFD_CLOEXEC);
	elf_image(image);
	CLAIM(write(fuzz.elf, image, sizeof image) == (ssize_t)sizeof image);
	fuzz.gz = malloc(PPROF_BYTES_MAX * 2);
	CLAIM(fuzz.gz);
	fuzz_openat = open_fake;
	return 0;
}

struct change {
	unsigned place;
	uint64_t at, n;
	const uint8_t *bytes;
};

/* The next change of an input, with its offset in the store. */
static bool next_change(struct fuzz_input *in, struct change *c)
{
	if (in->left < 6)
		return false;
	c->place = (unsigned)fuzz_take(in, 1) % PLACES;
	c->at = fuzz_take(in, 3);
	c->n = fuzz_take(in, 1);
	if (c->n > in->left)
		c->n = in->left;
	c->bytes = in->at;
	in->at += c->n;
	in->left -= c->n;
	if (c->place == IN_ROWS && c->at % 2) /* mostly a slot in use */
		c->at = fuzz.slots[c->at / 2 % fuzz.slot_count] + c->at / 2048 % 8;
	else if (c->place < CUT)
		c->at = fuzz.from[c->place] + c->at % fuzz.bytes[c->place];
	if (c->place < CUT && c->n > fuzz.size_bytes - c->at)
		c->n = fuzz.size_bytes - c->at;
	return true;
}

/* Where a slot in use is copied to: rows that exist more than once. */
static uint64_t repeated_at(const struct change *c)
{
	return fuzz.from[IN_ROWS] + 8 * (c->at % (STORE_INDEX_SLOTS - REPEATS_MAX));
}

static void apply(const struct change *c)
{
	if (c->place < CUT)
		memcpy(fuzz.now + c->at, c->bytes, c->n);
	else if (c->place == REPEAT)
		for (uint64_t i = 0; i < c->n % REPEATS_MAX; i++)
			memcpy(fuzz.now + repeated_at(c) + 8 * i,
			       fuzz.now + fuzz.slots[c->at % fuzz.slot_count], 8);
}

static void undo(const struct change *c)
{
	if (c->place < CUT)
		memcpy(fuzz.now + c->at, fuzz.whole + c->at, c->n);
	else if (c->place == REPEAT)
		memcpy(fuzz.now + repeated_at(c), fuzz.whole + repeated_at(c), 8 * REPEATS_MAX);
}

static void complain(void *opaque, const char *line)
{
	(void)opaque;
	/* Names are what the store says. */
	if (strncmp(line, "check-19", 8) == 0)
		return;
	fprintf(stderr, "%s\n", line);
	CLAIM(!"the profile breaks a rule");
}

static void check_file(const char *path)
{
	struct rawprof r;
	char why[256];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	CLAIM(fd >= 0);
	ssize_t n = read(fd, fuzz.gz, PPROF_BYTES_MAX * 2);
	close(fd);
	CLAIM(n > 0 && unlink(path) == 0);
	if (rawprof_load(&r, fuzz.gz, (size_t)n, why, sizeof why) < 0) {
		fprintf(stderr, "%s\n", why);
		CLAIM(!"the profile cannot be read");
	}
	(void)rawprof_check(&r, complain, NULL);
	rawprof_free(&r);
}

/* As cli/recover does it. */
static void recover(const struct store_view *view)
{
	struct orphan o = {.view = *view, .header = (struct store_header *)(void *)fuzz.now};
	uint64_t end = orphan_end_ns(&o);
	struct export_request request = {
		.dir = fuzz.dir,
		.now_realtime_ns = end,
		.now_monotonic_ns =
			o.header->window_monotonic_ns + (end - o.header->window_realtime_ns),
	};
	struct export_result result;
	int rc = export_dump(view, &request, NULL, NULL, &result);

	if (rc < 0) {
		CLAIM(result.problem[0]);
		fprintf(stderr, "%s\n", result.problem);
		CLAIM(!"nothing was written");
	}
	/* A damaged header may say that nothing or everything was recorded. */
	CLAIM(result.files >= 1 && result.files <= KIND_COUNT - 1);
	for (enum store_kind kind = KIND_NONE;
	     (kind = file_kind_next(kind, result.kinds)) != KIND_NONE;) {
		char path[512];
		struct text t = TEXT_ON(path);

		text_str(&t, fuzz.dir);
		text_char(&t, '/');
		export_file_name(view->header, kind, result.number, &t);
		check_file(path);
	}
}

/* Of the rows the export reads all. */
static void read_modules(const struct store_view *view)
{
	struct store_module_info m;
	uint64_t sum = 0;

	for (unsigned id = 0; id < MODULES_ASKED; id++)
		if (store_view_module(view, id, &m) == 0)
			sum += strlen(m.path) +
			       (m.build_id_bytes ? m.build_id[m.build_id_bytes - 1] : 0);
	__asm__ volatile("" : : "r"(sum)); /* all of it is read */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	uint64_t bytes = fuzz.size_bytes;
	struct store_view view;
	struct change c;

	while (next_change(&in, &c)) {
		apply(&c);
		if (c.place == CUT)
			bytes -= c.at % (c.n & 1 || bytes < 4096 ? bytes + 1 : 4096);
	}
	ASAN_POISON_MEMORY_REGION(fuzz.now + bytes, fuzz.size_bytes - bytes);
	if (store_view_init(&view, fuzz.now, bytes) == 0) {
		read_modules(&view);
		recover(&view);
	}
	ASAN_UNPOISON_MEMORY_REGION(fuzz.now, fuzz.size_bytes);
	in = (struct fuzz_input){data, size};
	while (next_change(&in, &c))
		undo(&c);
	return 0;
}
