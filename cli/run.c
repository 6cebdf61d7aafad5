/* SPDX-License-Identifier: MIT */
/*
 * cprof run: starts a program with libcprof.so in front of its LD_PRELOAD.
 *
 * Nothing stays behind: the command becomes the program.
 */
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/program.h"
#include "config/inifile.h"
#include "config/settings.h"
#include "config/value.h"

/* LD_PRELOAD is a list with blanks and colons between its entries, and knows no quoting. */
static int preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	size_t n = strlen(library);
	char *list;

	if (old && strncmp(old, library, n) == 0 && (old[n] == '\0' || strchr(" :", old[n])))
		return 0;
	if (asprintf(&list, "%s%s%s", library, old && old[0] ? ":" : "", old ? old : "") < 0)
		return -ENOMEM;
	int r = setenv("LD_PRELOAD", list, 1);
	free(list);
	return r < 0 ? -errno : 0;
}

/* A path may be relative here, where there is a directory that it refers to.  false: it cannot be
 * made absolute. */
static bool absolute(const char *path, char *ret_path, size_t size)
{
	char cwd[PATH_MAX];

	if (path[0] == '/')
		return snprintf(ret_path, size, "%s", path) < (int)size;
	return getcwd(cwd, sizeof cwd) && snprintf(ret_path, size, "%s/%s", cwd, path) < (int)size;
}

/* Checks one option and puts it into the environment.  given: how the user wrote it. */
static int set(const char *given, const char *dotted, const char *value)
{
	char buf[256] = "", path[2 * PATH_MAX];
	struct text why = TEXT_ON(buf);
	struct settings_option option;
	struct settings s;
	int index = settings_find(dotted, SETTINGS_DOTTED);

	if (index < 0) {
		(void)settings_explain(dotted, SETTINGS_DOTTED, &why);
		return usage_error(&command_run, "%s %s: %s", given, value, buf);
	}
	(void)settings_option((unsigned)index, &option);
	if (option.type == SETTINGS_PATH && value[0] && absolute(value, path, sizeof path))
		value = path;
	settings_defaults(&s);
	if (settings_set(&s, (unsigned)index, value, &why) < 0)
		return usage_error(&command_run, "%s %s: %s", given, value, buf);
	return setenv(option.variable, value, 1) < 0 ? EXIT_FAILED : EXIT_OK;
}

/* --config FILE: one that can be read.  What is bad inside it, the library tells. */
static int set_config(const char *file)
{
	char buf[256] = "", path[2 * PATH_MAX], checked[SETTINGS_PATH_BYTES];
	struct text why = TEXT_ON(buf);
	struct inifile content = {0};

	if (!absolute(file, path, sizeof path) ||
	    value_parse_path(path, checked, sizeof checked, &why) < 0 ||
	    inifile_read(checked, &content, &why) < 0)
		return usage_error(&command_run, "--config %s: %s", file, buf);
	inifile_drop(&content);
	return setenv("CPROF_CONFIG", checked, 1) < 0 ? EXIT_FAILED : EXIT_OK;
}

/* --set section.key=value */
static int set_pair(char *pair)
{
	char *equals = strchr(pair, '=');
	char given[128];

	if (!equals)
		return usage_error(&command_run, "--set %s: expected section.key=value", pair);
	*equals = '\0';
	snprintf(given, sizeof given, "--set %.64s =", pair);
	return set(given, pair, equals + 1);
}

/* *ret_program: where the program is in argv, 0 when the help was wanted instead.  *ret_dir: the
 * directory of --dir, or NULL. */
static int parse(int argc, char **argv, int *ret_program, const char **ret_dir)
{
	static const struct {
		const char *name, *dotted;
	} options[] = {{"--dir", "output.dir"}, {"--hz", "cpu.hz"}, {"--signal", "output.signal"}};
	int i, status = EXIT_OK;

	for (i = 1; i < argc && argv[i][0] == '-' && status == EXIT_OK; i++) {
		const char *name = argv[i];
		char *value;
		int is = 0;

		if (strcmp(name, "--") == 0) {
			i++;
			break;
		}
		if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
			*ret_program = 0;
			return usage_show(&command_run);
		}
		if (strcmp(name, "--thread-id") == 0) {
			status = set(name, "cpu.thread_id", "yes");
			continue;
		}
		for (unsigned o = 0; o < sizeof options / sizeof options[0] && !is; o++) {
			is = option_is(argc, argv, &i, options[o].name, &value);
			if (is > 0)
				status = set(options[o].name, options[o].dotted, value);
			if (is > 0 && o == 0)
				*ret_dir = value;
		}
		if (!is && (is = option_is(argc, argv, &i, "--set", &value)) > 0)
			status = set_pair(value);
		if (!is && (is = option_is(argc, argv, &i, "--config", &value)) > 0)
			status = set_config(value);
		if (is < 0)
			return usage_error(&command_run, "%s needs a value", name);
		if (!is)
			return usage_error(&command_run, "%s is no option", name);
	}
	*ret_program = i;
	if (status == EXIT_OK && i >= argc)
		return usage_error(&command_run, "no program given");
	return status;
}

static int run(int argc, char **argv)
{
	char library[PATH_MAX], path[PATH_MAX], buf[512];
	const char *why, *dir = NULL;
	int first = 0, status;

	status = parse(argc, argv, &first, &dir);
	if (status != EXIT_OK || first == 0)
		return status;
	if (program_library(library, sizeof library) < 0) {
		say("run: libcprof.so is not beside cprof nor in ../lib; install both together");
		return EXIT_FAILED;
	}
	if (strpbrk(library, ": ")) {
		say("run: %s: LD_PRELOAD cannot hold a path with a colon or a blank; move it",
		    library);
		return EXIT_FAILED;
	}
	/* The library makes only its default one, lest a mistake in a unit file fills a disk somewhere. */
	if (dir && mkdir(dir, 0700) < 0 && errno != EEXIST)
		say("run: %s: %s; running it all the same", dir, strerror(errno));
	argv += first;
	int found = program_find(argv[0], path, sizeof path);
	if (found == 0 && (why = program_obstacle(path, buf)))
		say("run: %s cannot be profiled: %s; running it all the same", argv[0], why);
	if (preload(library) < 0) {
		say("run: out of memory");
		return EXIT_FAILED;
	}
	execvp(argv[0], argv);
	int e = errno;
	say("run: %s: %s", argv[0], strerror(e));
	return e == ENOENT ? EXIT_NO_PROGRAM : EXIT_NO_EXEC;
}

const struct command command_run = {
	.name = "run",
	.run = run,
	.arguments = "[OPTION]... [--] PROGRAM [ARGUMENT]...",
	.summary = "run a program and profile it",
	.help = "Runs PROGRAM with libcprof.so preloaded. It writes a profile when it gets "
		"SIGUSR2, and at\n"
		"its exit.\n"
		"\n"
		"  --dir DIR                where profiles go, made when missing\n"
		"                           (default /tmp/cprof-<uid>)\n"
		"  --hz N                   samples per second of CPU time (default 100)\n"
		"  --signal SIG             the signal that asks for a profile, or none\n"
		"  --thread-id              label every CPU sample with its thread id\n"
		"  --set SECTION.KEY=VALUE  any option; cprof options lists them\n"
		"  --config FILE            options from a file; those above win\n"
		"\n"
		"Exit code: the program's; 126 when it cannot be executed, 127 when there is none, "
		"2 when an\n"
		"option is wrong, 1 when libcprof.so is missing.\n",
};
