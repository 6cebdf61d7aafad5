/* SPDX-License-Identifier: MIT */
/*
 * core/store_format: the bytes of a store, shared by its writer (core/store) and its readers
 * (core/store_view).  docs/store-format.md is the prose of this page; change both and the version.
 *
 * A store is one file, mapped shared.  It holds offsets (from its first byte) and ids, never
 * pointers. Insert-only: a record is filled, then published by one release store of its offset or
 * state, and never changes after that, except for its counters (relaxed atomic adds).  A reader
 * loads the publishing word with acquire and needs no lock.  Anything a reader finds must be
 * bounds-checked: the writer may have been killed at any instruction, and the file may be damaged.
 */
#ifndef CPROF_CORE_STORE_FORMAT_H
#define CPROF_CORE_STORE_FORMAT_H

#include <stdatomic.h>
#include <stdint.h>

#define STORE_MAGIC   "CPROFST"
#define STORE_VERSION 4u

#define STORE_MODULES_MAX 4096u	 /* module ids are 1..4095 */
#define STORE_INDEX_SLOTS 32768u /* of each of the two hash tables; at most half are used */
#define STORE_DEPTH_MAX	  512u	 /* frames in one stack, the synthetic ones included */
#define STORE_VALUES_MAX  4u

/* A frame: module id in the upper 16 bits, address in the lower 48.  Addresses are already those
 * that pprof wants: an interrupted pc is exact, a return address has 1 subtracted. */
#define FRAME_ADDRESS_BITS 48
#define FRAME_MODULE(f)	   ((unsigned)((f) >> FRAME_ADDRESS_BITS))
#define FRAME_ADDRESS(f)   ((f) & ((UINT64_C(1) << FRAME_ADDRESS_BITS) - 1))
#define FRAME(module, address)                                                                     \
	(((uint64_t)(module) << FRAME_ADDRESS_BITS) |                                              \
	 ((uint64_t)(address) & ((UINT64_C(1) << FRAME_ADDRESS_BITS) - 1)))
#define FRAME_SYNTHETIC 0u	/* module id: the address is an enum synthetic */
#define FRAME_NO_MODULE 0xffffu /* module id: code in no known module (JIT, anonymous) */

/* Frames that are words and not code.  Append only: the numbers are in files. */
#define STORE_SYNTHETIC(X)                                                                         \
	X(SYNTH_UNSAMPLED, "[cpu not sampled]")                                                    \
	X(SYNTH_STORE_FULL, "[cprof: store full]")                                                 \
	X(SYNTH_SELF, "[cprof: busy]")                                                             \
	X(SYNTH_TRUNC_DEPTH, "[truncated: too deep]")                                              \
	X(SYNTH_TRUNC_NO_MODULE, "[truncated: no module]")                                         \
	X(SYNTH_TRUNC_NO_RULE, "[truncated: no unwind rule]")                                      \
	X(SYNTH_TRUNC_UNSUPPORTED, "[truncated: unwind rule not supported]")                       \
	X(SYNTH_TRUNC_BOUNDS, "[truncated: outside the stack]")                                    \
	X(SYNTH_TRUNC_BAD_PC, "[truncated: bad return address]")                                   \
	X(SYNTH_TRUNC_BUSY, "[truncated: library being closed]")
enum synthetic {
	SYNTH_NONE,
#define X(id, text) id,
	STORE_SYNTHETIC(X)
#undef X
		SYNTH_COUNT
};

/* Kinds of row, and of file.  Append only.  Values of a row:
 * KIND_CPU: [0] samples, [1] nanoseconds of CPU, [2] those of them in which a wait was under way that has its own row.
 * KIND_HEAP: what sampled allocations stand for: [0] objects allocated, in 1/65536, [1] bytes allocated,
 * [2] [3] the same of those that were freed.  Each pair is added in one go, an allocation before it is freed.
 * KIND_ALLOCS has no rows: it is a second file of the same.
 * KIND_BLOCK, KIND_IDLE (waits of an idle class, no file of its own) and KIND_MUTEX: what recorded waits stand for: [0]
 * contentions, in 1/65536, [1] nanoseconds of delay.
 * KIND_WALL has no rows: it is made of those of CPU, BLOCK and IDLE. */
