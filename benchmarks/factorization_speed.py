"""Time to fit the factorisation, compared with Surprise's SVD with the same settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from surprise import SVD

from benchmarks.data import demo_frame, interactions, simulate, trainset
from engine.data.ratings import Interactions
from engine.models.svd import MatrixFactorizationConfig, MatrixFactorizationModel

SETTINGS = {"factors": 100, "epochs": 20, "learning_rate": 0.005, "regularization": 0.02}
PEER = "surprise.SVD"


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def seconds_of_epochs(config: MatrixFactorizationConfig, data: Interactions) -> float:
    """Seconds of the epochs alone: the same work as Surprise's, without the priors for folding people in."""
    epochs = MatrixFactorizationModel(config).epochs(data)
    while next(epochs) != "Learning factors":
        pass
    return seconds(lambda: list(epochs))


def compare(name: str, frame: pd.DataFrame, repeats: int) -> None:
    theirs, ours = trainset(frame), interactions(frame)
    peer = SVD(n_factors=100, n_epochs=20, lr_all=0.005, reg_all=0.02, random_state=0)
    fits: dict[str, Callable[[], float]] = {PEER: lambda: seconds(lambda: peer.fit(theirs))}
    for precision in ("float64", "float32"):
        config = MatrixFactorizationConfig.model_validate(SETTINGS | {"precision": precision})
        fits[f"Marquee, {precision}"] = partial(seconds, partial(MatrixFactorizationModel(config).fit, ours))
        fits[f"its epochs, {precision}"] = partial(seconds_of_epochs, config, ours)
    times: dict[str, list[float]] = {fit: [] for fit in fits}
    for _ in range(repeats):  # alternating, so that a slow moment of the machine affects all of them
        for fit, work in fits.items():
            times[fit].append(work())
    theirs_s = np.array(times[PEER])
    print(f"{name}: {len(frame):,} ratings, 100 factors, 20 epochs, median of {repeats}")
    for fit, measured in times.items():
        ratio = np.median(theirs_s / np.array(measured))
        beside = "" if fit == PEER else f"   {ratio:5.1f} times as fast as Surprise"
        print(f"  {fit:18s} {np.median(measured):8.3f} s{beside}")


def main() -> None:
    for precision in ("float64", "float32"):  # compile first
        config = MatrixFactorizationConfig.model_validate({"epochs": 1, "precision": precision})
        MatrixFactorizationModel(config).fit(interactions(simulate(1000, 50, 50)))
    compare("demo", demo_frame(), repeats=7)
    compare("simulated", simulate(1_000_000, 6_000, 4_000), repeats=3)


if __name__ == "__main__":
    main()
