"""Verdicts on candidates of known quality: worse, trained on twice the data, equal, worse for newcomers."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import demo_interactions
from engine.data.ratings import Interactions
from engine.data.splits import HeldOut, hold_out, split_by_user_time
from engine.evaluation.newcomers import part_newcomers
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import Judgement, judge
from engine.models.registry import configure
from engine.models.shrinkage import Penalty
from engine.models.svd import MatrixFactorizationModel
from engine.settings import Settings
from engine.training.pipeline import VALIDATION_PART, Listener, assess

SEEDS = 20
UNSHRUNK = Penalty(0, 0, 0.1, 0.1)
QUIET = Listener.silent()
Pair = tuple[EvaluationReport, EvaluationReport]  # reports of the candidate and the active version


@dataclass(frozen=True)
class Ratings:
    """Training ratings, test ratings, and those of people kept out; the same for every candidate."""

    train: Interactions
    test: Interactions
    newcomers: Interactions

    def learn(self, train: Interactions, seed: int, users: NDArray[np.bool_] | None = None) -> EvaluationReport:
        """Report of a candidate trained on ``train``, on the test ratings of ``users`` if given."""
        inner = split_by_user_time(train, VALIDATION_PART)
        test = self.test if users is None else self.test.subset(users[self.test.users])
        parts = HeldOut(inner.train, inner.test, train, test)
        config = configure("svd", {"seed": seed})
        how = "each user's last 20%", Settings().personal_from, QUIET, self.newcomers
        report = assess(config, parts, *how).report
        if report is None:
            raise ValueError("the test part is empty")
        return report

    def halve(self, seed: int) -> NDArray[np.bool_]:
        """bool[len(train)]: a random half of the ratings."""
        return np.random.default_rng(seed).permutation(len(self.train)) < len(self.train) // 2


def shuffled(ratings: Ratings, seed: int) -> Pair:
    """All rating values are shuffled."""
    train = ratings.train
    mixed = replace(train, ratings=np.random.default_rng(seed).permutation(train.ratings))
    return ratings.learn(mixed, seed), ratings.learn(train, seed)


def twice_the_users(ratings: Ratings, seed: int) -> Pair:
    """The active version learned half of the users, on whom both are evaluated."""
    known = np.random.default_rng(seed).permutation(ratings.train.n_users) < ratings.train.n_users // 2
    before = ratings.train.subset(known[ratings.train.users])
    return ratings.learn(ratings.train, seed), ratings.learn(before, seed, known)


def twice_the_ratings(ratings: Ratings, seed: int) -> Pair:
    """The active version learned half of each user's ratings."""
    return ratings.learn(ratings.train, seed), ratings.learn(ratings.train.subset(ratings.halve(seed)), seed)


def other_seeds(ratings: Ratings, seed: int) -> Pair:
    """The same training with two seeds."""
    return ratings.learn(ratings.train, 2 * seed), ratings.learn(ratings.train, 2 * seed + 1)


def other_halves(ratings: Ratings, seed: int) -> Pair:
    """Each learned a different half of the ratings."""
    half = ratings.halve(seed)
    return ratings.learn(ratings.train.subset(half), seed), ratings.learn(ratings.train.subset(~half), seed)


def worse_for_newcomers(ratings: Ratings, seed: int) -> Pair:
    """Twice the ratings, but newcomers are folded in without a prior, so one rating counts in full."""
    with patch.object(MatrixFactorizationModel, "_learn_penalties", lambda *_: (UNSHRUNK, UNSHRUNK)):
        candidate = ratings.learn(ratings.train, seed)
    return candidate, ratings.learn(ratings.train.subset(ratings.halve(seed)), seed)


def names_newcomers(found: Judgement) -> bool:
    """Whether newcomers are the reason for the verdict."""
    return "newcomers" in found.text and not found.harmless


@dataclass(frozen=True)
class Goal:
    """Expected verdict on some kinds of candidates."""

    title: str
    kinds: tuple[Callable[[Ratings, int], Pair], ...]
    verdict: str
    least: float
    most: float = 1.0
    because: Callable[[Judgement], bool] = lambda _: True

    def judge(self, ratings: Ratings, seeds: int) -> Iterator[Judgement]:
        """The verdict on each candidate."""
        for kind in self.kinds:
            for seed in range(seeds):
                yield judge(*kind(ratings, seed), 1)

    def check(self, ratings: Ratings, seeds: int) -> bool:
        """Print the verdicts and return whether they are as expected."""
        found = list(self.judge(ratings, seeds))
        hits = sum(one.verdict == self.verdict and self.because(one) for one in found)
        met = self.least * len(found) <= hits <= self.most * len(found)
        counts = ", ".join(f"{verdict} {count}" for verdict, count in sorted(Counter(o.verdict for o in found).items()))
        print(f"  {self.title:34s} {self.verdict} {hits}/{len(found)} {'' if met else 'MISSED '}({counts})", flush=True)
        return met


GOALS = (
    Goal("shuffled ratings", (shuffled,), "REJECT", 1.0),
    Goal("twice the users", (twice_the_users,), "PROMOTE", 0.9),
    Goal("twice the ratings of each user", (twice_the_ratings,), "PROMOTE", 0.9),
    Goal("equal: other seeds, other halves", (other_seeds, other_halves), "PROMOTE", 0.0, 0.05),
    Goal("better, but worse for newcomers", (worse_for_newcomers,), "HOLD", 1.0, because=names_newcomers),
)


def main(options: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks promotion", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="number of candidates of each kind")
    seeds = parser.parse_args(options).seeds
    known, newcomers = part_newcomers(demo_interactions())
    parts = hold_out(known)
    if parts.test is None:
        raise ValueError("the test part is empty")
    ratings = Ratings(parts.train, parts.test, newcomers)
    print("verdicts of svd with its defaults on the demo data, each user's last 20% held out")
    met = [goal.check(ratings, seeds) for goal in GOALS]
    return 0 if all(met) else 1
