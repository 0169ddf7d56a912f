"""Movies: single ones for people, and the whole catalogue as columns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.arrays import Float32

NO_GENRES = "(no genres listed)"


@dataclass(frozen=True, slots=True)
class Movie:
    """One movie of the catalogue; ``year`` is None if unknown."""

    movie_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]


@dataclass(frozen=True)
class MovieTable:
    """Titles, years and genres by movie index.

    Attributes:
        titles: object[n], the raw id as text if the title is unknown.
        years: float32[n], NaN where unknown.
        genres: bool[n, g], the genres of each movie.
        genre_names: the g names, sorted.
        removed: bool[n], movies that are hidden but keep their index, since an import that added them was undone.
    """

    titles: NDArray[np.object_]
    years: Float32
    genres: NDArray[np.bool_]
    genre_names: tuple[str, ...]
    removed: NDArray[np.bool_]

    @classmethod
    def build(
        cls, titles: Sequence[Any], years: Sequence[Any], genres: Sequence[Any], removed: Sequence[bool] | None = None
    ) -> MovieTable:
        """Build from columns of equal length; None or NaN where unknown, genres as ``split_genres`` reads them.

        No movie is removed by default.
        """
        sets = [split_genres(value) for value in genres]
        names = tuple(sorted({name for names in sets for name in names}))
        column = {name: position for position, name in enumerate(names)}
        table = np.zeros((len(sets), len(names)), dtype=bool)
        for row, present in enumerate(sets):
            table[row, [column[name] for name in present]] = True
        year = pd.to_numeric(pd.Series(list(years), dtype=object), errors="coerce").to_numpy(np.float32)
        hidden = np.zeros(len(sets), bool) if removed is None else np.array(removed, bool)
        return cls(np.asarray(titles, dtype=object), year, table, names, hidden)

    @property
    def shown(self) -> int:
        """Number of movies without the removed ones."""
        return len(self.removed) - int(self.removed.sum())

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over years and genres, which models learn from, without titles."""
        digest = hashlib.sha256("|".join(self.genre_names).encode())
        for column in (self.years, self.genres):
            digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    def movie(self, index: int, movie_id: str) -> Movie:
        """One movie."""
        year = self.years[index]
        genres = tuple(self.genre_names[g] for g in np.flatnonzero(self.genres[index]))
        return Movie(movie_id, str(self.titles[index]), None if np.isnan(year) else int(year), genres)


def split_genres(value: Any) -> tuple[str, ...]:
    """The distinct genres of ``Drama|War``, or of a list, tuple, set or array of such texts.

    Anything else, and MovieLens's ``(no genres listed)``, gives none.
    """
    if isinstance(value, (list, tuple, np.ndarray)):
        texts = list(value)
    else:
        texts = sorted(value, key=str) if isinstance(value, (set, frozenset)) else [value]
    parts = (part.strip() for text in texts if isinstance(text, str) for part in text.split("|"))
    return tuple(dict.fromkeys(part for part in parts if part and part != NO_GENRES))
