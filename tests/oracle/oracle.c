/* SPDX-License-Identifier: MIT */
/*
 * tests/oracle/oracle: is our stack the one that libunwind finds?  A library to preload into any
 * program.
 *
 * A timer interrupts each thread.  The handler walks the stack with our unwinder and keeps the
 * registers and a copy of the stack.  When the program exits, libunwind unwinds every copy through
 * its remote interface, which sees registers and stack of the sample and nothing newer, and the two
 * lists of addresses are compared.  libunwind is loaded only then, so it never runs in a handler
 * and its symbols never enter the program's global scope.
 *
 * ORACLE_OUT names the file that gets one line per process, and the first differences behind it.
 * ORACLE_HZ (1500) is the rate of the main thread's timer.  Nothing happens without ORACLE_OUT.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind-x86_64.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "unwind/unwind.h"

#define SAMPLES_MAX  6000u
#define FRAMES_MAX   256u
#define SLICE_MAX    (64u << 10)
#define SLICES_BYTES ((size_t)SAMPLES_MAX * 32768)
#define CODE_BYTES   (FRAMES_MAX * sizeof(struct code))
#define DETAILS_MAX  6u
#define RED_ZONE     128u

/* What libunwind reads of code: is it there, and is it a PLT entry? */
struct code {
	uint64_t at;
	uint8_t bytes[16];
};

struct sample {
	uint64_t regs[17]; /* in DWARF's order */
	uint64_t slice_at, slice_bytes;
	const uint8_t *slice;
	const struct code *code;
	unsigned code_count;
	struct uw_stack stack;
	struct uw_result ours;
	uint64_t walk_ns; /* what the walk took, with whatever caches the program had left us */
	uint64_t pc[FRAMES_MAX];
	atomic_bool complete;
};

static struct sample *samples;
static uint8_t *slices;
static atomic_uint sample_count;
static atomic_size_t slices_used;
static atomic_bool running;
static char out_path[4096]; /* a copy: redis overwrites its environment */
static int owner_pid;
static uint64_t main_hz = 1500;
static int sample_signal;

static __thread struct uw_stack own_stack;
static __thread timer_t own_timer;

static const uint8_t greg_of[17] = {
	REG_RAX, REG_RDX, REG_RCX, REG_RBX, REG_RSI, REG_RDI, REG_RBP, REG_RSP, REG_R8,
	REG_R9,	 REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15, REG_RIP,
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* JIT code is gone when the program exits, and libunwind steps otherwise from code that is not
 * there: what it would read of it is kept. */
static unsigned keep_code(const struct sample *s, struct code *code)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->ours.depth; i++) {
		struct dl_find_object found;
		struct iovec local = {.iov_base = code[n].bytes, .iov_len = sizeof code[n].bytes};
		struct iovec remote = {.iov_len = sizeof code[n].bytes};

		if (_dl_find_object((void *)s->pc[i], &found) == 0)
			continue;
		code[n].at = s->pc[i] + (i > 0);
		remote.iov_base = (void *)code[n].at;
		if (process_vm_readv(owner_pid, &local, 1, &remote, 1, 0) ==
		    (ssize_t)remote.iov_len)
			n++;
	}
	return n;
}

static void on_tick(int sig, siginfo_t *info, void *context)
{
	const ucontext_t *uc = context;
	struct sample *s;
	uint64_t lo, hi, n;
	unsigned i;
	size_t at;
	int saved_errno = errno;

	(void)sig, (void)info;
	if (!running || own_stack.hi == 0)
		return;
	lo = (uint64_t)uc->uc_mcontext.gregs[REG_RSP] - RED_ZONE;
	hi = own_stack.hi;
	/* Other stacks have tests of their own; their bounds are unknown to the copy. */
	if (lo < own_stack.lo || lo >= hi)
		return;
	n = (hi - lo < SLICE_MAX ? hi - lo : SLICE_MAX) & ~7ull;
	i = atomic_fetch_add(&sample_count, 1);
	at = atomic_fetch_add(&slices_used, n + CODE_BYTES);
	if (i >= SAMPLES_MAX || at + n + CODE_BYTES > SLICES_BYTES) {
		running = false;
		return;
	}
	s = &samples[i];
	for (unsigned r = 0; r < 17; r++)
		s->regs[r] = (uint64_t)uc->uc_mcontext.gregs[greg_of[r]];
	s->slice_at = lo;
	s->slice_bytes = n;
	s->slice = slices + at;
	s->stack = own_stack;
	s->walk_ns = now_ns();
	s->ours = uw_from_context(uc, &own_stack, s->pc, FRAMES_MAX);
	s->walk_ns = now_ns() - s->walk_ns;
	memcpy(slices + at, (const void *)lo, n);
	s->code = (struct code *)(slices + at + n);
	s->code_count = keep_code(s, (struct code *)(slices + at + n));
	s->complete = true;
	errno = saved_errno;
}

