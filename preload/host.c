/* SPDX-License-Identifier: MIT */
#include "preload/host.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "config/load.h"
#include "core/hot.h"
#include "core/sys.h"
#include "core/text.h"
#include "preload/actions.h"
#include "preload/dump.h"
#include "preload/alloc.h"
#include "preload/blocked.h"
#include "preload/clock.h"
#include "preload/handlers.h"
#include "preload/heap.h"
#include "preload/holder.h"
#include "preload/interpose.h"
#include "preload/interval.h"
#include "preload/mask.h"
#include "preload/recorder.h"
#include "preload/sampler.h"
#include "preload/signals.h"
#include "preload/socket.h"
#include "unwind/modules.h"
#include "unwind/unwind.h"

#include "core/as_safe.h"

#define WIPE_ON_FORK 18 /* MADV_WIPEONFORK, Linux 4.14 */
#define FORK_WAIT_MS 100u

struct host host;

static _Atomic bool started;
static pthread_key_t end_key;
/* On a page that the kernel clears in every child with a memory of its own: 1 where our state is
 * true. */
static _Atomic int *alive;

/* ---- lines of our own ---- */

static struct stat stderr_at_start; /* st_ino 0: it was closed */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Is 2 the host's stderr?  When the host has closed it, the next file or socket that it opens gets
 * the number.  A daemon that redirects stderr takes stdout along, or opens a log for appending. */
static bool is_stderr(void)
{
	struct stat now, out;

	if (sys_fstat(2, &now) < 0)
		return false;
	if (stderr_at_start.st_ino && same_file(&now, &stderr_at_start))
		return true;
	if (S_ISREG(now.st_mode)) {
		long flags = SYS_CALL(SYS_fcntl, 2, F_GETFL, 0, 0, 0, 0);

		return (flags & O_ACCMODE) == O_WRONLY && (flags & O_APPEND);
	}
	return sys_fstat(1, &out) == 0 && same_file(&now, &out);
}

/* Writes when that can neither wait nor bring the host a signal: stderr may be a pipe that nobody
 * reads or that nobody holds, a terminal of another job, a file at its limit. */
static void write_gently(int fd, const char *line, size_t n)
{
	const uint64_t broken = UINT64_C(1) << (SIGPIPE - 1), full = UINT64_C(1) << (SIGXFSZ - 1),
		       block = broken | full | UINT64_C(1) << (SIGTTOU - 1);
	const struct timespec now = {0, 0};
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	uint64_t mask, pending = 0, ours;

	(void)sys_sigmask(SIG_BLOCK, &block, &mask);
	(void)SYS_CALL(SYS_rt_sigpending, &pending, sizeof pending, 0, 0, 0, 0);
	if (SYS_CALL(SYS_poll, &p, 1, 0, 0, 0, 0) == 1 && p.revents == POLLOUT) {
		ssize_t r = sys_write(fd, line, n);

		ours = (r == -EPIPE ? broken : r == -EFBIG ? full : 0) & ~pending;
		if (ours)
			(void)SYS_CALL(SYS_rt_sigtimedwait, &ours, NULL, &now, sizeof ours, 0, 0);
	}
	(void)sys_sigmask(SIG_SETMASK, &mask, NULL);
}

void host_say(const char *line)
{
	char buf[640];
	struct text t = TEXT_ON(buf);
	const char *log = host.settings.output_log;
	/* O_NONBLOCK: a FIFO without a reader is an error and not a wait. */
	const int flags = O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
	int fd = log[0] ? sys_open(log, flags, 0600) : is_stderr() ? 2 : -1;

	text_str(&t, "cprof: ");
	text_str(&t, line);
	t.len = t.len < sizeof buf - 2 ? t.len : sizeof buf - 2;
	text_char(&t, '\n');
	if (fd < 0)
		return;
	write_gently(fd, buf, t.len);
	if (log[0])
		sys_close(fd);
}

/* ---- whose process this is ---- */

static void begin_life(void)
{
	host.pid = sys_getpid();
	host.started_realtime_ns = sys_clock_ns(CLOCK_REALTIME);
	host.started_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
	if (alive)
		atomic_store_explicit(alive, 1, memory_order_relaxed);
}

/* [follow] fork = no: nothing of ours is left but memory.  There is no timer and nothing is pending in a
 * child of fork, so its signals may have their own actions. */
static void leave_child(void)
{
	host.on = false;
	mask_after_fork();
	recorder_after_fork();
	heap_after_fork();
	blocked_after_fork();
	contention_after_fork();
	dump_after_fork();
	thread_set_self(NULL);
	handlers_put_back(0);
	actions_give_back();
}

