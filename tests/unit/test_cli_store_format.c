/* SPDX-License-Identifier: MIT */
/* docs/store-format.md says the same as core/store_format.h.  Runs in the project's directory. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/store_format.h"
#include "tests/support/check.h"

static char page[32768];

static void read_page(void)
{
	FILE *f = fopen("docs/store-format.md", "r");

	if (!f)
		SKIP("not in the project's directory");
	page[fread(page, 1, sizeof page - 1, f)] = '\0';
	fclose(f);
}

static void has_row(const char *type, size_t offset, size_t bytes, const char *field)
{
	char row[128];

	snprintf(row, sizeof row, "\n| %zu | %zu | `%s` |", offset, bytes, field);
	if (!strstr(page, row))
		check_fail(__FILE__, __LINE__, "docs/store-format.md has not \"%s\" of %s", row + 1,
			   type);
}

#define ROW(type, field)                                                                           \
	has_row(#type, offsetof(struct type, field), sizeof(((struct type *)0)->field), #field)

TEST(store_format_page_has_every_field_of_the_header)
{
	read_page();
#define H(field) ROW(store_header, field)
	H(magic), H(version), H(header_bytes), H(total_bytes), H(pid), H(uid), H(start_ticks);
	H(created_realtime_ns), H(created_monotonic_ns), H(boot_id), H(pid_ns), H(program), H(exe),
		H(cwd);
	H(dir), H(cmdline_bytes), H(cmdline), H(cpu_hz), H(cpu_fallback), H(cpu_period_ns),
		H(kind_period);
	H(modules_offset), H(stacks_offset), H(rows_offset), H(arena_offset), H(arena_used);
	H(stack_count), H(row_count), H(module_count), H(thread_count), H(lost), H(cost_buckets);
	H(cost_total_ns), H(last_monotonic_ns), H(window_realtime_ns), H(window_monotonic_ns),
		H(dumps), H(finished), H(dump_requests), H(leaving), H(library), H(settings),
		H(dump), H(hold_until_ns), H(spare);
#undef H
	/* A field that is new in the header makes its size differ from the page's. */
	char size[64];
	snprintf(size, sizeof size, "`header_bytes` | %zu |", sizeof(struct store_header));
	CHECK(strstr(page, size) != NULL);
	snprintf(size, sizeof size, "`version` | %u |", STORE_VERSION);
	CHECK(strstr(page, size) != NULL);
}

TEST(store_format_page_has_every_field_of_the_last_dump)
{
	read_page();
#define D(field) ROW(store_dump, field)
	D(sequence), D(answered), D(result), D(kinds), D(ended_realtime_ns);
	D(complete_realtime_ns), D(number), D(bytes), D(dir), D(problem);
#undef D
}

TEST(store_format_page_has_every_field_of_a_module)
{
	read_page();
#define M(field) ROW(store_module, field)
	M(state), M(path_offset), M(start), M(limit), M(file_offset), M(bias);
	M(loaded_monotonic_ns), M(unloaded_monotonic_ns), M(build_id_bytes), M(is_exe), M(is_vdso);
	M(spare), M(build_id);
#undef M
	char size[64];
	snprintf(size, sizeof size, "%u entries of %zu bytes", STORE_MODULES_MAX,
		 sizeof(struct store_module));
	CHECK(strstr(page, size) != NULL);
	snprintf(size, sizeof size, "%u words of 8 bytes", STORE_INDEX_SLOTS);
	CHECK(strstr(page, size) != NULL);
}

TEST(store_format_page_has_every_kind_and_class)
{
	char text[64];

	read_page();
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT; k++) {
		snprintf(text, sizeof text, "\n| %u | ", k);
		CHECK(strstr(page, text) != NULL);
	}
#define X(id, name, kind)                                                                          \
	snprintf(text, sizeof text, " %d `%s`", id, name);                                         \
	if (!strstr(page, text))                                                                   \
		check_fail(__FILE__, __LINE__, "docs/store-format.md has not \"%s\"", text);
	STORE_WAIT_CLASSES(X)
#undef X
}
