"""Markdown as GitHub shows it."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable

from bench_core.core import text

LIMIT = 65_536
"""The most characters that GitHub takes in a comment."""
MAX_QUOTED = 160
"""The most characters of quoted words; the middle of longer ones is left out."""
_MARKUP = re.compile(r"[\\`*\[\]<>|~&!$]|(?<!\w)_|_(?!\w)")
"""Characters that mark up what is around them; an underscore does so at the beginning or end of a word only."""
_LINKS = re.compile(r"(?<=[@#])(?=\S)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
"""Places where words turn into a mention or a link, unless something is there."""


def fitting(page: Callable[[int], str], rows: int, limit: int) -> str:
    """The page with as many of its rows as keep it within so many characters, by ``page(number of rows)``; at least
    the one without rows."""
    if len(whole := page(rows)) <= limit:
        return whole
    too_many = bisect_right(range(rows), limit, key=lambda kept: len(page(kept)))
    return page(max(0, too_many - 1))


def code(words: str) -> str:
    """Words as Markdown code, in which no markup, link or mention works; at most ``MAX_QUOTED`` characters."""
    plain = " ".join(words.split()).replace("`", "'").replace("|", "¦")
    return f"`{text.fitted(plain, MAX_QUOTED) or text.NONE}`"


def plain(words: str) -> str:
    """Words as Markdown shows them: on one line, without markup, links and mentions, whatever they contain."""
    return _LINKS.sub("\N{ZERO WIDTH SPACE}", _MARKUP.sub(r"\\\g<0>", " ".join(words.split())))
