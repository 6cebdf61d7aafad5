/* SPDX-License-Identifier: MIT */
#include "preload/interpose.h"

#include <dlfcn.h>

/* Provided by the linker for a section whose name is a C identifier. */
extern const struct interpose_row __start_cprof_interpose[] __attribute__((visibility("hidden")));
extern const struct interpose_row __stop_cprof_interpose[] __attribute__((visibility("hidden")));

/* dlsym(RTLD_NEXT) looks at its return address to see who asks; after a tail call that would be the
 * loader, which crashes.  Here its result is stored, so the call is never the last thing done. */
void interpose_resolve(void)
{
	for (const struct interpose_row *r = __start_cprof_interpose; r < __stop_cprof_interpose;
	     r++)
		if (!*r->real)
			*r->real = dlsym(RTLD_NEXT, r->name);
}
