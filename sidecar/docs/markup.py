"""HTML as nested calls that escape by default, so that no text can become markup by being forgotten."""

from __future__ import annotations

from html import escape

VOID = frozenset({"meta", "link", "br", "hr", "input"})


class Markup(str):
    """Text that is HTML already; only this module makes it from parts that were escaped."""

    __slots__ = ()


Content = str | Markup | None | list["Content"]


def text(content: Content) -> Markup:
    """The content as HTML: plain text escaped, markup as it is, lists joined, None left out."""
    if isinstance(content, Markup):
        return content
    if isinstance(content, list):
        return Markup("".join(text(each) for each in content))
    return Markup(escape(content or "", quote=True))


def tag(name: str, /, *content: Content, **attributes: str | None) -> Markup:
    """``<name attribute="...">content</name>``; ``class_`` is the attribute ``class``, None leaves an attribute out."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value, quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{text(list(content))}</{name}>")


def prose(source: str) -> list[Content]:
    """Paragraphs between empty lines, with `code` in backquotes."""
    return [tag("p", *_inline(" ".join(part.split()))) for part in source.split("\n\n") if part.strip()]


def inline(source: str) -> Markup:
    """One line of text with `code` in backquotes."""
    return text(list(_inline(source)))


def _inline(source: str) -> list[Content]:
    parts = source.split("`")
    return [tag("code", part) if place % 2 else part for place, part in enumerate(parts)]