static void arm(clockid_t clock, uint64_t hz)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sample_signal};
	struct itimerspec every = {.it_interval.tv_nsec = (long)(1000000000 / hz),
				   .it_value.tv_nsec = (long)(1000000000 / hz)};

	event._sigev_un._tid = (int)syscall(SYS_gettid);
	if (timer_create(clock, &event, &own_timer) == 0)
		timer_settime(own_timer, 0, &every, NULL);
}

struct start {
	void *(*run)(void *);
	void *arg;
	size_t stack_bytes;
};

static void *thread_main(void *arg)
{
	struct start start = *(struct start *)arg;
	void *ret;

	free(arg);
	uw_stack_of_self(&own_stack, start.stack_bytes);
	arm(CLOCK_THREAD_CPUTIME_ID, 1000); /* idle workers would hide the busy ones */
	ret = start.run(start.arg);
	timer_delete(own_timer);
	return ret;
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *arg)
{
	static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	struct start *start;
	pthread_attr_t usual;
	int rc;

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	start = malloc(sizeof *start);
	if (!running || !start) {
		free(start);
		return real(thread, attr, run, arg);
	}
	*start = (struct start){.run = run, .arg = arg};
	if (attr) {
		pthread_attr_getstacksize(attr, &start->stack_bytes);
	} else {
		pthread_getattr_default_np(&usual);
		pthread_attr_getstacksize(&usual, &start->stack_bytes);
	}
	rc = real(thread, attr, thread_main, start);
	if (rc != 0)
		free(start);
	return rc;
}

