#!/usr/bin/env python3
"""Makes the pages into a book by mdBook: python3 docs/book.py, then open target/book/html/index.html.

mdBook wants all its sources in one folder and formulas in another notation than GitHub. So what docs/SUMMARY.md
lists, and the files that these pages link to, are copied into target/book/src under the paths that they have in
the repository: links are the same in both places. Fails on a warning of mdBook and on a link that leads nowhere.

NFD_MDBOOK names the program, else mdbook on the path (cargo install mdbook).
"""

import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOOK = ROOT / "target/book"
SUMMARY = ROOT / "docs/SUMMARY.md"
# A folder's own page, which mdBook's readers expect as index.html.
README = re.compile(r"(\]\([^):\s]*)\bREADME\.md")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
CONFIG = """[book]
title = "nfd"
language = "en"
[build]
build-dir = "html"
create-missing = false
[output.html]
mathjax-support = true
smart-punctuation = false
"""


def escaped(formula):
    """The formula with all punctuation escaped, so that Markdown leaves it as it is."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", formula)


def with_mathjax(page):
    """A page whose formulas are in MathJax's parentheses and brackets instead of GitHub's fences and dollars."""
    out, fence = [], None
    for line in page.split("\n"):
        mark = line.strip()
        if mark.startswith("```") and fence is None:
            fence, body = mark, []
            if fence != "```math":
                out.append(line)
        elif mark == "```":
            if fence == "```math":
                indent = line[: len(line) - len(line.lstrip())]
                out.append(indent + escaped(r"\[" + " ".join(body) + r"\]"))
            else:
                out.append(line)
            fence = None
        elif fence == "```math":
            body.append(mark)
        elif fence:
            out.append(line)
        else:
            out.append(re.sub(r"\$`(.+?)`\$", lambda m: escaped(rf"\({m[1]}\)"), line))
    return "\n".join(out)


def copy_sources(source):
    """Pages, the files they link to and the configuration; returns the pages, as paths in the repository."""
    summary = SUMMARY.read_text()
    chapters = [(SUMMARY.parent / link).resolve().relative_to(ROOT) for link in LINK.findall(summary)]
    for path in chapters:
        page = (ROOT / path).read_text()
        for link in LINK.findall(page):
            target = (ROOT / path.parent / link).resolve()
            if "://" not in link and target.is_file() and target.suffix != ".md":
                copy = source / target.relative_to(ROOT)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(target, copy)
        copy = source / README.sub(r"\1index.md", f"]({path}")[2:]
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(with_mathjax(README.sub(r"\1index.md", page)))
    summary = re.sub(r"\]\((?!\.\./)", "](docs/", summary).replace("](../", "](")
    (source / "SUMMARY.md").write_text(README.sub(r"\1index.md", summary))
    return chapters


class Page(html.parser.HTMLParser):
    """Anchors of a page, and the links and pictures in it."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if "id" in attributes:
            self.anchors.add(attributes["id"])
        for name in ("href", "src"):
            if attributes.get(name):
                self.links.add(attributes[name])


def dead_links(folder):
    """Links of the book that lead to no file or no heading of it."""
    pages = {path: Page(path) for path in folder.rglob("*.html")}
    for path, page in pages.items():
        for link in sorted(page.links):
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc or not (url.path or url.fragment):
                continue
            target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            anchor = urllib.parse.unquote(url.fragment)
            if not target.exists() or (anchor and target in pages and anchor not in pages[target].anchors):
                yield f"{path.relative_to(folder)}: {link}"


def main():
    source = BOOK / "src"
    shutil.rmtree(BOOK, ignore_errors=True)
    source.mkdir(parents=True)
    chapters = copy_sources(source)
    (BOOK / "book.toml").write_text(CONFIG)
    mdbook = os.environ.get("NFD_MDBOOK", "mdbook")
    built = subprocess.run([mdbook, "build", str(BOOK)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sys.stdout.write(built.stdout)
    if built.returncode or "WARN" in built.stdout or "ERROR" in built.stdout:
        sys.exit("mdBook warns or fails")
    dead = list(dead_links(BOOK / "html"))
    if dead:
        sys.exit("leading nowhere:\n" + "\n".join(dead))
    print(f"{len(chapters)} pages: {BOOK / 'html/index.html'}")


if __name__ == "__main__":
    main()
