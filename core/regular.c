/* SPDX-License-Identifier: MIT */
#include "core/regular.h"

#include <errno.h>

#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

/* O_NONBLOCK: nobody waits for whoever holds a lease on it. */
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY)

/* Where there is no /proc: by the path once more. */
static int open_again(const char *path, int flags, const struct stat *wanted)
{
	struct stat st;
	int rc = sys_fstatat(AT_FDCWD, path, &st, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0);

	if (rc < 0)
		return rc;
	if (st.st_ino != wanted->st_ino || st.st_dev != wanted->st_dev)
		return -EPERM;
	int fd = sys_open(path, OPEN_FLAGS | flags, 0);
	if (fd < 0)
		return fd;
	rc = sys_fstat(fd, &st);
	if (rc == 0 && st.st_ino == wanted->st_ino && st.st_dev == wanted->st_dev)
		return fd;
	sys_close(fd);
	return rc < 0 ? rc : -EPERM;
}

int regular_open(const char *path, int flags)
{
	char link[64];
	struct text t = TEXT_ON(link);
	struct stat st;
	int named = sys_open(path, O_PATH | flags, 0);

	if (named < 0)
		return named;
	int rc = sys_fstat(named, &st);
	if (rc == 0 && S_ISLNK(st.st_mode))
		rc = -ELOOP; /* O_PATH | O_NOFOLLOW opens the link itself */
	else if (rc == 0 && !S_ISREG(st.st_mode))
		rc = -EPERM;
	if (rc == 0) {
		text_str(&t, "/proc/thread-self/fd/");
		text_u64(&t, (uint64_t)named);
		rc = sys_open(link, OPEN_FLAGS, 0);
		if (rc == -ENOENT || rc == -ENOTDIR)
			rc = open_again(path, flags, &st);
	}
	sys_close(named);
	return rc;
}
