/* SPDX-License-Identifier: MIT */
#include "preload/interpose.h"

#include "preload/next.h"

/* Provided by the linker for a section whose name is a C identifier. */
extern const struct interpose_row __start_cprof_interpose[] __attribute__((visibility("hidden")));
extern const struct interpose_row __stop_cprof_interpose[] __attribute__((visibility("hidden")));

void interpose_resolve(void)
{
	next_resolve(__start_cprof_interpose, __stop_cprof_interpose);
}
