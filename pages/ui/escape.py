"""Text that comes from data, made to show letter by letter where Markdown or HTML is expected."""

from __future__ import annotations

import re
from html import escape

# CommonMark lets a backslash precede any ASCII punctuation.
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Emoji short codes, arrows and bare addresses are found after Markdown has removed the backslashes. A word joiner,
# which is not drawn and breaks no line, keeps their parts asunder.
JOINER = "\N{WORD JOINER}"
COMPOSED = re.compile(
    r"(?<=:)(?=\S)|(?<=-)(?=[->])|(?<=[<~])(?=[-=])|(?<=[>=!])(?==)|(?<=@)(?=\S)|(?<=www)(?=\.)", re.I
)
SPACES = re.compile(r"\s+")


def text(value: object) -> str:
    """``value`` for Markdown (labels, headings, toasts, messages): shows as it is, on one line, and never as markup."""
    line = COMPOSED.sub(JOINER, SPACES.sub(" ", str(value)).strip())
    return PUNCTUATION.sub(r"\\\1", line)


def markup(value: object) -> str:
    """``value`` for HTML and SVG, in text and in quoted attributes."""
    return escape(SPACES.sub(" ", str(value)).strip(), quote=True)
