"""Escapes data for Markdown and HTML, so that it shows exactly as it is."""

import re
from html import escape

# CommonMark lets a backslash precede any ASCII punctuation.
PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")
# Emoji short codes, arrows and bare URLs are detected after Markdown has removed the backslashes. An invisible word
# joiner between their parts prevents that.
JOINER = "\N{WORD JOINER}"
COMPOSED = re.compile(
    r"(?<=:)(?=\S)|(?<=-)(?=[->])|(?<=[<~])(?=[-=])|(?<=[>=!])(?==)|(?<=@)(?=\S)|(?<=www)(?=\.)", re.I
)
SPACES = re.compile(r"\s+")


def text(value: object) -> str:
    """``value`` on one line of Markdown (labels, headings, toasts, messages), never interpreted."""
    line = COMPOSED.sub(JOINER, SPACES.sub(" ", str(value)).strip())
    return PUNCTUATION.sub(r"\\\1", line)


def markup(value: object) -> str:
    """``value`` for HTML and SVG text and quoted attributes."""
    return escape(SPACES.sub(" ", str(value)).strip(), quote=True)
