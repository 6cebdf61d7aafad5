/* SPDX-License-Identifier: MIT */
#include "output/file_kind.h"

#include "core/text.h"

#include "core/as_safe.h"

#define HEAP(...)                                                                                  \
	{                                                                                          \
		.rows = KIND_BIT(KIND_HEAP), .column_count = 4,                                    \
		.columns = {{"alloc_objects", "count"},                                            \
			    {"alloc_space", "bytes"},                                              \
			    {"inuse_objects", "count"},                                            \
			    {"inuse_space", "bytes"}},                                             \
		.period_type = {"space", "bytes"}, __VA_ARGS__                                     \
	}

#define CONTENTION(...)                                                                            \
	{                                                                                          \
		.columns = {{"contentions", "count"}, {"delay", "nanoseconds"}},                   \
		.column_count = 2, .period_type = {"contentions", "count"}, .period = 1,           \
		__VA_ARGS__                                                                        \
	}

const struct file_kind file_kinds[KIND_COUNT] = {
	[KIND_CPU] = {.name = "cpu",
		      .rows = KIND_BIT(KIND_CPU),
		      .is_window = true,
		      .columns = {{"samples", "count"}, {"cpu", "nanoseconds"}},
		      .column_count = 2,
		      .period_type = {"cpu", "nanoseconds"}},
	[KIND_HEAP] = HEAP(.name = "heap"),
	[KIND_ALLOCS] = HEAP(.name = "allocs", .default_type = "alloc_space", .twin_of = KIND_HEAP),
	[KIND_BLOCK] = CONTENTION(.name = "block", .rows = KIND_BIT(KIND_BLOCK)),
	[KIND_MUTEX] = CONTENTION(.name = "mutex", .rows = KIND_BIT(KIND_MUTEX)),
	[KIND_WALL] = {.name = "wall",
		       .rows = KIND_BIT(KIND_CPU) | KIND_BIT(KIND_BLOCK) | KIND_BIT(KIND_IDLE),
		       .is_window = true,
		       .columns = {{"samples", "count"}, {"wall", "nanoseconds"}},
		       .column_count = 2,
		       .period_type = {"wall", "nanoseconds"}},
};

enum store_kind file_kind_next(enum store_kind k, uint32_t set)
{
	while (++k < KIND_COUNT)
		if (file_kinds[k].name && set & KIND_BIT(k))
			return k;
	return KIND_NONE;
}

enum store_kind file_kind_named(const char *name, size_t n)
{
	enum store_kind k = KIND_NONE;

	while ((k = file_kind_next(k, KIND_ALL)) != KIND_NONE)
		if (text_length(file_kinds[k].name) == n &&
		    memcmp(file_kinds[k].name, name, n) == 0)
			break;
	return k;
}

uint32_t file_kind_rows(enum store_kind k, const struct store_header *h)
{
	return file_kinds[k].rows | (k == KIND_BLOCK && h->block_idle ? KIND_BIT(KIND_IDLE) : 0);
}
