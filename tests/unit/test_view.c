/* SPDX-License-Identifier: MIT */
#include "cli/filter.h"
#include "cli/flame_page.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/check.h"
#include "tests/support/sketch.h"

static const char *class = ""; /* the pattern for classes */

/* The stacks that are left, "value:frame,frame;...", frames leaf first with the lines of each. */
static const char *left(struct sketch *s, const char *focus, const char *ignore, const char *hide,
			const char *show, unsigned *ret_missed)
{
	const char *patterns[] = {focus, ignore, hide, show};
	static char text[1024];
	struct filter f = {0};
	char why[256];
	size_t n = 0;

	for (int k = 0; k < FILTER_CLASS; k++)
		CHECK_EQ(filter_set(&f, k, patterns[k], why), 0);
	CHECK_EQ(filter_set(&f, FILTER_CLASS, class, why), 0);
	*ret_missed = filter_apply(&f, &s->p);
	filter_free(&f);
	text[0] = '\0';
	for (size_t i = 0; i < s->p.sample_keys.count; i++) {
		const struct profile_sample *sample = &s->samples[i];

		if (!sample->frame_count)
			continue;
		n += (size_t)snprintf(text + n, sizeof text - n, "%d:", (int)s->values[i]);
		for (uint32_t j = 0; j < sample->frame_count; j++) {
			const struct profile_location *l =
				&s->locations[s->frames[sample->first_frame + j]];

			for (uint32_t k = 0; k < l->line_count; k++)
				n += (size_t)snprintf(
					text + n, sizeof text - n, "%s%s", j || k ? "," : "",
					s->functions[s->lines[l->first_line + k].function].name);
		}
		n += (size_t)snprintf(text + n, sizeof text - n, ";");
	}
	return text;
}

static void three_stacks(struct sketch *s)
{
	sketch_start(s);
	sketch_add(s, 1, "in<out work main");
	sketch_add(s, 2, "leaf work main");
	sketch_add(s, 4, "leaf thread");
}

TEST(filter_focus_keeps_stacks_and_ignore_drops_them)
{
	struct sketch s;
	unsigned missed;

	three_stacks(&s);
	CHECK_STR(left(&s, "wor", "", "", "", &missed), "1:in,out,work,main;2:leaf,work,main;");
	CHECK_EQ(missed, 0);
	sketch_stop(&s);
	three_stacks(&s);
	CHECK_STR(left(&s, "", "^in$", "", "", &missed), "2:leaf,work,main;4:leaf,thread;");
	sketch_stop(&s);
	three_stacks(&s);
	CHECK_STR(left(&s, "main", "leaf", "", "", &missed), "1:in,out,work,main;");
	sketch_stop(&s);
	three_stacks(&s);
	CHECK_STR(left(&s, "none", "nothing", "", "", &missed), "");
	CHECK_EQ(missed, 1 << FILTER_FOCUS | 1 << FILTER_IGNORE);
	sketch_stop(&s);
}

TEST(filter_hide_and_show_take_frames_and_lines)
{
	struct sketch s;
	unsigned missed;

	three_stacks(&s);
	CHECK_STR(left(&s, "", "", "out|leaf", "", &missed),
		  "1:in,work,main;2:work,main;4:thread;");
	sketch_stop(&s);
	three_stacks(&s);
	CHECK_STR(left(&s, "", "", "leaf|thread", "", &missed), "1:in,out,work,main;2:work,main;");
	sketch_stop(&s);
	three_stacks(&s);
	CHECK_STR(left(&s, "", "", "", "in", &missed), "1:in,main;2:main;");
	sketch_stop(&s);
	three_stacks(&s);
	CHECK_STR(left(&s, "", "", "main", "nobody", &missed), "");
	CHECK_EQ(missed, 1 << FILTER_SHOW);
	sketch_stop(&s);
}

TEST(filter_class_keeps_waits_of_it_and_what_has_none_is_empty)
{
	struct sketch s;
	unsigned missed;

	static const char *const wanted[][2] = {
		{"^(io|sync)$", "1:in,out,work,main;"},
		{"o", "1:in,out,work,main;2:leaf,work,main;"},
		{"^$", "4:leaf,thread;"},
		{"none", ""},
	};

	for (unsigned i = 0; i < 4; i++) {
		three_stacks(&s);
		s.samples[0].class = "io";
		s.samples[1].class = "cond";
		class = wanted[i][0];
		CHECK_STR(left(&s, "", "", "", "", &missed), wanted[i][1]);
		CHECK_EQ(missed, i == 3 ? 1 << FILTER_CLASS : 0);
		sketch_stop(&s);
	}
	three_stacks(&s);
	s.samples[1].class = "cond";
	class = "cond";
	CHECK_STR(left(&s, "leaf", "", "main", "", &missed), "2:leaf,work;");
	class = "";
	sketch_stop(&s);
}

TEST(filter_matches_source_files_and_modules)
{
	struct sketch s;
	unsigned missed;

	three_stacks(&s);
	s.functions[sketch_function(&s, "thread", 6)].file = "/src/pool.c";
	CHECK_STR(left(&s, "pool[.]c", "", "", "", &missed), "4:leaf,thread;");
	sketch_stop(&s);
	three_stacks(&s);
	s.mappings[0].file = "/usr/lib/libz.so";
	s.locations[0].mapping = PROFILE_NONE;
	CHECK_STR(left(&s, "", "", "libz", "", &missed), "1:in,out;");
	sketch_stop(&s);
}

