/* SPDX-License-Identifier: MIT */
#include "cli/measure.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"

struct unit {
	const char *name;
	const char *aliases[3];
	double factor;
};

/* clang-format off */
static const struct unit bytes[] = {
	{"B", {"b", "byte"}, 1},
	{"kB", {"kb", "kbyte", "kilobyte"}, 0x1p10},
	{"MB", {"mb", "mbyte", "megabyte"}, 0x1p20},
	{"GB", {"gb", "gbyte", "gigabyte"}, 0x1p30},
	{"TB", {"tb", "tbyte", "terabyte"}, 0x1p40},
	{"PB", {"pb", "pbyte", "petabyte"}, 0x1p50},
};
static const struct unit times[] = {
	{"ns", {"ns", "nanosecond"}, 1},
	{"us", {"\u03bcs", "us", "microsecond"}, 1e3},
	{"ms", {"ms", "millisecond"}, 1e6},
	{"s", {"s", "sec", "second"}, 1e9},
	{"hrs", {"hour", "hr"}, 3600e9},
};
static const struct unit gcus[] = { /* cores of an abstract machine; some producers count in them */
	{"n*GCU", {"nanogcu"}, 1e-9},
	{"u*GCU", {"microgcu"}, 1e-6},
	{"m*GCU", {"milligcu"}, 1e-3},
	{"GCU", {"gcu"}, 1},
	{"k*GCU", {"kilogcu"}, 1e3},
	{"M*GCU", {"megagcu"}, 1e6},
	{"G*GCU", {"gigagcu"}, 1e9},
	{"T*GCU", {"teragcu"}, 1e12},
	{"P*GCU", {"petagcu"}, 1e15},
};
/* clang-format on */

static const struct family {
	const struct unit *units;
	unsigned count;
	const char *name; /* what is used when nothing else fits */
	double factor;
} families[] = {
	{bytes, sizeof bytes / sizeof bytes[0], "B", 1},
	{times, sizeof times / sizeof times[0], "s", 1e9},
	{gcus, sizeof gcus / sizeof gcus[0], "GCU", 1},
};

static const struct unit *unit_of(const struct family *f, const char *text)
{
	char name[32];
	size_t n = strlen(text);

	if (n >= sizeof name)
		return NULL;
	for (size_t i = 0; i <= n; i++)
		name[i] = text[i] >= 'A' && text[i] <= 'Z' ? (char)(text[i] | 0x20) : text[i];
	if (n > 2 && name[n - 1] == 's')
		name[n - 1] = '\0';
	for (unsigned u = 0; u < f->count; u++)
		for (unsigned a = 0; a < 3 && f->units[u].aliases[a]; a++)
			if (strcmp(name, f->units[u].aliases[a]) == 0)
				return &f->units[u];
	return NULL;
}

static bool is_automatic(const char *to)
{
	return strcmp(to, "minimum") == 0 || strcmp(to, "auto") == 0;
}

static double in_family(const struct family *f, double v, const char *to, const char **ret_unit)
{
	const struct unit *best = NULL;

	if (is_automatic(to)) {
		for (unsigned u = 0; u < f->count; u++)
			if (v / f->units[u].factor >= 1.0)
				best = &f->units[u];
	} else {
		best = unit_of(f, to);
	}
	*ret_unit = best ? best->name : f->name;
	return v / (best ? best->factor : f->factor);
}

double measure_scale(int64_t value, const char *from, const char *to, const char **ret_unit)
{
	static const char *const bare[] = {"count", "sample", "unit", "minimum", "auto"};

	if (value < 0 && value != INT64_MIN)
		return -measure_scale(-value, from, to, ret_unit);
	for (unsigned i = 0; i < sizeof families / sizeof families[0]; i++) {
		const struct unit *u = unit_of(&families[i], from);

		if (u)
			return in_family(&families[i], (double)value * u->factor, to, ret_unit);
	}
	*ret_unit = to;
	for (unsigned i = 0; i < sizeof bare / sizeof bare[0]; i++)
		if (strcmp(to, bare[i]) == 0)
			*ret_unit = "";
	return (double)value;
}

char *measure_label(int64_t value, const char *from, const char *to)
{
	const char *unit;
	double v = measure_scale(value, from, to, &unit);
	char number[512], *text;
	size_t n = (size_t)snprintf(number, sizeof number, "%.2f", v);

	if (n > 3 && strcmp(number + n - 3, ".00") == 0)
		number[n - 3] = '\0';
	if (strcmp(number, "0") == 0 || strcmp(number, "-0") == 0) {
		number[0] = '0';
		number[1] = '\0';
		unit = "";
	}
	text = memory_get(strlen(number) + strlen(unit) + 1);
	strcpy(text, number);
	return strcat(text, unit);
}

void measure_percent(int64_t value, int64_t total, char ret_text[MEASURE_PERCENT_BYTES])
{
	double ratio = total ? fabs((double)value / (double)total) * 100 : 0;

	if (ratio >= 99.95 && ratio <= 100.05)
		snprintf(ret_text, MEASURE_PERCENT_BYTES, "  100%%");
	else if (ratio >= 1.0)
		snprintf(ret_text, MEASURE_PERCENT_BYTES, "%5.2f%%", ratio);
	else
		snprintf(ret_text, MEASURE_PERCENT_BYTES, "%5.2g%%", ratio);
}

int64_t measure_integer(double v)
{
	return v >= -0x1p63 && v < 0x1p63 ? (int64_t)v : INT64_MIN;
}

int64_t measure_abs(int64_t v)
{
	return v < 0 ? (int64_t)(0 - (uint64_t)v) : v;
}

int64_t measure_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}
