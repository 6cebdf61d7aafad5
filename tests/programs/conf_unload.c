/* SPDX-License-Identifier: MIT */
/*
 * RUN:    conf_unload LIBRARY
 * EXPECT: 0.4 s of CPU in plugin_work of LIBRARY, which is then closed; the program removes its own
 * file and burns 0.4 s in after_removal.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile unsigned long sink;

__attribute__((noinline, noclone)) static void after_removal(void)
{
	clock_t until = clock() + CLOCKS_PER_SEC * 4 / 10;

	while (clock() < until)
		for (unsigned i = 0; i < 100000; i++)
			sink += i;
}

int main(int argc, char **argv)
{
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	void (*work)(void) = library ? (void (*)(void))dlsym(library, "plugin_work") : NULL;

	if (!work) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	work();
	dlclose(library);
	if (unlink(argv[0]) < 0)
		return 1;
	after_removal();
	__asm__ volatile("");
	return 0;
}
