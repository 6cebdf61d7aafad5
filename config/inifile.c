/* SPDX-License-Identifier: MIT */
#include "config/inifile.h"

#include <errno.h>
#include <ini.h>

#include "core/sys.h"
#include "core/utf8.h"

#include "core/as_safe.h"

/* ---- reading ---- */

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "is a directory";
	case S_IFIFO:
		return "is a FIFO";
	case S_IFSOCK:
		return "is a socket";
	default:
		return "is a device";
	}
}

/* What stat says against a file; 0 when nothing. */
static int judge(const struct stat *st, struct text *why)
{
	if (!S_ISREG(st->st_mode)) {
		text_str(why, kind_of(st->st_mode));
		text_str(why, ", expected a regular file");
		return S_ISDIR(st->st_mode) ? -EISDIR : -EINVAL;
	}
	if (st->st_mode & S_IWOTH) {
		text_str(why, "may be written by everybody, expected mode 644 or less");
		return -EPERM;
	}
	if (st->st_size > (off_t)INIFILE_MAX_BYTES) {
		text_str(why, "has ");
		text_u64(why, (uint64_t)st->st_size);
		text_str(why, " bytes, expected at most 1M");
		return -EFBIG;
	}
	return 0;
}

static int refused(int r, const char *what, struct text *why)
{
	text_str(why, what);
	text_str(why, " (");
	text_str(why, text_errno(r));
	text_str(why, "), expected a readable file");
	return r;
}

/* Whole or nothing: the size is what we read, since a file may grow and some file systems say 0. */
static int read_whole(int fd, struct inifile *file, struct text *why)
{
	size_t mapped = INIFILE_MAX_BYTES + 4096;
	char *text =
		sys_mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t n = 0;
	ssize_t got = 1;

	if (sys_failed(text))
		return refused(-ENOMEM, "cannot be read", why);
	while (n <= INIFILE_MAX_BYTES && got > 0) {
		got = sys_pread(fd, text + n, INIFILE_MAX_BYTES + 1 - n, n);
		n += got > 0 ? (size_t)got : 0;
	}
	if (got < 0 || n > INIFILE_MAX_BYTES) {
		(void)sys_munmap(text, mapped);
		if (got < 0)
			return refused((int)got, "cannot be read", why);
		text_str(why, "has more than 1M bytes, expected at most 1M");
		return -EFBIG;
	}
	*file = (struct inifile){.text = text, .bytes = n, .mapped = mapped};
	return 0;
}

int inifile_read(const char *path, struct inifile *ret_file, struct text *why)
{
	struct stat st;
	int r = sys_fstatat(AT_FDCWD, path, &st, 0);

	*ret_file = (struct inifile){0};
	if (r < 0)
		return refused(r, "cannot be opened", why);
	r = judge(&st, why); /* before: to open a device may do something */
	if (r < 0)
		return r;
	/* What has taken its place since then neither waits nor gives more than there is room. */
	int fd = sys_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return refused(fd, "cannot be opened", why);
	r = read_whole(fd, ret_file, why);
	sys_close(fd);
	return r;
}

void inifile_drop(struct inifile *file)
{
	if (file->text)
		(void)sys_munmap(file->text, file->mapped);
	*file = (struct inifile){0};
}

/* ---- taking apart ---- */

/* What inih gets for a section whose options count for nothing: a name that no section has. */
#define IGNORED "!"