enum store_kind {
	KIND_NONE,
	KIND_CPU,
	KIND_HEAP,
	KIND_ALLOCS,
	KIND_BLOCK,
	KIND_IDLE,
	KIND_MUTEX,
	KIND_WALL,
	KIND_COUNT
};
enum { HEAP_ALLOC_OBJECTS, HEAP_ALLOC_SPACE, HEAP_FREE_OBJECTS, HEAP_FREE_SPACE };
static inline unsigned store_kind_values(enum store_kind kind)
{
	switch (kind) {
	case KIND_CPU:
		return 3;
	case KIND_HEAP:
		return 4;
	case KIND_BLOCK:
	case KIND_IDLE:
	case KIND_MUTEX:
		return 2;
	default:
		return 0;
	}
}

/* What a wait waits for: the label of rows of KIND_BLOCK, KIND_IDLE and KIND_MUTEX, 0 for none, and what a reader shows of
 * it.  Append only.  docs/contention.md says which calls they are. */
#define STORE_WAIT_CLASSES(X)                                                                      \
	X(WAIT_MUTEX, "mutex", KIND_BLOCK)                                                         \
	X(WAIT_RWLOCK, "rwlock", KIND_BLOCK)                                                       \
	X(WAIT_SPIN, "spin", KIND_BLOCK)                                                           \
	X(WAIT_SEMAPHORE, "semaphore", KIND_BLOCK)                                                 \
	X(WAIT_COND, "cond", KIND_BLOCK)                                                           \
	X(WAIT_BARRIER, "barrier", KIND_BLOCK)                                                     \
	X(WAIT_JOIN, "join", KIND_BLOCK)                                                           \
	X(WAIT_FUTEX, "futex", KIND_BLOCK)                                                         \
	X(WAIT_IO, "io", KIND_BLOCK)                                                               \
	X(WAIT_SYNC, "sync", KIND_BLOCK)                                                           \
	X(WAIT_NETWORK, "network", KIND_BLOCK)                                                     \
	X(WAIT_OPEN, "open", KIND_BLOCK)                                                           \
	X(WAIT_FLOCK, "flock", KIND_BLOCK)                                                         \
	X(WAIT_IPC, "ipc", KIND_BLOCK)                                                             \
	X(WAIT_RANDOM, "random", KIND_BLOCK)                                                       \
	X(WAIT_POLL, "poll", KIND_IDLE)                                                            \
	X(WAIT_ACCEPT, "accept", KIND_IDLE)                                                        \
	X(WAIT_SLEEP, "sleep", KIND_IDLE)                                                          \
	X(WAIT_SIGNAL, "signal", KIND_IDLE)                                                        \
	X(WAIT_CHILD, "child", KIND_IDLE)                                                          \
	X(WAIT_EVENTS, "events", KIND_IDLE)
enum wait_class {
	WAIT_NO_CLASS,
#define X(id, name, kind) id,
	STORE_WAIT_CLASSES(X)
#undef X
		WAIT_CLASS_COUNT
};

/* What was lost or bent, each visible in the comments of every file.  Append only. */
#define STORE_LOSSES(X)                                                                            \
	X(LOST_SELF_TICKS, "ticks inside cprof itself (in row [cprof: busy])")                     \
	X(LOST_STORE_FULL, "samples whose stack did not fit (in row [cprof: store full])")         \
	X(LOST_MODULES_FULL, "frames whose module did not fit")                                    \
	X(LOST_TIMERS, "threads without a CPU timer of their own")                                 \
	X(LOST_THREADS, "threads unknown to cprof")                                                \
	X(LOST_NO_MEMORY,                                                                          \
	  "samples dropped for want of a store or a buffer (their CPU is in [cpu not sampled])")   \
	X(LOST_TRUNCATED, "stacks that do not reach their root")                                   \
	X(LOST_GUESSED, "stacks with a step by frame pointer")                                     \
	X(LOST_DUMPS, "dumps that could not be written")                                           \
	X(LOST_FOREIGN_SIGNALS, "profiling signals that were not ours")                            \
	X(LOST_HANDLERS, "dumps that found a signal handler of ours replaced")                     \
	X(LOST_ALLOCATIONS, "sampled allocations dropped for want of a store")                     \
	X(LOST_LIVE, "sampled allocations not followed for want of memory (not in inuse_*)")       \
	X(LOST_WAITS, "sampled waits dropped for want of a store")                                 \
	X(LOST_WAITERS, "waits for a lock whose holder could not be charged")
