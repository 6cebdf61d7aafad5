/* SPDX-License-Identifier: MIT */
#include "core/utf8.h"

#include "core/as_safe.h"

size_t utf8_sequence(const unsigned char *s, size_t n)
{
	/* The second byte's limits rule out overlong forms, surrogates and what is above U+10FFFF
	 * (table 3-7 of the Unicode Standard). */
	unsigned char low = 0x80, high = 0xbf;
	size_t length;

	if (n == 0)
		return 0;
	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		length = 2;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		length = 3;
		low = s[0] == 0xe0 ? 0xa0 : low;
		high = s[0] == 0xed ? 0x9f : high;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		length = 4;
		low = s[0] == 0xf0 ? 0x90 : low;
		high = s[0] == 0xf4 ? 0x8f : high;
	} else {
		return 0;
	}
	if (n < length || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < length; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return length;
}

void utf8_clean(char *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		const unsigned char *at = (const unsigned char *)s + i;
		size_t length = utf8_sequence(at, n - i);

		if (length == 0 || *at < 0x20 || *at == 0x7f) {
			s[i] = '?';
			length = 1;
		}
		i += length;
	}
}
