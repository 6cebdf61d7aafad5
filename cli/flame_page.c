/* SPDX-License-Identifier: MIT */
#include "cli/flame_page.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/measure.h"
#include "core/utf8.h"

/* Of the drawing without a script. flame.js has the same height of a row. */
#define PAGE_WIDTH   1200
#define ROW_HEIGHT   18
#define LETTER_WIDTH 7.23 /* of the fonts named in flame.css, at 12 px */
#define TOP	     140
#define STATIC_LEAST 1.0 /* pixels */

/* Made of cli/flame.js and cli/flame.css. */
static const char script[] = {
#include "cli/flame.js.inc"
	0};
static const char style[] = {
#include "cli/flame.css.inc"
	0};

/* What XML 1.0 has no form for: control characters, and U+FFFE and U+FFFF. */
static bool is_xml(const unsigned char *c, size_t length)
{
	if (length == 1)
		return c[0] >= 0x20 && c[0] != 0x7f;
	if (length == 2)
		return c[0] != 0xc2 || c[1] >= 0xa0;
	return !(length == 3 && c[0] == 0xef && c[1] == 0xbf && c[2] >= 0xbe);
}

/* Calls put for each valid character and "\ufffd" for each byte that is none. */
static void each(const char *s, size_t n, FILE *to,
		 void (*put)(const char *c, size_t length, FILE *to))
{
	const unsigned char *c = (const unsigned char *)s;

	while (n) {
		size_t length = utf8_sequence(c, n), step = length ? length : 1;

		if (length && is_xml(c, length))
			put((const char *)c, length, to);
		else
			fputs("\ufffd", to);
		c += step;
		n -= step;
	}
}

static void put_text(const char *c, size_t length, FILE *to)
{
	switch (*c) {
	case '<':
		fputs("&lt;", to);
		break;
	case '>':
		fputs("&gt;", to);
		break;
	case '&':
		fputs("&amp;", to);
		break;
	case '"':
		fputs("&quot;", to);
		break;
	case '\'':
		fputs("&#39;", to);
		break;
	default:
		fwrite(c, 1, length, to);
	}
}

void flame_text(const char *s, size_t n, FILE *to)
{
	each(s, n, to, put_text);
}

static void put_json(const char *c, size_t length, FILE *to)
{
	if (strchr("<>&\"\\", *c))
		fprintf(to, "\\u%04x", (unsigned)*c);
	else
		fwrite(c, 1, length, to);
}

