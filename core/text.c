/* SPDX-License-Identifier: MIT */
#include "core/text.h"

#include <errno.h>

#include "core/as_safe.h"

void text_bytes(struct text *t, const char *s, size_t n)
{
	size_t room = t->size - 1 - t->len;

	if (n > room) {
		n = room;
		t->cut = true;
	}
	memcpy(t->buf + t->len, s, n);
	t->len += n;
	t->buf[t->len] = '\0';
}

void text_str(struct text *t, const char *s)
{
	text_bytes(t, s, text_length(s));
}

void text_char(struct text *t, char c)
{
	text_bytes(t, &c, 1);
}

static void text_base(struct text *t, uint64_t v, unsigned base)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	text_bytes(t, digits + at, sizeof digits - at);
}

void text_u64(struct text *t, uint64_t v)
{
	text_base(t, v, 10);
}

void text_i64(struct text *t, int64_t v)
{
	if (v < 0)
		text_char(t, '-');
	text_base(t, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10);
}

void text_hex(struct text *t, uint64_t v)
{
	text_base(t, v, 16);
}

int text_parse_u64(const char *s, size_t n, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (n == 0)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned char)s[i] - (unsigned)'0';

		if (digit > 9)
			return -EINVAL;
		if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, digit, &v))
			return -ERANGE;
	}
	*ret_value = v;
	return 0;
}

size_t text_length(const char *s)
{
	return strlen(s);
}

bool text_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

bool text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

const char *text_basename(const char *s)
{
	const char *base = s;

	for (; *s; s++)
		if (*s == '/')
			base = s + 1;
	return base;
}

const char *text_errno(int negative_errno)
{
	switch (-negative_errno) {
#define E(name)                                                                                    \
	case name:                                                                                 \
		return #name;
		/* clang-format off */
		E(EPERM) E(ENOENT) E(EIO) E(EBADF) E(EAGAIN) E(ENOMEM) E(EACCES) E(EFAULT) E(EEXIST)
		E(ENOTDIR) E(EISDIR) E(EINVAL) E(ENFILE) E(EMFILE) E(EFBIG) E(ENOSPC) E(EROFS)
		E(ENAMETOOLONG) E(ELOOP) E(EDQUOT) E(EPROTO) E(ENOSYS) E(ESRCH) E(ENOEXEC) E(ERANGE)
		E(EOVERFLOW) E(EOPNOTSUPP)
		/* clang-format on */
#undef E
						default : return "error";
	}
}
