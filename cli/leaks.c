/* SPDX-License-Identifier: MIT */
/*
 * cprof leaks: who holds the memory of a process, or has taken more of it since an earlier profile.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/human.h"
#include "cli/measure.h"
#include "cli/sites.h"
#include "cli/terminal.h"
#include "cli/view.h"
#include "config/value.h"

#define SITES_SHOWN  10u
#define FRAMES_SHOWN 16u /* of a deep stack, its root not counted */
/* A share of 1 within which an estimate is with a probability of 95 %, from so many samples. */
#define ERROR_OF(samples) (2 / sqrt(samples))

struct report {
	const struct view *view;
	struct sites sites;
	size_t count; /* at most so many sites; 0: all */
	uint64_t min_bytes;
	size_t shown;
	bool growth, full;
};

/* ---- numbers ---- */

static const char *bytes_text(int64_t bytes, char buf[HUMAN_BYTES])
{
	return human_bytes(bytes > 0 ? (uint64_t)bytes : 0, buf);
}

/* "+1.2M", "-300B" */
static const char *change_text(int64_t bytes, char buf[HUMAN_BYTES + 1])
{
	uint64_t size = bytes < 0 ? 0 - (uint64_t)bytes : (uint64_t)bytes;

	buf[0] = bytes < 0 ? '-' : '+';
	(void)human_bytes(size, buf + 1);
	return buf;
}

static double share(int64_t part, int64_t whole)
{
	return whole > 0 ? 100.0 * (double)part / (double)whole : 0;
}

static int64_t each(const struct site *s)
{
	return s->now.inuse_objects > 0 ? s->now.inuse_bytes / s->now.inuse_objects
					: s->now.inuse_bytes;
}

/* What a site is judged by. */
static int64_t weight(const struct report *r, const struct site *s)
{
	return r->growth ? site_growth(s) : s->now.inuse_bytes;
}

/* ---- the report ---- */

static void print_totals(const struct report *r)
{
	const struct site_sums *now = &r->sites.now, *base = &r->sites.base;
	char a[HUMAN_BYTES], b[HUMAN_BYTES], change[HUMAN_BYTES + 1];
	int64_t freed = measure_add(now->alloc_bytes, -now->inuse_bytes);

	printf("In use: %s in %" PRId64 " objects; %s in %" PRId64
	       " were allocated since the start, and %.1f%% of it freed\n",
	       bytes_text(now->inuse_bytes, a), now->inuse_objects, bytes_text(now->alloc_bytes, b),
	       now->alloc_objects, share(freed, now->alloc_bytes));
	if (r->growth) {
		const struct profile *p = &r->view->profile;
		bool timed = p->base_ns > 0 && p->newest_ns > p->base_ns;

		printf("Growth: %s, %+" PRId64 " objects",
		       change_text(measure_add(now->inuse_bytes, -base->inuse_bytes), change),
		       measure_add(now->inuse_objects, -base->inuse_objects));
		if (timed)
			printf(", in %s", human_age((uint64_t)(p->newest_ns - p->base_ns), a));
		putchar('\n');
	}
}

/* How far the numbers can be believed. */
static void print_precision(const struct report *r)
{
	int64_t period = r->view->profile.period;
	char a[HUMAN_BYTES], b[HUMAN_BYTES], c[HUMAN_BYTES];

	if (period <= 1) {
		puts("Exact: every allocation was seen");
		return;
	}
	if (period > INT64_MAX / 100)
		return;
	printf("Sampled every %s on average: a site of %s is right within %.0f%%, one of %s "
	       "within %.0f%%\n",
	       bytes_text(period, a), bytes_text(period * 100, b), 100 * ERROR_OF(100.0),
	       bytes_text(period * 10, c), 100 * ERROR_OF(10.0));
}

static void print_heading(const struct report *r)
{
	bool colour = r->view->colour;

	printf("\n%s", terminal_begin(colour, STYLE_HEADING));
	if (r->growth)
		printf("   %8s %8s %8s %8s %8s %7s  %s", "GROWTH", "FROM", "TO", "OBJECTS", "EACH",
		       "LEFT", "BY");
	else
		printf("   %8s %7s %8s %8s %7s  %s", "IN USE", "SHARE", "OBJECTS", "EACH", "LEFT",
		       "BY");
	puts(terminal_end(colour, STYLE_HEADING));
}

