/* SPDX-License-Identifier: MIT */
#include "cli/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define GLIBC_LOADER "ld-linux-x86-64.so.2"

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

static const char *elf_obstacle(int fd, const Elf64_Ehdr *h, const char *path, char buf[512])
{
	char loader[256] = "";

	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_machine != EM_X86_64)
		return "it is not an x86_64 program";
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return NULL;
	for (unsigned i = 0; i < h->e_phnum && !loader[0]; i++) {
		Elf64_Phdr p;

		if (pread(fd, &p, sizeof p, (off_t)(h->e_phoff + i * sizeof p)) != sizeof p)
			return NULL;
		if (p.p_type != PT_INTERP || p.p_filesz == 0 || p.p_filesz > sizeof loader - 1)
			continue;
		ssize_t n = pread(fd, loader, p.p_filesz, (off_t)p.p_offset);
		loader[n > 0 ? n : 0] = '\0';
	}
	const char *base = strrchr(path, '/');
	if (!loader[0])
		return strncmp(base ? base + 1 : path, "ld-linux", 8) == 0
			       ? NULL /* the loader itself preloads into what it is given */
			       : "it is linked statically, and there is no loader to load anything";
	base = strrchr(loader, '/');
	if (strcmp(base ? base + 1 : loader, GLIBC_LOADER) == 0)
		return NULL;
	snprintf(buf, 512, "it is not for glibc: its loader is %s", loader);
	return buf;
}

static const char *obstacle(const char *path, char buf[512], int depth)
{
	union {
		Elf64_Ehdr elf;
		char text[256];
	} head = {0};
	const char *why = NULL;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return NULL; /* executable but not readable: the kernel will know */
	ssize_t n = pread(fd, &head, sizeof head - 1, 0);
	if (n >= (ssize_t)sizeof head.elf && memcmp(head.elf.e_ident, ELFMAG, SELFMAG) == 0) {
		if (fstat(fd, &st) == 0)
			why = secure_mode(fd, &st);
		if (!why)
			why = elf_obstacle(fd, &head.elf, path, buf);
	} else if (n > 2 && memcmp(head.text, "#!", 2) == 0 && depth < 4) {
		char *interpreter = head.text + 2 + strspn(head.text + 2, " \t");

		interpreter[strcspn(interpreter, " \t\r\n")] = '\0';
		why = obstacle(interpreter, buf, depth + 1);
	} else if (n >= 0) {
		why = "it is neither an ELF program nor a script";
	}
	close(fd);
	return why;
}

const char *program_obstacle(const char *path, char buf[512])
{
	return obstacle(path, buf, 0);
}
