"""Soundness and contents of a store, read-only so that it works on backups too."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import JSON, Connection, Float, Integer, LargeBinary, Text, select
from sqlalchemy.exc import DBAPIError

from store import revisions
from store.enum_text import EnumText
from store.errors import DamagedVersion
from store.model_arrays import read_arrays
from store.schema import activations, meta, metadata, model_versions

MAX_FAULTS = 20
OURS = {"alembic_version", "meta", "ratings", "model_versions"}
TYPES: dict[type[Any], tuple[str, ...]] = {
    Integer: ("integer",),
    Float: ("real", "integer"),
    Text: ("text",),
    EnumText: ("text",),
    JSON: ("text",),
    LargeBinary: ("blob",),
}
"""SQLite storage classes by column type."""
SHOWN = "movies WHERE NOT removed"
ORPHANS = {
    "ratings of unknown people": "SELECT count(*) FROM ratings WHERE user_id NOT IN (SELECT id FROM users)",
    "ratings of movies that do not exist": (
        "SELECT count(*) FROM ratings WHERE movie_id NOT IN (SELECT id FROM movies)"
    ),
    "entries of the deployment history for versions that do not exist": (
        "SELECT count(*) FROM activations WHERE version NOT IN (SELECT version FROM model_versions)"
    ),
}
IMPORTED = {
    "ratings of imports that do not exist": (
        "SELECT count(*) FROM ratings WHERE import_id IS NOT NULL AND import_id NOT IN (SELECT import_id FROM imports)"
    ),
    "ratings of movies that were removed": (
        "SELECT count(*) FROM ratings WHERE movie_id IN (SELECT id FROM movies WHERE removed)"
    ),
    "replaced ratings of imports that do not exist": (
        "SELECT count(*) FROM import_ratings WHERE import_id NOT IN (SELECT import_id FROM imports)"
    ),
    "changed movies of imports that do not exist": (
        "SELECT count(*) FROM import_movies WHERE import_id NOT IN (SELECT import_id FROM imports)"
    ),
    "movies of imports that did not change them": (
        "SELECT count(*) FROM movies WHERE import_id IS NOT NULL "
        "AND (import_id, id) NOT IN (SELECT import_id, movie_id FROM import_movies)"
    ),
}
"""Orphans in stores that record imports."""


def is_store(connection: Connection) -> bool:
    """Whether the file is a store of Marquee."""
    return _tables(connection) >= OURS


def faults(connection: Connection, *, thorough: bool) -> list[str]:
    """Faults of a store, as sentences; empty if it is sound.

    Args:
        connection: sees one state of it.
        thorough: also check every index, every reference, and the SHA-256 of every array; otherwise only pages,
            deployment history and counts.
    """
    checks = (_pages, _counts, _values, _references, _versions) if thorough else (_pages, _counts)
    return [fault for check in checks for fault in _read(check, connection, thorough)][:MAX_FAULTS]


def damage(connection: Connection, *, thorough: bool) -> list[str]:
    """Damaged pages of a store, as sentences; ``thorough`` also compares every index with its table."""
    return _read(_pages, connection, thorough)


def _read(check: Callable[[Connection, bool], list[str]], connection: Connection, thorough: bool) -> list[str]:
    try:
        return check(connection, thorough)
    except DBAPIError as error:
        code: int = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code not in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB):
            raise
        return [f"The file can't be read completely: {error.orig}."]


def _pages(connection: Connection, thorough: bool) -> list[str]:
    which = "integrity_check" if thorough else "quick_check"
    found = connection.exec_driver_sql(f"PRAGMA {which}({MAX_FAULTS})").scalars().all()
    return [] if found == ["ok"] else [f"{one.removeprefix('*** in database main ***').strip()}." for one in found]


def _counts(connection: Connection, _: bool) -> list[str]:
    found = []
    noted = connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'ratings'").scalar()
    if noted is not None and (counted := _count(connection, "ratings")) != int(noted):  # older schemas have none
        found.append(f"There are {counted:,} ratings, but the stored count is {int(noted):,}.")
    for table in ("users", "movies"):
        rows, last = connection.exec_driver_sql(f"SELECT count(*), coalesce(max(id) + 1, 0) FROM {table}").one()
        if rows != last:
            found.append(f"There are {rows:,} {table}, but {last:,} keys were assigned.")
    newest = connection.exec_driver_sql("SELECT coalesce(max(revision), 0) FROM users").scalar_one()
    if newest > revisions.current(connection):
        found.append("A person has ratings newer than the current revision.")
    return found


def _values(connection: Connection, _: bool) -> list[str]:
    """Columns with a value of a type that is never written there."""
    found = []
    for table in metadata.sorted_tables:
        there = connection.exec_driver_sql(f"SELECT name FROM pragma_table_info('{table.name}')").scalars().all()
        for column in table.columns:
            if column.name not in there:  # a store of an earlier schema
                continue
            name = column.name
            sound = f"typeof({name}) IN ({', '.join(map(repr, TYPES[type(column.type)]))})"
            if isinstance(column.type, JSON):
                sound += f" AND json_valid({name})"
            wrong = f"SELECT count(*) FROM {table.name} WHERE {name} IS NOT NULL AND NOT ({sound})"
            if n := connection.exec_driver_sql(wrong).scalar_one():
                found.append(f"There are {n:,} values of the wrong type in {table.name}.{name}.")
    return found


def _references(connection: Connection, _: bool) -> list[str]:
    asked = ORPHANS | IMPORTED if "imports" in _tables(connection) else ORPHANS
    counted = ((what, connection.exec_driver_sql(statement).scalar_one()) for what, statement in asked.items())
    return [f"There are {n:,} {what}." for what, n in counted if n]


def _versions(connection: Connection, _: bool) -> list[str]:
    columns = connection.exec_driver_sql("SELECT name FROM pragma_table_info('model_versions')").scalars().all()
    if "digest" not in columns:  # a store of the first schema, to be upgraded at the next start
        return []
    found = []
    for version in connection.execute(
        select(model_versions.c.version).where(model_versions.c.state == "ready")
    ).scalars():
        try:
            read_arrays(connection, version)
        except DamagedVersion as error:
            found.append(str(error))
    return found


@dataclass(frozen=True)
class Contents:
    """Contents of a store.

    Attributes:
        identity: a UUID made with it; its backups keep it.
        schema: its migration.
        revision: increases with every change of ratings.
        users, movies, ratings, versions: their numbers.
        active_version: None before the first.
    """

    identity: str
    schema: str
    revision: int
    users: int
    movies: int
    ratings: int
    versions: int
    active_version: int | None


def contents(connection: Connection) -> Contents:
    """Contents of a store."""
    newest = select(activations.c.version).order_by(activations.c.activation_id.desc()).limit(1)
    kept = "SELECT count(*) FROM model_versions WHERE state = 'ready'"
    identity = connection.execute(select(meta.c.value).where(meta.c.name == "identity")).scalar()
    return Contents(
        identity=identity or "",
        schema=connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one(),
        revision=revisions.current(connection),
        users=_count(connection, "users"),
        movies=_count(connection, SHOWN if "imports" in _tables(connection) else "movies"),
        ratings=_count(connection, "ratings"),
        versions=connection.exec_driver_sql(kept).scalar_one(),
        active_version=connection.execute(newest).scalar(),
    )


def _tables(connection: Connection) -> set[str]:
    return set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())


def _count(connection: Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
