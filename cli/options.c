/* SPDX-License-Identifier: MIT */
/*
 * cprof options: the options of the library, from the one table; --markdown makes docs/options.md.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "config/settings.h"

static const char *default_of(const struct settings_option *o)
{
	return o->default_text[0] ? o->default_text : "(empty)";
}

/* A cell of a table: "<uid>" is no HTML. */
static void print_cell(const char *text)
{
	for (; *text; text++)
		fputs(*text == '<' ? "&lt;" : *text == '|' ? "\\|" : (char[]){*text, 0}, stdout);
}

static void print_markdown(void)
{
	struct settings_option o;
	const char *section = "";

	puts("# Options\n");
	puts("<!-- Made by `cprof options --markdown` from config/options.def; do not edit. -->\n");
	puts("Options are environment variables of the profiled process. An empty value is the "
	     "default. A "
	     "bad value\nis reported in one line, and the default is used; the process runs in any "
	     "case.\n"
	     "Values of options whose name ends in `BYTES` may be written with `K`, `M` or `G` "
	     "(1024, "
	     "1024\u00b2, 1024\u00b3).\n`cprof run` sets them from its own options or by "
	     "`--set section.key=value`, where a bad value is an error.");
	for (unsigned i = 0; settings_option(i, &o); i++) {
		if (strcmp(o.section, section) != 0) {
			section = o.section;
			printf("\n## %s\n\n| variable | `--set` | default | value | "
			       "|\n|---|---|---|---|---|\n",
			       section);
		}
		printf("| `%s` | `%s.%s` | `%s` | %s | ", o.variable, o.section, o.key,
		       default_of(&o), o.bounds);
		print_cell(o.doc);
		puts(" |");
	}
}

static void print_plain(void)
{
	struct settings_option o;

	for (unsigned i = 0; settings_option(i, &o); i++)
		printf("%s%s  %s.%s\n    %s\n    Default %s; %s.\n", i ? "\n" : "", o.variable,
		       o.section, o.key, o.doc, default_of(&o), o.bounds);
}

static int run(int argc, char **argv)
{
	bool markdown = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_options);
		if (strcmp(argv[i], "--markdown") != 0)
			return usage_error(&command_options, "%s is no option", argv[i]);
		markdown = true;
	}
	if (markdown)
		print_markdown();
	else
		print_plain();
	return output_end();
}

const struct command command_options = {
	.name = "options",
	.run = run,
	.arguments = "[--markdown]",
	.summary = "list the options of the library",
	.help = "Prints every option: its variable, what it means, its default and its bounds.\n"
		"\n"
		"  --markdown  as docs/options.md\n",
};
