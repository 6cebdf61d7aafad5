/* SPDX-License-Identifier: MIT */
#include "unwind/modules.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <sys/auxv.h>

#include "core/hot.h"
#include "core/text.h"
#include "unwind/stack.h"
#include "unwind/resident.h"

#include "core/as_safe.h"

/* Set by the linker to our own first and last byte. */
extern const char __ehdr_start[] __attribute__((visibility("hidden")));
extern const char _etext[] __attribute__((visibility("hidden")));

/*
 * Segment -> id, direct-mapped.  Two relaxed words that check each other: entry.check is the key
 * xor the value, so a torn read or another segment is a miss.  The key holds the epoch, so one
 * increment drops all.
 */
#define CACHE_SLOTS 256u
static struct {
	_Atomic uint64_t check, id;
} cache[CACHE_SLOTS];
static _Atomic uint32_t epoch = 1;

/* The main program's, as the kernel gave them. */
static const ElfW(Phdr) * exe_phdr;
static unsigned exe_phdr_count;

void modules_init(void)
{
	exe_phdr = (const void *)getauxval(AT_PHDR);
	exe_phdr_count = (unsigned)getauxval(AT_PHNUM);
	resident_init();
}

void modules_changed(void)
{
	/* Release pairs with the acquire in tag_one(): who sees the new epoch sees the unloaded
	 * state. */
	atomic_fetch_add_explicit(&epoch, 1, memory_order_release);
}

static uint64_t cache_key(const struct dl_find_object *object, uint64_t now_epoch)
{
	uint64_t k = (uint64_t)(uintptr_t)object->dlfo_map_start * UINT64_C(0x9e3779b97f4a7c15);

	k ^= (uint64_t)(uintptr_t)object->dlfo_map_end * UINT64_C(0xc2b2ae3d27d4eb4f);
	k ^= (uint64_t)(uintptr_t)object->dlfo_link_map * UINT64_C(0x165667b19e3779f9);
	return (k ^ k >> 31) + now_epoch;
}

/* Finds the GNU build id in a loaded note segment. */
static void read_build_id(const char *note, size_t bytes, struct store_module_info *info)
{
	while (bytes >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const void *)note;
		size_t name = (n->n_namesz + 3u) & ~3u;
		size_t desc = (n->n_descsz + 3u) & ~3u;
		size_t whole = sizeof *n + name + desc;

		if (n->n_namesz > bytes || n->n_descsz > bytes || whole > bytes)
			return;
		if (n->n_type == NT_GNU_BUILD_ID && n->n_namesz == 4 &&
		    memcmp(n + 1, "GNU", 4) == 0) {
			info->build_id = (const uint8_t *)(n + 1) + name;
			info->build_id_bytes = n->n_descsz < 32 ? n->n_descsz : 32;
			return;
		}
		note += whole;
		bytes -= whole;
	}
}

/* Those that are not behind the ELF header: BOLT appends a larger copy to the file and gives it a segment
 * whose address is its offset.  They say themselves whether they are there; other editors give it none, and
 * then the address may be in a gap between segments that nobody may read. */
static const ElfW(Phdr) * moved_headers(const struct link_map *map, const ElfW(Ehdr) * ehdr)
{
	uint64_t at = map->l_addr + ehdr->e_phoff;
	const ElfW(Phdr) *phdr = (const void *)at;
	struct dl_find_object object;

	if (_dl_find_object((void *)at, &object) != 0 || object.dlfo_link_map != map ||
	    at % _Alignof(ElfW(Phdr)) != 0 || ehdr->e_phnum == 0 ||
	    ehdr->e_phnum * sizeof *phdr > (uintptr_t)object.dlfo_map_end - at ||
	    !stack_probe(at) || !stack_probe(at + ehdr->e_phnum * sizeof *phdr - 1) ||
	    phdr->p_type != PT_PHDR || phdr->p_offset != ehdr->e_phoff ||
	    phdr->p_vaddr != ehdr->e_phoff)
		return NULL;
	return phdr;
}

/*
 * Where the program headers are in memory.  The ELF header lies at the load bias, in a segment that
 * stays mapped as long as the object does; dlfo_map_start is no substitute, because of an object
 * with gaps between its segments glibc reports only the segment of the address (node).  A program
 * that is not position-independent has bias 0 and no header there: the kernel told the loader where
 * its program headers are.
 */
static const ElfW(Phdr) * program_headers(const struct link_map *map, unsigned *ret_count)
{
	const ElfW(Ehdr) *ehdr = (const void *)map->l_addr;
	struct dl_find_object object;

	if (map->l_addr == 0) {
		*ret_count = exe_phdr_count;
		return exe_phdr;
	}
	if (_dl_find_object((void *)map->l_addr, &object) != 0 || object.dlfo_link_map != map ||
	    memcmp(ehdr->e_ident, ELFMAG, SELFMAG) != 0 || ehdr->e_phentsize != sizeof(ElfW(Phdr)))
		return NULL;
	*ret_count = ehdr->e_phnum;
	if (ehdr->e_phoff + ehdr->e_phnum * sizeof(ElfW(Phdr)) > 4096)
		return moved_headers(map, ehdr);
	return (const void *)(map->l_addr + ehdr->e_phoff);
}

