/* SPDX-License-Identifier: MIT */
/*
 * The unwinder at every instruction: the trap flag raises SIGTRAP after each, and each walk must
 * reach the root and contain the function under test.  What may fail is listed by name, with a
 * bound.
 */
#include "unwind/unwind.h"

#include <dlfcn.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>

#include "tests/support/check.h"
#include "unwind/ehframe.h"

#define FRAME	       __attribute__((noinline))
#define NO_TAIL_CALL() __asm__ volatile("")

struct range {
	uint64_t lo, hi;
};

static struct {
	struct uw_stack stack;
	struct range
		wanted[2]; /* the walk must pass one of them; none wanted: the root is enough */
	struct range allowed[3]; /* failing at these addresses is counted apart */
	unsigned steps, failed, allowed_failed;
	uint64_t first_pc;
	struct uw_result first;
} run;

static bool inside(const struct range *r, uint64_t pc)
{
	return pc >= r->lo && pc < r->hi;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
	static uint64_t pc[300];
	struct uw_result r = uw_from_context(context, &run.stack, pc, 300);
	bool found = run.wanted[0].hi == 0;

	(void)sig, (void)info;
	run.steps++;
	for (unsigned i = 0; i < r.depth && !found; i++)
		found = inside(&run.wanted[0], pc[i]) || inside(&run.wanted[1], pc[i]);
	if (found && r.end == UW_END_ROOT)
		return;
	for (unsigned i = 0; i < 3; i++) {
		if (inside(&run.allowed[i], pc[0])) {
			run.allowed_failed++;
			return;
		}
	}
	if (run.failed++ == 0) {
		run.first_pc = pc[0];
		run.first = r;
	}
}

/* Functions with CFI of their own: the code around an inline pushf would have wrong rules. */
void steps_on(void);
void steps_off(void);
__asm__(".text\n.hidden steps_on\n.hidden steps_off\n"
	"steps_on:\n.cfi_startproc\npushfq\n.cfi_adjust_cfa_offset 8\norq $0x100, (%rsp)\n"
	"popfq\n.cfi_adjust_cfa_offset -8\nret\n.cfi_endproc\n"
	"steps_off:\n.cfi_startproc\npushfq\n.cfi_adjust_cfa_offset 8\nandq $~0x100, (%rsp)\n"
	"popfq\n.cfi_adjust_cfa_offset -8\nret\n.cfi_endproc\n");

/* The range of a function, from its unwind information. */
static struct range range_of(const void *function)
{
	struct dl_find_object found;
	struct eh_module m;
	struct eh_fde fde;

	if (_dl_find_object((void *)(uintptr_t)function, &found) != 0)
		return (struct range){0, 0};
	m = (struct eh_module){found.dlfo_map_start, found.dlfo_map_end, found.dlfo_eh_frame};
	if (eh_find(&m, (uintptr_t)function, &fde) != EH_FOUND)
		return (struct range){0, 0};
	return (struct range){fde.pc_begin, fde.pc_end};
}

static void prepare(void (*body)(void))
{
	struct sigaction act = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};

	sigemptyset(&act.sa_mask);
	sigaction(SIGTRAP, &act, NULL);
	memset(&run, 0, sizeof run);
	uw_stack_of_self(&run.stack, 0);
	if (body)
		run.wanted[0] = range_of((const void *)body);
}

/* body turns the steps on and off.  at_least: what it takes anyhow, so that a run without steps
 * fails. */
static void check_steps(unsigned at_least, unsigned allowed)
{
	char what[200] = "";

	if (run.failed) {
		Dl_info info = {0};

		dladdr((void *)run.first_pc, &info);
		snprintf(what, sizeof what,
			 "%u of %u failed, first at %s+%#lx (%s), depth %u, end %d", run.failed,
			 run.steps, info.dli_fname ? info.dli_fname : "?",
			 (unsigned long)(run.first_pc - (uintptr_t)info.dli_fbase),
			 info.dli_sname ? info.dli_sname : "?", run.first.depth,
			 (int)run.first.end);
	}
	CHECK_STR(what, "");
	CHECK(run.steps >= at_least);
	if (run.allowed_failed > allowed)
		CHECK_EQ(run.allowed_failed, allowed);
}

