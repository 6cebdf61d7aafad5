/* SPDX-License-Identifier: MIT */
#include "cli/live.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/human.h"
#include "cli/orphan.h"
#include "config/load.h"
#include "core/process.h"
#include "core/run_file.h"
#include "core/sys.h"

#define ENVIRONMENT_BYTES (256u << 10)
#define DELETED		  " (deleted)"

static FILE *open_proc(const struct live *l, const char *file)
{
	char path[96];

	snprintf(path, sizeof path, "%s/%s", l->proc, file);
	return fopen(path, "re");
}

/* At most size - 1 bytes of a file of the process; NULs stay. */
static size_t read_proc(const struct live *l, const char *file, char *buf, size_t size)
{
	FILE *f = open_proc(l, file);
	size_t n = f ? fread(buf, 1, size - 1, f) : 0;

	buf[n] = '\0';
	if (f)
		fclose(f);
	return n;
}

/* ---- /proc/PID/status ---- */

static bool read_status(struct live *l, uint32_t *ret_parent)
{
	FILE *f = open_proc(l, "status");
	char line[512];
	uint64_t set;

	if (!f)
		return false;
	l->caught = l->blocked = l->pending = 0;
	l->inner_pid = l->pid;
	*ret_parent = 0;
	while (fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon++ = '\0';
		colon += strspn(colon, " \t");
		colon[strcspn(colon, "\n")] = '\0';
		if (strcmp(line, "Name") == 0)
			snprintf(l->comm, sizeof l->comm, "%.63s", colon);
		else if (strcmp(line, "State") == 0)
			l->state = *colon;
		else if (strcmp(line, "PPid") == 0)
			*ret_parent = (uint32_t)strtoul(colon, NULL, 10);
		else if (strcmp(line, "Uid") == 0)
			l->uid = (uid_t)strtoul(strpbrk(colon, " \t") ? strpbrk(colon, " \t")
								      : colon,
						NULL, 10); /* the effective one */
		else if (strcmp(line, "Threads") == 0)
			l->threads = (unsigned)strtoul(colon, NULL, 10);
		else if (strcmp(line, "NSpid") == 0 && strrchr(colon, '\t'))
			l->inner_pid = (uint32_t)strtoul(strrchr(colon, '\t'), NULL, 10);
		else if (sscanf(colon, "%" SCNx64, &set) != 1)
			continue;
		else if (strcmp(line, "SigPnd") == 0 || strcmp(line, "ShdPnd") == 0)
			l->pending |= set;
		else if (strcmp(line, "SigBlk") == 0)
			l->blocked = set;
		else if (strcmp(line, "SigCgt") == 0)
			l->caught = set;
	}
	fclose(f);
	l->foreign_pid = l->inner_pid != l->pid;
	human_safe(l->comm);
	return true;
}

/* The memory of a main thread that has ended is still there in the others. */
static void use_another_thread(struct live *l)
{
	char path[sizeof l->proc + sizeof((struct dirent *)0)->d_name];
	struct dirent *e;

	snprintf(path, sizeof path, "%s/task", l->proc);
	DIR *d = opendir(path);
	while (d && (e = readdir(d))) {
		unsigned long tid = strtoul(e->d_name, NULL, 10);

		if (tid == 0 || tid == l->pid)
			continue;
		snprintf(l->proc, sizeof l->proc, "/proc/%" PRIu32 "/task/%lu", l->pid, tid);
		break;
	}
	if (d)
		closedir(d);
}

/* ---- /proc/PID/maps ---- */

static bool is_library(const char *path)
{
	const char *base = strrchr(path, '/');
	size_t n;

	if (!base)
		return false;
	n = strlen("libcprof.so");
	return strncmp(base + 1, "libcprof.so", n) == 0 &&
	       (base[1 + n] == '\0' || strcmp(base + 1 + n, DELETED) == 0);
}

static bool is_store(const char *path)
{
	const char *base = strrchr(path, '/');
	char name[128];
	uint32_t pid;
	uint64_t ticks;

	if (!base)
		return false;
	snprintf(name, sizeof name, "%s", base + 1);
	char *deleted = strstr(name, DELETED);
	if (deleted)
		*deleted = '\0';
	return run_file_is_name(name, &pid, &ticks);
}

/* 0 when all was read: an empty map is one of a kernel thread or of a process that is ending. */
static int read_maps(struct live *l)
{
	FILE *f = open_proc(l, "maps");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;

	l->library[0] = l->store[0] = '\0';
	if (!f)
		return -errno;
	errno = 0;
	while ((n = getline(&line, &size, f)) > 0) {
		char permissions[8];
		uint64_t inode, start, end;
		int at = 0;

		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %*x %*x:%*x %" SCNu64 " %n", &start,
			   &end, permissions, &inode, &at) != 4 ||
		    at == 0 || line[at] != '/')
			continue;
		if (permissions[2] == 'x' && is_library(line + at)) {
			snprintf(l->library, sizeof l->library, "%s", line + at);
			l->library_at = start;
		} else if (permissions[1] == 'w' && permissions[3] == 's' && is_store(line + at)) {
			snprintf(l->store, sizeof l->store, "%s", line + at);
			l->store_inode = inode;
			l->store_at = start;
			l->store_end = end;
		}
	}
	int e = ferror(f) ? errno : 0;
	free(line);
	fclose(f);
	return -e;
}

