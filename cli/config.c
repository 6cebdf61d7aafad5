/* SPDX-License-Identifier: MIT */
/*
 * cprof config: what a program would be profiled with, and who says so.
 *
 * The output is a configuration file again: the origins are comments.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/options.h"
#include "config/load.h"
#include "config/value.h"

enum { KEY_WIDTH_LEAST = 8, VALUE_WIDTH_MOST = 32 };

static void report(void *opaque, const char *line)
{
	(void)opaque;
	say("%s", line);
}

/* Does the line "key = value" of a file set this value?  Not with a newline in it, or " ;". */
static bool can_be_written(const struct settings_option *o, unsigned index, const char *value)
{
	char text[2 * SETTINGS_PATH_BYTES], buf[SETTINGS_PATH_BYTES] = "";
	struct text again = TEXT_ON(buf);
	struct settings s;
	int n = snprintf(text, sizeof text, "[%s]\n%s = %s\n", o->section, o->key, value);

	if (load_text(&s, "", text, (size_t)n, NULL, NULL, NULL) > 0)
		return false;
	settings_show(&s, index, &again);
	return strcmp(buf, value) == 0;
}

static void print_origin(const struct settings_option *o, struct load_source source,
			 const char *file)
{
	char buf[VALUE_PATH_SHOWN + 4];
	struct text t = TEXT_ON(buf);

	switch (source.from) {
	case LOAD_DEFAULT:
		fputs("default", stdout);
		break;
	case LOAD_FILE:
		value_show_path(&t, file);
		printf("%s:%u", buf, source.line);
		break;
	case LOAD_VARIABLE:
		fputs(o->variable, stdout);
		break;
	}
}

static void print_settings(const struct settings *s, const struct load_source *sources,
			   const char *file)
{
	struct settings_option o;
	const char *section = "";
	int key_width = KEY_WIDTH_LEAST, value_width = 0;

	for (unsigned i = 0; settings_option(i, &o); i++) {
		char buf[SETTINGS_PATH_BYTES] = "";
		struct text value = TEXT_ON(buf);

		settings_show(s, i, &value);
		if ((int)strlen(o.key) > key_width)
			key_width = (int)strlen(o.key);
		if ((int)value.len > value_width)
			value_width = (int)value.len;
	}
	if (value_width > VALUE_WIDTH_MOST)
		value_width = VALUE_WIDTH_MOST;
	for (unsigned i = 0; settings_option(i, &o); i++) {
		char buf[SETTINGS_PATH_BYTES] = "", clean[VALUE_PATH_SHOWN + 4];
		struct text value = TEXT_ON(buf), shown = TEXT_ON(clean);

		if (strcmp(section, o.section) != 0)
			printf("%s[%s]\n", i ? "\n" : "", o.section);
		section = o.section;
		settings_show(s, i, &value);
		clean[0] = '\0';
		value_show_path(&shown, buf);
		bool written = can_be_written(&o, i, buf);
		printf("%s%-*s = %-*s  ; ", written ? "" : "; ", key_width, o.key, value_width,
		       clean);
		print_origin(&o, sources[i], file);
		puts(written ? "" : ", cannot be written in a file");
	}
}

static int run(int argc, char **argv)
{
	struct load_source sources[SETTINGS_COUNT];
	const char *file = NULL;
	struct settings s;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_config);
		if (strcmp(argv[i], "--example") == 0) {
			if (argc > 2)
				return usage_error(&command_config, "--example stands alone");
			options_print_example();
			return output_end();
		}
		if (argv[i][0] == '-' && argv[i][1])
			return usage_error(&command_config, "%s is no option", argv[i]);
		if (file)
			return usage_error(&command_config, "one file, not two");
		file = argv[i];
	}
	unsigned problems = load_settings(&s, file, environ, sources, report, NULL);
	print_settings(&s, sources, file ? file : getenv("CPROF_CONFIG"));
	int status = output_end();
	return problems ? EXIT_FAILED : status;
}

const struct command command_config = {
	.name = "config",
	.run = run,
	.arguments = "[FILE] | --example",
	.summary = "what is in effect and why; check a configuration file",
	.help = "Prints every option with the value that a program started here would have, and "
		"where that is\n"
		"from: the default, FILE ($CPROF_CONFIG when none is given), or a variable. The "
		"output is a\n"
		"configuration file again. Problems go to stderr, in the words of the library.\n"
		"\n"
		"  --example  print a file with all options, commented out, to begin with\n"
		"\n"
		"Exit code: 0 when all is good, 1 when there was a problem.\n",
};
