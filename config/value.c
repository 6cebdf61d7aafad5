/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <errno.h>
#include <signal.h>

#include "core/as_safe.h"

/* The realtime signals of glibc: the kernel's first two, 32 and 33, belong to its threads (setxid
 * and cancellation).  SIGRTMIN is a function call, which would be an import that the library does
 * without. */
enum { RT_FIRST = 34, RT_LAST = 64 };

static const struct {
	const char *name; /* without SIG */
	int number;
} signals[] = {
#define S(name)                                                                                    \
	{                                                                                          \
#name, SIG##name                                                                   \
	}
	S(HUP),	 S(INT),  S(QUIT), S(ILL),    S(TRAP), S(ABRT),	 S(BUS),    S(FPE),  S(KILL),
	S(USR1), S(SEGV), S(USR2), S(PIPE),   S(ALRM), S(TERM),	 S(CHLD),   S(CONT), S(STOP),
	S(TSTP), S(TTIN), S(TTOU), S(URG),    S(XCPU), S(XFSZ),	 S(PROF),   S(IO),   S(PWR),
	S(SYS),	 S(POLL), S(IOT),  S(STKFLT), S(CLD),  S(WINCH), S(VTALRM),
#undef S
};
#define SIGNAL_COUNT (sizeof signals / sizeof signals[0])

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same_word(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

/* s behind prefix, which is taken in any case; NULL when s starts otherwise. */
static const char *behind(const char *s, const char *prefix)
{
	for (; *prefix; prefix++, s++)
		if (lower(*s) != lower(*prefix))
			return NULL;
	return s;
}

void value_bounds_bool(struct text *t)
{
	text_str(t, "yes or no");
}

int value_parse_bool(const char *s, bool *ret_value, struct text *why)
{
	static const char words[][2][6] = {
		{"no", "yes"}, {"false", "true"}, {"off", "on"}, {"0", "1"}};

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		for (int v = 0; v < 2; v++) {
			if (same_word(s, words[i][v])) {
				*ret_value = v;
				return 0;
			}
		}
	}
	text_str(why, "expected ");
	value_bounds_bool(why);
	return -EINVAL;
}

/* The bit shift that a suffix of a size stands for; 0: no suffix. */
static unsigned suffix_shift(char c)
{
	switch (lower(c)) {
	case 'k':
		return 10;
	case 'm':
		return 20;
	case 'g':
		return 30;
	default:
		return 0;
	}
}

void value_show_number(struct text *t, uint64_t v, bool scaled)
{
	for (int i = 2; scaled && v && i >= 0; i--) {
		unsigned shift = 10 + 10 * (unsigned)i;

		if ((v & ((UINT64_C(1) << shift) - 1)) == 0) {
			text_u64(t, v >> shift);
			text_char(t, "KMG"[i]);
			return;
		}
	}
	text_u64(t, v);
}

void value_bounds_number(struct text *t, uint64_t min, uint64_t max, bool scaled)
{
	text_str(t, scaled ? "a number of bytes from " : "a number from ");
	value_show_number(t, min, scaled);
	text_str(t, " to ");
	value_show_number(t, max, scaled);
}

int value_parse_number(const char *s, uint64_t min, uint64_t max, bool scaled, uint64_t *ret_value,
		       struct text *why)
{
	size_t n = text_length(s);
	unsigned shift = scaled && n > 0 ? suffix_shift(s[n - 1]) : 0;
	uint64_t v;
	int r = text_parse_u64(s, shift ? n - 1 : n, &v);

	if (r == 0 && v <= max >> shift && v << shift >= min) {
		*ret_value = v << shift;
		return 0;
	}
	text_str(why, "expected ");
	value_bounds_number(why, min, max, scaled);
	return r == -EINVAL ? r : -ERANGE;
}

void value_show_signal(struct text *t, int signal)
{
	if (signal == 0) {
		text_str(t, "none");
		return;
	}
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		if (signals[i].number == signal) {
			text_str(t, "SIG");
			text_str(t, signals[i].name);
			return;
		}
	}
	if (signal < RT_FIRST) {
		text_i64(t, signal);
		return;
	}
	text_str(t, "SIGRTMIN+");
	text_i64(t, signal - RT_FIRST);
}

void value_bounds_signal(struct text *t)
{
	text_str(t, "the name or number of a signal, RTMIN+n, RTMAX-n, or none");
}