static char from[5000], to[5000];
static volatile size_t sizes[] = {0, 1, 3, 7, 15, 16, 31, 33, 64, 100, 129, 300, 1000, 4090};
static volatile size_t sink;

FRAME static void string_body(void)
{
	steps_on();
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		memset(from, 'x', sizes[i]);
		memcpy(to, from, sizes[i]);
		memmove(to + 1, to, sizes[i]);
		from[sizes[i]] = 0;
		sink += strlen(from) + (size_t)memcmp(from, to, sizes[i]) + (size_t)strchr(from, 0);
	}
	steps_off();
	NO_TAIL_CALL();
}

TEST(unwind_steps_through_memcpy_and_strlen)
{
	prepare(string_body);
	string_body();
	check_steps(2000, 0);
}

FRAME static void print_body(void)
{
	char line[200];

	steps_on();
	sink += (size_t)snprintf(line, sizeof line, "%g %-10s|%08lx %Lf", 1.0 / 3, "text", 255ul,
				 2.5L);
	steps_off();
	NO_TAIL_CALL();
}

TEST(unwind_steps_through_snprintf)
{
	prepare(print_body);
	print_body();
	check_steps(2000, 0);
}

FRAME static void heap_body(void)
{
	steps_on();
	for (size_t i = 0; i < 6; i++) {
		void *volatile p = malloc(sizes[i * 2] * 40);

		p = realloc(p, sizes[i * 2] * 90 + 1);
		free(p);
	}
	steps_off();
	NO_TAIL_CALL();
}

TEST(unwind_steps_through_malloc_and_plt)
{
	prepare(heap_body);
	heap_body();
	check_steps(500, 0);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

FRAME static void sort_body(void)
{
	int numbers[] = {5, 3, 9, 1, 7, 2, 8, 8, 0, 4};

	steps_on();
	qsort(numbers, 10, sizeof *numbers, compare);
	steps_off();
	NO_TAIL_CALL();
	sink += (size_t)numbers[0];
}

TEST(unwind_steps_through_a_callback)
{
	prepare(sort_body);
	sort_body();
	check_steps(500, 0);
}

FRAME static void clock_body(void)
{
	struct timespec t;

	steps_on();
	for (int i = 0; i < 5; i++) {
		clock_gettime(CLOCK_MONOTONIC, &t);
		clock_gettime(CLOCK_REALTIME, &t);
		clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	}
	steps_off();
	NO_TAIL_CALL();
	sink += (size_t)t.tv_nsec;
}

TEST(unwind_steps_through_the_vdso)
{
	prepare(clock_body);
	clock_body();
	check_steps(300, 0);
}

static jmp_buf jump;

FRAME static void jump_from_deep(int n)
{
	volatile char room[50];

	room[0] = 1;
	if (n < 0)
		return;
	if (n == 0)
		longjmp(jump, 1);
	jump_from_deep(n - 1);
	sink += (size_t)room[0];
}

FRAME static void jump_body(void)
{
	steps_on();
	if (setjmp(jump) == 0)
		jump_from_deep(5);
	steps_off();
	NO_TAIL_CALL();
}

TEST(unwind_steps_through_setjmp_and_longjmp)
{
	prepare(jump_body);
	jump_body();
	check_steps(80, 0);
}

static void stepped_handler(int sig)
{
	(void)sig;
	steps_on(); /* and on through the return to __restore_rt */
	sink++;
}

static void outer_handler(int sig)
{
	(void)sig;
	steps_on();
	raise(SIGUSR2);
	sink++;
}

FRAME static void signal_body(void)
{
	steps_on();
	raise(SIGUSR1);
	steps_off();
	NO_TAIL_CALL();
}

TEST(unwind_steps_through_nested_handlers)
{
	struct sigaction outer = {.sa_handler = outer_handler};
	struct sigaction inner = {.sa_handler = stepped_handler};

	prepare(signal_body);
	sigaction(SIGUSR1, &outer, NULL);
	sigaction(SIGUSR2, &inner, NULL);
	signal_body();
	check_steps(40, 0);
}

TEST(unwind_steps_through_a_handler_on_the_alternate_stack)
{
	static uint8_t alternate[64 << 10];
	stack_t on = {.ss_sp = alternate, .ss_size = sizeof alternate};
	stack_t off = {.ss_flags = SS_DISABLE};
	struct sigaction outer = {.sa_handler = outer_handler, .sa_flags = SA_ONSTACK};
	struct sigaction inner = {.sa_handler = stepped_handler, .sa_flags = SA_ONSTACK};

	prepare(signal_body);
	CHECK_EQ(sigaltstack(&on, NULL), 0);
	sigaction(SIGUSR1, &outer, NULL);
	sigaction(SIGUSR2, &inner, NULL);
	signal_body();
	CHECK_EQ(sigaltstack(&off, NULL), 0);
	check_steps(40, 0);
}

static pthread_key_t last_key;

static void last_destructor(void *arg)
{
	(void)arg;
	steps_off(); /* behind it glibc blocks all signals, and a blocked SIGTRAP kills */
	NO_TAIL_CALL();
}

static void *thread_body(void *arg)
{
	uw_stack_of_self(&run.stack, *(size_t *)arg);
	pthread_setspecific(last_key, arg);
	steps_on();
	sink += strlen(from);
	return arg;
}

TEST(unwind_steps_through_the_end_of_a_thread)
{
	size_t size = 512 << 10;
	pthread_attr_t attr;
	pthread_t thread;

	prepare(NULL);
	pthread_key_create(&last_key, last_destructor);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, size);
	CHECK_EQ(pthread_create(&thread, &attr, thread_body, &size), 0);
	pthread_join(thread, NULL);
	pthread_key_delete(last_key);
	check_steps(30, 0);
}

