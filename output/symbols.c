/* SPDX-License-Identifier: MIT */
#include "output/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>

#include "core/regular.h"
#include "core/sys.h"
#include "core/text.h"
#include "output/debug_data.h"
#include "output/debug_file.h"
#include "output/elf.h"
#include "output/loaded.h"
#include "output/plt.h"
#include "output/vdso.h"

#include "core/as_safe.h"

#define PATH_BYTES 4096
/* Steps of one pass: symbols, addresses that they cover, and names read at READ_WORK each, since they
 * may all be in different places of the file.  A damaged table with millions of huge overlapping symbols
 * ends there, in about a second at most. */
#define WORK_MAX  50000000u
#define READ_WORK 200u
/* Names of one module take no more than this part of what an arena may have, and all of them no more
 * than half of it: the copies that are made of them, and the profile, need room too. */
#define NAMES_PART 16u
#define DELETED	   " (deleted)"

/* What .gnu_debugdata unpacks to; not on the stack of a dumper that may be killed. */
static struct arena unpacked;

/* Room for two names that are compared, and what finds addresses; in the arena, since stacks are small. */
struct scratch {
	char name[SYMBOL_NAME_MAX], old[SYMBOL_NAME_MAX];
	struct addresses_index index;
};

/* One pass over one table of one file. */
struct pass {
	const struct elf *elf;
	struct elf_window *window;
	struct scratch *scratch;
	enum elf_table_kind kind;
	struct address *addresses;
	unsigned n;
	uint64_t bias;
	uint64_t work;
	bool global_first; /* of the kernel's, where the weak ones are libc's */
};

/* One module. */
struct job {
	struct symbols_module *module;
	struct arena *arena;
	struct address *addresses;
	unsigned n;
	struct plt_resolvers resolvers;
	struct scratch *scratch;
	size_t *names_bytes; /* of all names so far */
};

static unsigned rank(const struct pass *p, const struct elf_symbol *s)
{
	unsigned binding = s->binding == STB_GLOBAL ? 2 : s->binding == STB_WEAK ? 1 : 0;

	/* In libc the names that programs call are weak, and those that it calls itself are global. */
	if (binding == 1 && !p->global_first)
		binding = 2;
	return (s->type == STT_NOTYPE ? 0 : 4) + binding;
}

static unsigned underscores(const char *name)
{
	unsigned n = 0;

	while (name[n] == '_')
		n++;
	return n;
}

/* Between two names for the same code; see the header. */
static bool reads_better(const char *name, const char *old)
{
	unsigned a = underscores(name), b = underscores(old);

	if (a != b)
		return a < b;
	size_t length = text_length(name), old_length = text_length(old);
	if (length != old_length)
		return length < old_length;
	return strcmp(name, old) < 0;
}

/* Reads a name without "@VERSION" into buf: its length, or 0 when there is none. */
static size_t read_name(struct pass *p, uint64_t name, char buf[SYMBOL_NAME_MAX])
{
	int length = elf_name_near(p->elf, p->window, p->kind, name, buf, SYMBOL_NAME_MAX);

	p->work += READ_WORK;
	if (length <= 0)
		return 0;
	for (int i = 1; i < length; i++)
		if (buf[i] == '@')
			length = i;
	buf[length] = '\0';
	return (size_t)length;
}

static bool has_name(const struct address *a)
{
	return a->name || a->symbol_name;
}

/* Is the symbol, whose name is in the scratch, better than what the address has from one of the same
 * place and rank? */
static bool is_better(struct pass *p, const struct elf_symbol *s, const struct address *a)
{
	const char *old = a->name;

	if (a->symbol_name == s->name + 1)
		return false;
	if (a->symbol_name) {
		if (read_name(p, a->symbol_name - 1, p->scratch->old) == 0)
			return true;
		old = p->scratch->old;
	}
	return reads_better(p->scratch->name, old);
}

/* Notes where the better name is.  Names are read and copied when the table has been read: an address may have
 * thousands of aliases, each better than the last, and names are scattered over the file. */
static bool consider(void *opaque, const struct elf_symbol *s)
{
	struct pass *p = opaque;
	uint64_t start = s->value + p->bias; /* wraps for a bias below the link address */
	uint64_t end = start + s->size_bytes;
	uint64_t old = 0; /* what it was compared with last */
	bool is_read = false, better = false;

	if (++p->work > WORK_MAX)
		return false;
	if (end < start || start > p->addresses[p->n - 1].address || end <= p->addresses[0].address)
		return true;
	for (unsigned i = addresses_index_first(&p->scratch->index, start);
	     i < p->n && p->addresses[i].address < end; i++) {
		struct address *a = &p->addresses[i];

		if (++p->work > WORK_MAX)
			return false;
		if (has_name(a) && (start < a->symbol_start ||
				    (start == a->symbol_start && rank(p, s) < a->symbol_rank)))
			continue;
		if (has_name(a) && start == a->symbol_start && rank(p, s) == a->symbol_rank) {
			if (!is_read && read_name(p, s->name, p->scratch->name) == 0)
				return true;
			is_read = true;
			/* Neighbours mostly have the same one. */
			if (a->symbol_name != old || !a->symbol_name) {
				old = a->symbol_name;
				better = is_better(p, s, a);
			}
			if (!better)
				continue;
		}
		a->name = NULL;
		a->symbol_name = s->name + 1;
		a->symbol_start = start;
		a->symbol_rank = rank(p, s);
	}
	return true;
}

