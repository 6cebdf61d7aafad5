/* SPDX-License-Identifier: MIT */
#include "unwind/unwind.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <ucontext.h>

#include "core/sys.h"
#include "tests/support/check.h"
#include "unwind/gate.h"
#include "unwind/guess.h"
#include "unwind/stack.h"

#define PCS 400

#ifdef __SANITIZE_ADDRESS__
#define ASAN true
#else
#define ASAN false
#endif

static struct uw_stack main_stack;
static __thread struct uw_stack *this_stack = &main_stack;

/* What the last signal saw. */
static uint64_t pc[PCS];
static struct uw_result result;
static unsigned pc_max = PCS;

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)info;
	errno = 4711;
	result = uw_from_context(uc, this_stack, pc, pc_max);
}

static void catch (int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags};

	uw_stack_of_self(&main_stack, 0);
	sigemptyset(&act.sa_mask);
	sigaction(sig, &act, NULL);
	memset(pc, 0, sizeof pc);
	memset(&result, 0, sizeof result);
	pc_max = PCS;
}

/* Index of the frame whose caller is at address; the walk gives return addresses minus one. */
static int frame_of(const void *return_address)
{
	for (unsigned i = 1; i < result.depth; i++)
		if (pc[i] == (uint64_t)(uintptr_t)return_address - 1)
			return (int)i;
	return -1;
}

/* Each of these is a frame of its own. */
#define FRAME	       __attribute__((noinline))
#define NO_TAIL_CALL() __asm__ volatile("")

/* ---- against what the compiler and glibc say ---- */

static void *seen[PCS];
static int seen_count;
static void *leaf_return_address;

FRAME static void leaf(void)
{
	leaf_return_address = __builtin_return_address(0);
	raise(SIGUSR1);
	seen_count = backtrace(seen, PCS);
	NO_TAIL_CALL();
}

/* Everything above leaf must be what backtrace() saw from leaf.  In a frame that a signal
 * interrupted the address is exact, and nowhere else. */
static void check_as_backtrace(int interrupted_frames)
{
	int at = frame_of(leaf_return_address);

	if (ASAN)
		SKIP("AddressSanitizer has a backtrace() of its own");
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK(!result.guessed);
	CHECK(at > 0);
	CHECK_EQ((int)result.depth - at, seen_count - 1);
	for (int i = 1; i < seen_count; i++) {
		if (pc[at + i - 1] == (uint64_t)(uintptr_t)seen[i])
			interrupted_frames--;
		else
			CHECK_EQ(pc[at + i - 1], (uint64_t)(uintptr_t)seen[i] - 1);
	}
	CHECK_EQ(interrupted_frames, 0);
}

FRAME static int recurse(int n)
{
	volatile char room[40];
	int rest = 0;

	room[0] = 1;
	if (n > 0)
		rest = recurse(n - 1);
	else
		leaf();
	NO_TAIL_CALL();
	return rest + room[0];
}

TEST(unwind_recursion_has_exactly_its_depth_and_pcs)
{
	unsigned depth[3];

	catch (SIGUSR1, on_signal, 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(recurse(100 * i), 100 * i + 1);
		check_as_backtrace(0);
		depth[i] = result.depth;
	}
	CHECK_EQ(depth[1] - depth[0], 100);
	CHECK_EQ(depth[2] - depth[0], 200);
}

FRAME static void realigned(int n)
{
	__attribute__((aligned(64))) volatile char block[64];
	volatile char *more = __builtin_alloca((size_t)n);

	block[0] = 1;
	more[0] = block[0];
	leaf();
	NO_TAIL_CALL();
}

TEST(unwind_realigned_stack_with_alloca)
{
	catch (SIGUSR1, on_signal, 0);
	realigned(1000);
	check_as_backtrace(0);
}

TEST(unwind_keeps_max_and_says_depth)
{
	catch (SIGUSR1, on_signal, 0);
	pc_max = 7;
	recurse(50);
	CHECK_EQ(result.depth, 7);
	CHECK_EQ(result.end, UW_END_DEPTH);
	CHECK_EQ(pc[7], 0);
	pc_max = 1;
	recurse(50);
	CHECK_EQ(result.depth, 1);
	CHECK_EQ(result.end, UW_END_DEPTH);
}

static int compare(const void *a, const void *b)
{
	static int calls;

	if (++calls == 3)
		leaf();
	return *(const int *)a - *(const int *)b;
}

