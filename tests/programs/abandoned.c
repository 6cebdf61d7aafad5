/* SPDX-License-Identifier: MIT */
/*
 * RUN:    abandoned
 * EXPECT: two waits on a coroutine's stack, which lies above the thread's own, are left by siglongjmp: read(2), and getaddrinfo(3) in a
 * module for names.  The stack is unmapped each time, and the thread burns CPU and waits for something else.  "done" at the end.
 */
#include <netdb.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define BYTES (256u << 10)

static char *stack;
static int fds[2];
static sigjmp_buf env;
static ucontext_t back, coroutine;

static void jump(int signo)
{
	siglongjmp(env, signo);
}

static void reads(void)
{
	char c;

	if (read(fds[0], &c, 1) >= 0)
		puts("read came back");
}

static void asks(void)
{
	struct addrinfo *found;

	for (;;) /* 30 ms each */
		if (getaddrinfo("nobody.invalid", NULL, NULL, &found) == 0)
			freeaddrinfo(found);
}

static void burn(void)
{
	const clock_t end = clock() + CLOCKS_PER_SEC / 5;

	while (clock() < end)
		;
}

static void leave(void (*function)(void))
{
	struct itimerval in = {.it_value.tv_usec = 45000};

	if (!sigsetjmp(env, 1)) {
		getcontext(&coroutine);
		coroutine.uc_stack.ss_sp = stack;
		coroutine.uc_stack.ss_size = BYTES;
		coroutine.uc_link = &back;
		makecontext(&coroutine, function, 0);
		setitimer(ITIMER_REAL, &in, NULL);
		swapcontext(&back, &coroutine);
	}
	if (munmap(stack, BYTES))
		puts("munmap failed");
	burn();
	usleep(20000); /* a wait long enough to be recorded */
}

static void *run(void *unused)
{
	signal(SIGALRM, jump);
	leave(reads);
	stack = mmap(stack, BYTES, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (stack == MAP_FAILED)
		puts("mmap failed");
	leave(asks);
	return unused;
}

extern int __nss_configure_lookup(const char *database, const char *modules);

int main(void)
{
	sigset_t set;
	pthread_t thread;

	__nss_configure_lookup("hosts", "waited"); /* so_nss */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	stack = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (stack == MAP_FAILED || pipe(fds) || pthread_create(&thread, NULL, run, NULL))
		return 1;
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_join(thread, NULL);
	puts("done");
	return 0;
}
