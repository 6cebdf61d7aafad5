/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_vdso
 * EXPECT: 0.8 s of CPU in a loop of clock_gettime(CLOCK_MONOTONIC), most of it in the vdso where
 * there is one.
 */
#include <time.h>

int main(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC * 8 / 10;
	struct timespec ts;

	while (clock() < until)
		for (int i = 0; i < 100000; i++)
			clock_gettime(CLOCK_MONOTONIC, &ts);
	return 0;
}
