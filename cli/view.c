/* SPDX-License-Identifier: MIT */
#include "cli/view.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/measure.h"
#include "cli/names.h"
#include "cli/terminal.h"
#include "core/utf8.h"

static bool has_control(const char *name)
{
	for (; *name; name++)
		if ((unsigned char)*name < 0x20 || *name == 0x7f)
			return true;
	return false;
}

/* The newest profile of a directory, with a name that can be shown. */
static bool newest_profile(const char *dir, char ret_path[PATH_MAX])
{
	struct timespec newest = {0};
	struct dirent *entry;
	bool found = false;
	DIR *d = opendir(dir);

	while (d && (entry = readdir(d))) {
		size_t n = strlen(entry->d_name);
		struct stat st;

		if (n <= 6 || strcmp(entry->d_name + n - 6, ".pb.gz") != 0 ||
		    has_control(entry->d_name) || fstatat(dirfd(d), entry->d_name, &st, 0) < 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (found &&
		    (st.st_mtim.tv_sec < newest.tv_sec ||
		     (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec <= newest.tv_nsec)))
			continue;
		newest = st.st_mtim;
		found = snprintf(ret_path, PATH_MAX, "%s%s%s", dir,
				 dir[0] && dir[strlen(dir) - 1] == '/' ? "" : "/",
				 entry->d_name) < PATH_MAX;
	}
	if (d)
		closedir(d);
	return found;
}

/* No file: where the newest of the directory that profiles go to by default is. */
static int no_file(const struct command *c)
{
	const char *configured = getenv("CPROF_OUTPUT_DIR");
	char dir[64], path[PATH_MAX];

	snprintf(dir, sizeof dir, "/tmp/cprof-%u", (unsigned)geteuid());
	if (configured && configured[0] ? newest_profile(configured, path)
					: newest_profile(dir, path))
		return usage_error(c, "no FILE given; the newest profile is %s", path);
	return usage_error(c, "no FILE given");
}

static int set_filter(struct view *v, enum filter_kind kind, const char *pattern)
{
	char why[256];

	if (filter_set(&v->filter, kind, pattern, why) < 0)
		return usage_error(v->command, "--%s %s: %s", filter_name(kind), pattern, why);
	return EXIT_OK;
}

static int set_value(struct view *v, const struct view_option *o, const char *text)
{
	char *end;

	if (o->kind == VIEW_TEXT) {
		*(const char **)o->value = text;
	} else if (o->kind == VIEW_COUNT) {
		errno = 0;
		size_t n = strtoul(text, &end, 10);
		if (text[0] < '0' || text[0] > '9' || *end || errno)
			return usage_error(v->command, "%s %s: expected a number", o->name, text);
		*(size_t *)o->value = n;
	} else {
		double percent = strtod(text, &end);
		if (end == text || !(percent >= 0 && percent <= 100) ||
		    (*end && strcmp(end, "%") != 0))
			return usage_error(v->command, "%s %s: expected a percentage, 0 to 100",
					   o->name, text);
		*(double *)o->value = percent / 100;
	}
	return EXIT_OK;
}

/* One of the options at argv[*at].  1: it was, *ret_status says how that went; 0: it is none;
 * -1: the value is missing. */
static int parse_option(struct view *v, const struct view_option *own, size_t count, int argc,
			char **argv, int *at, int *ret_status)
{
	char *value;
	int r;

	for (int k = 0; k < FILTER_KINDS; k++) {
		char name[16];

		snprintf(name, sizeof name, "--%s", filter_name(k));
		if ((r = option_is(argc, argv, at, name, &value)) != 0) {
			*ret_status = r > 0 ? set_filter(v, k, value) : EXIT_OK;
			return r;
		}
	}
	if ((r = option_is(argc, argv, at, "--sample", &value)) != 0) {
		v->sample = r > 0 ? value : NULL;
		return r;
	}
	if ((r = option_is(argc, argv, at, "--diff-base", &value)) != 0) {
		v->base = r > 0 ? value : NULL;
		return r;
	}
	for (size_t i = 0; i < count; i++) {
		const struct view_option *o = &own[i];

		r = option_is(argc, argv, at, o->name, o->kind == VIEW_FLAG ? NULL : &value);
		if (r > 0 && o->kind == VIEW_FLAG)
			*(bool *)o->value = true;
		else if (r > 0)
			*ret_status = set_value(v, o, value);
		if (r)
			return r;
	}
	return 0;
}

bool view_parse(struct view *v, const struct command *c, const struct view_option *own,
		size_t count, int argc, char **argv, int *ret_status)
{
	bool options = true;

	*v = (struct view){.command = c, .files = memory_get((size_t)argc * sizeof *v->files)};
	*ret_status = EXIT_OK;
	for (int i = 1; i < argc && *ret_status == EXIT_OK; i++) {
		const char *word = argv[i];
		int r;

		if (!options || word[0] != '-' || word[1] == '\0') {
			v->files[v->file_count++] = argv[i];
		} else if (strcmp(word, "--") == 0) {
			options = false;
		} else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
			*ret_status = usage_show(c);
			return false;
		} else if ((r = parse_option(v, own, count, argc, argv, &i, ret_status)) < 0) {
			*ret_status = usage_error(c, "%s needs a value", word);
		} else if (r == 0) {
			*ret_status = usage_error(c, "%s is no option", word);
		}
	}
	if (*ret_status == EXIT_OK && v->file_count == 0)
		*ret_status = no_file(c);
	return *ret_status == EXIT_OK;
}

