/* SPDX-License-Identifier: MIT */
/*
 * cprof flame: a profile as one page to look at in a browser.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli/calltree.h"
#include "cli/command.h"
#include "cli/flame_page.h"
#include "cli/measure.h"
#include "cli/view.h"

/* A tenth of a pixel: there after some zooming.  A page of 10,000 stacks stays below 2 MB. */
#define MIN_FRACTION 0.0001

static bool ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n > m && strcasecmp(path + n - m, end) == 0;
}

static int choose_format(const char *format, const char *path, bool *ret_html)
{
	if (!path)
		return usage_error(&command_flame, "no -o FILE given; - is standard output");
	if (!format && ends_in(path, ".svg"))
		format = "svg";
	else if (!format && (ends_in(path, ".html") || ends_in(path, ".htm")))
		format = "html";
	if (!format)
		return usage_error(&command_flame,
				   "-o %s: neither .svg nor .html; --format says which", path);
	if (strcmp(format, "svg") != 0 && strcmp(format, "html") != 0)
		return usage_error(&command_flame, "--format %s: expected svg or html", format);
	*ret_html = strcmp(format, "html") == 0;
	return EXIT_OK;
}

/* What has an area on the page. */
static int check_values(const struct view *v)
{
	const struct profile *p = &v->profile;

	if (v->total <= 0) {
		say("flame: the profile has no samples of this type");
		return EXIT_FAILED;
	}
	for (size_t i = 0; i < p->sample_keys.count; i++) {
		if (p->values[i * p->type_count + v->column] >= 0)
			continue;
		say("flame: the profile is a difference, with values below zero; see cprof tree");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static int write_to(const struct flame_page *page, const char *path)
{
	FILE *to;

	if (strcmp(path, "-") == 0) {
		flame_page_write(page, stdout);
		return output_end();
	}
	to = fopen(path, "we");
	if (!to) {
		say("flame: %s: %s", path, strerror(errno));
		return EXIT_FAILED;
	}
	errno = 0;
	flame_page_write(page, to);
	int failed = ferror(to) ? errno : 0;
	if (fclose(to) != 0 || failed) {
		say("flame: %s: %s", path, strerror(failed ? failed : errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static int draw(struct flame_page *page, const char *path)
{
	const struct view *v = page->view;
	struct calltree t;
	int status = check_values(v);

	if (status != EXIT_OK)
		return status;
	calltree_make(&t, &v->profile, v->column, false);
	if (t.nodes[CALLTREE_ROOT].total <= 0) {
		say("flame: no stack is left%s",
		    t.nodes[CALLTREE_ROOT].total < 0 ? "; the values overflow" : "");
		status = EXIT_FAILED;
	} else {
		calltree_cut(&t, measure_integer((double)v->total * page->min), 0);
		page->tree = &t;
		status = write_to(page, path);
	}
	calltree_free(&t);
	return status;
}

static int run(int argc, char **argv)
{
	struct flame_page page = {.min = MIN_FRACTION};
	const char *path = NULL, *format = NULL;
	const struct view_option options[] = {
		{"-o", VIEW_TEXT, &path},
		{"--format", VIEW_TEXT, &format},
		{"--title", VIEW_TEXT, &page.title},
		{"--min", VIEW_PERCENT, &page.min},
	};
	struct view v;
	int status;

	if (view_parse(&v, &command_flame, options, sizeof options / sizeof options[0], argc, argv,
		       &status) &&
	    (status = choose_format(format, path, &page.html)) == EXIT_OK &&
	    (status = view_load(&v)) == EXIT_OK) {
		page.view = &v;
		status = draw(&page, path);
	}
	view_free(&v);
	return status;
}

const struct command command_flame = {
	.name = "flame",
	.run = run,
	.arguments = "[OPTION]... -o PAGE FILE...",
	.summary = "draw a flame graph: one file for a browser",
	.help = "Draws one profile, or the sum of several of the same kind, as a page that needs\n"
		"nothing else: click zooms, / searches, i shows callers, f turns it upside down,\n"
		"Esc goes back.\n"
		"\n"
		"  -o PAGE        x.svg or x.html; - is standard output\n"
		"  --format WHAT  svg or html, where the name of PAGE does not say\n"
		"  --title TEXT   instead of the program's name and the type\n"
		"  --min PERCENT  leave out calls below this share of the total (default "
		"0.01)\n" VIEW_HELP
		"  FILE           profile.proto, gzip or not; - is standard input\n"
		"\n"
		"PAGE#s=RE&z=FUNCTION&i=1 opens with a search, zoomed, by callers.\n"
		"RE: POSIX extended regular expression. Percentages are of the whole profile.\n"
		"Exit codes: 0 done; 1 failed; 2 wrong usage.\n",
};
