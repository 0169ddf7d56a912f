"""Rows that an import can't use: counted by reason, with the first lines and examples of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT_LINES = 100
KEPT_EXAMPLES = 3
MAX_EXAMPLE = 60
REASONS = {
    "columns": "The row has another number of columns than the header.",
    "quotes": "A quotation mark is not closed.",
    "encoding": "The line is not in the encoding of the file.",
    "record": "The line is no JSON object.",
    "line_too_long": "The line is too long.",
    "user_missing": "The person is missing.",
    "user_invalid": "The person's id is longer than 200 characters or has a control character.",
    "movie_missing": "The movie is missing.",
    "movie_invalid": "The movie's id is longer than 200 characters or has a control character.",
    "rating_unreadable": "The rating is not a number.",
    "rating_outside": "The rating is outside the scale.",
    "kind": "The title is not a movie: an episode, a season or a game.",
}
"""Codes of reasons, and their sentences."""


@dataclass
class Reason:
    """Rows rejected for one reason: their number, and the first of them."""

    code: str
    rows: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    examples: list[str] = field(default_factory=list)


class Rejections:
    """Rejected rows by reason."""

    def __init__(self) -> None:
        self._reasons: dict[str, Reason] = {}

    @property
    def rows(self) -> int:
        """How many rows were rejected."""
        return sum(reason.rows for reason in self._reasons.values())

    def add(self, code: str, file: str, line: int, example: str = "") -> None:
        """Reject a row; ``line`` counts from 1, ``example`` is the cell that is wrong, never an id."""
        self.add_many(code, file, np.array([line]), [example] if example else ())

    def add_many(self, code: str, file: str, lines: NDArray[Any], examples: Sequence[str] = ()) -> None:
        """Reject rows for one reason."""
        if not len(lines):
            return
        reason = self._reasons.setdefault(code, Reason(code))
        reason.rows += len(lines)
        room = KEPT_LINES - len(reason.lines)
        reason.lines += [{"file": file, "line": int(line)} for line in lines[:room]]
        for example in examples[:KEPT_EXAMPLES]:
            if example not in reason.examples and len(reason.examples) < KEPT_EXAMPLES:
                reason.examples.append(example[:MAX_EXAMPLE])

    def summary(self) -> list[dict[str, Any]]:
        """The reasons as in an answer, the most frequent first."""
        return [
            {
                "code": reason.code,
                "reason": REASONS[reason.code],
                "rows": reason.rows,
                "lines": reason.lines,
                "examples": reason.examples,
            }
            for reason in sorted(self._reasons.values(), key=lambda one: (-one.rows, one.code))
        ]

    def sentence(self) -> str:
        """The most frequent reasons in words."""
        return " ".join(reason["reason"] for reason in self.summary()[:3])
