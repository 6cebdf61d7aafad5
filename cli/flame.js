// SPDX-License-Identifier: MIT
// The flame graph of `cprof flame`, in the page itself. The first half knows no document and is tested by node.
// Every text of the profile becomes a text node or an attribute, never markup.
"use strict";
(() => {
	const ROW = 18; // height of a frame, as in the static drawing
	const LEAST = 0.4; // pixels below which a frame is not drawn
	const ROOT = -1, LEFT = -2; // frames that are no functions

	// The tree. data.nodes is preorder: frame * 4 + (1: has self) + (2: has cut children), how many levels up from the
	// last node its parent is, then self, then the total and the number of what has been cut.
	const parse = data => {
		const root = { frame: ROOT, parent: null, total: 0, self: 0, kids: [] };
		const all = [root], n = data.nodes;
		for (let i = 0, last = root; i < n.length;) {
			const code = n[i++];
			let parent = last;
			for (let up = n[i++]; up > 0; up--)
				parent = parent.parent;
			const node = { frame: code >> 2, parent, total: 0, self: code & 1 ? n[i++] : 0, kids: [] };
			parent.kids.push(node);
			all.push(last = node);
			if (code & 2) {
				const cut = { frame: LEFT, parent: node, total: 0, self: n[i++], count: n[i++], kids: [] };
				node.kids.push(cut);
				all.push(cut);
			}
		}
		if (data.left) {
			const cut = { frame: LEFT, parent: root, total: 0, self: data.left, count: data.leftCount, kids: [] };
			root.kids.push(cut);
			all.push(cut);
		}
		for (let i = all.length; i-- > 0;) {
			all[i].total += all[i].self;
			if (all[i].parent)
				all[i].parent.total += all[i].total;
		}
		return root;
	};

	const walk = (top, visit) => { // until visit says that it need not go deeper
		for (const stack = [top]; stack.length;) {
			const node = stack.pop();
			if (visit(node) !== false)
				for (const kid of kidsOf(node))
					stack.push(kid);
		}
	};

	// The same stacks from their innermost frames on. A node keeps the nodes of the first tree that it stands for, and gets
	// its children when somebody asks.
	const invert = root => {
		const top = { frame: ROOT, parent: null, total: root.total, self: 0, kids: null, at: [], weights: [] };
		walk(root, node => {
			if (node.self && node !== root) {
				top.at.push(node);
				top.weights.push(node.self);
			}
		});
		return top;
	};
	const kidsOf = node => {
		if (node.kids)
			return node.kids;
		const groups = new Map();
		node.at.forEach((below, i) => {
			const at = node.frame === ROOT ? below : below.parent;
			if (at.frame === ROOT) {
				node.self += node.weights[i];
				return;
			}
			let kid = groups.get(at.frame);
			if (!kid)
				groups.set(at.frame, kid = { frame: at.frame, parent: node, total: 0, self: 0, kids: null, at: [], weights: [], count: 0 });
			kid.total += node.weights[i];
			kid.count += at.count || 0;
			kid.at.push(at);
			kid.weights.push(node.weights[i]);
		});
		node.kids = [...groups.values()].sort((a, b) => (a.frame === LEFT) - (b.frame === LEFT) || b.total - a.total);
		return node.kids;
	};

	// Where frames go when top is as wide as the page: its ancestors above it at full width, and what is below it.
	const layout = (top, width, least = LEAST) => {
		const boxes = [], above = [];
		for (let node = top.parent; node; node = node.parent)
			above.unshift(node);
		above.forEach((node, depth) => boxes.push({ node, x: 0, width, depth, above: true }));
		for (const stack = [{ node: top, x: 0, width, depth: above.length }]; stack.length;) {
			const box = stack.pop();
			boxes.push(box);
			let x = box.x;
			for (const node of kidsOf(box.node)) {
				const w = box.node.total ? box.width * node.total / box.node.total : 0;
				if (w >= least)
					stack.push({ node, x, width: w, depth: box.depth + 1 });
				x += w;
			}
		}
		return boxes;
	};

	// What the stacks with a match used; a match inside a match counts once.
	const matched = (root, test) => {
		let sum = 0;
		walk(root, node => {
			if (node.frame >= 0 && test(node.frame)) {
				sum += node.total;
				return false;
			}
		});
		return sum;
	};

	// A regular expression, or the text itself where it is none; upper and lower case are the same.
	const tester = (query, names) => {
		let pattern = null;
		try {
			pattern = new RegExp(query, "i");
		} catch {
			query = query.toLowerCase();
		}
		const hits = names.map(name => pattern ? pattern.test(name) : name.toLowerCase().includes(query));
		return frame => hits[frame];
	};

	// The most telling part of a name in so many columns: first go template arguments and parameters, then the scopes.
	const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
	const columns = text => {
		let n = 0;
		for (const c of text)
			n += wide.test(c) ? 2 : 1;
		return n;
	};
	const cut = (text, room) => {
		let out = "", n = 1;
		for (const c of text) {
			n += columns(c);
			if (n > room)
				break;
			out += c;
		}
		return out + "\u2026";
	};
	const shorten = (name, room) => {
		if (room < 3)
			return "";
		if (columns(name) <= room)
			return name;
		if (!name.includes("::") || name[0] === "[")
			return cut(name, room);
		const brackets = "<>()", stand = "\ue000\ue001\ue002\ue003"; // those of an operator's name stay
		let bare = name.replace(/operator(<=>|<<=?|>>=?|<=?|>=?|->\*?|\(\))/g,
			operator => operator.replace(/[<>()]/g, c => stand[brackets.indexOf(c)])).replace(/ const$/, "");
		for (let last = ""; last !== bare;) {
			last = bare;
			bare = bare.replace(/<[^<>]*>|\([^()]*\)/g, "");
		}
		bare = bare.replace(/[\ue000-\ue003]/g, c => brackets[stand.indexOf(c)]);
		if (columns(bare) <= room)
			return bare;
		const tail = bare.slice(bare.lastIndexOf("::") + 2);
		return columns(tail) < room ? "\u2026" + tail : columns(tail) === room ? tail : cut(tail, room);
	};

	const percent = (value, total) => {
		const p = total ? 100 * value / total : 0;
		return (p >= 99.995 || p === 0 ? p.toFixed(0) : p >= 0.01 ? p.toFixed(2) : p.toPrecision(1)) + "%";
	};
	const scales = {
		ns: [["h", 3600e9], ["min", 60e9], ["s", 1e9], ["ms", 1e6], ["\u00b5s", 1e3], ["ns", 1]],
		B: [["TB", 2 ** 40], ["GB", 2 ** 30], ["MB", 2 ** 20], ["kB", 1024], ["B", 1]],
	};
	const label = (value, measure) => {
		const scale = scales[measure];
		if (!scale)
			return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, "\u2009") + (measure ? " " + measure : "");
		const [unit, one] = scale.find(([, size]) => value >= size) || scale[scale.length - 1];
		const v = value / one;
		return (Number.isInteger(v) ? v : v.toFixed(2)) + unit;
	};

	if (typeof document === "undefined") {
		module.exports = { parse, invert, kidsOf, layout, matched, tester, shorten, percent, label, walk };
		return;
	}

	// ---- the page ----

	const svg = document.getElementById("flame"), data = JSON.parse(document.getElementById("data").textContent);
	const element = (name, attributes = {}, text) => {
		const e = document.createElementNS("http://www.w3.org/2000/svg", name);
		for (const key in attributes)
			e.setAttribute(key, attributes[key]);
		if (text !== undefined)
			e.textContent = text;
		return e;
	};
	const control = (name, attributes = {}, text) => {
		const e = document.createElementNS("http://www.w3.org/1999/xhtml", name);
		for (const key in attributes)
			e.setAttribute(key, attributes[key]);
		if (text !== undefined)
			e.textContent = text;
		return e;
	};

	const calls = parse(data);
	let callers = null; // made when asked for
	let zoomed = calls, inverted = false, upwards = false, test = null, share = 0, boxes = [], chosen = -1;
	const frames = document.getElementById("frames"), top = Number(svg.getAttribute("data-top"));
	const tip = element("g", { class: "tip", visibility: "hidden" });
	const bar = element("foreignObject", { x: 0, y: top - 58, height: 56, width: 100 });
	const controls = control("div", { class: "bar" }), crumbs = control("div", { class: "crumbs" });
	const reset = control("button", { title: "Esc" }, "Reset zoom");
	const inverter = control("button", { title: "i: from the innermost functions to their callers" }, "Callers");
	const flipper = control("button", { title: "f: the first function at the bottom" }, "Upside down");
	const search = control("input", {
		type: "search", placeholder: "Search ( / )", "aria-label": "Search functions by regular expression", spellcheck: "false" });
	const found = control("output", {});
	controls.append(search, found, inverter, flipper, reset);
	bar.append(controls, crumbs);
	svg.append(bar, tip);
	document.documentElement.classList.add("live");

	const letter = (() => { // width of a character of the frames' font
		const probe = element("text", { class: "frame" }, "0".repeat(100));
		svg.append(probe);
		const width = probe.getComputedTextLength() / 100;
		probe.remove();
		return width || 7.23;
	})();
	const name = node => node.frame === ROOT ? "all"
		: node.frame === LEFT ? node.count + " calls left out, each below " + data.min + "%"
		: data.names[node.frame];
	const colour = node => node.frame === ROOT ? "c0" : node.frame === LEFT ? "c1" : "c" + data.colours[node.frame];
	const value = amount => label(amount * data.scale, data.measure);
	const pageWidth = () => Math.max(320, document.documentElement.clientWidth || window.innerWidth);

	const drawBox = (box, i, height) => {
		const y = upwards ? height - 12 - (box.depth + 1) * ROW : top + box.depth * ROW;
		const g = element("g", { "data-i": i, class: colour(box.node) });
		const hit = test && box.node.frame >= 0 && test(box.node.frame);
		if (test)
			g.classList.add(hit ? "hit" : "miss");
		if (box.above)
			g.classList.add("above");
		if (i === chosen)
			g.classList.add("chosen");
		g.append(element("rect", { x: box.x.toFixed(2), y, width: Math.max(box.width - 0.5, 0.3).toFixed(2), height: ROW - 1, rx: 1 }));
		const text = shorten(name(box.node), Math.floor((box.width - 6) / letter));
		if (text)
			g.append(element("text", { class: "frame", x: (box.x + 3).toFixed(2), y: y + 13 }, text));
		return g;
	};

	const fitText = width => { // the header's lines, whole in their tooltips
		for (const line of svg.querySelectorAll("text.info")) {
			if (!line.dataset.whole) {
				line.dataset.whole = line.textContent;
				line.dataset.letter = line.getComputedTextLength() / columns(line.textContent) || 6.7;
			}
			const whole = line.dataset.whole, room = Math.floor((width - 20) / line.dataset.letter);
			line.textContent = columns(whole) <= room ? whole : cut(whole, room);
			line.append(element("title", {}, whole));
		}
	};

	const drawCrumbs = () => {
		const path = [];
		for (let node = zoomed; node; node = node.parent)
			path.unshift(node);
		const shown = path.length > 6 ? [path[0], null, ...path.slice(-4)] : path;
		crumbs.replaceChildren();
		for (const node of shown) {
			if (crumbs.firstChild)
				crumbs.append(" \u203a ");
			if (!node) {
				crumbs.append("\u2026");
				continue;
			}
			const b = control("button", { title: name(node) }, shorten(name(node), 40));
			b.addEventListener("click", () => zoom(node));
			crumbs.append(b);
		}
		crumbs.append(" " + value(zoomed.total) + ", " + percent(zoomed.total, data.total) + " of the total");
		reset.disabled = !zoomed.parent;
	};

	const draw = () => {
		const width = pageWidth();
		boxes = layout(zoomed, width);
		const depth = boxes.reduce((most, box) => Math.max(most, box.depth), 0);
		const height = Math.max(top + (depth + 1) * ROW + 12, 220);
		svg.setAttribute("viewBox", "0 0 " + width + " " + height);
		svg.setAttribute("width", width);
		svg.setAttribute("height", height);
		bar.setAttribute("width", width);
		frames.replaceChildren(...boxes.map((box, i) => drawBox(box, i, height)));
		inverter.setAttribute("aria-pressed", inverted);
		flipper.setAttribute("aria-pressed", upwards);
		found.textContent = test ? "matched " + value(share) + ", " + percent(share, data.total) : "";
		fitText(width);
		drawCrumbs();
		hide();
		return height;
	};

	const wrap = (text, room, lines) => {
		const out = [];
		for (const c of text) {
			if (!out.length || columns(out[out.length - 1]) >= room)
				out.push("");
			out[out.length - 1] += c;
		}
		if (out.length > lines)
			out.splice(lines, out.length, "\u2026");
		return out;
	};
	const hide = () => tip.setAttribute("visibility", "hidden");
	const tell = (box, x, y) => {
		const node = box.node, width = pageWidth(), room = Math.min(90, Math.floor((width - 40) / letter));
		const lines = wrap(name(node), room, 5), brief = shorten(name(node), room), module = node.frame >= 0 ? data.modules[data.in[node.frame]] : "";
		if (lines.length > 1 && brief !== cut(name(node), room))
			lines.unshift(brief);
		if (module)
			lines.push("in " + module);
		lines.push(value(node.total) + ", " + percent(node.total, data.total) + " of the total");
		kidsOf(node); // an inverted node knows what begins there by then
		if (node.self && node.frame >= 0)
			lines.push((inverted ? "first in the stack: " : "in itself: ") + value(node.self) + ", " + percent(node.self, data.total));
		if (zoomed.parent && !box.above && node !== zoomed)
			lines.push(percent(node.total, zoomed.total) + " of " + shorten(name(zoomed), room - 12));
		const w = Math.max(...lines.map(columns)) * letter + 16, h = lines.length * 16 + 10;
		const left = Math.max(4, Math.min(x + 12, width - w - 6));
		const below = y + 16 + h < window.scrollY + window.innerHeight;
		const up = below ? y + 16 : Math.max(4, y - h - 8);
		tip.replaceChildren(element("rect", { x: left, y: up, width: w, height: h, rx: 3 }),
			...lines.map((line, i) => element("text", { class: "frame", x: left + 8, y: up + 17 + i * 16 }, line)));
		tip.setAttribute("visibility", "visible");
	};

	const zoom = node => {
		if (node.frame === LEFT)
			return;
		zoomed = node;
		chosen = -1;
		draw();
	};
	const root = () => inverted ? callers : calls;
	const setInverted = on => {
		inverted = on;
		if (on && !callers)
			callers = invert(calls);
		zoom(root());
	};
	const setUpwards = on => {
		upwards = on;
		const height = draw();
		window.scrollTo(0, on ? height : 0);
	};
	const setSearch = query => {
		test = query ? tester(query, data.names) : null;
		share = test ? matched(calls, test) : 0;
		draw();
	};
	const widest = wanted => { // the largest frame of that name; of callers, the function itself
		let best = null;
		const look = node => {
			if (best && node.total <= best.total)
				return false;
			if (node.frame >= 0 && data.names[node.frame] === wanted)
				best = node;
			return !inverted;
		};
		if (inverted)
			kidsOf(callers).forEach(look);
		else
			walk(calls, look);
		return best;
	};

	const boxOf = event => {
		const g = event.target.closest("[data-i]");
		return g ? boxes[g.getAttribute("data-i")] : null;
	};
	frames.addEventListener("click", event => {
		const box = boxOf(event);
		if (box)
			zoom(box.node);
	});
	frames.addEventListener("mousemove", event => {
		const box = boxOf(event);
		if (box)
			tell(box, event.pageX, event.pageY);
	});
	frames.addEventListener("mouseleave", hide);
	reset.addEventListener("click", () => zoom(root()));
	inverter.addEventListener("click", () => setInverted(!inverted));
	flipper.addEventListener("click", () => setUpwards(!upwards));
	search.addEventListener("input", () => setSearch(search.value));
	window.addEventListener("resize", draw);

	// The arrows choose a frame: up and down by row, left and right beside it; Enter zooms.
	const choose = key => {
		const from = boxes[chosen];
		if (!from) {
			chosen = boxes.findIndex(box => box.node === zoomed);
		} else {
			const down = key === "ArrowDown" ? !upwards : upwards, vertical = key === "ArrowDown" || key === "ArrowUp";
			const depth = from.depth + (vertical ? (down ? 1 : -1) : 0);
			const row = boxes.map((box, i) => ({ ...box, i })).filter(box => box.depth === depth).sort((a, b) => a.x - b.x);
			const next = !vertical ? row[row.findIndex(box => box.i === chosen) + (key === "ArrowRight" ? 1 : -1)]
				: down ? row.find(box => box.node.parent === from.node) : row.find(box => box.node === from.node.parent);
			chosen = next ? next.i : chosen;
		}
		draw();
		const g = frames.querySelector(".chosen"), at = g.querySelector("rect").getBoundingClientRect();
		g.scrollIntoView({ block: "nearest" });
		tell(boxes[chosen], Math.max(0, at.left) + window.scrollX, at.bottom + window.scrollY - 10);
	};
	document.addEventListener("keydown", event => {
		if (event.key === "Escape") {
			if (search.value) {
				search.value = "";
				setSearch("");
			} else {
				zoom(root());
			}
			search.blur();
		} else if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) {
			return;
		} else if (event.key === "/") {
			search.focus();
		} else if (event.key === "i") {
			setInverted(!inverted);
		} else if (event.key === "f") {
			setUpwards(!upwards);
		} else if (event.key.startsWith("Arrow")) {
			choose(event.key);
		} else if (event.key === "Enter" && chosen >= 0 && event.target.localName !== "button") {
			zoom(boxes[chosen].node);
		} else {
			return;
		}
		event.preventDefault();
	});

	// x.html#s=SEARCH&z=FUNCTION&i=1&f=1 opens so.
	const asked = new URLSearchParams(window.location.hash.slice(1));
	if (asked.get("i"))
		setInverted(true);
	if (asked.get("s"))
		setSearch(search.value = asked.get("s"));
	const wanted = asked.get("z") && widest(asked.get("z"));
	if (wanted)
		zoom(wanted);
	draw();
	if (asked.get("f"))
		setUpwards(true);
})();
