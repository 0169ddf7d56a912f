"""What is stored and learned as files: ratings, movies, top lists, factors, and an archive that an import restores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from engine.background import give_way
from engine.data.formats.marquee import (
    FORMAT,
    LINKED_MOVIES_EXPORT,
    MANIFEST,
    MOVIES_EXPORT,
    RATINGS_EXPORT,
    SITE_COLUMNS,
)
from engine.data.identifiers import id_problem
from engine.data.ratings import Interactions
from engine.data.writing import Format, TableRows, archive
from engine.errors import Conflict, NotReady, UnknownUser, check_range
from engine.models.version import VersionBundle
from engine.recommending.lists import ListOptions
from engine.recommending.state import ServingState
from engine.services.audit import audited, of_user
from engine.services.recommendations import MAX_ITEMS
from engine.services.scale import StoreScale
from engine.services.serving import ServingService
from engine.services.snapshots import Snapshots
from engine.services.storing import stores
from engine.services.versions import VersionService
from store.ratings import RatingStore
from store.records import UNKNOWN_TIME, MovieRow

T = TypeVar("T")

TableName = Literal["ratings", "movies"]
ROWS = 100_000
"""Ratings or movies of a batch."""
PEOPLE = 200
"""Users of a batch of lists, and rows of a batch of factors."""
RATING_TYPES = (pa.string(), pa.string(), pa.float32(), pa.timestamp("s", "UTC"), pa.string(), pa.int32())
MOVIE_TYPES = {"year": pa.int32()}
LISTS = pa.schema(
    [
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("movie_id", pa.string()),
        ("title", pa.string()),
        ("score", pa.float32()),
        ("predicted_rating", pa.float32()),
    ]
)


class ExportService:
    """Writes what is stored, and what a version makes of it, as files in pieces.

    Users who were deleted and movies that were removed are in none of them. Rows are in the order of their ids, shorter
    ones first, so that equal contents give equal files.

    Args:
        ratings: where ratings and movies are stored.
        snapshots: of the ratings.
        scale: of the ratings.
        serving: the version that serves.
        versions: all versions.
    """

    def __init__(
        self,
        ratings: RatingStore,
        snapshots: Snapshots,
        scale: StoreScale,
        serving: ServingService,
        versions: VersionService,
    ) -> None:
        self._ratings = ratings
        self._snapshots = snapshots
        self._scale = scale
        self._serving = serving
        self._versions = versions

    @audited("data exported", lambda given, _: str(given["table"]))
    @stores
    def export(self, table: TableName, form: Format = "csv") -> Iterator[bytes]:
        """All ratings, or the catalogue, as a file, as stored at this moment."""
        data, movies = self._read()
        rows = _ratings(data, movies) if table == "ratings" else _movies(movies, MOVIES_EXPORT)
        return rows.pieces(form)

    @audited("data exported", of_user)
    @stores
    def person(self, user_id: str) -> bytes:
        """The ratings of one person as a CSV file like that of all ratings, the newest last.

        Raises:
            UnknownUser: there is no such person.
        """
        key = self._ratings.user_key(user_id)
        if key is None:
            raise UnknownUser(f"Nobody with the id {user_id!r} has ratings.")
        rated, (ids, movies) = self._snapshots.user_ratings(key), self._snapshots.movies()
        order = np.argsort(rated.rated_at, kind="stable")
        keys, moments = rated.movies[order].tolist(), rated.rated_at[order]
        years = [None if np.isnan(year) else int(year) for year in movies.years[keys]]
        columns = [
            pa.array([user_id] * len(keys), pa.string()),
            pa.array([str(ids.raw(movie)) for movie in keys], pa.string()),
            pa.array(rated.ratings[order]),
            pa.array(moments, pa.int64(), mask=moments == UNKNOWN_TIME).cast(pa.timestamp("s", "UTC")),
            pa.array([str(movies.titles[movie]) for movie in keys], pa.string()),
            pa.array(years, pa.int32()),
        ]
        schema = pa.schema(list(zip(RATINGS_EXPORT, RATING_TYPES, strict=True)))
        return b"".join(TableRows(schema, iter([pa.record_batch(columns, schema)])).pieces("csv"))

    @audited("data exported", lambda *_: "archive")
    @stores
    def archive(self) -> Iterator[bytes]:
        """A zip archive of all ratings, all movies with their ids on other sites, and the scale of the ratings.

        Importing it into an empty store asks nothing and restores them; equal stores give equal bytes.
        """
        data, movies = self._read()
        scale = self._scale.current
        manifest = {"format": FORMAT, "scale": scale.ends, "step": scale.step}
        files = [
            (MANIFEST, iter([(json.dumps(manifest) + "\n").encode()])),
            ("movies.csv", _movies(movies, LINKED_MOVIES_EXPORT).pieces("csv")),
        ]
        if len(data):
            files.append(("ratings.csv", _ratings(data, movies).pieces("csv")))
        return archive(files)

    @audited("data exported", lambda *_: "recommendations")
    @stores
    def recommendations(self, n: int = 10, form: Format = "csv") -> Iterator[bytes]:
        """The first n places of the list of everybody who has rated, by the active version, as a file.

        Args:
            n: 1 to 1000.
            form: of the file.

        Raises:
            NotReady: nothing is trained yet.
            InvalidInput: n is outside its range.
        """
        check_range("n", n, 1, MAX_ITEMS)
        return TableRows(LISTS, self._lists(self._serving.ready(), n)).pieces(form)

    @audited("data exported", lambda *_: "factors")
    @stores
    def factors(self, version: int | None = None, form: Format = "csv") -> Iterator[bytes]:
        """Bias and factors that a version has learned of each user and movie, as a file.

        Args:
            version: the active one by default.
            form: of the file.

        Raises:
            NotReady: nothing is trained yet.
            UnknownVersion: there is no such version.
            VersionUnavailable: its arrays are deleted or damaged.
            Conflict: its model has no factors.
        """
        if version is None:
            version = self._serving.ready().version
        stored = self._versions.load(version)
        model = VersionBundle.from_arrays(stored.record.kind, stored.record.config, stored.arrays).rating
        learned = model.biases_and_factors()
        if learned is None:
            raise Conflict(f"Version {version} has no factors: its model, {stored.record.kind}, learns none.")
        data, movies = self._read()
        tables = ("user", _user_keys(data), learned[0]), ("movie", _movie_keys(movies), learned[1])
        names = ("bias", *(f"f{place}" for place in range(learned[0].shape[1] - 1)))
        schema = pa.schema([("kind", pa.string()), ("id", pa.string()), *((name, pa.float32()) for name in names)])
        rows = (batch for kind, keys, vectors in tables for batch in _vectors(schema, kind, keys, vectors))
        return TableRows(schema, rows).pieces(form)

    def _read(self) -> tuple[Interactions, Sequence[MovieRow]]:
        """The ratings, and all movies by key."""
        return self._snapshots.load().data, self._ratings.movies()

    def _lists(self, state: ServingState, n: int) -> Iterator[pa.RecordBatch]:
        wanted = ListOptions(n)
        for some in _batches(_ordered(state.users), PEOPLE):
            present = self._present()
            rows = []
            for user_id in some:
                give_way()
                user = state.listen(user_id)
                if user_id in present and len(user.state.items):
                    made = state.list_of(user, wanted)
                    places = made.movies.astype(np.int32)
                    scores, predicted = made.scores[places].tolist(), user.state.predict(places).tolist()
                    listed = map(state.movie, places.tolist())
                    rows += [
                        (user_id, rank, movie.movie_id, movie.title, score, rating)
                        for rank, (movie, score, rating) in enumerate(zip(listed, scores, predicted, strict=True), 1)
                    ]
            if rows:
                columns = zip(zip(*rows, strict=True), LISTS.types, strict=True)
                yield pa.record_batch([pa.array(cells, kind) for cells, kind in columns], LISTS)

    def _present(self) -> dict[str, int]:
        """Users at this moment: somebody may be deleted while a file is written."""
        try:
            return self._serving.ready().users
        except NotReady:
            return {}


def _ratings(data: Interactions, movies: Sequence[MovieRow]) -> TableRows:
    schema = pa.schema(list(zip(RATINGS_EXPORT, RATING_TYPES, strict=True)))
    return TableRows(schema, _rating_batches(schema, data, movies))


def _rating_batches(schema: pa.Schema, data: Interactions, movies: Sequence[MovieRow]) -> Iterator[pa.RecordBatch]:
    users, movie_ids = (pa.array([str(one) for one in ids.ids], pa.string()) for ids in (data.user_ids, data.movie_ids))
    titles = pa.array([row.title for row in movies], pa.string())
    years = pa.array([row.year for row in movies], pa.int32())
    times = np.full(len(data), UNKNOWN_TIME) if data.timestamps is None else data.timestamps
    for rows in _rows_by_id(data):
        items, moments = pa.array(data.items[rows]), times[rows]
        known = pa.array(moments, pa.int64(), mask=moments == UNKNOWN_TIME)
        columns = [
            users.take(pa.array(data.users[rows])),
            movie_ids.take(items),
            pa.array(data.ratings[rows]),
            known.cast(pa.timestamp("s", "UTC")),
            titles.take(items),
            years.take(items),
        ]
        yield pa.record_batch(columns, schema)


def _rows_by_id(data: Interactions) -> Iterator[NDArray[np.int64]]:
    """Row numbers of all ratings in batches, ordered by the ids of users, then of movies."""
    order = _order(data.user_ids.ids)
    places, ranks = (np.empty(len(ids), np.int64) for ids in (data.user_ids, data.movie_ids))
    places[order], ranks[_order(data.movie_ids.ids)] = np.arange(len(places)), np.arange(len(ranks))
    ends = np.cumsum(data.user_counts[order])
    first = 0
    while first < len(order):
        done = ends[first - 1] if first else 0
        last = max(int(np.searchsorted(ends, done + ROWS, side="right")), first + 1)
        rows = data.by_user.of_all(order[first:last].tolist())
        yield rows[np.lexsort((ranks[data.items[rows]], places[data.users[rows]]))]
        first = last


def _movies(movies: Sequence[MovieRow], names: Sequence[str]) -> TableRows:
    schema = pa.schema([(name, MOVIE_TYPES.get(name, pa.string())) for name in names])
    keys = _movie_keys(movies)
    return TableRows(schema, _movie_batches(schema, [movies[keys[one]] for one in _ordered(keys)]))


def _movie_batches(schema: pa.Schema, rows: Sequence[MovieRow]) -> Iterator[pa.RecordBatch]:
    for some in _batches(rows, ROWS):
        cells = {
            "movie_id": [row.external_id for row in some],
            "title": [row.title for row in some],
            "year": [row.year for row in some],
            "genres": ["|".join(row.genres) for row in some],
        }
        for site, name in SITE_COLUMNS.items():
            cells[name] = [row.links.get(site, "") for row in some]
        yield pa.record_batch([pa.array(cells[field.name], field.type) for field in schema], schema)


def _vectors(schema: pa.Schema, kind: str, keys: dict[str, int], vectors: NDArray[Any]) -> Iterator[pa.RecordBatch]:
    known = [one for one in _ordered(keys) if keys[one] < len(vectors)]
    for some in _batches(known, PEOPLE):
        rows = vectors[[keys[one] for one in some]].astype(np.float32)
        yield pa.record_batch([pa.array([kind] * len(some)), pa.array(some), *map(pa.array, rows.T.copy())], schema)


def _user_keys(data: Interactions) -> dict[str, int]:
    """Keys of users who were not deleted, by id."""
    return {str(one): key for key, one in enumerate(data.user_ids.ids) if not id_problem(str(one), "user")}


def _movie_keys(movies: Sequence[MovieRow]) -> dict[str, int]:
    """Keys of movies that are not removed, by id."""
    return {row.external_id: key for key, row in enumerate(movies) if not row.removed}


def _ordered(ids: Iterable[str]) -> list[str]:
    """Ids in order, shorter ones first, so that numbers ascend."""
    return sorted(ids, key=lambda one: (len(one), one))


def _order(ids: Iterable[object]) -> NDArray[np.int64]:
    """int64[n]: the keys of ids in the order of ``_ordered``."""
    texts = [str(one) for one in ids]
    return np.array(sorted(range(len(texts)), key=lambda key: (len(texts[key]), texts[key])), np.int64)


def _batches(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[start : start + size] for start in range(0, len(values), size))
