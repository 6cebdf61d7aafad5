/* SPDX-License-Identifier: MIT */
#include "config/inifile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/support/check.h"

/* ---- taking apart: everything that the visitor hears, as lines ---- */

static char heard[8192];

static void hear(const char *format, unsigned line, const char *a, const char *b, const char *c)
{
	size_t n = strlen(heard);

	snprintf(heard + n, sizeof heard - n, format, line, a, b, c);
}

static bool on_section(void *opaque, unsigned line, const char *name)
{
	bool wanted = strcmp(name, "bad") != 0 && strcmp(name, "!") != 0;

	(void)opaque;
	hear(wanted ? "%u[%s]%s%s\n" : "%u[%s]? %s%s\n", line, name, "", "");
	return wanted;
}

static void on_pair(void *opaque, unsigned line, const char *section, const char *key,
		    const char *value)
{
	(void)opaque;
	hear("%u %s.%s=<%s>\n", line, section, key, value);
}

static void on_problem(void *opaque, unsigned line, const char *shown, const char *what)
{
	(void)opaque;
	hear(shown ? "%u <%s> %s%s\n" : "%u %s%s%s\n", line, shown ? shown : "", what, "");
}

static const char *walk_bytes(const char *text, size_t n)
{
	const struct inifile_visitor v = {
		.section = on_section, .pair = on_pair, .problem = on_problem};
	char *exact = malloc(n + 1); /* the sanitizer sees what is read behind it */

	heard[0] = '\0';
	memcpy(exact + 1, text, n);
	inifile_parse(exact + 1, n, &v);
	free(exact);
	return heard;
}

static const char *walk(const char *text)
{
	return walk_bytes(text, strlen(text));
}

TEST(inifile_gives_sections_and_pairs)
{
	CHECK_STR(walk("[a]\nx = 1\ny=2\n\n[b]\nz =3\n[a]\nw= 4"),
		  "1[a]\n2 a.x=<1>\n3 a.y=<2>\n5[b]\n6 b.z=<3>\n7[a]\n8 a.w=<4>\n");
	CHECK_STR(walk(""), "");
	CHECK_STR(walk("\n\n   \n\t\n"), "");
	CHECK_STR(walk("[a]\nx: 1\ny = : 2 = 3\n"), "1[a]\n2 a.x=<1>\n3 a.y=<: 2 = 3>\n");
	CHECK_STR(walk("[a]\nempty =\nblank =   \n"), "1[a]\n2 a.empty=<>\n3 a.blank=<>\n");
}

TEST(inifile_white_space_around_means_nothing)
{
	CHECK_STR(walk(" [a] \n\tx\t=\t1 2\t \n  y = 3\n"), "1[a]\n2 a.x=<1 2>\n3 a.y=<3>\n");
	CHECK_STR(walk("[ a ]\nx=1\n"), "1[a]\n2 a.x=<1>\n");
}

TEST(inifile_reads_lines_of_dos)
{
	CHECK_STR(walk("[a]\r\nx = 1\r\n\r\ny = 2\r\n"), "1[a]\n2 a.x=<1>\n4 a.y=<2>\n");
}

TEST(inifile_skips_a_byte_order_mark)
{
	CHECK_STR(walk("\xef\xbb\xbf[a]\nx = 1\n"), "1[a]\n2 a.x=<1>\n");
	CHECK_STR(walk("\xef\xbb\xbf; c\n[a]\nx = 1\n"), "2[a]\n3 a.x=<1>\n");
	CHECK_STR(walk("\xef\xbb\xbf"), "");
	CHECK_STR(walk("\xef\xbb"), "1 a line that is not UTF-8, expected UTF-8; ignoring it\n");
	CHECK_STR(walk("\xff\xfe[\n"), "1 UTF-16 text, expected UTF-8; ignoring the file\n");
	CHECK_STR(walk_bytes("\xfe\xff\0[", 4),
		  "1 UTF-16 text, expected UTF-8; ignoring the file\n");
}

TEST(inifile_comments_begin_behind_white_space)
{
	CHECK_STR(walk("; c\n# c\n  ; c\n\t# [x]\n[a] ; c\nx = 1 ; c = 2\ny = 2\t# c\n"),
		  "5[a]\n6 a.x=<1>\n7 a.y=<2>\n");
	CHECK_STR(walk("[a]\nx = /p;q#r\ny = p; q# r\n"),
		  "1[a]\n2 a.x=</p;q#r>\n3 a.y=<p; q# r>\n");
	CHECK_STR(walk("[a]#c\nx = ;\ny = # 1\n"), "1[a]\n2 a.x=<>\n3 a.y=<>\n");
}

