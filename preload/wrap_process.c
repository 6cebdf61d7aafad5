/* SPDX-License-Identifier: MIT */
/*
 * The ends of a process image: exec in all its forms, and the exits that run no destructor.
 *
 * exec keeps the process's pending signals and resets our handlers, so a SIGPROF that is on its way
 * would end the new image: timers go and the signal is drained before.  A vfork child shares our
 * memory: there we only pass on.
 */
#include <errno.h>
#include <stdarg.h>
#include <sched.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/sys.h"
#include "preload/actions.h"
#include "preload/dump.h"
#include "preload/dumper.h"
#include "preload/host.h"
#include "preload/interpose.h"
#include "preload/interval.h"
#include "preload/mask.h"
#include "preload/recorder.h"
#include "preload/sampler.h"
#include "preload/thread.h"

#define ALONE_MS    2000u
#define HOLD_MAX_NS UINT64_C(200000000) /* cprof dump asks for 50 ms */

static void finish(bool yes)
{
	struct store *s = recorder_existing();

	if (s)
		store_finish(s, yes);
}

/* From now on nobody asks this image for a dump, and who is about to has sent his signal when this
 * comes back; see core/store_format.h. */
static void refuse_requests(void)
{
	uint64_t until = recorder_leaving(1), now, deadline;

	if (!until)
		return;
	now = sys_clock_ns(CLOCK_MONOTONIC);
	deadline = now + HOLD_MAX_NS;
	while (now < until && now < deadline) {
		const struct timespec moment = {0, 1000000};

		(void)SYS_CALL(SYS_nanosleep, &moment, NULL, 0, 0, 0, 0);
		now = sys_clock_ns(CLOCK_MONOTONIC);
	}
}

/* Before and after a call of exec that comes back.  begin: false when nothing is to be done. */
static bool exec_begin(void)
{
	if (!host.on)
		return false;
	if (!host_is_here()) { /* a vfork child has actions and a mask of its own */
		actions_before_exec();
		mask_make_real_in_child();
		return false;
	}
	refuse_requests();
	thread_busy_begin();
	sampler_settle();
	thread_busy_end();
	if (dump_last(host.settings.output_on_exec))
		finish(true);
	/* Release pairs with the acquire in dumper_tell_host(). */
	atomic_store_explicit(&host.leaving, true, memory_order_release);
	dump_wait_alone(ALONE_MS); /* one that was asked for meanwhile */
	interval_stop();
	sampler_pause();
	actions_before_exec();
	mask_make_real(true);
	mask_pend_deferred();
	return true;
}

static int exec_failed(bool begun)
{
	int e = errno;

	if (begun) {
		atomic_store_explicit(&host.leaving, false, memory_order_release);
		(void)recorder_leaving(-1);
		finish(false);
		actions_after_failed_exec();
		mask_make_real(false);
		sampler_resume();
		interval_start();
	}
	errno = e;
	return -1;
}

#define EXEC(name, params, args)                                                                   \
	INTERPOSE(int, name, params)                                                               \
	{                                                                                          \
		bool begun = exec_begin();                                                         \
                                                                                                   \
		(void)REAL(name) args;                                                             \
		return exec_failed(begun);                                                         \
	}

EXEC(execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))
EXEC(execv, (const char *path, char *const argv[]), (path, argv))
EXEC(execvp, (const char *file, char *const argv[]), (file, argv))
EXEC(execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp))
EXEC(fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))
EXEC(execveat, (int dir, const char *path, char *const argv[], char *const envp[], int flags),
     (dir, path, argv, envp, flags))

/* The list forms become our vector forms; they have no need of the real ones.  Few arguments fit on
 * the stack; a long list gets pages, which exec takes away, and which are given back when it fails.
 */
#define LIST_SHORT 64u
struct list {
	char *on_stack[LIST_SHORT];
	char **argv;
	size_t count; /* with the NULL */
};

static bool list_room(struct list *l)
{
	l->argv = l->on_stack;
	if (l->count <= LIST_SHORT)
		return true;
	l->argv = sys_mmap(NULL, l->count * sizeof(char *), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sys_failed(l->argv))
		return true;
	errno = ENOMEM;
	return false;
}