/* May so many bytes more be copied?  A file can be made so that its names fill the memory of a dump, which
 * then would not be written at all; what has no name in it is little. */
static bool has_room(const struct job *j, size_t bytes)
{
	const struct arena *a = j->arena;

	return !a->max_bytes || (*j->names_bytes + bytes <= a->max_bytes / NAMES_PART &&
				 a->mapped_bytes <= a->max_bytes / 2);
}

/* Copies the names that a pass has found. */
static int copy_names(const struct job *j, struct pass *p)
{
	const char *name = NULL;
	uint64_t at = 0;

	for (unsigned i = 0; i < p->n; i++) {
		struct address *a = &p->addresses[i];

		if (!a->symbol_name)
			continue;
		if (a->symbol_name != at) { /* neighbours share it */
			size_t length = read_name(p, a->symbol_name - 1, p->scratch->name);

			at = a->symbol_name;
			name = NULL;
			if (length && has_room(j, length + 1)) {
				name = arena_strndup(j->arena, p->scratch->name, length);
				if (!name)
					return -ENOMEM;
				*j->names_bytes += length + 1;
			}
		}
		a->name = name;
		a->symbol_name = 0;
	}
	return 0;
}

/* Both tables of one file: what symtab leaves unnamed (a stripped file has none) is looked for in
 * dynsym. */
static int name_list(const struct job *j, const struct elf *e, struct address *list, unsigned n)
{
	struct elf_window window;

	window.at = window.bytes = 0;
	addresses_index_make(&j->scratch->index, list, n);
	for (enum elf_table_kind kind = ELF_SYMTAB; kind < ELF_TABLES; kind++) {
		struct pass p = {
			.elf = e,
			.window = &window,
			.scratch = j->scratch,
			.kind = kind,
			.addresses = list,
			.n = n,
			.bias = j->module->info.bias,
			.global_first = j->module->info.is_vdso,
		};
		if (addresses_all_named(list, n))
			return 0;
		int rc = elf_symbols(e, kind, consider, &p);
		int copied = copy_names(j, &p);
		if (copied < 0 || rc < 0)
			return copied < 0 ? copied : rc;
	}
	return 0;
}

static int name_from(const struct job *j, const struct elf *e)
{
	int rc = name_list(j, e, j->addresses, j->n);

	return rc < 0 ? rc : name_list(j, e, j->resolvers.list, j->resolvers.n);
}

static int name_from_opaque(void *job, const struct elf *e)
{
	return name_from(job, e);
}

static bool wants_names(const struct job *j)
{
	return !addresses_all_named(j->addresses, j->n) ||
	       !addresses_all_named(j->resolvers.list, j->resolvers.n);
}

/* Is this the binary that was loaded?  Without a build id the only hint is the time of the file's
 * last change: a file that is younger than the profile may be a new version. */
