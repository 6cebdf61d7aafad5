/* SPDX-License-Identifier: MIT */
#include "core/run_sweep.h"

#include <dirent.h>
#include <errno.h>

#include "core/process.h"
#include "core/run_file.h"
#include "core/store_format.h"
#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

#define DAY_NS	    (UINT64_C(24) * 3600 * 1000000000)
#define REMOVALS    8u	 /* in one call, which may be in a handler */
#define LISTINGS    128u /* of 4 KiB: about 12,000 stores */
#define LIVING_PIDS 32u	 /* whose start time is asked for; more are alive without proof */

enum fate { STAYS, DEAD, GOES };

struct candidate {
	uint64_t mtime_ns;
	char name[RUN_FILE_NAME_BYTES];
};

/* Not on the stack, which may be an alternate one of 8 KiB; there is one caller at a time. */
static struct sweep {
	const struct store_identity *self;
	uint64_t now_ns, boot_ns;
	unsigned living; /* start times asked for */
	unsigned removed;
	uint64_t dead;			   /* that are not finished */
	unsigned count;			   /* of oldest[] */
	struct candidate oldest[REMOVALS]; /* of the dead ones, oldest first */
	struct store_header header;
	_Alignas(8) char listing[4096];
} sweep;

/* ---- whose store it is ---- */

/* By what this PID namespace knows of the name's pid. */
static bool may_be_alive(struct sweep *w, uint32_t pid, uint64_t ticks)
{
	if (sys_kill((int)pid, 0) == -ESRCH)
		return false;
	return w->living++ >= LIVING_PIDS || process_may_be_alive(pid, ticks);
}

static bool read_header(struct sweep *w, int dir, const char *name, uint64_t *ret_mtime_ns)
{
	struct store_header *h = &w->header;
	int fd = sys_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0)
		return false;
	memset(h, 0, sizeof *h);
	bool is_file = sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	if (is_file)
		(void)sys_pread(fd, h, sizeof *h, 0);
	sys_close(fd);
	*ret_mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	return is_file;
}

static bool is_known(const struct store_header *h, uint32_t pid, uint64_t ticks)
{
	return memcmp(h->magic, STORE_MAGIC, sizeof h->magic) == 0 && h->version == STORE_VERSION &&
	       h->pid == pid && h->start_ticks == ticks;
}

static enum fate fate_of(struct sweep *w, int dir, const char *name, uint64_t *ret_mtime_ns)
{
	const struct store_identity *self = w->self;
	const struct store_header *h = &w->header;
	uint32_t pid;
	uint64_t ticks;

	if (!run_file_is_name(name, &pid, &ticks) || may_be_alive(w, pid, ticks) ||
	    !read_header(w, dir, name, ret_mtime_ns))
		return STAYS;
	bool is_old = *ret_mtime_ns + DAY_NS < w->now_ns;
	if (!is_known(h, pid, ticks)) /* half made, another format, or damaged */
		return is_old ? GOES : STAYS;
	if (!(h->boot_id[0] | h->boot_id[1]) || !(self->boot_id[0] | self->boot_id[1]))
		return STAYS;
	if (h->boot_id[0] != self->boot_id[0] || h->boot_id[1] != self->boot_id[1])
		/* Before the last boot.  What is newer may live: on another machine, or in a container
		 * that has a boot_id of its own. */
		return is_old && h->created_realtime_ns < w->boot_ns ? DEAD : STAYS;
	if (!h->pid_ns || h->pid_ns != self->pid_ns)
		return STAYS; /* in another container; its pid says nothing here */
	/* Relaxed: its owner is dead. */
	return atomic_load_explicit(&h->finished, memory_order_relaxed) ? GOES : DEAD;
}

/* ---- the directory ---- */

static void remember(struct sweep *w, const char *name, uint64_t mtime_ns)
{
	unsigned at = w->count;
	struct text t;

	w->dead++;
	while (at && w->oldest[at - 1].mtime_ns > mtime_ns)
		at--;
	if (at == REMOVALS)
		return;
	if (w->count < REMOVALS)
		w->count++;
	for (unsigned i = w->count - 1; i > at; i--)
		w->oldest[i] = w->oldest[i - 1];
	w->oldest[at].mtime_ns = mtime_ns;
	t = TEXT_ON(w->oldest[at].name);
	text_str(&t, name);
}

static void look_at(struct sweep *w, int dir, const char *name)
{
	uint64_t mtime_ns;

	switch (fate_of(w, dir, name, &mtime_ns)) {
	case STAYS:
		break;
	case DEAD:
		remember(w, name, mtime_ns);
		break;
	case GOES:
		if (w->removed < REMOVALS && sys_unlinkat(dir, name) == 0)
			w->removed++;
		break;
	}
}

static void read_directory(struct sweep *w, int dir)
{
	for (unsigned i = 0; i < LISTINGS; i++) {
		ssize_t n = sys_getdents(dir, w->listing, sizeof w->listing);

		for (ssize_t at = 0; at < n;) {
			const struct sys_dirent *e = (const void *)(w->listing + at);

			at += e->d_reclen;
			if (e->d_type == DT_REG || e->d_type == DT_UNKNOWN)
				look_at(w, dir, e->d_name);
		}
		if (n <= 0)
			return;
	}
}

void run_sweep(const char *dir, const struct store_identity *self, uint64_t keep)
{
	struct sweep *w = &sweep;
	char buf[288]; /* SETTINGS_PATH_BYTES, or the default one */
	struct text path = TEXT_ON(buf);
	int fd = run_file_dir(&path, dir, self->uid);

	if (fd < 0)
		return;
	w->self = self;
	w->now_ns = sys_clock_ns(CLOCK_REALTIME);
	w->boot_ns = process_boot_realtime_ns();
	w->living = w->removed = w->count = 0;
	w->dead = 0;
	read_directory(w, fd);
	/* What another process has removed meanwhile is gone as well. */
	for (unsigned i = 0; i < w->count && w->dead > keep && w->removed < REMOVALS; i++) {
		(void)sys_unlinkat(fd, w->oldest[i].name);
		w->removed++;
		w->dead--;
	}
	sys_close(fd);
}
