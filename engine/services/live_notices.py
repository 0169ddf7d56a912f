"""Notices of live figures, each of which comes once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from store.connections import Transaction
from store.notices import Level, NoticeStore
from store.values import ValueStore

Kind = Literal["dipped", "told"]
"""A version's error is above what its evaluation found; a shadow can be told apart from the active version."""


@dataclass(frozen=True)
class LiveNotices:
    """Adds notices and remembers, in ``_values``, what they were about."""

    _notices: NoticeStore
    _values: ValueStore

    def has(self, kind: Kind, what: int | str) -> bool:
        """Whether there was a notice of this kind about this."""
        return what in self._values.read().get(kind, [])

    def add(self, kind: Kind, what: int | str, level: Level, text: str, details: dict[str, Any]) -> None:
        """Add a notice and remember it, in one transaction."""

        def note(tx: Transaction) -> None:
            known = self._values.read(tx=tx).get(kind, [])
            self._values.write({kind: [*known, what]}, tx=tx)
            self._notices.add(level, "live", text, details, tx=tx)

        self._values.transaction(note)
