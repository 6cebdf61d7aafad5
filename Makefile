# SPDX-License-Identifier: MIT
# make            build/libcprof.so and build/cprof
# make demo       installs what is missing, builds, profiles redis-server and prints where its CPU goes
# make check      installs its own needs, then unit, behaviour, conformance and lint
# make compare    real programs profiled by us and by perf at once: shares and names (COMPARE_ROOT=dir: tests/compare/run)
# make lint | bench | soak | format | install PREFIX= DESTDIR= | clean
# B=dir           another build directory; CC=clang; SANITIZE=1 unit: the unit tests under ASan and UBSan
B      ?= build
CC     ?= gcc
PREFIX ?= /usr/local
PYTHON ?= python3

WARN   := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wno-unknown-warning-option
CPPFLAGS += -I. -I$(B)/gen -D_GNU_SOURCE
# -fno-omit-frame-pointer is not wanted: our own frames are never in a stack.
# -fno-stack-protector: the dump runs on a stack and, later, in a process of its own.
# -fno-builtin-malloc...: gcc would turn our own allocation wrappers into calls to themselves.
# -fno-exceptions without cleanup attributes: a host leaves our frames by cancellation and longjmp.
CFLAGS ?= -O2 -g
CFLAGS += -std=gnu11 $(WARN) -fPIC -fvisibility=hidden -ftls-model=initial-exec -fno-stack-protector \
	  -fno-exceptions -fno-builtin-malloc -fno-builtin-calloc -fno-builtin-realloc -fno-builtin-free
ifdef SANITIZE
CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS += -fsanitize=address,undefined
endif