int view_colour(struct view *v, const char *when)
{
	if (terminal_colour(when, &v->colour) == 0)
		return EXIT_OK;
	return usage_error(v->command, "--color %s: expected auto, always or never", when);
}

/* The sum of all samples; in a difference, of its base. */
static int64_t total_of(const struct profile *p, unsigned column)
{
	int64_t total = 0, base = 0;

	for (size_t i = 0; i < p->sample_keys.count; i++) {
		int64_t v = measure_abs(p->values[i * p->type_count + column]);

		total = measure_add(total, v);
		if (p->samples[i].is_base)
			base = measure_add(base, v);
	}
	return base > 0 ? base : total;
}

/* "this profile has: samples, cpu" */
static int no_column(const struct view *v)
{
	const struct profile *p = &v->profile;
	char names[256] = "";
	size_t n = 0;

	if (p->type_count == 0) {
		say("%s: the profile has no sample types", v->command->name);
		return EXIT_FAILED;
	}
	for (unsigned i = 0; i < p->type_count && n < sizeof names - 1; i++)
		n += (size_t)snprintf(names + n, sizeof names - n, "%s%s", i ? ", " : "",
				      p->types[i].type);
	utf8_clean(names, strlen(names));
	if (v->needs) {
		say("%s: %s: not %s: it has %s", v->command->name, v->files[0], v->needs, names);
		return EXIT_FAILED;
	}
	say("%s: --sample=%s: this profile has: %s", v->command->name, v->sample ? v->sample : "",
	    names);
	return EXIT_FAILED;
}

static int add_file(struct view *v, const char *path,
		    int (*add)(struct profile *p, const char *path, char why[256]))
{
	char why[256], newest[PATH_MAX];
	struct stat st;

	if (strcmp(path, "-") != 0 && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (newest_profile(path, newest))
			say("%s: %s is a directory; its newest profile is %s", v->command->name,
			    path, newest);
		else
			say("%s: %s is a directory, without a profile in it", v->command->name,
			    path);
		return EXIT_FAILED;
	}
	if (add(&v->profile, path, why) == 0)
		return EXIT_OK;
	utf8_clean(why, strlen(why)); /* it may hold names of the file's */
	say("%s: %s: %s", v->command->name, path, why);
	return EXIT_FAILED;
}

int view_load(struct view *v)
{
	struct profile *p = &v->profile;
	int column;

	for (int i = 0; i < v->file_count; i++)
		if (add_file(v, v->files[i], profile_add_file) != EXIT_OK)
			return EXIT_FAILED;
	if (v->base && add_file(v, v->base, profile_subtract_file) != EXIT_OK)
		return EXIT_FAILED;
	column = profile_column(p, v->sample);
	if (column < 0)
		return no_column(v);
	v->column = (unsigned)column;
	v->type = &p->types[column];
	v->total = total_of(p, v->column);
	names_simplify(p);
	names_prune(p);
	unsigned missed = filter_apply(&v->filter, p);
	for (int k = 0; k < FILTER_KINDS; k++)
		if (missed & 1u << k)
			say("%s: --%s %s: no %s matches", v->command->name, filter_name(k),
			    v->filter.pattern[k], k == FILTER_CLASS ? "class" : "frame");
	return EXIT_OK;
}

