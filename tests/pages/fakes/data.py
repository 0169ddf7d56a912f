"""Films, metrics, runs and versions that the fake services hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from engine.data.catalogue import Movie
from engine.evaluation.differences import MetricDifference
from engine.evaluation.intervals import MetricValue
from engine.evaluation.verdict import CoverageGuard, Evidence, Judgement
from engine.models.registry import configure
from engine.recommending.effect import ListEffect
from engine.services.records import EpochRecord, State
from engine.services.training import TrainingStatus
from engine.services.version_records import VersionSummary

NOW = 1_795_000_000.0

TRICKY = '<script>alert(1)</script> *M_*A_S_H* $9.95$ [link](http://a.b) :red[hot] :smile: `code` & "q" -> www.a.bc'

LONG = "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb, the Complete Uncut Anniversary Edition"

FILMS: tuple[tuple[str, int | None, str], ...] = (
    ("Toy Story", 1995, "Animation|Children|Comedy"),
    ("Heat", 1995, "Action|Crime|Thriller"),
    (LONG, 1964, "Comedy|War"),
    ("Blade Runner", 1982, "Sci-Fi|Thriller"),
    (TRICKY, None, "Drama|Romance"),
    ("Alien", 1979, "Horror|Sci-Fi"),
    ("Once Upon a Time in the West", 1968, "Western|Drama"),
    ("Double Indemnity", 1944, "Film-Noir|Crime"),
    ("Spirited Away", 2001, "Fantasy|Animation"),
    ("Singin' in the Rain", 1952, "Musical|Romance"),
    ("Rear Window", 1954, "Mystery|Thriller"),
    ("Hoop Dreams", 1994, "Documentary"),
    ("Lawrence of Arabia", 1962, "Adventure|War"),
    ("Amélie", 2001, "Romance|Comedy"),
    ("Ran", 1985, "War|Drama"),
    ("千と千尋の神隠し", 2001, ""),
    ("Apollo 13", 1995, "IMAX|Drama"),
    ("The Third Man", 1949, "Mystery|Film-Noir"),
)

MOVIES = tuple(
    Movie(str(n), title, year, tuple(genres.split("|")) if genres else ())
    for n, (title, year, genres) in enumerate(FILMS, start=1)
)

METRICS = {
    "rmse": MetricValue(0.8731, 0.8655, 0.8809),
    "mae": MetricValue(0.6702, 0.6641, 0.6765),
    "precision_at_k": MetricValue(0.2214, 0.2077, 0.2356),
    "recall_at_k": MetricValue(0.2391, 0.2238, 0.2549),
    "ndcg_at_k": MetricValue(0.3054, 0.2903, 0.3209),
    "hit_rate_at_k": MetricValue(0.7412, 0.7081, 0.7739),
    "coverage": MetricValue(0.1205, 0.1162, 0.1249),
    "interval_coverage": MetricValue(0.9023, 0.8968, 0.9077),
}

BEFORE = METRICS | {"rmse": MetricValue(0.8814, 0.8738, 0.8891), "ndcg_at_k": MetricValue(0.2981, 0.2835, 0.3130)}

DIFFERENCES = {
    "rmse": MetricDifference(0.8731, 0.8814, -0.0083, -0.0125, -0.0041, 0.00002, 671, "better"),
    "mae": MetricDifference(0.6702, 0.6709, -0.0007, -0.0031, 0.0017, 0.412, 671, "no difference shown"),
    "ndcg_at_k": MetricDifference(0.3054, 0.2981, 0.0073, -0.0012, 0.0158, 0.091, 640, "no difference shown"),
    "recall_at_k": MetricDifference(0.2391, 0.2502, -0.0111, -0.0198, -0.0024, 0.0041, 640, "worse"),
    "hit_rate_at_k": MetricDifference(0.7412, 0.7412, -0.00001, -0.0187, 0.0187, 1.0, 640, "no difference shown"),
}


def epochs(done: int, of: int = 50) -> tuple[EpochRecord, ...]:
    """A curve that falls and flattens."""
    return tuple(
        EpochRecord(n, of, 0.55 + 0.5 / n, 0.86 + 0.16 / n + (n > 30) * 0.0004 * (n - 30), 0.08)
        for n in range(1, done + 1)
    )


def run(run_id: int, state: str, done: int = 42, **changes: Any) -> TrainingStatus:
    """A training run."""
    base = TrainingStatus(
        run_id=run_id,
        state=State(state),
        model="svd",
        stage="Done",
        epoch=done,
        epochs=50,
        eta_s=None,
        history=epochs(done),
        hyperparameters=configure("svd", {}).model_dump(),
        ranker={},
        activate="if_better",
        version=None,
        metrics=None,
        before=None,
        verdict=None,
        error=None,
        created_at=NOW - 4000,
        started_at=NOW - 3999.0,
        ended_at=NOW - 3962.5,
        actor="you",
        data_fingerprint="9f1c02ab77de41c5a0b3",
        peak_memory_bytes=734_003_200,
        packages={"python": "3.11.9", "numpy": "2.1.3", "numba": "0.60.0"},
    )
    return replace(base, **changes)


ABOUT = {
    "run_id": 3,
    "version": 2,
    "verdict": "PROMOTE",
    "metrics": {"rmse": {"value": 0.8731, "low": 0.86, "high": 0.88}},
    "before": {"rmse": {"value": 0.8814, "low": 0.87, "high": 0.89}},
}

RUNNING = run(4, "running", 17, stage="Learning", eta_s=21.4, step=2, steps=8, ended_at=None)

JUDGEMENT = Judgement(
    "PROMOTE",
    1,
    "It is better than version 1 in NDCG (0.3054 against 0.2981, 671 people), on the same held-out ratings.",
    (
        Evidence(
            "goal",
            "all",
            "rmse",
            MetricDifference(0.8731, 0.8814, -0.0083, -0.0125, -0.0041, 0.0003, 671, "better"),
            "better",
        ),
        Evidence(
            "goal",
            "all",
            "ndcg_at_k",
            MetricDifference(0.3054, 0.2981, 0.0073, 0.0021, 0.0125, 0.004, 671, "better"),
            "better",
        ),
        Evidence(
            "guard",
            "genre:Film-Noir",
            "rmse",
            MetricDifference(0.83, 0.81, 0.02, -0.01, 0.05, 0.2, 109, "no difference shown"),
            "no difference shown",
        ),
    ),
    (CoverageGuard("all", MetricValue(0.895, 0.88, 0.91), 0.897, True),),
)

EFFECT = ListEffect(1, 200, 10, 2.0, 0.12, 0.08)

REJECTED = replace(JUDGEMENT, verdict="REJECT", text="It is worse than version 2 in RMSE (*0.91* against 0.87).")

RUNS = (
    run(
        3,
        "succeeded",
        version=2,
        metrics=METRICS,
        before=BEFORE,
        verdict=f"PROMOTE: {JUDGEMENT.text} It serves now.",
        judgement=JUDGEMENT,
        effect=EFFECT,
    ),
    run(2, "failed", 3, error="The loss became infinite at epoch 3. A learning rate below 1 usually helps."),
    run(
        1,
        "succeeded",
        38,
        version=1,
        metrics=BEFORE,
        verdict="It serves now: it is the first version.",
        actor="marquee",
    ),
)

EQUAL = "Version {} came out the same: every array equal, bit for bit."

UNEQUAL = "Version {} did not come out the same: pu, qi differ."


def repeated(run_id: int, version: int, *, equal: bool = True) -> TrainingStatus:
    """A run that reproduced a version."""
    verdict = EQUAL if equal else UNEQUAL
    return run(run_id, "succeeded", repeats=version, repeated=equal, verdict=verdict.format(version))


def waiting(run_id: int, **changes: Any) -> TrainingStatus:
    """A queued run."""
    return run(run_id, "queued", 0, stage="", started_at=None, ended_at=None, **changes)


def version(number: int, **changes: Any) -> VersionSummary:
    """A version of the registry."""
    base = VersionSummary(
        version=number,
        kind="svd",
        state="ready",
        active=False,
        created_at=NOW - 86_400 * (3 - number),
        run_id=number,
        hyperparameters=configure("svd", {}).model_dump(),
        ranker={},
        metrics=METRICS if number == 2 else BEFORE,
        protocol={"split": "each user's last 20% by time", "k": 10, "relevant": "rated 4 or more"},
        ratings=100_004,
        users=671,
        movies=9066,
        data_fingerprint="9f1c02ab77de41c5",
        size_bytes=41_300_000,
        activated_at=NOW - 86_400 * (3 - number),
        activated_by="marquee",
        note="",
    )
    return replace(base, **changes)


def drifted(number: int) -> dict[str, MetricValue]:
    """Metrics that improve from version to version, with one setback."""
    shift = 0.004 * number - (0.02 if number == 5 else 0.0)
    return {
        name: MetricValue(*(end + shift * (-1 if name in ("rmse", "mae") else 1) for end in (m.value, m.low, m.high)))
        for name, m in METRICS.items()
    }
