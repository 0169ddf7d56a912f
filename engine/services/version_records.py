"""Versions between the engine's values and the store's records."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from numpy.typing import NDArray
from pydantic import TypeAdapter

from engine.data.arrays import Arrays
from engine.data.ratings import Interactions
from engine.errors import InvalidInput, UnknownVersion
from engine.evaluation import baselines
from engine.evaluation.baselines import Baseline
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import Judgement, PromotionVerdict
from engine.models.base import join_arrays, part_of
from engine.models.hyperparameters import AUTO
from engine.recommending.effect import ListEffect
from engine.recommending.golden import GoldenResult
from engine.services.records import shared
from engine.services.snapshots import DataSnapshot
from engine.training.pipeline import Learned
from engine.training.ranking import FrontierPoint
from store.errors import NotStored
from store.records import ActivationRecord, VersionRecord
from store.versions import MLModelManager

REPORT = {"users": "list", "error_users": "error", "error_ratings": "error", "error_marks": "error"}
"""Tables of report columns whose names do not start with their table."""
WHOLE = frozenset(
    [*REPORT, "row/users", "row/items", "row/segments"]
    + [f"newcomer/{name}" for name in ("users", "marks", "ratings", "relevant")]
)
"""Integer columns."""
NEWCOMER_NUMBERS = dict.fromkeys(("known", "people", "rmse", "movie_mean"), False)
TABLE = "table"
"""Under this name the data of a version have the table outside Marquee that it learned from."""
JUDGEMENT = TypeAdapter(Judgement)
GOLDEN: TypeAdapter[tuple[GoldenResult, ...]] = TypeAdapter(tuple[GoldenResult, ...])
MAX_TAGS, MAX_TAG_LENGTH, MAX_NOTE_LENGTH = 20, 50, 2000
MAX_NUMBER = 1e300
"""Larger stored numbers are ignored; pages can't draw them."""


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A model version as the registry shows it. ``state``: ready, damaged or deleted; times in Unix seconds.

    ``segments`` holds metrics of a part of the users (new, light, heavy) or of the movies (head, tail) by its name.
    ``digest`` is SHA-256 over the hashes of all arrays: equal for versions that are equal bit for bit.
    ``verdict`` is that of its training, on whether it should take the place of the version that served then.
    ``newcomers`` is how well it serves people it had never seen, by how many of their ratings are known; empty where
    too few have rated enough. ``baselines`` has what the most popular movies and a random list get beside each list
    metric, and ``shortfalls`` a sentence for each group of users whose lists are below the former; both are empty for
    versions of earlier releases. ``hyperparameters`` are those of the rating model, ``ranker`` those of the lists;
    ``automatic`` names those that its training chose, such as ``factors`` or ``ranker.recency``. ``frontier`` is what
    discounting popular movies costs and gains. ``asked`` are the hyperparameters that were asked for;
    ``hyperparameters`` has what the training chose in place of ``auto``, and the best number of epochs.
    """

    version: int
    kind: str
    state: str
    active: bool
    created_at: float
    run_id: int | None
    hyperparameters: dict[str, Any]
    ranker: dict[str, Any]
    metrics: dict[str, MetricValue]
    protocol: dict[str, Any]
    ratings: int
    users: int
    movies: int
    data_fingerprint: str
    size_bytes: int
    activated_at: float | None
    activated_by: str | None
    note: str
    segments: dict[str, dict[str, MetricValue]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    digest: str | None = None
    verdict: PromotionVerdict | None = None
    newcomers: tuple[NewcomerPoint, ...] = ()
    automatic: tuple[str, ...] = ()
    frontier: tuple[FrontierPoint, ...] = ()
    baselines: tuple[Baseline, ...] = ()
    shortfalls: tuple[str, ...] = ()
    asked: dict[str, Any] = field(default_factory=dict)


def all_arrays(learned: Learned) -> Arrays:
    """All arrays of a version: its models, and its report user by user."""
    report = {} if learned.report is None else learned.report.arrays()
    return learned.bundle.arrays() | join_arrays({"report": report})


def describe_data(snapshot: DataSnapshot) -> dict[str, Any]:
    """The training data of a version as JSON; ``ids`` identifies the users and movies of its arrays."""
    data = snapshot.data
    return {
        "ratings": len(data),
        "users": int((data.user_counts > 0).sum()),
        "movies": data.movies.shown,
        "fingerprint": data.fingerprint,
        "catalogue": data.movies.fingerprint,
        "revision": snapshot.revision,
        "ids": describe_ids(data, data.n_users, data.n_movies),
    }


def describe_outside(snapshot: DataSnapshot, table: Mapping[str, Any]) -> dict[str, Any]:
    """The training data of a version of a table outside Marquee; ``TABLE`` has its path. It has arrays of no user."""
    data = snapshot.data
    counts = {name: table[name] for name in ("ratings", "users", "movies")}
    ids = {"ids": describe_ids(data, 0, data.n_movies), TABLE: table["path"], "fingerprint": f"table {table['path']}"}
    return describe_data(snapshot) | counts | ids


def describe_ids(data: Interactions, n_users: int, n_movies: int) -> dict[str, Any]:
    """Numbers of users and movies, and SHA-256 over their ids in order."""
    digest = hashlib.sha256()
    for ids in (data.user_ids.ids[:n_users], data.movie_ids.ids[:n_movies]):
        digest.update(json.dumps([str(one) for one in ids]).encode())
    return {"users": n_users, "movies": n_movies, "sha256": digest.hexdigest()}


def find_version(models: MLModelManager, version: int) -> VersionRecord:
    """A version's record as it is stored.

    Raises:
        UnknownVersion: there is no such version.
    """
    try:
        return models.get_version(version)
    except NotStored as error:
        raise UnknownVersion(str(error)) from error


@dataclass(frozen=True)
class Asked:
    """The settings that a version was ordered with: of its rating model, and of its lists."""

    model: dict[str, Any]
    ranker: dict[str, Any]


def asked(record: VersionRecord) -> Asked:
    """The settings a version was ordered with; its own have what the training chose, and the best number of epochs."""
    return Asked(record.config.get("asked", record.config["model"]), record.config.get("asked_ranker", {}))


def _chosen(record: VersionRecord) -> tuple[str, ...]:
    """Names of the settings that the training chose, such as ``ranker.recency``."""
    ordered, of_ranker = asked(record), record.config["ranker"]
    listed = [f"ranker.{name}" for name, value in ordered.ranker.items() if value == AUTO and name in of_ranker]
    return (*(name for name, value in ordered.model.items() if value == AUTO), *listed)


def check_report(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Check the columns of a report: equal lengths within a table, and the right types.

    Raises:
        KeyError, TypeError, ValueError: they do not fit.
    """
    report = part_of(arrays, "report")
    if report:
        EvaluationReport.restore({}, {}, {}, {}, report)
    lengths: dict[str, int] = {}
    for name, array in report.items():
        table = REPORT.get(name, name.partition("/")[0])
        if array.shape != (lengths.setdefault(table, len(array)),):
            raise ValueError(f"the column {name} is not as long as the others")
        if array.dtype.kind not in ("iu" if name in WHOLE else "iuf"):
            raise TypeError(f"the column {name} is of type {array.dtype}")


