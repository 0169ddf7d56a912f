"""A field that finds things as one types: people to choose from, and everything in the sidebar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from engine.data.identifiers import MAX_ID_LENGTH

ASSETS = Path(__file__).parent / "assets"
MAX_TYPED = MAX_ID_LENGTH + 1
"""Characters of a text that are looked at: enough to notice an id that is too long."""

_field = st.components.v2.component(
    "marquee_finder",
    html='<div class="finder"><label></label><div class="field"><input type="text" role="combobox" autocomplete="off"'
    ' autocapitalize="off" spellcheck="false" aria-autocomplete="list" aria-expanded="false"><kbd aria-hidden="true"'
    ' hidden>/</kbd></div><div class="list" role="listbox" popover="manual"></div></div>',
    css=(ASSETS / "finder.css").read_text("utf-8"),
    js="\n".join((ASSETS / name).read_text("utf-8") for name in ("keyboard.js", "sidebar.js", "finder.js")),
)


@dataclass(frozen=True)
class Option:
    """Something that is found: the value that choosing it gives, what it says, and the heading that it stands under."""

    value: str
    title: str
    about: str = ""
    group: str = ""


def finder(
    label: str,
    find: Callable[[str], Sequence[Option]],
    *,
    key: str,
    placeholder: str,
    value: str = "",
    nothing: str = "",
    keeps: bool = False,
    suggests: bool = False,
    slash: bool = False,
) -> str:
    """Draw the field; returns what was chosen or entered in this run, or an empty text.

    Every text is shown as it is, so none needs escaping.

    Args:
        label: accessible name.
        find: the options for a text; for an empty one the suggestions.
        key: the widget's key.
        placeholder: what an empty field says.
        value: what is chosen now.
        nothing: what the list says if it has no options.
        keeps: whether the field shows what is chosen, with its label above; otherwise it is empty again.
        suggests: whether an empty field has options.
        slash: whether ``/`` moves to the field. The options of such a field are addresses, which the browser opens
            itself; it also opens links of the class ``mq-go`` without reloading the console.
    """
    typed = _text(getattr(st.session_state.get(key), "typed", None))
    found = find(typed) if typed or suggests else ()
    data = {
        "label": label,
        "hidden": not keeps,
        "placeholder": placeholder,
        "value": value,
        "typed": typed,
        "options": [asdict(one) for one in found],
        "nothing": nothing if typed else "",
        "keeps": keeps,
        "suggests": suggests,
        "slash": slash,
    }
    sent = _field(
        key=key,
        data=data,
        default={"typed": ""},
        on_typed_change=_ignore,
        on_chosen_change=_ignore,
    )
    return _text(sent.chosen)


def _text(sent: object) -> str:
    """What the browser sent, where it is a text; the end of a very long one is cut off."""
    return sent[:MAX_TYPED] if isinstance(sent, str) else ""


def _ignore() -> None:
    """The run after a change reads it from the result."""
