/* SPDX-License-Identifier: MIT */
/* The pass-through: malloc and its family, each an indirect jump to the next allocator's.  What any preload library that
 * wraps them costs. */
#include <dlfcn.h>
#include <stddef.h>

#define NAMES(X)                                                                                   \
	X(malloc, void *, (size_t size), (size))                                                   \
	X(calloc, void *, (size_t n, size_t size), (n, size))                                      \
	X(realloc, void *, (void *old, size_t size), (old, size))                                  \
	X(reallocarray, void *, (void *old, size_t n, size_t size), (old, n, size))                \
	X(free, void, (void *p), (p))                                                              \
	X(posix_memalign, int, (void **ret, size_t alignment, size_t size),                        \
	  (ret, alignment, size))                                                                  \
	X(aligned_alloc, void *, (size_t alignment, size_t size), (alignment, size))               \
	X(memalign, void *, (size_t alignment, size_t size), (alignment, size))                    \
	X(valloc, void *, (size_t size), (size))                                                   \
	X(pvalloc, void *, (size_t size), (size))                                                  \
	X(malloc_usable_size, size_t, (void *p), (p))

/* glibc's dlsym() allocates only when it fails. */
#define FORWARD(name, type, parameters, arguments)                                                 \
	static type first_##name parameters;                                                       \
	static type(*real_##name) parameters = first_##name;                                       \
	static type first_##name parameters                                                        \
	{                                                                                          \
		real_##name = (type(*) parameters)dlsym(RTLD_NEXT, #name);                         \
		return real_##name arguments;                                                      \
	}                                                                                          \
	__attribute__((visibility("default"))) type name parameters                                \
	{                                                                                          \
		return real_##name arguments;                                                      \
	}

NAMES(FORWARD)
