/* SPDX-License-Identifier: MIT */
/*
 * RUN:    heap_interrupted fork|malloc|jump|count [STRIDE]
 * EXPECT: a handler runs after every STRIDE-th instruction of libcprof.so (by single steps) in calls of malloc and its family, and
 * there
 *   fork    forks; the child goes on where its parent was, allocates, and ends well;
 *   malloc  allocates ten bytes and frees them;
 *   jump    leaves by siglongjmp, and the call is made again;
 *   count   takes and frees 3000 bytes, of a realloc of 3000 bytes.
 * Rows as those of allocs.c; for "fork" and "jump" of what came in between or afterwards only.  Exits 1 when a child did not end well.
 */
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define TRAP_FLAG 0x100

static const char *how;
static uint64_t text_from, text_to;
static unsigned long stride = 1, seen, actions, bad, jump_at;
static int stepping, is_child;
static sigjmp_buf back;
static void *volatile block;

static int find_library(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size, (void)unused;
	if (!strstr(info->dlpi_name, "libcprof.so"))
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
			text_from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
			text_to = text_from + info->dlpi_phdr[i].p_memsz;
		}
	return 1;
}

static void end(int code)
{
	syscall(SYS_exit_group, code);
}

__attribute__((noinline)) static void on_top(size_t n)
{
	void *volatile p = malloc(n);

	free(p);
}

static void fork_here(ucontext_t *uc)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		is_child = 1;
		stepping = 0;
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
		signal(SIGALRM, SIG_DFL);
		alarm(20);
		return;
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		bad++;
		fprintf(stderr, "a child ends with status %x\n", pid < 0 ? -1 : status);
	}
}

static void on_step(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uint64_t pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP];

	(void)signo, (void)info;
	if (!stepping || pc < text_from || pc >= text_to || seen++ % stride)
		return;
	actions++;
	if (how[0] == 'f')
		fork_here(uc);
	else if (how[0] == 'j' && actions > jump_at) {
		stepping = 0;
		siglongjmp(back, 1);
	} else if (how[0] == 'm')
		on_top(10);
	else if (how[0] == 'c')
		on_top(3000);
}

static void on_switch(int signo, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;

	(void)signo, (void)info;
	stepping = !stepping && !is_child;
	if (stepping)
		uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
	else
		uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

__attribute__((noinline)) static void between(void)
{
	block = malloc(100);
	block = realloc(block, 200);
	free(block);
	block = malloc(300);
	free(block);
	block = malloc(400);
}

__attribute__((noinline)) static void afterwards(void)
{
	for (int i = 0; i < 10; i++)
		block = malloc(1000);
	free(block);
}

__attribute__((noinline)) static void counted(void)
{
	block = realloc(block, 3000);
}

__attribute__((noinline)) static void is_seen(void)
{
	for (int i = 0; i < 2000; i++) {
		block = malloc(64 << 10);
		free(block);
	}
}

static void run_count(void)
{
	block = malloc(3000);
	for (int i = 0; i < 400; i++) {
		raise(SIGUSR1);
		counted();
		raise(SIGUSR1);
	}
	is_seen();
}

static void run_jumps(void)
{
	between(); /* the store is made: with all signals blocked there are no steps */
	/* The next one until all calls come to their end. */
	do {
		actions = seen = 0;
		stepping = 0;
		if (sigsetjmp(back, 1) == 0) {
			raise(SIGUSR1);
			between();
			raise(SIGUSR1);
			break;
		}
	} while (++jump_at);
	afterwards();
	puts("row afterwards 10 10000 9 9000");
}

int main(int argc, char **argv)
{
	struct sigaction step = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO};
	struct sigaction change = {.sa_sigaction = on_switch, .sa_flags = SA_SIGINFO};

	if (argc < 2)
		return 2;
	how = argv[1];
	stride = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	dl_iterate_phdr(find_library, NULL);
	sigaction(SIGTRAP, &step, NULL);
	sigaction(SIGUSR1, &change, NULL);
	setvbuf(stdout, NULL, _IONBF, 0);
	if (how[0] == 'c') {
		run_count();
	} else if (how[0] == 'j') {
		run_jumps();
		printf("jumps %lu\n", jump_at);
	} else {
		afterwards(); /* the store is there, and some rules */
		raise(SIGUSR1);
		between();
		raise(SIGUSR1);
		if (is_child) {
			afterwards();
			end(0);
		}
		unsigned long n = how[0] == 'm' ? actions : 0;

		/* What is allocated on top of a function is its as well. */
		printf("row between %lu %lu 1 400\n", 4 + n, 1000 + 10 * n);
		printf("row on_top %lu %lu 0 0\n", n, 10 * n);
		puts("row afterwards 10 10000 9 9000");
	}
	printf("actions %lu\n", actions);
	return bad || (how[0] != 'j' && !actions);
}
