/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_trampoline
 * EXPECT: 0.4 s of CPU in burn(), called by evaluate() through code made in memory, once of either kind
 * that CPython's -X perf makes: "py::padded" (3.12: sub $8, %rsp; call *%rcx; add $8, %rsp; ret) and
 * "py::framed" (later: with a frame pointer).  They are named in /tmp/perf-PID.map, which stays; the
 * stack is burn;evaluate;py::framed;evaluate;py::padded;evaluate;main.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef long (*evaluator)(long depth, long ts, long flag);
typedef long (*trampoline)(long depth, long ts, long flag, evaluator call);

static const unsigned char padded[] = {0x48, 0x83, 0xec, 8, 0xff, 0xd1, 0x48, 0x83, 0xc4, 8, 0xc3};
static const unsigned char framed[] = {0x55, 0x48, 0x89, 0xe5, 0xff, 0xd1, 0x5d, 0xc3};
static trampoline through[2];
static volatile unsigned long sink;

__attribute__((noinline)) static long burn(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC * 4 / 10;

	while (clock() < until)
		for (unsigned i = 0; i < 100000; i++)
			sink += i;
	return 1;
}

/* rbp holds an address of this stack that is no frame: who takes it for one goes astray. */
__attribute__((noinline)) static long evaluate(long depth, long ts, long flag)
{
	long fake[4] = {(long)&fake[2], (long)evaluate, ts, flag};
	long result;

	__asm__ volatile("" : : "r"(fake) : "memory");
	if (depth == 2)
		return burn() + fake[2];
	__asm__ volatile("push %%rbp\n\t.cfi_adjust_cfa_offset 8\n\t.cfi_rel_offset %%rbp, 0\n\t"
			 "mov %[fake], %%rbp\n\tcall *%[next]\n\t"
			 "pop %%rbp\n\t.cfi_adjust_cfa_offset -8\n\t.cfi_restore %%rbp"
			 : "=a"(result)
			 : [fake] "r"(fake), [next] "r"(through[depth]), "D"(depth + 1), "S"(ts),
			   "d"(flag), "c"(evaluate)
			 : "memory", "r8", "r9", "r10", "r11");
	return result + fake[3];
}

int main(void)
{
	unsigned char *code =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[64];

	memcpy(code, padded, sizeof padded);
	memcpy(code + 64, framed, sizeof framed);
	mprotect(code, 4096, PROT_READ | PROT_EXEC);
	through[0] = (trampoline)(void *)code;
	through[1] = (trampoline)(void *)(code + 64);
	snprintf(path, sizeof path, "/tmp/perf-%d.map", (int)getpid());
	FILE *map = fopen(path, "w");
	if (!map)
		return 1;
	fprintf(map, "%lx %x py::padded:/app.py\n%lx %x py::framed:/app.py\n", (long)code, 64u,
		(long)code + 64, 64u);
	fclose(map);
	printf("pid %d\n", (int)getpid());
	return evaluate(0, 1, 2) == 0;
}
