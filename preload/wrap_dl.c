/* SPDX-License-Identifier: MIT */
/* Libraries that go: dlclose.  dlopen is not wrapped: it looks at its caller for $ORIGIN and
 * RUNPATH, which would then be ours; modules enter the table when a sample falls into them. */
#include <dlfcn.h>

#include "preload/host.h"
#include "preload/interpose.h"
#include "preload/recorder.h"
#include "unwind/modules.h"
#include "unwind/unwind.h"

INTERPOSE(int, dlclose, (void *handle))
{
	int r;

	if (!host.on)
		return REAL(dlclose)(handle);
	recorder_before_dlclose();
	uw_closing_begin();
	r = REAL(dlclose)(handle);
	uw_closing_end();
	modules_changed();
	return r;
}
