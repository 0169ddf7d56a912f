"""Golden people: users of the store, or made up, with what is expected of every version for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from store.connections import Transaction
from store.database import Store
from store.errors import NotStored
from store.records import GoldenRecord
from store.schema import golden_people, users

FIELDS = (
    golden_people.c.golden_id,
    golden_people.c.name,
    users.c.external_id.label("user_id"),
    golden_people.c.ratings,
    golden_people.c.expectations,
    golden_people.c.created_at,
    golden_people.c.created_by,
)


def forget(tx: Transaction, user_key: int) -> None:
    """Erase the golden people that a user is, who is being deleted."""
    tx.execute(delete(golden_people).where(golden_people.c.user_key == user_key))


class GoldenStore(Store):
    """Golden people by number."""

    def all(self, *, tx: Transaction | None = None) -> list[GoldenRecord]:
        """Everybody, in the order in which they were pinned."""
        joined = golden_people.outerjoin(users, users.c.id == golden_people.c.user_key)
        found = select(*FIELDS).select_from(joined).order_by(golden_people.c.golden_id)
        with self._database.read(tx) as connection:
            return [GoldenRecord(**row._mapping) for row in connection.execute(found)]

    def add(
        self,
        name: str,
        user_id: str | None,
        ratings: Mapping[str, float],
        expectations: Sequence[Mapping[str, Any]],
        *,
        created_by: str,
        most: int,
    ) -> GoldenRecord:
        """Pin a person.

        Args:
            name: unlike any other's.
            user_id: a user of the store; None for somebody made up.
            ratings: of somebody made up, by movie id.
            expectations: as JSON.
            created_by: who asked for it.
            most: number of people that there may be.

        Raises:
            NotStored: there is no such user.
            ValueError: the name is in use, or there are too many people.
        """
        values = {
            "name": name,
            "ratings": dict(ratings),
            "expectations": [dict(one) for one in expectations],
            "created_at": self._database.clock(),
            "created_by": created_by,
        }

        def work(tx: Transaction) -> GoldenRecord:
            others = self.all(tx=tx)
            if any(one.name == name for one in others):
                raise ValueError(f"{name!r} is pinned already. Choose another name, or unpin them first.")
            if len(others) >= most:
                raise ValueError(f"At most {most} people can be pinned. Unpin somebody first.")
            key = None
            if user_id is not None:
                key = tx.execute(select(users.c.id).where(users.c.external_id == user_id)).scalar()
                if key is None:
                    raise NotStored(f"Nobody has the id {user_id!r}.")
            tx.execute(insert(golden_people).values(values | {"user_key": key}))
            return self.all(tx=tx)[-1]

        return self._database.write(work)

    def expect(self, golden_id: int, expectations: Sequence[Mapping[str, Any]]) -> GoldenRecord:
        """Replace what is expected for a person, as JSON; returns the person.

        Raises:
            NotStored: there is no such person.
        """
        asked = [dict(one) for one in expectations]

        def work(tx: Transaction) -> GoldenRecord:
            chosen = golden_people.c.golden_id == golden_id
            if not tx.execute(update(golden_people).where(chosen).values(expectations=asked)).rowcount:
                raise NotStored(f"There is no golden person {golden_id}.")
            return next(one for one in self.all(tx=tx) if one.golden_id == golden_id)

        return self._database.write(work)

    def remove(self, golden_id: int) -> GoldenRecord:
        """Unpin a person; returns who it was.

        Raises:
            NotStored: there is no such person.
        """

        def work(tx: Transaction) -> GoldenRecord:
            found = [one for one in self.all(tx=tx) if one.golden_id == golden_id]
            if not found:
                raise NotStored(f"There is no golden person {golden_id}.")
            tx.execute(delete(golden_people).where(golden_people.c.golden_id == golden_id))
            return found[0]

        return self._database.write(work)
