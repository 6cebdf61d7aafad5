# SPDX-License-Identifier: MIT
"""Looks at pages of `cprof flame` with parsers of its own.

  views_pages.py safe PAGE...            no element, attribute or script that cprof did not write; well-formed SVG
  views_pages.py search PAGE RE...         what the stacks in which RE matches a frame used, and the total
  views_pages.py contrast CSS            the least contrast of text on any colour of flame.css
"""
import html.parser
import json
import re
import sys
import xml.etree.ElementTree

ELEMENTS = {"svg", "title", "style", "text", "g", "rect", "script", "html", "head", "meta", "body"}
ATTRIBUTES = {"id", "class", "x", "y", "width", "height", "viewBox", "viewbox", "data-top", "type", "xmlns", "lang",
              "charset", "http-equiv", "content", "name"}


def check(path, elements, scripts, style_text):
    for name, attributes in elements:
        if name not in ELEMENTS:
            sys.exit(f"{path}: <{name}>")
        for key in attributes:
            if key not in ATTRIBUTES:
                sys.exit(f"{path}: <{name} {key}>")
    if len(scripts) != 2:
        sys.exit(f"{path}: {len(scripts)} scripts")
    data = json.loads(scripts[0])
    if scripts[1].strip() != open("cli/flame.js").read().strip():
        sys.exit(f"{path}: the script is not flame.js")
    for text in [scripts[1], style_text]:
        if re.search(r"https?://(?!www\.w3\.org/)|@import|url\(|\bfetch\b|XMLHttp|innerHTML|\beval\b|document\.write", text):
            sys.exit(f"{path}: it loads something or makes markup")
    return data


class Html(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.style, self.inside = [], [], "", None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, [k for k, _ in attributes]))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, text):
        if self.inside == "script":
            self.scripts[-1] += text
        elif self.inside == "style":
            self.style += text

    handle_startendtag = handle_starttag


def load(path):
    text = open(path, encoding="utf-8").read()  # strict: all of it is UTF-8
    if path.endswith(".html"):
        page = Html(text)
        return check(path, page.elements, page.scripts, page.style)
    root = xml.etree.ElementTree.fromstring(text)
    bare = [(e.tag.split("}")[1], list(e.attrib), e.text or "") for e in root.iter()]
    return check(path, [e[:2] for e in bare], [t for n, _, t in bare if n == "script"],
                 "".join(t for n, _, t in bare if n == "style"))


def stacks(data):
    """[(names, value)] of the nodes, without what has been cut."""
    path, n, i, found = [], data["nodes"], 0, []
    while i < len(n):
        code, up = n[i], n[i + 1]
        i += 2
        path = path[:len(path) - up] + [data["names"][code >> 2]]
        if code & 1:
            found.append((list(path), n[i]))
            i += 1
        if code & 2:
            found.append((list(path), n[i]))
            i += 2
    return found


def luminance(colour):
    parts = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(css):
    light, dark = open(css).read().split("@media (prefers-color-scheme:dark)")
    least = 99
    for text, part in (("#1a1a1a", light), ("#f2f2f2", dark)):
        fills = re.findall(r"\.c\d+\{fill:(#\w{6})\}", part) + re.findall(r"\.hit\{fill:(#\w{6})\}", part)
        if len(fills) != 39:
            sys.exit(f"{len(fills)} colours")
        for fill in fills:
            a, b = sorted((luminance(text), luminance(fill)))
            least = min(least, (b + 0.05) / (a + 0.05))
    return least


what = sys.argv[1]
if what == "safe":
    for page in sys.argv[2:]:
        load(page)
elif what == "search":
    data = load(sys.argv[2])
    known = stacks(data)
    print(data["total"])
    for pattern in sys.argv[3:]:
        hits = {n for n in data["names"] if re.search(pattern, n, re.I)}
        print(sum(v for names, v in known if not hits.isdisjoint(names)))
elif what == "contrast":
    print("%.2f" % contrast(sys.argv[2]))