__attribute__((constructor)) static void oracle_start(void)
{
	struct sigaction act = {.sa_sigaction = on_tick,
				.sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};

	if (!getenv("ORACLE_OUT"))
		return;
	snprintf(out_path, sizeof out_path, "%s", getenv("ORACLE_OUT"));
	if (getenv("ORACLE_HZ"))
		main_hz = strtoull(getenv("ORACLE_HZ"), NULL, 10);
	owner_pid = getpid();
	samples = mmap(NULL, SAMPLES_MAX * sizeof *samples, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	slices = mmap(NULL, SLICES_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (samples == MAP_FAILED || slices == MAP_FAILED)
		return;
	uw_stack_of_self(&own_stack, 0);
	/* Not SIGPROF: interpreters have an opinion on it. */
	sample_signal = SIGRTMAX - 3;
	sigemptyset(&act.sa_mask);
	sigaction(sample_signal, &act, NULL);
	running = true;
	arm(CLOCK_MONOTONIC, main_hz);
}

/* ---- after the program: libunwind on the copies ---- */

static struct {
	unw_addr_space_t (*create)(unw_accessors_t *, int);
	int (*init)(unw_cursor_t *, unw_addr_space_t, void *);
	int (*step)(unw_cursor_t *);
	int (*get_reg)(unw_cursor_t *, int, unw_word_t *);
	int (*is_signal_frame)(unw_cursor_t *);
	int (*search)(unw_addr_space_t, unw_word_t, unw_dyn_info_t *, unw_proc_info_t *, int,
		      void *);
	int (*set_policy)(unw_addr_space_t, unw_caching_policy_t);
} lib;

static bool load_libunwind(void)
{
	void *handle = dlopen("libunwind-x86_64.so.8", RTLD_NOW | RTLD_LOCAL);

	if (!handle)
		return false;
	*(void **)&lib.create = dlsym(handle, "_Ux86_64_create_addr_space");
	*(void **)&lib.init = dlsym(handle, "_Ux86_64_init_remote");
	*(void **)&lib.step = dlsym(handle, "_Ux86_64_step");
	*(void **)&lib.get_reg = dlsym(handle, "_Ux86_64_get_reg");
	*(void **)&lib.is_signal_frame = dlsym(handle, "_Ux86_64_is_signal_frame");
	*(void **)&lib.search = dlsym(handle, "_Ux86_64_dwarf_search_unwind_table");
	*(void **)&lib.set_policy = dlsym(handle, "_Ux86_64_set_caching_policy");
	return lib.create && lib.init && lib.step && lib.get_reg && lib.is_signal_frame &&
	       lib.search && lib.set_policy;
}

static bool ran_out_of_slice;

static int access_mem(unw_addr_space_t as, unw_word_t at, unw_word_t *value, int write, void *arg)
{
	const struct sample *s = arg;
	struct iovec local = {.iov_base = value, .iov_len = 8};
	struct iovec remote = {.iov_base = (void *)at, .iov_len = 8};

	(void)as;
	if (write)
		return -UNW_EINVAL;
	if (at >= s->slice_at && at - s->slice_at + 8 <= s->slice_bytes) {
		memcpy(value, s->slice + (at - s->slice_at), 8);
		return 0;
	}
	if (at >= s->stack.lo && at < s->stack.hi) {
		/* Above the copy: what is there now is not what was there then. */
		ran_out_of_slice |= at > s->slice_at;
		return -UNW_EINVAL;
	}
	for (unsigned i = 0; i < s->code_count; i++) {
		if (at >= s->code[i].at && at - s->code[i].at <= 8) {
			memcpy(value, s->code[i].bytes + (at - s->code[i].at), 8);
			return 0;
		}
	}
	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 8 ? 0 : -UNW_EINVAL;
}

static int access_reg(unw_addr_space_t as, unw_regnum_t reg, unw_word_t *value, int write,
		      void *arg)
{
	const struct sample *s = arg;

	(void)as;
	if (write || reg < 0 || reg > 16)
		return -UNW_EBADREG;
	*value = s->regs[reg]; /* libunwind numbers them as DWARF does */
	return 0;
}

struct lookup {
	unw_word_t ip;
	unw_dyn_info_t info;
	bool found;
};

static int look_in(struct dl_phdr_info *module, size_t size, void *arg)
{
	struct lookup *l = arg;
	const ElfW(Phdr) *tables = NULL;
	bool here = false;
	const uint8_t *hdr;
	uint32_t count;

	(void)size;
	for (unsigned i = 0; i < module->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &module->dlpi_phdr[i];

		if (p->p_type == PT_LOAD && l->ip - module->dlpi_addr - p->p_vaddr < p->p_memsz) {
			here = true;
			l->info.start_ip = module->dlpi_addr + p->p_vaddr;
			l->info.end_ip = l->info.start_ip + p->p_memsz;
		}
		if (p->p_type == PT_GNU_EH_FRAME)
			tables = p;
	}
	if (!here)
		return 0;
	if (!tables)
		return 1;
	hdr = (const uint8_t *)(module->dlpi_addr + tables->p_vaddr);
	if (hdr[0] != 1 || hdr[2] != 0x03 || hdr[3] != 0x3b)
		return 1;
	memcpy(&count, hdr + 8, sizeof count);
	l->info.format = UNW_INFO_FORMAT_REMOTE_TABLE;
	l->info.u.rti.segbase = (unw_word_t)hdr;
	l->info.u.rti.table_data = (unw_word_t)(hdr + 12);
	l->info.u.rti.table_len = (unw_word_t)count * 8 / sizeof(unw_word_t);
	l->found = true;
	return 1;
}

static int find_proc_info(unw_addr_space_t as, unw_word_t ip, unw_proc_info_t *pi, int need,
			  void *arg)
{
	struct lookup l = {.ip = ip};

	dl_iterate_phdr(look_in, &l);
	return l.found ? lib.search(as, ip, &l.info, pi, need, arg) : -UNW_ENOINFO;
}

static void put_unwind_info(unw_addr_space_t as, unw_proc_info_t *pi, void *arg)
{
	(void)as, (void)pi, (void)arg;
}

static int no_dyn_info(unw_addr_space_t as, unw_word_t *at, void *arg)
{
	(void)as, (void)at, (void)arg;
	return -UNW_ENOINFO;
}

static int no_fpreg(unw_addr_space_t as, unw_regnum_t reg, unw_fpreg_t *value, int write, void *arg)
{
	(void)as, (void)reg, (void)value, (void)write, (void)arg;
	return -UNW_EBADREG;
}

static int no_resume(unw_addr_space_t as, unw_cursor_t *cursor, void *arg)
{
	(void)as, (void)cursor, (void)arg;
	return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t as, unw_word_t at, char *name, size_t size, unw_word_t *offset,
		   void *arg)
{
	(void)as, (void)at, (void)name, (void)size, (void)offset, (void)arg;
	return -UNW_ENOINFO;
}

static unsigned theirs(unw_addr_space_t as, struct sample *s, uint64_t *pc, int *ret_last)
{
	unw_cursor_t cursor;
	unsigned depth = 0;
	bool exact = true;

	*ret_last = lib.init(&cursor, as, s);
	if (*ret_last < 0)
		return 0;
	do {
		unw_word_t ip;

		if (lib.get_reg(&cursor, UNW_X86_64_RIP, &ip) < 0 || ip == 0)
			break;
		pc[depth++] = exact ? ip : ip - 1;
		exact = lib.is_signal_frame(&cursor) > 0;
		*ret_last = lib.step(&cursor);
	} while (*ret_last > 0 && depth < FRAMES_MAX);
	return depth;
}

struct detail {
	char text[60000];
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void say(struct detail *d, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(d->text + d->length, sizeof d->text - d->length, format, args);
	va_end(args);
	if (n > 0 && d->length + (size_t)n < sizeof d->text)
		d->length += (size_t)n;
}

static void say_address(struct detail *d, const char *whose, uint64_t pc)
{
	Dl_info info;

	if (!dladdr((void *)pc, &info))
		say(d, "  %-7s %#lx (no module)\n", whose, (unsigned long)pc);
	else
		say(d, "  %-7s %s+%#lx %s\n", whose, info.dli_fname,
		    (unsigned long)(pc - (uint64_t)info.dli_fbase),
		    info.dli_sname ? info.dli_sname : "");
}

static void say_difference(struct detail *d, const struct sample *s, const uint64_t *pc,
			   unsigned depth, int last, unsigned common)
{
	say(d, "  sample %u: ours %u frames (end %d%s), libunwind %u (last %d), common %u\n",
	    (unsigned)(s - samples), s->ours.depth, (int)s->ours.end,
	    s->ours.guessed ? ", guessed" : "", depth, last, common);
	for (unsigned i = common > 3 ? common - 3 : 0; i < common; i++)
		say_address(d, "both", pc[i]);
	for (unsigned i = common; i < common + 3 && i < s->ours.depth; i++)
		say_address(d, "ours", s->pc[i]);
	for (unsigned i = common; i < common + 3 && i < depth; i++)
		say_address(d, "theirs", pc[i]);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

__attribute__((destructor)) static void oracle_finish(void)
{
	static unw_accessors_t accessors = {
		.find_proc_info = find_proc_info,
		.put_unwind_info = put_unwind_info,
		.get_dyn_info_list_addr = no_dyn_info,
		.access_mem = access_mem,
		.access_reg = access_reg,
		.access_fpreg = no_fpreg,
		.resume = no_resume,
		.get_proc_name = no_name,
	};
	static struct detail d;
	static uint64_t pc[FRAMES_MAX], walk_ns[SAMPLES_MAX];
	unsigned n, equal = 0, different = 0, rooted = 0, cut = 0;
	unsigned ends[UW_END_BUSY + 1] = {0};
	unw_addr_space_t as;
	uint64_t frames = 0, median_ns;
	int fd;

	if (!running && sample_count == 0)
		return;
	running = false;
	if (getpid() != owner_pid || !load_libunwind())
		return;
	timer_delete(own_timer);
	as = lib.create(&accessors, 0);
	lib.set_policy(as, UNW_CACHE_GLOBAL);
	n = sample_count < SAMPLES_MAX ? sample_count : SAMPLES_MAX;
	for (unsigned i = 0; i < n; i++) {
		struct sample *s = &samples[i];
		unsigned depth, common = 0;
		int last;

		if (!s->complete)
			continue;
		ran_out_of_slice = false;
		depth = theirs(as, s, pc, &last);
		while (common < depth && common < s->ours.depth && pc[common] == s->pc[common])
			common++;
		walk_ns[equal + different] = s->walk_ns;
		frames += s->ours.depth;
		ends[s->ours.end]++;
		rooted += s->ours.end == UW_END_ROOT;
		cut += ran_out_of_slice;
		if (common == depth && (depth == s->ours.depth || ran_out_of_slice)) {
			equal++;
		} else if (different++ < DETAILS_MAX) {
			say_difference(&d, s, pc, depth, last, common);
		}
	}
	/* The median: some walks contain a preemption. */
	qsort(walk_ns, equal + different, sizeof *walk_ns, by_value);
	median_ns = walk_ns[(equal + different) / 2];
	fd = open(out_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	dprintf(fd,
		"%s samples=%u equal=%u different=%u root=%u cut=%u depth=%.1f "
		"walk_ns=%lu ends=%u/%u/%u/%u/%u/%u/%u/%u\n%.*s",
		program_invocation_short_name, equal + different, equal, different, rooted, cut,
		(double)frames / (equal + different ? equal + different : 1),
		(unsigned long)median_ns, ends[0], ends[1], ends[2], ends[3], ends[4], ends[5],
		ends[6], ends[7], (int)d.length, d.text);
	close(fd);
}
