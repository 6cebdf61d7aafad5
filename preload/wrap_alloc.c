/* SPDX-License-Identifier: MIT */
/* malloc and its family.  Pointers and sizes stay the allocator's, whichever is the next one: nothing is put in front
 * of an object or behind it.  Each call goes to the function of the same name (reallocarray to realloc), so that what an
 * allocator hands out comes back to it; nearly every one is a jump.
 *
 * Sizes are those that the host has asked for.  realloc counts as a free and an allocation. */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "preload/alloc.h"
#include "preload/boot.h"
#include "preload/heap.h"
#include "preload/interpose.h"

#define ALIGNMENT 16u /* of malloc on x86-64 */
#define PAGE	  4096u
#define COLD	  static __attribute__((noinline, cold))
/* Side by side in one page of code. */
#define HOT EXPORT HOT_PATH __attribute__((aligned(64)))
/* What a sample goes through: one page for it and the wrappers. */
#define LOOK HOT_PATH static __attribute__((noinline))

/* Not in every libc's headers. */
extern void free_sized(void *p, size_t size);
extern void free_aligned_sized(void *p, size_t alignment, size_t size);
extern void cfree(void *p);

/* The real functions.  Before they are known: what looks for them. */
#define FIRST(name) FIRST_IN(name, )
#define FIRST_IN(name, data)                                                                       \
	static __typeof__(name) first_##name;                                                      \
	static __typeof__(name) *real_##name data = first_##name

FIRST_IN(malloc, HOT_DATA);
FIRST_IN(calloc, HOT_DATA);
FIRST_IN(realloc, HOT_DATA);
FIRST_IN(free, HOT_DATA);
FIRST(reallocarray);
FIRST(posix_memalign);
FIRST(aligned_alloc);
FIRST(memalign);
FIRST(valloc);
FIRST(pvalloc);

/* ---- looking for them ---- */

/* volatile: libc's header says that dlsym() never calls back into this file, and the compiler would drop what
 * only such a call can see. */
static __thread volatile bool resolving __attribute__((tls_model("initial-exec")));

/* False when we are called from inside dlsym().  Two threads may do it at once: they find the same. */
static bool resolve(void)
{
#define ROW(name)                                                                                  \
	{                                                                                          \
#name, (void **)&real_##name, NULL                                                 \
	}
	static const struct interpose_row rows[] = {
		ROW(malloc), ROW(calloc),	  ROW(realloc),	      ROW(reallocarray),
		ROW(free),   ROW(posix_memalign), ROW(aligned_alloc), ROW(memalign),
		ROW(valloc), ROW(pvalloc),
	};
#undef ROW
	void *real[sizeof rows / sizeof rows[0]];

	if (resolving)
		return false;
	resolving = true;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		real[i] = dlsym(RTLD_NEXT, rows[i].name);
	/* All at once: what one of them has given is for the others. */
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (real[i])
			*rows[i].real = real[i];
	resolving = false;
	return true;
}

void alloc_resolve(void)
{
	if (real_malloc == first_malloc)
		(void)resolve();
}

/* A program at fixed addresses that uses the address of a function of a library makes it that of its own stub, and
 * the loader then says that the function is there (and calls the real one all the same). */
static bool is_stub(void *function)
{
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;

	return dladdr1(function, &info, (void **)&symbol, RTLD_DL_SYMENT) && symbol &&
	       symbol->st_shndx == SHN_UNDEF;
}

const char *alloc_other(void)
{
	/* Whoever has one has the others; libc has them all, so that none is looked for in vain. */
	static const struct {
		const char *name;
		void *ours;
	} functions[] = {
		{"malloc", (void *)malloc},	{"calloc", (void *)calloc},
		{"realloc", (void *)realloc},	{"free", (void *)free},
		{"memalign", (void *)memalign}, {"aligned_alloc", (void *)aligned_alloc},
		{"valloc", (void *)valloc},
	};

	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		struct dl_find_object object;
		void *seen = dlsym(RTLD_DEFAULT, functions[i].name);

		if (!seen || seen == functions[i].ours || _dl_find_object(seen, &object) != 0)
			return NULL;
		if (!is_stub(seen))
			return object.dlfo_link_map->l_name;
	}
	return NULL;
}

static void *from_boot(size_t alignment, size_t size)
{
	void *p = boot_alloc(alignment < ALIGNMENT ? ALIGNMENT : alignment, size);

	if (!p)
		errno = ENOMEM;
	return p;
}

/* More than there is when that overflows. */
static size_t product(size_t n, size_t size)
{
	return size && n > PTRDIFF_MAX / size ? SIZE_MAX : n * size;
}

static void *first_malloc(size_t size)
{
	return resolve() ? real_malloc(size) : from_boot(ALIGNMENT, size);
}

static void *first_calloc(size_t n, size_t size)
{
	return resolve() ? real_calloc(n, size) : from_boot(ALIGNMENT, product(n, size));
}

static void *first_realloc(void *old, size_t size)
{
	void *p;

	if (resolve())
		return real_realloc(old, size);
	p = from_boot(ALIGNMENT, size);
	if (p && old) /* from this arena too: there was no other yet */
		memcpy(p, old, boot_size(old) < size ? boot_size(old) : size);
	return p;
}

static void *first_reallocarray(void *old, size_t n, size_t size)
{
	return resolve() ? real_reallocarray(old, n, size) : first_realloc(old, product(n, size));
}

static void first_free(void *p)
{
	if (resolve())
		real_free(p);
}

static int first_posix_memalign(void **ret, size_t alignment, size_t size)
{
	if (resolve())
		return real_posix_memalign(ret, alignment, size);
	*ret = from_boot(alignment, size);
	return *ret ? 0 : ENOMEM;
}