/* In a child that has a copy of our state.  Our signals are blocked: a dump would take the parent's
 * store for ours. */
static void become_child(void)
{
	begin_life();
	if (!host.settings.follow_fork) {
		leave_child();
		return;
	}
	/* Another thread may have been about to exec. */
	atomic_store_explicit(&host.leaving, false, memory_order_relaxed);
	mask_after_fork();
	uw_after_fork();
	modules_changed();
	recorder_after_fork();
	dump_after_fork();
	thread_after_fork();
	sampler_after_fork();
	heap_after_fork();
	blocked_after_fork();
	contention_after_fork();
	interval_after_fork();
}

HOT_PATH bool host_is_here(void)
{
	uint64_t mask;

	/* The page first: in a PID namespace of its own a copy may have the parent's pid, 1. */
	if (!alive || atomic_load_explicit(alive, memory_order_relaxed))
		return sys_getpid() ==
		       host.pid; /* not in a vfork child: the memory is the parent's */
	signals_block(&mask);
	if (!atomic_load_explicit(alive, memory_order_relaxed)) /* else a handler was first */
		become_child();
	signals_restore(&mask);
	return true;
}

HOT_PATH bool host_memory_is_here(void)
{
	return (alive && atomic_load_explicit(alive, memory_order_relaxed)) || host_is_here();
}

/* ---- threads that end; fork ---- */

static void on_thread_end(void *slot)
{
	/* In a copy made by raw clone the slot's timer would be one of the child's own. */
	if (!host_is_here())
		return;
	holder_thread_ended();
	sampler_thread_end(slot);
	thread_put(slot);
}

/* Several threads may fork at once, and a handler of the host's inside a fork. */
static __thread uint64_t fork_mask;
static __thread unsigned fork_depth;

static void before_fork(void)
{
	uint64_t mask;

	signals_block(&mask);
	if (fork_depth++ == 0)
		fork_mask = mask;
	dump_wait_in_place(FORK_WAIT_MS); /* the child would keep its descriptors */
	recorder_wait_made();		  /* and its mapping */
}

static void after_fork_parent(void)
{
	if (--fork_depth == 0)
		signals_restore(&fork_mask);
}

static void after_fork_child(void)
{

	/* An earlier handler of the host may have asked host_is_here(), which has done it then. */
	if (!host_is_here())
		become_child();
	after_fork_parent();
	if (!host.on) {
		mask_make_real(true);
		mask_set_hidden(false);
	}
}

/* ---- start and end ---- */

/* argv[0]'s last component, with only what is safe in a file name. */
static void name_program(const char *argv0)
{
	const char *base = text_basename(argv0);
	size_t n = 0;

	for (; base[n] && n < sizeof host.program - 1; n++) {
		char c = base[n];
		bool safe = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-' || c == '+';

		host.program[n] = safe ? c : '_';
	}
	if (n == 0 || host.program[0] == '.')
		host.program[0] = n ? '_' : 'x';
	host.program[n ? n : 1] = '\0';
}

/* The value of LD_PRELOAD, or NULL. */
static char *preloaded(char *const *envp)
{
	static const char variable[] = "LD_PRELOAD=";

	for (; envp && *envp; envp++)
		if (text_starts(*envp, variable))
			return *envp + sizeof variable - 1;
	return NULL;
}

/* valgrind ends a program whose stack has to grow for a handler with SA_ONSTACK (3.19), knows nothing of the tricks by which memory is
 * looked at, and its CPU time is not the program's. */
static bool is_in_valgrind(char *const *envp)
{
	const char *list = preloaded(envp);

	for (; list && *list; list++)
		if (text_starts(list, "/vgpreload_core"))
			return true;
	return false;
}

/* [follow] exec = no: children must not load us.  The host's own environment is edited in place, by
 * making one string shorter, before anything of the host has run: so also system(3) and popen(3), which
 * pass it on inside libc, start programs without us. */
static void leave_environment(char *const *envp)
{
	static const char library[] = "libcprof.so";
	char *list = preloaded(envp), *to, *from;

	for (to = from = list; from && *from;) {
		char *entry = to;

		while (*from && *from != ':' && *from != ' ')
			*to++ = *from++;
		char after = *from;
		*to = '\0';
		if (text_equal(text_basename(entry), library))
			to = entry;
		else if (after)
			*to++ = after;
		from += after != '\0';
	}
	if (to > list && (to[-1] == ':' || to[-1] == ' '))
		to--;
	if (to)
		*to = '\0';
}

