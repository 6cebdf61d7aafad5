/* SPDX-License-Identifier: MIT */
#include "output/export.h"

#include <errno.h>
#include <stdbool.h>

#include "core/arena.h"
#include "core/sys.h"
#include "core/text.h"
#include "core/utf8.h"
#include "output/file_kind.h"
#include "output/locations.h"
#include "output/pprof.h"
#include "output/rotate.h"
#include "output/sink.h"
#include "output/snapshot.h"
#include "output/version.h"

#include "core/as_safe.h"

/* A full store of 16,384 deep stacks needs about 60 MB; the cap is for a damaged one. */
#define ARENA_BYTES_MAX ((size_t)192 << 20)
#define COMMENT_BYTES	1152u
#define NUMBER_TRIES	100000u /* files of one pid in one directory; each costs a stat */
#define RENUMBER_TRIES	8u

/* One dump.  It lives in its arena, not on the stack, which in the host is small. */
struct dump {
	const struct store_view *view;
	const struct export_request *request;
	struct arena *arena;
	struct locations locations;
	struct snapshot snapshot;
	struct snapshot_file files[KIND_COUNT];
	struct gzip gzip; /* its memory, for one file after the other */
	struct sink_dir dir;
	struct sink sinks[KIND_COUNT];
	uint64_t number; /* of this dump's files */
	uint32_t kinds;	 /* set of the files that there are */
	const char *comments[PPROF_COMMENTS_MAX];
	unsigned comment_count;
	struct export_row *rows; /* of all kinds */
	unsigned row_count;
	struct export_result *result;
	struct text problem;
};

static void add_comment(struct dump *d, struct text *t)
{
	char *copy = arena_strndup(d->arena, t->buf, t->len);

	if (copy && d->comment_count < PPROF_COMMENTS_MAX)
		d->comments[d->comment_count++] = copy;
}

static void comment_losses(struct dump *d)
{
	for (unsigned i = 0; i < LOST_COUNT; i++) {
		char line[160];
		struct text t = TEXT_ON(line);
		/* Relaxed: a counter. */
		uint64_t lost =
			atomic_load_explicit(&d->view->header->lost[i], memory_order_relaxed);

		if (!lost)
			continue;
		text_str(&t, "cprof: ");
		text_str(&t, store_loss_text(i));
		text_str(&t, ": ");
		text_u64(&t, lost);
		add_comment(d, &t);
	}
}

static void comment_cost(struct dump *d)
{
	const struct store_header *h = d->view->header;
	uint64_t samples = 0;
	char line[160];
	struct text t = TEXT_ON(line);

	for (unsigned b = 0; b < STORE_COST_BUCKETS; b++) /* relaxed: counters */
		samples += atomic_load_explicit(&h->cost_buckets[b], memory_order_relaxed);
	if (!samples)
		return;
	text_str(&t, "cprof: one sample cost the process a median of ");
	text_u64(&t, store_view_cost_ns(d->view, 500));
	text_str(&t, " ns, a mean of ");
	text_u64(&t, atomic_load_explicit(&h->cost_total_ns, memory_order_relaxed) / samples);
	text_str(&t, " ns");
	add_comment(d, &t);
}

static void comment_command(struct dump *d)
{
	const struct store_header *h = d->view->header;
	char line[COMMENT_BYTES];
	struct text t = TEXT_ON(line);
	uint32_t n = h->cmdline_bytes < sizeof h->cmdline ? h->cmdline_bytes : sizeof h->cmdline;

	text_str(&t, "command line: ");
	for (uint32_t i = 0; i < n; i++) /* NULs between arguments, newlines of a script in one */
		text_char(&t, (unsigned char)h->cmdline[i] < ' ' ? ' ' : h->cmdline[i]);
	while (t.len && line[t.len - 1] == ' ')
		t.len--;
	add_comment(d, &t);
}

static void collect_comments(struct dump *d)
{
	static char version[] = "cprof " CPROF_VERSION;
	const char *const *further = d->request->comments;
	struct text t = {.buf = version, .size = sizeof version, .len = sizeof version - 1};

	add_comment(d, &t);
	comment_losses(d);
	comment_cost(d);
	if (d->view->header->cpu_fallback) {
		static char fallback[] = "cprof: one timer for the whole process, since timers per "
					 "thread were refused";

		t = (struct text){.buf = fallback, .len = sizeof fallback - 1};
		add_comment(d, &t);
	}
	for (unsigned i = 0; i < d->locations.note_count; i++)
		if (d->comment_count < PPROF_COMMENTS_MAX)
			d->comments[d->comment_count++] = d->locations.notes[i];
	comment_command(d);
	for (; further && *further && d->comment_count < PPROF_COMMENTS_MAX; further++)
		d->comments[d->comment_count++] = *further;
}

