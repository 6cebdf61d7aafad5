/* SPDX-License-Identifier: MIT */
/*
 * cprof status: everything that is known of one process or store, for a person.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/human.h"
#include "cli/live.h"
#include "cli/losses.h"
#include "cli/orphan.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/file_kind.h"

#define COLUMN 12

struct status {
	unsigned shown;
	bool failed;
	const char *name; /* that is looked for */
};

/* "label:     value"; a second line of the same label has none. */
__attribute__((format(printf, 2, 3))) static void line(const char *label, const char *format, ...)
{
	char text[2048];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	printf("%-*s %s\n", COLUMN, label, human_safe(text));
}

/* ---- parts ---- */

static void show_settings(const struct store_header *h)
{
	const char *at = h->settings;

	if (!*at)
		line("settings:", "all at their defaults");
	for (const char *label = "settings:"; *at; label = "") {
		size_t n = strcspn(at, "\n");

		line(label, "%.*s", (int)n, at);
		at += n + (at[n] == '\n');
	}
}

static void show_environment(const struct settings *s)
{
	char buf[2048] = "";
	struct text t = TEXT_ON(buf);
	const char *label = "settings:";

	settings_show_changed(s, &t);
	if (!t.len)
		line(label, "all at their defaults, as far as its environment tells");
	for (char *at = buf, *next; *at; at = next, label = "") {
		next = at + strcspn(at, "\n");
		*next++ = '\0';
		line(label, "%s", at);
	}
}

static void show_store(const struct orphan *o, const char *path)
{
	const struct store_header *h = o->header;
	char disk[HUMAN_BYTES], limit[HUMAN_BYTES];
	uint64_t used = atomic_load_explicit(&h->arena_used, memory_order_relaxed);
	uint64_t room = h->total_bytes > h->arena_offset ? h->total_bytes - h->arena_offset : 1;
	uint32_t stacks = atomic_load_explicit(&h->stack_count, memory_order_relaxed);
	uint32_t rows = atomic_load_explicit(&h->row_count, memory_order_relaxed);
	unsigned slots = STORE_INDEX_SLOTS / 2, index = stacks > rows ? stacks : rows;
	unsigned by_room = (unsigned)(used < room ? used * 100 / room : 100);
	unsigned by_index = index < slots ? index * 100 / slots : 100;

	line("store:", "%s", path);
	line("", "%s of at most %s; %u%% full", human_bytes(o->disk_bytes, disk),
	     human_bytes(h->total_bytes, limit), by_room > by_index ? by_room : by_index);
	line("stacks:", "%u of %u, in %u modules", stacks, slots,
	     atomic_load_explicit(&h->module_count, memory_order_relaxed));
}

static void show_waits(const struct orphan_sums *sums, const struct store_header *h)
{
	const uint64_t *kind_period = h->kind_period;
	char time[HUMAN_BYTES], idle[HUMAN_BYTES];

	if (sums->block.ns || sums->idle.ns || kind_period[KIND_BLOCK])
		line("block:", "about %" PRIu64 " waits, %s in all; and %" PRIu64 " idle ones, %s",
		     sums->block.count, human_ns(sums->block.ns, time), sums->idle.count,
		     human_ns(sums->idle.ns, idle));
	if (sums->mutex.ns || kind_period[KIND_MUTEX])
		line("mutex:",
		     "holders of locks let others wait about %" PRIu64 " times, %s in all",
		     sums->mutex.count, human_ns(sums->mutex.ns, time));
}

static void show_samples(const struct orphan *o)
{
	struct orphan_sums sums = orphan_sum(o);
	uint64_t cost = store_view_cost_ns(&o->view, 500);

	line("samples:", "%" PRIu64 " (%.2f s of CPU time); %" PRIu64 " are in no file yet",
	     sums.samples, (double)sums.cpu_ns / 1e9, sums.unwritten);
	if (cost)
		line("", "one costs the process %.1f us (median)", (double)cost / 1e3);
	if (sums.alloc_bytes || o->header->kind_period[KIND_HEAP]) {
		char in_use[HUMAN_BYTES], allocated[HUMAN_BYTES];

		line("heap:",
		     "about %s in %" PRIu64 " objects are in use; %s in %" PRIu64
		     " were allocated since the start",
		     human_bytes(sums.inuse_bytes, in_use), sums.inuse_objects,
		     human_bytes(sums.alloc_bytes, allocated), sums.alloc_objects);
	}
	show_waits(&sums, o->header);
}

/* The explanation of a loss, in lines of a terminal's width. */
static void show_wrapped(const char *text)
{
	const int width = 66;

	while (*text) {
		int n = (int)strlen(text);

		if (n > width)
			for (n = width; n > 0 && text[n] != ' '; n--)
				;
		line("", "    %.*s", n, text);
		text += n + (text[n] == ' ');
	}
}

