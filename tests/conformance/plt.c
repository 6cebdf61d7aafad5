/* SPDX-License-Identifier: MIT */
/* A program that does nothing but call a function of a library that does nothing, so that many samples
 * fall into the stub between them; both compiled by run.sh. */
#include <time.h>

void tiny(void);

#ifdef LIBRARY
void tiny(void)
{
}
#else
/* With ADDRESS the function's address is taken too: its stub is in .plt.got then. */
#ifdef ADDRESS
void (*volatile address)(void) = tiny;
#endif

int main(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC * 4 / 10;

#ifdef ADDRESS
	void (*volatile local)(void) = tiny;
	local();
#endif
	while (clock() < until)
		for (int i = 0; i < 100000; i++)
			tiny();
	return 0;
}
#endif
