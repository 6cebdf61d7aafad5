/* SPDX-License-Identifier: MIT */
#include "output/demangle.h"

#include <errno.h>
#include <libiberty/demangle.h>
#include <stdbool.h>

#include "core/sys.h"
#include "core/text.h"
#include "core/utf8.h"
#include "output/vendor.h"

#include "core/as_safe.h"

#define STACK_BYTES ((size_t)16 << 20)
#define GUARD_BYTES ((size_t)64 << 10)

/* Not the libiberty name: its header calls the types differently in C and C++ builds. */
struct job {
	const char *linkage;
	struct text name;
	struct vendor_guard *guard;
	bool done; /* the demangler accepted the name */
	bool full;
	int (*demangle)(const char *, int, demangle_callbackref, void *);
};

/* Calls fn(arg) with the stack pointer at top and comes back to this stack.  The CFA is kept in
 * rbx, so that a sample taken on the other stack still unwinds. */
void demangle_call_on(void *top, void (*fn)(void *), void *arg);
__asm__(".text\n"
	".p2align 4\n"
	".hidden demangle_call_on\n"
	".globl demangle_call_on\n"
	".type demangle_call_on, @function\n"
	"demangle_call_on:\n"
	"	.cfi_startproc\n"
	"	pushq %rbx\n"
	"	.cfi_def_cfa_offset 16\n"
	"	.cfi_offset %rbx, -16\n"
	"	movq %rsp, %rbx\n"
	"	.cfi_def_cfa_register %rbx\n"
	"	movq %rdi, %rsp\n"
	"	movq %rdx, %rdi\n"
	"	callq *%rsi\n"
	"	movq %rbx, %rsp\n"
	"	.cfi_def_cfa_register %rsp\n"
	"	popq %rbx\n"
	"	.cfi_def_cfa_offset 8\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size demangle_call_on, . - demangle_call_on\n");

void demangle_start(struct demangler *d)
{
	char *p = sys_mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	d->stack = sys_failed(p) ? NULL : p;
	if (!d->stack)
		return;
	(void)SYS_CALL(SYS_mprotect, p, GUARD_BYTES, PROT_NONE, 0, 0, 0);
	(void)sys_madvise(p, STACK_BYTES, MADV_DONTFORK); /* as an arena's memory */
}

void demangle_stop(struct demangler *d)
{
	if (d->stack)
		(void)sys_munmap(d->stack, STACK_BYTES);
	d->stack = NULL;
}

static void take_piece(const char *piece, size_t n, void *opaque)
{
	struct job *job = opaque;

	if (n) /* an empty identifier of Rust's is NULL */
		text_bytes(&job->name, piece, n);
	if (job->name.cut) {
		/* Some names expand exponentially; the demangler itself would go on for hours. */
		job->full = true;
		vendor_leave(job->guard);
	}
}

static void run_demangler(void *opaque, struct vendor_guard *guard)
{
	struct job *job = opaque;

	job->guard = guard;
	job->done = job->demangle(job->linkage, DMGL_ANSI | DMGL_NO_RECURSE_LIMIT, take_piece,
				  job) != 0;
}

static void run_job(void *opaque)
{
	(void)vendor_try(run_demangler, opaque);
}

/* cplus_demangle_v3_callback without the parameter list; its own recursion limit refuses 1 KiB. */
static int demangle_cxx(const char *linkage, int options, demangle_callbackref callback,
			void *opaque)
{
	return cplus_demangle_v3_callback(linkage, options, callback, opaque);
}

/* Rust's recursion stays limited: version 0 names may refer back to themselves. */
static int demangle_rust(const char *linkage, int options, demangle_callbackref callback,
			 void *opaque)
{
	return rust_demangle_callback(linkage, options & ~DMGL_NO_RECURSE_LIMIT, callback, opaque);
}

/* Tries one demangler; true: buf holds the name. */
static bool attempt(const struct demangler *d,
		    int (*demangle)(const char *, int, demangle_callbackref, void *),
		    const char *linkage, char *buf, size_t size)
{
	struct job job = {
		.linkage = linkage,
		.name = {.buf = buf, .size = size},
		.demangle = demangle,
	};

	buf[0] = '\0';
	demangle_call_on(d->stack + STACK_BYTES, run_job, &job);
	if (job.full)
		memcpy(buf + size - 4, "...", 4);
	return job.full || (job.done && buf[0]);
}

/* One of the words that compilers append, at s, length n. */
static bool is_clone_word(const char *s, size_t n)
{
	static const char words[][12] = {"cold",       "warm",	      "part",	  "constprop",
					 "isra",       "llvm",	      "lto_priv", "clone",
					 "localalias", "specialized", "__uniq"};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (text_length(words[i]) == n && memcmp(words[i], s, n) == 0)
			return true;
	return false;
}

/* Is [s, end) all of clone words and numbers, each behind a dot, a word first? */
static bool is_clone_suffix(const char *s, const char *end)
{
	bool first = true;

	while (s < end) {
		const char *part = ++s;
		bool digits = true;

		for (; s < end && *s != '.'; s++)
			digits = digits && *s >= '0' && *s <= '9';
		if (s == part || (!is_clone_word(part, (size_t)(s - part)) && (first || !digits)))
			return false;
		first = false;
	}
	return true;
}

static size_t without_clone_suffix(const char *linkage, size_t n)
{
	for (size_t i = 1; i < n; i++)
		if (linkage[i] == '.' && is_clone_suffix(linkage + i, linkage + n))
			return i;
	return n;
}

/* Version 0, or the hash that legacy names end with: "17h" and 16 digits. */
static bool may_be_rust(const char *linkage)
{
	if (linkage[1] == 'R')
		return true;
	for (; *linkage; linkage++)
		if (linkage[0] == '1' && linkage[1] == '7' && linkage[2] == 'h')
			return true;
	return false;
}

/* The length without "@plt" (output/plt), which is put back behind the readable name. */
static size_t without_plt(const char *linkage, size_t n)
{
	static const char tail[] = "@plt";
	size_t length = sizeof tail - 1;

	return n > length && memcmp(linkage + n - length, tail, length) == 0 ? n - length : n;
}

void demangle_name(const struct demangler *d, const char *linkage, char name[DEMANGLE_OUTPUT_MAX])
{
	char input[DEMANGLE_INPUT_MAX];
	struct text t = {.buf = name, .size = DEMANGLE_OUTPUT_MAX};
	size_t whole = text_length(linkage), n = without_plt(linkage, whole), plt = n;
	bool mangled = linkage[0] == '_' && (linkage[1] == 'Z' || linkage[1] == 'R');
	bool named = false;

	if (n < sizeof input) {
		n = without_clone_suffix(linkage, n);
		if (mangled && d->stack) {
			size_t dot = 0;

			memcpy(input, linkage, n);
			input[n] = '\0';
			named = may_be_rust(input) &&
				attempt(d, demangle_rust, input, name, t.size);
			/* C++ knows no dots; what is behind one (._omp_fn.0) is put back. */
			while (dot < n && input[dot] != '.')
				dot++;
			input[dot] = '\0';
			if (named) {
				t.len = text_length(name);
			} else if (input[1] == 'Z' &&
				   attempt(d, demangle_cxx, input, name, t.size)) {
				named = true;
				t.len = text_length(name);
				text_bytes(&t, linkage + dot, n - dot);
			}
		}
	}
	if (!named) {
		t.len = 0;
		text_bytes(&t, linkage, n);
	}
	text_bytes(&t, linkage + plt, whole - plt);
	utf8_clean(name, text_length(name));
}
