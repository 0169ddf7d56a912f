"""Reports of made-up users, for what is decided by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import STEPS, Newcomers
from engine.evaluation.report import EvaluationReport, JudgedRows, UserErrors

EACH = 10
"""Test ratings of each user."""


def judged(
    error: float, hits: float, users: int = 60, parts: Mapping[str, tuple[slice, float]] | None = None, **more: Any
) -> EvaluationReport:
    """A report of users who all have about this squared error and this NDCG.

    ``parts``: by segment, which users belong to it and by how much their squared errors are multiplied.
    """
    parts = parts or {"heavy_users": (slice(0, users), 1.0)}
    of_user = error * np.random.default_rng(0).normal(1, 0.1, users)
    bits = np.zeros(users, np.uint64)
    for place, name in enumerate(sorted(parts)):
        chosen, factor = parts[name]
        of_user[chosen] *= factor
        bits[chosen] |= np.uint64(1 << place)
    everybody = np.arange(users)
    rows = JudgedRows(
        np.repeat(everybody, EACH).astype(np.int32),
        np.tile(np.arange(EACH), users).astype(np.int32),
        np.full(users * EACH, 4, np.float32),
        np.repeat(of_user, EACH).astype(np.float32),
        np.repeat(bits, EACH),
    )
    counts, marks = np.full(users, EACH), np.ones(users, np.uint64)
    report: dict[str, Any] = {
        "metrics": {},
        "segments": {name: {} for name in parts},
        "protocol": {"k": 10, "relevant_from": 4.0},
        "users": everybody,
        "per_user": {"ndcg_at_k": hits * np.random.default_rng(1).normal(1, 0.1, users)},
        "errors": UserErrors(everybody, counts, marks, {"rmse": of_user * EACH}),
        "charts": {},
        "rows": rows,
    }
    return EvaluationReport(**report | more)


def covered(value: float, spread: float = 0.01) -> dict[str, MetricValue]:
    """The coverage of intervals with its own interval."""
    return {"interval_coverage": MetricValue(value, value - spread, value + spread)}


def newcomers(worse: Mapping[int, float] | None = None, people: int = 40, first: int = 0, seed: int = 0) -> Newcomers:
    """People with about the same errors and lists at each step; ``worse``: by step, the factor of both."""
    rng, factor = np.random.default_rng(seed), worse or {}
    users, once = np.arange(first, first + people), np.ones(people, np.int64)
    squared = {step: 10 * factor.get(step, 1) * rng.normal(1, 0.1, people) for step in STEPS}
    ndcg = {step: 0.3 / factor.get(step, 1) * rng.normal(1, 0.1, people) for step in STEPS}
    marks = users.astype(np.uint64)
    return Newcomers(users, marks, 10 * once, once, squared, ndcg, 11.0 * np.ones(people), 0.2 * np.ones(people))
