"""How good lists are beside popularity and implicit's ALS: random 80/20, the whole catalogue ranked, seen dropped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import implicit
import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks.data import demo_frame, interactions
from engine.dataset.interactions import Float32, Interactions
from engine.dataset.splitting import split_random
from engine.evaluation import EvaluationService
from engine.models.item_similarity import ItemSimilarityRanker
from engine.models.matrix_factorization import MatrixFactorizationConfig, MatrixFactorizationModel

SEEDS = (0, 1, 2)
Scores = Callable[[int], Float32]


def popularity(train: Interactions) -> Scores:
    counts = train.movie_counts.astype(np.float32)
    return lambda _: counts


def als(train: Interactions) -> Scores:
    """Implicit's ALS with the best of five settings tried on the demo data."""
    binary = sp.csr_matrix(
        (np.ones(len(train), np.float32), (train.users, train.items)), (train.n_users, train.n_movies)
    )
    settings = {"factors": 64, "regularization": 50, "alpha": 10, "iterations": 15, "random_state": 0}
    with threadpool_limits(1, "blas"):  # implicit asks for it; it starts threads of its own
        model = implicit.als.AlternatingLeastSquares(**settings)
        model.fit(binary, show_progress=False)
    return lambda user: model.item_factors @ model.user_factors[user]


def ranker(train: Interactions) -> Scores:
    return ItemSimilarityRanker().fit(train).score_user


PEER = "implicit's ALS"
FITS = {"popularity": popularity, PEER: als, "Marquee's ranker": ranker}


@dataclass
class Measured:
    """One figure of each split."""

    ndcg: list[float] = field(default_factory=list)
    coverage: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


def main() -> None:
    data = interactions(demo_frame())
    ranker(data)  # compile first
    found = {name: Measured() for name in FITS}
    for seed in SEEDS:
        split = split_random(data, 0.2, seed)
        # A report needs some rating model; its ratings are not looked at here.
        model = MatrixFactorizationModel(MatrixFactorizationConfig(epochs=1)).fit(split.train)
        for name, fit in FITS.items():
            started = time.perf_counter()
            scores = fit(split.train)
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