TEST(unwind_callback_from_libc)
{
	int numbers[] = {5, 3, 9, 1, 7, 2};

	catch (SIGUSR1, on_signal, 0);
	qsort(numbers, 6, sizeof *numbers, compare);
	check_as_backtrace(0);
}

static void *in_thread(void *arg)
{
	struct uw_stack mine;

	uw_stack_of_self(&mine, *(size_t *)arg);
	this_stack = &mine;
	recurse(10);
	this_stack = NULL;
	return (uint8_t *)__builtin_frame_address(0) > (uint8_t *)mine.lo &&
			       (uint8_t *)__builtin_frame_address(0) < (uint8_t *)mine.hi
		       ? arg
		       : NULL;
}

TEST(unwind_thread_ends_at_clone_and_bounds_are_readable)
{
	pthread_attr_t attr;
	pthread_t thread;
	size_t size = 256 << 10;
	void *ok;

	catch (SIGUSR1, on_signal, 0);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, size);
	CHECK_EQ(pthread_create(&thread, &attr, in_thread, &size), 0);
	pthread_join(thread, &ok);
	CHECK(ok == &size);
	check_as_backtrace(0);
}

TEST(unwind_stack_bounds_are_those_of_glibc)
{
	pthread_attr_t attr;
	struct uw_stack s;
	void *lo;
	size_t size;

	uw_stack_of_self(&s, 0);
	CHECK_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	pthread_attr_getstack(&attr, &lo, &size);
	/* glibc adds the pages of argv and environment. */
	CHECK(s.hi <= (uintptr_t)lo + size);
	CHECK((uintptr_t)lo + size - s.hi < 1 << 20);
	CHECK(s.hi > (uintptr_t)&attr);
	CHECK(s.lo < (uintptr_t)&attr);
	pthread_attr_destroy(&attr);
}

/* ---- signals on signals ---- */

static void nested(int sig, siginfo_t *info, void *uc)
{
	(void)sig, (void)info, (void)uc;
	leaf();
}

FRAME static void interrupted(void)
{
	raise(SIGUSR2);
	NO_TAIL_CALL();
}

FRAME static void *caller_of_interrupted(void)
{
	interrupted();
	NO_TAIL_CALL();
	return __builtin_return_address(0);
}

TEST(unwind_nested_handler_reaches_the_interrupted_code)
{
	catch (SIGUSR1, on_signal, 0);
	catch (SIGUSR2, nested, 0);
	CHECK(frame_of(caller_of_interrupted()) > 0);
	check_as_backtrace(1);
}

TEST(unwind_handler_on_alternate_stack_reaches_the_interrupted_code)
{
	static uint8_t alternate[64 << 10];
	stack_t off = {.ss_flags = SS_DISABLE};
	stack_t on = {.ss_sp = alternate, .ss_size = sizeof alternate};

	catch (SIGUSR1, on_signal, 0);
	catch (SIGUSR2, nested, SA_ONSTACK);
	CHECK_EQ(sigaltstack(&on, NULL), 0);
	CHECK(frame_of(caller_of_interrupted()) > 0);
	CHECK_EQ(result.end, UW_END_ROOT);
	/* The innermost handler runs on the alternate stack too, and its context on the thread's.
	 */
	catch (SIGUSR1, on_signal, SA_ONSTACK);
	leaf();
	check_as_backtrace(0);
	CHECK_EQ(sigaltstack(&off, NULL), 0);
}

TEST(unwind_keeps_errno)
{
	static ucontext_t uc;

	catch (SIGUSR1, on_signal, 0);
	getcontext(&uc);
	errno = 0;
	result = uw_from_context(&uc, NULL, pc, PCS);
	CHECK_EQ(errno, 0);
}

/* ---- coroutines: a stack that nobody told us about ---- */

static ucontext_t main_context, coroutine_context;
static uint8_t *coroutine_stack;
#define COROUTINE_BYTES (128u << 10)

static void coroutine(void)
{
	recurse(20);
	swapcontext(&coroutine_context, &main_context);
	recurse(3);
	NO_TAIL_CALL();
}

