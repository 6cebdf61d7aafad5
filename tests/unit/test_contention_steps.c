/* SPDX-License-Identifier: MIT */
/*
 * core/contention interrupted at each instruction.  Nothing in it knows one thread from another, so a handler of SIGTRAP
 * is as good as another thread that comes exactly there.
 *
 * The trap flag tells once which instructions are executed; then a breakpoint is put on one after the other, because a step
 * takes microseconds, and to step to each anew would be ten thousands of them.
 */
#include "core/contention.h"

#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/support/check.h"

#define PLACES	   8u
#define TRAP_FLAG  0x100
#define BREAKPOINT 0xcc /* int3 */

static struct {
	uintptr_t trace[20000]; /* before each of these */
	unsigned steps;

	unsigned char *at, was; /* the breakpoint */
	unsigned passes;	/* until it is meant */
	bool stepping_over, done;
	void (*meanwhile)(void);
	sigjmp_buf *leave; /* do not go on afterwards */
} run;

/* Functions, because a push in the middle of one would be into its red zone. */
void trap_on(void);
void trap_off(void);
__asm__(".text\n.hidden trap_on\n.hidden trap_off\n"
	"trap_on: pushfq\norq $0x100, (%rsp)\npopfq\nret\n"
	"trap_off: pushfq\nandq $~0x100, (%rsp)\npopfq\nret\n");

static void on_step(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig, (void)info;
	if (run.steps < sizeof run.trace / sizeof run.trace[0])
		run.trace[run.steps++] = (uintptr_t)regs[REG_RIP];
}

static void on_breakpoint(int sig, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;

	(void)sig, (void)info;
	if (run.stepping_over) {
		run.stepping_over = false;
		regs[REG_EFL] &= ~TRAP_FLAG;
		*run.at = BREAKPOINT;
		return;
	}
	*run.at = run.was;
	regs[REG_RIP] = (greg_t)(uintptr_t)run.at;
	if (--run.passes) {
		run.stepping_over = true;
		regs[REG_EFL] |= TRAP_FLAG;
		return;
	}
	run.done = true;
	run.meanwhile();
	if (run.leave)
		siglongjmp(*run.leave, 1);
}

static void handle(void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction act = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(SIGTRAP, &act, NULL);
}

static void nothing(void)
{
}

/* The same instructions whether they are recorded or interrupted, but for the first, which returns from begin(). */
__attribute__((noinline)) static void go(void (*volatile begin)(void),
					 void (*volatile stepped)(void))
{
	begin();
	stepped();
	trap_off();
}

static void record(void (*stepped)(void))
{
	handle(on_step);
	run.steps = 0;
	go(trap_on, stepped);
	memmove(run.trace, run.trace + 1, --run.steps * sizeof run.trace[0]);
	CHECK(run.steps > 30 && run.steps < sizeof run.trace / sizeof run.trace[0]);
}

/* stepped(), with meanwhile() before its instruction n.  */
static void interrupt(unsigned n, void (*stepped)(void), void (*meanwhile)(void))
{
	uintptr_t page = run.trace[n] & ~(uintptr_t)4095;

	run.passes = 0;
	for (unsigned i = 0; i <= n; i++)
		run.passes += run.trace[i] == run.trace[n];
	run.done = run.stepping_over = false;
	run.meanwhile = meanwhile;
	handle(on_breakpoint);
	if (mprotect((void *)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC) < 0)
		SKIP("code may not be written here");
	run.at = (void *)run.trace[n];
	run.was = *run.at;
	*run.at = BREAKPOINT;
	go(nothing, stepped);
	*run.at = run.was; /* if it has not been come by */
}

/* ---- what is charged ---- */

static struct contention a, a2, b, x, none;
static uint64_t lock_a, lock_b, lock_x; /* of one bucket */
static _Atomic int64_t charged_a, rest_a, wait_a, charged_b, rest_b, wait_b;
static unsigned waiters;

static const void *at(uint64_t address)
{
	return (const void *)(uintptr_t)address;
}

static uint64_t next_in_bucket(uint64_t address)
{
	do
		address += 64;
	while (address * UINT64_C(0x9e3779b97f4a7c15) >> 55 != 99);
	return address;
}

