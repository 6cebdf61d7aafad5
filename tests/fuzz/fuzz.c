/* SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int (*fuzz_openat)(int dir, const char *path, int flags, mode_t mode);

int __wrap_sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	return (fuzz_openat ? fuzz_openat : __real_sys_openat)(dir, path, flags, mode);
}

int (*fuzz_find_object)(void *address, struct dl_find_object *ret_object);

int __wrap__dl_find_object(void *address, struct dl_find_object *ret_object)
{
	return (fuzz_find_object ? fuzz_find_object : __real__dl_find_object)(address, ret_object);
}

void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

uint64_t fuzz_take(struct fuzz_input *in, unsigned bytes)
{
	uint64_t v = 0;

	if (in->left < bytes) {
		in->left = 0;
		return 0;
	}
	memcpy(&v, in->at, bytes);
	in->at += bytes;
	in->left -= bytes;
	return v;
}