static void coroutine_setup(void)
{
	if (!coroutine_stack) {
		coroutine_stack = mmap(NULL, COROUTINE_BYTES + 8192, PROT_NONE,
				       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		coroutine_stack += 4096;
		mprotect(coroutine_stack, COROUTINE_BYTES, PROT_READ | PROT_WRITE);
	}
	getcontext(&coroutine_context);
	coroutine_context.uc_stack.ss_sp = coroutine_stack;
	coroutine_context.uc_stack.ss_size = COROUTINE_BYTES;
	coroutine_context.uc_link = &main_context;
	makecontext(&coroutine_context, coroutine, 0);
}

TEST(unwind_coroutine_reaches_its_root)
{
	unsigned depth;

	catch (SIGUSR1, on_signal, 0);
	coroutine_setup();
	swapcontext(&main_context, &coroutine_context);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK(frame_of(leaf_return_address) > 0);
	depth = result.depth;
	swapcontext(&main_context, &coroutine_context);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK_EQ(depth - result.depth, 17);
}

TEST(unwind_probed_stack_may_vanish_between_two_walks)
{
	static ucontext_t uc;
	uint8_t *stack =
		mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	getcontext(&uc);
	uc.uc_stack.ss_size = 0;
	uc.uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)(stack + 4096);
	uc.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)leaf;
	*(uint64_t *)(stack + 4096) = 0;
	CHECK_EQ(uw_from_context(&uc, NULL, pc, PCS).end, UW_END_ROOT);
	munmap(stack, 8192);
	CHECK_EQ(uw_from_context(&uc, NULL, pc, PCS).end, UW_END_BOUNDS);
}

/* ---- made-up contexts: each end has its reason ---- */

static uint64_t words[64];
static struct uw_stack words_stack = {(uintptr_t)words, (uintptr_t)(words + 64)};

/* A stack that consists of words, interrupted at the entry of leaf with rsp at the given word. */
static ucontext_t *at_entry_of_leaf(unsigned sp_word)
{
	static ucontext_t uc;

	getcontext(&uc);
	memset(words, 0, sizeof words);
	uc.uc_stack.ss_size = 0;
	uc.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)leaf;
	uc.uc_mcontext.gregs[REG_RSP] = (greg_t)(uintptr_t)(words + sp_word);
	uc.uc_mcontext.gregs[REG_RBP] = 0;
	return &uc;
}

TEST(unwind_every_end_has_its_reason)
{
	ucontext_t *uc = at_entry_of_leaf(10);

	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK_EQ(result.end, UW_END_ROOT); /* return address 0 */
	CHECK_EQ(result.depth, 1);
	CHECK_EQ(pc[0], (uintptr_t)leaf);
	words[10] = 77;
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_BAD_PC);
	words[10] = 0xffff800000001000u;
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_BAD_PC);
	words[10] = (uintptr_t)words; /* data of this program: in a module, without CFI */
	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK_EQ(result.end, UW_END_NO_RULE);
	CHECK_EQ(result.depth, 2);
	words[10] = 0x10000; /* nothing is mapped there */
	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK_EQ(result.end, UW_END_NO_MODULE);
	CHECK_EQ(pc[1], 0xffff);
	uc = at_entry_of_leaf(63); /* the last word is readable, behind it nothing */
	words[63] = (uintptr_t)leaf + 1;
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_BOUNDS);
	uc->uc_mcontext.gregs[REG_RSP] = 8;
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_BOUNDS);
}

/* Garbage where a handler's frame is taken to be says that any address is on the alternate stack. */
TEST(unwind_believes_no_stack_of_a_context_that_it_finds)
{
	ucontext_t *uc = at_entry_of_leaf(10);
	const unsigned size_at = offsetof(ucontext_t, uc_stack.ss_size) / 8,
		       regs_at = offsetof(ucontext_t, uc_mcontext.gregs) / 8;
	struct sys_action act;

	catch (SIGUSR1, on_signal, 0);
	CHECK_EQ(sys_sigaction(SIGUSR1, NULL, &act), 0);
	words[10] = (uintptr_t)act.restorer;
	words[10]++; /* looked up as a return address, one byte before */
	words[11 + size_at] = UINT64_MAX;
	words[11 + regs_at + REG_RIP] = (uintptr_t)leaf;
	words[11 + regs_at + REG_RSP] = 0xdb820590fcca83e8u;
	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK_EQ(result.end, UW_END_BOUNDS);
	CHECK_EQ(result.depth, 2);
}

