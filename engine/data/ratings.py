"""Ratings as arrays: the only place where raw ids become indices and back."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32, Int64, Ints, mix
from engine.data.catalogue import MovieTable
from engine.data.history import NOBODY, History
from engine.data.order import group_rows
from engine.errors import InvalidInput
from engine.parallel import run_all


class UnmatchedIds(UserWarning):
    """No id was found because all are of another type than the known ones, such as ``"1"`` for ``1``."""


class IdIndex:
    """Raw ids of any hashable type, and their indices.

    Args:
        ids: distinct raw ids; the position in this sequence is the index.
    """

    def __init__(self, ids: Sequence[Hashable] | NDArray[Any] | pd.Index) -> None:
        self.ids = (
            ids
            if isinstance(ids, pd.Index)
            else pd.Index(np.asarray(ids, dtype=object) if isinstance(ids, list) else ids)
        )

    def __len__(self) -> int:
        return len(self.ids)

    def index(self, raw: Hashable) -> int:
        """The index of a raw id, -1 if unknown."""
        try:
            return self._positions.get(raw, -1)
        except TypeError:  # something that can't be an id, such as a list
            return -1

    @cached_property
    def _positions(self) -> dict[Hashable, int]:
        return {raw: position for position, raw in enumerate(self.ids)}

    def indices(self, raw: Iterable[Hashable]) -> Int32:
        """int32[n]: the index of each raw id, -1 if unknown."""
        values = raw if isinstance(raw, (np.ndarray, pd.Index, pd.Series)) else list(raw)
        return self.ids.get_indexer(pd.Index(values)).astype(np.int32)

    def look_up(self, raw: Iterable[Hashable], noun: str) -> Int32:
        """``indices``, with a warning (``UnmatchedIds``) if none is known but their texts are; ``noun`` is for it."""
        values = raw if isinstance(raw, (np.ndarray, pd.Index, pd.Series)) else list(raw)
        found = self.indices(values)
        if len(found) and (found < 0).all():
            self._warn_if_texts_match(values, noun)
        return found

    def look_up_one(self, raw: Hashable, noun: str) -> int:
        """``index`` with the warning of ``look_up``."""
        found = self.index(raw)
        if found < 0:
            self._warn_if_texts_match([raw], noun)
        return found

    def _warn_if_texts_match(self, values: Iterable[Hashable], noun: str) -> None:
        if not self._texts.isdisjoint(map(str, values)):
            given, known = (type(next(iter(ids))).__name__ for ids in (values, self.ids))
            text = f"None of the {noun} ids matched: they are {given}, but the ids of the ratings are {known}."
            warnings.warn(text, UnmatchedIds, stacklevel=4)

    @cached_property
    def _texts(self) -> frozenset[str]:
        return frozenset(map(str, self.ids))

    def raw(self, index: int) -> Any:
        """The raw id at an index."""
        return self._raw[index]

    @cached_property
    def _raw(self) -> list[Any]:
        return self.ids.tolist()  # an element of a pandas index takes a hundred times as long


@dataclass(frozen=True)
class Rows:
    """Rows grouped by a key: group k is ``order[start[k]:start[k + 1]]``, in the rows' own order."""

    start: Int64
    order: Ints

    def of(self, key: int) -> Ints:
        """The row numbers of one group."""
        return self.order[self.start[key] : self.start[key + 1]]

    def of_all(self, keys: Iterable[int]) -> Int64:
        """The row numbers of several groups, one after the other."""
        return np.concatenate([np.empty(0, np.int64), *(self.of(key) for key in keys)])


def group(keys: Int32, n: int) -> Rows:
    """Group row numbers by key in 0..n-1, stable."""
    return Rows(*group_rows(keys, n))


