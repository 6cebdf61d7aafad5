/* SPDX-License-Identifier: MIT */
/*
 * cprof options: the options of the library, from the one table; --markdown makes docs/options.md,
 * --man the list in docs/man/cprof.ini.5.
 */
#include "cli/options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "config/settings.h"

enum { LINE_WIDTH = 78 };

static const char *default_of(const struct settings_option *o)
{
	return o->default_text[0] ? o->default_text : "(empty)";
}

/* True when o begins another section than *section, which is then its own. */
static bool opens_section(const struct settings_option *o, const char **section)
{
	if (strcmp(o->section, *section) == 0)
		return false;
	*section = o->section;
	return true;
}

/* Lines of at most LINE_WIDTH, each with the prefix; by_sentence: each sentence begins one. */
static void print_wrapped(const char *prefix, const char *text, bool by_sentence)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");
		bool ends = word && text[word - 1] == '.';

		if (column && column + 1 + word > LINE_WIDTH) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column ? " " : prefix, (int)word, text);
		text += word;
		text += strspn(text, " ");
		if (by_sentence && ends && *text) {
			putchar('\n');
			column = 0;
		}
	}
	putchar('\n');
}

/* ---- markdown ---- */

/* A cell of a table: "<uid>" is no HTML. */
static void print_cell(const char *text)
{
	for (; *text; text++)
		fputs(*text == '<' ? "&lt;" : *text == '|' ? "\\|" : (char[]){*text, 0}, stdout);
}

static const char markdown_head[] =
	"# Options\n"
	"\n"
	"<!-- Made by `cprof options --markdown` from config/options.def; do not edit. -->\n"
	"\n"
	"An option has its default, unless the configuration file sets it, unless the environment "
	"does.\n"
	"\n"
	"**The file** is named by the variable `CPROF_CONFIG`, an absolute path, or by `cprof run "
	"--config FILE`:\n"
	"\n"
	"    ; a comment begins with ; or #, at the start of a line or behind white space\n"
	"    [output]\n"
	"    dir = /var/lib/profiles\n"
	"    max_bytes = 1G\n"
	"    [cpu]\n"
	"    hz = 50\n"
	"\n"
	"Values have no quotes, and what stands on one line ends there. It is read once, when a "
	"program starts, by\n"
	"each program of a tree. `cprof config --example` prints a file with all options, `cprof "
	"config FILE` checks\n"
	"one and prints what is in effect and why.\n"
	"\n"
	"**The environment**: `CPROF_<SECTION>_<KEY>`. `cprof run` sets such variables from its "
	"own "
	"options or by\n"
	"`--set section.key=value`, where a bad value is an error.\n"
	"\n"
	"An empty value is the default. What is bad is reported in one line each (`file:line: "
	"what: what was expected;\n"
	"what is used`, at most 20 lines of a file) and left out; the rest counts, and the process "
	"runs in any case.\n"
	"Values that are a number of bytes may be written with `K`, `M` or `G` (1024, "
	"1024\u00b2, 1024\u00b3).\n";

static void print_markdown(void)
{
	struct settings_option o;
	const char *section = "";

	fputs(markdown_head, stdout);
	for (unsigned i = 0; settings_option(i, &o); i++) {
		if (opens_section(&o, &section))
			printf("\n## %s\n\n| in `[%s]` | variable | default | value | "
			       "|\n|---|---|---|---|---|\n",
			       section, section);
		printf("| `%s` | `%s` | `%s` | %s | ", o.key, o.variable, default_of(&o), o.bounds);
		print_cell(o.doc);
		puts(" |");
	}
}

/* ---- mdoc ---- */

static void print_man(void)
{
	struct settings_option o;
	const char *section = "";

	for (unsigned i = 0; settings_option(i, &o); i++) {
		char text[1024];

		if (opens_section(&o, &section))
			printf("%s.Ss Section %s\n.Bl -tag -width Ds\n", i ? ".El\n" : "", section);
		printf(".It Cm %s No = Ar value\n", o.key);
		print_wrapped("", o.doc, true);
		snprintf(text, sizeof text, "Expects %s.", o.bounds);
		print_wrapped("", text, true);
		if (o.default_text[0])
			printf("The default is\n.Li %s .\n", o.default_text);
		printf("Variable:\n.Ev %s .\n", o.variable);
	}
	puts(".El");
}

/* ---- a file to begin with ---- */

void options_print_example(void)
{
	struct settings_option o;
	const char *section = "";

	puts("; Options of libcprof.so, made by `cprof config --example`; see cprof.ini(5).\n"
	     ";\n"
	     "; A program reads this file when its environment has CPROF_CONFIG=/path/to/it,\n"
	     "; or when it is started by `cprof run --config FILE`. Take away the ; before an\n"
	     "; option to set it. Variables of the environment win over the file.");
	for (unsigned i = 0; settings_option(i, &o); i++) {
		char text[256];

		if (opens_section(&o, &section))
			printf("\n[%s]\n", section);
		putchar('\n');
		print_wrapped("; ", o.doc, false);
		snprintf(text, sizeof text, "Expects %s.", o.bounds);
		print_wrapped("; ", text, false);
		printf(";%s =%s%s\n", o.key, o.default_text[0] ? " " : "", o.default_text);
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
	void (*print)(void) = print_plain;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_options);
		if (strcmp(argv[i], "--markdown") == 0)
			print = print_markdown;
		else if (strcmp(argv[i], "--man") == 0)
			print = print_man;
		else
			return usage_error(&command_options, "%s is no option", argv[i]);
	}
	print();
	return output_end();
}

const struct command command_options = {
	.name = "options",
	.run = run,
	.arguments = "[--markdown|--man]",
	.summary = "list the options of the library",
	.help = "Prints every option: its variable, what it means, its default and its bounds.\n"
		"\n"
		"  --markdown  as docs/options.md\n"
		"  --man       as the list in docs/man/cprof.ini.5\n",
};