void view_free(struct view *v)
{
	profile_free(&v->profile);
	filter_free(&v->filter);
	free(v->files);
}

const char *view_unit(const struct view *v, int64_t min, int64_t max)
{
	const char *from = v->type->unit, *smallest, *largest, *unit;

	if (min == 0)
		min = max;
	(void)measure_scale(min, from, "minimum", &smallest);
	(void)measure_scale(max, from, "minimum", &largest);
	unit = smallest;
	int64_t hundred = (int64_t)((uint64_t)min * 100);
	if (strcmp(smallest, largest) != 0 && hundred < max)
		(void)measure_scale(hundred, from, "minimum", &unit);
	return unit[0] ? unit : from;
}

static void header_time(int64_t ns, FILE *to)
{
	time_t seconds = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
	struct tm tm;
	char date[64], zone[64];

	if (!localtime_r(&seconds, &tm))
		return;
	strftime(date, sizeof date, "%b %-d, %Y at %-I:%M", &tm);
	strftime(zone, sizeof zone, "%Z", &tm);
	fprintf(to, "Time: %s%s (%s)\n", date, tm.tm_hour < 12 ? "am" : "pm", zone);
}

static void header_duration(const struct view *v, const char *unit, FILE *to)
{
	char *duration = measure_label(v->profile.duration_ns, "nanoseconds", "auto");
	char *total = measure_label(v->total, v->type->unit, unit);
	char percent[MEASURE_PERCENT_BYTES];
	const char *is;
	double ns = measure_scale(v->total, v->type->unit, "nanoseconds", &is);

	fprintf(to, "Duration: %s, Total samples = %s ", duration, total);
	if (strcmp(is, "ns") == 0 && ns != 0) {
		measure_percent(measure_integer(ns), v->profile.duration_ns, percent);
		fprintf(to, "(%s)", percent);
	}
	putc('\n', to);
	free(duration);
	free(total);
}

void view_header(const struct view *v, const char *unit, FILE *to)
{
	const struct profile *p = &v->profile;

	if (p->mapping_keys.count && p->mappings[0].file[0]) {
		size_t n;
		const char *name = profile_file_name(p->mappings[0].file, &n);

		fputs("File: ", to);
		terminal_write(name, n, to);
		putc('\n', to);
	}
	if (p->mapping_keys.count && p->mappings[0].build_id[0]) {
		fputs("Build ID: ", to);
		terminal_print(p->mappings[0].build_id, to);
		putc('\n', to);
	}
	for (size_t i = 0; i < p->comment_count; i++) {
		if (p->comments[i][0] == '#')
			continue;
		terminal_print(p->comments[i], to);
		putc('\n', to);
	}
	if (v->type->type[0]) {
		fputs("Type: ", to);
		terminal_print(v->type->type, to);
		putc('\n', to);
	}
	if (p->time_ns)
		header_time(p->time_ns, to);
	if (p->duration_ns)
		header_duration(v, unit, to);
	bool filters = false;
	for (int k = 0; k < FILTER_KINDS; k++) {
		char line[96];

		if (!v->filter.pattern[k])
			continue;
		if (!filters)
			fputs("Active filters:\n", to);
		filters = true;
		int n = snprintf(line, 82, "%s=%s", filter_name(k), v->filter.pattern[k]);
		fputs("   ", to);
		terminal_write(line, n > 80 ? 80 : (size_t)n, to);
		fputs(n > 80 ? "\u2026\n" : "\n", to);
	}
}

/* Columns of characters, not bytes: a unit may be "\u00b5s". */
void view_value(const struct view *v, int64_t value, const char *unit)
{
	char *text = measure_label(value, v->type->unit, unit);
	int n = 0;

	for (const char *c = text; *c; c++)
		n += ((unsigned char)*c & 0xc0) != 0x80;
	printf("%*s", n < 10 ? 10 - n : 0, "");
	terminal_print(text, stdout);
	free(text);
}
