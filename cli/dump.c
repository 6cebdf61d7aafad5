/* SPDX-License-Identifier: MIT */
/*
 * cprof dump: asks running processes for their profiles, and says which files they have written.
 *
 * How they are asked without harm is in cli/ask.  The answer is in the store's header, see struct
 * store_dump.  A process that has sampled nothing has no store until it is asked; one that can have no
 * file for it (a full /dev/shm) has none at all, and then the new file in its output directory is the
 * answer.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "cli/human.h"
#include "cli/live.h"
#include "cli/orphan.h"
#include "cli/program.h"
#include "core/process.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/file_kind.h"

#define PROF	     (UINT64_C(1) << (SIGPROF - 1))
#define NS	     UINT64_C(1000000000)
#define WAIT_S	     10u
#define WAIT_S_MAX   86400u
#define START_NS     NS /* for a process that is starting and has no handler yet */
#define STEP_MS	     20
#define ABSENT_TRIES 5u
#define AGAIN_NS     (NS / 2)  /* a pending SIGPROF of another kind swallows ours */
#define NO_STORE_NS  (NS / 5)  /* after that, a new file is an answer as well */
#define SETTLE_NS    (NS / 20) /* between the first file and the last one of a dump */

enum outcome { WAITING, DONE, FAILED };

struct job {
	struct ask ask;
	uint64_t absent_ns; /* since when the library is not there: inside exec, or for good */
	enum outcome outcome;
	enum store_kind kind; /* as in struct dump */
	/* Without a store: the files that were there before, and when a new one came. */
	char dir[PATH_MAX];
	char **old;
	size_t old_count, old_capacity;
	uint64_t new_ns;
};

struct dump {
	struct job *jobs;
	size_t count, capacity;
	uint64_t timeout_ns;
	enum store_kind kind; /* whose file is printed; KIND_NONE: all */
	bool failed;
	/* Looking for a name. */
	const char *name;
	uint32_t *pids;
	size_t pid_count, pid_capacity;
	unsigned without; /* processes of that name that are not ours */
};

static void nap_ms(long ms)
{
	nanosleep(&(struct timespec){0, ms * 1000000}, NULL);
}

static void complain(struct dump *d, struct job *j, const char *why)
{
	say("dump: process %" PRIu32 " (%s): %s", j->ask.live.pid, j->ask.live.name, why);
	j->outcome = FAILED;
	d->failed = true;
}

/* ---- files, where there is no store ---- */

/* Of the kind whose files are printed. */
static bool is_wanted(const struct job *j, const char *name)
{
	char mark[64];

	if (j->kind == KIND_NONE)
		return true;
	snprintf(mark, sizeof mark, ".%" PRIu32 ".%s.", j->ask.live.inner_pid,
		 file_kinds[j->kind].name);
	return strstr(name, mark);
}

/* "<program>.<pid>.<kind>.<n>.pb.gz" of this process */
static bool is_file_of(const struct job *j, const char *name)
{
	char mark[32];
	size_t n = strlen(name);

	snprintf(mark, sizeof mark, ".%" PRIu32 ".", j->ask.live.inner_pid);
	return name[0] != '.' && strstr(name, mark) && n > 6 && strcmp(name + n - 6, ".pb.gz") == 0;
}

static bool is_old(const struct job *j, const char *path)
{
	for (size_t i = 0; i < j->old_count; i++)
		if (strcmp(j->old[i], path) == 0)
			return true;
	return false;
}

/* Each file that is not remembered: remembers it, or counts it, or prints it. */
enum listing { REMEMBER, COUNT, PRINT };
static unsigned list_in(struct job *j, const char *dir, enum listing what)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned count = 0;

	while (d && (e = readdir(d))) {
		char *path;

		if (!is_file_of(j, e->d_name))
			continue;
		if (asprintf(&path, "%s/%s", dir, e->d_name) < 0)
			continue;
		if (is_old(j, path)) {
			free(path);
			continue;
		}
		count++;
		if (what == REMEMBER) {
			j->old =
				memory_grow(j->old, j->old_count, &j->old_capacity, sizeof *j->old);
			j->old[j->old_count++] = path;
			continue;
		}
		if (what == PRINT && is_wanted(j, e->d_name))
			puts(human_safe(path));
		free(path);
	}
	if (d)
		closedir(d);
	return count;
}

/* The configured directory, or the one inside it; see output/sink.h. */
static unsigned list_files(struct job *j, enum listing what)
{
	char inside[PATH_MAX + 32];

	snprintf(inside, sizeof inside, "%s/cprof-%u", j->dir, (unsigned)j->ask.live.uid);
	return list_in(j, j->dir, what) + list_in(j, inside, what);
}