/* [follow] only = others. */
static bool left_out(const char *argv0)
{
	const char *only = host.settings.follow_only;

	return only[0] && !settings_names(only, text_basename(argv0));
}

static void report(void *argv0, const char *line)
{
	if (!left_out(argv0))
		host_say(line);
}

static void begin_main_thread(void)
{
	struct thread *t = thread_take();
	uint64_t mask = 0;

	recorder_thread();
	if (!t) {
		recorder_lost(LOST_THREADS, 1);
		return;
	}
	t->start_function = getauxval(AT_ENTRY);
	(void)sys_sigmask(SIG_BLOCK, NULL, &mask); /* what the program before exec has left */
	t->prof_hidden = (mask & MASK_PROF) != 0;
	(void)pthread_setspecific(end_key, t);
	sampler_thread_begin(t);
	/* exec keeps the CPU clock: what the program before has used is not ours to tell. */
	sampler_thread_from_now(t);
}

static void start(const char *argv0, char *const *envp)
{
	if (atomic_exchange_explicit(&started, true, memory_order_relaxed))
		return;
	alloc_resolve();
	interpose_resolve();
	holder_start(false);
	heap_off(); /* until all is known */
	blocked_start(false);
	if (getauxval(AT_SECURE))
		return;
	const bool emulated = is_in_valgrind(envp);
	if (!emulated)
		socket_start();
	if (sys_fstat(2, &stderr_at_start) < 0)
		stderr_at_start.st_ino = 0;
	(void)load_settings(&host.settings, NULL, envp, NULL, report, (void *)argv0);
	name_program(argv0);
	if (!host.settings.follow_exec)
		leave_environment(envp);
	if (left_out(argv0))
		return;
	if (emulated) {
		host_say("off: this program runs in valgrind");
		return;
	}

	void *page =
		sys_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sys_failed(page) && sys_madvise(page, 4096, WIPE_ON_FORK) == 0)
		alive = page;
	begin_life();
	if (pthread_key_create(&end_key, on_thread_end) != 0 ||
	    pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0 ||
	    at_quick_exit(host_exit) != 0) /* the first to be set is the last to run */
		return;
	modules_init();
	clock_start();
	host.on = true;
	sampler_init(host.settings.cpu_hz);
	signals_init(host.settings.output_signal);
	heap_start();
	bool waits = host.settings.block_threshold || host.settings.mutex_fraction;
	if (!waits)
		clock_ticks_off();
	holder_start(waits);
	blocked_start(true);
	begin_main_thread(); /* its time is the host's from here on */
	interval_start();
}

void host_start(void)
{
	/* Before our constructor nobody has given us argc and argv; libc has them already. */
	start(program_invocation_name, environ);
}

void host_thread_began(struct thread *t)
{
	(void)pthread_setspecific(end_key, t);
	recorder_thread();
	sampler_thread_begin(t);
}

void host_thread_ended(void)
{
	struct thread *t = thread_self();

	if (!t)
		return;
	(void)pthread_setspecific(end_key, NULL);
	on_thread_end(t);
}

static __thread bool confined __attribute__((tls_model("initial-exec")));

void host_confine(bool alone)
{
	struct thread *t = thread_self();
	uint64_t mask;

	if (host.on && host_is_here()) {
		if (alone)
			host_exit();
		if (t)
			sampler_thread_end(t);
		signals_block(&mask);
	}
	blocked_stop_in_thread();
	heap_stop_in_thread();
	clock_stop_in_thread();
	blocked_thread.scope.no_counter = true;
	confined = true;
}

void host_exit(void)
{
	if (confined || !host.on || !host_is_here())
		return;
	thread_busy_begin();
	sampler_settle();
	bool complete = dump_last(host.settings.output_on_exit);
	thread_busy_end();
	if (complete)
		recorder_end();
}

__attribute__((constructor)) static void construct(int argc, char **argv, char **envp)
{
	start(argc > 0 ? argv[0] : "", envp);
}

extern int __cxa_atexit(void (*run)(void *), void *argument, void *dso);

static void end_at_last(void *unused)
{
	(void)unused;
	host_exit();
}

/* The loader runs this before the destructors of most libraries.  What is registered meanwhile, exit(3)
 * runs when the loader is done; there is room, since handlers have run before. */
__attribute__((destructor)) static void destruct(void)
{
	if (host.on && __cxa_atexit(end_at_last, NULL, NULL) != 0)
		host_exit();
}
