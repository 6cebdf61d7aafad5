/* SPDX-License-Identifier: MIT */
#include "config/load.h"

#include <errno.h>

#include "config/inifile.h"
#include "config/value.h"

#include "core/as_safe.h"

#define PREFIX	   "CPROF_"
#define FILE_NAMED PREFIX "CONFIG"

_Static_assert(SETTINGS_COUNT <= 64, "from_environment keeps a bit per option");

/* Settings are made twice: in silence, and when there was a problem once more into a struct that is
 * thrown away, with reports.  So a report knows what counts in the end, and goes to the log file
 * that the last line names. */
struct load {
	/* what there is; the same both times */
	const char *name;    /* of the file, in reports; NULL: there is none */
	const char *trouble; /* why the file was not read, "" when it was */
	const struct inifile *file;
	char *const *envp;

	struct settings *s;
	struct load_source *sources;
	const struct settings *final; /* NULL: in silence */
	load_report_fn report;
	void *opaque;
	unsigned problems, in_file;
};

/* ---- lines ---- */

struct line {
	char buf[LOAD_LINE_BYTES];
	struct text text;
};

static void open_line(struct line *line)
{
	line->buf[0] = '\0';
	line->text = TEXT_ON(line->buf);
}

static void close_line(struct load *l, const struct line *line)
{
	l->report(l->opaque, line->buf);
}

/* "; using 100" */
static void using(struct load *l, unsigned index, struct text *t)
{
	char buf[SETTINGS_PATH_BYTES] = "";
	struct text value = TEXT_ON(buf);

	settings_show(l->final, index, &value);
	text_str(t, "; using ");
	if (value.len)
		value_show_foreign(t, buf);
	else
		text_str(t, "the default");
}

/* Counts a problem of the file.  true: line is open and begins with its place. */
static bool problem_in_file(struct load *l, unsigned number, struct line *line)
{
	l->problems++;
	if (l->in_file++ >= LOAD_REPORTS || !l->final)
		return false;
	open_line(line);
	value_show_path(&line->text, l->name);
	if (number) {
		text_char(&line->text, ':');
		text_u64(&line->text, number);
	}
	text_str(&line->text, ": ");
	return true;
}

/* ---- the file ---- */

static void on_problem(void *opaque, unsigned number, const char *shown, const char *what)
{
	struct load *l = opaque;
	struct line line;

	if (!problem_in_file(l, number, &line))
		return;
	if (shown) {
		value_show_foreign(&line.text, shown);
		text_str(&line.text, ": ");
	}
	text_str(&line.text, what);
	close_line(l, &line);
}

static bool on_section(void *opaque, unsigned number, const char *name)
{
	struct load *l = opaque;
	char buf[128] = "";
	struct text why = TEXT_ON(buf);
	struct line line;

	if (settings_section(name, &why))
		return true;
	if (problem_in_file(l, number, &line)) {
		text_char(&line.text, '[');
		value_show_foreign(&line.text, name);
		text_str(&line.text, "]: ");
		text_str(&line.text, buf);
		text_str(&line.text, why.len && buf[why.len - 1] == '?' ? " ignoring its options"
									: "; ignoring its options");
		close_line(l, &line);
	}
	return false;
}

static bool is_quoted(const char *value)
{
	return *value == '"' || *value == '\'';
}

static void bad_pair(struct load *l, unsigned number, const char *dotted, int index,
		     const char *value, const char *why)
{
	struct settings_option option;
	struct line line;

	if (!problem_in_file(l, number, &line))
		return;
	value_show_foreign(&line.text, dotted);
	if (index < 0) {
		text_str(&line.text, ": ");
		(void)settings_explain(dotted, SETTINGS_DOTTED, &line.text);
		close_line(l, &line);
		return;
	}
	text_str(&line.text, " = ");
	value_show_foreign(&line.text, value);
	text_str(&line.text, ": ");
	if (is_quoted(value)) {
		(void)settings_option((unsigned)index, &option);
		text_str(&line.text, "expected ");
		text_str(&line.text, option.bounds);
		text_str(&line.text, ", without quotes");
	} else {
		text_str(&line.text, why);
	}
	using(l, (unsigned)index, &line.text);
	close_line(l, &line);
}

static void on_pair(void *opaque, unsigned number, const char *section, const char *key,
		    const char *value)
{
	struct load *l = opaque;
	char dotted[96], buf[192] = ""; /* a name that is cut is longer than any option's */
	struct text name = TEXT_ON(dotted), why = TEXT_ON(buf);
	struct line line;
	int index;

	text_str(&name, section);
	text_char(&name, '.');
	text_str(&name, key);
	index = settings_find(dotted, SETTINGS_DOTTED);
	if (index < 0 || is_quoted(value) || settings_set(l->s, (unsigned)index, value, &why) < 0) {
		bad_pair(l, number, dotted, index, value, buf);
		return;
	}
	if (l->sources[index].from == LOAD_FILE && problem_in_file(l, number, &line)) {
		text_str(&line.text, dotted);
		text_str(&line.text, ": given in line ");
		text_u64(&line.text, l->sources[index].line);
		text_str(&line.text, " already, expected once; using the last");
		close_line(l, &line);
	}
	l->sources[index] = (struct load_source){.from = LOAD_FILE, .line = number};
}

