"""Accuracy of folding in compared with retraining: 100 users and 100 movies with ten ratings each, and the goal.

``python -m benchmarks foldin``; the exit code is 1 where folding in is more than 3% worse than learning again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks import markdown
from benchmarks.data import demo_interactions
from engine.data.arrays import Float32
from engine.data.ratings import Interactions
from engine.data.splits import hold_out
from engine.models.base import ModelConfig, RatingModel
from engine.models.epochs import best_epoch, run_epochs
from engine.models.registry import HERE, build, entry
from engine.training.pipeline import TEST_PART, VALIDATION_PART

Side = Literal["users", "movies"]
GOAL = 1.03
LEFT_OUT = 100
FIRST = 10
MIN_RATINGS = 20
"""Minimum number of ratings of a user or movie left out: ten to fold in, and as many to predict."""


@dataclass(frozen=True)
class Parts:
    """Three parts: what both learn, the first ten of each user or movie left out, and their others."""

    base: Interactions
    first: Interactions
    rest: Interactions
    full: Interactions
    chosen: NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """RMSE on the others: retrained with the first ten, with these folded in, and without them."""

    retrained: float
    folded: float
    unknown: float

    @property
    def ratio(self) -> float:
        """Error of folding in over the error of retraining."""
        return self.folded / self.retrained


def part(data: Interactions, side: Side, seed: int, count: int = LEFT_OUT) -> Parts:
    """Leave out users, or movies, with at least 20 ratings; their first ten by time are folded in.

    Args:
        data: timed ratings.
        side: who is left out.
        seed: of the draw.
        count: how many.
    """
    counts, groups = (data.user_counts, data.by_user) if side == "users" else (data.movie_counts, data.by_movie)
    chosen = np.random.default_rng(seed).choice(np.flatnonzero(counts >= MIN_RATINGS), count, replace=False)
    times = data.timestamps if data.timestamps is not None else np.arange(len(data))
    first, rest = np.zeros(len(data), bool), np.zeros(len(data), bool)
    for one in chosen.tolist():
        rows = groups.of(one)
        rows = rows[np.argsort(times[rows], kind="stable")]
        first[rows[:FIRST]] = rest[rows[FIRST:]] = True
    return Parts(data.subset(~first & ~rest), data.subset(first), data.subset(rest), data.subset(~rest), chosen)


def fit(kind: str, data: Interactions, epochs: int) -> RatingModel:
    """The model with its defaults, trained for ``epochs``."""
    model = build(_config(kind, epochs))
    run_epochs(model, data)
    return model


def epochs_of(kind: str, data: Interactions) -> int:
    """The best number of epochs for the ratings that both learn, chosen as in a training."""
    parts = hold_out(data, TEST_PART, VALIDATION_PART)
    config = entry(kind).config()
    patience = int(getattr(config, "patience", 0))
    history = run_epochs(build(config), parts.fit, validation=parts.validation, patience=patience)
    return best_epoch(history)


def _config(kind: str, epochs: int) -> ModelConfig:
    return entry(kind).config().model_copy(update={"epochs": epochs, "patience": 0})


def fold(model: RatingModel, parts: Parts, side: Side) -> Float32:
    """float32[n]: predictions of the others with the first ten folded in."""
    out = np.empty(len(parts.rest), np.float32)
    for one in parts.chosen.tolist():
        if side == "users":
            first, rows = parts.first.by_user.of(one), parts.rest.by_user.of(one)
            vector = model.fold_in_user(parts.first.items[first], parts.first.ratings[first])
            out[rows] = model.predict_vector(vector, parts.rest.items[rows])
        else:
            first, rows = parts.first.by_movie.of(one), parts.rest.by_movie.of(one)
            movie = model.fold_in_movie(parts.first.users[first], parts.first.ratings[first], one)
            for row in rows.tolist():
                user = model.user_vector(int(parts.rest.users[row]))
                out[row] = model.predict_vectors(user, movie[None])[0]
    return out


def measure(kind: str, parts: Parts, side: Side) -> Measured:
    """Both ways to learn the first ten, evaluated on the same ratings."""
    epochs = epochs_of(kind, parts.base)
    frozen, again = fit(kind, parts.base, epochs), fit(kind, parts.full, epochs)
    pairs = parts.rest.users, parts.rest.items
    found = again.predict_indices(*pairs), fold(frozen, parts, side), frozen.predict_indices(*pairs)
    retrained, folded, unknown = (float(np.sqrt(np.mean((one - parts.rest.ratings) ** 2))) for one in found)
    return Measured(retrained, folded, unknown)


def render(found: dict[tuple[str, Side], list[Measured]]) -> str:
    """A Markdown table with a row per model and side."""
    headings = ["model", "left out", "without the ten", "folded in", "retrained", "ratio", "each draw's ratio", "goal"]
    rows = []
    for (kind, side), draws in found.items():
        means = [np.mean([getattr(one, name) for one in draws]) for name in ("unknown", "folded", "retrained")]
        ratio = mean_ratio(draws)
        each = ", ".join(f"{one.ratio:.4f}" for one in draws)
        verdict = "met" if ratio <= GOAL else "MISSED"
        rows.append([kind, side, *(f"{mean:.4f}" for mean in means), f"{ratio:.4f}", each, f"{GOAL:g} {verdict}"])
    return markdown.table(headings, rows)


def mean_ratio(draws: list[Measured]) -> float:
    """Ratio of the mean errors over all draws."""
    return float(np.mean([one.folded for one in draws]) / np.mean([one.retrained for one in draws]))


def measure_all(
    data: Interactions, kinds: Iterable[str], seeds: Iterable[int]
) -> dict[tuple[str, Side], list[Measured]]:
    """Measure every model on both sides in each draw."""
    found: dict[tuple[str, Side], list[Measured]] = {}
    drawn = list(seeds)
    sides: tuple[Side, ...] = ("users", "movies")
    for kind in kinds:
        for side in sides:
            for seed in drawn:
                one = measure(kind, part(data, side, seed), side)
                found.setdefault((kind, side), []).append(one)
                print(f"  {kind}, {side}, draw {seed}: {one.ratio:.4f}", file=sys.stderr)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks foldin", description=__doc__)
    parser.add_argument("--draws", type=int, default=1, help="number of random draws of who is left out")
    asked = parser.parse_args(arguments)
    found = measure_all(demo_interactions(), HERE, range(asked.draws))
    print(f"demo, {LEFT_OUT} left out, {FIRST} ratings of each\n\n{render(found)}")
    return 0 if all(mean_ratio(draws) <= GOAL for draws in found.values()) else 1
