"""Reads of version records and the deployment history, each within a connection of the caller's."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from store.errors import NotStored
from store.records import VersionRecord
from store.schema import activations, model_arrays, model_versions

LOWER_IS_BETTER = frozenset({"rmse", "mae"})


def get(connection: Connection, version: int) -> VersionRecord:
    """One version.

    Raises:
        NotStored: there is no such version.
    """
    found = find(connection, select(model_versions).where(model_versions.c.version == version))
    if not found or found[0].state == "saving":
        raise NotStored(f"There is no version {version}.")
    return found[0]


def find(connection: Connection, statement: Select[Any]) -> list[VersionRecord]:
    """Versions that a statement selects, newest first, each with the size of its arrays."""
    size = select(func.coalesce(func.sum(model_arrays.c.size), 0)).where(
        model_arrays.c.version == model_versions.c.version
    )
    sized = statement.add_columns(size.scalar_subquery().label("size"))
    rows = connection.execute(sized.order_by(model_versions.c.version.desc()))
    return [VersionRecord(**row._mapping) for row in rows]


def active(connection: Connection) -> int | None:
    """Version of the last entry of the deployment history; None if it is empty."""
    return connection.execute(
        select(activations.c.version).order_by(activations.c.activation_id.desc()).limit(1)
    ).scalar()


def previously_active(connection: Connection) -> int | None:
    """The intact version, other than the active one, that was active last."""
    joined = activations.join(model_versions, activations.c.version == model_versions.c.version)
    earlier = select(activations.c.version).select_from(joined).where(model_versions.c.state == "ready")
    others = earlier.where(activations.c.version != active(connection))
    return connection.execute(others.order_by(activations.c.activation_id.desc()).limit(1)).scalar()


def best(records: Sequence[VersionRecord], metric: str, higher_is_better: bool | None = None) -> VersionRecord | None:
    """The intact version with the best value, the newest of equal ones; None if no version has the metric."""
    sign = -1 if (metric not in LOWER_IS_BETTER if higher_is_better is None else higher_is_better) else 1
    values = [(_value(one, metric), one) for one in records if one.state == "ready"]
    having = [(sign * value, -one.version, one) for value, one in values if value is not None]
    return min(having, key=lambda found: found[:2])[2] if having else None


def _value(record: VersionRecord, metric: str) -> float | None:
    """Value of a metric; None also if the record holds something else under that name: it must not hide the others."""
    try:
        return float(record.metrics[metric]["value"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
