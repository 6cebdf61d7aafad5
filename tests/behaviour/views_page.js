// SPDX-License-Identifier: MIT
// The half of flame.js that draws, on a document with just what it uses: views_page.js calls.html
// The page is that of cli_profiles.py's "calls"; what a click and a key do to it is known.
"use strict";
const fs = require("fs"), vm = require("vm");
const text = fs.readFileSync(process.argv[2], "utf8");
const json = /id="data">(.*?)<\/script>/s.exec(text)[1], script = fs.readFileSync("cli/flame.js", "utf8");

class Element {
	constructor(name) {
		Object.assign(this, { name, attributes: {}, kids: [], parent: null, own: "", dataset: {}, handlers: {}, value: "" });
		this.classList = {
			add: word => this.setAttribute("class", ((this.attributes.class || "") + " " + word).trim()),
			has: word => (this.attributes.class || "").split(" ").includes(word),
		};
	}
	setAttribute(key, value) { this.attributes[key] = String(value); }
	getAttribute(key) { return key in this.attributes ? this.attributes[key] : null; }
	append(...kids) { kids.forEach(kid => this.kids.push(kid instanceof Element ? Object.assign(kid, { parent: this }) : String(kid))); }
	replaceChildren(...kids) { this.kids = []; this.own = ""; this.append(...kids); }
	remove() { this.parent.kids = this.parent.kids.filter(kid => kid !== this); }
	get firstChild() { return this.kids[0] || null; }
	get textContent() { return this.own + this.kids.map(kid => kid.textContent ?? kid).join(""); }
	set textContent(value) { this.kids = []; this.own = String(value); }
	all() { return [this, ...this.kids.flatMap(kid => kid instanceof Element ? kid.all() : [])]; }
	querySelectorAll(what) {
		const [name, word] = what.split(".");
		return this.all().slice(1).filter(e => (!name || e.name === name) && (!word || e.classList.has(word)));
	}
	querySelector(what) { return this.querySelectorAll(what)[0] || null; }
	closest() { return "data-i" in this.attributes ? this : this.parent && this.parent.closest(); }
	addEventListener(kind, handler) { this.handlers[kind] = handler; }
	fire(kind, event = {}) {
		for (let e = this; e; e = e.parent)
			if (e.handlers[kind])
				e.handlers[kind]({ target: this, pageX: 10, pageY: 10, preventDefault() {}, ...event });
	}
	getComputedTextLength() { return this.textContent.length * 7; }
	getBoundingClientRect() { return { left: 0, bottom: 0 }; }
	scrollIntoView() {}
	focus() { this.focused = true; }
	blur() { this.focused = false; }
}

const open = hash => {
	const root = new Element("html"), svg = new Element("svg"), frames = new Element("g"), info = new Element("text");
	svg.setAttribute("data-top", 140);
	info.setAttribute("class", "info");
	info.textContent = "a line of the header that is too long for a page as narrow as this one is, by far and away";
	svg.append(info, frames);
	root.append(svg);
	root.clientWidth = 500;
	const keys = {}, window = { innerWidth: 500, innerHeight: 400, scrollX: 0, scrollY: 0, scrollTo() {}, addEventListener() {}, location: { hash } };
	const document = {
		documentElement: root, createElementNS: (space, name) => new Element(name),
		getElementById: id => ({ flame: svg, frames, data: Object.assign(new Element("script"), { own: json }) })[id],
		addEventListener: (kind, handler) => keys[kind] = handler,
	};
	vm.runInNewContext(script, { document, window, URLSearchParams });
	const controls = svg.querySelector("div.bar");
	const page = {
		svg, info, search: controls.querySelector("input"), found: controls.querySelector("output"),
		rows: () => frames.kids.map(g => [g.querySelector("text"), g.querySelector("rect"), g])
			.map(([t, r, g]) => ({ name: t ? t.textContent : "", x: Number(r.attributes.x), y: Number(r.attributes.y), width: Number(r.attributes.width), g })),
		names: () => page.rows().map(row => row.name).filter(Boolean).sort().join(" "),
		frame: name => page.rows().filter(row => row.name === name).sort((a, b) => b.width - a.width)[0],
		crumbs: () => svg.querySelector("div.crumbs").textContent,
		button: label => controls.querySelectorAll("button").find(b => b.textContent === label),
		key: key => keys.keydown({ key, target: root, preventDefault() {} }),
		tip: () => svg.querySelector("g.tip"),
	};
	return page;
};
const same = (name, got, want) =>
	console.log(got === want ? "ok " + name : "not ok " + name + ": got " + JSON.stringify(got) + ", expected " + JSON.stringify(want));