static void from_file(struct load *l)
{
	const struct inifile_visitor visitor = {
		.section = on_section, .pair = on_pair, .problem = on_problem, .opaque = l};
	struct line line;

	l->in_file = 0;
	if (!l->name)
		return;
	if (*l->trouble)
		on_problem(l, 0, NULL, l->trouble);
	else
		inifile_parse(l->file->text, l->file->bytes, &visitor);
	if (l->in_file <= LOAD_REPORTS || !l->final)
		return;
	open_line(&line);
	value_show_path(&line.text, l->name);
	text_str(&line.text, ": and ");
	text_u64(&line.text, l->in_file - LOAD_REPORTS);
	text_str(&line.text, " more");
	close_line(l, &line);
}

/* ---- the environment ---- */

/* Returns the value of a variable that starts with CPROF_, and its name in *ret_name; NULL of
 * others. */
static const char *variable_of(const char *entry, struct text *ret_name)
{
	const char *value = entry;

	if (!text_starts(entry, PREFIX))
		return NULL;
	while (*value && *value != '=')
		value++;
	if (*value != '=')
		return NULL;
	text_bytes(ret_name, entry, (size_t)(value - entry));
	return value + 1;
}

static void apply_variable(struct load *l, const char *name, const char *value, uint64_t *seen)
{
	int index = settings_find(name, SETTINGS_VARIABLE);
	char buf[192] = "";
	struct text why = TEXT_ON(buf);
	struct line line;

	if (index >= 0) {
		uint64_t bit = UINT64_C(1) << index;

		if (*seen & bit)
			return;
		*seen |= bit;
		if (settings_set(l->s, (unsigned)index, value, &why) == 0) {
			l->sources[index] = (struct load_source){.from = LOAD_VARIABLE};
			return;
		}
		if (l->final)
			using(l, (unsigned)index, &why);
	} else if (text_equal(name, FILE_NAMED)) {
		return; /* from_file() has judged it */
	} else if (!settings_explain(name, SETTINGS_VARIABLE, &why)) {
		if (value_distance(name, FILE_NAMED, 2) > 2)
			return; /* somebody else's */
		text_str(&why, "no such option; did you mean " FILE_NAMED "?");
	}
	l->problems++;
	if (!l->final)
		return;
	open_line(&line);
	value_show_foreign(&line.text, name);
	if (index >= 0) {
		text_char(&line.text, '=');
		value_show_foreign(&line.text, value);
	}
	text_str(&line.text, ": ");
	text_str(&line.text, buf);
	close_line(l, &line);
}

static void from_environment(struct load *l)
{
	uint64_t seen = 0;

	for (char *const *e = l->envp; e && *e; e++) {
		char buf[96]; /* a name that is cut is longer than any option's */
		struct text name = TEXT_ON(buf);
		const char *value = variable_of(*e, &name);

		if (value)
			apply_variable(l, buf, value, &seen);
	}
}

/* The first value of CPROF_CONFIG; NULL when there is none or an empty one. */
static const char *file_named(char *const *envp)
{
	static const char entry[] = FILE_NAMED "=";

	for (; envp && *envp; envp++)
		if (text_starts(*envp, entry))
			return (*envp)[sizeof entry - 1] ? *envp + sizeof entry - 1 : NULL;
	return NULL;
}

/* ---- both ---- */

static void make(struct load *l)
{
	settings_defaults(l->s);
	memset(l->sources, 0, SETTINGS_COUNT * sizeof *l->sources);
	l->problems = 0;
	from_file(l);
	from_environment(l);
}

static unsigned load(struct load *l, struct settings *s, struct load_source *ret_sources,
		     load_report_fn report, void *opaque)
{
	struct load_source sources[SETTINGS_COUNT];
	struct settings again;

	l->s = s;
	l->sources = ret_sources ? ret_sources : sources;
	make(l);
	if (l->problems && report) {
		l->s = &again;
		l->sources = sources;
		l->final = s;
		l->report = report;
		l->opaque = opaque;
		make(l);
	}
	return l->problems;
}

unsigned load_settings(struct settings *s, const char *path, char *const *envp,
		       struct load_source *ret_sources, load_report_fn report, void *opaque)
{
	const char *named = path ? path : file_named(envp);
	char absolute[SETTINGS_PATH_BYTES], shown[128], buf[192] = "";
	struct text why = TEXT_ON(buf), name = TEXT_ON(shown);
	struct inifile file = {0};
	struct load l = {.name = named, .trouble = buf, .file = &file, .envp = envp};

	if (!path && named && value_parse_path(named, absolute, sizeof absolute, &why) < 0) {
		text_str(&name, FILE_NAMED "=");
		value_show_foreign(&name, named);
		l.name = shown;
	} else if (named) {
		(void)inifile_read(named, &file, &why);
	}
	if (why.len)
		text_str(&why, "; using no file");
	unsigned problems = load(&l, s, ret_sources, report, opaque);
	inifile_drop(&file);
	return problems;
}

unsigned load_text(struct settings *s, const char *name, const char *text, size_t bytes,
		   struct load_source *ret_sources, load_report_fn report, void *opaque)
{
	const struct inifile file = {.text = (char *)text, .bytes = bytes};
	struct load l = {.name = name, .trouble = "", .file = &file};

	return load(&l, s, ret_sources, report, opaque);
}
