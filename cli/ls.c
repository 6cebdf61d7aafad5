/* SPDX-License-Identifier: MIT */
/*
 * cprof ls: the running processes with libcprof.so, and the stores that dead ones have left.
 *
 * A store that a running process has mapped is known by its inode, whatever its name says; so one of
 * another PID namespace is told as running where its process can be seen from here.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include "core/process.h"
#include "core/sys.h"

#define DAY_NS (UINT64_C(86400) * 1000000000)

/* In the order in which they are shown. */
enum state { RUNNING, OFF, BEFORE_EXEC, KILLED, FINISHED, ELSEWHERE, OTHER_BOOT, UNREADABLE };
static const char *const state_names[] = {"running",  "off",	   "before-exec", "killed",
					  "finished", "elsewhere", "other-boot",  "unreadable"};

struct row {
	char program[64];
	char on[ORPHAN_KINDS_BYTES];
	uint32_t pid;
	enum state state;
	uint64_t age_ns, disk_bytes, samples, heap_bytes, lost, inode;
	bool has_heap;
	bool has_store;
};

struct list {
	struct row *rows;
	size_t count, capacity;
	bool clean, failed;
	unsigned removed, unseen;
	uint64_t removed_bytes;
	uint64_t now_ns; /* CLOCK_REALTIME */
};

static struct row *add(struct list *l)
{
	l->rows = memory_grow(l->rows, l->count, &l->capacity, sizeof *l->rows);
	l->rows[l->count] = (struct row){0};
	return &l->rows[l->count++];
}

static void describe(struct row *r, const struct orphan *o)
{
	const struct store_header *h = o->header;

	snprintf(r->program, sizeof r->program, "%s", h->program);
	human_safe(r->program);
	orphan_show_kinds(h, r->on);
	r->disk_bytes = o->disk_bytes;
	struct orphan_sums sums = orphan_sum(o);
	r->samples = sums.samples;
	r->heap_bytes = sums.inuse_bytes;
	r->has_heap = sums.alloc_bytes || h->kind_period[KIND_HEAP];
	r->lost = losses_total(h);
	r->inode = o->inode;
	r->has_store = true;
}

/* ---- what runs ---- */

static void add_live(void *opaque, const struct live *p)
{
	struct list *l = opaque;
	struct orphan o;
	struct row *r;
	char why[256];

	if (!p->library[0] || p->shares)
		return;
	r = add(l);
	snprintf(r->program, sizeof r->program, "%s", p->name);
	r->pid = p->pid;
	r->state = live_is_at_work(p) ? RUNNING : OFF;
	r->age_ns = live_age_ns(p);
	if (r->state == OFF)
		strcpy(r->on, "nothing");
	else
		orphan_show_wanted(&p->settings, r->on);
	int fd = live_open_store(p, O_RDONLY);
	if (fd < 0)
		return;
	if (orphan_from_fd(&o, fd, why) == 0) {
		/* A copy made by clone may still have its parent's. */
		if (o.header->pid == p->inner_pid)
			describe(r, &o);
		orphan_close(&o);
	} else {
		snprintf(r->on, sizeof r->on, "(of another version, or starting)");
	}
	r->inode = p->store_inode;
	close(fd);
}

/* ---- what is left ---- */

static bool is_mapped(const struct list *l, uint64_t inode)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->rows[i].inode == inode && l->rows[i].state <= OFF)
			return true;
	return false;
}

static enum state state_of(const struct orphan *o, const struct orphan_file *f)
{
	const struct store_header *h = o->header;

	if (h->pid != f->pid || h->start_ticks != f->start_ticks)
		return UNREADABLE; /* it is not what its name says */
	if (orphan_is_elsewhere(o))
		return ELSEWHERE;
	if (!orphan_is_this_boot(o))
		return OTHER_BOOT;
	if (!h->pid_ns || !(h->boot_id[0] | h->boot_id[1]))
		return ELSEWHERE;
	if (orphan_is_alive(o))
		return BEFORE_EXEC;
	return atomic_load_explicit(&h->finished, memory_order_relaxed) ? FINISHED : KILLED;
}

/* The owner of the directory may put anything there; that is his affair. */
static bool may_go(const struct list *l, const struct row *r, const struct orphan_file *f)
{
	switch (r->state) {
	case KILLED:
	case FINISHED:
		return true;
	case OTHER_BOOT:
		return r->age_ns > DAY_NS;
	case UNREADABLE:
		return r->age_ns > DAY_NS && !process_may_be_alive(f->pid, f->start_ticks) &&
		       !is_mapped(l, r->inode);
	default:
		return false;
	}
}

static void clean(struct list *l, const struct row *r, const struct orphan_file *f)
{
	char path[PATH_MAX], size[HUMAN_BYTES], age[HUMAN_BYTES];

	if (unlinkat(f->dir, f->name, 0) < 0 && errno != ENOENT) {
		say("ls: %s: %s", human_safe(strcpy(path, f->path)), strerror(errno));
		l->failed = true;
		return;
	}
	l->removed++;
	l->removed_bytes += r->disk_bytes;
	printf("removed %s (%s, %s, %s, %s old)\n", human_safe(strcpy(path, f->path)), r->program,
	       state_names[r->state], human_bytes(r->disk_bytes, size), human_age(r->age_ns, age));
}

