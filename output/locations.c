/* SPDX-License-Identifier: MIT */
#include "output/locations.h"

#include <errno.h>
#include <stdbool.h>

#include "core/sys.h"
#include "core/process.h"
#include "core/text.h"
#include "core/utf8.h"
#include "output/demangle.h"
#include "output/perf_map.h"
#include "output/sort.h"

#include "core/as_safe.h"

#define FIRST_CAPACITY	1024u
#define PATH_BYTES	4096u
#define LOCATION_FAILED UINT32_MAX
#define NAME_UNKNOWN	"[unknown]"
#define TICK_NS		10000000u /* of /proc/PID/stat: USER_HZ is 100 */
#define PAGE		4096u
#define FIRST_CODE	PAGE  /* nobody's code is in the first page */
#define UNKNOWN_WORD	4094u /* for what is no enum synthetic; 4095 is output/pprof's */

/* A string of the header, which ends somewhere even in a damaged one. */
static void copy_header_text(char *to, const char *from, size_t size)
{
	memcpy(to, from, size);
	to[size - 1] = '\0';
}

int locations_init(struct locations *l, const struct store_view *view, struct arena *a)
{
	*l = (struct locations){
		.view = view,
		.arena = a,
		.merged = arena_alloc(a, STORE_MODULES_MAX * sizeof *l->merged),
		.modules = arena_alloc(a, LOCATION_MODULES_MAX * sizeof *l->modules),
		.functions = {.arena = a},
	};
	copy_header_text(l->exe, view->header->exe, sizeof l->exe);
	copy_header_text(l->cwd, view->header->cwd, sizeof l->cwd);
	return l->merged && l->modules ? 0 : -ENOMEM;
}

/* The path to open: absolute, the executable's link when the loader knows no name of it. */
static const char *absolute_path(struct locations *l, const struct store_module_info *info)
{
	char buf[PATH_BYTES];
	struct text t = TEXT_ON(buf);

	if (info->path[0] == '\0')
		text_str(&t, info->is_exe ? l->exe : "");
	else if (info->path[0] != '/' && info->path[0] != '[') {
		text_str(&t, l->cwd);
		text_char(&t, '/');
		text_str(&t, info->path);
	} else {
		text_str(&t, info->path);
	}
	return arena_strndup(l->arena, buf, t.len);
}

static bool same_module(const struct store_module_info *a, const struct store_module_info *b)
{
	return a->start == b->start && a->limit == b->limit && a->file_offset == b->file_offset &&
	       a->bias == b->bias && a->build_id_bytes == b->build_id_bytes &&
	       memcmp(a->build_id, b->build_id, a->build_id_bytes) == 0 &&
	       text_equal(a->path, b->path);
}

static bool new_module(struct locations *l, unsigned id, const struct store_module_info *info)
{
	struct symbols_module *m = arena_alloc(l->arena, sizeof *m);
	const char *path = absolute_path(l, info);

	if (!m || !path)
		return false;
	*m = (struct symbols_module){
		.info = *info,
		.path = path,
		.process_realtime_ns = l->view->header->created_realtime_ns,
		.mapped_start = info->start,
		.mapped_limit = info->limit,
	};
	l->modules[id] = m;
	return true;
}

/* The id that stands for a module id: FRAME_NO_MODULE when the store does not know it. */
static unsigned merge_module(struct locations *l, unsigned id)
{
	struct store_module_info info;

	if (id >= STORE_MODULES_MAX)
		return FRAME_NO_MODULE;
	if (l->merged[id])
		return l->merged[id];
	l->merged[id] = FRAME_NO_MODULE;
	if (store_view_module(l->view, id, &info) < 0)
		return FRAME_NO_MODULE;
	for (unsigned i = 1; i < STORE_MODULES_MAX; i++) {
		if (l->modules[i] && same_module(&l->modules[i]->info, &info)) {
			l->merged[id] = (uint16_t)i;
			return i;
		}
	}
	if (!new_module(l, id, &info))
		return FRAME_NO_MODULE;
	l->merged[id] = (uint16_t)id;
	return id;
}

/* The module of the store that has the code of a line, FRAME_NO_MODULE when none has it; *address
 * becomes the address in it. */