static void choose_dir(struct job *j)
{
	const char *dir = j->ask.live.settings.output_dir;
	char root[64], usual[64];

	live_root(&j->ask.live, root);
	snprintf(usual, sizeof usual, "/tmp/cprof-%u", (unsigned)j->ask.live.uid);
	snprintf(j->dir, sizeof j->dir, "%s%.*s", root, SETTINGS_PATH_BYTES, dir[0] ? dir : usual);
}

/* ---- asking ---- */

/* Why nothing of ours is in it, as far as its file tells. */
static void why_without(const struct live *l, char *why, size_t size)
{
	char path[64], buf[512];
	const char *obstacle;

	snprintf(path, sizeof path, "%s/exe", l->proc);
	if (readlink(path, buf, sizeof buf) < 0) {
		snprintf(why, size, "it is a thread of the kernel");
		return;
	}
	obstacle = program_obstacle(path, buf);
	snprintf(why, size, "libcprof.so is not loaded there: %s",
		 obstacle ? obstacle : "start it by cprof run");
	human_safe(why);
}

/* Looks at one process and sends the request.  false after a message. */
static bool begin(struct dump *d, uint32_t pid)
{
	struct job *j;
	char why[640];
	const char *reason = NULL;
	static const char without_us[] = "it executes another program now, without us";

	d->jobs = memory_grow(d->jobs, d->count, &d->capacity, sizeof *d->jobs);
	j = &d->jobs[d->count];
	*j = (struct job){.ask.store = -1, .kind = d->kind};
	/* Before anything is looked at: what is asked is what was looked at. */
	j->ask.process = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (j->ask.process < 0 && errno == ENOSYS) {
		say("dump: this kernel has no pidfd_open (Linux 5.3), and without it the wrong "
		    "process could be hit; use the dump signal: kill -USR2 %" PRIu32,
		    pid);
		return false;
	}
	if (live_look(&j->ask.live, pid, why) < 0) {
		say("dump: %s", why);
		return false;
	}
	d->count++;
	if (j->ask.process < 0) {
		complain(d, j, "it has ended");
		return false;
	}
	/* It may be on its way through exec. */
	for (unsigned tries = 0; !j->ask.live.library[0] && tries < ABSENT_TRIES; tries++) {
		nap_ms(STEP_MS);
		(void)ask_look_again(&j->ask);
	}
	if (!j->ask.live.library[0]) {
		why_without(&j->ask.live, why, sizeof why);
		complain(d, j, why);
		return false;
	}
	if (j->ask.live.shares) {
		complain(d, j,
			 "it shares its parent's memory: the writer of a dump, or a program that "
			 "is being started");
		return false;
	}
	choose_dir(j);
	(void)list_files(j, REMEMBER);
	for (uint64_t end = sys_clock_ns(CLOCK_MONOTONIC) + START_NS;;) {
		int rc = -EAGAIN;

		reason = without_us;
		if (j->ask.live.library[0] && ask_find_store(&j->ask, &reason)) {
			j->ask.dumps = ASK_WORD(&j->ask, dumps);
			rc = ask_send(&j->ask, &reason);
		}
		if (rc == 0)
			return true;
		if (rc != -EAGAIN || sys_clock_ns(CLOCK_MONOTONIC) > end)
			break;
		nap_ms(STEP_MS);
		if (!ask_look_again(&j->ask)) {
			reason = "it has ended";
			break;
		}
	}
	complain(d, j, reason);
	return false;
}

/* ---- waiting ---- */

/* The files as they can be opened from here. */
static void print_files(struct dump *d, struct job *j, const struct store_header *h,
			const struct store_dump *s)
{
	char path[1024], root[64], there[1100];
	struct stat st;
	bool first = true;

	live_root(&j->ask.live, root);
	uint32_t wanted = j->kind == KIND_NONE ? KIND_ALL : KIND_BIT(j->kind);
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, wanted)) != KIND_NONE;) {
		if (!orphan_dump_path(h, s, k, path, sizeof path))
			continue;
		snprintf(there, sizeof there, "%s%s", root, path);
		bool is_there = root[0] && lstat(there, &st) == 0;
		if (is_there && first)
			say("dump: process %" PRIu32
			    " (%s) has a file system of its own, where this is %s",
			    j->ask.live.pid, j->ask.live.name, path);
		puts(is_there ? there : path);
		first = false;
	}
	if (first && j->kind != KIND_NONE) {
		snprintf(there, sizeof there, "it has written, but no %s profile: it records none",
			 file_kinds[j->kind].name);
		complain(d, j, there);
		return;
	}
	j->outcome = DONE;
}

