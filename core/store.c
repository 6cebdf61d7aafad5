/* SPDX-License-Identifier: MIT */
#include "core/store.h"

#include <errno.h>

#include "core/hot.h"
#include "core/run_file.h"
#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

#define PAGE	       4096u
#define POPULATE_WRITE 23	  /* MADV_POPULATE_WRITE, Linux 5.14; absent from older headers */
#define SMALL_STORE    (4u << 20) /* before Linux 5.14 all of the store is allocated at once */

static void copy_string(char *to, size_t size, const char *from)
{
	struct text t = {.buf = to, .size = size};

	text_str(&t, from ? from : "");
}

static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) / to * to;
}

/*
 * Space in a shared store is reserved before it is touched: writing to a hole of a full tmpfs would
 * be a SIGBUS in the host, while MADV_POPULATE_WRITE fails with EFAULT.  One bit per step remembers
 * what is there; two threads may reserve the same step, which is harmless.
 */
static bool store_reserve(struct store *s, uint64_t at, uint64_t bytes)
{
	uint64_t last = (at + bytes - 1) / STORE_RESERVE_STEP;

	if (!s->shared)
		return true;
	for (uint64_t step = at / STORE_RESERVE_STEP; step <= last; step++) {
		uint64_t bit = UINT64_C(1) << (step % 64);

		/* Relaxed: the bit says something about the mapping, not about other memory. */
		if (atomic_load_explicit(&s->reserved[step / 64], memory_order_relaxed) & bit)
			continue;
		uint64_t from = step * STORE_RESERVE_STEP;
		uint64_t n = s->size_bytes - from < STORE_RESERVE_STEP ? s->size_bytes - from
								       : STORE_RESERVE_STEP;
		if (sys_madvise((char *)s->header + from, n, POPULATE_WRITE) < 0)
			return false;
		atomic_fetch_or_explicit(&s->reserved[step / 64], bit, memory_order_relaxed);
	}
	return true;
}

/* Offset from arena_offset of n fresh zeroed bytes, or -1. */
static int64_t store_take(struct store *s, uint64_t n)
{
	struct store_header *h = s->header;
	uint64_t room = s->size_bytes - h->arena_offset;

	n = round_up(n, 8);
	/* Relaxed: the bytes become visible with the word that publishes the record in them. */
	uint64_t at = atomic_load_explicit(&h->arena_used, memory_order_relaxed);
	do {
		if (at + n > room)
			return -1;
	} while (!atomic_compare_exchange_weak_explicit(
		&h->arena_used, &at, at + n, memory_order_relaxed, memory_order_relaxed));
	/* What cannot be reserved stays a hole: giving it back could hand out bytes twice. */
	return store_reserve(s, h->arena_offset + at, n) ? (int64_t)at : -1;
}

static void *record(const struct store *s, uint64_t at)
{
	return (char *)s->header + s->header->arena_offset + at;
}

/* The finaliser of MurmurHash3 (public domain): every input bit reaches every output bit. */
static uint64_t mix(uint64_t h)
{
	h ^= h >> 33;
	h *= UINT64_C(0xff51afd7ed558ccd);
	h ^= h >> 33;
	h *= UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 33;
}