CORE    := $(wildcard core/*.c)
UNWIND  := $(wildcard unwind/*.c)
CONFIG  := $(wildcard config/*.c)
OUTPUT  := $(wildcard output/*.c)
PRELOAD := $(wildcard preload/*.c)
CLI     := $(wildcard cli/*.c)
UNIT    := $(wildcard tests/unit/test_*.c)
VICTIMS := $(wildcard tests/programs/*.c) $(wildcard tests/programs/*.cc)

obj = $(patsubst %.c,$(B)/obj/%.o,$(1))
GEN := $(B)/gen/output/profile.pb-c.c
GEN_O := $(B)/obj/gen/profile.pb-c.o
BASE_O := $(call obj,$(CORE) $(UNWIND) $(CONFIG) $(OUTPUT)) $(GEN_O)

.PHONY: all demo check compare lint bench soak format format-check install clean unit programs oracle
all: $(B)/libcprof.so $(B)/cprof
.SECONDARY:

$(B)/gen/output/profile.pb-c.c $(B)/gen/output/profile.pb-c.h &: output/profile.proto
	@mkdir -p $(B)/gen
	protoc-c --c_out=$(B)/gen $<
# -DNDEBUG: the generated functions assert, and libc's __assert_fail aborts the host.
$(GEN_O): $(GEN)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -DNDEBUG -c -o $@ $<
$(B)/obj/%.o: %.c | $(B)/gen/output/profile.pb-c.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# The given libraries, inside the host: static, hidden, and cut off from the host's malloc and stdio.
# Every symbol that they import from libc and that is not a leaf function is bound to vendor_* (output/vendor.c).
AR_DIR := $(shell $(CC) -print-file-name=libz.a | xargs dirname)
VENDOR_BIND := malloc calloc realloc free __assert_fail __sprintf_chk __snprintf_chk sprintf snprintf
$(B)/vendor.o: Makefile
	@mkdir -p $(B)/vendor
	cd $(B)/vendor && ar x $(AR_DIR)/libiberty.a cp-demangle.o rust-demangle.o safe-ctype.o && \
	  ar x $(AR_DIR)/libz.a deflate.o trees.o adler32.o crc32.o zutil.o && ar x $(AR_DIR)/libprotobuf-c.a protobuf-c.o
	ld -r -o $@.raw $(B)/vendor/*.o
	objcopy $(foreach s,$(VENDOR_BIND),--redefine-sym $(s)=vendor_$(s)) $@.raw $@

# -z now: no lazy binding inside a handler.  -z nodelete: a dlclose of us would leave handlers behind.
# -Bsymbolic-functions: wrappers that call each other must not go through a host that overrides them too.
# The version script exports the interposed names only, without a version, so that they match any.
$(B)/libcprof.so: $(BASE_O) $(call obj,$(PRELOAD)) $(B)/vendor.o preload/exports.map
	$(CC) -shared -o $@ $(filter %.o,$^) $(LDFLAGS) -Wl,--version-script=preload/exports.map \
	  -Wl,-z,defs,-z,now,-z,relro,-z,nodelete,-Bsymbolic-functions -Wl,-soname,libcprof.so -Wl,--as-needed -static-libgcc

$(B)/cprof: $(call obj,$(CLI)) $(BASE_O) $(B)/vendor.o
	$(CC) -o $@ $^ $(LDFLAGS) -lz

UNIT_SUPPORT := tests/support/check.c tests/support/storebuild.c tests/support/rawprof_read.c tests/support/rawprof_check.c
CLI_TESTED := $(filter-out cli/main.c,$(CLI))
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(call obj,$(UNIT_SUPPORT) $(CLI_TESTED)) $(BASE_O) $(B)/vendor.o
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LDFLAGS) -lz -lm -lpthread
unit: $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT))

# The strict decoder of the conformance test.
$(B)/rawprof: $(call obj,tests/support/rawprof.c tests/support/rawprof_check.c tests/support/rawprof_read.c) $(GEN_O) $(B)/vendor.o $(BASE_O)
	$(CC) -o $@ $^ $(LDFLAGS) -lz

# Victims are built as a distribution builds: optimised, no frame pointers, with symbols.
$(B)/programs/%: tests/programs/%.c
	@mkdir -p $(@D)
	gcc -O2 -g -fno-omit-frame-pointer -fomit-frame-pointer -D_GNU_SOURCE -Wall -I. -o $@ $< -pthread -ldl
$(B)/programs/%: tests/programs/%.cc
	@mkdir -p $(@D)
	g++ -O2 -g -Wall -o $@ $< -pthread -ldl
$(B)/programs/so_%.so: tests/programs/so_%.cc
	@mkdir -p $(@D)
	g++ -O2 -g -Wall -shared -fPIC -o $@ $<
$(B)/programs/waits $(B)/programs/races $(B)/programs/leave: tests/programs/waiting.h
$(B)/programs/exits $(B)/programs/places $(B)/programs/tree $(B)/programs/subtle: tests/programs/work.h
PROGRAM_NAMES := $(basename $(notdir $(VICTIMS)))
programs: $(addprefix $(B)/programs/,$(filter-out so_%,$(PROGRAM_NAMES)) $(addsuffix .so,$(filter so_%,$(PROGRAM_NAMES))))

include tests/oracle/oracle.mk

# ---- what people type ----

# Build needs, then what the demo and the checks need beyond them.
NEED_BUILD := gcc make binutils libc6-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev libiberty-dev
NEED_DEMO  := redis-server redis-tools
NEED_CHECK := g++ clang clang-format golang-go libunwind-dev python3 sqlite3 nodejs gawk perl git file procps graphviz \
	      util-linux nginx-light apache2-utils postgresql memcached libmemcached-tools stress-ng
NEED_COMPARE := linux-perf python3 python3.11 nginx-light apache2-utils postgresql nodejs ripgrep ninja-build libc6-dbg

demo:
	@tests/support/need $(NEED_BUILD) $(NEED_DEMO)
	@$(MAKE) -s --no-print-directory all
	@B=$(B) tests/demo
check:
	@tests/support/need $(NEED_BUILD) $(NEED_DEMO) $(NEED_CHECK)
	@$(MAKE) -s -j2 --no-print-directory all unit programs oracle $(B)/rawprof
	@$(MAKE) -s -j2 --no-print-directory B=$(B)/clang CC=clang all unit
	@$(MAKE) -s -j2 --no-print-directory B=$(B)/asan SANITIZE=1 unit
	@B=$(B) tests/check
lint: $(B)/libcprof.so
	B=$(B) tests/check lint
compare: all
	@tests/support/need $(NEED_DEMO) $(NEED_COMPARE)
	@B=$(B) COMPARE_ROOT=$(COMPARE_ROOT) tests/compare/run
soak: all programs
	B=$(B) tests/soak
bench: all programs
	B=$(B) tests/bench/run
# What clang-format decides; the option table and store_format.h's tables are fenced off inside.
SOURCES := $(wildcard core/*.[ch] unwind/*.[ch] config/*.[ch] output/*.[ch] preload/*.[ch] cli/*.[ch] tests/*/*.[ch])
format:
	clang-format -i $(SOURCES)
format-check:
	clang-format --dry-run -Werror $(SOURCES)

install: all
	install -d $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/doc/cprof
	install -m 755 $(B)/libcprof.so $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/cprof $(DESTDIR)$(PREFIX)/bin/
	install -m 644 README.md LICENSE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/cprof/

clean:
	rm -rf $(B)
