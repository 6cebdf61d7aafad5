/* SPDX-License-Identifier: MIT */
/*
 * RUN:    NEXT_NAMES="read poll ..." LD_PRELOAD="so_next.so ..." any program
 * EXPECT: "next NAME WHERE" on stderr for each name, with the library in which preload/next has found it, or "none"; WHERE is
 * "differs" where dlsym(RTLD_NEXT) finds something else.  Then "asked N": for how many names it had to ask dlsym itself.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned asked;

static void *counted_dlsym(void *handle, const char *name)
{
	void *found;

	asked++;
	found = dlsym(handle, name);
	__asm__ volatile("" : "+r"(found)); /* no tail call: dlsym looks at who calls */
	return found;
}

#define dlsym counted_dlsym
#include "preload/next.c"
#undef dlsym

#define MAX 1000u

static struct interpose_row rows[MAX];
static void *real[MAX];

static const char *where(void *function)
{
	const char *base;
	Dl_info info;

	if (!function || !dladdr(function, &info))
		return "none";
	base = strrchr(info.dli_fname, '/');
	return base ? base + 1 : info.dli_fname;
}

__attribute__((constructor)) static void compare(void)
{
	char *names = getenv("NEXT_NAMES");
	unsigned n = 0;

	if (!names)
		return;
	names = strcpy(malloc(strlen(names) + 1), names);
	for (char *name = strtok(names, " \n"); name && n < MAX; name = strtok(NULL, " \n"), n++)
		rows[n] = (struct interpose_row){.name = name, .real = &real[n]};
	next_resolve(rows, rows + n);
	for (unsigned i = 0; i < n; i++) {
		void *other = dlsym(RTLD_NEXT, rows[i].name);

		dprintf(2, "next %s %s\n", rows[i].name,
			other == real[i] ? where(other) : "differs");
	}
	dprintf(2, "asked %u\n", asked);
}