TEST(inifile_takes_quotes_as_they_are)
{
	CHECK_STR(walk("[a]\nx = \"1 ; 2\"\ny = '3'\n"), "1[a]\n2 a.x=<\"1>\n3 a.y=<'3'>\n");
}

TEST(inifile_indented_lines_do_not_continue)
{
	CHECK_STR(walk("[a]\nx = 1\n  y = 2\n  three\n"),
		  "1[a]\n2 a.x=<1>\n3 a.y=<2>\n"
		  "4 <three> expected key = value; ignoring it\n");
}

TEST(inifile_reports_lines_without_key)
{
	CHECK_STR(walk("[a]\nx 1\n= 1\n=\n\ny ; = 2\nz = 1\n"),
		  "1[a]\n2 <x 1> expected key = value; ignoring it\n"
		  "3 <=> expected key = value; ignoring it\n"
		  "4 <=> expected key = value; ignoring it\n"
		  "6 <y> expected key = value; ignoring it\n7 a.z=<1>\n");
}

TEST(inifile_reports_what_is_above_the_first_section_once)
{
	CHECK_STR(walk("x = 1\ny = 2\n[a]\nz = 3\n"),
		  "1 <x> expected [section] first; ignoring what is above the first one\n"
		  "3[a]\n4 a.z=<3>\n");
}

TEST(inifile_options_of_a_bad_section_count_for_nothing)
{
	CHECK_STR(walk("[a]\nx=1\n[bad]\ny=2\nno\n[a]\nz=3\n"),
		  "1[a]\n2 a.x=<1>\n3[bad]? \n6[a]\n7 a.z=<3>\n");
	CHECK_STR(walk("[a]\nx=1\n[a\ny=2\n[a]\nz=3\n"),
		  "1[a]\n2 a.x=<1>\n3 <[a> expected [section]; ignoring the options below it\n"
		  "5[a]\n6 a.z=<3>\n");
	CHECK_STR(walk("[!]\nx=1\n"), "1[!]? \n");
	CHECK_STR(walk("[a] x = 1\ny=2\n"),
		  "1[a]\n1 <x = 1> expected nothing behind [section]; ignoring it\n2 a.y=<2>\n");
	CHECK_STR(walk("[a]]\n"), "1[a]\n1 <]> expected nothing behind [section]; ignoring it\n");
	CHECK_STR(walk("[]\nx=1\n[\n"),
		  "1[]\n2 <x> expected [section] first; ignoring what is above the first one\n"
		  "3 <[> expected [section]; ignoring the options below it\n");
}

TEST(inifile_long_lines_are_whole_or_a_problem)
{
	static char text[3000], want[1200];
	const size_t head = strlen("[a]\nx = ");

	strcpy(text, "[a]\nx = ");
	memset(text + head, 'v', 996);
	strcpy(text + head + 996, "  \t ; c\ny = 1\n");
	snprintf(want, sizeof want,
		 "1[a]\n2 a line of 1007 bytes, expected at most 1000; ignoring it\n"
		 "3 a.y=<1>\n");
	CHECK_STR(walk(text), want);
	strcpy(text + head + 996, "  \t \r\ny = 1\n");
	snprintf(want, sizeof want, "1[a]\n2 a.x=<%.996s>\n3 a.y=<1>\n", text + head);
	CHECK_STR(walk(text), want);
	/* A comment may be as long as it likes. */
	memset(text, ';', sizeof text);
	strcpy(text + 2900, "\n[a]\nx=1\n");
	CHECK_STR(walk(text), "2[a]\n3 a.x=<1>\n");
	/* A section too: inih would cut it after 49 bytes. */
	memset(text, 's', 100);
	text[0] = '[';
	strcpy(text + 100, "]\nx=1\n");
	snprintf(want, sizeof want, "1[%.99s]\n", text + 1);
	CHECK(strncmp(walk(text), want, strlen(want)) == 0);
}

TEST(inifile_reports_what_is_no_text)
{
	static const char zero[] = "[a]\nx = 1\0 2\ny = 3\n; \0\n";

	CHECK_STR(walk_bytes(zero, sizeof zero - 1),
		  "1[a]\n2 a line with a NUL byte, expected text; ignoring it\n3 a.y=<3>\n");
	CHECK_STR(walk("[a]\nx = \xfc\ny = \xc3\xbc\n; \xff\n"),
		  "1[a]\n2 a line that is not UTF-8, expected UTF-8; ignoring it\n"
		  "3 a.y=<\xc3\xbc>\n");
	CHECK_STR(walk("[\xff]\nx=1\n"),
		  "1 a line that is not UTF-8, expected UTF-8; ignoring it\n"
		  "2 <x> expected [section] first; ignoring what is above the first one\n");
}

/* ---- reading ---- */