static ucontext_t main_context, coroutine_context;
static uint8_t coroutine_stack[64 << 10] __attribute__((aligned(16)));

static void coroutine(void)
{
	sink += strlen(from);
	swapcontext(&coroutine_context, &main_context);
	sink += strlen(from);
}

FRAME static void coroutine_body(void)
{
	steps_on();
	swapcontext(&main_context, &coroutine_context);
	sink++;
	swapcontext(&main_context, &coroutine_context);
	steps_off();
	NO_TAIL_CALL();
}

TEST(unwind_steps_through_swapcontext)
{
#ifdef __SANITIZE_ADDRESS__
	SKIP("AddressSanitizer has a swapcontext() of its own");
#endif
	prepare(coroutine_body);
	run.wanted[1] = range_of((const void *)coroutine);
	/* While a new context is loaded its caller is coroutine's entry, less 1 as any caller. */
	run.wanted[1].lo--;
	getcontext(&coroutine_context);
	coroutine_context.uc_stack.ss_sp = coroutine_stack;
	coroutine_context.uc_stack.ss_size = sizeof coroutine_stack;
	coroutine_context.uc_link = &main_context;
	makecontext(&coroutine_context, coroutine, 0);
	/* makecontext leaves the address of __start_context for coroutine to return to.  In there
	 * coroutine's frame is gone, and nothing says so to the setcontext that it calls. */
	run.allowed[0] =
		range_of(*(void **)(uintptr_t)coroutine_context.uc_mcontext.gregs[REG_RSP]);
	run.allowed[1] = range_of((const void *)setcontext);
	/* glibc 2.36 has no CFI for the 13 instructions that load a context, rsp first. */
	run.allowed[2] = range_of((const void *)swapcontext);
	CHECK(run.allowed[0].hi != 0 && run.allowed[1].hi != 0 && run.allowed[2].hi != 0);
	coroutine_body();
	check_steps(150, 48);
}

FRAME static void library_body(void)
{
	void *handle;

	steps_on();
	handle = dlopen("libutil.so.1", RTLD_LAZY);
	sink += (size_t)dlsym(handle ? handle : RTLD_DEFAULT, "login_tty");
	if (handle)
		dlclose(handle);
	steps_off();
	NO_TAIL_CALL();
}

TEST(unwind_steps_through_dlopen_and_dlclose)
{
	prepare(library_body);
	library_body();
	check_steps(1000, 0);
}
