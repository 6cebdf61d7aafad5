// SPDX-License-Identifier: MIT
// The half of flame.js that needs no document, on pages of `cprof flame`: views_script.js PAGE...
// Prints claims; the search is compared with views_pages.py's own count.
"use strict";
const fs = require("fs"), { execFileSync } = require("child_process");
const flame = require(process.cwd() + "/cli/flame.js");
const claim = (name, holds, why) => console.log(holds ? "ok " + name : "not ok " + name + ": " + why);
const kids = flame.kidsOf;

const load = page => JSON.parse(/id="data">(?:<!\[CDATA\[)?(.*?)(?:\]\]>)?<\/script>/s.exec(fs.readFileSync(page, "utf8"))[1]);
const every = (top, holds) => {
	let bad = null, count = 0;
	flame.walk(top, node => {
		count++;
		if (!holds(node))
			bad = bad || node;
	});
	return { bad, count };
};
const sums = node => kids(node).reduce((sum, kid) => sum + kid.total, 0) + node.self === node.total;
// What every function has in itself, by walking a tree from its root, or by the first level of callers.
const flat = (top, own) => {
	const by = new Map();
	own(top, (frame, value) => by.set(frame, (by.get(frame) || 0) + value));
	return JSON.stringify([...by].sort((a, b) => a[0] - b[0]));
};

for (const page of process.argv.slice(2)) {
	const data = load(page), name = "flame_" + page.split("/").pop().split(".")[0];
	const calls = flame.parse(data), callers = flame.invert(calls);
	let r = every(calls, sums);
	claim(name + "_totals_are_the_sums_of_their_parts", !r.bad && r.count > 1, "frame " + (r.bad || {}).frame);
	claim(name + "_total_is_that_of_the_profile", calls.total === data.total, calls.total + " of " + data.total);
	r = every(callers, sums);
	claim(name + "_callers_add_up_too", !r.bad && r.count > 1, "frame " + (r.bad || {}).frame);
	claim(name + "_callers_have_the_same_total",
		callers.total === calls.total && kids(callers).reduce((s, k) => s + k.total, 0) === calls.total, callers.total);
	claim(name + "_callers_begin_with_what_functions_use_themselves",
		flat(calls, (top, add) => flame.walk(top, n => n.self && add(n.frame, n.self))) ===
		flat(callers, (top, add) => kids(top).forEach(k => add(k.frame, k.total))), "they differ");
	let deepest = calls, deep = 0;
	flame.walk(calls, node => {
		let depth = 0;
		for (let n = node; n.parent; n = n.parent)
			depth++;
		if (depth > deep && node.frame >= 0)
			[deepest, deep] = [node, depth];
	});
	for (const [what, top] of [["", calls], ["zoomed_", deepest], ["callers_", callers]]) {
		const boxes = flame.layout(top, 1000, 0);
		const widths = new Map(), at = new Map(boxes.map(box => [box.node, box]));
		let wrong = 0;
		for (const box of boxes) {
			if (box.x < -1e-6 || box.x + box.width > 1000 + 1e-6)
				wrong++;
			const above = at.get(box.node.parent);
			if (!above || box.above)
				continue;
			widths.set(above, (widths.get(above) || 0) + box.width);
			if (box.depth !== above.depth + 1 || box.x < above.x - 1e-6 || box.x + box.width > above.x + above.width + 1e-6)
				wrong++;
		}
		for (const [box, width] of widths)
			if (!box.above && Math.abs(width - box.width * (1 - box.node.self / box.node.total)) > 1e-6)
				wrong++;
		claim(name + "_" + what + "boxes_lie_in_their_callers", wrong === 0 && boxes.length > 0, wrong + " of " + boxes.length);
		claim(name + "_" + what + "top_is_as_wide_as_the_page", at.get(top).width === 1000, at.get(top).width);
	}
	const narrow = flame.layout(calls, 1000, 5);
	claim(name + "_narrow_boxes_are_not_drawn", narrow.every(b => b.width >= 5), narrow.length);
	const queries = ["f", "^work|::step_1", "M.*N$", "a.*[^e]$", "nowhere"];
	const counted = execFileSync("python3", ["tests/behaviour/views_pages.py", "search", page, ...queries]).toString().split("\n").map(Number);
	queries.forEach((query, i) => {
		const found = flame.matched(calls, flame.tester(query, data.names));
		claim(name + "_search_counts_each_stack_once (" + query + ": " + flame.percent(found, data.total) + ")",
			found === counted[i + 1] && data.total === counted[0], found + ", counted " + counted[i + 1]);
	});
}

const same = (name, got, want) => claim(name, got === want, "got " + got + ", expected " + want);
claim("flame_search_takes_what_is_no_expression_as_text", flame.tester("f(", ["f(int)", "F(x)", "f"]).toString &&
	[0, 1, 2].map(flame.tester("f(", ["f(int)", "F(x)", "f"])).join() === "true,true,false", "f(");
const long = "std::vector<int, std::allocator<int> >::push_back(int const&)";
same("flame_name_that_fits_stays", flame.shorten(long, 80), long);
same("flame_name_loses_arguments_first", flame.shorten(long, 24), "std::vector::push_back");
same("flame_name_loses_scopes_next", flame.shorten(long, 12), "\u2026push_back");
same("flame_name_is_cut_last", flame.shorten(long, 6), "push_\u2026");
same("flame_name_of_an_operator_stays_one", flame.shorten("ns::operator<<(std::ostream&, ns::point<int> const&)", 16), "ns::operator<<");
same("flame_name_in_c_is_cut_at_its_end", flame.shorten("a_long_name_in_c", 8), "a_long_\u2026");
same("flame_name_in_wide_characters_takes_two_columns", flame.shorten("\u540d\u524d\u540d\u524d", 6), "\u540d\u524d\u2026");
same("flame_name_without_room_is_none", flame.shorten("main", 2), "");
same("flame_label_of_time", flame.label(1.5e9, "ns"), "1.50s");
same("flame_label_of_bytes", flame.label(1536, "B"), "1.50kB");
same("flame_label_of_a_count", flame.label(1234567, ""), "1\u2009234\u2009567");
same("flame_label_of_nothing", flame.label(0, "ns"), "0ns");
same("flame_percent_of_all", flame.percent(7, 7), "100%");
same("flame_percent_of_little", flame.percent(1, 100000), "0.001%");
same("flame_percent_of_no_total", flame.percent(0, 0), "0%");
