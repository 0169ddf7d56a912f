"""What a version is made of, between the engine's values and the store's."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from engine.data.arrays import Arrays
from engine.data.ratings import Interactions
from engine.errors import InvalidInput, UnknownVersion
from engine.evaluation.comparison import MetricDifference
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import CoverageGuard, Evidence, Judgement
from engine.models.base import join_arrays, part_of
from engine.models.registry import configure
from engine.models.version import VersionBundle
from engine.services.snapshots import DataSnapshot
from engine.training.pipeline import Learned
from store.errors import NotStored
from store.records import VersionRecord
from store.versions import MLModelManager

COMMON = (
    r"ranker/(weights|movies|constants)|popularity/scores|calibration/(widths|constants)|(counts|offsets)/(users|movies)"
    r"|report/(users|error_users|error_ratings|error_marks|(list|error)/\w+|row/(users|items|ratings|squared|segments)"
    r"|newcomer/(users|marks|ratings|relevant|by_mean|by_popularity|(squared|ndcg)_(0|1|3|5|10|20)))"
)
RATING = {
    "svd": r"rating/(constants|penalties|(user|movie)_(bias|factors))",
    "ncf": r"rating/(scale|taught|(user|movie)_vectors|nobody|(user|pair|movie)_weights|intercept|deep_weights_\d+"
    r"|features/(metadata|constants|choices|deviations|movies)"
    r"|factorization/(constants|(user|movie)_(means|covariances|weights|precision)))",
}
"""The arrays that a version may have by the kind of its model, as patterns; a test holds them to what is trained."""
REPORT = {"users": "list", "error_users": "error", "error_ratings": "error", "error_marks": "error"}
"""To which table of a report a column belongs whose name does not begin with it."""
WHOLE = frozenset(
    [*REPORT, "row/users", "row/items", "row/segments"]
    + [f"newcomer/{name}" for name in ("users", "marks", "ratings", "relevant")]
)
"""Columns of whole numbers."""
MOST_ARRAYS = 200
NEWCOMER_NUMBERS = dict.fromkeys(("known", "people", "rmse", "movie_mean"), False)
LARGEST = 1e300
"""A stored number beyond it is none that a page can draw."""

Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Ids(BaseModel):
    """To which users and movies arrays belong."""

    model_config = ConfigDict(strict=True)

    users: Count
    movies: Count
    sha256: str


class _Data(BaseModel):
    """What ``describe_data`` gives; versions of earlier releases name no catalogue."""

    model_config = ConfigDict(strict=True)

    ratings: Count
    users: Count
    movies: Count
    fingerprint: Annotated[str, Field(max_length=200)]
    catalogue: Annotated[str, Field(max_length=200)] | None = None
    revision: Count
    ids: _Ids


def all_arrays(learned: Learned) -> Arrays:
    """Everything of a version that is stored as arrays: its models, and its report user by user."""
    report = {} if learned.report is None else learned.report.arrays()
    return learned.bundle.arrays() | join_arrays({"report": report})


def describe_data(snapshot: DataSnapshot) -> dict[str, Any]:
    """What a version has learned from, as JSON; ``ids`` says to which users and movies its arrays belong."""
    data = snapshot.data
    return {
        "ratings": len(data),
        "users": int((data.user_counts > 0).sum()),
        "movies": data.n_movies,
        "fingerprint": data.fingerprint,
        "catalogue": data.movies.fingerprint,
        "revision": snapshot.revision,
        "ids": describe_ids(data, data.n_users, data.n_movies),
    }


def describe_ids(data: Interactions, n_users: int, n_movies: int) -> dict[str, Any]:
    """The first so many users and movies of a store: their numbers, and SHA-256 over their ids in order."""
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


def asked(record: VersionRecord) -> dict[str, Any]:
    """The hyperparameters that a version was asked for; its model's own say how many epochs were best."""
    found: dict[str, Any] = record.config.get("asked", record.config["model"])
    return found


def check_names(kind: str, names: Sequence[str]) -> None:
    """Whether a version of this kind may have arrays of these names.

    Raises:
        InvalidInput: it has none of one of them, or there is no such kind.
    """
    told = "The file holds no version that this Marquee can serve:"
    if kind not in RATING:
        raise InvalidInput(f"{told} there is no model {kind!r}.", field="file")
    for name in names:
        if not re.fullmatch(f"{RATING[kind]}|{COMMON}", name, re.ASCII):
            raise InvalidInput(f"{told} a version of {kind} has no array {name!r}.", field="file")
    if len(names) > MOST_ARRAYS:
        raise InvalidInput(f"{told} it has {len(names):,} arrays.", field="file")


def check_data(described: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says a version has learned from, where it is what ``describe_data`` gives.

    Raises:
        ValueError: it is not.
    """
    return _Data.model_validate(described).model_dump(exclude_none=True)


def check_config(kind: str, bundle: VersionBundle, described: Mapping[str, Any]) -> dict[str, Any]:
    """A version's hyperparameters as its own models say them, and those that it was asked for, if a file names them.

    Raises:
        InvalidHyperparameter: they are none of this model.
    """
    if "asked" not in described:
        return bundle.config()
    return bundle.config() | {"asked": configure(kind, described["asked"]).model_dump(mode="json")}


def check_report(arrays: Mapping[str, NDArray[Any]]) -> None:
    """Whether the arrays of a report belong together: a row for each user or rating, in columns of the right type.

    Raises:
        KeyError, TypeError, ValueError: they do not.
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


def readable(record: VersionRecord) -> VersionRecord:
    """A version without what can't be read of its description: one odd record must not hide the others."""
    config, data = _table(record.config), _table(record.data)
    counts = {name: data[name] if _is_count(data.get(name)) else 0 for name in ("ratings", "users", "movies")}
    return replace(
        record,
        config={"model": {}} | {name: values for name, values in config.items() if isinstance(values, dict)},
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
    return isinstance(value, int | float) and abs(value) < LARGEST


def stored_report(record: VersionRecord, arrays: Mapping[str, NDArray[Any]]) -> EvaluationReport | None:
    """A version's report, from those of its arrays that begin with ``report/``; None where it keeps none to be read."""
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
    """Metrics from the store's JSON, as far as they can be read."""
    return None if stored is None else {name: MetricValue(**value) for name, value in _metrics(stored).items()}


def newcomer_points(charts: Mapping[str, Any]) -> tuple[NewcomerPoint, ...]:
    """The curve of newcomers from the store's JSON; empty where there is none, or none that can be read."""
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


def stored_judgement(stored: Mapping[str, Any] | None) -> Judgement | None:
    """A judgement from the store's JSON."""
    if stored is None:
        return None
    return Judgement(
        verdict=stored["verdict"],
        baseline=stored["baseline"],
        text=stored["text"],
        evidence=tuple(
            Evidence(**one | {"difference": MetricDifference(**one["difference"])}) for one in stored["evidence"]
        ),
        coverage=tuple(CoverageGuard(**one | {"value": MetricValue(**one["value"])}) for one in stored["coverage"]),
    )


def plain_metrics(metrics: Mapping[str, MetricValue]) -> dict[str, Any]:
    """Metrics as the store's JSON."""
    return {name: asdict(value) for name, value in metrics.items()}
