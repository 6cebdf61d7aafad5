/* SPDX-License-Identifier: MIT */
/* The library that conf_unload opens and closes; compiled by run.sh. */
#include <time.h>

void plugin_work(void);

static volatile unsigned long sink;

void plugin_work(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC * 4 / 10;

	while (clock() < until)
		for (unsigned i = 0; i < 100000; i++)
			sink += i;
}