void flame_json(const char *s, FILE *to)
{
	putc('"', to);
	each(s, strlen(s), to, put_json);
	putc('"', to);
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

enum flame_kind flame_kind_of(const struct calltree_frame *f, bool has_modules)
{
	static const char *const notes[] = {"[truncated", "[cpu not sampled", "[cprof:"};
	static const char *const kernel[] = {"[vdso]", "[vsyscall]", "[kernel", "[vectors]"};
	static const char *const made[] = {"[jit", "//anon", "[anon", "perf-", "memfd:", "jit"};

	for (unsigned i = 0; i < sizeof notes / sizeof notes[0]; i++)
		if (has_prefix(f->name, notes[i]))
			return FLAME_NOTE;
	for (unsigned i = 0; i < sizeof kernel / sizeof kernel[0]; i++)
		if (has_prefix(f->module, kernel[i]) || has_prefix(f->name, kernel[i]))
			return FLAME_KERNEL;
	for (unsigned i = 0; i < sizeof made / sizeof made[0]; i++)
		if (has_prefix(f->module, made[i]))
			return FLAME_JIT;
	if (!f->module[0] && has_modules)
		return FLAME_JIT;
	if (strstr(f->name, "::"))
		return FLAME_CXX;
	return strstr(f->module, ".so") ? FLAME_LIBRARY : FLAME_PROGRAM;
}

static bool has_modules(const struct calltree *t)
{
	for (size_t i = 0; i < t->frame_count; i++)
		if (t->frames[i].module[0])
			return true;
	return false;
}

/* c0 and c1 are the root and what has been left out. */
static unsigned colour_of(const struct calltree_frame *f, bool modules)
{
	uint32_t h = 2166136261u; /* FNV-1a */

	for (const char *c = f->name; *c; c++)
		h = (h ^ (unsigned char)*c) * 16777619u;
	return 2 + FLAME_SHADES * flame_kind_of(f, modules) + (h ^ h >> 15) % FLAME_SHADES;
}

/* ---- the header ---- */

/* The lines of the report's header: when and how much, then the rest. */
struct heading {
	char *title, *first, *rest;
};

static void append(char **line, const char *text)
{
	char *longer;

	if (asprintf(&longer, "%s%s%s", *line ? *line : "", *line ? "  \u00b7  " : "", text) < 0)
		exit(EXIT_FAILED);
	free(*line);
	*line = longer;
}

static void make_heading(const struct flame_page *f, struct heading *h)
{
	const struct profile *p = &f->view->profile;
	char *text = NULL, *line, *state;
	size_t n = 0;
	FILE *m = open_memstream(&text, &n);

	*h = (struct heading){0};
	if (!m)
		exit(EXIT_FAILED);
	view_header(f->view, view_unit(f->view, 0, f->view->total), m);
	fclose(m);
	for (line = strtok_r(text, "\n", &state); line; line = strtok_r(NULL, "\n", &state)) {
		line += strspn(line, " ");
		if (has_prefix(line, "Time: ") || has_prefix(line, "Duration: "))
			append(&h->first, line);
		else if (!has_prefix(line, "File: ") && !has_prefix(line, "Type: ") &&
			 !has_prefix(line, "Active filters:"))
			append(&h->rest, line);
	}
	free(text);
	if (f->title) {
		h->title = strdup(f->title);
	} else {
		const char *program = "profile";
		size_t length = strlen(program);

		if (p->mapping_keys.count && p->mappings[0].file[0])
			program = profile_file_name(p->mappings[0].file, &length);
		if (asprintf(&h->title, "%.*s: %s", (int)length, program, f->view->type->type) < 0)
			h->title = NULL;
	}
	if (!h->title)
		exit(EXIT_FAILED);
}

static void write_left_out(const struct flame_page *f, FILE *to)
{
	const struct calltree *t = f->tree;
	char percent[MEASURE_PERCENT_BYTES];

	measure_percent(t->cut_total, f->view->total, percent);
	fprintf(to, "%zu calls", t->node_count - 1 - t->cut_count);
	if (t->cut_count)
		fprintf(to, "; %u below %.3g%% each are left out, %s of the total", t->cut_count,
			f->min * 100, percent + strspn(percent, " "));
}

/* A line of the header, when there is one; the script shortens what the page has no room for. */
static void write_line(const char *class, int *y, const char *text, FILE *to)
{
	if (!text || !text[0])
		return;
	*y += 16;
	fprintf(to, "<text class=\"%s\" x=\"10\" y=\"%d\">", class, *y);
	flame_text(text, strlen(text), to);
	fputs("</text>\n", to);
}

/* ---- the drawing without a script ---- */

static void write_name(const char *name, double width, FILE *to)
{
	size_t room = width > 6 ? (size_t)((width - 6) / LETTER_WIDTH) : 0, n = 0, columns = 0;
	size_t all = 0;

	for (const char *c = name; *c; c++)
		all += ((unsigned char)*c & 0xc0) != 0x80;
	if (room < 3)
		return;
	if (all <= room)
		n = strlen(name);
	else
		for (; name[n]; n++)
			if (((unsigned char)name[n] & 0xc0) != 0x80 && ++columns >= room)
				break;
	flame_text(name, n, to);
	if (all > room)
		fputs("\u2026", to);
}

static void write_box(double x, size_t y, double width, unsigned colour, const char *name, FILE *to)
{
	fprintf(to, "<g class=\"c%u\"><rect x=\"%.2f\" y=\"%zu\" width=\"%.2f\" height=\"%d\"/>",
		colour, x, y, width > 1 ? width - 0.5 : 0.5, ROW_HEIGHT - 1);
	if (width >= 3 * LETTER_WIDTH + 6) {
		fprintf(to, "<text class=\"frame\" x=\"%.2f\" y=\"%zu\">", x + 3, y + 13);
		write_name(name, width, to);
		fputs("</text>", to);
	}
	fputs("</g>\n", to);
}

struct place {
	double x, next; /* left end, and that of the next child */
	size_t depth;
};

static bool is_drawn(const struct flame_page *f, uint32_t at)
{
	double all = (double)f->tree->nodes[CALLTREE_ROOT].total;

	return (double)f->tree->nodes[at].total / all * PAGE_WIDTH >= STATIC_LEAST;
}

/* Rows that the drawing needs. */
static size_t depth_of(const struct flame_page *f)
{
	const struct calltree *t = f->tree;
	uint32_t *depths = memory_get(t->node_count * sizeof *depths);
	size_t deepest = 0;

	for (uint32_t at = calltree_next(t, CALLTREE_ROOT); at; at = calltree_next(t, at)) {
		depths[at] = depths[t->nodes[at].parent] + 1;
		if (depths[at] > deepest && is_drawn(f, at))
			deepest = depths[at];
	}
	free(depths);
	return deepest;
}

static void write_boxes(const struct flame_page *f, FILE *to)
{
	const struct calltree *t = f->tree;
	bool modules = has_modules(t);
	struct place *places = memory_get(t->node_count * sizeof *places);
	double scale = PAGE_WIDTH / (double)t->nodes[CALLTREE_ROOT].total;

	write_box(0, TOP, PAGE_WIDTH, 0, "all", to);
	for (uint32_t at = calltree_next(t, CALLTREE_ROOT); at; at = calltree_next(t, at)) {
		const struct calltree_node *n = &t->nodes[at];
		struct place *p = &places[at], *above = &places[n->parent];

		p->x = p->next = above->next;
		p->depth = above->depth + 1;
		above->next += (double)n->total * scale;
		if (is_drawn(f, at))
			write_box(p->x, TOP + p->depth * ROW_HEIGHT, (double)n->total * scale,
				  colour_of(&t->frames[n->frame], modules),
				  t->frames[n->frame].name, to);
	}
	free(places);
}

/* ---- the data ---- */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/* Values of a timer are multiples of its period: written as such they are short. */
static uint64_t divisor_of(const struct flame_page *f)
{
	const struct calltree *t = f->tree;
	uint64_t d = (uint64_t)f->view->total;

	for (uint32_t at = CALLTREE_ROOT;;) {
		d = common_divisor(d, (uint64_t)t->nodes[at].self);
		d = common_divisor(d, (uint64_t)t->nodes[at].left);
		at = calltree_next(t, at);
		if (at == CALLTREE_ROOT)
			return d ? d : 1;
	}
}

/* As flame.js reads them. */
static void write_nodes(const struct calltree *t, uint64_t divisor, const uint32_t *frames,
			FILE *to)
{
	uint32_t last = CALLTREE_ROOT;

	for (uint32_t at = calltree_next(t, CALLTREE_ROOT); at; at = calltree_next(t, at)) {
		const struct calltree_node *n = &t->nodes[at];
		unsigned up = 0;

		for (uint32_t from = last; from != n->parent; from = t->nodes[from].parent)
			up++;
		fprintf(to, "%s%" PRIu64 ",%u", last == CALLTREE_ROOT ? "" : ",",
			(uint64_t)frames[n->frame] * 4 + (n->self ? 1 : 0) + (n->left ? 2 : 0), up);
		if (n->self)
			fprintf(to, ",%" PRIu64, (uint64_t)n->self / divisor);
		if (n->left)
			fprintf(to, ",%" PRIu64 ",%u", (uint64_t)n->left / divisor, n->left_count);
		last = at;
	}
}

/* The unit that the script knows, and how much of it a unit of the profile is. */
static const char *measure_of(const struct view *v, double *ret_scale)
{
	const char *unit;

	*ret_scale = measure_scale(1, v->type->unit, "nanoseconds", &unit);
	if (strcmp(unit, "ns") == 0)
		return "ns";
	*ret_scale = measure_scale(1, v->type->unit, "bytes", &unit);
	if (strcmp(unit, "B") == 0)
		return "B";
	*ret_scale = 1;
	return strcmp(v->type->unit, "count") == 0 ? "" : v->type->unit;
}

static void write_data(const struct flame_page *f, FILE *to)
{
	const struct calltree *t = f->tree;
	const struct calltree_node *root = &t->nodes[CALLTREE_ROOT];
	uint64_t divisor = divisor_of(f);
	uint32_t *numbers = memory_get(t->frame_count * sizeof *numbers); /* + 1; 0: not in it */
	uint32_t *used = memory_get(t->frame_count * sizeof *used), count = 0;
	struct pool files = {0};
	bool modules = has_modules(t);
	double scale;
	const char *measure = measure_of(f->view, &scale);

	/* Only the frames that have not been cut. */
	for (uint32_t at = calltree_next(t, CALLTREE_ROOT); at; at = calltree_next(t, at)) {
		uint32_t frame = t->nodes[at].frame;

		if (numbers[frame])
			continue;
		used[count++] = frame;
		numbers[frame] = count;
	}
	for (uint32_t i = 0; i < count; i++)
		numbers[used[i]] = i;
	fprintf(to, "{\"total\":%" PRIu64 ",\"scale\":%.17g,\"left\":%" PRIu64 ",\"leftCount\":%u",
		(uint64_t)f->view->total / divisor, (double)divisor * scale,
		(uint64_t)root->left / divisor, root->left_count);
	fprintf(to, ",\"min\":%.3g", f->min * 100);
	fputs(",\"measure\":", to);
	flame_json(measure, to);
	fputs(",\n\"names\":[", to);
	for (uint32_t i = 0; i < count; i++) {
		fputs(i ? "," : "", to);
		flame_json(t->frames[used[i]].name, to);
	}
	fputs("],\n\"in\":[", to);
	for (uint32_t i = 0; i < count; i++) {
		const char *module = t->frames[used[i]].module;

		fprintf(to, "%s%u", i ? "," : "", pool_put(&files, module, strlen(module), NULL));
	}
	fputs("],\n\"modules\":[", to);
	for (size_t i = 0; i < files.count; i++) {
		fputs(i ? "," : "", to);
		flame_json(files.entries[i].bytes, to);
	}
	fputs("],\n\"colours\":[", to);
	for (uint32_t i = 0; i < count; i++)
		fprintf(to, "%s%u", i ? "," : "", colour_of(&t->frames[used[i]], modules));
	fputs("],\n\"nodes\":[", to);
	write_nodes(t, divisor, numbers, to);
	fputs("]}", to);
	pool_free(&files);
	free(numbers);
	free(used);
}

/* ---- the page ---- */

static void write_drawing(const struct flame_page *f, const struct heading *h, FILE *to)
{
	size_t height = TOP + (depth_of(f) + 1) * ROW_HEIGHT + 12;
	char *left = NULL;
	int y = 8;
	size_t n;
	FILE *m = open_memstream(&left, &n);

	if (!m)
		exit(EXIT_FAILED);
	write_left_out(f, m);
	fclose(m);
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" id=\"flame\" data-top=\"%d\" "
		"viewBox=\"0 0 %d %zu\" width=\"%d\" height=\"%zu\">\n",
		TOP, PAGE_WIDTH, height, PAGE_WIDTH, height);
	if (!f->html) {
		fputs("<title>", to);
		flame_text(h->title, strlen(h->title), to);
		fprintf(to, "</title>\n<style><![CDATA[\n%s]]></style>\n", style);
	}
	write_line("title", &y, h->title, to);
	y += 3;
	write_line("info", &y, h->first, to);
	write_line("info", &y, h->rest, to);
	write_line("info", &y, left, to);
	fputs("<g id=\"frames\">\n", to);
	write_boxes(f, to);
	fputs("</g>\n", to);
	free(left);
}

void flame_page_write(const struct flame_page *f, FILE *to)
{
	struct heading h;

	make_heading(f, &h);
	if (f->html) {
		/* The policy: nothing is loaded and nothing sent, whatever a name might do. */
		fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		      "script-src 'unsafe-inline'; style-src 'unsafe-inline'\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>",
		      to);
		flame_text(h.title, strlen(h.title), to);
		fprintf(to,
			"</title>\n<style>\nbody{margin:0}svg{display:block}\n%s</style></"
			"head>\n<body>\n",
			style);
		write_drawing(f, &h, to);
		fputs("</svg>\n<script type=\"application/json\" id=\"data\">", to);
		write_data(f, to);
		fprintf(to, "</script>\n<script>\n%s</script>\n</body></html>\n", script);
	} else {
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", to);
		write_drawing(f, &h, to);
		fputs("<script type=\"application/json\" id=\"data\"><![CDATA[", to);
		write_data(f, to);
		fprintf(to, "]]></script>\n<script><![CDATA[\n%s]]></script>\n</svg>\n", script);
	}
	free(h.title);
	free(h.first);
	free(h.rest);
}