/* ---- names and settings ---- */

/* What a title makes of argv[0]: "/usr/bin/redis-server *:6379", "nginx: master process". */
static void name_program(struct live *l)
{
	char words[512], path[PATH_MAX], link[96];
	ssize_t n;

	(void)read_proc(l, "cmdline", words, sizeof words);
	words[strcspn(words, " ")] = '\0';
	size_t end = strlen(words);
	while (end && words[end - 1] == ':')
		words[--end] = '\0';
	const char *base = strrchr(words, '/');
	base = base ? base + 1 : words;
	snprintf(l->name, sizeof l->name, "%.63s", *base ? base : l->comm);
	human_safe(l->name);
	snprintf(link, sizeof link, "%s/exe", l->proc);
	n = readlink(link, path, sizeof path - 1);
	path[n > 0 ? n : 0] = '\0';
	char *deleted = strstr(path, DELETED);
	if (deleted)
		*deleted = '\0';
	base = strrchr(path, '/');
	snprintf(l->exe_name, sizeof l->exe_name, "%.63s", base ? base + 1 : "");
	human_safe(l->exe_name);
}

static void ignore(void *opaque, const char *line)
{
	(void)opaque, (void)line;
}

static void read_settings(struct live *l)
{
	static char text[ENVIRONMENT_BYTES];
	char *envp[64];
	size_t n = read_proc(l, "environ", text, sizeof text), count = 0;
	char file[PATH_MAX];
	bool has_file = false;

	for (size_t at = 0; at < n && count < 63; at += strlen(text + at) + 1) {
		if (strncmp(text + at, "CPROF_", 6) != 0)
			continue;
		envp[count++] = text + at;
		/* As the process sees it: it may live in a container. */
		if (strncmp(text + at, "CPROF_CONFIG=/", 14) == 0 && !has_file)
			has_file = snprintf(file, sizeof file, "/proc/%" PRIu32 "/root%s", l->pid,
					    text + at + 13) < (int)sizeof file;
	}
	envp[count] = NULL;
	(void)load_settings(&l->settings, has_file ? file : NULL, envp, NULL, ignore, NULL);
}

/* ---- the whole ---- */

static bool shares_with(const struct live *l, uint32_t parent)
{
	long rc = parent ? syscall(SYS_kcmp, (pid_t)l->pid, (pid_t)parent, KCMP_VM, 0, 0) : 1;

	/* Refused, as by Docker: what the dumper calls itself, see preload/dumper.c, is all that is left. */
	return rc == 0 || (rc < 0 && strcmp(l->comm, "cprof-dump") == 0);
}

int live_look(struct live *l, uint32_t pid, char why[256])
{
	uint32_t parent;

	memset(l, 0, sizeof *l);
	l->pid = pid;
	snprintf(l->proc, sizeof l->proc, "/proc/%" PRIu32, pid);
	if (pid == 0 || pid > INT32_MAX || !read_status(l, &parent)) {
		bool hidden =
			pid && pid <= INT32_MAX && (kill((pid_t)pid, 0) == 0 || errno == EPERM);

		snprintf(why, 256,
			 hidden ? "process %" PRIu32 " is hidden by /proc; be its user or root"
				: "there is no process %" PRIu32,
			 pid);
		return hidden ? -EACCES : -ESRCH;
	}
	snprintf(l->name, sizeof l->name, "%s", l->comm);
	if (l->state == 'Z' && l->threads > 1)
		use_another_thread(l);
	int rc = process_start_ticks(pid, &l->start_ticks);
	if (rc == -ESRCH || l->state == 'X') {
		snprintf(why, 256, "process %" PRIu32 " (%s) is a zombie: it has ended", pid,
			 l->name);
		return -ESRCH;
	}
	if (rc == 0)
		rc = read_maps(l);
	if (rc == -EACCES || rc == -EPERM) {
		if (geteuid() && l->uid != geteuid())
			snprintf(why, 256,
				 "process %" PRIu32
				 " (%s) is another user's (uid %u); be that user or root",
				 pid, l->name, (unsigned)l->uid);
		else
			snprintf(why, 256,
				 "process %" PRIu32
				 " (%s) may not be looked at (%s): it has privileges that you "
				 "have not",
				 pid, l->name, strerror(-rc));
		return -EACCES;
	}
	if (rc < 0) {
		snprintf(why, 256, "process %" PRIu32 " (%s): %s", pid, l->name,
			 rc == -ENOENT || rc == -ESRCH ? "it has ended" : strerror(-rc));
		return rc == -ENOENT ? -ESRCH : rc;
	}
	if (!l->library[0])
		snprintf(l->name, sizeof l->name, "%s", l->comm);
	name_program(l);
	if (l->library[0]) {
		l->shares = shares_with(l, parent);
		read_settings(l);
	}
	return 0;
}