static unsigned find_module(struct locations *l, const struct remapped_line *line,
			    uint64_t *address)
{
	/* Relaxed: as locations_executable(). */
	unsigned count = atomic_load_explicit(&l->view->header->module_count, memory_order_relaxed);

	for (unsigned id = 0; id <= count && id < STORE_MODULES_MAX; id++) {
		if (id && line->other) /* they have been asked */
			break;
		/* First the one that had the last address. */
		unsigned try = id ? merge_module(l, id) : line->module;
		uint64_t there;

		if (try == FRAME_SYNTHETIC || try == FRAME_NO_MODULE)
			continue;
		there = remapped_in_module(&l->remapped, line, *address, &l->modules[try]->info);
		if (!there)
			continue;
		*address = there;
		return try;
	}
	return FRAME_NO_MODULE;
}

/* The id of a module that stands for the file of a line, FRAME_NO_MODULE when there can be none. */
static unsigned other_module(struct locations *l, const struct remapped_line *line)
{
	struct store_module_info info;
	unsigned id = STORE_MODULES_MAX + l->other_count;

	if (id >= LOCATION_MODULES_MAX || remapped_describe(line, l->arena, &info) < 0 ||
	    !new_module(l, id, &info))
		return FRAME_NO_MODULE;
	l->other_count++;
	return id;
}

/* Where code in no module belongs to when the program has mapped it from a file; *address becomes the
 * address that it has there. */
static unsigned place(struct locations *l, uint64_t *address)
{
	if (!l->in_process)
		return FRAME_NO_MODULE;
	if (!l->remapped_known) {
		l->remapped_known = true;
		if (remapped_read(&l->remapped, l->arena) < 0)
			l->remapped.count = 0;
	}
	struct remapped_line *line = remapped_find(&l->remapped, *address);
	if (!line)
		return FRAME_NO_MODULE;
	uint64_t at = *address;
	unsigned module = find_module(l, line, address);
	/* In the module itself: the sample is older, and then something else was there. */
	if (module != FRAME_NO_MODULE && at == *address)
		return FRAME_NO_MODULE;
	if (module != FRAME_NO_MODULE)
		return line->module = module;
	if (!line->other)
		line->other = other_module(l, line);
	return line->other;
}

static uint32_t *find_slot(const struct locations *l, uint64_t frame)
{
	uint32_t mask = 2 * l->capacity - 1;
	uint64_t h = frame * UINT64_C(0x9e3779b97f4a7c15); /* Fibonacci hashing: Knuth, 6.4 */

	for (uint32_t i = (uint32_t)(h >> 32);; i++) {
		uint32_t *slot = &l->slots[i & mask];

		if (*slot == 0 || l->list[*slot - 1].frame == frame)
			return slot;
	}
}

static bool grow(struct locations *l)
{
	struct locations larger = *l;

	larger.capacity = l->capacity ? 2 * l->capacity : FIRST_CAPACITY;
	if (larger.capacity > LOCATIONS_MAX)
		return false;
	larger.list = arena_alloc(l->arena, larger.capacity * sizeof *larger.list);
	larger.slots = arena_alloc(l->arena, 2 * larger.capacity * sizeof *larger.slots);
	if (!larger.list || !larger.slots)
		return false;
	for (unsigned i = 0; i < l->count; i++) {
		larger.list[i] = l->list[i];
		*find_slot(&larger, l->list[i].frame) = i + 1;
	}
	l->list = larger.list;
	l->slots = larger.slots;
	l->capacity = larger.capacity;
	return true;
}

/* The recorder knows one executable segment of each object; code may be in another one (BOLT makes
 * two).  A damaged store may say anything. */
static void widen_mapping(struct symbols_module *m, uint64_t address)
{
	if (address < m->mapped_start)
		m->mapped_start = address / PAGE * PAGE;
	if (address >= m->mapped_limit)
		m->mapped_limit = (address / PAGE + 1) * PAGE;
}

/* The frame that stands for one of the store.  Readers want an address that is not 0, inside its
 * mapping, and once only: of words below FIRST_CODE, of code above. */