static char dir[64], path[128];

static const char *in_dir(const char *name)
{
	if (!dir[0]) {
		strcpy(dir, "/tmp/cprof-inifile-XXXXXX");
		CHECK(mkdtemp(dir) != NULL);
	}
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static const char *write_file(const char *name, const char *bytes, size_t n, mode_t mode)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, bytes, n), n);
	CHECK_EQ(fchmod(fd, mode), 0);
	close(fd);
	return path;
}

/* Reads and gives back; the reason, or "". */
static const char *read_why(const char *name, int want)
{
	static char buf[256];
	struct text why = TEXT_ON(buf);
	struct inifile f;

	buf[0] = '\0';
	CHECK_EQ(inifile_read(name, &f, &why), want);
	CHECK((want == 0) == (f.text != NULL));
	inifile_drop(&f);
	CHECK(f.text == NULL);
	inifile_drop(&f);
	return buf;
}

TEST(inifile_reads_a_file_whole)
{
	static char big[INIFILE_MAX_BYTES + 1];
	struct inifile f;
	char buf[64];
	struct text why = TEXT_ON(buf);

	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i * 31 >> 3);
	CHECK_EQ(inifile_read(write_file("f", big, INIFILE_MAX_BYTES, 0644), &f, &why), 0);
	CHECK_EQ(f.bytes, INIFILE_MAX_BYTES);
	CHECK(memcmp(f.text, big, f.bytes) == 0);
	inifile_drop(&f);
	CHECK_STR(read_why(write_file("f", big, sizeof big, 0644), -EFBIG),
		  "has 1048577 bytes, expected at most 1M");
	CHECK_STR(read_why(write_file("f", big, 0, 0644), 0), "");
	unlink(path);
	rmdir(dir);
	dir[0] = '\0';
}

TEST(inifile_refuses_what_is_no_file)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	CHECK_STR(read_why(in_dir("none"), -ENOENT),
		  "cannot be opened (ENOENT), expected a readable file");
	CHECK_STR(read_why(dir, -EISDIR), "is a directory, expected a regular file");
	CHECK_STR(read_why("/dev/zero", -EINVAL), "is a device, expected a regular file");
	CHECK_EQ(mkfifo(in_dir("fifo"), 0600), 0);
	CHECK_STR(read_why(path, -EINVAL), "is a FIFO, expected a regular file");
	unlink(path);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(a.sun_path, sizeof a.sun_path, "%s", in_dir("socket"));
	CHECK_EQ(bind(s, (struct sockaddr *)&a, sizeof a), 0);
	CHECK_STR(read_why(path, -EINVAL), "is a socket, expected a regular file");
	close(s);
	unlink(path);
	(void)in_dir("loop");
	CHECK_EQ(symlink(path, path), 0);
	CHECK_STR(read_why(path, -ELOOP), "cannot be opened (ELOOP), expected a readable file");
	unlink(path);
	CHECK_STR(read_why(write_file("open", "", 0, 0666), -EPERM),
		  "may be written by everybody, expected mode 644 or less");
	unlink(path);
	rmdir(dir);
	dir[0] = '\0';
}

TEST(inifile_reads_what_tells_no_size)
{
	CHECK_STR(read_why("/proc/self/status", 0), "");
	if (access("/proc/kallsyms", R_OK) != 0)
		SKIP("no /proc/kallsyms");
	CHECK_STR(read_why("/proc/kallsyms", -EFBIG),
		  "has more than 1M bytes, expected at most 1M");
}

TEST(inifile_says_why_it_cannot_be_read)
{
	struct rlimit before, none;

	CHECK_STR(read_why("/proc/self/mem", -EIO),
		  "cannot be read (EIO), expected a readable file");
	CHECK_EQ(getrlimit(RLIMIT_AS, &before), 0);
	none = before;
	none.rlim_cur = 1;
	CHECK_EQ(setrlimit(RLIMIT_AS, &none), 0);
	const char *why = read_why("/proc/self/status", -ENOMEM);
	CHECK_EQ(setrlimit(RLIMIT_AS, &before), 0);
	CHECK_STR(why, "cannot be read (ENOMEM), expected a readable file");
	CHECK_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
	why = read_why("/proc/self/status", -EMFILE);
	CHECK_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
	CHECK_STR(why, "cannot be opened (EMFILE), expected a readable file");
}

TEST(inifile_follows_a_link)
{
	char target[128];

	strcpy(target, write_file("real", "[a]\n", 4, 0600));
	CHECK_EQ(symlink("real", in_dir("link")), 0);
	CHECK_STR(read_why(path, 0), "");
	unlink(path);
	unlink(target);
	rmdir(dir);
	dir[0] = '\0';
}
