/* SPDX-License-Identifier: MIT */
/*
 * Calls on files and other descriptors that wait and that the kernel restarts by itself when our signal comes: a row for each,
 * which times it (preload/blocked).  Calls that say that they do not want to wait are jumps.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/sys.h"
#include "preload/blocked.h"
#include "preload/interpose.h"

INTERPOSE_HOT(pread);
INTERPOSE_HOT(pread64);
INTERPOSE_HOT(pwrite);
INTERPOSE_HOT(pwrite64);

/* Two names for one function of libc; other libraries may have one of them only. */
#define INTERPOSE_TWINS(type, name, twin, class, params, args)                                     \
	INTERPOSE_TIMED(type, name, class, params, args)                                           \
	INTERPOSE_TIMED(type, twin, class, params, args)

/* ---- reading and writing ---- */

INTERPOSE_TWINS(ssize_t, pread, pread64, WAIT_IO, (int fd, void *buf, size_t n, off_t at),
		(fd, buf, n, at))
INTERPOSE_TWINS(ssize_t, pwrite, pwrite64, WAIT_IO, (int fd, const void *buf, size_t n, off_t at),
		(fd, buf, n, at))
INTERPOSE_TWINS(ssize_t, preadv, preadv64, WAIT_IO,
		(int fd, const struct iovec *v, int count, off_t at), (fd, v, count, at))
INTERPOSE_TWINS(ssize_t, pwritev, pwritev64, WAIT_IO,
		(int fd, const struct iovec *v, int count, off_t at), (fd, v, count, at))
INTERPOSE_TWINS(ssize_t, preadv2, preadv64v2, WAIT_IO,
		(int fd, const struct iovec *v, int count, off_t at, int flags),
		(fd, v, count, at, flags))
INTERPOSE_TWINS(ssize_t, pwritev2, pwritev64v2, WAIT_IO,
		(int fd, const struct iovec *v, int count, off_t at, int flags),
		(fd, v, count, at, flags))

/* The forms of -D_FORTIFY_SOURCE. */
extern ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t bytes);
extern ssize_t __pread64_chk(int fd, void *buf, size_t n, off_t at, size_t bytes);
INTERPOSE_TWINS(ssize_t, __pread_chk, __pread64_chk, WAIT_IO,
		(int fd, void *buf, size_t n, off_t at, size_t bytes), (fd, buf, n, at, bytes))

INTERPOSE_TWINS(ssize_t, sendfile, sendfile64, WAIT_IO, (int to, int from, off_t *at, size_t n),
		(to, from, at, n))
INTERPOSE_TIMED(ssize_t, copy_file_range, WAIT_IO,
		(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags),
		(from, from_at, to, to_at, n, flags))
INTERPOSE_TIMED(ssize_t, splice, WAIT_IO,
		(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags),
		(from, from_at, to, to_at, n, flags))
INTERPOSE_TIMED(ssize_t, tee, WAIT_IO, (int from, int to, size_t n, unsigned flags),
		(from, to, n, flags))
INTERPOSE_TIMED(ssize_t, vmsplice, WAIT_IO,
		(int fd, const struct iovec *v, size_t count, unsigned flags),
		(fd, v, count, flags))

/* ---- to the disk ---- */

INTERPOSE_TIMED(int, fsync, WAIT_SYNC, (int fd), (fd))
INTERPOSE_TIMED(int, fdatasync, WAIT_SYNC, (int fd), (fd))
INTERPOSE_TIMED(int, syncfs, WAIT_SYNC, (int fd), (fd))
INTERPOSE_TIMED(int, msync, WAIT_SYNC, (void *from, size_t n, int flags), (from, n, flags))
INTERPOSE_TIMED(int, sync_file_range, WAIT_SYNC, (int fd, off64_t at, off64_t n, unsigned flags),
		(fd, at, n, flags))

INTERPOSE(void, sync, (void))
{
	struct blocked b;

	blocked_begin(&b);
	REAL(sync)();
	blocked_end(&b, WAIT_SYNC, (const void *)real_sync);
}

/* ---- locks ---- */

INTERPOSE(int, flock, (int fd, int operation))
{
	struct blocked b;
	int r;

	if (operation & (LOCK_NB | LOCK_UN))
		return REAL(flock)(fd, operation);
	blocked_begin(&b);
	r = REAL(flock)(fd, operation);
	blocked_end(&b, WAIT_FLOCK, (const void *)real_flock);
	return r;
}