/* What the header says; true when that was the end of it. */
static bool is_answered(struct dump *d, struct job *j)
{
	struct store_header h;
	struct store_dump s;
	char why[512];

	/* One that had begun when we asked does not hold what came until then. */
	if (j->ask.store < 0 || (int32_t)(ASK_WORD(&j->ask, dump.answered) - j->ask.heard) <= 0)
		return false;
	if (!orphan_read_dump(j->ask.store, &s) || !ask_read_header(&j->ask, &h))
		return false;
	if (s.result < 0) {
		snprintf(why, sizeof why, "it could not write: %s", s.problem);
		complain(d, j, why);
	} else {
		print_files(d, j, &h, &s);
	}
	return true;
}

/* A process without a store has answered when a new file is there. */
static bool is_written(struct job *j)
{
	uint64_t now = sys_clock_ns(CLOCK_MONOTONIC);

	if (j->ask.store >= 0 || now < j->ask.asked_ns + NO_STORE_NS || !list_files(j, COUNT))
		return false;
	if (!j->new_ns)
		j->new_ns = now;
	if (now < j->new_ns + SETTLE_NS)
		return false;
	(void)list_files(j, PRINT);
	j->outcome = DONE;
	return true;
}

static void after_its_end(struct dump *d, struct job *j)
{
	struct store_header h;
	struct store_dump s;

	if (is_answered(d, j))
		return;
	/* Its last dump covers the same. */
	if (ASK_WORD(&j->ask, dumps) != j->ask.dumps && orphan_read_dump(j->ask.store, &s) &&
	    ask_read_header(&j->ask, &h)) {
		print_files(d, j, &h, &s);
		return;
	}
	j->new_ns = 1;
	if (is_written(j))
		return;
	complain(d, j, "it has ended before it wrote; cprof recover may know more");
}

/* Why it says nothing. */
static void complain_of_silence(struct dump *d, struct job *j)
{
	const char *why =
		"it does not answer, and why cannot be seen; is there a line of cprof in its "
		"log?";
	char buf[256];

	if (!live_again(&j->ask.live)) {
		after_its_end(d, j);
		return;
	}
	if (j->ask.live.state == 'T' || j->ask.live.state == 't')
		why = "it is stopped, by a signal or a debugger; it will write when it goes on";
	else if (j->ask.live.state == 'D')
		why = "it waits in the kernel, for a disk or a network file system (state D); it "
		      "will write when that ends";
	else if (ASK_WORD(&j->ask, dump_requests) - j->ask.heard > 0)
		why = "it has heard and is still writing; ask again with a longer --timeout";
	else if (j->ask.live.pending & PROF)
		why = "its threads block SIGPROF, by a raw system call; it will write when one "
		      "unblocks it";
	else if (ASK_WORD(&j->ask, lost[LOST_HANDLERS]))
		why = "it has replaced our handler of SIGPROF";
	snprintf(buf, sizeof buf, "nothing in %" PRIu64 " s: %s", d->timeout_ns / NS, why);
	complain(d, j, buf);
}

static void look(struct dump *d, struct job *j)
{
	struct pollfd end = {.fd = j->ask.process, .events = POLLIN};
	const char *ignored;

	if (poll(&end, 1, 0) == 1) {
		after_its_end(d, j);
		return;
	}
	if (is_answered(d, j) || is_written(j))
		return;
	/* The store may be new, by our request or after exec. */
	bool there = ask_look_again(&j->ask);
	if (there && j->ask.live.library[0])
		j->absent_ns = 0;
	else if (!j->absent_ns)
		j->absent_ns = sys_clock_ns(CLOCK_MONOTONIC);
	if (there && j->absent_ns && sys_clock_ns(CLOCK_MONOTONIC) > j->absent_ns + NS) {
		complain(d, j, "it executes another program now, without us");
		return;
	}
	if (!ask_find_store(&j->ask, &ignored))
		return;
	if (is_answered(d, j))
		return;
	uint64_t patience = j->ask.store >= 0 ? AGAIN_NS : 4 * AGAIN_NS;
	if (sys_clock_ns(CLOCK_MONOTONIC) > j->ask.asked_ns + patience &&
	    ASK_WORD(&j->ask, dump_requests) == j->ask.heard && j->ask.live.library[0] &&
	    !j->ask.live.shares)
		(void)ask_send(&j->ask, &ignored);
}

static void wait_for_all(struct dump *d)
{
	uint64_t deadline = sys_clock_ns(CLOCK_MONOTONIC) + d->timeout_ns;
	long ms = 2;
	bool waiting = true;

	while (waiting) {
		bool last = sys_clock_ns(CLOCK_MONOTONIC) >= deadline;

		waiting = false;
		for (size_t i = 0; i < d->count; i++) {
			struct job *j = &d->jobs[i];

			if (j->outcome != WAITING)
				continue;
			look(d, j);
			if (j->outcome == WAITING && last)
				complain_of_silence(d, j);
			waiting |= j->outcome == WAITING;
		}
		if (waiting)
			nap_ms(ms);
		ms = ms < 50 ? ms + 2 : ms;
	}
}

/* ---- the command ---- */

