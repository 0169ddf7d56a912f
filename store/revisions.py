"""Counters that rise with each change, by which holders of a copy of ratings or movies notice that it is out of date.

The revision counts changes of ratings, and is stored with every user and movie concerned.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, select

from store.schema import meta

NEXT = "(SELECT value + 1 FROM meta WHERE name = 'revision')"
"""SQL: the revision that the transaction at hand will bring."""


def current(connection: Connection) -> int:
    """The current revision."""
    return _number(connection, "revision")


def catalogue(connection: Connection) -> int:
    """The counter of changes to the movies."""
    return _number(connection, "catalogue")


def advance_catalogue(connection: Connection) -> None:
    """Count a change to the movies, within its transaction."""
    connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE name = 'catalogue'")


def rating_count(connection: Connection) -> int:
    """Number of ratings, stored beside the revision: counting 25 million takes a second."""
    return _number(connection, "ratings")


def advance(connection: Connection, user_keys: Iterable[int], movie_keys: Iterable[int], added: int) -> int:
    """Raise the revision after a change, within its transaction.

    Args:
        connection: the writer's.
        user_keys: whose ratings changed.
        movie_keys: the movies concerned.
        added: ratings added minus ratings deleted.

    Returns:
        The new revision.
    """
    # Plain SQL: every single rating comes through here.
    raised = "UPDATE meta SET value = value + 1 WHERE name = 'revision' RETURNING value"
    revision = int(connection.exec_driver_sql(raised).scalar_one())
    if added:
        connection.exec_driver_sql("UPDATE meta SET value = value + ? WHERE name = 'ratings'", (added,))
    for table, keys in (("users", user_keys), ("movies", movie_keys)):
        statement = f"UPDATE {table} SET revision = ? WHERE id IN (SELECT value FROM json_each(?))"
        connection.exec_driver_sql(statement, (revision, str(list(keys))))
    return revision


def _number(connection: Connection, name: str) -> int:
    return int(connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar_one())