enum store_loss {
#define X(id, text) id,
	STORE_LOSSES(X)
#undef X
		LOST_COUNT
};

/* Cost of the handler: bucket b counts samples of [2^(b/4) * (1 + b%4/4), next) ns, see
 * store_cost_bucket(). */
#define STORE_COST_BUCKETS 96u
static inline unsigned store_cost_bucket(uint64_t ns)
{
	if (ns < 4)
		return 0;
	unsigned log2 = 63 - (unsigned)__builtin_clzll(ns);
	unsigned b = log2 * 4 + (unsigned)(ns >> (log2 - 2) & 3);
	return b < STORE_COST_BUCKETS ? b : STORE_COST_BUCKETS - 1;
}

/* What dumps have done, for whoever waits for one.  Written by one dumper at a time, between two
 * increments of sequence: a reader that finds it odd, or another one afterwards, reads again. */
struct store_dump {
	_Atomic uint32_t sequence;
	uint32_t answered; /* dump_requests when the last dump began */
	int32_t result;	   /* of the last dump: 0 or -errno */
	uint32_t kinds;	   /* of the last complete dump: bit k is a file of enum store_kind k */
	uint64_t ended_realtime_ns; /* of the last dump; 0: there was none */

	/* Of the last complete dump; 0 and "": there was none. */
	uint64_t complete_realtime_ns;
	uint64_t number; /* its files are dir/<program>.<pid>.<kind>.<number>.pb.gz */
	uint64_t bytes;	 /* of all its files */
	char dir[512];
	char problem[384]; /* of the last dump, one line; "" when its result is 0 */
};

struct store_header {
	char magic[8]; /* STORE_MAGIC and a NUL, written last (release) */
	uint32_t version;
	uint32_t header_bytes; /* sizeof(struct store_header) */
	uint64_t total_bytes;  /* of the mapping */

	/* The process; constant. */
	uint32_t pid;
	uint32_t uid;
	uint64_t start_ticks; /* field 22 of /proc/PID/stat: pid and this name a process for ever */
	uint64_t created_realtime_ns;
	uint64_t created_monotonic_ns;
	uint64_t boot_id[2]; /* of /proc/sys/kernel/random/boot_id; 0 when unknown */
	uint64_t pid_ns;     /* inode of /proc/self/ns/pid; 0 when unknown */
	char program[64];    /* argv[0]'s last component, made safe for a file name */
	char exe[512];	     /* readlink of /proc/self/exe */
	char cwd[256];	     /* at start; relative module paths refer to it */
	char dir[256];	     /* output directory as configured; "" when it is the default one */
	uint32_t cmdline_bytes;
	char cmdline[1020]; /* argv separated by NULs, cut at the end when longer */

	/* Settings in force; constant. */
	uint32_t cpu_hz;
	uint32_t cpu_fallback; /* 1: ITIMER_PROF because per-thread timers were refused */
	uint64_t cpu_period_ns;
	uint64_t kind_period[16]; /* by enum store_kind, in the kind's unit; 0: not recorded */
	uint32_t block_idle;	  /* 1: the file of KIND_BLOCK has the rows of KIND_IDLE too */
	uint32_t spare_settings;

	/* Sections: offset of the first byte, number of entries. */
	uint64_t modules_offset; /* struct store_module[STORE_MODULES_MAX] */
	uint64_t stacks_offset;	 /* _Atomic uint64_t[STORE_INDEX_SLOTS] */
	uint64_t rows_offset;	 /* _Atomic uint64_t[STORE_INDEX_SLOTS] */
	uint64_t arena_offset;	 /* records; to total_bytes */