/* Would the file say nothing about waits, for which it is? */
static bool is_without_waits(const struct dump *d, enum store_kind k)
{
	const uint32_t all = KIND_BIT(KIND_BLOCK) | KIND_BIT(KIND_IDLE) | KIND_BIT(KIND_MUTEX);
	uint32_t waits = file_kind_rows(k, d->view->header) & all;

	return waits && !(d->snapshot.kinds & waits);
}

/* Kinds that are recorded.  One file there is always: an empty profile is valid. */
static void choose_kinds(struct dump *d)
{
	const struct store_header *h = d->view->header;

	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;) {
		enum store_kind recorded = file_kinds[k].twin_of ? file_kinds[k].twin_of : k;

		if (d->request->last && is_without_waits(d, k))
			continue;
		if (h->kind_period[recorded] || d->snapshot.kinds & KIND_BIT(recorded))
			d->kinds |= KIND_BIT(k);
	}
	if (!d->kinds)
		d->kinds = KIND_BIT(KIND_CPU);
}

/* What is in each file, and the frames of all of them. */
static int fill_files(struct dump *d)
{
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, d->kinds)) != KIND_NONE;) {
		struct snapshot_file *f = &d->files[k];

		if (file_kinds[k].twin_of)
			continue;
		int rc = snapshot_select(f, &d->snapshot, &file_kinds[k],
					 file_kind_rows(k, d->view->header), d->arena);
		if (rc < 0)
			return rc;
		for (unsigned i = 0; i < f->count && i < PPROF_SAMPLES_MAX; i++) {
			struct snapshot_row *row = f->samples[i].row;

			if (!row->locations)
				row->locations = locations_add_stack(&d->locations, row->in.frames,
								     row->in.depth);
		}
	}
	return 0;
}

static bool has_moved(const struct store_sample *row)
{
	for (unsigned i = 0; i < row->values; i++)
		if (row->total[i] != row->base[i])
			return true;
	return false;
}

/* The new bases: of all rows, once each, whatever files they are in. */
static int collect_bases(struct dump *d)
{
	d->rows = arena_alloc(d->arena, d->snapshot.count * sizeof *d->rows);
	if (!d->rows)
		return -ENOMEM;
	for (unsigned i = 0; i < d->snapshot.count; i++) {
		const struct store_sample *in = &d->snapshot.rows[i].in;

		if (!has_moved(in))
			continue;
		struct export_row *row = &d->rows[d->row_count++];
		row->row_at = in->row_at;
		memcpy(row->total, in->total, sizeof row->total);
	}
	return 0;
}

