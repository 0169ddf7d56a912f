"""Movies as stored, and how an import adds and describes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from store import revisions
from store.connections import Transaction
from store.records import MovieRow


def movie_rows(connection: Connection, keys: Sequence[int] | None = None) -> dict[int, MovieRow]:
    """Movies by key, in order of the keys; all by default."""
    found = {
        key: [own, title, year, [], {}, bool(removed)]
        for key, own, title, year, removed in _select(
            connection, "SELECT id, external_id, title, year, removed FROM movies{} ORDER BY id", "id", keys
        )
    }
    having = "SELECT movie_id, name FROM movie_genres JOIN genres ON genres.id = genre_id{} ORDER BY movie_id, name"
    for key, name in _select(connection, having, "movie_id", keys):
        found[key][3].append(name)
    for key, site, own in _select(
        connection, "SELECT movie_id, site, external_id FROM movie_links{}", "movie_id", keys
    ):
        found[key][4][site] = own
    return {
        key: MovieRow(own, title, year, tuple(genres), links, removed)
        for key, (own, title, year, genres, links, removed) in found.items()
    }


def describe(tx: Transaction, rows: Sequence[tuple[int, MovieRow]], import_id: int | None) -> int:
    """Set what the rows say of movies, and record for the import what each was before; returns how many were removed.

    An empty title, a missing year, no genres and sites without an id leave what is known.
    """
    keys = [key for key, _ in rows]
    before = movie_rows(tx, keys)
    after = {key: _merged(before[key], row) for key, row in rows}
    changed = {key: row for key, row in after.items() if row != before[key]}
    if not changed:
        return 0
    if import_id is not None:
        owners = dict(_select(tx, "SELECT id, import_id FROM movies{}", "id", list(changed)))
        record(tx, import_id, {key: packed(before[key], owners[key]) for key in changed})
    write(tx, [(key, row, import_id) for key, row in changed.items()], before)
    return sum(before[key].removed for key in changed)


def record(tx: Transaction, import_id: int, before: Mapping[int, str | None]) -> None:
    """Record what movies were before an import, unless it has already changed them; None: it adds the movie."""
    tx.exec_driver_sql(
        "INSERT OR IGNORE INTO import_movies (import_id, movie_id, before) VALUES (?, ?, ?)",
        [(import_id, key, packed_row) for key, packed_row in before.items()],
    )


def packed(row: MovieRow, import_id: int | None) -> str | None:
    """A movie as JSON, with the import that described it last; None for a removed one."""
    if row.removed:
        return None
    described = {"title": row.title, "year": row.year, "genres": row.genres, "links": row.links}
    return json.dumps(described | {"import_id": import_id})


def unpacked(movie: MovieRow, text: str) -> tuple[MovieRow, int | None]:
    """The movie as it was when it was packed, and the import that had described it last."""
    described = json.loads(text)
    import_id = described.pop("import_id")
    return replace(movie, **described | {"genres": tuple(described["genres"]), "removed": False}), import_id


def restored(movie: MovieRow, text: str | None) -> MovieRow:
    """The movie as the history has it; None: it was not in the catalogue."""
    if text is None:
        return MovieRow(movie.external_id, "", None, (), removed=True)
    return unpacked(movie, text)[0]


def write(tx: Transaction, rows: Sequence[tuple[int, MovieRow, int | None]], before: Mapping[int, MovieRow]) -> None:
    """Replace all that is stored of movies but the id, and keep in the history what they were.

    Args:
        tx: the transaction.
        rows: each with its key and the import that described it.
        before: what is stored, by key.
    """
    revisions.advance_catalogue(tx)
    revision = revisions.advance(tx, [], [], 0)
    tx.exec_driver_sql(
        "INSERT INTO movie_history (movie_id, until, before) VALUES (?, ?, ?)",
        [(key, revision, packed(before[key], None)) for key, _, _ in rows],
    )
    keys = (json.dumps([key for key, _, _ in rows]),)
    tx.exec_driver_sql(
        "UPDATE movies SET title = ?, year = ?, removed = ?, import_id = ? WHERE id = ?",
        [(row.title, row.year, int(row.removed), import_id, key) for key, row, import_id in rows],
    )
    tx.exec_driver_sql("DELETE FROM movie_genres WHERE movie_id IN (SELECT value FROM json_each(?))", keys)
    tx.exec_driver_sql("DELETE FROM movie_links WHERE movie_id IN (SELECT value FROM json_each(?))", keys)
    names = sorted({name for _, row, _ in rows for name in row.genres})
    if names:
        tx.exec_driver_sql("INSERT OR IGNORE INTO genres (name) VALUES (?)", [(name,) for name in names])
        ids = {name: key for key, name in tx.exec_driver_sql("SELECT id, name FROM genres")}
        pairs = [(key, ids[name]) for key, row, _ in rows for name in row.genres]
        tx.exec_driver_sql("INSERT INTO movie_genres (movie_id, genre_id) VALUES (?, ?)", pairs)
    links = [(key, site, own) for key, row, _ in rows for site, own in row.links.items()]
    if links:
        tx.exec_driver_sql("INSERT INTO movie_links (movie_id, site, external_id) VALUES (?, ?, ?)", links)


def _merged(known: MovieRow, given: MovieRow) -> MovieRow:
    return replace(
        known,
        title=given.title or known.title,
        year=known.year if given.year is None else given.year,
        genres=tuple(sorted(set(given.genres))) or known.genres,
        links={**known.links, **given.links},
        removed=False,
    )


def _select(connection: Connection, statement: str, column: str, keys: Sequence[int] | None) -> Any:
    """Rows of a statement in whose place ``{}`` a condition on the movies' keys is put, if there are any."""
    if keys is None:
        return connection.exec_driver_sql(statement.format("")).all()
    chosen = statement.format(f" WHERE {column} IN (SELECT value FROM json_each(?))")
    return connection.exec_driver_sql(chosen, (json.dumps(keys),)).all()
