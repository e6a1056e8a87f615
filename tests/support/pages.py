"""What a written page contains: its text, images, links and tables."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

from bench_core.report.content import Content
from bench_core.report.page import page


class Page(HTMLParser):
    """The parts of a page: its text, images, links, anchors, and the rows of its tables."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.images: list[str] = []
        self.alts: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.source = source
        self._unseen = self._in_cell = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self._unseen = tag in ("style", "script") or self._unseen
        if tag == "img":
            self.images.append(attributes["src"])
            self.alts.append(attributes["alt"])
        if "href" in attributes:
            self.links.append(attributes["href"])
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script"):
            self._unseen = False
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._unseen:
            return
        self.words.append(data)
        if self._in_cell:
            self.rows[-1][-1] += data.strip()

    @property
    def text(self) -> str:
        """All words, with single spaces."""
        return " ".join(" ".join(self.words).split())


def page_of(out: Path) -> Page:
    """The page in a folder."""
    return Page((out / "index.html").read_text(encoding="utf-8"))


def shown(report: Content) -> str:
    """The words of a report's page, without its plots."""
    return Page(source(report)).text


def source(report: Content) -> str:
    """The HTML of a report, without its plots."""
    return page.html(report, {plot.name: b"" for plot in report.plots})