static int64_t release_a(uint64_t now)
{
	int64_t delay = (int64_t)contention_release(at(lock_a), now, &waiters);

	charged_a += delay;
	return delay;
}

static int64_t release_b(uint64_t now)
{
	int64_t delay = (int64_t)contention_release(at(lock_b), now, &waiters);

	charged_b += delay;
	return delay;
}

static void end_a(struct contention *w, uint64_t now)
{
	if (w->lock) {
		wait_a += (int64_t)(now - w->since);
		rest_a += contention_end(w, now);
	}
}

static void end_b(uint64_t now)
{
	wait_b += (int64_t)(now - b.since);
	rest_b += contention_end(&b, now);
}

static void check_bucket_is_empty(void)
{
	struct contention w[PLACES + 1];
	uint64_t address = 0x10000;

	for (unsigned i = 0; i < CONTENTION_FILTER_SIZE; i++)
		CHECK_EQ(contention_filter[i], 0);
	for (unsigned i = 0; i < PLACES + 1; i++) {
		address = next_in_bucket(address);
		CHECK(contention_begin(&w[i], at(address), 1000) == (i < PLACES));
		CHECK_EQ(contention_release(at(address), 1010, &waiters), i < PLACES ? 10 : 0);
	}
	for (unsigned i = 0; i < PLACES; i++)
		CHECK_EQ(contention_end(&w[i], 1015), 5);
}

static void start_again(void (*before)(void))
{
	charged_a = rest_a = wait_a = charged_b = rest_b = wait_b = 0;
	a = a2 = b = x = none;
	if (before)
		before();
}

static void prepare(void (*before)(void), void (*stepped)(void))
{
	lock_x = next_in_bucket(0);
	lock_a = next_in_bucket(lock_x);
	lock_b = next_in_bucket(lock_a);
	for (int i = 0; i < 2; i++) { /* what comes only once has been in the second */
		contention_after_fork();
		check_bucket_is_empty();
		start_again(before);
		record(stepped);
	}
	contention_after_fork();
	check_bucket_is_empty();
}

/* before(), then stepped() with meanwhile() before its first instruction, then after(), which leaves nobody; the same with its
 * second, and so on to the end. */
static void at_each_instruction(void (*before)(void), void (*stepped)(void),
				void (*meanwhile)(void), void (*after)(void))
{
	prepare(before, stepped);
	for (unsigned n = 0; n < run.steps; n++) {
		start_again(before);
		interrupt(n, stepped, meanwhile);
		CHECK(run.done);
		after();
		CHECK_EQ(charged_a + rest_a, wait_a);
		CHECK_EQ(charged_b + rest_b, wait_b);
		check_bucket_is_empty();
	}
}

static void begin_a(void)
{
	(void)contention_begin(&a, at(lock_a), 1000);
}

static void begin_x(void)
{
	(void)contention_begin(&x, at(lock_x), 1000);
}

static void begin_a2(void)
{
	(void)contention_begin(&a2, at(lock_a), 1500);
}

static void begin_late_a2(void)
{
	(void)contention_begin(&a2, at(lock_a), 2300);
}

static void begin_both(void)
{
	begin_a();
	begin_a2();
}

static void end_first(void)
{
	end_a(&a, 2100);
}

static void end_second(void)
{
	end_a(&a2, 2200);
}

static void release_first(void)
{
	release_a(2000);
}

/* Both are there, whoever was first. */
static void after_two(void)
{
	CHECK(a.lock && a2.lock);
	CHECK_EQ(release_a(3000), 2000 + 1500);
	CHECK_EQ(waiters, 2);
	end_a(&a, 3100);
	end_a(&a2, 3200);
	CHECK_EQ(rest_a, 100 + 200);
}

TEST(contention_two_begin_at_once)
{
	at_each_instruction(NULL, begin_a, begin_a2, after_two);
}

static unsigned in_two_places;

static void x_makes_room_for_a2(void)
{
	contention_end(&x, 1400);
	begin_a2();
}

static void after_two_in_two_places(void)
{
	in_two_places += a.place != a2.place;
	after_two();
}

