/* SPDX-License-Identifier: MIT */
#include "output/maps.h"

#include <stddef.h>

#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

/* Reads a number in base 10 or 16 up to the character `end`; returns what is behind it, NULL when it
 * is none. */
static const char *parse_number(const char *s, unsigned base, char end, uint64_t *ret_value)
{
	const char *first = s;

	*ret_value = 0;
	for (; *s && *s != end; s++) {
		unsigned digit = (unsigned char)*s - (unsigned)'0';

		if (digit > 9)
			digit = (unsigned char)*s - (unsigned)'a' + 10;
		if (digit >= base || __builtin_mul_overflow(*ret_value, base, ret_value) ||
		    __builtin_add_overflow(*ret_value, digit, ret_value))
			return NULL;
	}
	return *s && s > first ? s + 1 : NULL;
}

/* "START-LIMIT rwxp OFFSET MAJOR:MINOR INODE      NAME"; a blank is behind the inode also where there is
 * no name. */
bool maps_parse(const char *line, struct maps_line *ret_line)
{
	uint64_t major, minor;
	const char *s = parse_number(line, 16, '-', &ret_line->start);

	s = s ? parse_number(s, 16, ' ', &ret_line->limit) : NULL;
	if (!s || strlen(s) < 5 || s[4] != ' ')
		return false;
	ret_line->executable = s[2] == 'x';
	s = parse_number(s + 5, 16, ' ', &ret_line->file_offset);
	s = s ? parse_number(s, 16, ':', &major) : NULL;
	s = s ? parse_number(s, 16, ' ', &minor) : NULL;
	s = s ? parse_number(s, 10, ' ', &ret_line->inode) : NULL;
	if (!s || ret_line->start >= ret_line->limit)
		return false;
	while (*s == ' ')
		s++;
	ret_line->device = major << 32 | minor;
	ret_line->name = s;
	return true;
}

int maps_each(struct maps_buffer *buffer, bool (*each)(void *opaque, const struct maps_line *line),
	      void *opaque)
{
	struct text t = TEXT_ON(buffer->line);
	struct maps_line line;
	bool more = true;
	int fd = sys_open("/proc/thread-self/maps", O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	while (more && (n = sys_read(fd, buffer->block, sizeof buffer->block)) > 0) {
		for (ssize_t i = 0; i < n && more; i++) {
			if (buffer->block[i] != '\n') {
				text_char(&t, buffer->block[i]);
				continue;
			}
			if (!t.cut && maps_parse(buffer->line, &line))
				more = each(opaque, &line);
			t = TEXT_ON(buffer->line);
			buffer->line[0] = '\0';
		}
	}
	sys_close(fd);
	return 0;
}