static void list_drop(struct list *l)
{
	if (l->argv != l->on_stack)
		sys_munmap(l->argv, l->count * sizeof(char *));
}

/* Counts and copies the arguments that begin with first; ap stands behind the last one afterwards.
 */
#define LIST_READ(l, first, ap, start_after)                                                       \
	do {                                                                                       \
		(l).count = 1;                                                                     \
		va_start(ap, start_after);                                                         \
		for (const char *a = (first); a; a = va_arg(ap, const char *))                     \
			(l).count++;                                                               \
		va_end(ap);                                                                        \
		if (!list_room(&(l)))                                                              \
			return -1;                                                                 \
		va_start(ap, start_after);                                                         \
		(l).argv[0] = (char *)(uintptr_t)(first);                                          \
		for (size_t i = 1; i < (l).count; i++)                                             \
			(l).argv[i] = va_arg(ap, char *);                                          \
	} while (0)

EXPORT int execl(const char *path, const char *first, ...)
{
	struct list l;
	va_list ap;

	LIST_READ(l, first, ap, first);
	va_end(ap);
	(void)execv(path, l.argv);
	list_drop(&l);
	return -1;
}

EXPORT int execlp(const char *file, const char *first, ...)
{
	struct list l;
	va_list ap;

	LIST_READ(l, first, ap, first);
	va_end(ap);
	(void)execvp(file, l.argv);
	list_drop(&l);
	return -1;
}

EXPORT int execle(const char *path, const char *first, ...)
{
	struct list l;
	va_list ap;

	LIST_READ(l, first, ap, first);
	char *const *envp = va_arg(ap, char *const *);
	va_end(ap);
	(void)execve(path, l.argv, envp);
	list_drop(&l);
	return -1;
}

#define EXIT(name)                                                                                 \
	INTERPOSE(void, name, (int status))                                                        \
	{                                                                                          \
		host_exit();                                                                       \
		REAL(name)(status);                                                                \
		__builtin_unreachable();                                                           \
	}

/* The kernel refuses these while another process shares our memory.  A dump that is asked for from here on looks first whose
 * its process would be. */
static void namespaces_begin(void)
{
	dumper_namespaces_change();
	if (host.on && host_is_here())
		dump_wait_alone(ALONE_MS);
}

INTERPOSE(int, unshare, (int flags))
{
	namespaces_begin();
	return REAL(unshare)(flags);
}

INTERPOSE(int, setns, (int fd, int kind))
{
	namespaces_begin();
	return REAL(setns)(fd, kind);
}

/* posix_spawn passes on the mask and what is ignored, as the kernel knows them. */
static _Atomic int spawning; /* how many threads do it at once */
#define SPAWN(name)                                                                                \
	INTERPOSE(int, name,                                                                       \
		  (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,       \
		   const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]))   \
	{                                                                                          \
		bool here = host.on && host_is_here();                                             \
		int r;                                                                             \
                                                                                                   \
		if (here) {                                                                        \
			if (atomic_fetch_add_explicit(&spawning, 1, memory_order_relaxed) == 0)    \
				actions_before_exec();                                             \
			mask_make_real(true);                                                      \
		}                                                                                  \
		r = REAL(name)(pid, path, actions, attributes, argv, envp);                        \
		if (here) {                                                                        \
			mask_make_real(false);                                                     \
			if (atomic_fetch_sub_explicit(&spawning, 1, memory_order_relaxed) == 1)    \
				actions_after_failed_exec();                                       \
		}                                                                                  \
		return r;                                                                          \
	}
SPAWN(posix_spawn)
SPAWN(posix_spawnp)

/* daemon(3) forks, and the parent ends inside libc: it says goodbye here.  When there is no fork, what
 * it records from now on has no file to be recovered from. */
INTERPOSE(int, daemon, (int stay, int keep_open))
{
	bool goodbye = host.on && host_is_here();
	int r;

	if (goodbye)
		host_exit();
	r = REAL(daemon)(stay, keep_open);
	if (goodbye && r < 0)
		recorder_go_on();
	return r;
}

EXIT(_exit)
EXIT(_Exit)