/* What every stack of libc begins with says nothing. */
static bool is_start(const char *name)
{
	static const char *const starts[] = {
		"_start", "__libc_start_main", "start_thread", "__libc_start_call_main",
		"clone3", "__clone3",	       "clone",	       "__clone"};

	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (strcmp(name, starts[i]) == 0)
			return true;
	return false;
}

static void print_stack(const struct report *r, const struct site *s)
{
	const char **frames = r->sites.frames + s->first_frame;
	uint32_t count = s->frame_count, first;

	while (!r->full && count > 1 && is_start(frames[count - 1]))
		count--;
	first = r->full || count <= FRAMES_SHOWN + 2 ? count : FRAMES_SHOWN;
	for (uint32_t i = 0; i < first; i++) {
		fputs("     ", stdout);
		terminal_print(frames[i], stdout);
		putchar('\n');
	}
	if (first == count)
		return;
	printf("     ... %" PRIu32 " more, up to ", count - first - 1);
	terminal_print(frames[count - 1], stdout);
	putchar('\n');
}

static void print_site(const struct report *r, const struct site *s)
{
	bool colour = r->view->colour;
	enum terminal_style style =
		terminal_heat(weight(r, s), r->growth ? measure_abs(r->sites.now.inuse_bytes)
						      : r->sites.now.inuse_bytes);
	char held[HUMAN_BYTES], from[HUMAN_BYTES], of_each[HUMAN_BYTES], change[HUMAN_BYTES + 1];
	double left = share(s->now.inuse_bytes, s->now.alloc_bytes);

	(void)bytes_text(s->now.inuse_bytes, held);
	(void)bytes_text(each(s), of_each);
	printf("%2zu %s", r->shown, terminal_begin(colour, style));
	if (r->growth)
		printf("%8s%s %8s %8s %+8" PRId64 " %8s", change_text(site_growth(s), change),
		       terminal_end(colour, style),
		       s->in_base ? bytes_text(s->base.inuse_bytes, from) : "new", held,
		       measure_add(s->now.inuse_objects, -s->base.inuse_objects), of_each);
	else
		printf("%8s%s %6.1f%% %8" PRId64 " %8s", held, terminal_end(colour, style),
		       share(s->now.inuse_bytes, r->sites.now.inuse_bytes), s->now.inuse_objects,
		       of_each);
	printf(" %6.1f%%  ", left);
	terminal_print(s->by[0] ? s->by : "-", stdout);
	puts(s->now.inuse_bytes >= s->now.alloc_bytes ? ", never freed" : "");
	print_stack(r, s);
}

/* What is not shown is said. */
static void print_rest(const struct report *r)
{
	const char *verb = r->growth ? "have grown by" : "hold";
	int64_t rest = 0, shrunk = 0;
	size_t rest_count = 0, shrunk_count = 0;
	char text[HUMAN_BYTES];

	for (size_t i = r->shown; i < r->sites.count; i++) {
		int64_t w = weight(r, &r->sites.list[i]);

		if (w > 0) {
			rest = measure_add(rest, w);
			rest_count++;
		} else if (w < 0) {
			shrunk = measure_add(shrunk, measure_abs(w));
			shrunk_count++;
		}
	}
	if (!r->shown)
		printf("\nno site %s%s\n", r->growth ? "has grown" : "holds memory",
		       rest_count ? " of that size" : "");
	if (rest_count)
		printf("\n%zu more %s %s\n", rest_count, verb, bytes_text(rest, text));
	if (shrunk_count && r->growth)
		printf("\n%zu have shrunk by %s\n", shrunk_count, bytes_text(shrunk, text));
}

static int report(struct report *r)
{
	view_header(r->view, "auto", stdout);
	print_totals(r);
	print_precision(r);
	for (size_t i = 0; i < r->sites.count && (!r->count || i < r->count); i++) {
		const struct site *s = &r->sites.list[i];
		int64_t w = weight(r, s);

		/* They are in order. */
		if (w <= 0 || (uint64_t)w < r->min_bytes)
			break;
		if (!r->shown++)
			print_heading(r);
		print_site(r, s);
	}
	print_rest(r);
	return output_end();
}

/* ---- the command line ---- */

/* "service.4711." of "dir/service.4711.heap.2.pb.gz", its number of characters; 0: not named so. */
static size_t process_of(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *found = NULL;
	static const char *const kinds[] = {".heap.", ".allocs."};

	*ret_name = name;
	for (unsigned i = 0; i < 2 && !found; i++)
		found = strstr(name, kinds[i]);
	return found ? (size_t)(found - name) : 0;
}

