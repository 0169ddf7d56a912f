"""A fake of live figures: a version that serves, and a shadow that turns out better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.evaluation.intervals import MetricValue
from engine.evaluation.live import Taken, compare_live, curve, measure, measure_means
from engine.services.live import LiveReport, LiveVersion
from store.exams import ExamRecord
from tests.pages.fakes.data import NOW, TRICKY
from tests.pages.fakes.recommendations import FakeServing

SCALE = (0.5, 5.0)


def taken(n: int = 900, error: float = 0.85, seed: int = 0) -> Taken:
    """Exams of a version with a normal error."""
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(2, 4.5, n)
    ratings = np.clip(np.round(2 * (predicted + rng.normal(0, error, n))) / 2, *SCALE)
    ends = np.clip(predicted - 1.4, *SCALE), np.clip(predicted + 1.4, *SCALE)
    at = np.arange(n, dtype=np.int64) + int(NOW) - n
    places = rng.integers(1, 200, n).astype(float)
    return Taken(
        at,
        ratings,
        predicted,
        *ends,
        ratings + rng.normal(0, 1, n),
        places,
        (places < 20).astype(float),
        np.ones(n, bool),
    )


def figures(version: int, role: str, exams: Taken) -> LiveVersion:
    first, last = (int(exams.at[0]), int(exams.at[-1])) if len(exams) else (None, None)
    offline = {"rmse": MetricValue(0.874, 0.862, 0.886), "interval_coverage": MetricValue(0.9, 0.89, 0.91)}
    found = measure(exams, SCALE, 3.875)
    return LiveVersion(
        version, "svd", role, len(exams), first, last, found, offline, measure_means(exams), False, curve(exams, SCALE)
    )


class FakeLive:
    def __init__(self, serving: FakeServing) -> None:
        self.serving = serving
        self.exam_count = 900
        self.shadows: tuple[int, ...] = (9,)
        self.too_large: tuple[int, ...] = ()
        self.reading: tuple[int, ...] = ()
        self.dipped = False

    def report(self, days: int | None = None) -> LiveReport:
        active = self.serving.version or 0
        ours = taken(self.exam_count)
        served = replace(figures(active, "serves", ours), dipped=self.dipped)
        beside = tuple(figures(one, "shadow", taken(self.exam_count, 0.7, one)) for one in self.shadows)
        compared = tuple(
            compare_live(
                one, active, ours.ratings, 0.6 * ours.predicted + 0.4 * ours.ratings, ours.predicted, SCALE, 0.05
            )
            for one in self.shadows
        )
        return LiveReport(
            active, days, self.exam_count, 0, self.shadows, self.too_large, (*beside, served), compared, self.reading
        )

    def exams(self, version: int | None, limit: int = 100, *, before: int | None = None) -> Sequence[ExamRecord]:
        return [
            ExamRecord(n, int(NOW) - n, TRICKY, "7", TRICKY, 4.5, 3.9, 2.4, 5.0, None if n == 1 else n, True, 3.7)
            for n in range(1, min(limit, self.exam_count) + 1)
        ]


class FakeExams:
    """Nothing asks pages for it."""
