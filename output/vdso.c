/* SPDX-License-Identifier: MIT */
#include "output/vdso.h"

#include <errno.h>
#include <stdbool.h>

#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

/* Reads a number in hex up to the character `end`; returns what is behind it, NULL when it is none.
 */
static const char *parse_hex(const char *s, char end, uint64_t *ret_value)
{
	*ret_value = 0;
	for (; *s && *s != end; s++) {
		unsigned digit = (unsigned char)*s - (unsigned)'0';

		if (digit > 9)
			digit = (unsigned char)*s - (unsigned)'a' + 10;
		if (digit > 15)
			return NULL;
		*ret_value = *ret_value << 4 | digit;
	}
	return *s ? s + 1 : NULL;
}

/* Is this line of /proc/PID/maps "START-LIMIT r-xp 0 00:00 0    [vdso]"? */
static bool is_vdso_line(const char *line, size_t n, uint64_t *ret_start, uint64_t *ret_limit)
{
	static const char name[] = " [vdso]";
	size_t tail = sizeof name - 1;

	if (n < tail || memcmp(line + n - tail, name, tail) != 0)
		return false;
	line = parse_hex(line, '-', ret_start);
	return line && parse_hex(line, ' ', ret_limit) && *ret_start < *ret_limit;
}

static bool find_vdso(uint64_t *ret_start, uint64_t *ret_limit)
{
	char buf[2048], line[128]; /* longer lines name files */
	struct text t = TEXT_ON(line);
	bool found = false;
	int fd = sys_open("/proc/thread-self/maps", O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return false;
	while (!found && (n = sys_read(fd, buf, sizeof buf)) > 0) {
		for (ssize_t i = 0; i < n && !found; i++) {
			if (buf[i] != '\n') {
				text_char(&t, buf[i]);
				continue;
			}
			found = !t.cut && is_vdso_line(line, t.len, ret_start, ret_limit);
			t = TEXT_ON(line);
		}
	}
	sys_close(fd);
	return found;
}

int vdso_open(struct elf *e)
{
	uint64_t start, limit;

	if (!find_vdso(&start, &limit))
		return -ENOENT;
	return elf_open_image(e, (const void *)start, limit - start);
}
