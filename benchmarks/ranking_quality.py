"""Quality of lists beside popularity, implicit's ALS and Cornac's EASE on the demo data, and goals.

``python -m benchmarks ranking``: each user's last 20% by time, with five orders of equal times, then three random
splits without times. The whole catalogue is ranked without what was seen, and a movie is relevant from 4 stars. The
exit code is 1 if a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks import markdown
from benchmarks.data import demo_interactions, interactions, simulate
from benchmarks.peers.models import ENTRIES, FIRST_KIND, OUR_LISTS, MarqueeLists, Model
from engine.data.arrays import Floats
from engine.data.ratings import Interactions
from engine.data.splits import Split, split_by_user_time, split_random
from engine.evaluation import metrics
from engine.evaluation.differences import MetricDifference, compare_sums
from engine.evaluation.lists import draw_lists
from engine.models.registry import MODELS

TEST_PART = 0.2
SEEDS = (0, 1, 2)
TIES = (0, 1, 2, 3, 4)
"""Seeds of the order of equal times, which a third of the demo's ratings have; they move NDCG by 0.002 each way."""
LENGTH = 10
PEERS = ("popularity", "implicit ALS", "Cornac EASE")
BY_TIME, AT_RANDOM = "each user's last 20% by time", "three random splits, without times"
GOALS = {BY_TIME: 0.146, AT_RANDOM: 0.322}
"""Minimum NDCG@10 of Marquee's lists."""
METRIC = "ndcg_at_k"
Build = Callable[[], Model]


@dataclass
class Measured:
    """NDCG@10 of one model over one or several splits.

    Attributes:
        sums: float64[n_users], summed over the splits.
        lists: float64[n_users], number of splits in which the user has a relevant test rating.
        coverage: of each split.
        seconds: of each fit.
    """

    sums: Floats
    lists: Floats
    coverage: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, model: Model, split: Split) -> None:
        """Fit and measure the model on a split."""
        started = time.perf_counter()
        model.load(split.train)
        model.fit()
        self.seconds.append(time.perf_counter() - started)
        found = draw_lists(model.score, split.train, split.test, LENGTH)
        self.sums[found.users] += metrics.ndcg(found.hits, found.relevant)
        self.lists[found.users] += 1
        self.coverage.append(metrics.coverage(metrics.exposure(found.movies, split.train.n_movies)))

    @property
    def ndcg(self) -> float:
        """The mean over all lists."""
        return float(self.sums.sum() / self.lists.sum())

    def beside(self, other: Measured) -> MetricDifference:
        """The difference from another model, paired by user; a user's splits stay together."""
        had = self.lists > 0
        ours, theirs = ({METRIC: one.sums[had]} for one in (self, other))
        return compare_sums(ours, theirs, self.lists[had], seed=0)[METRIC]


def builds(kind: str) -> dict[str, Build]:
    """The peers, then Marquee with a kind of rating model."""
    return {name: ENTRIES[name].build for name in PEERS} | {OUR_LISTS: lambda: MarqueeLists(kind)}


def splits(data: Interactions) -> dict[str, list[Split]]:
    """The protocols by name; without times nobody can use them."""
    timeless = replace(data, timestamps=None)
    return {
        BY_TIME: [split_by_user_time(data, TEST_PART, seed) for seed in TIES],
        AT_RANDOM: [split_random(timeless, TEST_PART, seed) for seed in SEEDS],
    }


def measure(models: Mapping[str, Build], parts: Sequence[Split]) -> dict[str, Measured]:
    """All models on all splits of a protocol."""
    users = parts[0].train.n_users
    found = {name: Measured(np.zeros(users), np.zeros(users)) for name in models}
    for number, split in enumerate(parts, start=1):
        for name, build in models.items():
            found[name].add(build(), split)
            print(f"  {name}, split {number}: {found[name].seconds[-1]:.1f} s", file=sys.stderr)
    return found


def render(found: Mapping[str, Measured]) -> str:
    """A Markdown table; differences are those of Marquee from each peer."""
    headings = ["lists", "NDCG@10", "coverage", "fit, s", "Marquee's gain", "95% interval"]
    return markdown.table(headings, [[name, *_cells(name, found)] for name in found])


def _cells(name: str, found: Mapping[str, Measured]) -> list[str]:
    one = found[name]
    cells = [f"{one.ndcg:.4f}", f"{np.mean(one.coverage):.3f}", f"{np.median(one.seconds):.1f}"]
    if name == OUR_LISTS:
        return [*cells, "", ""]
    gain = found[OUR_LISTS].beside(one)
    return [*cells, f"{gain.difference:+z.4f}", _interval(gain)]


def _interval(gain: MetricDifference) -> str:
    return "too few users" if gain.low is None or gain.high is None else f"{gain.low:+z.4f} to {gain.high:+z.4f}"


def judge(protocol: str, found: Mapping[str, Measured]) -> tuple[list[str], bool]:
    """A sentence per goal, and whether all are met."""
    ours, least = found[OUR_LISTS], GOALS[protocol]
    lines, met = [f"NDCG@10 {ours.ndcg:.4f}, goal at least {least:g}, {_met(ours.ndcg >= least)}"], ours.ndcg >= least
    for name in found.keys() - {OUR_LISTS}:
        gain = ours.beside(found[name])
        above = gain.low is not None and gain.low > 0
        lines.append(f"above {name}: {_interval(gain)}, goal above 0, {_met(above)}")
        met &= above
    return [lines[0], *sorted(lines[1:])], met


def _met(met: bool) -> str:
    return "met" if met else "MISSED"


def warm_up(models: Mapping[str, Build]) -> None:
    """Import and compile first."""
    small = interactions(simulate(2000, 60, 80))
    for build in models.values():
        model: Model = build()
        model.load(small)
        model.fit()


def main(arguments: list[str]) -> int:
    found = argparse.ArgumentParser(prog="python -m benchmarks ranking", description=__doc__)
    found.add_argument("--model", choices=MODELS, default=FIRST_KIND, help="Marquee's rating model")
    found.add_argument("--only", choices=("time", "random"), help="only one of the two protocols")
    options = found.parse_args(arguments)
    models = builds(options.model)
    warm_up(models)
    names = {"time": (BY_TIME,), "random": (AT_RANDOM,), None: (BY_TIME, AT_RANDOM)}[options.only]
    worst = 0
    for protocol, parts in splits(demo_interactions()).items():
        if protocol not in names:
            continue
        measured = measure(models, parts)
        lines, met = judge(protocol, measured)
        print(f"\ndemo, {protocol}, Marquee with {options.model}\n\n{render(measured)}\n\n" + "\n".join(lines))
        worst = max(worst, int(not met))
    return worst