static uint64_t merge_frame(struct locations *l, uint64_t frame)
{
	unsigned module = FRAME_MODULE(frame);
	uint64_t address = FRAME_ADDRESS(frame);

	if (module == FRAME_SYNTHETIC)
		return address - 1 < UNKNOWN_WORD ? frame : FRAME(FRAME_SYNTHETIC, UNKNOWN_WORD);
	if (address < FIRST_CODE) /* a call of a null pointer */
		return FRAME(FRAME_NO_MODULE, FIRST_CODE);
	module = module == FRAME_NO_MODULE ? place(l, &address) : merge_module(l, module);
	if (module != FRAME_NO_MODULE)
		widen_mapping(l->modules[module], address);
	return FRAME(module, address);
}

static uint32_t add_frame(struct locations *l, uint64_t frame)
{
	frame = merge_frame(l, frame);
	if (l->count == l->capacity && !grow(l))
		return LOCATION_FAILED;
	uint32_t *slot = find_slot(l, frame);
	if (*slot == 0) {
		l->list[l->count++] = (struct location){.frame = frame};
		*slot = l->count;
	}
	return *slot - 1;
}

const uint32_t *locations_add_stack(struct locations *l, const uint64_t *frames, unsigned depth)
{
	if (depth > LOCATION_FRAMES_MAX - l->frame_count)
		return NULL;
	uint32_t *stack = arena_alloc(l->arena, depth * sizeof *stack);
	if (!stack)
		return NULL;
	for (unsigned i = 0; i < depth; i++)
		if ((stack[i] = add_frame(l, frames[i])) == LOCATION_FAILED)
			return NULL;
	l->frame_count += depth;
	return stack;
}

/* The function of a linkage name, which is demangled when it is new; INTERN_FAILED without memory.
 */
static uint32_t add_function(struct locations *l, const struct demangler *d, const char *linkage)
{
	char name[DEMANGLE_OUTPUT_MAX];
	size_t length = text_length(linkage);
	char *clean = arena_strndup(l->arena, linkage, length);

	if (!clean)
		return INTERN_FAILED;
	utf8_clean(clean, length);
	unsigned before = l->functions.count;
	uint32_t number = intern_string(&l->functions, clean);
	if (number == INTERN_FAILED || l->functions.count == before)
		return number;

	if (number >= l->function_capacity) {
		unsigned capacity =
			l->function_capacity ? 2 * l->function_capacity : FIRST_CAPACITY;
		const char **names = arena_alloc(l->arena, capacity * sizeof *names);

		if (!names)
			return INTERN_FAILED;
		for (unsigned i = 0; i < number; i++)
			names[i] = l->function_names[i];
		l->function_names = names;
		l->function_capacity = capacity;
	}
	const char *readable = clean;
	if (d) {
		demangle_name(d, linkage, name);
		if (!text_equal(name, clean))
			readable = arena_strndup(l->arena, name, text_length(name));
	}
	l->function_names[number] = readable;
	return readable ? number : INTERN_FAILED;
}

/* "[libfoo.so]"; a name that has brackets already ("[vdso]") keeps them. */
static uint32_t add_module_function(struct locations *l, const struct symbols_module *m)
{
	char name[256];
	struct text t = TEXT_ON(name);
	const char *base = text_basename(m->canonical_path);

	if (base[0] == '[' || base[0] == '\0') {
		text_str(&t, base[0] ? base : NAME_UNKNOWN);
	} else {
		text_char(&t, '[');
		text_str(&t, base);
		text_char(&t, ']');
	}
	return add_function(l, NULL, name);
}

static void add_note(struct locations *l, const struct text *t)
{
	const char *copy = arena_strndup(l->arena, t->buf, t->len);

	if (copy && l->note_count < sizeof l->notes / sizeof l->notes[0])
		l->notes[l->note_count++] = copy;
}

static void note_perf_map(struct locations *l, const char *what, const char *why)
{
	char line[160];
	struct text t = TEXT_ON(line);

	if (l->perf_map_noted)
		return;
	l->perf_map_noted = true;
	text_str(&t, "cprof: /tmp/perf-");
	text_u64(&t, l->view->header->pid);
	text_str(&t, ".map: ");
	text_str(&t, what);
	text_str(&t, why);
	add_note(l, &t);
}

