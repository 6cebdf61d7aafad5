/* SPDX-License-Identifier: MIT */
#include "cli/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* 0 when it is a file that may be executed. */
static int is_program(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == EACCES ? -EACCES : -ENOENT;
	if (!S_ISREG(st.st_mode) || access(path, X_OK) < 0)
		return -EACCES;
	return 0;
}

int program_find(const char *name, char *ret_path, size_t size)
{
	const char *path = getenv("PATH"), *next;
	int denied = -ENOENT;

	if (strchr(name, '/') || !name[0]) {
		snprintf(ret_path, size, "%s", name);
		return name[0] ? is_program(name) : -ENOENT;
	}
	for (path = path ? path : "/bin:/usr/bin"; path; path = next) {
		size_t n = strcspn(path, ":");

		next = path[n] ? path + n + 1 : NULL;
		if (snprintf(ret_path, size, "%.*s%s%s", (int)n, path, n ? "/" : "./", name) >=
		    (int)size)
			continue;
		int r = is_program(ret_path);
		if (r == 0)
			return 0;
		if (r == -EACCES)
			denied = r;
	}
	return denied;
}

/* The kernel starts such a program in secure mode, where the loader takes no library from a path.
 */
static const char *secure_mode(int fd, const struct stat *st)
{
	if (geteuid() == 0 && !(st->st_mode & S_ISUID && st->st_uid != 0))
		return NULL; /* nothing is gained by starting it */
	if ((st->st_mode & S_ISUID && st->st_uid != geteuid()) ||
	    (st->st_mode & S_ISGID && st->st_mode & S_IXGRP && st->st_gid != getegid()))
		return "it is setuid or setgid, and the loader ignores LD_PRELOAD there";
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0)
		return "it has file capabilities, and the loader ignores LD_PRELOAD there";
	return NULL;
}

static const char *elf_obstacle(const struct facts *f, const char *path, char buf[512])
{
	const char *base = strrchr(path, '/'), *loader = strrchr(f->loader, '/');

	base = base ? base + 1 : path;
	loader = loader ? loader + 1 : f->loader;
	if (!f->is_64)
		return "it is a 32-bit program, and libcprof.so is for x86_64";
	if (!f->is_x86_64) {
		snprintf(buf, 512,
			 "it is not an x86_64 program but one for another processor (ELF machine "
			 "%u)",
			 f->machine);
		return buf;
	}
	if (!loader[0] && strncmp(base, "ld-linux", 8) == 0)
		return NULL; /* the loader itself preloads into what it is given */
	if (!loader[0])
		return f->go ? "it is linked statically, as Go programs are, and there is no "
			       "loader "
			       "to load anything; Go has net/http/pprof of its own"
			     : "it is linked statically, and there is no loader to load anything";
	if (strncmp(loader, "ld-musl", 7) == 0) {
		snprintf(buf, 512, "it is for musl, and libcprof.so is for glibc: its loader is %s",
			 f->loader);
		return buf;
	}
	if (strcmp(loader, PROGRAM_GLIBC_LOADER) != 0) {
		snprintf(buf, 512, "it is not for glibc: its loader is %s", f->loader);
		return buf;
	}
	return NULL;
}

/* The program that a script's first line names, or that env runs for it; false: there is none. */
static bool interpreter_of(const char *line, char path[PATH_MAX])
{
	char words[256], *word, *rest, *base;

	snprintf(words, sizeof words, "%s", line + 2);
	words[strcspn(words, "\n")] = '\0';
	word = strtok_r(words, " \t\r", &rest);
	if (!word)
		return false;
	snprintf(path, PATH_MAX, "%s", word);
	base = strrchr(word, '/');
	if (strcmp(base ? base + 1 : word, "env") != 0)
		return true;
	while ((word = strtok_r(NULL, " \t\r", &rest)))
		if (word[0] != '-' && !strchr(word, '='))
			return program_find(word, path, PATH_MAX) == 0;
	return true;
}

static const char *judge(const char *path, struct program *p, char buf[512])
{
	const char *why = NULL;
	char text[256] = "";
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	snprintf(p->path, sizeof p->path, "%s", path);
	p->readable = false;
	if (fd < 0)
		return NULL; /* executable but not readable: the kernel will know */
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	int rc = n < 0 ? -errno : facts_read(&p->facts, fd);
	if (rc == 0) {
		p->readable = true;
		if (fstat(fd, &st) == 0)
			why = secure_mode(fd, &st);
		if (!why)
			why = elf_obstacle(&p->facts, path, buf);
	} else if (n > 2 && memcmp(text, "#!", 2) == 0 && p->scripts < 4) {
		char next[PATH_MAX];

		p->scripts++;
		if (interpreter_of(text, next)) {
			close(fd);
			if (access(next, X_OK) < 0) {
				snprintf(buf, 512, "its interpreter %.400s is not there", next);
				return buf;
			}
			return judge(next, p, buf);
		}
		why = "it is a script without an interpreter";
	} else if (n >= 0) {
		why = "it is neither an ELF program nor a script";
	}
	close(fd);
	return why;
}

const char *program_judge(const char *path, struct program *ret_program, char buf[512])
{
	memset(ret_program, 0, sizeof *ret_program);
	return judge(path, ret_program, buf);
}

const char *program_obstacle(const char *path, char buf[512])
{
	static struct program p;

	return program_judge(path, &p, buf);
}

int program_library(char *ret_path, size_t size)
{
	static const char *const places[] = {"", "../lib/", "../lib/x86_64-linux-gnu/"};
	char self[PATH_MAX], joined[PATH_MAX + 64];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

	if (n <= 0)
		return -errno;
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (unsigned i = 0; i < sizeof places / sizeof places[0]; i++) {
		char real[PATH_MAX];

		snprintf(joined, sizeof joined, "%s/%slibcprof.so", self, places[i]);
		if (realpath(joined, real) && access(real, R_OK) == 0 && strlen(real) < size) {
			strcpy(ret_path, real);
			return 0;
		}
	}
	return -ENOENT;
}