	/* Written while recording. */
	_Atomic uint64_t arena_used;  /* bytes given out, from arena_offset */
	_Atomic uint32_t stack_count; /* slots in use */
	_Atomic uint32_t row_count;
	_Atomic uint32_t module_count;
	_Atomic uint32_t thread_count; /* threads that have begun, the first one included */
	_Atomic uint64_t lost[32];     /* by enum store_loss */
	_Atomic uint64_t cost_buckets[STORE_COST_BUCKETS];
	_Atomic uint64_t cost_total_ns;
	_Atomic uint64_t
		last_monotonic_ns; /* of the newest sample: a killed process says no goodbye */

	/* Written by the dump, after the files of a window are complete. */
	_Atomic uint64_t window_realtime_ns; /* start of the window that the next dump covers */
	_Atomic uint64_t window_monotonic_ns;
	_Atomic uint32_t dumps; /* complete dumps; the next file number is this + 1 */
	_Atomic uint32_t
		finished; /* 1: all of it is in files and the image has ended or called exec */

	/* Requests.  A signal that comes when exec has begun would hit the next image, which has no
	 * handler yet: it must be sent while exec is held.  Who sends first writes hold_until_ns,
	 * then reads leaving; who execs first raises leaving, then waits for hold_until_ns. */
	_Atomic uint32_t dump_requests; /* heard, by whatever signal */
	_Atomic uint32_t leaving;	/* not 0: threads are inside exec */

	/* Constant; here, so that what a handler writes shares a page with the rest. */
	char library[32];    /* version of libcprof.so */
	char settings[1024]; /* "section.key=value\n" of options that are not at their default */

	struct store_dump dump;
	_Atomic uint64_t hold_until_ns; /* CLOCK_MONOTONIC; the one word that others may write */
	uint64_t spare[31];
};

_Static_assert(KIND_COUNT <= 16, "kind_period has a word for each kind");

/* A loaded executable segment.  Published by state. */
enum { MODULE_EMPTY, MODULE_FILLING, MODULE_READY };
struct store_module {
	_Atomic uint32_t state; /* release MODULE_READY pairs with the reader's acquire */
	uint32_t path_offset;	/* NUL-terminated in the arena; 0: none */
	uint64_t start;		/* page-aligned limits of the r-x segment, as in /proc/PID/maps */
	uint64_t limit;
	uint64_t file_offset; /* of start */
	uint64_t bias;	      /* run-time address - ELF virtual address */
	uint64_t loaded_monotonic_ns;
	_Atomic uint64_t unloaded_monotonic_ns; /* 0 while loaded */
	uint8_t build_id_bytes;			/* 0: none */
	uint8_t is_exe;
	uint8_t is_vdso;
	uint8_t spare[5];
	uint8_t build_id[32];
};

/* Index slots of both tables: 0 empty, else hash bits 63..32 in the upper half and the record's
 * offset from arena_offset, divided by 8, plus 1, in the lower.  Published by release CAS. */
#define STORE_SLOT(hash, arena_at)                                                                 \
	(((hash) & ~UINT64_C(0xffffffff)) | ((uint64_t)(arena_at) / 8 + 1))
#define STORE_SLOT_AT(slot) ((((slot)&UINT64_C(0xffffffff)) - 1) * 8)

struct store_stack {
	uint64_t hash;
	uint32_t depth;
	uint32_t spare;
	uint64_t frames[]; /* leaf first */
};

struct store_row {
	uint64_t hash;
	uint32_t stack_at; /* offset from arena_offset, divided by 8 */
	uint16_t kind;	   /* enum store_kind */
	uint16_t values;   /* number of values; base has as many, behind them */
	uint64_t label;	   /* of KIND_CPU a thread id, of waits an enum wait_class; 0: none */
	_Atomic uint64_t
		value[]; /* [values] since start, then [values] at the last complete dump */
};

#endif