static void count_names(struct locations *l, const char *path, unsigned named, unsigned unnamed)
{
	l->named += named;
	l->unnamed += unnamed;
	if (unnamed > l->worst_count) {
		l->worst_count = unnamed;
		l->worst = path;
	}
}

/* From one in a hundred on, unnamed code is worth a word on what would name it. */
static void note_unnamed(struct locations *l)
{
	char line[640];
	struct text t = TEXT_ON(line);

	if (l->unnamed * UINT64_C(100) < (uint64_t)l->named + l->unnamed || !l->unnamed)
		return;
	text_str(&t, "cprof: ");
	text_u64(&t, l->unnamed);
	text_str(&t, " of ");
	text_u64(&t, (uint64_t)l->named + l->unnamed);
	text_str(&t, " code addresses have no name, ");
	text_u64(&t, l->worst_count);
	if (l->worst) {
		text_str(&t, " of them in ");
		text_str(&t, l->worst);
		text_str(&t, ", whose symbols are not installed");
	} else {
		text_str(&t, " of them in code that was made at run time and is in no perf map");
	}
	add_note(l, &t);
}

/* When the process began, or earlier: CLOCK_BOOTTIME, in which the kernel counts, is ahead of
 * CLOCK_MONOTONIC by the time that the machine has slept, which was no more then than it is now. */
static uint64_t process_began_ns(const struct store_header *h)
{
	uint64_t slept = sys_clock_ns(CLOCK_BOOTTIME) - sys_clock_ns(CLOCK_MONOTONIC);
	uint64_t created = h->created_monotonic_ns + slept;
	/* A second more: file systems' clocks are coarse. */
	uint64_t ago = created - h->start_ticks * TICK_NS + 1000000000u;

	return h->start_ticks * TICK_NS < created && ago < h->created_realtime_ns
		       ? h->created_realtime_ns - ago
		       : 0;
}

/* The pid of a dead process comes again.  A minute more: it may have compiled after its last sample. */
static uint64_t process_ended_ns(const struct store_header *h)
{
	/* Relaxed: of a store that nobody writes to, or about now. */
	uint64_t last = atomic_load_explicit(&h->last_monotonic_ns, memory_order_relaxed);
	uint64_t lived = last > h->created_monotonic_ns ? last - h->created_monotonic_ns : 0;

	return h->created_realtime_ns + lived + UINT64_C(60000000000);
}

static int name_by_perf_map(struct locations *l, struct address *addresses, unsigned n)
{
	const struct store_header *h = l->view->header;
	struct perf_map map;
	const char *why;
	uint64_t ended = l->in_process ? UINT64_MAX : process_ended_ns(h);

	/* The pid of another PID namespace is somebody else's here. */
	if (!l->in_process && h->pid_ns && h->pid_ns != process_pid_ns())
		return 0;
	int rc = perf_map_open(&map, h->pid, h->uid, process_began_ns(h), ended, &why);

	if (rc < 0) {
		if (rc != -ENOENT)
			note_perf_map(l, "not used, since ", why);
		return 0;
	}
	if (map.size_bytes > PERF_MAP_BYTES_MAX)
		note_perf_map(l, "larger than 64 MiB; what is in its middle was not read", "");
	rc = perf_map_resolve(&map, l->arena, addresses, n);
	perf_map_close(&map);
	return rc;
}

/* Code in no known module, or without a symbol in a file (m) that the program has mapped itself:
 * order[0..n), by address.  What a compiler has made in memory may have a name. */
static int resolve_anonymous(struct locations *l, const struct symbols_module *m,
			     const struct sort_item *order, unsigned n)
{
	struct address *addresses = arena_alloc(l->arena, n * sizeof *addresses);
	unsigned named = 0;

	if (!addresses)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		addresses[i].address = FRAME_ADDRESS(order[i].key);
	if (name_by_perf_map(l, addresses, n) < 0)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		const char *name = addresses[i].name;
		uint32_t function = !name && m ? add_module_function(l, m)
					       : add_function(l, NULL, name ? name : NAME_UNKNOWN);

		named += name != NULL;
		l->list[order[i].value].function = function;
		if (function == INTERN_FAILED)
			return -ENOMEM;
	}
	count_names(l, m ? m->canonical_path : NULL, named, n - named);
	return 0;
}

