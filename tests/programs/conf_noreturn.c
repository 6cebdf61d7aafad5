/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_noreturn
 * EXPECT: 0.6 s of CPU under ends_with_a_call, whose last instruction is a call that never returns,
 * so that the return address belongs to the next function, must_not_appear.  Exits with 0.
 */
#include <stdlib.h>
#include <time.h>

static volatile unsigned long sink;

__attribute__((noinline, noclone, noreturn)) void burn_and_exit(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC * 6 / 10;

	while (clock() < until)
		for (unsigned i = 0; i < 100000; i++)
			sink += i;
	exit(0);
}

void ends_with_a_call(void);
/* Written out, so that nothing is between the call and the next symbol. */
__asm__(".text\n"
	".globl ends_with_a_call\n"
	".type ends_with_a_call, @function\n"
	"ends_with_a_call:\n"
	"	.cfi_startproc\n"
	"	subq $8, %rsp\n"
	"	.cfi_adjust_cfa_offset 8\n"
	"	call burn_and_exit\n"
	"	.cfi_endproc\n"
	".size ends_with_a_call, . - ends_with_a_call\n"
	".globl must_not_appear\n"
	".type must_not_appear, @function\n"
	"must_not_appear:\n"
	"	.cfi_startproc\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size must_not_appear, . - must_not_appear\n");

int main(void)
{
	ends_with_a_call();
	return 1;
}