/* The program's name comes from a file that may be damaged. */
static void program_name(const struct store_header *h, struct text *t)
{
	size_t from = t->len;

	for (size_t i = 0; i < sizeof h->program && h->program[i]; i++) {
		char c = h->program[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '+' ||
			     (c == '.' && i > 0);

		text_char(t, plain ? c : '_');
	}
	if (t->len == from)
		text_str(t, "unknown");
}

/* See also output/rotate. */
void export_file_name(const struct store_header *h, enum store_kind kind, uint64_t number,
		      struct text *t)
{
	program_name(h, t);
	text_char(t, '.');
	text_u64(t, h->pid);
	text_char(t, '.');
	text_str(t, file_kinds[kind].name);
	text_char(t, '.');
	text_u64(t, number);
	text_str(t, ".pb.gz");
}

static int write_to_sink(void *opaque, const void *bytes, size_t n)
{
	return sink_write(opaque, bytes, n);
}

/* A positive number for every reader, also from a damaged header. */
static uint64_t positive(uint64_t v)
{
	return v == 0 ? 1 : v > INT64_MAX ? INT64_MAX : v;
}

static int create_sink(struct dump *d, enum store_kind k)
{
	char name[160];
	struct text t = TEXT_ON(name);

	export_file_name(d->view->header, k, d->number, &t);
	return sink_create(&d->sinks[k], &d->dir, name, &d->problem);
}

/* That has the same samples with another default. */
static enum store_kind twin_of(const struct dump *d, enum store_kind k)
{
	enum store_kind twin = KIND_NONE;

	while ((twin = file_kind_next(twin, d->kinds)) != KIND_NONE)
		if (file_kinds[twin].twin_of == k)
			break;
	return twin;
}

/* A window stands for time, by periods of CPU. */
static uint64_t period_of(const struct store_header *h, enum store_kind k)
{
	const struct file_kind *kind = &file_kinds[k];

	return positive(kind->period	  ? kind->period
			: kind->is_window ? h->cpu_period_ns
					  : h->kind_period[k]);
}

/* One kind, and its twin along with it. */
static int write_kind(struct dump *d, enum store_kind k)
{
	const struct store_header *h = d->view->header;
	/* Relaxed: as choose_number(). */
	uint64_t realtime = atomic_load_explicit(&h->window_realtime_ns, memory_order_relaxed);
	uint64_t monotonic = atomic_load_explicit(&h->window_monotonic_ns, memory_order_relaxed);
	uint64_t now = d->request->now_monotonic_ns;
	enum store_kind twin = twin_of(d, k);
	struct pprof_result written;

	monotonic = monotonic ? monotonic : h->created_monotonic_ns;
	struct pprof_input input = {
		.kind = &file_kinds[k],
		.file = &d->files[k],
		.locations = &d->locations,
		.time_ns = positive(d->request->now_realtime_ns),
		.period = period_of(h, k),
		.comments = d->comments,
		.comment_count = d->comment_count,
		.gzip = &d->gzip,
	};
	if (file_kinds[k].is_window) {
		input.time_ns = positive(realtime ? realtime : h->created_realtime_ns);
		/* Never 0: that would say "not a window". */
		input.duration_ns = positive(now > monotonic ? now - monotonic : 0);
	}
	int rc = create_sink(d, k);
	if (rc == 0 && twin != KIND_NONE) {
		rc = create_sink(d, twin);
		input.twin = &file_kinds[twin];
		input.twin_write = write_to_sink;
		input.twin_opaque = &d->sinks[twin];
	}
	if (rc < 0)
		return rc;
	rc = pprof_write(&input, d->arena, write_to_sink, &d->sinks[k], &written);
	d->result->samples += written.samples;
	return rc;
}

static int commit_kinds(struct dump *d, bool windows)
{
	int rc = 0;

	for (enum store_kind k = KIND_NONE;
	     rc == 0 && (k = file_kind_next(k, d->kinds)) != KIND_NONE;)
		if (file_kinds[k].is_window == windows)
			rc = sink_commit(&d->sinks[k]);
	return rc;
}

/* Gives all files their names.  Windows come last, since a dumper that is killed behind them and before the rows have
 * their new bases has told of them, and the next one does too. */
static int commit_files(struct dump *d)
{
	int rc = commit_kinds(d, false);

	return rc < 0 ? rc : commit_kinds(d, true);
}

/* What the dump has made; the last file's path stands for all. */
static void report_files(struct dump *d)
{
	struct text path = TEXT_ON(d->result->path);
	struct stat st;

	d->result->number = d->number;
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, d->kinds)) != KIND_NONE;) {
		d->result->files++;
		d->result->kinds |= KIND_BIT(k);
		if (sys_fstatat(d->dir.fd, d->sinks[k].name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			d->result->bytes += (uint64_t)st.st_size;
		path.len = 0;
		text_str(&path, d->dir.path);
		text_char(&path, '/');
		text_str(&path, d->sinks[k].name);
	}
}

/* The next number that no file has: a container's program has the same pid after every restart, and its
 * earlier profiles are not ours to replace. */
static void choose_number(struct dump *d)
{
	/* Relaxed: the owner of the store moves it, and only between dumps. */
	uint32_t dumps = atomic_load_explicit(&d->view->header->dumps, memory_order_relaxed);
	bool taken = true;

	d->number = dumps;
	for (unsigned tries = 0; taken && tries < NUMBER_TRIES; tries++) {
		taken = false;
		d->number++;
		for (enum store_kind k = KIND_NONE;
		     (k = file_kind_next(k, KIND_ALL)) != KIND_NONE;) {
			char name[160];
			struct text t = TEXT_ON(name);
			struct stat st;

			export_file_name(d->view->header, k, d->number, &t);
			if (sys_fstatat(d->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
				taken = true;
		}
	}
}

/* Another process of this name and pid, in another container, has chosen the same number just now. */
static bool renumber(struct dump *d)
{
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, d->kinds)) != KIND_NONE;)
		if (!d->sinks[k].temp[0]) /* it has its name already */
			return false;
	choose_number(d);
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, d->kinds)) != KIND_NONE;) {
		struct text t = TEXT_ON(d->sinks[k].name);

		export_file_name(d->view->header, k, d->number, &t);
	}
	return true;
}

