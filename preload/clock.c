/* SPDX-License-Identifier: MIT */
#include "preload/clock.h"

#include <elf.h>
#include <sys/auxv.h>

#include "core/hot.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/elf.h"

#include "core/as_safe.h"

#define SOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

bool clock_by_counter = true, clock_is_off;
static bool is_chosen; /* two threads may choose at once: they choose the same */
static uint64_t start_ns, start_ticks;

static int (*from_vdso)(clockid_t clock, struct timespec *ret); /* NULL: none */
static __thread bool stopped __attribute__((tls_model("initial-exec")));

struct search {
	struct elf elf;
	uint64_t found; /* as linked; 0: not found */
};

static bool is_other(void *opaque, const struct elf_symbol *symbol)
{
	struct search *s = opaque;
	char name[32];

	if (elf_name(&s->elf, ELF_DYNSYM, symbol->name, name, sizeof name) <= 0 ||
	    !text_equal(name, "__vdso_clock_gettime"))
		return true;
	s->found = symbol->value;
	return false;
}

static void find_vdso(void)
{
	uint64_t at = getauxval(AT_SYSINFO_EHDR), linked = 0;
	const Elf64_Ehdr *header = (const void *)at;
	struct search s = {.found = 0};

	/* The section headers come last. */
	if (!at ||
	    elf_open_image(&s.elf, header,
			   header->e_shoff + (uint64_t)header->e_shnum * header->e_shentsize) < 0)
		return;
	for (unsigned i = 0; i < header->e_phnum; i++) {
		const Elf64_Phdr *p = (const Elf64_Phdr *)(at + header->e_phoff) + i;

		if (p->p_type == PT_LOAD)
			linked = p->p_vaddr - p->p_offset;
	}
	if (elf_symbols(&s.elf, ELF_DYNSYM, is_other, &s) == 0 && s.found)
		from_vdso = (int (*)(clockid_t, struct timespec *))(s.found - linked + at);
}

HOT_PATH uint64_t clock_now_ns(void)
{
	int (*vdso)(clockid_t, struct timespec *) = __atomic_load_n(&from_vdso, __ATOMIC_RELAXED);
	struct timespec ts;

	if (stopped)
		return 0;
	if (!vdso || vdso(CLOCK_MONOTONIC, &ts) != 0)
		return sys_clock_ns(CLOCK_MONOTONIC);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void clock_start(void)
{
	find_vdso();
	start_ns = clock_now_ns();
	start_ticks = clock_ticks();
}

void clock_ticks_off(void)
{
	clock_is_off = true;
	__atomic_store_n(&clock_by_counter, false, __ATOMIC_RELAXED);
}

uint64_t clock_other_ticks(void)
{
	return clock_is_off ? 0 : clock_now_ns();
}

void clock_without_counter(void)
{
	__atomic_store_n(&clock_by_counter, false, __ATOMIC_RELAXED);
	__atomic_store_n(&from_vdso, NULL, __ATOMIC_RELAXED);
}

void clock_stop_in_thread(void)
{
	stopped = true;
	__atomic_store_n(&clock_by_counter, false, __ATOMIC_RELAXED);
}

static void choose(void)
{
	char name[8] = "";
	int fd = sys_open(SOURCE, O_RDONLY, 0);

	if (fd >= 0) {
		(void)sys_read(fd, name, sizeof name - 1);
		sys_close(fd);
	}
	if (!text_equal(name, "tsc\n"))
		__atomic_store_n(&clock_by_counter, false, __ATOMIC_RELAXED);
	__atomic_store_n(&is_chosen, true, __ATOMIC_RELAXED);
}

struct clock_rate clock_rate_now(void)
{
	struct clock_rate r = {.ns = 1, .ticks = 1};

	if (!__atomic_load_n(&is_chosen, __ATOMIC_RELAXED))
		choose();
	r.now_ns = clock_now_ns();
	if (r.now_ns > start_ns) {
		r.ns = r.now_ns - start_ns;
		r.ticks = clock_by_counter ? __builtin_ia32_rdtsc() - start_ticks : r.ns;
	}
	return r;
}
