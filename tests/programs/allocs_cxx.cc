// SPDX-License-Identifier: MIT
// RUN:    allocs_cxx
// EXPECT: the operators of C++, each called TIMES times from a function that is called as what it does, and rows as those of
// allocs.c.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#define TIMES 5
#define CASE extern "C" __attribute__((noinline)) void

static long told[4];
static void *volatile seen;
static volatile std::size_t too_much = PTRDIFF_MAX, zero;

static void tell(long alloc_objects, long alloc_space, long inuse_objects, long inuse_space)
{
	told[0] = alloc_objects, told[1] = alloc_space, told[2] = inuse_objects, told[3] = inuse_space;
}

struct alignas(128) aligned {
	char bytes[256];
};
struct with_destructor {
	~with_destructor() { seen = this; }
	char bytes[24];
};

CASE new_kept() { seen = new char[1][40]; tell(1, 40, 1, 40); }
CASE new_plain_kept() { seen = new std::uint64_t[1]; seen = operator new(41); tell(2, 49, 2, 49); }
CASE new_deleted() { auto p = new long; seen = p; delete p; tell(1, 8, 0, 0); }
CASE new_array_deleted() { auto p = new char[42]; seen = p; delete[] p; tell(1, 42, 0, 0); }
CASE new_array_of_objects() { auto p = new with_destructor[10]; seen = p; delete[] p; tell(1, 248, 0, 0); }
// The library asks for one byte.
CASE new_of_zero() { seen = operator new(zero); tell(1, 1, 1, 1); }
CASE new_aligned_kept() { seen = new aligned; if ((std::uintptr_t)seen % 128) std::abort(); tell(1, 256, 1, 256); }
CASE new_aligned_deleted() { auto p = new aligned[2]; seen = p; delete[] p; tell(1, 512, 0, 0); }
CASE new_nothrow_kept() { seen = new (std::nothrow) char[43]; tell(1, 43, 1, 43); }
CASE new_nothrow_deleted() { void *p = operator new(44, std::nothrow); seen = p; operator delete(p, std::nothrow); tell(1, 44, 0, 0); }
// The exception that becomes a null pointer has memory of its own meanwhile.
CASE new_nothrow_refused() { seen = operator new(too_much, std::nothrow); if (seen) std::abort(); tell(-1, -1, 0, 0); }
CASE new_refused() { try { seen = operator new(too_much); } catch (std::bad_alloc &) { seen = nullptr; } tell(-1, -1, 0, 0); }
CASE sized_deleted() { void *p = operator new(45); seen = p; operator delete(p, std::size_t(45)); tell(1, 45, 0, 0); }
CASE vector_kept() { auto p = (std::vector<int> *)operator new(sizeof(std::vector<int>)); seen = new (p) std::vector<int>(1000); tell(2, 4024, 2, 4024); }
CASE string_dropped() { std::string s(200, 'x'); seen = &s[0]; tell(1, 201, 0, 0); }
CASE malloc_kept() { seen = std::malloc(46); tell(1, 46, 1, 46); }

#define ROW(name) {#name, name}
static const struct {
	const char *name;
	void (*run)();
} rows[] = {
	ROW(new_kept), ROW(new_plain_kept), ROW(new_deleted), ROW(new_array_deleted), ROW(new_array_of_objects), ROW(new_of_zero),
	ROW(new_aligned_kept), ROW(new_aligned_deleted), ROW(new_nothrow_kept), ROW(new_nothrow_deleted), ROW(new_nothrow_refused),
	ROW(new_refused), ROW(sized_deleted), ROW(vector_kept), ROW(string_dropped), ROW(malloc_kept),
};

int main()
{
	for (auto &r : rows) {
		for (int i = 0; i < TIMES; i++)
			r.run();
		std::printf("row %s", r.name);
		for (long v : told)
			v < 0 ? std::printf(" -") : std::printf(" %ld", v * TIMES);
		std::puts("");
	}
}
