"""What a version is made of, between the engine's values and the store's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from numpy.typing import NDArray

from engine.dataset.interactions import Interactions
from engine.evaluation import EvaluationReport
from engine.learning import Learned
from engine.models.base import Arrays, join_arrays, part_of
from engine.services.snapshot import DataSnapshot
from engine.types import CoverageGuard, Evidence, Judgement, MetricDifference, MetricValue
from store.records import VersionRecord


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


def asked(record: VersionRecord) -> dict[str, Any]:
    """The hyperparameters that a version was asked for; its model's own say how many epochs were best."""
    found: dict[str, Any] = record.config.get("asked", record.config["model"])
    return found


def stored_report(record: VersionRecord, arrays: Mapping[str, NDArray[Any]]) -> EvaluationReport | None:
    """A version's report, from those of its arrays that begin with ``report/``; None where it keeps none."""
    if not arrays:
        return None
    segments = {name: metric_values(values) or {} for name, values in record.segments.items()}
    parts = metric_values(record.metrics) or {}, segments, record.protocol, record.charts
    return EvaluationReport.restore(*parts, part_of(arrays, "report"))


def metric_values(stored: Mapping[str, Any] | None) -> dict[str, MetricValue] | None:
    """Metrics from the store's JSON."""
    return None if stored is None else {name: MetricValue(**value) for name, value in stored.items()}


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
