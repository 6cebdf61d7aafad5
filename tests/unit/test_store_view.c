/* SPDX-License-Identifier: MIT */
#include "core/store_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "core/store.h"
#include "tests/support/check.h"
#include "tests/support/storebuild.h"

#define BYTES (4u << 20)
#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* A store with three rows, as bytes that may be damaged. */
static struct store fill(void)
{
	struct store s;
	uint64_t frames[3];

	storebuild_open(&s, BYTES);
	storebuild_modules(&s);
	frames[0] = storebuild_frame(&s, (void *)(uintptr_t)fill);
	frames[1] = FRAME(FRAME_NO_MODULE, 0x1234);
	frames[2] = FRAME(FRAME_SYNTHETIC, SYNTH_TRUNC_NO_RULE);
	storebuild_add(&s, frames, 3, 0, 5);
	storebuild_add(&s, frames, 2, 77, 7);
	storebuild_add(&s, frames, 1, 0, 1);
	return s;
}

/* Walks everything that a reader may touch; the sum keeps the compiler from dropping reads. */
static uint64_t walk(const struct store_view *v, unsigned *ret_rows)
{
	struct store_sample sample;
	struct store_module_info m;
	uint32_t cursor = 0;
	uint64_t sum = 0;

	*ret_rows = 0;
	while (store_view_next(v, &cursor, &sample)) {
		CHECK(sample.depth > 0 && sample.depth <= STORE_DEPTH_MAX);
		CHECK_EQ(sample.values, 3);
		for (unsigned i = 0; i < sample.depth; i++)
			sum += sample.frames[i];
		++*ret_rows;
	}
	for (unsigned id = 0; id < 40; id++) {
		if (store_view_module(v, id, &m) < 0)
			continue;
		sum += strlen(m.path);
		for (unsigned i = 0; i < m.build_id_bytes; i++)
			sum += m.build_id[i];
	}
	return sum + store_view_cost_ns(v, 500);
}

TEST(view_shows_what_was_added)
{
	struct store s = fill();
	struct store_view v;
	struct store_sample sample;
	uint32_t cursor = 0;
	unsigned rows = 0, labelled = 0;
	uint64_t samples = 0;

	CHECK_EQ(store_view_init(&v, s.header, s.size_bytes), 0);
	while (store_view_next(&v, &cursor, &sample)) {
		CHECK_EQ(sample.kind, KIND_CPU);
		CHECK_EQ(sample.total[1], sample.total[0] * 10000000);
		CHECK_EQ(sample.base[0], 0);
		samples += sample.total[0];
		labelled += sample.label == 77;
		rows++;
	}
	CHECK_EQ(rows, 4); /* and the empty row of [cprof: store full] */
	CHECK_EQ(samples, 13);
	CHECK_EQ(labelled, 1);
	storebuild_close(&s);
}

TEST(view_shows_modules_and_refuses_ids_that_are_none)
{
	struct store s = fill();
	struct store_view v;
	struct store_module_info m;
	unsigned exes = 0, vdsos = 0;

	store_view_of(&s, &v);
	CHECK_EQ(store_view_module(&v, 0, &m), -ENOENT);
	CHECK_EQ(store_view_module(&v, 4000, &m), -ENOENT);
	CHECK_EQ(store_view_module(&v, STORE_MODULES_MAX, &m), -ENOENT);
	CHECK_EQ(store_view_module(&v, ~0u, &m), -ENOENT);
	for (unsigned id = 1; id < 100 && store_view_module(&v, id, &m) == 0; id++) {
		CHECK(m.limit > m.start);
		CHECK(!m.unloaded);
		exes += m.is_exe;
		vdsos += m.is_vdso;
	}
	CHECK_EQ(exes, 1);
	CHECK(vdsos <= 1);
	storebuild_close(&s);
}

TEST(view_base_follows_a_rebase)
{
	struct store s = fill();
	struct store_view v;
	struct store_sample sample;
	uint32_t cursor = 0;

	store_view_of(&s, &v);
	while (store_view_next(&v, &cursor, &sample))
		store_rebase(&s, sample.total, sample.row_at);
	cursor = 0;
	while (store_view_next(&v, &cursor, &sample)) {
		CHECK_EQ(sample.base[0], sample.total[0]);
		CHECK_EQ(sample.base[1], sample.total[1]);
	}
	storebuild_close(&s);
}