static void *first_aligned_alloc(size_t alignment, size_t size)
{
	return resolve() ? real_aligned_alloc(alignment, size) : from_boot(alignment, size);
}

static void *first_memalign(size_t alignment, size_t size)
{
	return resolve() ? real_memalign(alignment, size) : from_boot(alignment, size);
}

static void *first_valloc(size_t size)
{
	return resolve() ? real_valloc(size) : from_boot(PAGE, size);
}

static void *first_pvalloc(size_t size)
{
	return resolve() ? real_pvalloc(size) : from_boot(PAGE, (size + PAGE - 1) / PAGE * PAGE);
}

/* ---- calls that are to be looked at ---- */

/* What the real function has returned. */
static void *seen(void *p, size_t size, void *entry)
{
	heap_allocated(p, size, entry);
	return p;
}

LOOK void *look_malloc(size_t size)
{
	return seen(real_malloc(size), size, (void *)real_malloc);
}

LOOK void *look_calloc(size_t n, size_t size)
{
	return seen(real_calloc(n, size), n * size, (void *)real_calloc);
}

COLD void *look_aligned(void *(*real)(size_t, size_t), size_t alignment, size_t size)
{
	return seen(real(alignment, size), size, (void *)real);
}

COLD void *look_pages(void *(*real)(size_t), size_t size)
{
	return seen(real(size), size, (void *)real);
}

COLD int look_posix_memalign(void **ret, size_t alignment, size_t size)
{
	int r = real_posix_memalign(ret, alignment, size);

	heap_allocated(r == 0 ? *ret : NULL, size, (void *)real_posix_memalign);
	return r;
}

static void *realloc_boot(void *old, size_t size)
{
	void *p = size ? real_malloc(size) : NULL;

	if (p)
		memcpy(p, old, boot_size(old) < size ? boot_size(old) : size);
	return p;
}

/* entry: what the host has called, realloc or reallocarray. */
HOT_PATH static void *look_resize(void *old, size_t size, void *entry)
{
	const bool look =
		!heap_passes(size); /* also when it is asked for the second time, and was one */
	struct live_entry entry_of_old;
	bool followed = false;
	void *p;

	if (boot_owns(old)) {
		p = realloc_boot(old, size);
	} else {
		/* First, because the address may be another thread's as soon as it is free. */
		followed = live_likely(old) && heap_release(old, &entry_of_old);
		p = real_realloc(old, size);
	}
	if (!p && size) { /* the old one is as it was */
		if (followed)
			heap_kept(old, &entry_of_old);
	} else if (followed) {
		heap_freed(&entry_of_old);
	}
	if (look)
		heap_allocated(p, size, entry);
	return p;
}

LOOK void *look_realloc(void *old, size_t size)
{
	return look_resize(old, size, (void *)real_realloc);
}

COLD void *look_reallocarray(void *old, size_t size)
{
	return look_resize(old, size, (void *)real_reallocarray);
}

LOOK void free_followed(void *p)
{
	struct live_entry entry;

	if (boot_owns(p))
		return;
	if (heap_release(p, &entry))
		heap_freed(&entry);
	real_free(p);
}

/* Up to a tenth come here. */
LOOK void look_free(void *p)
{
	if (__builtin_expect(live_likely(p), 0))
		free_followed(p);
	else
		real_free(p);
}

/* ---- the wrappers ---- */

HOT void *malloc(size_t size)
{
	return heap_passes(size) ? real_malloc(size) : look_malloc(size);
}

HOT void *calloc(size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all)) /* that will fail */
		return real_calloc(n, size);
	return heap_passes(all) ? real_calloc(n, size) : look_calloc(n, size);
}

HOT void *realloc(void *old, size_t size)
{
	return __builtin_expect(live_maybe(old) || !heap_passes(size), 0) ? look_realloc(old, size)
									  : real_realloc(old, size);
}

EXPORT void *reallocarray(void *old, size_t n, size_t size)
{
	size_t all;

	if (__builtin_mul_overflow(n, size, &all))
		return real_reallocarray(old, n, size);
	/* libc's own would come back here, through realloc, and count twice. */
	return live_maybe(old) || !heap_passes(all) ? look_reallocarray(old, all)
						    : real_realloc(old, all);
}

HOT void free(void *p)
{
	if (live_maybe(p))
		look_free(p);
	else
		real_free(p);
}

EXPORT void cfree(void *p)
{
	free(p);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
	return heap_passes(size) ? real_posix_memalign(ret, alignment, size)
				 : look_posix_memalign(ret, alignment, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
	return heap_passes(size) ? real_aligned_alloc(alignment, size)
				 : look_aligned(real_aligned_alloc, alignment, size);
}

EXPORT void *memalign(size_t alignment, size_t size)
{
	return heap_passes(size) ? real_memalign(alignment, size)
				 : look_aligned(real_memalign, alignment, size);
}

EXPORT void *valloc(size_t size)
{
	return heap_passes(size) ? real_valloc(size) : look_pages(real_valloc, size);
}

EXPORT void *pvalloc(size_t size)
{
	return heap_passes(size) ? real_pvalloc(size) : look_pages(real_pvalloc, size);
}

/* C23.  glibc 2.36 has neither; an allocator may.  By the standard they do what free() does: to look for the real ones,
 * in vain, would cost the host a message in memory and what dlerror() had to say. */
EXPORT void free_sized(void *p, size_t size)
{
	(void)size;
	free(p);
}

EXPORT void free_aligned_sized(void *p, size_t alignment, size_t size)
{
	(void)alignment, (void)size;
	free(p);
}
