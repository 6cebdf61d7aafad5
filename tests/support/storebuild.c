/* SPDX-License-Identifier: MIT */
#include "tests/support/storebuild.h"

#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "core/sampling.h"
#include "tests/support/check.h"

#define PAGE 4096u

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void create(struct store *s, uint64_t bytes, bool all)
{
	char exe[512] = "";
	int why;

	CHECK(readlink("/proc/self/exe", exe, sizeof exe - 1) > 0);
	struct store_identity who = {
		.pid = (uint32_t)getpid(),
		.uid = getuid(),
		.start_ticks = 1,
		.program = "unit",
		.exe = exe,
		.cwd = "/",
		.dir = "",
		.cmdline = "unit\0--option\0\xff",
		.cmdline_bytes = 16,
		.cpu_hz = 100,
		.cpu_period_ns = 10000000,
		.cpu_on = true,
		.heap_period_bytes = all ? 512 << 10 : 0,
		.block_threshold_ns = all ? 10000000 : 0,
		.mutex_fraction = all,
		.window_realtime_ns = clock_ns(CLOCK_REALTIME),
		.window_monotonic_ns = clock_ns(CLOCK_MONOTONIC),
	};
	CHECK_EQ(store_create(s, "/nonexistent/dir", bytes, &who, &why), 0);
	CHECK(why < 0); /* so it is anonymous */
}

void storebuild_open(struct store *s, uint64_t bytes)
{
	create(s, bytes, false);
}

void storebuild_open_all(struct store *s, uint64_t bytes)
{
	create(s, bytes, true);
}

void storebuild_close(struct store *s)
{
	store_drop(s, false);
}

uint64_t storebuild_realtime(const struct store *s)
{
	return s->header->window_realtime_ns + STOREBUILD_WINDOW_NS;
}

uint64_t storebuild_monotonic(const struct store *s)
{
	return s->header->window_monotonic_ns + STOREBUILD_WINDOW_NS;
}

static void find_build_id(const struct dl_phdr_info *info, struct store_module_info *m)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_NOTE)
			continue;
		const char *at = (const char *)(info->dlpi_addr + p->p_vaddr);
		for (const char *end = at + p->p_memsz; at + sizeof(ElfW(Nhdr)) < end;) {
			const ElfW(Nhdr) *note = (const void *)at;
			size_t name = (note->n_namesz + 3u) & ~3u,
			       desc = (note->n_descsz + 3u) & ~3u;

			if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4) {
				m->build_id = (const uint8_t *)at + sizeof *note + name;
				m->build_id_bytes = note->n_descsz;
				return;
			}
			at += sizeof *note + name + desc;
		}
	}
}

static int add_object(struct dl_phdr_info *info, size_t size, void *opaque)
{
	struct store *s = opaque;
	bool vdso = false;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		uint64_t start = (info->dlpi_addr + p->p_vaddr) & ~(uint64_t)(PAGE - 1);
		vdso = start == getauxval(AT_SYSINFO_EHDR);
		struct store_module_info m = {
			.start = start,
			.limit = (info->dlpi_addr + p->p_vaddr + p->p_memsz + PAGE - 1) &
				 ~(uint64_t)(PAGE - 1),
			.file_offset = p->p_offset & ~(uint64_t)(PAGE - 1),
			.bias = info->dlpi_addr,
			.path = vdso ? "[vdso]" : info->dlpi_name,
			.is_exe = info->dlpi_name[0] == '\0',
			.is_vdso = vdso,
			.build_id = (const uint8_t *)"",
		};
		find_build_id(info, &m);
		store_module_add(s, &m);
	}
	return 0;
}

void storebuild_modules(struct store *s)
{
	dl_iterate_phdr(add_object, s);
}

unsigned storebuild_module_of(const struct store *s, const void *pc)
{
	struct store_module_info m;
	struct store_view v;

	store_view_of(s, &v);
	for (unsigned id = 1; id < STORE_MODULES_MAX; id++)
		if (store_view_module(&v, id, &m) == 0 && (uint64_t)pc >= m.start &&
		    (uint64_t)pc < m.limit)
			return id;
	return 0;
}

uint64_t storebuild_frame(const struct store *s, const void *pc)
{
	unsigned id = storebuild_module_of(s, pc);

	CHECK(id != 0);
	return FRAME(id, (uint64_t)pc);
}

void storebuild_add(struct store *s, const uint64_t *frames, unsigned depth, uint64_t label,
		    uint64_t samples)
{
	const uint64_t values[] = {samples, samples * 10000000, 0};

	store_add(s, KIND_CPU, frames, depth, label, values);
}

void storebuild_add_in_waits(struct store *s, const uint64_t *frames, unsigned depth,
			     uint64_t samples)
{
	const uint64_t values[] = {samples, samples * 10000000, samples * 10000000};

	store_add(s, KIND_CPU, frames, depth, 0, values);
}

static enum store_kind kind_of(enum wait_class class)
{
	switch (class) {
#define X(id, name, kind)                                                                          \
	case id:                                                                                   \
		return kind;
		STORE_WAIT_CLASSES(X)
#undef X
	default:
		return KIND_BLOCK;
	}
}

void storebuild_wait(struct store *s, const uint64_t *frames, unsigned depth, enum wait_class class,
		     uint64_t waits, uint64_t ns)
{
	const uint64_t values[] = {waits << SAMPLING_OBJECT_BITS, ns};

	store_add(s, kind_of(class), frames, depth, class, values);
}

void storebuild_charge(struct store *s, const uint64_t *frames, unsigned depth,
		       enum wait_class class, uint64_t contentions, uint64_t ns)
{
	const uint64_t values[] = {contentions << SAMPLING_OBJECT_BITS, ns};

	store_add(s, KIND_MUTEX, frames, depth, class, values);
}
