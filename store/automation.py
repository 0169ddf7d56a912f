"""When Marquee trains by itself, and up to where that is done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from store.database import Database
from store.schema import meta

NAME = "automation"


class AutomationStore:
    """One set of values, kept as JSON among the store's own facts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self) -> dict[str, Any]:
        """What was written; empty before."""
        with self._database.read() as connection:
            return _read(connection)

    def write(self, values: Mapping[str, Any]) -> None:
        """Change some of the values."""
        self._database.write(lambda connection: self.write_in(connection, values), urgent=True)

    def write_in(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Change some of the values within somebody else's transaction."""
        row = {"name": NAME, "value": json.dumps(_read(connection) | dict(values), allow_nan=False)}
        connection.execute(insert(meta).values(row).on_conflict_do_update(set_={"value": row["value"]}))


def _read(connection: Connection) -> dict[str, Any]:
    found = connection.execute(select(meta.c.value).where(meta.c.name == NAME)).scalar()
    return {} if found is None else dict(json.loads(found))