let page = open("");
const whole = page.names();
same("page_draws_every_frame", page.rows().length, 14);
same("page_names_those_with_room", whole, "all f f f f leaf leaf main thread work");
same("page_frame_is_as_wide_as_its_share", page.frame("main").width, 500 * 0.8 - 0.5);
same("page_shortens_the_header", page.info.kids.length === 1 && page.info.own.endsWith("\u2026") && page.info.own.length * 7 <= 480, true);
page.frame("work").g.querySelector("rect").fire("click");
same("page_zoom_shows_callers_and_what_is_below", page.names(), "all f leaf main work");
same("page_zoom_is_as_wide_as_the_page", page.frame("work").width, 499.5);
same("page_zoom_keeps_shares", page.frame("leaf").width, Number((500 * 300 / 550 - 0.5).toFixed(2)));
same("page_crumbs_lead_back", page.crumbs(), "all \u203a main \u203a work 550ms, 55.00% of the total");
page.frame("leaf").g.querySelector("rect").fire("mousemove");
same("page_tip_tells", page.tip().kids.slice(1).map(t => t.textContent).join("|"),
	"leaf|in prog|300ms, 30.00% of the total|in itself: 300ms, 30.00%|54.55% of work");
same("page_tip_is_shown", page.tip().getAttribute("visibility"), "visible");
page.button("Reset zoom").fire("click");
same("page_reset_shows_all", page.names(), whole);
page.search.value = "^f$";
page.search.fire("input");
same("page_search_says_how_much", page.found.textContent, "matched 350ms, 35.00%");
same("page_search_marks_frames", page.rows().filter(row => row.g.classList.has("hit")).map(row => row.name).join(), "f,f,f,f");
page.key("Escape");
same("page_escape_ends_the_search", page.found.textContent + page.rows().filter(row => row.g.classList.has("hit")).length, "0");
page.key("/");
same("page_slash_goes_to_the_search", page.search.focused, true);
page.key("i");
same("page_callers_begin_with_the_functions", page.rows().filter(row => row.y === 140 + 18).sort((a, b) => a.x - b.x).map(row => row.name || "-").join(" "),
	"leaf f work - - -");
page.frame("leaf").g.fire("click");
same("page_callers_of_a_function", page.names(), "all leaf main thread work");
page.frame("thread").g.fire("mousemove");
same("page_tip_tells_of_callers", page.tip().kids.slice(1).map(t => t.textContent).join("|"),
	"thread|in prog|200ms, 20.00% of the total|first in the stack: 200ms, 20.00%|40.00% of leaf");
page.key("i");
page.key("f");
const all = page.frame("all"), main = page.frame("main");
same("page_upside_down_has_the_root_below", all.y - main.y, 18);
page.key("f");
page.key("ArrowDown");
page.key("ArrowDown");
page.key("ArrowRight");
same("page_arrows_choose_a_frame", page.rows().find(row => row.g.classList.has("chosen")).name, "thread");
page.key("ArrowLeft");
page.key("ArrowDown");
page.key("Enter");
same("page_enter_zooms", page.crumbs(), "all \u203a main \u203a work 550ms, 55.00% of the total");
page.key("ArrowDown");
page.key("ArrowUp");
page.key("ArrowUp");
same("page_arrows_go_up", page.rows().find(row => row.g.classList.has("chosen")).name, "all");
page.key("Escape");
same("page_escape_ends_the_zoom", page.names(), whole);
page = open("#s=LEAF&z=main");
same("page_opens_as_asked", page.found.textContent + "; " + page.crumbs(), "matched 500ms, 50.00%; all \u203a main 800ms, 80.00% of the total");
page = open("#i=1&z=f&f=1");
same("page_opens_by_callers", page.crumbs(), "all \u203a f 350ms, 35.00% of the total");
page = open("#z=nobody");
same("page_opens_whole_when_there_is_none", page.names(), whole);
