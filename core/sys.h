/* SPDX-License-Identifier: MIT */
/*
 * core/sys: raw system calls.
 *
 * Code that runs in the host (a handler, a wrapper, a dump) must not go through libc's entry
 * points: they set errno, are cancellation points, and may be wrapped by the host or by us.  Every
 * function here is the bare system call and returns its result, or -errno.  errno is never touched.
 *
 * The invariant about descriptors: none of ours is 0, 1 or 2, where a host that has closed its own
 * would read and write our files.
 *
 * Context: signal.  Allocates: no.  Locks: none.
 */
#ifndef CPROF_CORE_SYS_H
#define CPROF_CORE_SYS_H

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>

#if !defined(__x86_64__) || !defined(__LP64__)
#error "cprof knows x86_64 Linux only (see Limits in README.md)"
#endif

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#define SYS_CALL(nr, a, b, c, d, e, f)                                                             \
	sys_call6((nr), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

int sys_openat(int dir, const char *path, int flags, mode_t mode);

static inline int sys_open(const char *path, int flags, mode_t mode)
{
	return sys_openat(AT_FDCWD, path, flags, mode);
}
static inline int sys_close(int fd)
{
	return (int)SYS_CALL(SYS_close, fd, 0, 0, 0, 0, 0);
}
static inline ssize_t sys_read(int fd, void *buf, size_t n)
{
	return SYS_CALL(SYS_read, fd, buf, n, 0, 0, 0);
}
static inline ssize_t sys_pread(int fd, void *buf, size_t n, uint64_t off)
{
	return SYS_CALL(SYS_pread64, fd, buf, n, off, 0, 0);
}
static inline ssize_t sys_write(int fd, const void *buf, size_t n)
{
	return SYS_CALL(SYS_write, fd, buf, n, 0, 0, 0);
}
static inline int sys_fstat(int fd, struct stat *st)
{
	return (int)SYS_CALL(SYS_fstat, fd, st, 0, 0, 0, 0);
}
static inline int sys_fstatat(int dir, const char *path, struct stat *st, int flags)
{
	return (int)SYS_CALL(SYS_newfstatat, dir, path, st, flags, 0, 0);
}
static inline int sys_fstatfs(int fd, struct statfs *st)
{
	return (int)SYS_CALL(SYS_fstatfs, fd, st, 0, 0, 0, 0);
}
static inline int sys_ftruncate(int fd, uint64_t n)
{
	return (int)SYS_CALL(SYS_ftruncate, fd, n, 0, 0, 0, 0);
}
static inline int sys_mkdir(const char *path, mode_t mode)
{
	return (int)SYS_CALL(SYS_mkdirat, AT_FDCWD, path, mode, 0, 0, 0);
}
static inline int sys_mkdirat(int dir, const char *path, mode_t mode)
{
	return (int)SYS_CALL(SYS_mkdirat, dir, path, mode, 0, 0, 0);
}
static inline int sys_unlink(const char *path)
{
	return (int)SYS_CALL(SYS_unlinkat, AT_FDCWD, path, 0, 0, 0, 0);
}
static inline int sys_unlinkat(int dir, const char *path)
{
	return (int)SYS_CALL(SYS_unlinkat, dir, path, 0, 0, 0, 0);
}
static inline int sys_renameat(int od, const char *o, int nd, const char *n)
{
	return (int)SYS_CALL(SYS_renameat, od, o, nd, n, 0, 0);
}
/* What getdents64 writes, one behind another. */
struct sys_dirent {
	uint64_t d_ino;
	int64_t d_off;
	uint16_t d_reclen;
	uint8_t d_type;
	char d_name[];
};
/* The bytes written to buf, which is aligned to 8; 0 at the end. */
static inline ssize_t sys_getdents(int dir, void *buf, size_t n)
{
	return SYS_CALL(SYS_getdents64, dir, buf, n, 0, 0, 0);
}
/* Returns the length written to buf, which is not NUL-terminated by the kernel. */
static inline ssize_t sys_readlink(const char *path, char *buf, size_t n)
{
	return SYS_CALL(SYS_readlinkat, AT_FDCWD, path, buf, n, 0, 0);
}
/* Returns the length of the path with its NUL, or -errno. */
static inline ssize_t sys_getcwd(char *buf, size_t n)
{
	return SYS_CALL(SYS_getcwd, buf, n, 0, 0, 0, 0);
}
/* Returns the address, or (void *)-errno: test with sys_failed(). */
static inline void *sys_mmap(void *at, size_t n, int prot, int flags, int fd, uint64_t off)
{
	return (void *)SYS_CALL(SYS_mmap, at, n, prot, flags, fd, off);
}
static inline int sys_failed(const void *p)
{
	return (uintptr_t)p > (uintptr_t)-4096;
}
/* n bytes to read and write, of which only what is touched becomes memory, also in a host that has called
 * mlockall(MCL_FUTURE), where mmap() touches all.  As sys_mmap(). */
void *sys_mmap_lazy(size_t n, int flags, int fd);
static inline int sys_munmap(void *p, size_t n)
{
	return (int)SYS_CALL(SYS_munmap, p, n, 0, 0, 0, 0);
}
static inline int sys_madvise(void *p, size_t n, int advice)
{
	return (int)SYS_CALL(SYS_madvise, p, n, advice, 0, 0, 0);
}
static inline int sys_getpid(void)
{
	return (int)SYS_CALL(SYS_getpid, 0, 0, 0, 0, 0, 0);
}
static inline int sys_gettid(void)
{
	return (int)SYS_CALL(SYS_gettid, 0, 0, 0, 0, 0, 0);
}
static inline int sys_kill(int pid, int sig)
{
	return (int)SYS_CALL(SYS_kill, pid, sig, 0, 0, 0, 0);
}
/* Changes the owner of name in dir itself, which may be a link. */
static inline int sys_fchownat(int dir, const char *name, uid_t uid)
{
	return (int)SYS_CALL(SYS_fchownat, dir, name, uid, -1, AT_SYMLINK_NOFOLLOW, 0);
}
static inline uid_t sys_geteuid(void)
{
	return (uid_t)SYS_CALL(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}
/* The kernel's signal set is one 64-bit word; how is SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK. */
static inline int sys_sigmask(int how, const uint64_t *set, uint64_t *old)
{
	return (int)SYS_CALL(SYS_rt_sigprocmask, how, set, old, sizeof *set, 0, 0);
}
/* The kernel's struct sigaction, and the flag by which it knows that there is a restorer.  libc hides
 * both, but shows the flag when an action is read back. */
#define SYS_SA_RESTORER 0x04000000
struct sys_action {
	void *handler;
	unsigned long flags;
	void *restorer;
	uint64_t mask;
};
static inline int sys_sigaction(int signo, const struct sys_action *act, struct sys_action *old)
{
	return (int)SYS_CALL(SYS_rt_sigaction, signo, act, old, sizeof(uint64_t), 0, 0);
}
static inline int sys_clock_gettime(clockid_t clock, struct timespec *ts)
{
	return (int)SYS_CALL(SYS_clock_gettime, clock, ts, 0, 0, 0, 0);
}

/* Time of a clock in ns; 0 when the clock cannot be read. */
static inline uint64_t sys_clock_ns(clockid_t clock)
{
	struct timespec ts;

	if (sys_clock_gettime(clock, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
