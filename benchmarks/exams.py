"""Exams replayed: each user's last 20% of the demo, rated one by one, and the goals for their figures.

``python -m benchmarks exams``; the exit code is 1 where a goal is missed. A version of ``svd`` serves and one of
``ncf`` is its shadow; both learned neither the replayed ratings nor those that their epochs were chosen by.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks import markdown
from benchmarks.data import demo_interactions
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out
from engine.evaluation.live import LiveComparison, compare_live
from engine.evaluation.report import EvaluationService
from engine.models.epochs import run_epochs
from engine.models.registry import build, configure
from engine.models.version import LearnedCounts, LearnedOffsets, RatingParts
from engine.recommending.bundling import measure_offsets
from engine.recommending.exams import Examiner, Predicted, fold_changed
from engine.recommending.fold_in import MAX_LEARNED
from engine.training.pipeline import TEST_PART, VALIDATION_PART, calibrate
from store.records import RatingChange

SERVED, SHADOW = "svd", "ncf"
OFFLINE_GOAL, FOLD_IN_GOAL = 1e-6, 1e-4
COVERAGE_GOAL = (0.88, 0.92)
TOLD_WITHIN, ORDERS = 2_000, 20
STREAMS, LENGTH = 1_000, 2_000
ALPHA = 0.05


@dataclass(frozen=True)
class Version:
    """A version, the ratings it learned, and its error on the test part as its evaluation finds it."""

    parts: RatingParts
    learned: Interactions
    offline: float


@dataclass(frozen=True)
class Replay:
    """float64[n] of each replayed rating: as given, predicted, and the ends of its interval."""

    ratings: NDArray[np.float64]
    predicted: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def rmse(self) -> float:
        """In rating units."""
        return float(np.sqrt(np.mean((self.ratings - self.predicted) ** 2)))

    @property
    def coverage(self) -> float:
        """Share of the ratings inside their intervals."""
        return float(((self.ratings >= self.low) & (self.ratings <= self.high)).mean())


def learn(kind: str, held: HeldOut) -> Version:
    """A version that learned the part to fit, as a training evaluates it."""
    config = configure(kind, {})
    model = build(config)
    run_epochs(model, held.fit, validation=held.validation, patience=int(getattr(config, "patience", 0)))
    offsets = measure_offsets(model, held.fit)
    parts = RatingParts(model, calibrate(model, held), LearnedCounts.of(held.fit), offsets)
    return Version(parts, held.fit, EvaluationService().calculate_rmse(model, _test(held)))


def _test(held: HeldOut) -> Interactions:
    if held.test is None:
        raise ValueError("the test part is empty")
    return held.test


def examiner(version: Version, data: Interactions) -> Examiner:
    """The version with these ratings; those that it has not learned are folded in, as when a server starts."""
    made = Examiner(1, version.parts, data, 0)
    more = data.user_counts - version.learned.user_counts, data.movie_counts - version.learned.movie_counts
    fold_changed(made.learner, *(np.flatnonzero(one).astype(np.int32) for one in more))
    return made


def replay(
    version: Version, data: Interactions, test: Interactions, order: NDArray[np.int64], *, learns: bool
) -> Replay:
    """Predict the ratings in this order; ``learns``: each is folded in after its prediction."""
    made = examiner(version, data) if learns else Examiner(1, version.parts, version.learned, 0)
    found: list[Predicted] = []
    for number, row in enumerate(order.tolist(), start=1):
        change = RatingChange(
            int(test.users[row]), int(test.items[row]), float(test.ratings[row]), None, 0, number, new_user=False
        )
        predicted = made.predict(change)
        if predicted is None or predicted.interval is None:
            raise RuntimeError("a replayed rating was not predicted")
        found.append(predicted)
        if learns:
            made.learn(change, number)
    ends = np.array([one.interval for one in found], np.float64)
    predictions = np.array([one.rating for one in found], np.float64)
    return Replay(test.ratings[order].astype(np.float64), predictions, ends[:, 0], ends[:, 1])


def fold_in_independently(version: Version, data: Interactions, test: Interactions, order: NDArray[np.int64]) -> float:
    """RMSE of the same replay with dictionaries and the model's own formulas, without any class of the live path."""
    model, offsets = version.parts.rating, version.parts.offsets or LearnedOffsets(np.zeros((0, 1)), np.zeros((0, 1)))
    of_user: dict[int, dict[int, float]] = {}
    of_movie: dict[int, dict[int, float]] = {}
    for user, movie, rating in zip(data.users.tolist(), data.items.tolist(), data.ratings.tolist(), strict=True):
        of_user.setdefault(user, {})[movie] = rating
        of_movie.setdefault(movie, {})[user] = rating
    new_users = data.user_counts != version.learned.user_counts
    new_movies = data.movie_counts != version.learned.movie_counts
    folds = (version.learned.movie_counts <= MAX_LEARNED) & model.folds_movies
    squared = []
    for row in order.tolist():
        user, movie, rating = int(test.users[row]), int(test.items[row]), float(test.ratings[row])
        ours, theirs = of_user.setdefault(user, {}), of_movie.setdefault(movie, {})
        vector = model.user_vector(user)
        if new_users[user]:
            items = np.array(sorted(ours), np.int32)
            vector = model.fold_in_user(items, np.array([ours[one] for one in items.tolist()], np.float32))
            vector = vector + offsets.of_user(user)
        if new_movies[movie] and folds[movie]:
            users = np.array(sorted(theirs), np.int32)
            side = model.fold_in_movie(users, np.array([theirs[one] for one in users.tolist()], np.float32), movie)
            predicted = model.predict_vectors(vector, (side + offsets.of_movie(movie))[None])[0]
        else:
            predicted = model.predict_vector(vector, np.array([movie], np.int32))[0]
        squared.append((rating - float(predicted)) ** 2)
        ours[movie] = theirs[user] = rating
        new_users[user] = new_movies[movie] = True
    return float(np.sqrt(np.mean(squared)))


