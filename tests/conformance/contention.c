/* SPDX-License-Identifier: MIT */
/*
 * Writes the files of a process whose waits are known, `contention DIR N`: in each of N rounds
 *   3 waits for a mutex, 30 ms, in wait_for_lock; its holder is charged 2 of them, 20 ms, in hold_lock
 *   10 waits for a disk, 5 ms, in wait_for_disk, of which one sample of CPU, 10 ms
 *   1 idle wait, 500 ms, in wait_for_work
 *   100 samples of CPU, 1 s, in work
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "output/export.h"
#include "tests/support/check.h"
#include "tests/support/storebuild.h"

#define MS 1000000

void wait_for_lock(void);
void wait_for_disk(void);
void wait_for_work(void);
void hold_lock(void);
void work(void);

/* Nothing of this runs: these are names. */
void wait_for_lock(void)
{
	__asm__ volatile(".skip 1, 0x90");
}
void wait_for_disk(void)
{
	__asm__ volatile(".skip 2, 0x90");
}
void wait_for_work(void)
{
	__asm__ volatile(".skip 3, 0x90");
}
void hold_lock(void)
{
	__asm__ volatile(".skip 4, 0x90");
}
void work(void)
{
	__asm__ volatile(".skip 5, 0x90");
}

void check_fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s:%d: ", file, line);
	vfprintf(stderr, format, args);
	va_end(args);
	exit(1);
}

int main(int argc, char **argv)
{
	struct store s;
	struct store_view view;
	struct export_result result;

	storebuild_open_all(&s, 8 << 20);
	storebuild_modules(&s);
	const uint64_t caller = storebuild_frame(&s, (char *)(uintptr_t)main + 1);
	const uint64_t lock[] = {storebuild_frame(&s, (void *)(uintptr_t)wait_for_lock), caller},
		       disk[] = {storebuild_frame(&s, (void *)(uintptr_t)wait_for_disk), caller},
		       idle[] = {storebuild_frame(&s, (void *)(uintptr_t)wait_for_work), caller},
		       holder[] = {storebuild_frame(&s, (void *)(uintptr_t)hold_lock), caller},
		       cpu[] = {storebuild_frame(&s, (void *)(uintptr_t)work), caller};
	for (int i = 0; argc > 2 && i < atoi(argv[2]); i++) {
		storebuild_wait(&s, lock, 2, WAIT_MUTEX, 3, 30 * MS);
		storebuild_charge(&s, holder, 2, WAIT_MUTEX, 2, 20 * MS);
		storebuild_wait(&s, disk, 2, WAIT_IO, 10, 5 * MS);
		storebuild_add_in_waits(&s, disk, 2, 1);
		storebuild_wait(&s, idle, 2, WAIT_POLL, 1, 500 * MS);
		storebuild_add(&s, cpu, 2, 0, 100);
	}
	store_view_of(&s, &view);
	struct export_request request = {.dir = argv[1],
					 .now_realtime_ns = storebuild_realtime(&s),
					 .now_monotonic_ns = storebuild_monotonic(&s)};
	if (export_dump(&view, &request, NULL, NULL, &result) < 0) {
		fprintf(stderr, "%s\n", result.problem);
		return 1;
	}
	storebuild_close(&s);
	return 0;
}
