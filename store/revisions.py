"""Numbers that rise with each change, so that whoever holds a copy of ratings or movies knows when it is old.

The revision is that of the ratings, and is noted with every user and movie concerned.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from store.schema import meta


def current(connection: Connection) -> int:
    """The revision now."""
    return _number(connection, "revision")


def catalogue(connection: Connection) -> int:
    """The number that rises with each change of the movies."""
    return _number(connection, "catalogue")


def advance_catalogue(connection: Connection) -> None:
    """Movies were added or described; part of that transaction."""
    connection.exec_driver_sql("UPDATE meta SET value = value + 1 WHERE name = 'catalogue'")


def rating_count(connection: Connection) -> int:
    """How many ratings there are, kept beside the revision: to count them takes a second at 25 million."""
    return _number(connection, "ratings")


def advance(connection: Connection, user_keys: Iterable[int], movie_keys: Iterable[int], added: int) -> int:
    """Raise the revision after a change; part of the change's transaction.

    Args:
        connection: the writer's.
        user_keys: whose ratings changed.
        movie_keys: the movies rated.
        added: ratings added less ratings taken away.

    Returns:
        The new revision.
    """
    # Plain SQL: this is on the path of every single rating.
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