@dataclass(frozen=True)
class Interactions:
    """Ratings of users for movies.

    Attributes:
        users, items: int32[n], indices into ``user_ids`` and ``movie_ids``; a pair occurs at most once.
        ratings: float32[n], inside ``scale``.
        timestamps: int64[n] Unix seconds, or None where no times are known.
        movies: titles, years and genres by movie index.
        scale: the lowest and highest rating.
    """

    users: Int32
    items: Int32
    ratings: Float32
    timestamps: Int64 | None
    user_ids: IdIndex
    movie_ids: IdIndex
    movies: MovieTable
    scale: tuple[float, float]

    @classmethod
    def from_frame(
        cls, df: pd.DataFrame, movies: pd.DataFrame | None = None, *, scale: tuple[float, float] | None = None
    ) -> Interactions:
        """Build from a table of ratings and an optional table of movies.

        Args:
            df: columns user_id, movie_id, rating and optionally timestamp: Unix seconds, or dates (UTC where they have
                no zone). Indices follow first appearance; the last row of a repeated pair counts.
            movies: movie_id and any of title, year, genres (``Drama|War`` or a list). Unrated movies are kept, at the
                end.
            scale: lowest and highest rating; the extremes of the data by default.

        Raises:
            InvalidInput: a column or a value is missing, the table is empty, a timestamp can't be read, or a rating is
                outside the scale.
        """
        for column in ("user_id", "movie_id", "rating"):
            if column not in df.columns:
                raise InvalidInput(f"The ratings need a column named {column}.", field=column)
            _check_present(df[column], column)
        if df.empty:
            raise InvalidInput("There are no ratings in the table.", field="rating")
        df = df.drop_duplicates(["user_id", "movie_id"], keep="last")
        ratings = df["rating"].to_numpy(np.float32)
        low, high = scale or (float(ratings.min()), float(ratings.max()))
        outside = ~((ratings >= low) & (ratings <= high))
        if outside.any():
            raise InvalidInput(f"The rating {ratings[outside][0]} is outside the scale {low}-{high}.", field="rating")
        users, user_ids = pd.factorize(df["user_id"])
        if movies is None:
            items, raw_movies = pd.factorize(df["movie_id"])
            catalogue = pd.DataFrame(index=pd.Index(raw_movies))
        else:
            known = movies.drop_duplicates("movie_id").set_index("movie_id")
            items, raw_movies = pd.factorize(pd.concat([df["movie_id"], pd.Series(known.index)], ignore_index=True))
            items = items[: len(df)]
            catalogue = known.reindex(raw_movies)
        blank = [None] * len(catalogue)
        titles = [
            str(raw) if not isinstance(title, str) else title
            for raw, title in zip(raw_movies, catalogue.get("title", blank), strict=True)
        ]
        table = MovieTable.build(
            titles,
            catalogue["year"].tolist() if "year" in catalogue else blank,
            catalogue["genres"].tolist() if "genres" in catalogue else blank,
        )
        times = _unix_seconds(df["timestamp"]) if "timestamp" in df.columns else None
        return cls(
            users.astype(np.int32),
            items.astype(np.int32),
            ratings,
            times,
            IdIndex(pd.Index(user_ids)),
            IdIndex(pd.Index(raw_movies)),
            table,
            (low, high),
        )

    def __len__(self) -> int:
        return len(self.ratings)

    @property
    def n_users(self) -> int:
        """Number of users, including those without ratings in this part."""
        return len(self.user_ids)

    @property
    def n_movies(self) -> int:
        """Number of movies, including those without ratings in this part."""
        return len(self.movie_ids)

    @cached_property
    def mean(self) -> float:
        """The mean rating, in float64; the middle of the scale if there are none."""
        return float(self.ratings.mean(dtype=np.float64)) if len(self) else sum(self.scale) / 2

    @cached_property
    def given(self) -> tuple[float, float]:
        """Lowest and highest rating in the data; the scale if there are none."""
        return (float(self.ratings.min()), float(self.ratings.max())) if len(self) else self.scale

    @cached_property
    def user_counts(self) -> Int64:
        """int64[n_users]: ratings of each user."""
        return np.bincount(self.users, minlength=self.n_users)

    @cached_property
    def movie_counts(self) -> Int64:
        """int64[n_movies]: ratings of each movie."""
        return np.bincount(self.items, minlength=self.n_movies)

    @cached_property
    def by_user(self) -> Rows:
        """Row numbers grouped by user."""
        return group(self.users, self.n_users)

    @cached_property
    def by_movie(self) -> Rows:
        """Row numbers grouped by movie."""
        return group(self.items, self.n_movies)

    def group(self) -> None:
        """Group the row numbers by user and by movie now, at once, so that no later call waits for it."""
        run_all(lambda side: getattr(self, side), ("by_user", "by_movie"))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the four rating columns: equal for equal data in equal order."""
        digest = hashlib.sha256(f"{self.n_users} {self.n_movies} {self.scale}".encode())
        for column in (self.users, self.items, self.ratings, self.timestamps):
            if column is not None:
                digest.update(np.ascontiguousarray(column).data)
        return digest.hexdigest()

    @cached_property
    def user_marks(self) -> NDArray[np.uint64]:
        """uint64[n_users]: a fingerprint of each user's ratings, in any order; 0 without ratings."""
        marks = np.zeros(self.n_users, np.uint64)
        np.add.at(marks, self.users, mix(self.items.astype(np.uint64) << np.uint64(32) | self.ratings.view(np.uint32)))
        return marks

    def same_ids(self, user_ids: IdIndex, movie_ids: IdIndex) -> bool:
        """Whether these are the ids of the users and movies."""
        pairs = (self.user_ids, user_ids), (self.movie_ids, movie_ids)
        return all(ours is theirs or ours.ids.equals(theirs.ids) for ours, theirs in pairs)

    def history(self, user: int) -> History:
        """The ratings of one user in order of key; none for a user that these ratings do not have."""
        if not 0 <= user < self.n_users:
            return NOBODY
        rows = self.by_user.of(user)
        rows = rows[np.argsort(self.items[rows], kind="stable")]
        times = None if self.timestamps is None else self.timestamps[rows]
        return History.of(self.items[rows], self.ratings[rows], times)

    def subset(self, rows: NDArray[Any]) -> Interactions:
        """Some of the ratings, with the same users and movies; ``rows`` is a mask or row numbers."""
        times = None if self.timestamps is None else self.timestamps[rows]
        return replace(
            self, users=self.users[rows], items=self.items[rows], ratings=self.ratings[rows], timestamps=times
        )


def check_interactions(*data: object, field: str = "data") -> None:
    """Refuse anything but ``Interactions``.

    Raises:
        InvalidInput: names the type, and says what to do.
    """
    for one in data:
        if not isinstance(one, Interactions):
            kind = type(one).__name__
            raise InvalidInput(f"Pass Interactions, not {kind}; Interactions.from_frame makes them.", field=field)


def _check_present(column: pd.Series[Any], name: str) -> None:
    if column.isna().any():
        raise InvalidInput(f"Row {int(np.argmax(column.isna()))} has no {name}.", field=name)


def _unix_seconds(column: pd.Series[Any]) -> Int64:
    """int64[n]: whole seconds since 1970 from numbers of seconds or from dates."""
    _check_present(column, "timestamp")
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.int64)
    dates = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
    if dates.isna().any():
        wrong = column[dates.isna()].iloc[0]
        raise InvalidInput(f"The timestamp {wrong!r} is neither Unix seconds nor a date.", field="timestamp")
    return dates.dt.tz_localize(None).to_numpy("datetime64[s]").astype(np.int64)