TEST(contention_of_a_lock_in_two_places_is_all_released)
{
	in_two_places = 0;
	at_each_instruction(begin_x, begin_a, x_makes_room_for_a2, after_two_in_two_places);
	CHECK(in_two_places > 0);
}

/* a2 comes while a release is charged for a. */
static void after_release_and_one_more(void)
{
	const int64_t rest = 2000 + (int64_t)(3000 - a2.since) - charged_a;

	CHECK(a2.since == 1500 || a2.since == 2000);
	CHECK_EQ(release_a(3000), rest);
	end_a(&a2, 3100);
	end_a(&a, 3100);
}

TEST(contention_begin_at_once_with_a_release)
{
	at_each_instruction(begin_a, begin_a2, release_first, after_release_and_one_more);
	at_each_instruction(begin_a, release_first, begin_a2, after_release_and_one_more);
}

static void after_release_and_a_later_one(void)
{
	/* The release was of 2000, and may have seen one of 2300. */
	const int64_t rest = 2000 + 700 - charged_a;

	CHECK(charged_a == 1000 || charged_a == 1000 - 300);
	CHECK_EQ(release_a(3000), rest);
	end_a(&a2, 3100);
	end_a(&a, 3100);
}

TEST(contention_release_at_once_with_a_later_begin)
{
	at_each_instruction(begin_a, release_first, begin_late_a2, after_release_and_a_later_one);
}

static void release_again(void)
{
	release_a(2050);
}

static void after_two_releases(void)
{
	CHECK_EQ(charged_a, 1050 + 550);
	end_a(&a, 3000);
	end_a(&a2, 3000);
}

TEST(contention_two_releases_at_once)
{
	at_each_instruction(begin_both, release_first, release_again, after_two_releases);
	at_each_instruction(begin_both, release_again, release_first, after_two_releases);
}

static void after_an_end(void)
{
	CHECK(charged_a == 1000 + 500 || charged_a == 500);
	CHECK_EQ(release_a(3000), 1000);
	CHECK_EQ(waiters, 1);
	end_a(&a2, 3000);
}

TEST(contention_end_at_once_with_a_release)
{
	at_each_instruction(begin_both, end_first, release_first, after_an_end);
	at_each_instruction(begin_both, release_first, end_first, after_an_end);
}

static void after_all_ended(void)
{
	CHECK_EQ(release_a(3000), 0);
	CHECK_EQ(waiters, 0);
	CHECK_EQ(rest_a, 1100 + 700);
}

TEST(contention_two_end_at_once)
{
	at_each_instruction(begin_both, end_first, end_second, after_all_ended);
}

static void after_one_for_another(void)
{
	CHECK_EQ(release_a(3000), 1500);
	CHECK_EQ(waiters, 1);
	end_a(&a2, 3000);
}

TEST(contention_end_at_once_with_a_begin)
{
	at_each_instruction(begin_a, end_first, begin_a2, after_one_for_another);
	at_each_instruction(begin_a, begin_a2, end_first, after_one_for_another);
}

/* ---- a place that changes hands ---- */

static unsigned in_its_place;

static void b_takes_its_place(void)
{
	uint32_t place = a.place;

	end_a(&a, 1900);
	(void)contention_begin(&b, at(lock_b), 1950);
	in_its_place += b.place == place;
}

static void after_b(void)
{
	CHECK(charged_a == 1000 || charged_a == 0);
	CHECK_EQ(release_a(2900), 0);
	CHECK_EQ(release_b(3000), 1050);
	CHECK_EQ(waiters, 1);
	end_b(3010);
}

TEST(contention_release_of_a_lock_whose_place_is_anothers_now)
{
	in_its_place = 0;
	at_each_instruction(begin_a, release_first, b_takes_its_place, after_b);
	CHECK(in_its_place > 10);
}

static void begin_and_release_b(void)
{
	(void)contention_begin(&b, at(lock_b), 2150);
	release_b(2250);
}

static void after_an_end_and_b(void)
{
	in_its_place += b.place == a.place;
	CHECK_EQ(charged_b, 100);
	CHECK_EQ(rest_a, 1100);
	CHECK_EQ(release_b(3000), 750);
	CHECK_EQ(waiters, 1);
	end_b(3010);
}