/* Describes the executable segment that pc is in; false when there is none that we can read. */
static bool read_module(const struct dl_find_object *object, uint64_t pc, const char *exe,
			struct store_module_info *info)
{
	const struct link_map *map = object->dlfo_link_map;
	unsigned count;
	const ElfW(Phdr) *phdr = program_headers(map, &count);
	bool found = false;

	if (!phdr)
		return false;
	*info = (struct store_module_info){
		.bias = map->l_addr, .path = map->l_name, .build_id = (const uint8_t *)""};
	for (unsigned i = 0; i < count; i++) {
		const ElfW(Phdr) *p = &phdr[i];
		uint64_t start = map->l_addr + p->p_vaddr;

		if (p->p_type == PT_NOTE && !info->build_id_bytes)
			read_build_id((const char *)start, p->p_memsz, info);
		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X) || pc < start ||
		    pc >= start + p->p_memsz)
			continue;
		found = true;
		info->start = start & ~UINT64_C(4095);
		info->limit = (start + p->p_memsz + 4095) & ~UINT64_C(4095);
		info->file_offset = p->p_offset & ~UINT64_C(4095);
	}
	if (text_equal(map->l_name, "linux-vdso.so.1")) {
		info->is_vdso = true;
		info->path = "[vdso]";
	} else if (map->l_name[0] == '\0') {
		info->is_exe = true;
		info->path = exe;
	}
	return found;
}

/* Ids of the resident objects, with the epoch that they are good in. */
static uint64_t tag_word(uint64_t now_epoch, unsigned id)
{
	return now_epoch << 16 | id;
}

/* ret_start, ret_limit: the range in which the same answer holds. */
static unsigned tag_one(struct store *s, uint64_t pc, const char *exe, uint64_t *ret_start,
			uint64_t *ret_limit)
{
	struct dl_find_object object;
	struct store_module_info info = {0};

	*ret_start = *ret_limit = 0;
	if (_dl_find_object((void *)(uintptr_t)pc, &object) != 0)
		return FRAME_NO_MODULE;
	uint64_t key = cache_key(&object, atomic_load_explicit(&epoch, memory_order_acquire));
	unsigned slot = (unsigned)(key % CACHE_SLOTS);
	uint64_t id = atomic_load_explicit(&cache[slot].id, memory_order_relaxed);

	if ((atomic_load_explicit(&cache[slot].check, memory_order_relaxed) ^ id) != key) {
		if (!read_module(&object, pc, exe, &info))
			return FRAME_NO_MODULE;
		id = store_module_add(s, &info);
		atomic_store_explicit(&cache[slot].id, id, memory_order_relaxed);
		atomic_store_explicit(&cache[slot].check, key ^ id, memory_order_relaxed);
	}
	*ret_start = (uintptr_t)object.dlfo_map_start;
	*ret_limit = (uintptr_t)object.dlfo_map_end;
	return (unsigned)id;
}

HOT_PATH static unsigned tag_range(struct store *s, uint64_t pc, const char *exe,
				   uint64_t now_epoch, uint64_t *ret_start, uint64_t *ret_limit)
{
	struct resident *r = resident_at(pc);
	uint64_t tag;
	unsigned id;

	if (!r)
		return tag_one(s, pc, exe, ret_start, ret_limit);
	tag = atomic_load_explicit(&r->tag, memory_order_relaxed);
	*ret_start = r->start;
	*ret_limit = r->limit;
	if (tag >> 16 == now_epoch)
		return tag & 0xffff;
	id = tag_one(s, pc, exe, ret_start, ret_limit);
	atomic_store_explicit(&r->tag, tag_word(now_epoch, id), memory_order_relaxed);
	return id;
}

HOT_PATH unsigned modules_tag(struct store *s, uint64_t *pc, unsigned n, const char *exe)
{
	uint64_t start = 0, limit = 0;
	/* Acquire: see modules_changed(). */
	uint64_t now = atomic_load_explicit(&epoch, memory_order_acquire);
	unsigned id = FRAME_NO_MODULE, kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (pc[i] >= (uintptr_t)__ehdr_start && pc[i] < (uintptr_t)_etext)
			continue;
		if (pc[i] < start || pc[i] >= limit)
			id = tag_range(s, pc[i], exe, now, &start, &limit);
		pc[kept++] = FRAME(id, pc[i]);
	}
	return kept;
}
