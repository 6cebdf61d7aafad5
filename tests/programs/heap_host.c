/* SPDX-License-Identifier: MIT */
/*
 * RUN:    heap_host [dump]
 * EXPECT: prints what a program can see of its allocator: where blocks lie (from the first one), what they hold, errno, the
 * flags of floating point, what calloc() commits, whether glibc believes in one thread; and allocates where there is
 * little stack: in a coroutine, on an alternate stack, in a thread of the smallest size.  The same with any library in front of
 * the allocator as without.  "dump": asks for a dump at the end.  Rows as those of allocs.c for what is allocated where there is little stack.
 */
#include <errno.h>
#include <fenv.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/single_threaded.h>
#include <ucontext.h>
#include <xmmintrin.h>

#define SMALL_STACK 8192
#define LARGE	    (64 << 20)

static void *volatile seen;
static char *first;

/* ---- where blocks lie ---- */

static void show(const char *what, void *p)
{
	if ((uintptr_t)p - (uintptr_t)first < 1 << 20)
		printf("%s at %ld, ", what, (long)((char *)p - first));
	else /* a mapping of its own */
		printf("%s in its page %ld, ", what, (long)((uintptr_t)p % 4096));
	printf("holds %zu, errno %d\n", malloc_usable_size(p), errno);
}

static void layout(void)
{
	void *p[40];

	errno = 0;
	first = malloc(1);
	for (int i = 0; i < 40; i++) {
		p[i] = i % 3 == 0   ? malloc((size_t)i * 37)
		       : i % 3 == 1 ? calloc((size_t)i, 11)
				    : memalign(16u << i % 5, (size_t)i * 13);
		show("block", p[i]);
	}
	for (int i = 0; i < 40; i += 2)
		free(p[i]);
	for (int i = 1; i < 40; i += 2) {
		p[i] = realloc(p[i], (size_t)i * 53 % 700 + 1);
		show("resized", p[i]);
	}
	for (int i = 0; i < 40; i += 2) {
		p[i] = malloc((size_t)i * 41 % 500);
		show("again", p[i]);
	}
	p[0] = realloc(p[0], 300000);
	show("large", p[0]);
	p[0] = realloc(p[0], 100);
	show("shrunk", p[0]);
	show("null", NULL);
}

/* ---- little stack ---- */

__attribute__((noinline)) static void on_coroutine(void)
{
	seen = malloc(LARGE);
	seen = malloc(300);
	seen = realloc(seen, 400);
	free(seen);
	seen = calloc(1, 500);
}

static ucontext_t here, there;

static void coroutine(void)
{
	on_coroutine();
	swapcontext(&there, &here);
}

/* With nothing below it. */
static void *small_stack(void)
{
	char *p = mmap(NULL, SMALL_STACK + 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	mprotect(p, 4096, PROT_NONE);
	return p + 4096;
}

static void run_coroutine(void)
{
	getcontext(&there);
	there.uc_stack.ss_sp = small_stack();
	there.uc_stack.ss_size = SMALL_STACK;
	makecontext(&there, coroutine, 0);
	swapcontext(&here, &there);
	puts("row on_coroutine 4 67110064 2 67109364");
}

__attribute__((noinline)) static void on_alternate_stack(int signo)
{
	seen = malloc(600);
	free(seen);
	seen = calloc(7, 100);
	(void)signo;
}

static void run_on_alternate_stack(void)
{
	const stack_t stack = {.ss_sp = small_stack(), .ss_size = SMALL_STACK};
	const struct sigaction action = {.sa_handler = on_alternate_stack, .sa_flags = SA_ONSTACK};

	sigaltstack(&stack, NULL);
	sigaction(SIGUSR1, &action, NULL);
	raise(SIGUSR1);
	puts("row on_alternate_stack 2 1300 1 700");
}

__attribute__((noinline)) static void on_thread(void)
{
	seen = malloc(800);
	free(seen);
	seen = calloc(9, 100);
}

static void *thread_main(void *unused)
{
	on_thread();
	return unused;
}

static void run_thread(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 16384);
	error = pthread_create(&thread, &attr, thread_main, NULL);
	if (error == 0)
		pthread_join(thread, NULL);
	printf("thread of 16 KiB: %d\n", error);
	if (error == 0)
		puts("row on_thread 2 1700 1 900");
}

/* ---- floating point, and memory that is not touched ---- */

static void allocate_all_sizes(void)
{
	for (unsigned round = 0; round < 20; round++)
		for (size_t size = 1; size < 1 << 22; size = size * 3 / 2 + round + 1) {
			seen = malloc(size);
			seen = realloc(seen, size + 7);
			free(seen);
		}
}

static void run_floating_point(void)
{
	unsigned before, after;
	unsigned short status;

	feclearexcept(FE_ALL_EXCEPT);
	before = _mm_getcsr();
	allocate_all_sizes();
	printf("floating point flags %x\n", fetestexcept(FE_ALL_EXCEPT));
	feenableexcept(FE_ALL_EXCEPT);
	allocate_all_sizes();
	fedisableexcept(FE_ALL_EXCEPT);
	after = _mm_getcsr();
	__asm__("fnstsw %0" : "=m"(status));
	printf("mxcsr %s, x87 status %x\n", before == after ? "as before" : "changed", status);
}

static long resident_pages(void)
{
	long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f && fscanf(f, "%ld %ld", &all, &resident) != 2)
		resident = 0;
	fclose(f);
	return resident;
}

static void run_huge_calloc(void)
{
	long before = resident_pages(), after;
	char *p = calloc(8, (size_t)1 << 30);

	after = resident_pages();
	printf("8 GiB of zeros: %s\n", !p		       ? "refused"
				       : after - before < 1024 ? "not there yet"
							       : "committed");
	free(p);
}

int main(int argc, char **argv)
{
	printf("one thread %d\n", __libc_single_threaded);
	layout();
	run_coroutine();
	run_on_alternate_stack();
	run_floating_point();
	run_huge_calloc();
	printf("one thread %d\n", __libc_single_threaded);
	run_thread();
	fflush(stdout);
	if (argc > 1 && strcmp(argv[1], "dump") == 0)
		raise(SIGUSR2);
	return 0;
}