static void show_losses(const struct store_header *h)
{
	const char *label = "losses:";

	for (unsigned i = 0; i < 32; i++) {
		uint64_t n = atomic_load_explicit(&h->lost[i], memory_order_relaxed);

		if (!n)
			continue;
		if (i < LOST_COUNT)
			line(label, "%" PRIu64 " %s", n, store_loss_text(i));
		else
			line(label, "%" PRIu64 " of a kind that this cprof does not know", n);
		show_wrapped(losses_explain(i));
		label = "";
	}
	if (*label)
		line(label, "none");
}

static void show_dump(const struct store_header *h, const char *root)
{
	const struct store_dump *d = &h->dump;
	char path[1024], at[HUMAN_BYTES], size[HUMAN_BYTES];

	if (h->dir[0])
		line("files go to:", "%s%s", root, h->dir);
	else
		line("files go to:", "%s/tmp/cprof-%u", root, h->uid);
	if (!d->ended_realtime_ns)
		line("last dump:", "none yet");
	if (d->complete_realtime_ns)
		line("last dump:", "%s, %s", human_time(d->complete_realtime_ns, at),
		     human_bytes(d->bytes, size));
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;)
		if (orphan_dump_path(h, d, k, path, sizeof path))
			line("", "%s%s", root, path);
	if (d->result < 0)
		line("failed dump:", "%s: %s", human_time(d->ended_realtime_ns, at), d->problem);
}

static void show_header(const struct store_header *h)
{
	char kinds[ORPHAN_KINDS_BYTES];

	orphan_show_kinds(h, kinds);
	line("recorded:", "%s%s", kinds,
	     h->cpu_fallback ? "; one timer for all threads, since timers per thread were refused"
			     : "");
	show_settings(h);
}

/* ---- a process ---- */

static const char *state_text(const struct live *p)
{
	switch (p->state) {
	case 'T':
		return ", stopped";
	case 't':
		return ", held by a debugger";
	case 'D':
		return ", waiting in the kernel";
	case 'Z':
		return ", its main thread has ended";
	default:
		return "";
	}
}

static void show_live(struct status *s, const struct live *p)
{
	char age[HUMAN_BYTES], root[64], why[256];
	struct orphan o;

	if (s->shown++)
		puts("");
	line("program:", "%s", p->name);
	line("process:", "%u, running for %s%s, user %u", p->pid, human_age(live_age_ns(p), age),
	     state_text(p), (unsigned)p->uid);
	if (p->foreign_pid)
		line("", "%u in its own PID namespace", p->inner_pid);
	if (!p->library[0]) {
		line("library:", "libcprof.so is not loaded");
		line("next:",
		     "cprof check PROGRAM says whether it could be; cprof run starts it so");
		s->failed = true;
		return;
	}
	live_root(p, root);
	int fd = live_open_store(p, O_RDONLY);
	int rc = fd < 0 ? fd : orphan_from_fd(&o, fd, why);
	if (fd >= 0)
		close(fd);
	if (rc == 0 && o.header->pid != p->inner_pid) {
		orphan_close(&o);
		rc = -ENOENT; /* its parent's, in a copy */
	}
	line("library:", "%s%s%s%s", p->library, rc == 0 ? " (" : "",
	     rc == 0 ? o.header->library : "", rc == 0 ? ")" : "");
	if (!live_is_at_work(p))
		line("", "it does nothing: [follow] leaves the program out, or it is starting");
	if (rc < 0) {
		show_environment(&p->settings);
		if (p->store[0])
			line("store:", "%s: %s", p->store,
			     fd < 0	     ? "cannot be opened from here"
			     : rc == -ENOENT ? "its parent's"
					     : why);
		else
			line("store:", "none: nothing was sampled yet (it used no CPU time, or cpu "
				       "is off),");
		if (!p->store[0])
			line("", "or there is no room for one in /dev/shm");
		line("threads:", "%u", p->threads);
	} else {
		show_header(o.header);
		show_store(&o, p->store);
		show_samples(&o);
		uint32_t seen = atomic_load_explicit(&o.header->thread_count, memory_order_relaxed);
		line("threads:", "%u now; %u have begun since its start", p->threads, seen);
		if (p->threads > seen)
			line("", "at least %u were started past us, and are not sampled",
			     p->threads - seen);
		show_losses(o.header);
		show_dump(o.header, root);
		orphan_close(&o);
	}
	if (live_is_at_work(p))
		line("next:", "cprof dump %u", p->pid);
}

/* ---- a store ---- */