/* Return addresses at the entries of functions, one word each, then the root. */
static void chain(unsigned at, void (*const *functions)(void), unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		words[at + i] = (uintptr_t)functions[i] + 1;
	words[at + n] = 0;
}

static bool walks_along(const ucontext_t *uc, void (*const *functions)(void), unsigned n)
{
	uint64_t out[PCS];
	struct uw_result r = uw_from_context(uc, &words_stack, out, PCS);

	if (r.end != UW_END_ROOT || r.depth != n + 1)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (out[i + 1] != (uintptr_t)functions[i])
			return false;
	return true;
}

static void (*const one_way[])(void) = {(void (*)(void))realigned, leaf, (void (*)(void))recurse,
					leaf, coroutine};
static void (*const other_way[])(void) = {(void (*)(void))realigned, coroutine, leaf,
					  (void (*)(void))recurse};

TEST(unwind_remembers_no_frame_that_has_changed)
{
	ucontext_t uc = *at_entry_of_leaf(10);

	for (unsigned round = 0; round < 3; round++) {
		chain(10, one_way, 5);
		CHECK(walks_along(&uc, one_way, 5));
		CHECK(walks_along(&uc, one_way, 5));
		/* The innermost frame is the same, where it was; its caller is another. */
		chain(10, other_way, 4);
		CHECK(walks_along(&uc, other_way, 4));
		/* The same frames one word further out, then further in. */
		uc.uc_mcontext.gregs[REG_RSP] += 8;
		chain(11, other_way, 4);
		CHECK(walks_along(&uc, other_way, 4));
		uc.uc_mcontext.gregs[REG_RSP] -= 8;
		chain(10, one_way, 5);
		CHECK(walks_along(&uc, one_way, 5));
		uw_closing_begin();
		uw_closing_end();
		CHECK(walks_along(&uc, one_way, 5));
		uw_after_fork();
	}
}

static void *walk_the_other_way(void *arg)
{
	bool right = true;

	for (unsigned i = 0; i < 50000; i++)
		right &= walks_along(arg, other_way, 4);
	return right ? arg : NULL;
}

/* Both are on the same stack as far as the unwinder knows. */
TEST(unwind_two_threads_do_not_mislead_each_other)
{
	ucontext_t here = *at_entry_of_leaf(10), there = *at_entry_of_leaf(30);
	bool right = true;
	pthread_t thread;
	void *ok;

	chain(10, one_way, 5);
	chain(30, other_way, 4);
	CHECK_EQ(pthread_create(&thread, NULL, walk_the_other_way, &there), 0);
	for (unsigned i = 0; i < 50000; i++)
		right &= walks_along(&here, one_way, 5);
	pthread_join(thread, &ok);
	CHECK(right && ok == &there);
}

TEST(unwind_expecting_reads_no_stack)
{
	const struct uw_stack unknown = {0, 0}, wrong = {4096, 1 << 20};
	ucontext_t *uc = at_entry_of_leaf(10);

	uc->uc_mcontext.gregs[REG_RSP] = 8192; /* never mapped */
	uw_expect(uc, &unknown);
	uw_expect(uc, &wrong);
}

TEST(unwind_follows_frame_pointers_where_there_is_no_cfi)
{
	ucontext_t *uc = at_entry_of_leaf(10);

	/* leaf was called by 0x10000, which has a chain of two frames, the outer one called from 0.
	 */
	words[10] = 0x10000;
	uc->uc_mcontext.gregs[REG_RBP] = (greg_t)(uintptr_t)(words + 20);
	words[20] = (uintptr_t)(words + 30);
	words[21] = 0x20000;
	words[30] = (uintptr_t)(words + 40);
	words[31] = 0;
	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK(result.guessed);
	CHECK_EQ(result.depth, 3);
	CHECK_EQ(pc[1], 0xffff);
	CHECK_EQ(pc[2], 0x1ffff);
	words[20] = 0; /* neither grows nor leads into a module */
	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK_EQ(result.end, UW_END_NO_MODULE);
	CHECK(!result.guessed);
	words[21] = (uintptr_t)leaf + 1; /* grows not, but leads into a module */
	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK(result.guessed);
	CHECK_EQ(pc[2], (uintptr_t)leaf);
}

