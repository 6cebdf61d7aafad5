/* SPDX-License-Identifier: MIT */
#include "unwind/resident.h"

#include <dlfcn.h>
#include <sys/auxv.h>

#include "core/as_safe.h"

_Alignas(64) struct resident residents[RESIDENTS];

__attribute__((noinline)) bool resident_ask(uint64_t address, struct resident *ret_object)
{
	struct dl_find_object found;
	void *hdr;

	if (_dl_find_object((void *)(uintptr_t)address, &found) != 0)
		return false;
	ret_object->start = (uintptr_t)found.dlfo_map_start;
	ret_object->limit = (uintptr_t)found.dlfo_map_end;
	hdr = found.dlfo_eh_frame;
	/* Of an object with gaps between its segments glibc reports only the segment of the
	 * address; its tables lie in another one (node). */
	if (hdr && (hdr < (void *)found.dlfo_map_start || hdr >= (void *)found.dlfo_map_end) &&
	    _dl_find_object(hdr, &found) != 0)
		return false;
	ret_object->tables = (struct eh_module){
		.lo = found.dlfo_map_start, .hi = found.dlfo_map_end, .hdr = hdr};
	return true;
}

void resident_init(void)
{
	struct resident r = {0};

	if (resident_ask(getauxval(AT_ENTRY), &r))
		residents[0] = r;
	if (resident_ask((uintptr_t)getauxval, &r))
		residents[1] = r;
}
