/* SPDX-License-Identifier: MIT */
#include "cli/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/utf8.h"

char *human_safe(char *s)
{
	utf8_clean(s, strlen(s));
	/* C1: as good as ESC to some terminals. */
	for (unsigned char *c = (unsigned char *)s; *c; c++)
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	return s;
}

const char *human_bytes(uint64_t bytes, char buf[HUMAN_BYTES])
{
	static const char units[] = "KMGTPE";
	double n = (double)bytes;
	int unit = -1;

	while (n >= 1024 && unit < 5) {
		n /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(buf, HUMAN_BYTES, "%" PRIu64 "B", bytes);
	else
		snprintf(buf, HUMAN_BYTES, "%.*f%c", n < 9.95 ? 1 : 0, n, units[unit]);
	return buf;
}

const char *human_age(uint64_t ns, char buf[HUMAN_BYTES])
{
	uint64_t s = ns / 1000000000;

	if (s < 60)
		snprintf(buf, HUMAN_BYTES, "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(buf, HUMAN_BYTES, "%" PRIu64 "m%02" PRIu64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, HUMAN_BYTES, "%" PRIu64 "h%02" PRIu64 "m", s / 3600, s / 60 % 60);
	else
		snprintf(buf, HUMAN_BYTES, "%" PRIu64 "d%02" PRIu64 "h", s / 86400, s / 3600 % 24);
	return buf;
}

const char *human_ns(uint64_t ns, char buf[HUMAN_BYTES])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	double n = (double)ns;
	int unit = 0;

	if (ns >= UINT64_C(60000000000))
		return human_age(ns, buf);
	while (n >= 1000 && unit < 3) {
		n /= 1000;
		unit++;
	}
	snprintf(buf, HUMAN_BYTES, "%.*f%s", unit && n < 9.95 ? 1 : 0, n, units[unit]);
	return buf;
}

const char *human_time(uint64_t realtime_ns, char buf[HUMAN_BYTES])
{
	time_t t = (time_t)(realtime_ns / 1000000000);
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(buf, HUMAN_BYTES, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(buf, HUMAN_BYTES, "?");
	return buf;
}