static void show_file(void *opaque, const char *path)
{
	struct status *s = opaque;
	char age[HUMAN_BYTES], why[256], shown[PATH_MAX];
	struct orphan o;

	snprintf(shown, sizeof shown, "%s", path);
	human_safe(shown);
	if (orphan_open(&o, path, why) < 0) {
		say("status: %s: %s", shown, why);
		s->failed = true;
		return;
	}
	const struct store_header *h = o.header;
	bool finished = atomic_load_explicit(&h->finished, memory_order_relaxed);
	bool elsewhere = orphan_is_elsewhere(&o), alive = orphan_is_alive(&o);
	uint64_t now_ns = sys_clock_ns(CLOCK_REALTIME);
	if (s->shown++)
		puts("");
	line("program:", "%s (%s)", h->program, h->exe);
	line("process:", "%u, %s", h->pid,
	     elsewhere ? "of another PID namespace or machine: whether it runs cannot be seen from "
			 "here"
	     : alive   ? "running"
	     : finished ? "has ended, and all of it is in files"
			: "has ended without writing all");
	line("", "store last grew %s ago",
	     human_age(now_ns > o.mtime_ns ? now_ns - o.mtime_ns : 0, age));
	line("library:", "%s", h->library);
	show_header(h);
	show_store(&o, shown);
	show_samples(&o);
	line("threads:", "%u have begun",
	     atomic_load_explicit(&h->thread_count, memory_order_relaxed));
	show_losses(h);
	show_dump(h, "");
	if (elsewhere)
		line("next:", "cprof recover %s, when its container has ended", shown);
	else if (alive)
		line("next:", "cprof dump %u", h->pid);
	else if (finished)
		line("next:", "cprof ls --clean removes it");
	else
		line("next:", "cprof recover %s", shown);
	orphan_close(&o);
}

/* ---- the command ---- */

static void found_named(void *opaque, const struct live *p)
{
	struct status *s = opaque;

	if (p->library[0] && !p->shares && live_is_named(p, s->name))
		show_live(s, p);
}

static void found_file(void *opaque, const struct orphan_file *f)
{
	struct status *s = opaque;
	struct orphan o;
	char why[256];

	if (orphan_open_at(&o, f->dir, f->name, why) < 0)
		return;
	if (strcmp(o.header->program, s->name) == 0 && !orphan_is_alive(&o) &&
	    !orphan_is_elsewhere(&o))
		show_file(s, f->path);
	orphan_close(&o);
}

static void show_pid(struct status *s, uint32_t pid)
{
	static struct live p;
	char why[256];

	int rc = live_look(&p, pid, why);
	if (rc == 0) {
		show_live(s, &p);
		return;
	}
	if (orphan_find(pid, show_file, s) > 0)
		return;
	say("status: %s%s", why, rc == -ESRCH ? ", and it has left no store" : "");
	s->failed = true;
}

static void show(struct status *s, const char *argument)
{
	unsigned before = s->shown;
	uint64_t pid;

	if (text_parse_u64(argument, strlen(argument), &pid) == 0 && pid <= INT32_MAX) {
		show_pid(s, (uint32_t)pid);
		return;
	}
	if (strchr(argument, '/')) {
		show_file(s, argument);
		return;
	}
	s->name = argument;
	(void)live_each(found_named, s);
	orphan_each(found_file, s);
	if (s->shown > before)
		return;
	say("status: no process and no store of a program called %s; cprof ls shows what there is",
	    argument);
	s->failed = true;
}

static int run(int argc, char **argv)
{
	struct status s = {0};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_status);
		if (argv[i][0] == '-' && argv[i][1])
			return usage_error(&command_status, "%s is no option", argv[i]);
	}
	if (argc < 2)
		return usage_error(&command_status, "no PID, NAME or STORE given");
	for (int i = 1; i < argc; i++)
		show(&s, argv[i]);
	return output_end() == EXIT_OK && !s.failed ? EXIT_OK : EXIT_FAILED;
}

const struct command command_status = {
	.name = "status",
	.run = run,
	.arguments = "PID|NAME|STORE...",
	.summary = "tell all about a profiled process or a store",
	.help = "Shows what is known of a running process with libcprof.so, or of the store that "
		"a\n"
		"killed one has left: what is recorded with which settings, how full the store "
		"is,\n"
		"what was lost and what that means, the last dump and its files, and what to do "
		"next.\n"
		"\n"
		"  PID    a process, or else the stores that it has left\n"
		"  NAME   all processes and left stores of a program of this name; see cprof ls\n"
		"  STORE  the path of a store, with a slash in it\n"
		"\n"
		"Nothing is asked of the process: it does not notice.\n"
		"\n"
		"Exit code: 0 shown; 1 there is none, it may not be looked at, or libcprof.so is "
		"not\n"
		"in it; 2 wrong usage.\n",
};