def by_time(test: Interactions) -> NDArray[np.int64]:
    """int64[n]: rows in order of time; each user's are in their own order in any case."""
    times = np.zeros(len(test)) if test.timestamps is None else test.timestamps
    return np.argsort(times, kind="stable")


def shuffle_users(test: Interactions, seed: int) -> NDArray[np.int64]:
    """int64[n]: rows where a random user rates next, each in the order of their own time."""
    order = by_time(test)
    users = np.random.default_rng(seed).permutation(test.users[order])
    waiting = {user: list(order[test.users[order] == user][::-1]) for user in np.unique(users).tolist()}
    return np.array([waiting[user].pop() for user in users.tolist()], np.int64)


def tell_apart(
    served: Version, shadow: Version, data: Interactions, test: Interactions, orders: int, most: int
) -> list[LiveComparison]:
    """The comparison after ``most`` ratings in each of some random orders."""
    scale, found = data.scale, []
    for seed in range(orders):
        order = shuffle_users(test, seed)[:most]
        theirs, ours = (replay(one, data, test, order, learns=True) for one in (served, shadow))
        one = compare_live(2, 1, theirs.ratings, ours.predicted, theirs.predicted, scale, ALPHA)
        print(f"  order {seed}: {one.outcome} after {one.told_after}", file=sys.stderr)
        found.append(one)
    return found


def false_alarms(found: Replay, scale: tuple[float, float], streams: int, length: int) -> int:
    """Number of streams in which equal versions are told apart: each rating's two predictions are swapped at random."""
    rng, alarms = np.random.default_rng(0), 0
    other = np.clip(found.predicted + rng.normal(0, 0.2, len(found.predicted)), *scale)
    pair = np.array([found.predicted, other])
    for _ in range(streams):
        rows, swapped = rng.integers(0, len(found.ratings), length), rng.integers(0, 2, length)
        ours, theirs = pair[swapped, rows], pair[1 - swapped, rows]
        alarms += compare_live(2, 1, found.ratings[rows], ours, theirs, scale, ALPHA).told_after is not None
    return alarms


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks exams", description=__doc__)
    parser.add_argument("--orders", type=int, default=ORDERS, help="random orders in which the shadow is compared")
    parser.add_argument("--streams", type=int, default=STREAMS, help="streams of equal versions")
    asked = parser.parse_args(arguments)
    held = hold_out(demo_interactions(), TEST_PART, VALIDATION_PART)
    test, data = _test(held), held.train
    versions = {kind: learn(kind, held) for kind in (SERVED, SHADOW)}
    rows: list[tuple[str, str, str, bool]] = []
    order = by_time(test)
    replays = {kind: replay(one, data, test, order, learns=True) for kind, one in versions.items()}
    for kind, one in versions.items():
        off = abs(replay(one, data, test, order, learns=False).rmse - one.offline)
        rows.append(
            (
                f"{kind}: offline RMSE {one.offline:.6f}, replayed without updates",
                f"{off:.1e} off",
                f"at most {OFFLINE_GOAL:g}",
                off <= OFFLINE_GOAL,
            )
        )
        live, again = replays[kind], fold_in_independently(one, data, test, order)
        off = abs(live.rmse - again)
        rows.append(
            (
                f"{kind}: live RMSE {live.rmse:.6f}, folded in independently {again:.6f}",
                f"{off:.1e} off",
                f"at most {FOLD_IN_GOAL:g}",
                off <= FOLD_IN_GOAL,
            )
        )
        rows.append(
            (f"{kind}: live below offline", f"{live.rmse:.4f} < {one.offline:.4f}", "below", live.rmse < one.offline)
        )
        rows.append(
            (
                f"{kind}: inside the 90% interval",
                f"{live.coverage:.1%}",
                f"{COVERAGE_GOAL[0]:.0%} to {COVERAGE_GOAL[1]:.0%}",
                COVERAGE_GOAL[0] <= live.coverage <= COVERAGE_GOAL[1],
            )
        )
    told = tell_apart(versions[SERVED], versions[SHADOW], data, test, asked.orders, TOLD_WITHIN)
    better = sum(one.outcome == "better" for one in told)
    counts = sorted(one.told_after for one in told if one.told_after is not None)
    spread = f", after {counts[0]:,} to {counts[-1]:,} ratings" if counts else ""
    rows.append(
        (
            f"{SHADOW} beside {SERVED} called better within {TOLD_WITHIN:,} ratings",
            f"{better} of {len(told)} orders{spread}",
            f"all {len(told)}",
            better == len(told),
        )
    )
    alarms, most = false_alarms(replays[SERVED], data.scale, asked.streams, LENGTH), asked.streams * ALPHA
    rows.append(
        (
            f"equal versions told apart within {LENGTH:,} ratings",
            f"{alarms} of {asked.streams:,} streams",
            f"at most {most:g}",
            alarms <= most,
        )
    )
    table = [[what, figure, f"{goal} {'met' if met else 'MISSED'}"] for what, figure, goal, met in rows]
    print(f"demo, {len(test):,} ratings replayed\n\n{markdown.table(['what', 'figure', 'goal'], table)}")
    return 0 if all(row[-1] for row in rows) else 1
