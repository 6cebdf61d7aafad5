/* SPDX-License-Identifier: MIT */
/*
 * A linkage name of any bytes, C++ or Rust.
 *
 * The first byte says how the name begins, since few random names are mangled ones.  The result is
 * always a string for a profile.
 */
#include "tests/fuzz/fuzz.h"

#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <string.h>

#include "output/demangle.h"

#define STACK_BYTES ((size_t)16 << 20) /* of output/demangle */

/* By code points, unlike core/utf8. */
static bool is_clean(const char *s)
{
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		unsigned more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
		static const uint32_t smallest[] = {0x20, 0x80, 0x800, 0x10000};
		uint32_t code = more ? *p & (0x3fu >> more) : *p;

		if ((*p >= 0x80 && *p < 0xc0) || *p >= 0xf8)
			return false;
		for (unsigned i = 1; i <= more; i++) {
			if ((p[i] & 0xc0) != 0x80)
				return false;
			code = code << 6 | (p[i] & 0x3f);
		}
		if (code < smallest[more] || code == 0x7f || code > 0x10ffff ||
		    (code >= 0xd800 && code < 0xe000))
			return false;
		p += more + 1;
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const starts[] = {"", "_Z", "_R", "_ZN", "_RNv", "_ZN4core3fmt"};
	static const char *const ends[] = {
		"", "17h0123456789abcdefE", "E", ".cold", ".llvm.123", ".part.0"};
	static char name[4096], readable[DEMANGLE_OUTPUT_MAX];
	static struct demangler d, none;

	if (size < 2 || size > sizeof name - 64)
		return 0;
	if (!d.stack)
		demangle_start(&d);
	CLAIM(d.stack);
	strcpy(name, starts[data[0] % 6]);
	size_t n = strlen(name);
	memcpy(name + n, data + 2, size - 2);
	name[n + size - 2] = '\0';
	strcat(name, ends[data[1] % 6]);
	for (unsigned with = 0; with < 2; with++) {
		memset(readable, 'x', sizeof readable);
		demangle_name(with ? &d : &none, name, readable);
		CLAIM(memchr(readable, '\0', sizeof readable));
		CLAIM(is_clean(readable));
	}
	/* A name that is too long leaves the demangler by a jump, which AddressSanitizer does not
	 * see on a stack that it does not know. */
	ASAN_UNPOISON_MEMORY_REGION(d.stack, STACK_BYTES);
	return 0;
}