/* A function of machine code that describes itself by CFI. */
#define ASM_FUNCTION(name, body)                                                                   \
	void name(void);                                                                           \
	__asm__(".text\n.type " #name ",@function\n.hidden " #name "\n" #name                      \
		":\n.cfi_startproc\n" body "\n.cfi_endproc\n.size " #name ",.-" #name "\n")

ASM_FUNCTION(cfa_in_rax, "mov %rsp, %rax\n.cfi_def_cfa_register %rax\nsub $72, %rsp\n"
			 "int3\nlea (%rax), %rsp\n.cfi_def_cfa %rsp, 8\nret");
/* DW_CFA_def_cfa_expression: breg7 24, deref, plus_uconst 8 */
ASM_FUNCTION(cfa_saved_on_stack, "mov %rsp, %rax\nsub $40, %rsp\nmov %rax, 24(%rsp)\n"
				 ".cfi_escape 0x0f, 5, 0x77, 24, 0x06, 0x23, 8\n"
				 "int3\nadd $40, %rsp\n.cfi_def_cfa %rsp, 8\nret");
/* breg7 0, breg9 0, lit8, mul, plus, deref, plus_uconst 8 */
ASM_FUNCTION(cfa_indexed,
	     "mov %rsp, %rax\nsub $40, %rsp\nmov $2, %r9\nmov %rax, (%rsp,%r9,8)\n"
	     ".cfi_escape 0x0f, 10, 0x77, 0, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8\n"
	     "int3\nadd $40, %rsp\n.cfi_def_cfa %rsp, 8\nret");
ASM_FUNCTION(ra_in_rdx, "pop %rdx\n.cfi_def_cfa_offset 0\n.cfi_register %rip, %rdx\nint3\n"
			"push %rdx\n.cfi_def_cfa_offset 8\n.cfi_offset %rip, -8\nret");
ASM_FUNCTION(cfa_in_r10_and_calls, "push %r10\n.cfi_adjust_cfa_offset 8\nlea 16(%rsp), %r10\n"
				   ".cfi_def_cfa %r10, 0\ncall cfa_in_rax\npop %r10\n"
				   ".cfi_def_cfa %rsp, 8\nret");

static void *asm_return_address;

FRAME static void call_asm(void (*function)(void))
{
	asm_return_address = __builtin_return_address(0);
	function();
	NO_TAIL_CALL();
}

TEST(unwind_innermost_frame_may_use_any_register)
{
	catch (SIGTRAP, on_signal, 0);
	call_asm(cfa_in_rax);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK_EQ(frame_of(asm_return_address), 2);
	call_asm(cfa_saved_on_stack);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK_EQ(frame_of(asm_return_address), 2);
	call_asm(cfa_indexed);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK_EQ(frame_of(asm_return_address), 2);
	call_asm(ra_in_rdx);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK_EQ(frame_of(asm_return_address), 2);
}

TEST(unwind_deeper_frame_may_not_and_says_so)
{
	catch (SIGTRAP, on_signal, 0);
	call_asm(cfa_in_r10_and_calls);
	CHECK_EQ(result.end, UW_END_UNSUPPORTED);
	CHECK_EQ(result.depth, 2);
}

TEST(unwind_frame_recovered_from_a_signal_has_all_registers)
{
	catch (SIGUSR1, on_signal, 0);
	catch (SIGTRAP, nested, 0);
	call_asm(cfa_in_rax);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK(frame_of(asm_return_address) > 0);
}

TEST(unwind_jit_code_with_frame_pointers)
{
	static const uint8_t code[] = {0x55,		 /* push %rbp */
				       0x48, 0x89, 0xe5, /* mov %rsp, %rbp */
				       0xcc,		 /* int3 */
				       0x5d, 0xc3};	 /* pop %rbp; ret */
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(page != MAP_FAILED);
	memcpy(page, code, sizeof code);
	catch (SIGTRAP, on_signal, 0);
	call_asm((void (*)(void))page);
	CHECK_EQ(result.end, UW_END_ROOT);
	CHECK(result.guessed);
	CHECK_EQ(frame_of(asm_return_address), 2);
	munmap(page, 4096);
}

TEST(unwind_plt_entry_without_cfi)
{
	static const uint8_t entries[3][16] = {
		{0xff, 0x25, 1, 2, 3, 4},
		{0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25},
		{0xf3, 0x0f, 0x1e, 0xfa, 0x68, 1, 0, 0, 0, 0xf2, 0xe9},
	};
	struct stack_view view = {.lo = words_stack.lo, .hi = words_stack.hi};

	for (int i = 0; i < 3; i++) {
		struct guess frame = {.pc = (uintptr_t)entries[i],
				      .sp = (uintptr_t)(words + 10),
				      .exact = true,
				      .in_module = true};

		words[10] = 0x30000;
		CHECK(guess_caller(&view, &frame));
		CHECK_EQ(frame.pc, 0x30000);
		CHECK_EQ(frame.sp, (uintptr_t)(words + 11));
	}
}

TEST(unwind_code_without_cfi_and_frame_pointer_has_its_call_on_the_stack)
{
	struct stack_view view = {.lo = words_stack.lo, .hi = words_stack.hi};
	struct guess frame = {.pc = (uintptr_t)words,
			      .sp = (uintptr_t)(words + 10),
			      .exact = true,
			      .in_module = true};

	catch (SIGUSR1, on_signal, 0);
	recurse(0);
	words[10] = 5;
	words[11] = (uintptr_t)leaf_return_address;
	CHECK(guess_caller(&view, &frame));
	CHECK_EQ(frame.pc, (uintptr_t)leaf_return_address);
	CHECK_EQ(frame.sp, (uintptr_t)(words + 12));
	frame = (struct guess){.pc = 0x10000, .sp = (uintptr_t)(words + 10)};
	CHECK(!guess_caller(&view, &frame)); /* not in a frame that was not interrupted */
}

TEST(unwind_init_function_without_cfi_has_eight_bytes_of_padding)
{
	static const uint8_t end[] = {0x48, 0x83, 0xc4, 0x08, 0xc3, 0, 0, 0};
	static const uint8_t other[] = {0x48, 0x83, 0xc4, 0x18, 0xc3, 0, 0, 0};
	struct stack_view view = {.lo = words_stack.lo, .hi = words_stack.hi};
	struct guess frame = {
		.pc = (uintptr_t)end, .sp = (uintptr_t)(words + 10), .in_module = true};

	catch (SIGUSR1, on_signal, 0);
	recurse(0);
	words[10] = 5;
	words[11] = (uintptr_t)leaf_return_address;
	CHECK(guess_caller(&view, &frame));
	CHECK_EQ(frame.pc, (uintptr_t)leaf_return_address);
	CHECK_EQ(frame.sp, (uintptr_t)(words + 12));
	frame = (struct guess){
		.pc = (uintptr_t)other, .sp = (uintptr_t)(words + 10), .in_module = true};
	CHECK(!guess_caller(&view, &frame));
}

/* ---- garbage ---- */

static uint64_t random_word(void)
{
	static uint64_t state = 88172645463325252u; /* xorshift64 */

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static uint64_t random_register(void)
{
	uint64_t r = random_word();

	switch (r >> 60) {
	case 0:
	case 1:
	case 2:
		return (uintptr_t)&r + r % 8192 - 4096;
	case 3:
		return (uintptr_t)words + r % (sizeof words + 64);
	case 4:
	case 5:
		return (uintptr_t)coroutine_stack + r % (COROUTINE_BYTES + 8192) - 4096;
	case 6:
	case 7:
		return (uintptr_t)qsort + r % (1 << 20) - (1 << 19);
	case 8:
	case 9:
		return (uintptr_t)recurse + r % 65536 - 32768;
	case 10:
		return main_stack.lo + r % (main_stack.hi - main_stack.lo);
	case 11:
		return main_stack.hi - r % 9000;
	case 12:
		return r & 0xffff;
	case 13:
		return r >> 17;
	default:
		return r;
	}
}

static unsigned fuzz_depth;

static void fuzz(int sig, siginfo_t *info, void *context)
{
	static ucontext_t uc;
	static uint64_t out[64];

	(void)sig, (void)info;
	for (unsigned i = 0; i < 200000; i++) {
		unsigned kind = (unsigned)(random_word() % 8);

		memcpy(&uc, context, offsetof(ucontext_t, __fpregs_mem));
		for (unsigned r = 0; r < 15; r++)
			if (kind != 1)
				uc.uc_mcontext.gregs[r] = (greg_t)random_register();
		if (kind != 2)
			uc.uc_mcontext.gregs[REG_RIP] = (greg_t)random_register();
		if (kind != 3 && kind != 1)
			uc.uc_mcontext.gregs[REG_RSP] = (greg_t)random_register();
		for (unsigned w = 0; w < 64; w++)
			words[w] = random_register();
		fuzz_depth +=
			uw_from_context(&uc, i % 5 ? &main_stack : &words_stack, out, 1 + i % 64)
				.depth;
	}
}

TEST(unwind_200000_corrupt_contexts_do_no_harm)
{
	struct rlimit limit;

	/* Reading far below the main stack would make it grow instead of fault. */
	getrlimit(RLIMIT_STACK, &limit);
	limit.rlim_cur = 1 << 20;
	coroutine_setup();
	catch (SIGUSR1, fuzz, 0);
	setrlimit(RLIMIT_STACK, &limit);
	raise(SIGUSR1);
	CHECK(fuzz_depth >= 200000);
	limit.rlim_cur = 8 << 20;
	setrlimit(RLIMIT_STACK, &limit);
}

/* ---- the gate ---- */

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

TEST(unwind_closed_gate_serves_hits_and_refuses_misses)
{
	ucontext_t *uc = at_entry_of_leaf(10);

	uw_closing_begin();
	uw_closing_end();		      /* earlier tests filled the cache */
	words[10] = (uintptr_t)realigned + 1; /* in the cache after this, at the entry: rsp + 8 */
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_ROOT);
	uw_closing_begin();
	uw_closing_begin();
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_ROOT);
	words[10] = (uintptr_t)coroutine + 1;
	result = uw_from_context(uc, &words_stack, pc, PCS);
	CHECK_EQ(result.end, UW_END_BUSY);
	CHECK_EQ(result.depth, 2);
	uw_closing_end();
	/* All rules were dropped, and the other closer is still there. */
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_BUSY);
	uw_closing_end();
	CHECK_EQ(uw_from_context(uc, &words_stack, pc, PCS).end, UW_END_ROOT);
}