TEST(contention_end_makes_room_for_another_lock)
{
	in_its_place = 0;
	at_each_instruction(begin_a, end_first, begin_and_release_b, after_an_end_and_b);
	CHECK(in_its_place > 0);
	at_each_instruction(begin_a, begin_and_release_b, end_first, after_an_end_and_b);
}

static void b_comes_and_goes(void)
{
	b_takes_its_place();
	release_b(1960);
	end_b(1970);
	begin_a2(); /* back again */
}

static void after_a2(void)
{
	const int64_t rest = charged_a == 500 ? 1000 : 1500;

	CHECK_EQ(charged_b, 10);
	CHECK(charged_a == 1000 || charged_a == 500 || charged_a == 0);
	CHECK_EQ(release_a(3000), rest);
	end_a(&a2, 3000);
}

TEST(contention_release_of_a_lock_whose_place_was_anothers_meanwhile)
{
	at_each_instruction(begin_a, release_first, b_comes_and_goes, after_a2);
}

/* ---- fork in a handler ---- */

static void fork_and_wait(void)
{
	contention_after_fork();
	(void)contention_begin(&b, at(lock_a), 1000);
	(void)contention_release(at(lock_a), 1010, &waiters);
	(void)contention_end(&b, 1020);
}

static void end_unasked(void)
{
	(void)contention_end(&a, 2100);
}

static void release_unasked(void)
{
	(void)contention_release(at(lock_a), 2000, &waiters);
}

static void after_fork(void)
{
	(void)contention_end(&a, 3000);
	(void)contention_end(&a2, 3000);
	(void)contention_end(&x, 3000);
}

TEST(contention_in_the_middle_of_which_a_handler_forks)
{
	at_each_instruction(NULL, begin_a, contention_after_fork, after_fork);
	at_each_instruction(begin_a, begin_a2, contention_after_fork, after_fork);
	at_each_instruction(begin_both, end_unasked, contention_after_fork, after_fork);
	at_each_instruction(begin_a, end_unasked, contention_after_fork, after_fork);
	at_each_instruction(begin_both, release_unasked, contention_after_fork, after_fork);
	at_each_instruction(begin_a, begin_a2, fork_and_wait, after_fork);
	at_each_instruction(begin_both, end_unasked, fork_and_wait, after_fork);
}

/* ---- a thread that never goes on ---- */

/* Stopped for ever before each instruction of stepped(); then others do all there is to do. */
static void stop_at_each_instruction(void (*before)(void), void (*stepped)(void))
{
	static sigjmp_buf out;

	prepare(before, stepped);
	for (volatile unsigned n = 0; n < run.steps; n++) {
		bool ended = false;

		start_again(before);
		run.leave = &out;
		if (sigsetjmp(out, 1) == 0)
			interrupt(n, stepped, nothing);
		run.leave = NULL;
		CHECK(run.done);
		/* All that is left of it is a waiter that began at 1000, or none; and none when it has been ended. */
		for (unsigned i = 0; i < 3; i++) {
			const uint64_t now = 2500 + i * 1000;
			int64_t delay;

			CHECK(contention_begin(&a2, at(lock_a), now));
			CHECK(contention_begin(&x, at(lock_x), now));
			CHECK(contention_maybe(at(lock_a)));
			if (i == 2 && a.lock) {
				contention_end(&a, now);
				ended = true;
			}
			delay = (int64_t)contention_release(at(lock_a), now + 100, &waiters) - 100;
			CHECK(waiters == 1 || (waiters == 2 && !ended));
			if (waiters == 1)
				CHECK_EQ(delay, 0);
			else if (i > 0)
				CHECK_EQ(delay, 1000);
			else
				CHECK(delay == 1600 || delay == 600);
			CHECK_EQ(contention_release(at(lock_x), now + 100, &waiters), 100);
			CHECK_EQ(contention_end(&a2, now + 110), 10);
			CHECK_EQ(contention_end(&x, now + 110), 10);
		}
		contention_after_fork();
		check_bucket_is_empty();
	}
}

TEST(contention_of_a_thread_that_is_stopped_for_ever)
{
	stop_at_each_instruction(NULL, begin_a);
	stop_at_each_instruction(begin_a, end_unasked);
	stop_at_each_instruction(begin_a, release_first);
}
