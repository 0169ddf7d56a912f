"""Accuracy for newcomers: RMSE after none to twenty of their ratings, compared with the movies' means.

``python -m benchmarks newcomers``; the exit code is 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

import numpy as np

from benchmarks import markdown
from benchmarks.data import demo_interactions
from engine.data.arrays import Float32, Floats
from engine.data.ratings import Interactions
from engine.evaluation.newcomers import STEPS, judge_newcomers
from engine.models.epochs import run_epochs
from engine.models.registry import HERE, build, entry

PEOPLE, DRAWS = 80, 3
NONE, TWENTY, RISE = 1.01, 0.97, 0.003
"""Goals: error without a rating and with twenty relative to the movies' means, and increase per step."""


def draw(data: Interactions, seed: int, people: int = PEOPLE) -> tuple[Interactions, Interactions]:
    """Training ratings, and those of the people left out, each with more than twenty."""
    able = np.flatnonzero(data.user_counts > STEPS[-1])
    theirs = np.isin(data.users, np.random.default_rng(seed).choice(able, people, replace=False))
    return data.subset(~theirs), data.subset(theirs)


def measure(kind: str, train: Interactions, theirs: Interactions) -> Floats:
    """float64[1 + steps]: RMSE of the movies' means, then of the model with its defaults after each step."""
    model = build(entry(kind).config())
    run_epochs(model, train)
    nothing: Float32 = np.zeros(train.n_movies, np.float32)
    found = judge_newcomers(model, lambda *_: np.empty(0, np.int64), nothing, train, theirs)
    if found is None:
        raise ValueError("nobody was left out")
    squared = [found.by_mean, *found.squared.values()]
    return np.sqrt([one.sum() / found.ratings.sum() for one in squared])


def judge(kind: str, mean: Floats) -> tuple[list[str], bool]:
    """A sentence per goal, and whether all are met; ``mean`` is the result of ``measure`` averaged over draws."""
    movies, curve = mean[0], mean[1:]
    goals = [
        ("no rating, over the movies' means", curve[0] / movies, NONE),
        ("from one rating on, over the movies' means", curve[1:].max() / movies, 1.0),
        ("largest step up", np.diff(curve).max(), RISE),
        ("twenty ratings, over the movies' means", curve[-1] / movies, TWENTY),
    ]
    lines = [
        f"{kind}, {what}: {value:.4f}, goal at most {most:g}, {'met' if value <= most else 'MISSED'}"
        for what, value, most in goals
    ]
    return lines, all(value <= most for _, value, most in goals)


def render(found: dict[str, list[Floats]]) -> str:
    """A Markdown table with a row per model and draw, and the mean of the draws."""
    headings = ["model", "draw", "movies' means", *(f"{step} known" for step in STEPS)]
    rows = []
    for kind, draws in found.items():
        for name, values in [*enumerate(draws), ("mean", np.mean(draws, axis=0))]:
            rows.append([kind, str(name), *(f"{value:.4f}" for value in values)])
    return markdown.table(headings, rows)


def measure_all(data: Interactions, kinds: Iterable[str], draws: int, people: int = PEOPLE) -> dict[str, list[Floats]]:
    """Measure every model on each draw."""
    found: dict[str, list[Floats]] = {}
    for kind in kinds:
        for seed in range(draws):
            found.setdefault(kind, []).append(measure(kind, *draw(data, seed, people)))
            print(f"  {kind}, draw {seed}: {np.round(found[kind][-1], 4).tolist()}", file=sys.stderr)
    return found


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks newcomers", description=__doc__)
    parser.add_argument("--draws", type=int, default=DRAWS, help="number of random draws of who is left out")
    found = measure_all(demo_interactions(), HERE, parser.parse_args(arguments).draws)
    judged = [judge(kind, np.mean(draws, axis=0)) for kind, draws in found.items()]
    lines = "\n".join(line for lines, _ in judged for line in lines)
    print(f"demo, {PEOPLE} people left out, RMSE of their ratings after the twentieth\n\n{render(found)}\n\n{lines}")
    return 0 if all(met for _, met in judged) else 1
