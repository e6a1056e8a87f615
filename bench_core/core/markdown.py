"""Markdown as GitHub shows it."""

from __future__ import annotations

from bench_core.core import text

LIMIT = 65_536
"""The most characters that GitHub takes in a comment."""
MAX_QUOTED = 160
"""The most characters of quoted words; the middle of longer ones is left out."""


def code(words: str) -> str:
    """Words as Markdown code, in which no markup, link or mention works; at most ``MAX_QUOTED`` characters."""
    plain = " ".join(words.split()).replace("`", "'").replace("|", "¦")
    return f"`{text.fitted(plain, MAX_QUOTED) or text.NONE}`"
