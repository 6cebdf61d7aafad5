/* SPDX-License-Identifier: MIT */
#include "preload/next.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>

#define WORD_BITS      64u
#define VERSION_HIDDEN 0x8000u

/* Where an object has its symbols. */
struct object {
	uintptr_t base;
	const Elf64_Sym *symbols;
	const char *strings;
	const uint16_t *versions; /* NULL: it has none */
	const uint64_t *filter;
	uint32_t filter_words, filter_shift, bucket_count, first;
	const uint32_t *buckets, *chains;
};

/* The loader has made addresses of them, but for a section that is read-only. */
static const void *address(uintptr_t base, uint64_t value)
{
	return (const void *)(value < base ? value + base : value);
}

/* False: it has no hash table of this sort. */
static bool open_object(const struct link_map *map, struct object *ret)
{
	struct object o = {.base = map->l_addr};
	const uint32_t *hash = NULL;

	for (const Elf64_Dyn *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
		const void *there = address(o.base, d->d_un.d_ptr);

		if (d->d_tag == DT_SYMTAB)
			o.symbols = there;
		else if (d->d_tag == DT_STRTAB)
			o.strings = there;
		else if (d->d_tag == DT_VERSYM)
			o.versions = there;
		else if (d->d_tag == DT_GNU_HASH)
			hash = there;
	}
	if (!hash || !o.symbols || !o.strings)
		return false;
	o.bucket_count = hash[0];
	o.first = hash[1];
	o.filter_words = hash[2];
	o.filter_shift = hash[3];
	o.filter = (const uint64_t *)(hash + 4);
	o.buckets = (const uint32_t *)(o.filter + o.filter_words);
	o.chains = o.buckets + o.bucket_count;
	*ret = o;
	return o.bucket_count && o.filter_words; /* which is a power of 2 */
}

static uint32_t hash_of(const char *name)
{
	uint32_t h = 5381;

	for (; *name; name++)
		h = h * 33 + (unsigned char)*name;
	return h;
}

enum found { NOTHING, FUNCTION, UNCLEAR };

/* Of a symbol with the right name.  Several with a default version would be damage: then the loader may say. */
static enum found look_at(const struct object *o, uint32_t index, void **ret)
{
	const Elf64_Sym *s = &o->symbols[index];
	unsigned binding = ELF64_ST_BIND(s->st_info), seen = ELF64_ST_VISIBILITY(s->st_other);

	if (s->st_shndx == SHN_UNDEF || (o->versions && o->versions[index] & VERSION_HIDDEN))
		return NOTHING;
	if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx == SHN_ABS || !s->st_value ||
	    (binding != STB_GLOBAL && binding != STB_WEAK) ||
	    (seen != STV_DEFAULT && seen != STV_PROTECTED) || *ret)
		return UNCLEAR;
	*ret = (void *)(o->base + s->st_value);
	return FUNCTION;
}

static enum found find(const struct object *o, const char *name, void **ret)
{
	const uint32_t h = hash_of(name);
	const uint64_t word = o->filter[h / WORD_BITS & (o->filter_words - 1)];
	enum found found = NOTHING;

	*ret = NULL;
	if (!(word >> h % WORD_BITS & word >> (h >> o->filter_shift) % WORD_BITS & 1))
		return NOTHING;
	for (uint32_t i = o->buckets[h % o->bucket_count]; i >= o->first; i++) {
		const uint32_t other = o->chains[i - o->first];

		if ((other | 1) == (h | 1) &&
		    strcmp(o->strings + o->symbols[i].st_name, name) == 0) {
			enum found what = look_at(o, i, ret);

			if (what == UNCLEAR)
				return UNCLEAR;
			found = what == FUNCTION ? FUNCTION : found;
		}
		if (other & 1) /* the last of its bucket */
			break;
	}
	return found;
}

/* dlsym(RTLD_NEXT) looks at its return address to see who asks; after a tail call that would be the
 * loader, which crashes.  Here its result is stored, so the call is never the last thing done. */
static void ask(const struct interpose_row *r)
{
	*r->real = dlsym(RTLD_NEXT, r->name);
}

static void search(const struct object *o, const struct interpose_row *begin,
		   const struct interpose_row *end)
{
	void *function;

	for (const struct interpose_row *r = begin; r < end; r++) {
		if (*r->real != r->first)
			continue;
		switch (find(o, r->name, &function)) {
		case FUNCTION:
			*r->real = function;
			break;
		case UNCLEAR:
			ask(r);
			break;
		case NOTHING:
			break;
		}
	}
}

static bool all_known(const struct interpose_row *begin, const struct interpose_row *end)
{
	while (begin < end && *begin->real != begin->first)
		begin++;
	return begin == end;
}

void next_resolve(const struct interpose_row *begin, const struct interpose_row *end)
{
	const uintptr_t vdso = getauxval(AT_SYSINFO_EHDR); /* is in the list, but never searched */
	struct dl_find_object us;
	struct object o;

	if (_dl_find_object((void *)next_resolve, &us) == 0)
		for (const struct link_map *map = us.dlfo_link_map->l_next;
		     map && !all_known(begin, end); map = map->l_next) {
			if (vdso && map->l_addr == vdso)
				continue;
			if (!open_object(map, &o))
				break;
			search(&o, begin, end);
		}
	for (const struct interpose_row *r = begin; r < end; r++)
		if (*r->real == r->first)
			ask(r);
}
