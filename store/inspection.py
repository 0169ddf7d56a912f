"""Whether a store is sound, and what is in it; read only, so that it can be asked of a backup as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import JSON, Connection, Float, Integer, LargeBinary, Text, select
from sqlalchemy.exc import DBAPIError

from store import revisions
from store.errors import DamagedVersion
from store.model_arrays import read_arrays
from store.schema import activations, meta, metadata, model_versions

MAX_FAULTS = 20
OURS = {"alembic_version", "meta", "ratings", "model_versions"}
TYPES: dict[type[Any], tuple[str, ...]] = {
    Integer: ("integer",),
    Float: ("real", "integer"),
    Text: ("text",),
    JSON: ("text",),
    LargeBinary: ("blob",),
}
"""As what SQLite stores the columns' types."""
COUNTS = ("users", "movies", "ratings")
ORPHANS = {
    "ratings of users who are not there": "SELECT count(*) FROM ratings WHERE user_id NOT IN (SELECT id FROM users)",
    "ratings of movies that are not there": (
        "SELECT count(*) FROM ratings WHERE movie_id NOT IN (SELECT id FROM movies)"
    ),
    "lines of the ledger about versions that are not there": (
        "SELECT count(*) FROM activations WHERE version NOT IN (SELECT version FROM model_versions)"
    ),
}


def is_store(connection: Connection) -> bool:
    """Whether it is a store of Marquee's."""
    tables = set(connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars())
    return tables >= OURS


def faults(connection: Connection, *, thorough: bool) -> list[str]:
    """What is wrong with a store, in sentences; empty where it is sound.

    Args:
        connection: sees one state of it.
        thorough: also compare every index with its table, every reference, and the SHA-256 of every array of every
            version; otherwise the pages, the ledger and the counts.
    """
    checks = (_pages, _counts, _values, _references, _versions) if thorough else (_pages, _counts)
    return [fault for check in checks for fault in _read(check, connection, thorough)][:MAX_FAULTS]


def damage(connection: Connection, *, thorough: bool) -> list[str]:
    """What is wrong with the pages of a store, in sentences; ``thorough`` compares every index with its table."""
    return _read(_pages, connection, thorough)


def _read(check: Callable[[Connection, bool], list[str]], connection: Connection, thorough: bool) -> list[str]:
    try:
        return check(connection, thorough)
    except DBAPIError as error:
        code: int = getattr(error.orig, "sqlite_errorcode", 0) & 0xFF
        if code not in (sqlite.SQLITE_CORRUPT, sqlite.SQLITE_NOTADB):
            raise
        return [f"It can't be read as a whole: {error.orig}."]


def _pages(connection: Connection, thorough: bool) -> list[str]:
    which = "integrity_check" if thorough else "quick_check"
    found = connection.exec_driver_sql(f"PRAGMA {which}({MAX_FAULTS})").scalars().all()
    return [] if found == ["ok"] else [f"{one.removeprefix('*** in database main ***').strip()}." for one in found]


def _counts(connection: Connection, _: bool) -> list[str]:
    found = []
    noted = connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'ratings'").scalar()
    if noted is not None and (counted := _count(connection, "ratings")) != int(noted):  # the first schemas had none
        found.append(f"There are {counted:,} ratings, but {int(noted):,} were counted as they came.")
    for table in ("users", "movies"):
        rows, last = connection.exec_driver_sql(f"SELECT count(*), coalesce(max(id) + 1, 0) FROM {table}").one()
        if rows != last:
            found.append(f"There are {rows:,} {table}, but {last:,} were ever given a key.")
    newest = connection.exec_driver_sql("SELECT coalesce(max(revision), 0) FROM users").scalar_one()
    if newest > revisions.current(connection):
        found.append("Ratings of a user are newer than the newest revision.")
    return found


def _values(connection: Connection, _: bool) -> list[str]:
    """Columns in which a value is of another type than all that was ever written there."""
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
                found.append(f"There are {n:,} values of the wrong kind in {table.name}.{name}.")
    return found


def _references(connection: Connection, _: bool) -> list[str]:
    counted = ((what, connection.exec_driver_sql(statement).scalar_one()) for what, statement in ORPHANS.items())
    return [f"There are {n:,} {what}." for what, n in counted if n]


def _versions(connection: Connection, _: bool) -> list[str]:
    columns = connection.exec_driver_sql("SELECT name FROM pragma_table_info('model_versions')").scalars().all()
    if "digest" not in columns:  # a store of the first schema, which the next start brings up to date
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


def facts(connection: Connection) -> dict[str, Any]:
    """What is in a store: identity, schema, revision, how much of everything, and which version serves."""
    newest = select(activations.c.version).order_by(activations.c.activation_id.desc()).limit(1)
    kept = "SELECT count(*) FROM model_versions WHERE state = 'ready'"
    identity = connection.execute(select(meta.c.value).where(meta.c.name == "identity")).scalar()
    return {
        "identity": identity or "",
        "schema": connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one(),
        "revision": revisions.current(connection),
        **{table: _count(connection, table) for table in COUNTS},
        "versions": connection.exec_driver_sql(kept).scalar_one(),
        "active_version": connection.execute(newest).scalar(),
    }


def _count(connection: Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())
