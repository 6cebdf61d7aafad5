/* SPDX-License-Identifier: MIT */
#include "core/sys.h"

#include <errno.h>
#include <stdbool.h>

#include "core/as_safe.h"

static int raw_open(int dir, const char *path, int flags, mode_t mode)
{
	return (int)SYS_CALL(SYS_openat, dir, path, flags | O_CLOEXEC, mode, 0, 0);
}

/* Fills those of 0 to 2 that the host has closed: O_PATH descriptors, on which its reads and writes
 * fail with EBADF as before. */
static void hold_low(bool held[3])
{
	for (int fd = 0; fd < 3; fd++) {
		held[fd] = false;
		if (SYS_CALL(SYS_fcntl, fd, F_GETFD, 0, 0, 0, 0) != -EBADF)
			continue;
		int got = raw_open(AT_FDCWD, "/", O_PATH, 0);
		held[fd] = got == fd;
		if (got >= 0 && got != fd)
			sys_close(got);
	}
}

int sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	bool held[3];

	hold_low(held);
	int fd = raw_open(dir, path, flags, mode);
	for (int low = 0; low < 3; low++)
		if (held[low])
			sys_close(low);
	if (fd >= 0 && fd < 3) { /* the host has closed it just now */
		sys_close(fd);
		return -EMFILE;
	}
	return fd;
}

void *sys_mmap_lazy(size_t n, int flags, int fd)
{
	/* What nobody may read is not touched, and mprotect() touches what is locked. */
	void *p = sys_mmap(NULL, n, PROT_NONE, flags, fd, 0);
	int rc;

	if (sys_failed(p))
		return p;
	(void)SYS_CALL(SYS_munlock, p, n, 0, 0, 0, 0);
	rc = (int)SYS_CALL(SYS_mprotect, p, n, PROT_READ | PROT_WRITE, 0, 0, 0);
	if (rc == 0)
		return p;
	sys_munmap(p, n);
	return (void *)(intptr_t)rc;
}