/* Names the locations that order[0..n) stand for, all of one module, by address; order is used up. */
static int resolve_module(struct locations *l, const struct demangler *d, unsigned id,
			  struct sort_item *order, unsigned n)
{
	struct symbols_module *m = l->modules[id];
	struct address *addresses = arena_alloc(l->arena, n * sizeof *addresses);
	uint32_t unnamed = INTERN_FAILED, function = INTERN_FAILED;
	const char *last = NULL;
	unsigned named = 0, aside = 0;

	if (!addresses)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++)
		addresses[i].address = FRAME_ADDRESS(order[i].key);
	if (symbols_resolve(m, l->arena, addresses, n) == -ENOMEM)
		return -ENOMEM;
	for (unsigned i = 0; i < n; i++) {
		const char *linkage = addresses[i].name;

		if (!linkage && id >= STORE_MODULES_MAX) {
			order[aside++] = order[i]; /* for the perf map */
			continue;
		}
		if (!linkage) {
			if (unnamed == INTERN_FAILED)
				unnamed = add_module_function(l, m);
			function = unnamed;
		} else {
			/* Addresses of one symbol are neighbours and share its name's pointer. */
			if (linkage != last)
				function = add_function(l, d, linkage);
			named++;
		}
		last = linkage;
		if (function == INTERN_FAILED)
			return -ENOMEM;
		l->list[order[i].value].function = function;
	}
	count_names(l, m->canonical_path, named, n - named - aside);
	return aside ? resolve_anonymous(l, m, order, aside) : 0;
}

/* A frame that is a word. */
static int resolve_word(struct locations *l, const struct sort_item *item)
{
	const char *name = store_synthetic_text(FRAME_ADDRESS(item->key));

	if (!name[0])
		name = "[cprof: frame of a newer version]";
	uint32_t function = add_function(l, NULL, name);
	l->list[item->value].function = function;
	return function == INTERN_FAILED ? -ENOMEM : 0;
}

int locations_resolve(struct locations *l)
{
	struct sort_item *order = arena_alloc(l->arena, l->count * sizeof *order);
	struct demangler d;
	int rc = 0;

	if (!order)
		return -ENOMEM;
	for (unsigned i = 0; i < l->count; i++)
		order[i] = (struct sort_item){.key = l->list[i].frame, .value = i};
	sort_items(order, l->count);
	demangle_start(&d);
	for (unsigned i = 0; i < l->count && rc == 0;) {
		unsigned module = FRAME_MODULE(order[i].key), end = i + 1;

		while (end < l->count && module && FRAME_MODULE(order[end].key) == module)
			end++;
		if (module == FRAME_SYNTHETIC)
			rc = resolve_word(l, &order[i]);
		else if (module == FRAME_NO_MODULE)
			rc = resolve_anonymous(l, NULL, order + i, end - i);
		else
			rc = resolve_module(l, &d, module, order + i, end - i);
		i = end;
	}
	demangle_stop(&d);
	note_unnamed(l);
	return rc;
}

const struct symbols_module *locations_executable(struct locations *l, unsigned *ret_id)
{
	struct store_module_info info;
	/* Relaxed: only a bound; each module is published by its own state. */
	unsigned count = atomic_load_explicit(&l->view->header->module_count, memory_order_relaxed);

	for (unsigned id = 1; id <= count && id < STORE_MODULES_MAX; id++) {
		if (store_view_module(l->view, id, &info) < 0 || !info.is_exe)
			continue;
		unsigned merged = merge_module(l, id);
		if (merged == FRAME_NO_MODULE)
			return NULL;
		struct symbols_module *m = l->modules[merged];
		*ret_id = merged;
		if (!m->canonical_path)
			(void)symbols_resolve(m, l->arena, NULL, 0);
		return m->canonical_path ? m : NULL;
	}
	return NULL;
}