static void found_named(void *opaque, const struct live *l)
{
	struct dump *d = opaque;

	if (!live_is_named(l, d->name) || l->shares)
		return;
	if (!l->library[0]) {
		d->without++;
		return;
	}
	d->pids = memory_grow(d->pids, d->pid_count, &d->pid_capacity, sizeof *d->pids);
	d->pids[d->pid_count++] = l->pid;
}

static void begin_named(struct dump *d, const char *name)
{
	d->name = name;
	d->pid_count = d->without = 0;
	unsigned unseen = live_each(found_named, d);

	for (size_t i = 0; i < d->pid_count; i++)
		d->failed |= !begin(d, d->pids[i]);
	if (d->pid_count)
		return;
	d->failed = true;
	if (d->without)
		say("dump: %u running %s, but without libcprof.so; start it by cprof run",
		    d->without, name);
	else if (unseen)
		say("dump: there is no process called %s; %u could not be looked at, being of "
		    "other "
		    "users or privileged",
		    name, unseen);
	else
		say("dump: there is no process called %s; cprof ls shows what there is", name);
}

/* EXIT_OK, or EXIT_USAGE after a message. */
static int set_kind(struct dump *d, const char *name)
{
	char known[128] = "";
	size_t n = 0;

	d->kind = file_kind_named(name, strlen(name));
	if (d->kind != KIND_NONE)
		return EXIT_OK;
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;) {
		bool last = file_kind_next(k, KIND_ALL) == KIND_NONE;

		n += (size_t)snprintf(known + n, sizeof known - n, "%s%s",
				      !n     ? ""
				      : last ? " or "
					     : ", ",
				      file_kinds[k].name);
	}
	return usage_error(&command_dump, "--kind %s: expected %s", name, known);
}

static int run(int argc, char **argv)
{
	struct dump d = {.timeout_ns = WAIT_S * NS};
	uint64_t seconds, pid;
	int words = 0;
	char *value;

	for (int i = 1; i < argc; i++) {
		int is = option_is(argc, argv, &i, "--kind", &value);

		if (is > 0) {
			if (set_kind(&d, value) != EXIT_OK)
				return EXIT_USAGE;
			continue;
		}
		if (is == 0)
			is = option_is(argc, argv, &i, "--timeout", &value);
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_dump);
		if (is < 0)
			return usage_error(&command_dump, "%s needs a value", argv[i]);
		if (is > 0) {
			if (text_parse_u64(value, strlen(value), &seconds) < 0 || seconds == 0 ||
			    seconds > WAIT_S_MAX)
				return usage_error(&command_dump,
						   "--timeout %s: expected seconds from 1 to %u",
						   value, WAIT_S_MAX);
			d.timeout_ns = seconds * NS;
		} else if (argv[i][0] == '-' && argv[i][1]) {
			return usage_error(&command_dump, "%s is no option", argv[i]);
		} else {
			argv[++words] = argv[i];
		}
	}
	if (words == 0)
		return usage_error(&command_dump, "no PID or NAME given");
	if (!process_has_own_proc()) {
		say("dump: /proc is missing or of another PID namespace, so the wrong process "
		    "could "
		    "be hit; mount a /proc of this one");
		return EXIT_FAILED;
	}
	for (int i = 1; i <= words; i++) {
		if (text_parse_u64(argv[i], strlen(argv[i]), &pid) == 0 && pid <= INT32_MAX)
			d.failed |= !begin(&d, (uint32_t)pid);
		else
			begin_named(&d, argv[i]);
	}
	wait_for_all(&d);
	return output_end() == EXIT_OK && !d.failed ? EXIT_OK : EXIT_FAILED;
}

const struct command command_dump = {
	.name = "dump",
	.run = run,
	.arguments = "[--timeout SECONDS] [--kind KIND] PID|NAME...",
	.summary = "have running processes write their profiles now",
	.help = "Asks each process for a dump, waits until it is written and prints the names of "
		"the\n"
		"files, one a line. Of a NAME all processes are asked: cprof ls shows the names.\n"
		"A process that has no libcprof.so at work is told by one line and left alone.\n"
		"\n"
		"  --timeout SECONDS  how long to wait for an answer (default 10)\n"
		"  --kind KIND        print the name of this file only: cpu, heap, allocs, block,\n"
		"                     mutex or wall\n"
		"\n"
		"cpu and wall cover the time since the process's last dump, and are empty when "
		"nothing was\n"
		"sampled; block and mutex are sums since the start, heap and allocs too, with what "
		"is in use\n"
		"now. The process goes on meanwhile. Nothing but SIGPROF is sent, so this works "
		"with\n"
		"CPROF_OUTPUT_SIGNAL=none too.\n"
		"\n"
		"Exit code: 0 all have written; 1 one has not; 2 wrong usage.\n",
};
