/* SPDX-License-Identifier: MIT */
/*
 * cprof recover: the profile of a process that was killed, from the store that it left behind.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/human.h"
#include "cli/orphan.h"
#include "core/sys.h"
#include "output/export.h"
#include "output/file_kind.h"

struct recover {
	char dir[PATH_MAX]; /* "": where the store says */
	bool live, keep;
	int status;
};

static void print_files(const struct store_header *h, const struct export_result *result)
{
	int n = (int)(text_basename(result->path) - result->path); /* the directory and its slash */

	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, result->kinds)) != KIND_NONE;) {
		char name[192];
		struct text t = TEXT_ON(name);

		export_file_name(h, k, result->number, &t);
		printf("%.*s%s\n", n, result->path, name);
	}
}

/* One store, whose path is shown so.  EXIT_OK or EXIT_FAILED after a message. */
static int recover(const struct recover *r, const char *path, const char *shown,
		   const struct orphan *o)
{
	static const char *const dead_comments[] = {
		"cprof: recovered from the store of a process that has ended; "
		"the duration ends when the store last grew",
		NULL};
	static const char *const live_comments[] = {
		"cprof: snapshot of a running process; its next dump holds these samples too",
		NULL};
	struct store_header *h = o->header;
	struct export_request request = {.dir = r->dir, .comments = dead_comments};
	struct export_result result;
	bool alive = orphan_is_alive(o), elsewhere = orphan_is_elsewhere(o);
	bool goes = !alive && !elsewhere && !r->keep;

	if (atomic_load_explicit(&h->finished, memory_order_relaxed)) {
		if (goes && unlink(path) < 0)
			say("recover: %s: %s", shown, strerror(errno));
		say("recover: %s: nothing left: process %" PRIu32
		    " wrote all of it before it ended or called exec",
		    shown, h->pid);
		return EXIT_OK;
	}
	if (alive && !r->live) {
		say("recover: %s: process %" PRIu32 " is running; ask it by cprof dump %" PRIu32
		    ", or take a snapshot with --live",
		    shown, h->pid, h->pid);
		return EXIT_FAILED;
	}
	if (alive) {
		size_t n = strnlen(h->program, sizeof h->program - 6);

		strcpy(h->program + n, ".live"); /* not the name of the owner's next dump */
		request.comments = live_comments;
		request.now_realtime_ns = sys_clock_ns(CLOCK_REALTIME);
		request.now_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
	} else {
		request.now_realtime_ns = orphan_end_ns(o);
		request.now_monotonic_ns =
			atomic_load_explicit(&h->window_monotonic_ns, memory_order_relaxed) +
			(request.now_realtime_ns -
			 atomic_load_explicit(&h->window_realtime_ns, memory_order_relaxed));
	}
	/* A directory that another user chose is not ours to write to. */
	if (!r->dir[0] && o->owner == geteuid())
		request.dir = h->dir;
	if (export_dump(&o->view, &request, NULL, NULL, &result) < 0) {
		say("recover: %s: %s", shown, result.problem);
		return EXIT_FAILED;
	}
	print_files(h, &result);
	if (elsewhere && !r->keep)
		say("recover: %s: stays: process %" PRIu32
		    " is of another PID namespace or machine and may be running",
		    shown, h->pid);
	if (goes && unlink(path) < 0) {
		say("recover: %s: the profile is written, but the store stays: %s", shown,
		    strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static void recover_file(void *opaque, const char *path)
{
	struct recover *r = opaque;
	char why[256], shown[PATH_MAX];
	struct orphan o;

	snprintf(shown, sizeof shown, "%s", path);
	human_safe(shown);
	if (orphan_open(&o, path, why) < 0) {
		say("recover: %s: %s", shown, why);
		r->status = EXIT_FAILED;
		return;
	}
	if (recover(r, path, shown, &o) != EXIT_OK)
		r->status = EXIT_FAILED;
	orphan_close(&o);
}

static void recover_argument(struct recover *r, const char *argument)
{
	char *end;
	unsigned long pid = strtoul(argument, &end, 10);

	if (argument[0] < '0' || argument[0] > '9' || *end) {
		recover_file(r, argument);
		return;
	}
	if (orphan_find(pid, recover_file, r) > 0)
		return;
	say("recover: %s: no store of this process in $CPROF_STORE_DIR or /dev/shm/cprof-*; it "
	    "recorded nothing, or it ended in order and its files are written",
	    argument);
	r->status = EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	struct recover r = {.status = EXIT_OK};
	bool options = true;
	int i, stores = 0;
	char *value;

	for (i = 1; i < argc; i++) {
		int is;

		if (!options || argv[i][0] != '-')
			argv[++stores] = argv[i];
		else if (strcmp(argv[i], "--") == 0)
			options = false;
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_recover);
		else if (strcmp(argv[i], "--live") == 0)
			r.live = true;
		else if (strcmp(argv[i], "--keep") == 0)
			r.keep = true;
		else if ((is = option_is(argc, argv, &i, "--dir", &value)) > 0) {
			if (!realpath(value, r.dir))
				return usage_error(&command_recover, "--dir %s: %s", value,
						   strerror(errno));
		} else if (is < 0)
			return usage_error(&command_recover, "%s needs a value", argv[i]);
		else
			return usage_error(&command_recover, "%s is no option", argv[i]);
	}
	if (stores == 0)
		return usage_error(&command_recover, "no STORE or PID given");
	for (i = 1; i <= stores; i++)
		recover_argument(&r, argv[i]);
	return output_end() == EXIT_OK ? r.status : EXIT_FAILED;
}

const struct command command_recover = {
	.name = "recover",
	.run = run,
	.arguments = "[--dir DIR] [--live] [--keep] STORE|PID...",
	.summary = "write the profile of a process that was killed",
	.help = "Turns the store that a killed process left behind into the profile that it could "
		"not\n"
		"write any more, prints the names of the files, and removes the store; that of "
		"another\n"
		"container's process stays, since nobody can see from here whether it runs.\n"
		"\n"
		"  --dir DIR  where the profile goes (default: where the process wanted it, when "
		"the store\n"
		"             is yours, else /tmp/cprof-<uid>)\n"
		"  --live     a process that still runs: a snapshot, which its next dump will hold "
		"too\n"
		"  --keep     do not remove the store\n"
		"  PID        looks in $CPROF_STORE_DIR, /dev/shm/cprof-<uid>, and for root in "
		"those of\n"
		"             all users\n"
		"\n"
		"When the process ended is not in its store: the duration ends when the store last "
		"grew.\n",
};
