// SPDX-License-Identifier: MIT
// CPU work for the oracle: code that the JIT compiles, callbacks from native code, for argv[2] seconds.
'use strict';
const end = Date.now() + 1000 * Number(process.argv[2]);

function fib(n) {
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

class Point {
	constructor(x, y) {
		this.x = x;
		this.y = y;
	}
	add(other) {
		return new Point(this.x + other.x, this.y + other.y);
	}
}

let total = 0;
for (let round = 0; Date.now() < end; round++) {
	const points = Array.from({length: 2000}, (_, i) => new Point(i % 17, (i * round) % 31));
	points.sort((a, b) => a.x - b.x || a.y - b.y);
	total += points.reduce((sum, p) => sum.add(p), new Point(0, 0)).x;
	total += fib(18);
	const text = JSON.stringify(points.slice(0, 300));
	total += JSON.parse(text, (key, value) => value).length;
	total += text.replace(/"x":(\d+)/g, (_, digits) => digits + 1).length;
}
process.exitCode = total > 0 ? 0 : 1;
