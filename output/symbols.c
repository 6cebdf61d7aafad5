/* SPDX-License-Identifier: MIT */
#include "output/symbols.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>

#include "core/sys.h"
#include "core/text.h"
#include "output/elf.h"

#include "core/as_safe.h"

#define PATH_BYTES 4096
#define WORK_MAX                                                                                   \
	50000000u /* comparisons; a damaged table with huge overlapping symbols ends there */
#define DELETED " (deleted)"

/* One pass over one table of one file. */
struct pass {
	const struct elf *elf;
	enum elf_table_kind kind;
	struct arena *arena;
	struct symbols_address *addresses;
	unsigned n;
	uint64_t bias;
	uint64_t work;
	int rc;
};

static unsigned rank(const struct elf_symbol *s)
{
	unsigned binding = s->binding == STB_GLOBAL ? 2 : s->binding == STB_WEAK ? 1 : 0;

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

/* First address >= value. */
static unsigned lower_bound(const struct pass *p, uint64_t value)
{
	unsigned low = 0, high = p->n;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;

		if (p->addresses[middle].address < value)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The symbol's name without "@VERSION", in the arena; NULL and p->rc on an error. */
static const char *read_name(struct pass *p, const struct elf_symbol *s)
{
	char buf[SYMBOL_NAME_MAX];
	int length = elf_name(p->elf, p->kind, s->name, buf, sizeof buf);

	if (length <= 0)
		return NULL;
	for (int i = 1; i < length; i++)
		if (buf[i] == '@')
			length = i;
	const char *name = arena_strndup(p->arena, buf, (size_t)length);
	if (!name)
		p->rc = -ENOMEM;
	return name;
}

static bool consider(void *opaque, const struct elf_symbol *s)
{
	struct pass *p = opaque;
	uint64_t start = s->value + p->bias; /* wraps for a bias below the link address */
	uint64_t end = start + s->size_bytes;
	const char *name = NULL;

	if (end < start || start > p->addresses[p->n - 1].address || end <= p->addresses[0].address)
		return true;
	for (unsigned i = lower_bound(p, start); i < p->n && p->addresses[i].address < end; i++) {
		struct symbols_address *a = &p->addresses[i];

		if (++p->work > WORK_MAX)
			return false;
		if (a->name && (start < a->symbol_start ||
				(start == a->symbol_start && rank(s) < a->symbol_rank)))
			continue;
		if (!name && !(name = read_name(p, s)))
			return p->rc == 0;
		if (a->name && start == a->symbol_start && rank(s) == a->symbol_rank &&
		    !reads_better(name, a->name))
			continue;
		a->name = name;
		a->symbol_start = start;
		a->symbol_rank = rank(s);
	}
	return true;
}

static bool all_named(const struct symbols_address *addresses, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (!addresses[i].name)
			return false;
	return true;
}

/* Both tables of one file: what symtab leaves unnamed (a stripped file has none) is looked for in
 * dynsym. */
static int name_from(const struct elf *e, const struct symbols_module *m, struct arena *arena,
		     struct symbols_address *addresses, unsigned n)
{
	for (enum elf_table_kind kind = ELF_SYMTAB; kind < ELF_TABLES; kind++) {
		struct pass p = {
			.elf = e,
			.kind = kind,
			.arena = arena,
			.addresses = addresses,
			.n = n,
			.bias = m->info.bias,
		};
		if (all_named(addresses, n))
			return 0;
		int rc = elf_symbols(e, kind, consider, &p);
		if (p.rc < 0)
			return p.rc;
		if (rc < 0)
			return rc;
	}
	return 0;
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
	/* O_NONBLOCK: the path may by now be a FIFO, and a dump waits for nobody. */
	int fd = sys_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

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

/* One candidate: opens it, names from it, sets the canonical path. */
static int try_file(struct symbols_module *m, struct arena *a, const char *path,
		    struct symbols_address *addresses, unsigned n)
{
	struct elf e;
	int fd = open_same(m, path, &e);

	if (fd < 0)
		return fd;
	int rc = canonicalise(m, a, fd);
	if (rc == 0 && n)
		rc = name_from(&e, m, a, addresses, n);
	sys_close(fd);
	return rc;
}

static int try_map_files(struct symbols_module *m, struct arena *a,
			 struct symbols_address *addresses, unsigned n)
{
	char path[80];
	struct text t = TEXT_ON(path);

	text_str(&t, "/proc/self/map_files/");
	text_hex(&t, m->info.start);
	text_char(&t, '-');
	text_hex(&t, m->info.limit);
	return try_file(m, a, path, addresses, n);
}

/* Separate symbols, as distributions install them in packages of their own. */
static void try_debug_file(const struct symbols_module *m, struct arena *a,
			   struct symbols_address *addresses, unsigned n)
{
	char path[128];
	struct text t = TEXT_ON(path);
	struct elf e;

	if (m->info.build_id_bytes < 2 || all_named(addresses, n))
		return;
	text_str(&t, "/usr/lib/debug/.build-id/");
	for (unsigned i = 0; i < m->info.build_id_bytes; i++) {
		text_char(&t, "0123456789abcdef"[m->info.build_id[i] >> 4]);
		text_char(&t, "0123456789abcdef"[m->info.build_id[i] & 15]);
		if (i == 0)
			text_char(&t, '/');
	}
	text_str(&t, ".debug");
	int fd = open_same(m, path, &e);
	if (fd < 0)
		return;
	(void)name_from(&e, m, a, addresses, n);
	sys_close(fd);
}

/* Reads a number in hex up to the character `end`; returns what is behind it, NULL when it is none.
 */
static const char *parse_hex(const char *s, char end, uint64_t *ret_value)
{
	*ret_value = 0;
	for (; *s && *s != end; s++) {
		unsigned digit = (unsigned char)*s - (unsigned)'0';

		if (digit > 9)
			digit = (unsigned char)*s - (unsigned)'a' + 10;
		if (digit > 15)
			return NULL;
		*ret_value = *ret_value << 4 | digit;
	}
	return *s ? s + 1 : NULL;
}

/* Is this line of /proc/PID/maps "START-LIMIT r-xp 0 00:00 0    [vdso]"? */
static bool is_vdso_line(const char *line, size_t n, uint64_t *ret_start, uint64_t *ret_limit)
{
	static const char name[] = " [vdso]";
	size_t tail = sizeof name - 1;

	if (n < tail || memcmp(line + n - tail, name, tail) != 0)
		return false;
	line = parse_hex(line, '-', ret_start);
	return line && parse_hex(line, ' ', ret_limit) && *ret_start < *ret_limit;
}

static bool find_vdso(uint64_t *ret_start, uint64_t *ret_limit)
{
	char buf[2048], line[128]; /* longer lines name files */
	struct text t = TEXT_ON(line);
	bool found = false;
	int fd = sys_open("/proc/thread-self/maps", O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return false;
	while (!found && (n = sys_read(fd, buf, sizeof buf)) > 0) {
		for (ssize_t i = 0; i < n && !found; i++) {
			if (buf[i] != '\n') {
				text_char(&t, buf[i]);
				continue;
			}
			found = !t.cut && is_vdso_line(line, t.len, ret_start, ret_limit);
			t = TEXT_ON(line);
		}
	}
	sys_close(fd);
	return found;
}

static int try_vdso(const struct symbols_module *m, struct arena *a,
		    struct symbols_address *addresses, unsigned n)
{
	uint64_t start, limit;
	struct elf e;

	if (!find_vdso(&start, &limit))
		return -ENOENT;
	int rc = elf_open_image(&e, (const void *)start, limit - start);
	if (rc < 0)
		return rc;
	if (!is_same_binary(m, &e)) /* another kernel's: the store of a dead process */
		return -ESTALE;
	return n ? name_from(&e, m, a, addresses, n) : 0;
}

int symbols_resolve(struct symbols_module *m, struct arena *a, struct symbols_address *addresses,
		    unsigned n)
{
	if (m->info.is_vdso) {
		m->canonical_path = "[vdso]";
		return n ? try_vdso(m, a, addresses, n) : 0;
	}
	m->canonical_path = path_copy(a, m->path, text_length(m->path));
	if (!m->canonical_path)
		return -ENOMEM;

	int rc = -ENOENT;
	if (m->path[0] == '/')
		rc = try_file(m, a, m->canonical_path, addresses, n);
	if (rc < 0 && rc != -ENOMEM && m->info.is_exe && m->info.build_id_bytes)
		rc = try_file(m, a, "/proc/thread-self/exe", addresses, n);
	if (rc < 0 && rc != -ENOMEM && m->info.build_id_bytes)
		rc = try_map_files(m, a, addresses, n) == 0 ? 0 : rc;
	if (n && rc != -ENOMEM)
		try_debug_file(m, a, addresses, n);
	return rc;
}
