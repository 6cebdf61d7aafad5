/* SPDX-License-Identifier: MIT */
#include "core/run_file.h"

#include <errno.h>
#include <linux/fs.h>
#include <stddef.h>

#include "core/store_format.h"
#include "core/sys.h"

#include "core/as_safe.h"

#define PAGE	    4096u
#define TMPFS_SHARE 8
#define NAME_TRIES  16
#define DEFAULT_DIR "/dev/shm/cprof-"

static const char *take_number(const char *s, uint64_t *ret_value)
{
	size_t n = 0;

	while (s[n] >= '0' && s[n] <= '9')
		n++;
	return text_parse_u64(s, n, ret_value) == 0 ? s + n : NULL;
}

bool run_file_is_name(const char *s, uint32_t *ret_pid, uint64_t *ret_start_ticks)
{
	uint64_t pid, n;

	if (text_length(s) >= RUN_FILE_NAME_BYTES || !(s = take_number(s, &pid)) || *s != '.' ||
	    pid == 0 || pid > INT32_MAX || !(s = take_number(s + 1, ret_start_ticks)) || *s != '.')
		return false;
	*ret_pid = (uint32_t)pid;
	if (s[1] >= '0' && s[1] <= '9') {
		s = take_number(s + 1, &n);
		if (!s)
			return false;
	}
	return text_equal(s, ".store");
}

/* A directory of ours alone: a real one, owned by us, closed to everybody else.  fd or -errno. */
int run_file_dir(struct text *path, const char *store_dir, uint32_t uid)
{
	struct stat st;

	if (store_dir[0]) {
		text_str(path, store_dir);
	} else {
		text_str(path, DEFAULT_DIR);
		text_u64(path, uid);
		(void)sys_mkdir(path->buf, 0700);
	}
	int dir = sys_open(path->buf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return dir;
	if (sys_fstat(dir, &st) < 0 || st.st_uid != sys_geteuid() || (st.st_mode & 077)) {
		sys_close(dir);
		return -EPERM;
	}
	return dir;
}

/* The image before exec leaves a store of the same pid and start time.  It may go when all of it is
 * in files; otherwise it stays for `cprof recover` and we take the next name. */
static void remove_finished(int dir, const char *name)
{
	const uint64_t at = offsetof(struct store_header, finished);
	/* Not the whole header: this may run on an alternate stack of 8 KiB. */
	struct {
		char magic[8];
		uint32_t version;
	} head;
	uint32_t finished = 0;
	int fd = sys_openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	if (fd < 0)
		return;
	if (sys_pread(fd, &head, sizeof head, 0) == (ssize_t)sizeof head &&
	    memcmp(head.magic, STORE_MAGIC, sizeof head.magic) == 0 &&
	    head.version == STORE_VERSION &&
	    sys_pread(fd, &finished, sizeof finished, at) == (ssize_t)sizeof finished && finished)
		(void)sys_unlinkat(dir, name);
	sys_close(fd);
}

static int create_in(int dir, struct text *path, uint32_t pid, uint64_t start_ticks)
{
	size_t dir_length = path->len;

	for (unsigned n = 0; n < NAME_TRIES; n++) {
		path->len = dir_length;
		text_char(path, '/');
		text_u64(path, pid);
		text_char(path, '.');
		text_u64(path, start_ticks);
		if (n) {
			text_char(path, '.');
			text_u64(path, n);
		}
		text_str(path, ".store");
		if (path->cut)
			return -ENAMETOOLONG;
		const char *name = path->buf + dir_length + 1;
		for (int again = 0; again < 2; again++) {
			int fd =
				sys_openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);

			if (fd != -EEXIST)
				return fd;
			remove_finished(dir, name);
		}
	}
	return -EEXIST;
}

int run_file_create(struct text *path, const char *dir, uint32_t uid, uint32_t pid,
		    uint64_t start_ticks)
{
	int at = run_file_dir(path, dir, uid), fd;

	if (at < 0)
		return at;
	fd = create_in(at, path, pid, start_ticks);
	sys_close(at);
	return fd;
}

int run_file_give(const char *from, uint32_t uid, struct text *path)
{
	const char *name = text_basename(from);
	struct stat st;
	int dir, rc;

	text_str(path, DEFAULT_DIR);
	text_u64(path, uid);
	bool made = sys_mkdir(path->buf, 0700) == 0;
	dir = sys_open(path->buf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return dir;
	if (made && SYS_CALL(SYS_fchown, dir, uid, -1, 0, 0, 0) < 0)
		(void)SYS_CALL(SYS_rmdir, path->buf, 0, 0, 0, 0,
			       0); /* or they could not make theirs */
	rc = sys_fstat(dir, &st);
	if (rc == 0 && (st.st_uid != uid || (st.st_mode & 077)))
		rc = -EPERM;
	text_char(path, '/');
	text_str(path, name);
	if (rc == 0 && path->cut)
		rc = -ENAMETOOLONG;
	/* By descriptor and before it moves: in the other directory its name is theirs to change. */
	int fd = rc == 0 ? sys_open(from, O_RDONLY | O_NOFOLLOW, 0) : rc;
	rc = fd < 0 ? fd : (int)SYS_CALL(SYS_fchown, fd, uid, -1, 0, 0, 0);
	if (rc == 0)
		rc = (int)SYS_CALL(SYS_renameat2, AT_FDCWD, from, dir, name, RENAME_NOREPLACE, 0);
	if (rc < 0 && fd >= 0)
		(void)SYS_CALL(SYS_fchown, fd, 0, -1, 0, 0, 0);
	if (fd >= 0)
		sys_close(fd);
	sys_close(dir);
	return rc;
}

uint64_t run_file_budget(int fd, uint64_t max_bytes)
{
	struct rlimit limit;
	struct statfs fs;

	if (sys_fstatfs(fd, &fs) < 0)
		return 0;
	uint64_t share = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize / TMPFS_SHARE;
	if (fs.f_blocks == 0) /* a tmpfs without a limit */
		share = max_bytes;
	/* A file above this limit is a SIGXFSZ in the host. */
	if (SYS_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit, 0, 0) == 0 &&
	    limit.rlim_cur < share)
		share = limit.rlim_cur;
	return share < max_bytes ? share / PAGE * PAGE : max_bytes;
}