#define INTERPOSE_LOCKF(name)                                                                      \
	INTERPOSE(int, name, (int fd, int command, off_t n))                                       \
	{                                                                                          \
		struct blocked b;                                                                  \
		int r;                                                                             \
                                                                                                   \
		if (command != F_LOCK)                                                             \
			return REAL(name)(fd, command, n);                                         \
		blocked_begin(&b);                                                                 \
		r = REAL(name)(fd, command, n);                                                    \
		blocked_end(&b, WAIT_FLOCK, (const void *)real_##name);                            \
		return r;                                                                          \
	}
INTERPOSE_LOCKF(lockf)
INTERPOSE_LOCKF(lockf64)

/* Not variadic: the register is passed on as it came. */
#define INTERPOSE_FCNTL(name)                                                                      \
	INTERPOSE_ROW(name);                                                                       \
	extern int every_##name(int fd, int command, long argument) __asm__(#name);                \
	EXPORT int every_##name(int fd, int command, long argument)                                \
	{                                                                                          \
		struct blocked b;                                                                  \
		int r;                                                                             \
                                                                                                   \
		if (command != F_SETLKW && command != F_OFD_SETLKW)                                \
			return REAL(name)(fd, command, argument);                                  \
		blocked_begin(&b);                                                                 \
		r = REAL(name)(fd, command, argument);                                             \
		blocked_end(&b, WAIT_FLOCK, (const void *)real_##name);                            \
		return r;                                                                          \
	}
INTERPOSE_FCNTL(fcntl)
INTERPOSE_FCNTL(fcntl64)

/* ---- opening ---- */

/* A FIFO waits for its other end, a device for what it is.  With a regular file, and with what cannot be opened, there is nothing
 * to be waited for; which of them it was is asked only when the call has been long enough. */
static void opened(const struct blocked *b, int fd, const void *entry)
{
	struct stat st;
	uint64_t ticks;
	bool waits;

	if (blocked_passes(blocked_line(WAIT_OPEN), b, clock_ticks(), &ticks))
		return;
	waits = fd < 0 ? errno == EINTR : sys_fstat(fd, &st) == 0 && !S_ISREG(st.st_mode);
	blocked_look(ticks, waits ? WAIT_OPEN : WAIT_NO_CLASS, entry);
}

/* A tick in here is no part of a wait: that of a regular file is none, and only afterwards is it known which it was.  A
 * directory is known before. */
static inline void opening(struct blocked *b, int flags)
{
	blocked_begin(b);
	if (!(flags & O_DIRECTORY))
		blocked_drop();
}

/* Not variadic, as above. */
#define INTERPOSE_OPEN(name, flags, params, args)                                                  \
	INTERPOSE_ROW(name);                                                                       \
	extern int every_##name params __asm__(#name);                                             \
	EXPORT int every_##name params                                                             \
	{                                                                                          \
		struct blocked b;                                                                  \
		int fd;                                                                            \
                                                                                                   \
		opening(&b, flags);                                                                \
		fd = REAL(name) args;                                                              \
		opened(&b, fd, (const void *)real_##name);                                         \
		return fd;                                                                         \
	}

extern int __open_2(const char *path, int flags);
extern int __open64_2(const char *path, int flags);
extern int __openat_2(int dir, const char *path, int flags);
extern int __openat64_2(int dir, const char *path, int flags);

INTERPOSE_OPEN(open, flags, (const char *path, int flags, mode_t mode), (path, flags, mode))
INTERPOSE_OPEN(open64, flags, (const char *path, int flags, mode_t mode), (path, flags, mode))
INTERPOSE_OPEN(openat, flags, (int dir, const char *path, int flags, mode_t mode),
	       (dir, path, flags, mode))
INTERPOSE_OPEN(openat64, flags, (int dir, const char *path, int flags, mode_t mode),
	       (dir, path, flags, mode))
INTERPOSE_OPEN(creat, 0, (const char *path, mode_t mode), (path, mode))
INTERPOSE_OPEN(creat64, 0, (const char *path, mode_t mode), (path, mode))
INTERPOSE_OPEN(__open_2, flags, (const char *path, int flags), (path, flags))
INTERPOSE_OPEN(__open64_2, flags, (const char *path, int flags), (path, flags))
INTERPOSE_OPEN(__openat_2, flags, (int dir, const char *path, int flags), (dir, path, flags))
INTERPOSE_OPEN(__openat64_2, flags, (int dir, const char *path, int flags), (dir, path, flags))

/* ---- message queues, random numbers ---- */

INTERPOSE_TIMED(int, mq_send, WAIT_IPC,
		(mqd_t queue, const char *message, size_t n, unsigned priority),
		(queue, message, n, priority))
INTERPOSE_TIMED(int, mq_timedsend, WAIT_IPC,
		(mqd_t queue, const char *message, size_t n, unsigned priority,
		 const struct timespec *until),
		(queue, message, n, priority, until))
INTERPOSE_TIMED(ssize_t, mq_receive, WAIT_IPC,
		(mqd_t queue, char *message, size_t n, unsigned *priority),
		(queue, message, n, priority))
INTERPOSE_TIMED(ssize_t, mq_timedreceive, WAIT_IPC,
		(mqd_t queue, char *message, size_t n, unsigned *priority,
		 const struct timespec *until),
		(queue, message, n, priority, until))

INTERPOSE_TIMED(ssize_t, getrandom, WAIT_RANDOM, (void *buf, size_t n, unsigned flags),
		(buf, n, flags))
INTERPOSE_TIMED(int, getentropy, WAIT_RANDOM, (void *buf, size_t n), (buf, n))