TEST(view_refuses_what_is_no_store)
{
	struct store s = fill();
	struct store_view v;
	char *base = (char *)s.header;
	static char zero[65536] __attribute__((aligned(8)));

	CHECK_EQ(store_view_init(&v, NULL, 100), -EINVAL);
	CHECK_EQ(store_view_init(&v, zero, sizeof zero), -EINVAL);
	CHECK_EQ(store_view_init(&v, base, 100), -EINVAL);
	CHECK_EQ(store_view_init(&v, base + 1, s.size_bytes - 1), -EINVAL);
	s.header->version++;
	CHECK_EQ(store_view_init(&v, base, s.size_bytes), -EPROTO);
	s.header->version--;
	s.header->header_bytes += 8;
	CHECK_EQ(store_view_init(&v, base, s.size_bytes), -EPROTO);
	s.header->header_bytes -= 8;
	s.header->rows_offset += 4;
	CHECK_EQ(store_view_init(&v, base, s.size_bytes), -EINVAL);
	s.header->rows_offset -= 4;
	s.header->modules_offset = ~UINT64_C(7);
	CHECK_EQ(store_view_init(&v, base, s.size_bytes), -EINVAL);
	storebuild_close(&s);
}

/* Bytes at the very end of readable memory, so that one byte too far is a fault. */
static char *against_a_wall(const void *bytes, size_t n, size_t *ret_mapped)
{
	size_t mapped = (n + 4095) / 4096 * 4096;
	char *p = mmap(NULL, mapped + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	CHECK(p != MAP_FAILED);
	CHECK_EQ(mprotect(p + mapped, 4096, PROT_NONE), 0);
	memcpy(p + mapped - n, bytes, n);
	*ret_mapped = mapped;
	return p + mapped - n;
}

TEST(view_cut_anywhere_gives_fewer_rows_and_no_fault)
{
	struct store s = fill();
	uint64_t used = s.header->arena_offset + s.header->arena_used;
	struct store_view v;
	unsigned rows, before = 4, opened = 0;

	for (uint64_t n = (used + 64) / 8 * 8; n > 8;
	     n -= n > used - 2048 ? 8 : n / 8 / 8 * 8 + 8) {
		size_t mapped;
		char *p = against_a_wall(s.header, n, &mapped);

		if (store_view_init(&v, p, n) == 0) {
			walk(&v, &rows);
			CHECK(rows <= before);
			before = rows;
			opened++;
		}
		munmap(p + n - mapped, mapped + 4096);
		if (n < 64)
			break;
	}
	CHECK(opened > 40);
	CHECK_EQ(before, 0);
	storebuild_close(&s);
}

static uint64_t seed = 88172645463325252u;
static uint64_t next_random(void)
{
	seed ^= seed << 13; /* xorshift64, Marsaglia 2003 */
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Damage where it hurts: the header, the module table's start, filled slots, and the records. */
static uint64_t damage_place(const struct store_header *h, uint64_t used)
{
	switch (next_random() % 4) {
	case 0:
		return next_random() % sizeof *h;
	case 1:
		return h->modules_offset + next_random() % (8 * sizeof(struct store_module));
	case 2:
		return h->rows_offset + next_random() % (STORE_INDEX_SLOTS * 8);
	default:
		return h->arena_offset + next_random() % used;
	}
}

TEST(view_survives_a_hundred_thousand_mutations)
{
	struct store s = fill();
	uint64_t used = s.header->arena_used, n = s.header->arena_offset + used, end;
	unsigned rows, opened = 0, mutations = 0;
	struct store_header sane = *s.header;
	size_t mapped;
	char *p = against_a_wall(s.header, n, &mapped);

	for (end = now_ns() + (SANITIZED ? 2 : 20) * UINT64_C(1000000000);
	     mutations < 120000 && now_ns() < end;) {
		struct {
			uint64_t at, old;
		} undo[4];
		struct store_view v;
		unsigned changes = 1 + (unsigned)(next_random() % 4);

		for (unsigned i = 0; i < changes; i++, mutations++) {
			uint64_t value = next_random() >> next_random() % 64;

			undo[i].at = damage_place(&sane, used) % (n - 8);
			memcpy(&undo[i].old, p + undo[i].at, 8);
			memcpy(p + undo[i].at, &value, 1 + next_random() % 8);
		}
		if (store_view_init(&v, p, n) == 0) {
			/* Most rows of the table are empty; look at all of it now and then only. */
			if (mutations % 64 == 0)
				walk(&v, &rows);
			else {
				struct store_module_info m;
				struct store_sample sample;
				uint32_t cursor = (uint32_t)(next_random() % STORE_INDEX_SLOTS);
				uint32_t last = cursor;

				for (unsigned id = 1; id < 9; id++)
					(void)store_view_module(&v, id, &m);
				while (store_view_next(&v, &cursor, &sample) && cursor < last + 512)
					;
			}
			opened++;
		}
		while (changes--)
			memcpy(p + undo[changes].at, &undo[changes].old, 8);
	}
	CHECK(mutations >= (SANITIZED ? 5000 : 100000));
	CHECK(opened > (SANITIZED ? 500 : 10000));
	munmap(p + n - mapped, mapped + 4096);
	storebuild_close(&s);
}

TEST(view_of_a_full_tmpfs_reads_holes_without_a_fault)
{
	char dir[] = "/tmp/cprof-view-XXXXXX", file[64];
	static char fill_block[4096] = "full";
	struct store_view v;
	unsigned rows;
	struct store s = fill();

	CHECK(mkdtemp(dir) != NULL);
	if (mount("none", dir, "tmpfs", 0, "size=128k") < 0) {
		rmdir(dir);
		storebuild_close(&s);
		SKIP("needs the right to mount a tmpfs");
	}
	snprintf(file, sizeof file, "%s/store", dir);
	int fd = open(file, O_RDWR | O_CREAT, 0600);
	struct store_header h = *s.header;
	CHECK_EQ(pwrite(fd, &h, sizeof h, 0), sizeof h);
	CHECK_EQ(ftruncate(fd, BYTES), 0);
	snprintf(file, sizeof file, "%s/rest", dir);
	int rest = open(file, O_RDWR | O_CREAT, 0600);
	while (write(rest, fill_block, sizeof fill_block) > 0)
		;
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(store_view_init(&v, p, BYTES), 0);
	walk(&v, &rows);
	munmap(p, BYTES);
	close(fd);
	close(rest);
	umount(dir);
	rmdir(dir);
	storebuild_close(&s);
	CHECK_EQ(rows, 0);
}

TEST(view_cost_is_the_upper_edge_of_the_bucket)
{
	struct store s;
	struct store_view v;

	storebuild_open(&s, BYTES);
	store_view_of(&s, &v);
	CHECK_EQ(store_view_cost_ns(&v, 500), 0);
	for (unsigned i = 0; i < 99; i++)
		store_cost(&s, 1000, 1); /* in [896, 1024) */
	store_cost(&s, 100000, 1);	 /* in [98304, 114688) */
	CHECK_EQ(store_view_cost_ns(&v, 0), 1024);
	CHECK_EQ(store_view_cost_ns(&v, 500), 1024);
	CHECK_EQ(store_view_cost_ns(&v, 990), 1024);
	CHECK_EQ(store_view_cost_ns(&v, 1000), 114688);
	store_cost(&s, ~UINT64_C(0) / 2, 1); /* into the last bucket */
	CHECK(store_view_cost_ns(&v, 1000) > 114688);
	for (uint64_t ns = 4; ns < 1000000; ns = ns * 5 / 4 + 1) {
		struct store one;

		storebuild_open(&one, BYTES);
		store_cost(&one, ns, 1);
		store_view_of(&one, &v);
		CHECK(store_view_cost_ns(&v, 500) > ns);
		CHECK(store_view_cost_ns(&v, 500) <= ns + ns / 4 + 1);
		storebuild_close(&one);
	}
	storebuild_close(&s);
}

TEST(view_texts_exist_for_every_number_and_no_other)
{
	for (unsigned i = SYNTH_NONE + 1; i < SYNTH_COUNT; i++)
		CHECK(store_synthetic_text(i)[0] == '[');
	CHECK_STR(store_synthetic_text(SYNTH_NONE), "");
	CHECK_STR(store_synthetic_text(SYNTH_COUNT), "");
	CHECK_STR(store_synthetic_text(~UINT64_C(0)), "");
	for (unsigned i = 0; i < LOST_COUNT; i++)
		CHECK(store_loss_text(i)[0] != '\0');
	CHECK_STR(store_loss_text(LOST_COUNT), "");
}
