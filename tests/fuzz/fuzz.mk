# SPDX-License-Identifier: MIT
# The fuzz harnesses: every tests/fuzz/fuzz_<name>.c, with inputs in tests/fuzz/corpus/<name>/.
#   make fuzz [FUZZ_RUNS=1000000] [FUZZ_SECONDS=1200] [FUZZ_ONLY=name]
# They have a build directory of their own, since every object is instrumented.
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SUPPORT := tests/fuzz/fuzz.c tests/support/rawprof_read.c tests/support/rawprof_check.c

# -O1: half the time to build.  --wrap: a harness decides what files and modules there are (tests/fuzz/fuzz.h).
ifdef FUZZING
FUZZ_SANITIZERS := address,undefined,float-cast-overflow,float-divide-by-zero
CFLAGS += -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZERS) -fno-sanitize-recover=all
# Loops over large tables, and what writes: to be told of each comparison takes most of the time.
$(call obj,$(filter-out core/text.c,$(CORE)) $(filter-out $(addprefix output/,elf.c symbols.c demangle.c),$(OUTPUT)) \
	tests/support/rawprof_check.c): \
	CFLAGS += -O2 -fno-sanitize=fuzzer-no-link -fsanitize-coverage=inline-8bit-counters,pc-table
$(B)/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(call obj,$(FUZZ_SUPPORT) $(CLI_TESTED)) $(BASE_O) $(B)/vendor.o
	$(CC) -o $@ $^ -fsanitize=fuzzer,$(FUZZ_SANITIZERS) -Wl,--wrap=sys_openat,--wrap=_dl_find_object -lz -lm -lpthread
fuzzers: $(addprefix $(B)/,$(FUZZERS))
else
fuzzers:
	@$(MAKE) -s --no-print-directory B=$(B)/fuzz CC=clang FUZZING=1 fuzzers
endif

.PHONY: fuzzers fuzz
fuzz:
	@tests/support/need $(NEED_BUILD) clang libclang-rt-dev
	@$(MAKE) -s -j2 --no-print-directory fuzzers
	@B=$(B) tests/fuzz/run long
