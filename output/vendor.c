/* SPDX-License-Identifier: MIT */
#include "output/vendor.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/sys.h"
#include "core/text.h"

#include "core/as_safe.h"

#define GUARDS 16

/* Who is inside a library: found by thread id, since the dumper has no TLS that may be relied on.
 * tid is claimed by CAS from 0; guard is written and read by that thread alone. */
static struct {
	_Atomic int tid;
	struct vendor_guard *guard; /* the innermost */
} inside[GUARDS];

static int inside_find(int tid)
{
	for (int i = 0; i < GUARDS; i++)
		/* Relaxed: only this thread stores its own id. */
		if (atomic_load_explicit(&inside[i].tid, memory_order_relaxed) == tid)
			return i;
	return -1;
}

static int inside_claim(int tid)
{
	for (int i = 0; i < GUARDS; i++) {
		int owner = 0;

		/* Acquire pairs with the release in vendor_try(): the last owner is done.  A dumper
		 * that was killed in here never releases; its place is taken over. */
		if (atomic_compare_exchange_strong_explicit(&inside[i].tid, &owner, tid,
							    memory_order_acquire,
							    memory_order_relaxed) ||
		    (sys_kill(owner, 0) == -ESRCH &&
		     atomic_compare_exchange_strong_explicit(&inside[i].tid, &owner, tid,
							     memory_order_acquire,
							     memory_order_relaxed)))
			return i;
	}
	return -1;
}

/* Apart from vendor_try(), so that the frame of the setjmp holds no variable that changes after it.
 */
static __attribute__((noinline)) int run_guarded(void (*body)(void *, struct vendor_guard *),
						 void *opaque, struct vendor_guard *guard)
{
	if (__builtin_setjmp(guard->jump))
		return -EPROTO;
	body(opaque, guard);
	return 0;
}

int vendor_try(void (*body)(void *opaque, struct vendor_guard *guard), void *opaque)
{
	struct vendor_guard guard;
	struct vendor_guard *outer = NULL;
	int tid = sys_gettid();
	int slot = inside_find(tid);

	if (slot >= 0)
		outer = inside[slot].guard;
	else
		slot = inside_claim(tid);
	if (slot < 0)
		return -EBUSY;
	inside[slot].guard = &guard;
	int rc = run_guarded(body, opaque, &guard);
	inside[slot].guard = outer;
	if (!outer) /* release pairs with the acquire in inside_claim() */
		atomic_store_explicit(&inside[slot].tid, 0, memory_order_release);
	return rc;
}

_Noreturn void vendor_leave(struct vendor_guard *guard)
{
	__builtin_longjmp(guard->jump, 1);
}

/* The names that VENDOR_BIND makes of libc's. */
void *vendor_malloc(size_t n);
void *vendor_realloc(void *p, size_t n);
void *vendor_calloc(size_t n, size_t size);
void vendor_free(void *p);
_Noreturn void vendor___assert_fail(const char *what, const char *file, unsigned line,
				    const char *function);
int vendor___sprintf_chk(char *s, int flag, size_t room, const char *format, ...);
int vendor___snprintf_chk(char *s, size_t n, int flag, size_t room, const char *format, ...);
const unsigned short **vendor___ctype_b_loc(void);
void *vendor_fopen64(const char *path, const char *mode);
char *vendor_fgets(char *line, int size, void *file);
int vendor_fclose(void *file);

void *vendor_malloc(size_t n)
{
	(void)n;
	return NULL;
}

void *vendor_realloc(void *p, size_t n)
{
	(void)p, (void)n;
	return NULL;
}

void *vendor_calloc(size_t n, size_t size)
{
	(void)n, (void)size;
	return NULL;
}

void vendor_free(void *p)
{
	(void)p;
}

_Noreturn void vendor___assert_fail(const char *what, const char *file, unsigned line,
				    const char *function)
{
	int slot = inside_find(sys_gettid());

	(void)what, (void)file, (void)line, (void)function;
	if (slot >= 0)
		vendor_leave(inside[slot].guard);
	__builtin_trap(); /* a call without a guard: a mistake of ours that the unit tests would see
			   */
}

/* The conversions that the libraries use: d, u, x with l or ll, c, s, %%; no width, no precision.
 */
static int format_text(char *s, size_t size, const char *format, va_list args)
{
	struct text t = {.buf = s, .size = size};
	char none;

	if (size == 0)
		t = (struct text){.buf = &none, .size = 1};
	t.buf[0] = '\0';
	for (; *format; format++) {
		int longs = 0;

		if (*format != '%') {
			text_char(&t, *format);
			continue;
		}
		while (*++format == 'l')
			longs++;
		switch (*format) {
		case 'd':
			text_i64(&t, longs ? va_arg(args, long) : va_arg(args, int));
			break;
		case 'u':
			text_u64(&t, longs ? va_arg(args, unsigned long) : va_arg(args, unsigned));
			break;
		case 'x':
			text_hex(&t, longs ? va_arg(args, unsigned long) : va_arg(args, unsigned));
			break;
		case 'c':
			text_char(&t, (char)va_arg(args, int));
			break;
		case 's':
			text_str(&t, va_arg(args, const char *));
			break;
		case '%':
			text_char(&t, '%');
			break;
		default:
			return -1;
		}
	}
	return (int)t.len;
}

int vendor___sprintf_chk(char *s, int flag, size_t room, const char *format, ...)
{
	va_list args;

	(void)flag;
	va_start(args, format);
	int n = format_text(s, room < 4096 ? room : 4096, format, args);
	va_end(args);
	return n;
}

int vendor___snprintf_chk(char *s, size_t n, int flag, size_t room, const char *format, ...)
{
	va_list args;

	(void)flag;
	va_start(args, format);
	int length = format_text(s, n < room ? n : room, format, args);
	va_end(args);
	return length;
}

/* What inih asks of a character is whether it is white space.  libc's table is that of the thread's
 * locale, so a file would read otherwise in another host. */
const unsigned short **vendor___ctype_b_loc(void)
{
	enum { ZERO = 128 }; /* characters below zero have places too */
	static const unsigned short classes[ZERO + 256] = {
		[ZERO + ' '] = _ISspace,  [ZERO + '\t'] = _ISspace, [ZERO + '\n'] = _ISspace,
		[ZERO + '\v'] = _ISspace, [ZERO + '\f'] = _ISspace, [ZERO + '\r'] = _ISspace};
	static const unsigned short *at = classes + ZERO;

	return &at;
}

/* inih reads through a reader of ours (config/inifile.c); these are never called. */
void *vendor_fopen64(const char *path, const char *mode)
{
	(void)path, (void)mode;
	return NULL;
}

char *vendor_fgets(char *line, int size, void *file)
{
	(void)line, (void)size, (void)file;
	return NULL;
}

int vendor_fclose(void *file)
{
	(void)file;
	return -1;
}