unsigned live_each(void (*found)(void *opaque, const struct live *l), void *opaque)
{
	static struct live l; /* 15 KiB */
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned unseen = 0;
	char why[256];

	while (d && (e = readdir(d))) {
		char *end;
		unsigned long pid = strtoul(e->d_name, &end, 10);

		if (*end || pid == 0 || pid > INT32_MAX || (pid_t)pid == getpid())
			continue;
		int rc = live_look(&l, (uint32_t)pid, why);
		if (rc == 0)
			found(opaque, &l);
		else if (rc == -EACCES)
			unseen++;
	}
	if (d)
		closedir(d);
	return unseen;
}

bool live_is_named(const struct live *l, const char *name)
{
	return strcmp(l->name, name) == 0 || strcmp(l->exe_name, name) == 0 ||
	       strcmp(l->comm, name) == 0;
}

bool live_is_at_work(const struct live *l)
{
	if (!(l->caught & UINT64_C(1) << (SIGPROF - 1)))
		return false;
	/* Left alone by [follow] only, a program may have a handler of its own. */
	return l->store[0] || !l->settings.follow_only[0] ||
	       settings_names(l->settings.follow_only, l->name);
}

bool live_again(struct live *l)
{
	uint32_t parent;

	return read_status(l, &parent) && !(l->state == 'Z' && l->threads <= 1) && l->state != 'X';
}

void live_root(const struct live *l, char ret[64])
{
	struct stat own, its;

	snprintf(ret, 64, "%s/root", l->proc);
	if (stat("/", &own) == 0 && stat(ret, &its) == 0 && own.st_dev == its.st_dev &&
	    own.st_ino == its.st_ino)
		ret[0] = '\0';
}

/* A regular file, of this inode unless that is 0.  O_PATH first: whatever its owner has put there
 * instead is not opened. */
static int open_regular(const char *path, int path_flags, uint64_t inode, int flags)
{
	int place = open(path, O_PATH | O_CLOEXEC | path_flags), fd;
	char self[64];
	struct stat st;

	if (place < 0)
		return -errno;
	if (fstat(place, &st) < 0 || !S_ISREG(st.st_mode) || (inode && st.st_ino != inode)) {
		close(place);
		return -ESTALE;
	}
	snprintf(self, sizeof self, "/proc/self/fd/%d", place);
	fd = open(self, flags | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		fd = -errno;
	close(place);
	return fd;
}

int live_open_store(const struct live *l, int flags)
{
	char path[PATH_MAX + 64];
	int fd, mapped;

	if (!l->store[0])
		return -ENOENT;
	snprintf(path, sizeof path, "%s/root%s", l->proc, l->store);
	fd = open_regular(path, O_NOFOLLOW, l->store_inode, flags);
	if (fd >= 0)
		return fd;
	snprintf(path, sizeof path, "%s/map_files/%" PRIx64 "-%" PRIx64, l->proc, l->store_at,
		 l->store_end);
	mapped = open_regular(path, 0, 0, flags);
	return mapped >= 0 ? mapped : fd;
}

/* The number of the system call that it waits in, -1 when it runs or that may not be known. */
static long waits_in(const char *task)
{
	char path[128], buf[32] = "";
	FILE *f;

	snprintf(path, sizeof path, "%s/syscall", task);
	f = fopen(path, "re");
	if (!f)
		return -1;
	(void)!fgets(buf, sizeof buf, f);
	fclose(f);
	return buf[0] >= '0' && buf[0] <= '9' ? strtol(buf, NULL, 10) : -1;
}

bool live_rests(const struct live *l)
{
	char path[64], task[96], line[128];
	struct dirent *e;
	bool rests = true;

	snprintf(path, sizeof path, "/proc/%" PRIu32 "/task", l->pid);
	DIR *d = opendir(path);
	while (d && rests && (e = readdir(d))) {
		char state = 'R';
		FILE *f;

		if (e->d_name[0] == '.')
			continue;
		snprintf(task, sizeof task, "%s/%.20s", path, e->d_name);
		long call = waits_in(task);
		strcat(task, "/status");
		f = fopen(task, "re");
		while (f && fgets(line, sizeof line, f))
			if (sscanf(line, "State: %c", &state) == 1)
				break;
		if (f)
			fclose(f);
		rests = strchr("STtZ", state) && call != SYS_execve && call != SYS_execveat;
	}
	if (d)
		closedir(d);
	return d && rests;
}

uint64_t live_age_ns(const struct live *l)
{
	uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK), started;
	uint64_t now = sys_clock_ns(CLOCK_BOOTTIME);

	started = l->start_ticks / per_second * 1000000000 +
		  l->start_ticks % per_second * 1000000000 / per_second;
	return now > started ? now - started : 0;
}