TEST(filter_says_what_is_wrong_with_a_pattern)
{
	struct filter f = {0};
	char why[256] = "";

	CHECK_EQ(filter_set(&f, FILTER_HIDE, "ok", why), 0);
	CHECK_EQ(filter_set(&f, FILTER_HIDE, "a(b", why), -EINVAL);
	CHECK(strlen(why) > 5 && !strchr(why, '\n'));
	CHECK(f.pattern[FILTER_HIDE] == NULL);
	CHECK_EQ(filter_set(&f, FILTER_HIDE, "", why), 0);
	CHECK(f.pattern[FILTER_HIDE] == NULL);
	filter_free(&f);
}

static void printed(const char *text, const char *want)
{
	char *out = NULL;
	size_t n;
	FILE *m = open_memstream(&out, &n);

	terminal_print(text, m);
	fclose(m);
	CHECK_STR(out, want);
	free(out);
}

TEST(terminal_gets_no_control_sequence)
{
	printed("plain <text>", "plain <text>");
	printed("a\x1b[31m\n\x7f", "a?[31m??");
	printed("gr\u00fc\u00df", "gr\u00fc\u00df");
	printed("\xc2\x9b"
		"1m",
		"?1m"); /* U+009B */
	printed("\x9b"
		"1m\xff",
		"?1m\xff");
}

TEST(terminal_colour_is_asked_for_or_fits)
{
	bool colour = true;

	CHECK_EQ(terminal_colour("never", &colour), 0);
	CHECK(!colour);
	CHECK_EQ(terminal_colour("always", &colour), 0);
	CHECK(colour);
	CHECK_EQ(terminal_colour("yes", &colour), -EINVAL);
	CHECK_STR(terminal_begin(false, STYLE_HOT), "");
	CHECK_STR(terminal_begin(true, STYLE_PLAIN), "");
	CHECK_STR(terminal_end(true, STYLE_PLAIN), "");
	CHECK_STR(terminal_end(true, STYLE_HOT), "\033[0m");
	CHECK_EQ(terminal_heat(10, 100), STYLE_HOT);
	CHECK_EQ(terminal_heat(-10, 100), STYLE_HOT);
	CHECK_EQ(terminal_heat(2, 100), STYLE_WARM);
	CHECK_EQ(terminal_heat(1, 100), STYLE_PLAIN);
	CHECK_EQ(terminal_heat(1, 1000), STYLE_COLD);
	CHECK_EQ(terminal_heat(0, 0), STYLE_COLD);
}

TEST(terminal_locale_is_the_first_that_is_set)
{
	unsetenv("LC_ALL");
	unsetenv("LC_CTYPE");
	unsetenv("LANG");
	CHECK(!terminal_is_utf8());
	setenv("LANG", "en_US.UTF-8", 1);
	CHECK(terminal_is_utf8());
	setenv("LC_ALL", "", 1);
	setenv("LC_CTYPE", "C", 1);
	CHECK(!terminal_is_utf8());
	setenv("LC_ALL", "C.utf8", 1);
	CHECK(terminal_is_utf8());
}

static void written(const char *text, const char *as_xml, const char *as_json)
{
	char *xml = NULL, *json = NULL;
	size_t n;
	FILE *m = open_memstream(&xml, &n);

	flame_text(text, strlen(text), m);
	fclose(m);
	CHECK_STR(xml, as_xml);
	free(xml);
	m = open_memstream(&json, &n);
	flame_json(text, m);
	fclose(m);
	CHECK_STR(json, as_json);
	free(json);
}

TEST(flame_text_cannot_leave_its_place)
{
	written("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;", "\"a\\u003cb\\u003e\\u0026\\u0022'\"");
	written("]]>\\", "]]&gt;\\", "\"]]\\u003e\\u005c\"");
	written("\x01\xff\xed\xa0\x80", "\ufffd\ufffd\ufffd\ufffd\ufffd",
		"\"\ufffd\ufffd\ufffd\ufffd\ufffd\"");
	written("\xef\xbf\xbe\xc2\x85\u00e9\U0001f525", "\ufffd\ufffd\u00e9\U0001f525",
		"\"\ufffd\ufffd\u00e9\U0001f525\"");
	written("", "", "\"\"");
}

TEST(flame_colours_tell_kinds_of_code)
{
	static const struct {
		const char *name, *module;
		enum flame_kind kind;
	} frames[] = {
		{"main", "redis-server", FLAME_PROGRAM},
		{"memcpy", "libc.so.6", FLAME_LIBRARY},
		{"[libc.so.6]", "libc.so.6", FLAME_LIBRARY},
		{"std::sort", "libx.so", FLAME_CXX},
		{"core::fmt::write", "server", FLAME_CXX},
		{"py::f", "[jit]", FLAME_JIT},
		{"LazyCompile:~f", "perf-123.map", FLAME_JIT},
		{"clock_gettime", "[vdso]", FLAME_KERNEL},
		{"[vdso]", "[vdso]", FLAME_KERNEL},
		{"[truncated: too deep]", "", FLAME_NOTE},
		{"[cpu not sampled]", "", FLAME_NOTE},
		{"[unknown]", "", FLAME_JIT},
		{"JS:*f", "", FLAME_JIT},
	};

	for (unsigned i = 0; i < sizeof frames / sizeof frames[0]; i++)
		CHECK_EQ(flame_kind_of(&(struct calltree_frame){frames[i].name, frames[i].module},
				       true),
			 frames[i].kind);
	/* Where no module is known, nothing can be said of code without one. */
	CHECK_EQ(flame_kind_of(&(struct calltree_frame){"f", ""}, false), FLAME_PROGRAM);
}
