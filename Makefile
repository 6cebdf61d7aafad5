# SPDX-License-Identifier: MIT
# make            build/libcprof.so and build/cprof
# make demo       installs what is missing, builds, profiles redis-server and prints where its CPU goes
# make check      installs its own needs, then unit, behaviour, conformance and lint
# make bench BENCH="start handler dump calls locks heap memory content cost", or some of them; no BENCH: all (tests/bench/run)
# make fuzz       each reader of damaged or hostile bytes a million times (see tests/fuzz/fuzz.mk)
# make compare    real programs profiled by us and by perf at once: shares and names (COMPARE_ROOT=dir: tests/compare/run)
# make compare-heap   their heap by us and by heaptrack (tests/compare/heap)
# make compare-waits  what they wait for by us and by strace -c -w -f (tests/compare/waits.py)
# make lint | soak | format | options | install PREFIX= DESTDIR= | clean
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
# Casts of doubles and (gcc) arrays at the end of structures are not in "undefined".
SANITIZERS := -fsanitize=address,undefined,float-cast-overflow,float-divide-by-zero \
	      $(if $(findstring clang,$(CC)),,-fsanitize=bounds-strict)
CFLAGS += $(SANITIZERS) -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS += $(SANITIZERS)
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

.PHONY: all demo check compare compare-heap compare-waits lint bench soak format format-check options install clean unit programs oracle
all: $(B)/libcprof.so $(B)/cprof $(B)/cprof.ini.example
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
# What cprof flame puts into its pages, as numbers for an array.
$(B)/gen/cli/%.inc: cli/%
	@mkdir -p $(@D)
	od -An -v -tu1 $< | sed 's/  */ /g; s/^ //; s/ /,/g; s/$$/,/' > $@
$(B)/obj/cli/flame_page.o: $(B)/gen/cli/flame.js.inc $(B)/gen/cli/flame.css.inc
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# The given libraries, inside the host: static, hidden, and cut off from the host's malloc and stdio.
# Every symbol that they import from libc and that is not a leaf function is bound to vendor_* (output/vendor.c).
AR_DIR := $(shell $(CC) -print-file-name=libz.a | xargs dirname)
# What lzma_stream_decoder() reaches; no thread, and of libc malloc and the leaf functions only.
XZ_DECODER := common stream_decoder stream_flags_decoder stream_flags_common block_decoder block_header_decoder \
	      block_util filter_common filter_decoder filter_flags_decoder index_hash vli_decoder vli_size check \
	      crc32_fast crc32_table crc64_fast crc64_table sha256 lz_decoder lzma_decoder lzma2_decoder delta_common \
	      delta_decoder simple_coder simple_decoder x86 powerpc ia64 arm armthumb arm64 sparc
VENDOR_BIND := malloc calloc realloc free __assert_fail __sprintf_chk __snprintf_chk sprintf snprintf \
	       __ctype_b_loc fopen64 fgets fclose
$(B)/vendor.o: Makefile
	@mkdir -p $(B)/vendor
	cd $(B)/vendor && ar x $(AR_DIR)/libiberty.a cp-demangle.o rust-demangle.o safe-ctype.o && \
	  ar x $(AR_DIR)/libz.a deflate.o trees.o adler32.o crc32.o zutil.o && ar x $(AR_DIR)/libprotobuf-c.a protobuf-c.o && \
	  ar x $(AR_DIR)/libinih.a ini.c.o && \
	  ar x $(AR_DIR)/liblzma.a $(XZ_DECODER:%=liblzma_la-%.o)
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

# Every option, commented out, to begin with.
$(B)/cprof.ini.example: $(B)/cprof
	$< config --example > $@.new && mv $@.new $@

UNIT_SUPPORT := tests/support/check.c tests/support/sketch.c tests/support/storebuild.c tests/support/rawprof_read.c tests/support/rawprof_check.c
CLI_TESTED := $(filter-out cli/main.c,$(CLI))
# What of preload/ needs nothing else of it.
PRELOAD_TESTED := preload/boot.c
$(B)/unit/%: $(B)/obj/tests/unit/%.o $(call obj,$(UNIT_SUPPORT) $(CLI_TESTED) $(PRELOAD_TESTED)) $(BASE_O) $(B)/vendor.o
	@mkdir -p $(@D)
	$(CC) -o $@ $^ $(LDFLAGS) -lz -lm -lpthread