static bool is_same_binary(const struct symbols_module *m, const struct elf *e)
{
	const struct store_module_info *info = &m->info;
	struct stat st;

	if (info->build_id_bytes || e->build_id_bytes)
		return info->build_id_bytes == e->build_id_bytes &&
		       memcmp(info->build_id, e->build_id, e->build_id_bytes) == 0;
	if (e->fd < 0 || sys_fstat(e->fd, &st) < 0)
		return false;
	return (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec <=
	       m->process_realtime_ns;
}

/* Opens path when it is the recorded binary: the descriptor, or -errno. */
static int open_same(const struct symbols_module *m, const char *path, struct elf *e)
{
	int fd = regular_open(path, 0);

	if (fd < 0)
		return fd;
	int rc = elf_open_fd(e, fd);
	if (rc == 0 && is_same_binary(m, e))
		return fd;
	sys_close(fd);
	return rc < 0 ? rc : -ESTALE;
}

/* The path without " (deleted)", which the kernel appends to links of removed files. */
static const char *path_copy(struct arena *a, const char *path, size_t n)
{
	size_t tail = sizeof DELETED - 1;

	if (n > tail && memcmp(path + n - tail, DELETED, tail) == 0)
		n -= tail;
	return arena_strndup(a, path, n);
}

/* Where the open file really is: /lib/x.so is /usr/lib/x.so on a merged system. */
static int canonicalise(struct symbols_module *m, struct arena *a, int fd)
{
	char link[64], path[PATH_BYTES];
	struct text t = TEXT_ON(link);

	text_str(&t, "/proc/thread-self/fd/");
	text_u64(&t, (uint64_t)fd);
	ssize_t n = sys_readlink(link, path, sizeof path);
	if (n <= 0 || path[0] != '/')
		return 0; /* no /proc: the recorded path is good enough */
	const char *canonical = path_copy(a, path, (size_t)n);
	if (!canonical)
		return -ENOMEM;
	m->canonical_path = canonical;
	return 0;
}

/* The separate symbols of the open file e, NULL when it is gone.  Only for want of memory they fail:
 * they may be missing or damaged. */
static int name_from_debug_file(const struct job *j, const struct elf *e)
{
	struct symbols_module *m = j->module;
	struct debug_file_request request = {
		.build_id = m->info.build_id,
		.build_id_bytes = m->info.build_id_bytes,
		.path = {m->path, m->canonical_path},
	};
	struct debug_link link;
	struct stat st;

	if (e && sys_fstat(e->fd, &st) == 0)
		request.owner = st.st_uid;
	if (e && debug_link_read(e, &link) == 0)
		request.link = &link;
	return debug_file_find(&request, name_from_opaque, (void *)j) == -ENOMEM ? -ENOMEM : 0;
}

static int name_from_debug_data(const struct job *j, const struct elf *e)
{
	struct elf inner;

	unpacked.max_bytes = DEBUG_DATA_MEMORY;
	int rc = debug_data_open(e, &unpacked, &inner) == 0 ? name_from(j, &inner) : 0;
	symbols_forget();
	return rc == -ENOMEM ? rc : 0;
}

void symbols_forget(void)
{
	arena_drop(&unpacked);
}

void symbols_after_fork(void)
{
	unpacked = (struct arena){0};
}

/* All that an open file of the recorded build can say. */
static int name_from_file(struct job *j, const struct elf *e)
{
	int rc = plt_resolve(e, j->module->info.bias, j->arena, j->addresses, j->n, &j->resolvers);

	if (rc != -ENOMEM)
		rc = name_from(j, e);
	if (rc != -ENOMEM && wants_names(j))
		rc = name_from_debug_file(j, e);
	if (rc != -ENOMEM && wants_names(j))
		rc = name_from_debug_data(j, e);
	return rc != -ENOMEM ? plt_name_by_resolvers(&j->resolvers, j->arena) : rc;
}

/* One candidate: opens it, names from it, sets the canonical path.  0, -errno when it is not the one,
 * -ENOMEM. */
static int try_file(struct job *j, const char *path)
{
	struct elf e;
	int fd = open_same(j->module, path, &e);

	if (fd < 0)
		return fd;
	int rc = canonicalise(j->module, j->arena, fd);
	if (rc == 0 && j->n)
		rc = name_from_file(j, &e);
	sys_close(fd);
	return rc;
}

static int try_map_files(struct job *j)
{
	char path[80];
	struct text t = TEXT_ON(path);

	text_str(&t, "/proc/self/map_files/");
	text_hex(&t, j->module->info.start);
	text_char(&t, '-');
	text_hex(&t, j->module->info.limit);
	return try_file(j, path);
}

/* The file is gone, but the module may still be in our memory. */
static int name_from_memory(const struct job *j)
{
	struct elf e;
	int fd = loaded_open(&e, j->module->info.bias), rc = 0;

	if (fd < 0)
		return 0;
	if (e.build_id_bytes && is_same_binary(j->module, &e))
		rc = name_from(j, &e);
	sys_close(fd);
	return rc == -ENOMEM ? rc : 0;
}

static int try_vdso(const struct job *j)
{
	struct elf e;
	int rc = vdso_open(&e);

	if (rc < 0)
		return rc;
	if (!is_same_binary(j->module, &e)) /* another kernel's: the store of a dead process */
		return -ESTALE;
	return name_from(j, &e);
}

int symbols_resolve(struct symbols_module *m, struct arena *a, struct address *addresses,
		    unsigned n)
{
	size_t names_bytes = 0;
	struct job j = {
		.module = m,
		.arena = a,
		.addresses = addresses,
		.n = n,
		.scratch = n ? arena_alloc(a, sizeof *j.scratch) : NULL,
		.names_bytes = &names_bytes,
	};

	if (n && !j.scratch)
		return -ENOMEM;
	if (m->info.is_vdso) {
		m->canonical_path = "[vdso]";
		return n ? try_vdso(&j) : 0;
	}
	m->canonical_path = path_copy(a, m->path, text_length(m->path));
	if (!m->canonical_path)
		return -ENOMEM;

	int rc = -ENOENT;
	if (m->path[0] == '/')
		rc = try_file(&j, m->canonical_path);
	if (rc < 0 && rc != -ENOMEM && m->info.is_exe && m->info.build_id_bytes)
		rc = try_file(&j, "/proc/thread-self/exe");
	if (rc < 0 && rc != -ENOMEM && m->info.build_id_bytes)
		rc = try_map_files(&j) == 0 ? 0 : rc;
	if (rc == 0 || rc == -ENOMEM || n == 0)
		return rc;
	/* The file is gone, but its build is known. */
	if (name_from_memory(&j) < 0 || (wants_names(&j) && name_from_debug_file(&j, NULL) < 0))
		return -ENOMEM;
	return rc;
}
