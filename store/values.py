"""A few values that a service keeps: a JSON object among the store's own facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from store.database import Database
from store.schema import meta


class ValueStore:
    """The values under one name."""

    def __init__(self, database: Database, name: str) -> None:
        self._database = database
        self._name = name

    def read(self) -> dict[str, Any]:
        """What was written; empty before."""
        with self._database.read() as connection:
            return self._read(connection)

    def write(self, values: Mapping[str, Any]) -> None:
        """Change some of the values."""
        self._database.write(lambda connection: self.write_in(connection, values), urgent=True)

    def write_in(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Change some of the values within somebody else's transaction."""
        row = {"name": self._name, "value": json.dumps(self._read(connection) | dict(values), allow_nan=False)}
        connection.execute(insert(meta).values(row).on_conflict_do_update(set_={"value": row["value"]}))

    def _read(self, connection: Connection) -> dict[str, Any]:
        found = connection.execute(select(meta.c.value).where(meta.c.name == self._name)).scalar()
        return {} if found is None else dict(json.loads(found))