TEST(unwind_closing_waits_for_a_reader_but_not_for_ever)
{
	uint64_t start = now_ns(), took;

	CHECK(gate_enter());
	uw_closing_begin();
	took = now_ns() - start;
	CHECK(took >= 1000000);
	CHECK(took < 5000000000);
	CHECK(!gate_enter());
	gate_leave();
	uw_closing_end();
	CHECK(gate_enter());
	gate_leave();
}

static void *leave_soon(void *arg)
{
	struct timespec nap = {.tv_nsec = 200000};

	nanosleep(&nap, NULL);
	gate_leave();
	return arg;
}

TEST(unwind_handler_in_a_waiting_closer_is_turned_away)
{
	/* The reader is another thread's; this thread waits and is interrupted meanwhile. */
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
	struct itimerspec soon = {.it_value.tv_nsec = 300000};
	timer_t timer;

	catch (SIGUSR1, on_signal, 0);
	CHECK(gate_enter());
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	uw_closing_begin();
	uw_closing_end(); /* drops the cache */
	/* On a busy machine the time may be over before this thread waits. */
	for (int tries = 0; tries < 50 && result.end != UW_END_BUSY; tries++) {
		result = (struct uw_result){0};
		timer_settime(timer, 0, &soon, NULL);
		uw_closing_begin();
		while (__atomic_load_n(&result.depth, __ATOMIC_RELAXED) == 0)
			;
		uw_closing_end();
	}
	gate_leave();
	timer_delete(timer);
	CHECK_EQ(result.end, UW_END_BUSY);
}

TEST(unwind_closing_returns_when_the_reader_leaves)
{
	pthread_t thread;

	CHECK(gate_enter());
	pthread_create(&thread, NULL, leave_soon, NULL);
	uw_closing_begin();
	uw_closing_end();
	pthread_join(thread, NULL);
	CHECK(gate_enter());
	gate_leave();
}

TEST(unwind_after_fork_forgets_readers_and_closers)
{
	uint64_t best = UINT64_MAX;

	CHECK(gate_enter());
	uw_closing_begin();
	uw_after_fork();
	CHECK(gate_enter());
	gate_leave();
	/* Those who were inside when the fork happened leave as they would: nothing goes below
	 * zero. */
	gate_leave();
	uw_closing_end();
	CHECK(gate_enter());
	gate_leave();
	for (int i = 0; i < 20; i++) {
		uint64_t start = now_ns();

		uw_closing_begin();
		uw_closing_end();
		if (now_ns() - start < best)
			best = now_ns() - start;
	}
	CHECK(best < 1000000);
}