static uint64_t hash_frames(const uint64_t *frames, unsigned depth)
{
	uint64_t h = depth;

	for (unsigned i = 0; i < depth; i++) {
		h = (h ^ frames[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	return mix(h);
}

/*
 * An index is used from its front: records go into the first 2048 slots until these are half full, then into the
 * next 6144, then into the rest.  A process with few stacks touches 8 pages of both indexes instead of all 128, which
 * cost it 7 us each.  Readers look at every slot and need not know.
 */
static const struct {
	uint32_t first, slots;
} parts[] = {{0, 2048}, {2048, 6144}, {8192, STORE_INDEX_SLOTS - 8192}};
#define PARTS (sizeof parts / sizeof parts[0])

/* The part that the next record goes into. */
static unsigned part_of(uint32_t count)
{
	return count < parts[1].first / 2 ? 0 : count < parts[2].first / 2 ? 1 : 2;
}

static bool find_in(struct store *s, uint64_t table_offset, unsigned part, uint64_t hash,
		    uint64_t *ret_at, _Atomic uint64_t **ret_slot)
{
	_Atomic uint64_t *table = (_Atomic uint64_t *)((char *)s->header + table_offset);

	for (uint32_t i = 0; i < parts[part].slots; i++) {
		uint64_t n = parts[part].first + (hash + i) % parts[part].slots;

		if (!store_reserve(s, table_offset + n * 8, 8))
			return false;
		/* Acquire pairs with the CAS in publish(): the record is complete. */
		uint64_t slot = atomic_load_explicit(&table[n], memory_order_acquire);
		if (slot == 0) {
			*ret_slot = &table[n];
			return false;
		}
		/* Both record types begin with their hash. */
		if ((slot ^ hash) >> 32 == 0 &&
		    *(const uint64_t *)record(s, STORE_SLOT_AT(slot)) == hash) {
			*ret_at = STORE_SLOT_AT(slot);
			return true;
		}
	}
	return false;
}

/*
 * Finds the slot of a hash: true with *ret_at when a record with it is published; false with
 * *ret_slot empty and usable, or NULL when the table has no room.  Records are trusted by their
 * 64-bit hash: with 16384 stacks two of them share one with a probability of 1e-11.  Two threads that enter the same
 * hash at the moment when a part becomes full may make two records of it, whose sum is right.
 */
HOT_PATH static bool find(struct store *s, uint64_t table_offset, const _Atomic uint32_t *count,
			  uint64_t hash, uint64_t *ret_at, _Atomic uint64_t **ret_slot)
{
	unsigned last = part_of(atomic_load_explicit(count, memory_order_relaxed));

	for (unsigned part = 0; part <= last; part++) {
		*ret_slot = NULL;
		if (find_in(s, table_offset, part, hash, ret_at, ret_slot))
			return true;
	}
	return false;
}

/*
 * Publishes a record in the empty slot that find() gave.  When somebody else was first with the
 * same hash, theirs is used and ours is wasted space; when with another hash, the search goes on
 * behind it.  Nothing waits.
 */
static bool publish(struct store *s, uint64_t table_offset, uint64_t hash, uint64_t *at,
		    _Atomic uint64_t *slot, _Atomic uint32_t *count)
{
	while (slot) {
		uint64_t empty = 0;

		/* Release pairs with the acquire in find() and in store_view. */
		if (atomic_compare_exchange_strong_explicit(slot, &empty, STORE_SLOT(hash, *at),
							    memory_order_release,
							    memory_order_relaxed)) {
			atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
			return true;
		}
		if (find(s, table_offset, count, hash, at, &slot))
			return true;
	}
	return false;
}

static bool has_room(const _Atomic uint32_t *count)
{
	return atomic_load_explicit(count, memory_order_relaxed) < STORE_INDEX_SLOTS / 2;
}

static bool intern_stack(struct store *s, const uint64_t *frames, unsigned depth, uint64_t hash,
			 uint64_t *ret_at)
{
	struct store_header *h = s->header;
	_Atomic uint64_t *slot;

	if (find(s, h->stacks_offset, &h->stack_count, hash, ret_at, &slot))
		return true;
	if (!slot || !has_room(&h->stack_count))
		return false;
	int64_t at = store_take(s, sizeof(struct store_stack) + depth * sizeof(uint64_t));
	if (at < 0)
		return false;
	struct store_stack *stack = record(s, (uint64_t)at);
	stack->hash = hash;
	stack->depth = depth;
	memcpy(stack->frames, frames, depth * sizeof(uint64_t));
	*ret_at = (uint64_t)at;
	return publish(s, h->stacks_offset, hash, ret_at, slot, &h->stack_count);
}

/* From the stack's hash, not from its place: so both slots are known at once. */
static uint64_t hash_row(uint64_t stack_hash, enum store_kind kind, uint64_t label)
{
	return mix(mix(stack_hash + (unsigned)kind) ^ label);
}

HOT_PATH static bool intern_row(struct store *s, enum store_kind kind, uint64_t stack_at,
				uint64_t label, uint64_t hash, uint64_t *ret_at)
{
	struct store_header *h = s->header;
	unsigned values = store_kind_values(kind);
	_Atomic uint64_t *slot;

	if (find(s, h->rows_offset, &h->row_count, hash, ret_at, &slot))
		return true;
	if (!slot || !has_room(&h->row_count))
		return false;
	int64_t at = store_take(s, sizeof(struct store_row) + 2 * values * sizeof(uint64_t));
	if (at < 0)
		return false;
	struct store_row *row = record(s, (uint64_t)at);
	row->hash = hash;
	row->stack_at = (uint32_t)(stack_at / 8);
	row->kind = (uint16_t)kind;
	row->values = (uint16_t)values;
	row->label = label;
	*ret_at = (uint64_t)at;
	return publish(s, h->rows_offset, hash, ret_at, slot, &h->row_count);
}

HOT_PATH void store_add_to(struct store *s, uint64_t row_at, unsigned first, const uint64_t *values,
			   unsigned n)
{
	struct store_row *row = record(s, row_at);

	for (unsigned i = 0; i < n; i++)
		atomic_fetch_add_explicit(&row->value[first + i], values[i], memory_order_relaxed);
}

HOT_PATH uint64_t store_add(struct store *s, enum store_kind kind, const uint64_t *frames,
			    unsigned depth, uint64_t label, const uint64_t *values)
{
	const struct store_header *h = s->header;
	uint64_t stack_hash = hash_frames(frames, depth);
	uint64_t row_hash = hash_row(stack_hash, kind, label);
	uint64_t stack_at, row_at;

	__builtin_prefetch((char *)h + h->stacks_offset + stack_hash % parts[0].slots * 8, 1);
	__builtin_prefetch((char *)h + h->rows_offset + row_hash % parts[0].slots * 8, 1);
	if (!intern_stack(s, frames, depth, stack_hash, &stack_at) ||
	    !intern_row(s, kind, stack_at, label, row_hash, &row_at)) {
		store_lost(s, LOST_STORE_FULL, kind == KIND_CPU ? values[0] : 1);
		row_at = s->full_row_at[kind];
	}
	store_add_to(s, row_at, 0, values, store_kind_values(kind));
	return row_at;
}

void store_expect(const struct store *s)
{
	const struct store_header *h = s->header;
	const char *next = record(s, atomic_load_explicit(&h->arena_used, memory_order_relaxed));

	__builtin_prefetch(next, 1);
	__builtin_prefetch(next + 64, 1);
	__builtin_prefetch(next + 128, 1);
	__builtin_prefetch(next + 192, 1);
	__builtin_prefetch(&h->cost_total_ns, 1);
}

static bool same_module(const struct store *s, const struct store_module *m,
			const struct store_module_info *info)
{
	if (m->start != info->start || m->limit != info->limit ||
	    m->build_id_bytes != info->build_id_bytes)
		return false;
	if (info->build_id_bytes)
		return memcmp(m->build_id, info->build_id, info->build_id_bytes) == 0;
	return text_equal(m->path_offset ? (const char *)s->header + m->path_offset : "",
			  info->path);
}

/* A place in the table of modules that is the caller's; STORE_MODULES_MAX: none.  It counts only when there is memory for it, since everybody
 * reads as far as the count says.  Never given back: one that stays empty is skipped by readers. */
static uint32_t take_module(struct store *s)
{
	struct store_header *h = s->header;
	uint32_t i = atomic_load_explicit(&h->module_count, memory_order_relaxed);

	do {
		if (i >= STORE_MODULES_MAX - 1 ||
		    !store_reserve(s, h->modules_offset + i * sizeof(struct store_module),
				   sizeof(struct store_module)))
			return STORE_MODULES_MAX;
	} while (!atomic_compare_exchange_weak_explicit(
		&h->module_count, &i, i + 1, memory_order_relaxed, memory_order_relaxed));
	return i;
}

unsigned store_module_add(struct store *s, const struct store_module_info *info)
{
	struct store_header *h = s->header;
	struct store_module *modules = (struct store_module *)((char *)h + h->modules_offset);
	uint32_t count = atomic_load_explicit(&h->module_count, memory_order_relaxed);

	for (uint32_t i = 0; i < count && i < STORE_MODULES_MAX - 1; i++) {
		struct store_module *m = &modules[i];

		/* Acquire pairs with the release below; one that is being filled is skipped, never
		 * waited for: the same module may then get two ids, which readers merge. */
		if (atomic_load_explicit(&m->state, memory_order_acquire) != MODULE_READY)
			continue;
		if (same_module(s, m, info)) {
			atomic_store_explicit(&m->unloaded_monotonic_ns, 0, memory_order_relaxed);
			return i + 1;
		}
		if (m->start < info->limit && info->start < m->limit)
			atomic_store_explicit(&m->unloaded_monotonic_ns,
					      sys_clock_ns(CLOCK_MONOTONIC), memory_order_relaxed);
	}

	uint64_t path_bytes = text_length(info->path) + 1;
	int64_t path_at = count < STORE_MODULES_MAX - 1 ? store_take(s, path_bytes) : -1;
	uint32_t i = path_at < 0 ? STORE_MODULES_MAX : take_module(s);
	if (i == STORE_MODULES_MAX) {
		store_lost(s, LOST_MODULES_FULL, 1);
		return FRAME_NO_MODULE;
	}
	struct store_module *m = &modules[i];
	memcpy(record(s, (uint64_t)path_at), info->path, path_bytes);
	m->path_offset = (uint32_t)(h->arena_offset + (uint64_t)path_at);
	m->start = info->start;
	m->limit = info->limit;
	m->file_offset = info->file_offset;
	m->bias = info->bias;
	m->loaded_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
	m->is_exe = info->is_exe;
	m->is_vdso = info->is_vdso;
	m->build_id_bytes = (uint8_t)info->build_id_bytes;
	memcpy(m->build_id, info->build_id, info->build_id_bytes);
	atomic_store_explicit(&m->state, MODULE_READY, memory_order_release);
	return i + 1;
}

void store_lost(struct store *s, enum store_loss what, uint64_t count)
{
	atomic_fetch_add_explicit(&s->header->lost[what], count, memory_order_relaxed);
}

HOT_PATH void store_used(struct store *s, uint64_t now_monotonic_ns)
{
	atomic_store_explicit(&s->header->last_monotonic_ns, now_monotonic_ns,
			      memory_order_relaxed);
}

void store_cost(struct store *s, uint64_t ns, uint64_t now_monotonic_ns)
{
	struct store_header *h = s->header;

	store_used(s, now_monotonic_ns);
	atomic_fetch_add_explicit(&h->cost_total_ns, ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->cost_buckets[store_cost_bucket(ns)], 1, memory_order_relaxed);
}

void store_rebase(struct store *s, const uint64_t *totals, uint64_t row_at)
{
	struct store_row *row = record(s, row_at);

	for (unsigned i = 0; i < row->values; i++)
		atomic_store_explicit(&row->value[row->values + i], totals[i],
				      memory_order_relaxed);
}

void store_window(struct store *s, uint64_t realtime_ns, uint64_t monotonic_ns)
{
	struct store_header *h = s->header;

	atomic_store_explicit(&h->window_realtime_ns, realtime_ns, memory_order_relaxed);
	atomic_store_explicit(&h->window_monotonic_ns, monotonic_ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&h->dumps, 1, memory_order_release);
}

/* Between two increments of the sequence, which a dumper that was killed may have left odd. */
void store_dump_ended(struct store *s, const struct store_outcome *o)
{
	struct store_dump *d = &s->header->dump;
	uint32_t sequence = atomic_load_explicit(&d->sequence, memory_order_relaxed) | 1;
	uint64_t now = sys_clock_ns(CLOCK_REALTIME);

	atomic_store_explicit(&d->sequence, sequence, memory_order_relaxed);
	/* What follows does not come before it; pairs with the reader's order of reads. */
	atomic_thread_fence(memory_order_release);
	d->answered = o->answered;
	d->result = o->result;
	d->ended_realtime_ns = now;
	copy_string(d->problem, sizeof d->problem, o->result < 0 ? o->problem : "");
	if (o->result == 0) {
		struct text dir = TEXT_ON(d->dir);
		const char *name = text_basename(o->path);

		text_bytes(&dir, o->path, name > o->path ? (size_t)(name - o->path) - 1 : 0);
		d->complete_realtime_ns = now;
		d->number = o->number;
		d->bytes = o->bytes;
		d->kinds = o->kinds;
	}
	atomic_store_explicit(&d->sequence, sequence + 1, memory_order_release);
}

void store_request(struct store *s, uint32_t count)
{
	atomic_fetch_add_explicit(&s->header->dump_requests, count, memory_order_relaxed);
}

uint32_t store_requests(const struct store *s)
{
	return atomic_load_explicit(&s->header->dump_requests, memory_order_relaxed);
}

void store_threads(struct store *s, uint32_t count)
{
	atomic_fetch_add_explicit(&s->header->thread_count, count, memory_order_relaxed);
}

uint64_t store_leaving(struct store *s, int threads)
{
	/* Sequentially consistent: the sender's order is the other way round. */
	atomic_fetch_add_explicit(&s->header->leaving, (uint32_t)threads, memory_order_seq_cst);
	return atomic_load_explicit(&s->header->hold_until_ns, memory_order_seq_cst);
}

void store_finish(struct store *s, bool finished)
{
	atomic_store_explicit(&s->header->finished, finished, memory_order_relaxed);
}

void store_view_of(const struct store *s, struct store_view *ret_view)
{
	*ret_view = (struct store_view){
		.header = s->header,
		.size_bytes = s->size_bytes,
		.reserved = s->shared ? s->reserved : NULL,
	};
}

/* ---- creation ---- */

static uint64_t arena_offset_of(void)
{
	return round_up(round_up(sizeof(struct store_header), PAGE) +
				STORE_MODULES_MAX * sizeof(struct store_module) +
				2 * STORE_INDEX_SLOTS * sizeof(uint64_t),
			PAGE);
}

static int map_bitmap(struct store *s)
{
	size_t bytes = round_up(s->size_bytes / STORE_RESERVE_STEP / 8 + 8, PAGE);
	void *p = sys_mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (sys_failed(p))
		return -ENOMEM;
	s->reserved = p;
	return 0;
}

static int map_file(struct store *s, const char *dir, uint64_t max_bytes,
		    const struct store_identity *who)
{
	struct text path = TEXT_ON(s->path);
	int fd = run_file_create(&path, dir, who->uid, who->pid, who->start_ticks);
	void *p;
	int r = 0;

	if (fd < 0)
		return fd;
	s->size_bytes = run_file_budget(fd, max_bytes);
	if (s->size_bytes < arena_offset_of() + PAGE)
		r = -ENOSPC;
	if (!r)
		r = sys_ftruncate(fd, s->size_bytes);
	if (!r) {
		p = sys_mmap_lazy(s->size_bytes, MAP_SHARED, fd);
		r = sys_failed(p) ? -ENOMEM : 0;
	}
	if (!r) {
		int probe = sys_madvise(p, PAGE, POPULATE_WRITE);

		s->header = p;
		s->shared = true;
		if (probe == -EINVAL) { /* an older kernel: allocate all of a smaller store now */
			if (s->size_bytes > SMALL_STORE)
				s->size_bytes = SMALL_STORE;
			r = (int)SYS_CALL(SYS_fallocate, fd, 0, 0, s->size_bytes, 0, 0);
			s->shared = false;
		} else {
			r = probe < 0 ? -ENOSPC : map_bitmap(s);
		}
		if (r)
			sys_munmap(p, s->size_bytes);
	}
	sys_close(fd);
	if (r)
		(void)sys_unlink(s->path);
	return r;
}

static void fill_header(struct store *s, const struct store_identity *who)
{
	struct store_header *h = s->header;

	h->version = STORE_VERSION;
	h->header_bytes = sizeof *h;
	h->total_bytes = s->size_bytes;
	h->pid = who->pid;
	h->uid = who->uid;
	h->start_ticks = who->start_ticks;
	h->boot_id[0] = who->boot_id[0];
	h->boot_id[1] = who->boot_id[1];
	h->pid_ns = who->pid_ns;
	h->created_realtime_ns = sys_clock_ns(CLOCK_REALTIME);
	h->created_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
	copy_string(h->program, sizeof h->program, who->program);
	copy_string(h->exe, sizeof h->exe, who->exe);
	copy_string(h->cwd, sizeof h->cwd, who->cwd);
	copy_string(h->dir, sizeof h->dir, who->dir);
	h->cmdline_bytes =
		who->cmdline_bytes < sizeof h->cmdline ? who->cmdline_bytes : sizeof h->cmdline;
	memcpy(h->cmdline, who->cmdline, h->cmdline_bytes);
	h->cpu_hz = who->cpu_hz;
	h->cpu_fallback = who->cpu_fallback;
	h->cpu_period_ns = who->cpu_period_ns;
	h->kind_period[KIND_CPU] = who->cpu_on ? who->cpu_period_ns : 0;
	h->kind_period[KIND_HEAP] = h->kind_period[KIND_ALLOCS] = who->heap_period_bytes;
	h->kind_period[KIND_BLOCK] = h->kind_period[KIND_IDLE] = who->block_threshold_ns;
	h->kind_period[KIND_MUTEX] = who->mutex_fraction;
	h->kind_period[KIND_WALL] = who->cpu_on && who->block_threshold_ns ? who->cpu_period_ns : 0;
	h->block_idle = who->block_idle;
	copy_string(h->library, sizeof h->library, who->library);
	copy_string(h->settings, sizeof h->settings, who->settings);
	h->modules_offset = round_up(sizeof *h, PAGE);
	h->stacks_offset = h->modules_offset + STORE_MODULES_MAX * sizeof(struct store_module);
	h->rows_offset = h->stacks_offset + STORE_INDEX_SLOTS * sizeof(uint64_t);
	h->arena_offset = arena_offset_of();
	atomic_store_explicit(&h->window_realtime_ns, who->window_realtime_ns,
			      memory_order_relaxed);
	atomic_store_explicit(&h->window_monotonic_ns, who->window_monotonic_ns,
			      memory_order_relaxed);
}

static bool make_full_rows(struct store *s)
{
	const uint64_t frame = FRAME(FRAME_SYNTHETIC, SYNTH_STORE_FULL);
	uint64_t stack_at;

	uint64_t hash = hash_frames(&frame, 1);

	if (!intern_stack(s, &frame, 1, hash, &stack_at))
		return false;
	for (enum store_kind kind = KIND_CPU; kind < KIND_COUNT; kind++)
		/* Nothing is added for a kind that is not recorded. */
		if ((kind == KIND_CPU || s->header->kind_period[kind]) && store_kind_values(kind) &&
		    !intern_row(s, kind, stack_at, 0, hash_row(hash, kind, 0),
				&s->full_row_at[kind]))
			return false;
	return true;
}

int store_create(struct store *s, const char *store_dir, uint64_t max_bytes,
		 const struct store_identity *who, int *ret_why)
{
	memset(s, 0, sizeof *s);
	*ret_why = who->fileless ? -EPERM : map_file(s, store_dir, max_bytes, who);
	if (*ret_why < 0) {
		s->path[0] = '\0';
		s->shared = false;
		s->size_bytes = max_bytes;
		void *p = sys_mmap_lazy(max_bytes, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
		if (sys_failed(p))
			return -ENOMEM;
		s->header = p;
	}
	if (!store_reserve(s, 0, sizeof(struct store_header))) {
		store_drop(s, true);
		return -ENOMEM;
	}
	fill_header(s, who);
	if (!make_full_rows(s)) {
		store_drop(s, true);
		return -ENOMEM;
	}
	/* Release pairs with the acquire of store_view_init(): a reader that sees the magic sees
	 * all. */
	uint64_t magic;
	memcpy(&magic, STORE_MAGIC, sizeof magic);
	__atomic_store_n((uint64_t *)s->header->magic, magic, __ATOMIC_RELEASE);
	return 0;
}

void store_drop(struct store *s, bool unlink_file)
{
	if (!s->header)
		return;
	sys_munmap(s->header, s->size_bytes);
	if (s->reserved)
		sys_munmap(s->reserved, round_up(s->size_bytes / STORE_RESERVE_STEP / 8 + 8, PAGE));
	if (unlink_file && s->path[0])
		(void)sys_unlink(s->path);
	s->header = NULL;
	s->reserved = NULL;
	s->path[0] = '\0';
}

void store_detach(struct store *s)
{
	static char header[sizeof(struct store_header)];
	void *p;

	memcpy(header, s->header, sizeof header);
	p = sys_mmap(s->header, s->size_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	/* The offsets that all else goes by; when there was no memory, the parent's is still there. */
	if (!sys_failed(p))
		memcpy(p, header, sizeof header);
}