/* The number behind "RTMIN+" or "RTMAX-"; -1 when it is no such signal. */
static int realtime(const char *s)
{
	const char *offset;
	uint64_t n = 0;
	int sign = 1, from = RT_FIRST;

	if ((offset = behind(s, "RTMAX"))) {
		sign = -1;
		from = RT_LAST;
	} else if (!(offset = behind(s, "RTMIN"))) {
		return -1;
	}
	if (*offset) {
		if (*offset != (sign > 0 ? '+' : '-') ||
		    text_parse_u64(offset + 1, text_length(offset + 1), &n) < 0)
			return -1;
	}
	return n <= RT_LAST - RT_FIRST ? from + sign * (int)n : -1;
}

static int signal_number(const char *s)
{
	const char *name = behind(s, "SIG");
	uint64_t n;

	if (text_parse_u64(s, text_length(s), &n) == 0)
		return n >= 1 && n <= RT_LAST ? (int)n : -1;
	if (!name)
		name = s;
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		if (same_word(name, signals[i].name))
			return signals[i].number;
	return realtime(name);
}

/* Why a signal cannot ask for a dump; NULL when it can. */
static const char *refusal(int signal)
{
	switch (signal) {
	case SIGPROF:
		return "is cprof's sampling signal";
	case SIGKILL:
	case SIGSTOP:
		return "cannot be caught";
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
	case SIGSYS:
		return "reports a fault of the program";
	case 32:
	case 33:
		return "belongs to the C library";
	default:
		return NULL;
	}
}

int value_parse_signal(const char *s, int *ret_value, struct text *why)
{
	int signal = same_word(s, "none") ? 0 : signal_number(s);
	const char *refused = signal > 0 ? refusal(signal) : NULL;

	if (signal < 0) {
		text_str(why, "expected ");
		value_bounds_signal(why);
		return -EINVAL;
	}
	if (refused) {
		if (signal < 32)
			value_show_signal(why, signal);
		else
			text_str(why, "this signal");
		text_char(why, ' ');
		text_str(why, refused);
		return -EPERM;
	}
	*ret_value = signal;
	return 0;
}

void value_bounds_path(struct text *t, size_t size)
{
	text_str(t, "an absolute path of at most ");
	text_u64(t, size - 1);
	text_str(t, " bytes");
}

int value_parse_path(const char *s, char *ret_path, size_t size, struct text *why)
{
	size_t n = text_length(s);

	if (s[0] == '/' && n < size) {
		memcpy(ret_path, s, n + 1);
		return 0;
	}
	text_str(why, "expected ");
	value_bounds_path(why, size);
	return s[0] == '/' ? -ENAMETOOLONG : -EINVAL;
}

void value_bounds_names(struct text *t, size_t size)
{
	text_str(t, "names of programs with commas between them, of at most ");
	text_u64(t, size - 1);
	text_str(t, " bytes");
}

int value_parse_names(const char *s, char *ret_names, size_t size, struct text *why)
{
	size_t n = text_length(s), part = 0;
	bool good = n < size;

	for (size_t i = 0; good && i <= n; i++) {
		good = s[i] != '/' && s[i] != ' ' && (part || (s[i] && s[i] != ','));
		part = s[i] == ',' ? 0 : part + 1;
	}
	if (good) {
		memcpy(ret_names, s, n + 1);
		return 0;
	}
	text_str(why, "expected ");
	value_bounds_names(why, size);
	return -EINVAL;
}

static void show_clean(struct text *t, const char *s, size_t limit)
{
	size_t n = text_length(s), end = n;

	if (n > limit) {
		end = limit;
		/* Not inside a UTF-8 sequence: its later bytes are 10xxxxxx. */
		while (end > limit - 4 && ((unsigned char)s[end] & 0xc0) == 0x80)
			end--;
	}
	for (size_t i = 0; i < end; i++)
		text_char(t, (unsigned char)s[i] < 0x20 || s[i] == 0x7f ? '?' : s[i]);
	if (end < n)
		text_str(t, "...");
}

void value_show_foreign(struct text *t, const char *s)
{
	show_clean(t, s, VALUE_SHOWN);
}

void value_show_path(struct text *t, const char *s)
{
	show_clean(t, s, VALUE_PATH_SHOWN);
}

unsigned value_distance(const char *a, const char *b, unsigned limit)
{
	enum { LONGEST = 63 };
	size_t na = text_length(a), nb = text_length(b);
	unsigned row[LONGEST + 1]; /* of the usual table: a[..i] to b[..j] */

	if (na > LONGEST || nb > LONGEST)
		return limit + 1;
	for (size_t j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb] <= limit ? row[nb] : limit + 1;
}
