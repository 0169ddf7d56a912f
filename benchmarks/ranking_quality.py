"""Quality of lists compared with popularity and implicit's ALS: random 80/20 split, the whole catalogue ranked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from benchmarks.data import demo_interactions
from benchmarks.peers.models import ENTRIES, OUR_LISTS, Model
from engine.data.ratings import Interactions
from engine.data.splits import split_random
from engine.evaluation.report import EvaluationService
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel

SEEDS = (0, 1, 2)
PEER = "implicit ALS"
NAMES = ("popularity", PEER, OUR_LISTS)


def fit(name: str, train: Interactions) -> Model:
    model = ENTRIES[name].build()
    model.load(train)
    model.fit()
    return model


@dataclass
class Measured:
    """Results by split."""

    ndcg: list[float] = field(default_factory=list)
    coverage: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    data = demo_interactions()
    fit(OUR_LISTS, data)  # compile first
    found = {name: Measured() for name in NAMES}
    for seed in SEEDS:
        split = split_random(data, 0.2, seed)
        # A report needs a rating model; its ratings are not used here.
        model = MatrixFactorizationModel(MatrixFactorizationConfig(epochs=1)).fit(split.train)
        for name in NAMES:
            started = time.perf_counter()
            scores = fit(name, split.train).score
            found[name].seconds.append(time.perf_counter() - started)
            metrics = EvaluationService().generate_report(model, split.train, split.test, score_user=scores).metrics
            found[name].ndcg.append(metrics["ndcg_at_k"].value)
            found[name].coverage.append(metrics["coverage"].value)
    print(f"demo: mean over {len(SEEDS)} random splits, relevant from 4 stars")
    for name, one in found.items():
        ratio = np.mean(np.array(one.ndcg) / found[PEER].ndcg)
        lists = f"NDCG@10 {np.mean(one.ndcg):.4f} ({ratio:.2f} of ALS)   coverage {np.mean(one.coverage):.3f}"
        print(f"  {name:18s} {lists}   fit {np.median(one.seconds):6.2f} s")


if __name__ == "__main__":
    main()
