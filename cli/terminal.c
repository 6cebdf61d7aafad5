/* SPDX-License-Identifier: MIT */
#include "cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "core/utf8.h"

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && no[0]) && term && term[0] && strcmp(term, "dumb") != 0 &&
	       isatty(STDOUT_FILENO);
}

int terminal_colour(const char *when, bool *ret_colour)
{
	if (strcmp(when, "auto") == 0)
		*ret_colour = wants_colour();
	else if (strcmp(when, "always") == 0)
		*ret_colour = true;
	else if (strcmp(when, "never") == 0)
		*ret_colour = false;
	else
		return -EINVAL;
	return 0;
}

const char *terminal_begin(bool colour, enum terminal_style style)
{
	static const char *const sequences[] = {
		[STYLE_PLAIN] = "",	    [STYLE_COLD] = "\033[2m",	 [STYLE_WARM] = "\033[33m",
		[STYLE_HOT] = "\033[1;31m", [STYLE_HEADING] = "\033[1m",
	};

	return colour ? sequences[style] : "";
}

const char *terminal_end(bool colour, enum terminal_style style)
{
	return colour && style != STYLE_PLAIN ? "\033[0m" : "";
}

enum terminal_style terminal_heat(int64_t value, int64_t total)
{
	double share = total ? (double)value / (double)total : 0;

	if (share < 0)
		share = -share;
	return share >= 0.1    ? STYLE_HOT
	       : share >= 0.02 ? STYLE_WARM
	       : share < 0.005 ? STYLE_COLD
			       : STYLE_PLAIN;
}

bool terminal_is_utf8(void)
{
	static const char *const variables[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (int i = 0; i < 3; i++) {
		const char *locale = getenv(variables[i]);

		if (locale && locale[0])
			return strcasestr(locale, "utf-8") || strcasestr(locale, "utf8");
	}
	return false;
}

void terminal_print(const char *s, FILE *to)
{
	terminal_write(s, strlen(s), to);
}

void terminal_write(const char *s, size_t n, FILE *to)
{
	const unsigned char *c = (const unsigned char *)s;

	for (size_t step; n; c += step, n -= step) {
		size_t length = utf8_sequence(c, n);
		bool is_control = c[0] < 0x20 || c[0] == 0x7f;

		/* U+0080 to U+009F in either form: an 8-bit terminal takes the byte for one. */
		is_control |= length == 2 && c[0] == 0xc2 && c[1] < 0xa0;
		is_control |= length == 0 && c[0] < 0xa0;
		step = length ? length : 1;
		if (is_control)
			putc('?', to);
		else
			fwrite(c, 1, step, to);
	}
}