def check_remarks(note: str, tags: Sequence[str]) -> None:
    """Accept a note and tags within their limits.

    Raises:
        InvalidInput: a tag is empty or too long, there are too many, or the note is too long.
    """
    if len(tags) > MAX_TAGS or not all(0 < len(tag) <= MAX_TAG_LENGTH for tag in tags):
        raise InvalidInput(f"A version has at most {MAX_TAGS} tags of 1 to {MAX_TAG_LENGTH} characters.", field="tags")
    if len(note) > MAX_NOTE_LENGTH:
        raise InvalidInput(f"The note is longer than {MAX_NOTE_LENGTH:,} characters.", field="note")


def readable(record: VersionRecord) -> VersionRecord:
    """A version's record without unreadable parts, so that one odd record does not hide the others."""
    config, data = _table(record.config), _table(record.data)
    counts = {name: data[name] if _is_count(data.get(name)) else 0 for name in ("ratings", "users", "movies")}
    return replace(
        record,
        config={"model": {}, "ranker": {}} | {name: part for name, part in config.items() if isinstance(part, dict)},
        metrics=_metrics(record.metrics),
        segments={name: _metrics(values) for name, values in _table(record.segments).items()},
        protocol=_table(record.protocol),
        data=data | counts | {"fingerprint": str(data.get("fingerprint", ""))},
        tags=[tag for tag in record.tags if isinstance(tag, str)] if isinstance(record.tags, list) else [],
        charts=_table(record.charts),
    )


