"""Settings and state of a service: a JSON object in the table ``meta``."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from store.connections import Transaction
from store.database import Database, Store
from store.schema import meta


class ValueStore(Store):
    """The values under one name."""

    def __init__(self, database: Database, name: str) -> None:
        super().__init__(database)
        self._name = name

    def read(self, *, tx: Transaction | None = None) -> dict[str, Any]:
        """All values; empty before the first write."""
        with self._database.read(tx) as connection:
            found = connection.execute(select(meta.c.value).where(meta.c.name == self._name)).scalar()
        return {} if found is None else dict(json.loads(found))

    def write(self, values: Mapping[str, Any], *, tx: Transaction | None = None) -> None:
        """Change some of the values."""

        def work(tx: Transaction) -> None:
            row = {"name": self._name, "value": json.dumps(self.read(tx=tx) | dict(values), allow_nan=False)}
            tx.execute(insert(meta).values(row).on_conflict_do_update(set_={"value": row["value"]}))

        self._database.write(work, tx=tx)