static int dump_steps(struct dump *d)
{
	int rc = locations_init(&d->locations, d->view, d->arena);

	d->locations.in_process = d->request->in_process;
	if (rc == 0)
		rc = snapshot_take(&d->snapshot, d->view, d->arena);
	if (rc < 0)
		return rc;
	choose_kinds(d);
	rc = fill_files(d);
	if (rc == 0)
		rc = collect_bases(d);
	if (rc == 0)
		rc = locations_resolve(&d->locations);
	if (rc == 0)
		rc = sink_dir_open(&d->dir, d->request->dir, &d->problem);
	d->dir.writer = d->request->writer;
	if (rc < 0)
		return rc;
	choose_number(d);
	collect_comments(d);
	for (enum store_kind k = KIND_NONE;
	     rc == 0 && (k = file_kind_next(k, d->kinds)) != KIND_NONE;)
		if (!file_kinds[k].twin_of)
			rc = write_kind(d, k);
	if (rc == 0)
		rc = commit_files(d);
	for (unsigned tries = 0; rc == -EEXIST && tries < RENUMBER_TRIES && renumber(d); tries++)
		rc = commit_files(d);
	return rc;
}

/* The dump is complete: what cannot be removed now is for the next one. */
static void remove_older(const struct dump *d)
{
	const char *fresh[KIND_COUNT];
	char program[sizeof d->view->header->program + 1];
	struct text t = TEXT_ON(program);
	struct rotate_request request = {
		.dir = d->dir.fd,
		.program = program,
		.max_files = d->request->max_files,
		.max_bytes = d->request->max_bytes,
		.fresh = fresh,
	};

	program_name(d->view->header, &t);
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, d->kinds)) != KIND_NONE;)
		fresh[request.fresh_count++] = d->sinks[k].name;
	(void)rotate_files(&request);
}

/* No file of a dump that failed stays behind, and the problem says why. */
static void clean_up(struct dump *d, int rc)
{
	for (enum store_kind k = KIND_NONE; (k = file_kind_next(k, d->kinds)) != KIND_NONE;)
		sink_remove(&d->sinks[k]);
	d->result->files = d->result->samples = d->result->kinds = 0;
	d->result->bytes = 0;
	d->result->path[0] = '\0';
	if (d->problem.len)
		return;
	if (d->dir.path[0]) {
		text_str(&d->problem, d->dir.path);
		text_str(&d->problem, ": ");
	}
	text_str(&d->problem, rc == -ENOMEM ? "no memory for a profile (" : "no profile written (");
	text_str(&d->problem, text_errno(rc));
	text_char(&d->problem, ')');
}

int export_dump(const struct store_view *view, const struct export_request *request,
		void (*committed)(void *opaque, const struct export_row *rows, unsigned count),
		void *opaque, struct export_result *ret_result)
{
	struct arena own = {0};
	struct arena *arena = request->arena ? request->arena : &own;

	if (!arena->max_bytes)
		arena->max_bytes = ARENA_BYTES_MAX;
	struct dump *d = arena_alloc(arena, sizeof *d);

	*ret_result = (struct export_result){0};
	if (!d) {
		struct text t = TEXT_ON(ret_result->problem);

		text_str(&t, "no memory for a profile (ENOMEM)");
		return -ENOMEM;
	}
	d->view = view;
	d->request = request;
	d->arena = arena;
	d->dir.fd = -1;
	for (unsigned kind = 0; kind < KIND_COUNT; kind++)
		d->sinks[kind].fd = -1;
	d->result = ret_result;
	d->problem = TEXT_ON(ret_result->problem);

	int rc = dump_steps(d);
	unsigned frames = d->locations.named + d->locations.unnamed;
	if (frames)
		ret_result->unnamed_per_mille =
			(unsigned)((uint64_t)d->locations.unnamed * 1000 / frames);
	if (rc < 0)
		clean_up(d, rc);
	else if (committed)
		committed(opaque, d->rows, d->row_count);
	if (rc == 0)
		report_files(d);
	if (rc == 0)
		remove_older(d);
	sink_dir_close(&d->dir);
	arena_drop(arena);
	return rc;
}
