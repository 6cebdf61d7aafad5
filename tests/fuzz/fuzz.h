/* SPDX-License-Identifier: MIT */
/*
 * tests/fuzz/fuzz: what the fuzz harnesses share.
 *
 * A harness is a file fuzz_<name>.c with LLVMFuzzerTestOneInput(); its inputs are in corpus/<name>/,
 * words that help the mutator in <name>.dict, flags of libFuzzer in <name>.options.  It is built with
 * all of core, unwind, config, output and cli under AddressSanitizer and UBSan (see fuzz.mk).
 */
#ifndef CPROF_TESTS_FUZZ_H
#define CPROF_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* libFuzzer's interface, which has no header. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* What must hold for every input: a violation is a finding. */
#define CLAIM(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fuzz_fail(__FILE__, __LINE__, #condition);                                 \
	} while (0)
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

/* Take the place of sys_openat() and of glibc's _dl_find_object(); NULL: the real one. */
struct dl_find_object;
extern int (*fuzz_openat)(int dir, const char *path, int flags, mode_t mode);
extern int (*fuzz_find_object)(void *address, struct dl_find_object *ret_object);
int __real_sys_openat(int dir, const char *path, int flags, mode_t mode);
int __wrap_sys_openat(int dir, const char *path, int flags, mode_t mode);
int __real__dl_find_object(void *address, struct dl_find_object *ret_object);
int __wrap__dl_find_object(void *address, struct dl_find_object *ret_object);

/* The next number of an input, 0 behind its end. */
struct fuzz_input {
	const uint8_t *at;
	size_t left;
};
uint64_t fuzz_take(struct fuzz_input *in, unsigned bytes);

#endif