unit: $(patsubst tests/unit/%.c,$(B)/unit/%,$(UNIT))

# The strict decoder of the conformance test.
$(B)/rawprof: $(call obj,tests/support/rawprof.c tests/support/rawprof_check.c tests/support/rawprof_read.c) $(GEN_O) $(B)/vendor.o $(BASE_O)
	$(CC) -o $@ $^ $(LDFLAGS) -lz
# And what writes files of waits that are known to the nanosecond.
$(B)/contention: $(call obj,tests/conformance/contention.c tests/support/storebuild.c) $(BASE_O) $(B)/vendor.o
	$(CC) -o $@ $^ $(LDFLAGS) -lz

# Victims are built as a distribution builds: optimised, no frame pointers, with symbols.
$(B)/programs/%: tests/programs/%.c
	@mkdir -p $(@D)
	gcc -O2 -g -fno-omit-frame-pointer -fomit-frame-pointer -D_GNU_SOURCE -Wall -I. -o $@ $< -pthread -ldl $(EXTRA)
$(B)/programs/%: tests/programs/%.cc
	@mkdir -p $(@D)
	g++ -O2 -g -Wall -o $@ $< -pthread -ldl
$(B)/programs/heap_host: EXTRA = -lm
$(B)/programs/so_%.so: tests/programs/so_%.cc
	@mkdir -p $(@D)
	g++ -O2 -g -Wall -shared -fPIC -o $@ $<
$(B)/programs/so_%.so: tests/programs/so_%.c
	@mkdir -p $(@D)
	gcc -O2 -g -D_GNU_SOURCE -Wall -I. -shared -fPIC -fvisibility=hidden -o $@ $<
$(B)/programs/so_next.so: preload/next.c preload/next.h
$(B)/programs/waits $(B)/programs/races $(B)/programs/leave: tests/programs/waiting.h
$(B)/programs/exits $(B)/programs/places $(B)/programs/tree $(B)/programs/subtle $(B)/programs/kept: tests/programs/work.h
PROGRAM_NAMES := $(basename $(notdir $(VICTIMS)))
programs: $(addprefix $(B)/programs/,$(filter-out so_%,$(PROGRAM_NAMES)) $(addsuffix .so,$(filter so_%,$(PROGRAM_NAMES))))

$(B)/bench/%.so: tests/bench/%.c
	@mkdir -p $(@D)
	gcc -O2 -shared -fPIC -o $@ $<
# As the victims, but at fixed addresses: the profile of a peer has no names, and nm tells them.
$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	gcc -O2 -g -fomit-frame-pointer -no-pie -D_GNU_SOURCE -Wall -I. -o $@ $< -pthread
$(B)/bench/pairs $(B)/bench/calls: tests/bench/best.h
$(B)/bench/%_again.so: $(B)/bench/%.so
	cp $< $@
# Calls of malloc and free must stay what they are.
$(B)/bench/alloc: tests/bench/alloc.c
	@mkdir -p $(@D)
	gcc -O2 -g -fomit-frame-pointer -fno-builtin -no-pie -D_GNU_SOURCE -Wall -o $@ $< -pthread
$(B)/bench/forward.so: tests/bench/forward.c
	@mkdir -p $(@D)
	gcc -O2 -fno-builtin -D_GNU_SOURCE -Wall -shared -fPIC -Wl,-z,now -o $@ $<
BENCH_BUILT := $(addprefix $(B)/bench/,empty.so forward.so forward_again.so forward_lock.so forward_lock_again.so forward_call.so spawn calls pairs launch load pingpong rec alloc)

include tests/oracle/oracle.mk
include tests/fuzz/fuzz.mk

# ---- what people type ----

# Build needs, then what the demo and the checks need beyond them.
NEED_BUILD := gcc make binutils libc6-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev libiberty-dev libinih-dev liblzma-dev
NEED_DEMO  := redis-server redis-tools
NEED_CHECK := g++ valgrind clang libclang-rt-dev clang-format golang-go libunwind-dev python3 sqlite3 nodejs gawk perl git file procps graphviz \
	      util-linux nginx-light apache2-utils postgresql memcached libmemcached-tools stress-ng \
	      libxml2-utils mandoc xz-utils pkg-config libjemalloc2 libtcmalloc-minimal4 libmimalloc2.0

