/* SPDX-License-Identifier: MIT */
#include "preload/host.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "core/sys.h"
#include "core/text.h"
#include "preload/dump.h"
#include "preload/interpose.h"
#include "preload/recorder.h"
#include "preload/sampler.h"
#include "preload/signals.h"
#include "unwind/modules.h"
#include "unwind/unwind.h"

#include "core/as_safe.h"

#define WIPE_ON_FORK 18 /* MADV_WIPEONFORK, Linux 4.14 */

struct host host;

static _Atomic bool started;
static pthread_key_t end_key;
/* On a page that the kernel clears in every child with a memory of its own: 1 where our state is
 * true. */
static _Atomic int *alive;

void host_say(const char *line)
{
	char buf[640];
	struct text t = TEXT_ON(buf);
	const char *log = host.settings.output_log;
	int fd = log[0] ? sys_open(log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600) : 2;

	text_str(&t, "cprof: ");
	text_str(&t, line);
	t.len = t.len < sizeof buf - 2 ? t.len : sizeof buf - 2;
	text_char(&t, '\n');
	if (fd < 0)
		return;
	(void)sys_write(fd, buf, t.len);
	if (log[0])
		sys_close(fd);
}

static void begin_life(void)
{
	host.pid = sys_getpid();
	host.started_realtime_ns = sys_clock_ns(CLOCK_REALTIME);
	host.started_monotonic_ns = sys_clock_ns(CLOCK_MONOTONIC);
	if (alive)
		atomic_store_explicit(alive, 1, memory_order_relaxed);
}

/* In a child that has a copy of our state. */
static void become_child(void)
{
	begin_life();
	uw_after_fork();
	modules_changed();
	recorder_after_fork();
	dump_after_fork();
	thread_after_fork();
	sampler_after_fork();
}

bool host_is_here(void)
{
	int pid = sys_getpid();

	if (pid == host.pid)
		return true;
	if (!alive || atomic_load_explicit(alive, memory_order_relaxed))
		return false; /* vfork: the memory is the parent's */
	become_child();
	return true;
}

/* ---- threads that end; fork ---- */

static void on_thread_end(void *slot)
{
	sampler_thread_end(slot);
	thread_put(slot);
}

static __thread uint64_t fork_mask; /* several threads may fork at once */

static void before_fork(void)
{
	signals_block(&fork_mask);
}

static void after_fork_parent(void)
{
	signals_restore(&fork_mask);
}

static void after_fork_child(void)
{
	become_child();
	after_fork_parent();
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

static void report(void *opaque, const char *line)
{
	(void)opaque;
	host_say(line);
}

static void begin_main_thread(void)
{
	struct thread *t = thread_take();

	if (!t) {
		recorder_lost(LOST_THREADS, 1);
		return;
	}
	t->start_function = getauxval(AT_ENTRY);
	(void)pthread_setspecific(end_key, t);
	sampler_thread_begin(t);
}

static void start(const char *argv0, char *const *envp)
{
	if (atomic_exchange_explicit(&started, true, memory_order_relaxed))
		return;
	interpose_resolve();
	if (getauxval(AT_SECURE))
		return;
	settings_defaults(&host.settings);
	(void)settings_from_environment(&host.settings, envp, report, NULL);
	name_program(argv0);

	void *page =
		sys_mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!sys_failed(page) && sys_madvise(page, 4096, WIPE_ON_FORK) == 0)
		alive = page;
	begin_life();
	if (!host.settings.cpu_enabled || pthread_key_create(&end_key, on_thread_end) != 0 ||
	    pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0)
		return;
	modules_init();
	host.on = true;
	sampler_init(host.settings.cpu_hz);
	signals_init(true, host.settings.output_signal);
	begin_main_thread();
}

void host_start(void)
{
	/* Before our constructor nobody has given us argc and argv; libc has them already. */
	start(program_invocation_name, environ);
}

/* Whether this thread's slot is handed to its key: used by the thread wrappers. */
void host_thread_began(struct thread *t)
{
	(void)pthread_setspecific(end_key, t);
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

void host_exit(void)
{
	if (!host.on || !host_is_here())
		return;
	thread_busy_begin();
	sampler_settle();
	bool complete = dump_last();
	thread_busy_end();
	if (complete)
		recorder_unlink();
}

__attribute__((constructor)) static void construct(int argc, char **argv, char **envp)
{
	start(argc > 0 ? argv[0] : "", envp);
}

__attribute__((destructor)) static void destruct(void)
{
	host_exit();
}
