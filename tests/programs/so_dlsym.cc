// SPDX-License-Identifier: MIT
// RUN:    LD_PRELOAD="so_dlsym.so libcprof.so" any program
// EXPECT: a dlsym() that allocates, as those of other libraries do: at its first calls memory of every kind is taken, and looked at,
// resized and freed when the program ends.  Then "boot fine" on stderr, or what was wrong.
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <malloc.h>
#include <unistd.h>

static const char *wrong;
static void *block[3][8];
static int calls, sets;
static bool busy;

static void must(bool yes, const char *what)
{
	if (!yes && !wrong)
		wrong = what;
}

static bool is_zero(const char *p, size_t n)
{
	while (n && p[n - 1] == 0)
		n--;
	return n == 0;
}

static void take(void **b)
{
	const char text[] = "what was here before";

	b[0] = malloc(50);
	b[1] = calloc(10, 10);
	b[2] = realloc(nullptr, 60);
	b[3] = aligned_alloc(64, 128);
	b[4] = memalign(256, 70);
	b[5] = valloc(80);
	b[6] = reallocarray(nullptr, 9, 10);
	must(posix_memalign(&b[7], 128, 100) == 0, "posix_memalign");
	for (int i = 0; i < 8; i++)
		must(b[i], "a block");
	if (wrong)
		return;
	must(is_zero((char *)b[1], 100), "calloc is zero");
	must((uintptr_t)b[3] % 64 == 0 && (uintptr_t)b[4] % 256 == 0 && (uintptr_t)b[5] % 4096 == 0 &&
		     (uintptr_t)b[7] % 128 == 0, "alignment");
	free(malloc(5));
	free(nullptr);
	strcpy((char *)b[0], text);
	b[0] = realloc(b[0], 500);
	must(b[0] && strcmp((char *)b[0], text) == 0, "realloc keeps");
	void *volatile none;
	volatile size_t too_much = SIZE_MAX / 2;
	errno = 0;
	must(!(none = calloc(too_much, 4)) && errno == ENOMEM, "calloc says ENOMEM");
	errno = 0;
	must(!(none = malloc(too_much)) && errno == ENOMEM, "malloc says ENOMEM");
	errno = 0;
	must(!(none = reallocarray(nullptr, too_much, 4)) && errno == ENOMEM, "reallocarray says ENOMEM");
	memset(b[4], 0x11, 70);
	memset(b[6], 0x22, 90);
}

extern "C" __attribute__((visibility("default"))) void *dlsym(void *handle, const char *name) noexcept
{
	// noexcept, so that its call is a jump: it sees by its return address who asks for the next one.
	static auto real = (void *(*)(void *, const char *) noexcept)dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.34");

	// The first calls are for malloc and its family; later the real one is known.
	if (!busy && (calls++ < 2 || strcmp(name, "pvalloc") == 0) && sets < 3) {
		busy = true;
		take(block[sets++]);
		busy = false;
	}
	return real(handle, name);
}

__attribute__((destructor)) static void give_back()
{
	must(sets == 3, "three times");
	for (int n = 0; n < sets && !wrong; n++) {
		void **b = block[n];

		// glibc is told the truth of blocks that are not its own.
		must(malloc_usable_size(b[1]) >= 100 && malloc_usable_size(b[7]) >= 100, "usable size");
		b[0] = realloc(b[0], 90000);
		must(strcmp((char *)b[0], "what was here before") == 0, "what was in the block");
		b[6] = reallocarray(b[6], 2, 20);
		for (int i = 0; i < 40; i++)
			must(((char *)b[6])[i] == 0x22, "what was in the array");
		for (int i = 0; i < 8; i++)
			free(b[i]);
	}
	dprintf(2, "boot %s\n", wrong ? wrong : "fine");
}
