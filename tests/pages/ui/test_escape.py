"""Data shows exactly as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.ui.escape import JOINER, PUNCTUATION, markup, text

ESCAPED = {
    "<script>alert(1)</script>": r"\<script\>alert\(1\)\<\/script\>",
    "*M*A*S*H*": r"\*M\*A\*S\*H\*",
    "a_b": r"a\_b",
    "$9.95$": r"\$9\.95\$",
    "[x](y)": r"\[x\]\(y\)",
    "1. first": r"1\. first",
    "two\n\n# lines": r"two \# lines",
    "Alien: Covenant": r"Alien\: Covenant",
}


@pytest.mark.parametrize(("given_", "expected"), ESCAPED.items())
def test_markdown_is_escaped(given_: str, expected: str) -> None:
    assert text(given_) == expected


@pytest.mark.parametrize("code", [":smile:", ":red[hot]", ":material/star:", "a->b", "x <- y", "www.a.bc", "me@a.bc"])
def test_short_codes_and_links_are_broken_up(code: str) -> None:
    assert JOINER in text(code)
    assert PUNCTUATION.sub("", text(code)).replace(JOINER, "").replace("\\", "") == PUNCTUATION.sub("", code)


@given(st.text())
def test_escaping_loses_no_letter(value: str) -> None:
    back = text(value).replace(JOINER, "")
    plain = " ".join(value.split()).replace(JOINER, "")
    assert "".join(back.split()).replace("\\", "") == "".join(plain.split()).replace("\\", "")


@given(st.text())
def test_markup_leaves_no_way_out(value: str) -> None:
    shown = markup(value)
    assert not set("<>\"'") & set(shown)
