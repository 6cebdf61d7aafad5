/* SPDX-License-Identifier: MIT */
#include "preload/interpose.h"

#include <dlfcn.h>

/* Provided by the linker for a section whose name is a C identifier. */
extern const struct interpose_row __start_cprof_interpose[] __attribute__((visibility("hidden")));
extern const struct interpose_row __stop_cprof_interpose[] __attribute__((visibility("hidden")));

/* No sibling call: dlsym(RTLD_NEXT) looks at its return address to see who asks; after a tail call
 * that is the loader, which crashes. */
__attribute__((optimize("no-optimize-sibling-calls"))) void interpose_resolve(void)
{
	for (const struct interpose_row *r = __start_cprof_interpose; r < __stop_cprof_interpose;
	     r++)
		if (!*r->real)
			*r->real = dlsym(RTLD_NEXT, r->name);
}