def _table(stored: Any) -> dict[str, Any]:
    return stored if isinstance(stored, dict) else {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _metrics(stored: Any) -> dict[str, Any]:
    return {name: value for name, value in _table(stored).items() if _is_metric(value)}


def _is_metric(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"value", "low", "high"}
        and _is_number(value["value"])
        and (value["low"] is value["high"] is None or (_is_number(value["low"]) and _is_number(value["high"])))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < MAX_NUMBER


def stored_report(record: VersionRecord, arrays: Mapping[str, NDArray[Any]]) -> EvaluationReport | None:
    """A version's report, from its arrays under ``report/``; None where it has no readable one."""
    if not arrays:
        return None
    try:
        check_report(arrays)
    except (KeyError, TypeError, ValueError):
        return None
    known = readable(record)
    segments = {name: metric_values(values) or {} for name, values in known.segments.items()}
    parts = metric_values(known.metrics) or {}, segments, known.protocol, known.charts
    return EvaluationReport.restore(*parts, part_of(arrays, "report"))


def metric_values(stored: Mapping[str, Any] | None) -> dict[str, MetricValue] | None:
    """Metrics from the store's JSON, without unreadable ones."""
    return None if stored is None else {name: MetricValue(**value) for name, value in _metrics(stored).items()}


def newcomer_points(charts: Mapping[str, Any]) -> tuple[NewcomerPoint, ...]:
    """The newcomer curve from the store's JSON; empty where there is no readable one."""
    found = charts.get("newcomers", ())
    if not isinstance(found, list) or not all(_is_point(row) for row in found):
        return ()
    return tuple(
        NewcomerPoint(
            row["known"],
            row["people"],
            MetricValue(row["rmse"], row["low"], row["high"]),
            row["movie_mean"],
            None if row["ndcg"] is None else MetricValue(row["ndcg"], row["ndcg_low"], row["ndcg_high"]),
            row["popularity"],
        )
        for row in found
    )


def _is_point(row: Any) -> bool:
    wanted = NEWCOMER_NUMBERS | dict.fromkeys(("low", "high", "ndcg", "ndcg_low", "ndcg_high", "popularity"), True)
    return (
        isinstance(row, dict)
        and row.keys() == wanted.keys()
        and all(_is_number(row[name]) or (optional and row[name] is None) for name, optional in wanted.items())
    )


def frontier_points(charts: Mapping[str, Any]) -> tuple[FrontierPoint, ...]:
    """Accuracy and reach by discount from the store's JSON; empty where there are no readable ones."""
    found = charts.get("ranking", ())
    if not isinstance(found, list) or not all(_is_frontier_point(row) for row in found):
        return ()
    return tuple(FrontierPoint(**row) for row in found)


def _is_frontier_point(row: Any) -> bool:
    numbers = ("popularity_discount", "ndcg", "coverage")
    return (
        isinstance(row, dict)
        and row.keys() == {*numbers, "chosen"}
        and all(_is_number(row[name]) for name in numbers)
        and isinstance(row["chosen"], bool)
    )


def stored_judgement(stored: Mapping[str, Any] | None) -> Judgement | None:
    """A judgement from the store's JSON."""
    return None if stored is None else JUDGEMENT.validate_python(stored)


def stored_effect(stored: Mapping[str, Any] | None) -> ListEffect | None:
    """A version's effect on lists from the store's JSON."""
    return None if stored is None else ListEffect(**stored)


def stored_golden(stored: Sequence[Mapping[str, Any]] | None) -> tuple[GoldenResult, ...]:
    """Results of golden people from the store's JSON."""
    return GOLDEN.validate_python(stored or ())


def plain_metrics(metrics: Mapping[str, MetricValue]) -> dict[str, Any]:
    """Metrics as the store's JSON."""
    return {name: asdict(value) for name, value in metrics.items()}


def summarize(
    stored: VersionRecord, active: int | None, activation: ActivationRecord | None, verdict: PromotionVerdict | None
) -> VersionSummary:
    """A version's record as the registry shows it.

    Args:
        stored: the record.
        active: the version that serves.
        activation: its newest line in the deployment history.
        verdict: of the run that trained it.
    """
    record = readable(stored)
    derived = {
        "active": record.version == active,
        "hyperparameters": record.config["model"],
        "metrics": metric_values(record.metrics) or {},
        "segments": {name: metric_values(values) or {} for name, values in record.segments.items()},
        "ratings": record.data["ratings"],
        "users": record.data["users"],
        "movies": record.data["movies"],
        "data_fingerprint": record.data["fingerprint"],
        "size_bytes": record.size,
        "activated_at": activation.activated_at if activation else None,
        "activated_by": activation.actor if activation else None,
        "tags": tuple(record.tags),
        "verdict": verdict,
        "newcomers": newcomer_points(record.charts),
        "baselines": (beside := baselines.stored(record.charts)),
        "shortfalls": tuple(baselines.shortfalls(beside)),
        "ranker": record.config["ranker"],
        "automatic": _chosen(record),
        "frontier": frontier_points(record.charts),
        "asked": asked(record).model,
    }
    return VersionSummary(**shared(record, VersionSummary) | derived)