static void add_file(void *opaque, const struct orphan_file *f)
{
	struct list *l = opaque;
	struct row row = {.pid = f->pid, .state = UNREADABLE, .program = "?", .on = "?"};
	struct orphan o;
	struct stat st;
	char why[256];

	if (fstatat(f->dir, f->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
	    is_mapped(l, st.st_ino))
		return;
	row.inode = st.st_ino;
	row.disk_bytes = (uint64_t)st.st_blocks * 512;
	uint64_t grew_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000 + (uint64_t)st.st_mtim.tv_nsec;
	row.age_ns = l->now_ns > grew_ns ? l->now_ns - grew_ns : 0;
	int rc = orphan_open_at(&o, f->dir, f->name, why);
	if (rc == 0) {
		describe(&row, &o);
		row.state = state_of(&o, f);
		orphan_close(&o);
	} else {
		strcpy(row.on, rc == -EPROTO   ? "(of another version)"
			       : rc == -EINVAL ? "(no store, or damaged)"
					       : "(may not be read)");
	}
	if (!l->clean)
		*add(l) = row;
	else if (may_go(l, &row, f))
		clean(l, &row, f);
}

/* ---- the table ---- */

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order;

	if (x->state != y->state)
		return x->state < y->state ? -1 : 1;
	order = strcmp(x->program, y->program);
	return order ? order : x->pid < y->pid ? -1 : x->pid > y->pid;
}

static void print(const struct list *l)
{
	int program = 7;

	for (size_t i = 0; i < l->count; i++)
		if ((int)strlen(l->rows[i].program) > program)
			program = (int)strlen(l->rows[i].program);
	if (l->count)
		printf("%-*s %8s  %-11s %7s %6s %9s %6s %6s  %s\n", program, "PROGRAM", "PID",
		       "STATE", "AGE", "STORE", "SAMPLES", "HEAP", "LOST", "ON");
	for (size_t i = 0; i < l->count; i++) {
		const struct row *r = &l->rows[i];
		char age[HUMAN_BYTES], size[HUMAN_BYTES], samples[24] = "-", lost[24] = "-";
		char heap[HUMAN_BYTES] = "-";

		if (r->has_store) {
			snprintf(samples, sizeof samples, "%" PRIu64, r->samples);
			snprintf(lost, sizeof lost, "%" PRIu64, r->lost);
		}
		if (r->has_heap)
			(void)human_bytes(r->heap_bytes, heap);
		printf("%-*s %8" PRIu32 "  %-11s %7s %6s %9s %6s %6s  %s\n", program, r->program,
		       r->pid, state_names[r->state], human_age(r->age_ns, age),
		       r->disk_bytes ? human_bytes(r->disk_bytes, size) : "-", samples, heap, lost,
		       r->on);
	}
}

static void print_removed(const struct list *l)
{
	char size[HUMAN_BYTES];

	if (l->removed)
		printf("%u removed, %s\n", l->removed, human_bytes(l->removed_bytes, size));
	else
		puts("nothing to remove");
}

static int run(int argc, char **argv)
{
	struct list l = {0};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage_show(&command_ls);
		if (strcmp(argv[i], "--clean") != 0)
			return usage_error(&command_ls, "%s is no option", argv[i]);
		l.clean = true;
	}
	l.now_ns = sys_clock_ns(CLOCK_REALTIME);
	l.unseen = live_each(add_live, &l);
	orphan_each(add_file, &l);
	if (l.clean) {
		print_removed(&l);
	} else if (l.count) {
		qsort(l.rows, l.count, sizeof *l.rows, compare);
		print(&l);
	} else {
		say("ls: no process with libcprof.so and no store%s",
		    geteuid() ? "; root sees those of other users" : "");
	}
	free(l.rows);
	return output_end() == EXIT_OK && !l.failed ? EXIT_OK : EXIT_FAILED;
}

const struct command command_ls = {
	.name = "ls",
	.run = run,
	.arguments = "[--clean]",
	.summary = "list profiled processes and what killed ones have left",
	.help = "Lists the running processes with libcprof.so, and stores whose process has ended "
		"without\n"
		"writing them. AGE: since its start, or since the store last grew. SAMPLES: of CPU "
		"time.\n"
		"HEAP: in use, by estimate. LOST: see cprof status.\n"
		"\n"
		"  running      sampled; cprof dump has it write a profile\n"
		"  off          libcprof.so is loaded and does nothing, or is still starting\n"
		"  before-exec  what a running process had recorded before it called exec\n"
		"  killed       its profile can be had: cprof recover\n"
		"  finished     all of it is in files\n"
		"  elsewhere    of another container or machine: whether it runs cannot be seen "
		"from here\n"
		"  other-boot, unreadable\n"
		"\n"
		"  --clean  removes, instead, the stores of processes that have ended, with what "
		"is\n"
		"           in them; never one whose process may run\n"
		"\n"
		"Looked at are /dev/shm/cprof-<uid> and $CPROF_STORE_DIR; root sees all users.\n"
		"Exit code: 0 done; 1 something could not be read or removed; 2 wrong usage.\n",
};