/* Each file tells all since the start: two of one process would count everything twice. */
static int check_files(const struct view *v)
{
	for (int i = 0; i < v->file_count; i++)
		for (int j = 0; j < i; j++) {
			const char *a, *b;
			size_t n = process_of(v->files[i], &a);

			if (n && process_of(v->files[j], &b) == n && strncmp(a, b, n) == 0)
				return usage_error(v->command,
						   "%s and %s are of the same process; give the "
						   "older one by --base",
						   v->files[j], v->files[i]);
		}
	return EXIT_OK;
}

static int check_base(const struct view *v)
{
	const struct profile *p = &v->profile;

	if (!v->base || p->base_ns <= 0 || p->newest_ns <= 0 || p->base_ns <= p->newest_ns)
		return EXIT_OK;
	say("leaks: --base %s is newer than %s: give them the other way round", v->base,
	    v->files[0]);
	return EXIT_FAILED;
}

static int set_min(struct report *r, const char *text)
{
	char buf[128] = "";
	struct text why = TEXT_ON(buf);

	if (!text || value_parse_number(text, 0, INT64_MAX, true, &r->min_bytes, &why) == 0)
		return EXIT_OK;
	return usage_error(&command_leaks, "--min-bytes %s: expected a number of bytes, as 10M",
			   text);
}

static int run(int argc, char **argv)
{
	struct report r = {.count = SITES_SHOWN};
	const char *colour = "auto", *min = NULL;
	size_t depth = 0;
	struct view v;
	const struct view_option options[] = {
		{"-n", VIEW_COUNT, &r.count},	{"--min-bytes", VIEW_TEXT, &min},
		{"--base", VIEW_TEXT, &v.base}, {"--depth", VIEW_COUNT, &depth},
		{"--full", VIEW_FLAG, &r.full}, {"--color", VIEW_TEXT, &colour},
	};
	int status;
	bool go_on = view_parse(&v, &command_leaks, options, sizeof options / sizeof options[0],
				argc, argv, &status);

	if (go_on && v.sample)
		status = usage_error(&command_leaks, "--sample: what is in use is shown always");
	if (go_on && status == EXIT_OK && (status = view_colour(&v, colour)) == EXIT_OK &&
	    (status = set_min(&r, min)) == EXIT_OK && (status = check_files(&v)) == EXIT_OK) {
		v.sample = "inuse_space";
		v.needs = "a heap profile";
		r.view = &v;
		r.growth = v.base != NULL;
		if ((status = view_load(&v)) == EXIT_OK && (status = check_base(&v)) == EXIT_OK) {
			if (sites_make(&r.sites, &v.profile, depth, r.growth) == 0) {
				status = report(&r);
			} else {
				say("leaks: %s: not a heap profile: it has no alloc_space",
				    v.files[0]);
				status = EXIT_FAILED;
			}
			sites_free(&r.sites);
		}
	}
	view_free(&v);
	return status;
}

const struct command command_leaks = {
	.name = "leaks",
	.run = run,
	.arguments = "[OPTION]... FILE...",
	.summary = "show who holds memory, or has taken more since another profile",
	.help = "Prints the places that hold memory, heaviest first: how much, share of all,\n"
		"objects, their size; LEFT: what is still there of all that the place\n"
		"ever allocated; and the stack, from the caller of malloc on.\n"
		"\n"
		"  --base F       growth since F, an earlier profile of the process: a slow leak\n"
		"  -n N           at most N places (default 10; 0: all)\n"
		"  --min-bytes N  only those that hold, or have grown by, so much: 500K, 10M\n"
		"  --depth N      tell places apart by their N innermost functions only\n"
		"  --full         stacks as a whole, deep ones and the start of main too\n"
		"  --focus RE     only stacks in which a function, source file or module matches\n"
		"  --ignore RE    no stacks in which one matches\n"
		"  --hide RE      without the functions that match; --show RE: only with "
		"those\n" VIEW_COLOUR_HELP
		"  FILE           heap or allocs; of several processes: their sum\n"
		"\n"
		"RE: POSIX extended regular expression. Exit codes: 0 done, whatever is held;\n"
		"1 failed, also when FILE is no heap profile; 2 wrong usage.\n",
};
