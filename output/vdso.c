/* SPDX-License-Identifier: MIT */
#include "output/vdso.h"

#include <errno.h>
#include <stdbool.h>

#include "core/text.h"
#include "output/maps.h"

#include "core/as_safe.h"

struct range {
	uint64_t start, limit;
};

static bool is_elsewhere(void *opaque, const struct maps_line *line)
{
	struct range *found = opaque;

	if (!text_equal(line->name, "[vdso]"))
		return true;
	*found = (struct range){line->start, line->limit};
	return false;
}

int vdso_open(struct elf *e)
{
	struct range found = {0, 0};
	struct maps_buffer buffer;

	if (maps_each(&buffer, is_elsewhere, &found) < 0 || !found.limit)
		return -ENOENT;
	return elf_open_image(e, (const void *)found.start, found.limit - found.start);
}
