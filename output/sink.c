/* SPDX-License-Identifier: MIT */
#include "output/sink.h"

#include <errno.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <unistd.h>

#include "core/sys.h"

#include "core/as_safe.h"

#define OPEN_DIR (O_RDONLY | O_DIRECTORY | O_NOFOLLOW)

#ifndef SYS_faccessat2
#define SYS_faccessat2 439 /* Linux 5.8 */
#endif

/* "path: what (ENAME)" in problem, and for whom when it is a matter of rights; returns rc. */
static int explain(struct text *problem, const char *path, const char *what, int rc)
{
	text_str(problem, path);
	text_str(problem, ": ");
	text_str(problem, what);
	text_str(problem, " (");
	text_str(problem, text_errno(rc));
	text_char(problem, ')');
	if (rc == -EACCES) {
		text_str(problem, " for uid ");
		text_u64(problem, sys_geteuid());
	}
	return rc;
}

static bool others_may_write(const struct stat *st)
{
	return (st->st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

/* Our own directory `name` inside d (or, with an fd of AT_FDCWD, the path itself): it must be a real
 * directory, ours, closed to everybody else.  The descriptor or -errno. */
static int open_own(int dir_fd, const char *name)
{
	struct stat st;
	int fd = sys_openat(dir_fd, name, OPEN_DIR, 0);

	if (fd < 0)
		return fd;
	int rc = sys_fstat(fd, &st);
	if (rc == 0 && (st.st_uid != sys_geteuid() || others_may_write(&st)))
		rc = -EPERM;
	if (rc == 0)
		return fd;
	sys_close(fd);
	return rc;
}

/* The same, made when missing. */
static int make_own(int dir_fd, const char *name)
{
	int rc = sys_mkdirat(dir_fd, name, 0700);

	return rc < 0 && rc != -EEXIST ? rc : open_own(dir_fd, name);
}

static int open_default(struct sink_dir *d, struct text *path, struct text *problem)
{
	text_str(path, "/tmp/cprof-");
	text_u64(path, sys_geteuid());
	d->fd = make_own(AT_FDCWD, d->path);
	if (d->fd < 0)
		return explain(problem, d->path,
			       d->fd == -EPERM	   ? "is not ours alone, not written to"
			       : d->fd == -ELOOP   ? "is a symbolic link, not written to"
			       : d->fd == -ENOTDIR ? "is not a directory"
						   : "cannot be made",
			       d->fd);
	return 0;
}

/* May we make files in it?  Only a clear no counts: of a read-only file system the first file says
 * what is wrong. */
static bool may_write(int fd, const struct stat *st)
{
	int rc = (int)SYS_CALL(SYS_faccessat2, fd, ".", W_OK | X_OK, AT_EACCESS, 0, 0);

	if (rc == -ENOSYS || rc == -EPERM) /* an older kernel, or a filter that does not know it */
		return st->st_uid == sys_geteuid() || sys_geteuid() == 0 || (st->st_mode & S_IWOTH);
	return rc != -EACCES;
}

static void own_name(struct text *t, uid_t uid)
{
	text_str(t, "cprof-");
	text_u64(t, uid);
}

/* The configured directory, as the rule wants it: the descriptor and its stat.  path is on
 * d->path. */
static int open_configured(struct sink_dir *d, struct text *path, const char *dir, struct stat *st,
			   struct text *problem)
{
	text_str(path, dir);
	/* "dir/" would follow a link even with O_NOFOLLOW. */
	while (path->len > 1 && d->path[path->len - 1] == '/')
		d->path[--path->len] = '\0';
	if (path->cut)
		return explain(problem, d->path, "path too long", -ENAMETOOLONG);
	if (dir[0] != '/')
		return explain(problem, d->path, "is not an absolute path", -EINVAL);

	int fd = sys_open(d->path, OPEN_DIR, 0);
	if (fd == -EACCES) /* it cannot be listed; perhaps passed */
		fd = sys_open(d->path, OPEN_DIR | O_PATH, 0);
	if (fd == -ENOTDIR && sys_fstatat(AT_FDCWD, d->path, st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISLNK(st->st_mode))
		fd = -ELOOP; /* the kernel says ENOTDIR for O_DIRECTORY on a link */
	if (fd < 0)
		return explain(problem, d->path,
			       fd == -ELOOP ? "is a symbolic link, not written to"
					    : "cannot be opened",
			       fd);
	int rc = sys_fstat(fd, st);
	if (rc == 0 && st->st_uid != sys_geteuid() && st->st_uid != 0)
		rc = -EPERM;
	if (rc == 0)
		return fd;
	sys_close(fd);
	return explain(problem, d->path, "belongs to another user, not written to", rc);
}

int sink_dir_open(struct sink_dir *d, const char *dir, struct text *problem)
{
	struct text path = TEXT_ON(d->path);
	char name[32];
	struct text own = TEXT_ON(name);
	struct stat st;

	*d = (struct sink_dir){.fd = -1};
	if (dir[0] == '\0')
		return open_default(d, &path, problem);
	int fd = open_configured(d, &path, dir, &st, problem);
	if (fd < 0)
		return fd;
	bool shared = others_may_write(&st) && !(st.st_mode & S_ISVTX);
	if (!shared && may_write(fd, &st)) {
		d->fd = fd;
		return 0;
	}

	own_name(&own, sys_geteuid());
	d->fd = shared ? make_own(fd, name) : open_own(fd, name);
	/* Nobody has prepared it, see sink_dir_prepare(), or it cannot be reached. */
	if (!shared && (d->fd == -ENOENT || d->fd == -EACCES)) {
		sys_close(fd);
		return explain(problem, d->path, "cannot be written to", -EACCES);
	}
	sys_close(fd);
	text_char(&path, '/');
	text_str(&path, name);
	if (path.cut) {
		sink_dir_close(d);
		d->fd = -ENAMETOOLONG;
	}
	if (d->fd < 0)
		return explain(problem, d->path, "cannot be made or is not ours alone", d->fd);
	return 0;
}

int sink_dir_prepare(struct sink_dir *d, const char *dir, uid_t uid)
{
	struct text path = TEXT_ON(d->path);
	char name[32], why[8];
	struct text own = TEXT_ON(name), problem = TEXT_ON(why);
	struct stat st;

	*d = (struct sink_dir){.fd = -1};
	int fd = open_configured(d, &path, dir, &st, &problem);
	if (fd < 0)
		return fd;
	int rc = others_may_write(&st) ? -EPERM : 0;
	own_name(&own, uid);
	if (rc == 0)
		rc = sys_mkdirat(fd, name, 0700);
	if (rc == -EEXIST) { /* ours when a process was killed between these two calls */
		rc = sys_fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW);
		if (rc == 0 && (!S_ISDIR(st.st_mode) || st.st_uid != sys_geteuid()))
			rc = -EEXIST;
	}
	if (rc == 0)
		rc = sys_fchownat(fd, name, uid);
	sys_close(fd);
	return rc;
}

void sink_dir_close(struct sink_dir *d)
{
	if (d->fd >= 0)
		sys_close(d->fd);
	d->fd = -1;
}

int sink_create(struct sink *s, const struct sink_dir *d, const char *name, struct text *problem)
{
	struct text t;
	struct rlimit limit;

	*s = (struct sink){.dir = d, .fd = -1};
	t = TEXT_ON(s->name);
	text_str(&t, name);
	if (t.cut) {
		s->dir = NULL;
		return explain(problem, name, "name too long", -ENAMETOOLONG);
	}
	t = TEXT_ON(s->temp);
	text_char(&t, '.');
	text_str(&t, name);
	text_char(&t, '.');
	text_u64(&t, d->writer ? d->writer : sys_clock_ns(CLOCK_REALTIME));
	int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
	s->fd = sys_openat(d->fd, s->temp, flags, 0600);
	if (s->fd == -EEXIST) { /* left by a writer with our id that was killed */
		(void)sys_unlinkat(d->fd, s->temp);
		s->fd = sys_openat(d->fd, s->temp, flags, 0600);
	}
	if (s->fd < 0) {
		int rc = s->fd;

		*s = (struct sink){.fd = -1}; /* so that sink_remove() touches nobody's file */
		return explain(problem, d->path, "cannot be written to", rc);
	}
	s->room = UINT64_MAX;
	if (SYS_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit, 0, 0) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		s->room = limit.rlim_cur;
	return 0;
}

int sink_write(struct sink *s, const void *bytes, size_t n)
{
	const char *p = bytes;

	if (n > s->room)
		return -EFBIG;
	s->room -= n;
	while (n) {
		ssize_t done = sys_write(s->fd, p, n);

		if (done <= 0)
			return done < 0 ? (int)done : -EIO;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

int sink_commit(struct sink *s)
{
	int rc = s->fd < 0
			 ? 0
			 : sys_close(s->fd); /* some file systems say here that the disk is full */

	s->fd = -1;
	if (rc == 0)
		rc = (int)SYS_CALL(SYS_renameat2, s->dir->fd, s->temp, s->dir->fd, s->name,
				   RENAME_NOREPLACE, 0);
	if (rc == -EINVAL || rc == -ENOSYS) /* a file system that cannot promise that */
		rc = sys_renameat(s->dir->fd, s->temp, s->dir->fd, s->name);
	if (rc == 0)
		s->temp[0] = '\0';
	return rc;
}

void sink_remove(struct sink *s)
{
	if (s->fd >= 0)
		sys_close(s->fd);
	s->fd = -1;
	if (s->dir)
		(void)sys_unlinkat(s->dir->fd, s->temp[0] ? s->temp : s->name);
	s->dir = NULL;
}