NEED_BENCH := redis-server redis-tools nginx-light memcached postgresql sqlite3 python3 libgoogle-perftools4 libjemalloc2 heaptrack linux-perf
NEED_COMPARE := linux-perf python3 python3.11 nginx-light apache2-utils postgresql nodejs ripgrep ninja-build libc6-dbg
NEED_COMPARE_HEAP := heaptrack python3 sqlite3 gcc postgresql

demo:
	@tests/support/need $(NEED_BUILD) $(NEED_DEMO)
	@$(MAKE) -s --no-print-directory all
	@B=$(B) tests/demo
check:
	@tests/support/need $(NEED_BUILD) $(NEED_DEMO) $(NEED_CHECK)
	@$(MAKE) -s -j2 --no-print-directory all unit programs oracle $(B)/rawprof $(B)/contention
	@B=$(B) tests/check # which makes the other builds
lint: $(B)/libcprof.so
	B=$(B) tests/check lint
compare: all
	@tests/support/need $(NEED_DEMO) $(NEED_COMPARE)
	@B=$(B) COMPARE_ROOT=$(COMPARE_ROOT) tests/compare/run
compare-heap: all
	@tests/support/need $(NEED_DEMO) $(NEED_COMPARE_HEAP)
	@B=$(B) tests/compare/heap
compare-waits: all
	@tests/support/need strace ripgrep nginx-light apache2-utils postgresql memcached libmemcached-tools util-linux
	@B=$(B) $(PYTHON) tests/compare/waits.py
soak: all programs oracle
	B=$(B) tests/soak
# What is missing is named and left out: without peers it still measures us.
bench:
	@tests/support/need $(NEED_BUILD) || true
	@tests/support/need $(NEED_BENCH) || true
	@$(MAKE) -s -j2 --no-print-directory all $(B)/programs/held $(BENCH_BUILT)
	@B=$(B) tests/bench/run
# What clang-format decides; the option table and store_format.h's tables are fenced off inside.
SOURCES := $(wildcard core/*.[ch] unwind/*.[ch] config/*.[ch] output/*.[ch] preload/*.[ch] cli/*.[ch] tests/*/*.[ch])
format:
	clang-format -i $(SOURCES)
format-check:
	clang-format --dry-run -Werror $(SOURCES)
# What is written from config/options.def; tests/behaviour/{cli,config}.sh hold them equal.
options: $(B)/cprof
	$< options --markdown > docs/options.md
	$< options --man > $(B)/options.man
	sed -i -e '/BEGIN OPTIONS/,/END OPTIONS/{/ OPTIONS$$/!d}' -e '/BEGIN OPTIONS/r $(B)/options.man' docs/man/cprof.ini.5

# What programs that start others need: pkg-config --variable=preload cprof.
$(B)/cprof.pc: Makefile output/version.h
	@mkdir -p $(@D)
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'bindir=$${prefix}/bin' 'preload=$${libdir}/libcprof.so' '' 'Name: cprof' \
	  'Description: sampling profiler for unmodified programs, by LD_PRELOAD' \
	  'Version: $(shell sed -n 's/.*CPROF_VERSION "\(.*\)"/\1/p' output/version.h)' > $@
.PHONY: $(B)/cprof.pc # PREFIX may be another one than last time

install: all $(B)/cprof.pc $(B)/cprof.ini.example
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig share/man/man1 share/man/man5 share/doc/cprof/examples \
	  share/bash-completion/completions share/zsh/site-functions)
	install -m 755 $(B)/libcprof.so $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(B)/cprof $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(B)/cprof.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/
	install -m 644 docs/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 docs/man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 README.md LICENSE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/cprof/
	install -m 644 docs/examples/* $(B)/cprof.ini.example $(DESTDIR)$(PREFIX)/share/doc/cprof/examples/
	install -m 644 cli/completion/cprof.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/cprof
	install -m 644 cli/completion/_cprof $(DESTDIR)$(PREFIX)/share/zsh/site-functions/

clean:
	rm -rf $(B)
