/* SPDX-License-Identifier: MIT */
/*
 * RUN:    throw_host SO_THROW
 * EXPECT: a C program dlopens a C++ library that throws and catches; prints 18 and exits 0.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;
	int (*throw_and_catch)(int) =
		library ? (int (*)(int))dlsym(library, "throw_and_catch") : NULL;

	if (!throw_and_catch) {
		fprintf(stderr, "throw_host: %s\n", dlerror());
		return 2;
	}
	printf("%d\n", throw_and_catch(5));
	return dlclose(library);
}