struct walk {
	const struct inifile_visitor *visitor;
	const char *at, *end;
	unsigned line; /* the number of the last one given to inih */
	bool headless; /* an option above the first section was reported */
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_comment(char c)
{
	return c == ';' || c == '#';
}

static void problem(struct walk *w, const char *shown, const char *what)
{
	w->visitor->problem(w->visitor->opaque, w->line, shown, what);
}

/* Sets *from and *to to the next line without white space around it; false at the end. */
static bool next_line(struct walk *w, const char **from, const char **to)
{
	const char *s = w->at, *e = w->at;

	if (w->at == w->end)
		return false;
	while (e < w->end && *e != '\n')
		e++;
	w->at = e < w->end ? e + 1 : e;
	w->line++;
	while (s < e && is_blank(*s))
		s++;
	while (e > s && is_blank(e[-1]))
		e--;
	*from = s;
	*to = e;
	return true;
}

/* What inih would cut or misread: too long, not text.  true: reported. */
static bool is_unfit(struct walk *w, const char *s, size_t n, size_t limit)
{
	if (n > limit) {
		char buf[96];
		struct text what = TEXT_ON(buf);

		text_str(&what, "a line of ");
		text_u64(&what, n);
		text_str(&what, " bytes, expected at most ");
		text_u64(&what, limit);
		text_str(&what, "; ignoring it");
		problem(w, NULL, buf);
		return true;
	}
	for (size_t i = 0; i < n;) {
		size_t length = utf8_sequence((const unsigned char *)s + i, n - i);

		if (length == 0 || s[i] == '\0') {
			problem(w, NULL,
				length ? "a line with a NUL byte, expected text; ignoring it"
				       : "a line that is not UTF-8, expected UTF-8; ignoring it");
			return true;
		}
		i += length;
	}
	return false;
}

/* line is "[...": makes of it a header that inih and the visitor agree about. */
static void take_header(struct walk *w, char *line)
{
	const struct inifile_visitor *v = w->visitor;
	char *name = line + 1, *close = name, *end, *rest;
	bool wanted = false;

	while (*close && *close != ']')
		close++;
	if (*close) {
		rest = close + 1;
		while (is_blank(*name))
			name++;
		for (end = close; end > name && is_blank(end[-1]); end--)
			;
		while (is_blank(*rest))
			rest++;
		*end = '\0';
		wanted = v->section(v->opaque, w->line, name);
		if (wanted && *rest && !is_comment(*rest))
			problem(w, rest, "expected nothing behind [section]; ignoring it");
	} else {
		problem(w, line, "expected [section]; ignoring the options below it");
	}
	if (wanted) {
		size_t n = text_length(name);

		memmove(line + 1, name, n);
		memcpy(line + 1 + n, "]\n", 3);
	} else {
		memcpy(line, "[" IGNORED "]\n", sizeof "[" IGNORED "]\n");
	}
}

/* The reader of inih: fgets with lines that are fit to be read.  size is ini_max_line. */
static char *give_line(char *line, int size, void *opaque)
{
	struct walk *w = opaque;
	size_t room = (size_t)size - sizeof "[" IGNORED "]\n", n;
	const char *from, *to;

	if (!next_line(w, &from, &to))
		return NULL;
	n = (size_t)(to - from);
	if (n == 0 || is_comment(*from) ||
	    is_unfit(w, from, n, room < INIFILE_LINE_BYTES ? room : INIFILE_LINE_BYTES)) {
		memcpy(line, "\n", 2);
		return line;
	}
	memcpy(line, from, n);
	line[n] = '\0';
	if (*line == '[')
		take_header(w, line);
	else
		memcpy(line + n, "\n", 2);
	return line;
}

static int take_pair(void *opaque, const char *section, const char *key, const char *value)
{
	struct walk *w = opaque;
	const struct inifile_visitor *v = w->visitor;

	if (text_equal(section, IGNORED))
		return 1;
	if (!value || !*key) {
		problem(w, value ? "=" : key, "expected key = value; ignoring it");
	} else if (*section) {
		v->pair(v->opaque, w->line, section, key, value);
	} else if (!w->headless) {
		w->headless = true;
		problem(w, key, "expected [section] first; ignoring what is above the first one");
	}
	return 1;
}

void inifile_parse(const char *text, size_t bytes, const struct inifile_visitor *visitor)
{
	struct walk w = {.visitor = visitor, .at = text, .end = text + bytes};

	if (bytes >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0)) {
		w.line = 1;
		problem(&w, NULL, "UTF-16 text, expected UTF-8; ignoring the file");
		return;
	}
	if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		w.at += 3;
	/* Debian's inih has these as variables.  They are set each time, always to the same. */
	ini_max_line = INIFILE_LINE_BYTES + 8;
	ini_use_stack = true;
	ini_allow_no_value = true; /* else only the first such line would be known */
	ini_allow_multiline = false;
	ini_allow_bom = false;
	ini_stop_on_first_error = false;
	ini_allow_inline_comments = true;
	ini_inline_comment_prefixes = ini_start_comment_prefixes = (char *)";#";
	(void)ini_parse_stream(give_line, &w, take_pair, &w);
}
