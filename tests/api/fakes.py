"""Services that answer from a script: each remembers what it was asked, and raises ``fails`` when that is set."""

from __future__ import annotations

from typing import Any

from engine.services import Services
from engine.settings import Settings
from engine.types import (
    Contribution,
    DataStatistics,
    EpochReport,
    Explanation,
    GenreMatch,
    ImportResult,
    Job,
    MetricValue,
    Prediction,
    Predictions,
    RatingReceipt,
    Recommendations,
    RecommendedItem,
    RejectedRow,
    SimilarMovie,
    SimilarUser,
    TrainingStatus,
    VersionSummary,
)

METRICS = {"rmse": MetricValue(0.87, 0.86, 0.88)}
SCRIPT = "<script>alert('title')</script>"


class Recorder:
    """Remembers calls; raises ``fails`` instead of answering."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.fails: Exception | None = None

    def note(self, *call: Any) -> None:
        self.calls.append(call)
        if self.fails is not None:
            raise self.fails


class FakeServing(Recorder):
    version: int | None = 3

    def active_version(self) -> int | None:
        self.note("active_version")
        return self.version

    def rate(self, user_id: str, movie_id: str, rating: float) -> RatingReceipt:
        self.note("rate", user_id, movie_id, rating)
        return RatingReceipt(user_id, movie_id, rating, None, 3.5, 4.0, True, 1.5)

    def recommend(self, user_id: str, n: int = 10, **options: Any) -> Recommendations:
        self.note("recommend", user_id, n, options)
        item = RecommendedItem(1, "https://boxd.it/2a", SCRIPT, None, ("Drama",), 0.9, 4.4, (3.4, 5.0), 0.6)
        return Recommendations(user_id, "personal", "57 ratings.", 3, 10.0, 1.5, 57, (item,))

    def predict(self, pairs: list[tuple[str, str]]) -> Predictions:
        self.note("predict", pairs)
        return Predictions(3, tuple(Prediction(user, movie, 3.5, None, "unknown") for user, movie in pairs))

    def explain(self, user_id: str, movie_id: str) -> Explanation:
        self.note("explain", user_id, movie_id)
        return Explanation(
            user_id=user_id,
            movie_id=movie_id,
            title="Heat",
            status="personal",
            score=0.9,
            baseline=0.1,
            contributions=(Contribution("7", "Ronin", 5.0, 0.8),),
            residual=0.0,
            predicted_rating=4.4,
            interval=None,
            similar_rated_movies=(SimilarMovie("7", "Ronin", 5.0, 0.7),),
            genre_match=GenreMatch(0.4, (("Crime", 0.5, 12),)),
            similar_users=(SimilarUser("8", 5.0, 0.6),),
            text="Because you rated Ronin 5.",
            model_version=3,
        )


RUN = TrainingStatus(
    run_id=7,
    state="running",
    model="svd",
    stage="Learning",
    epoch=1,
    epochs=20,
    eta_s=2.5,
    history=(EpochReport(1, 20, 0.9, None, 0.1),),
    hyperparameters={"factors": 10},
    activate="if_better",
    version=None,
    metrics=None,
    before=METRICS,
    verdict=None,
    error=None,
    created_at=100.0,
    started_at=101.0,
    ended_at=None,
)


class FakeTraining(Recorder):
    def train_model(self, kind: str, hyperparameters: dict[str, Any], activate: str, actor: str) -> int:
        self.note("train_model", kind, hyperparameters, activate, actor)
        return 7

    def status(self, run_id: int | None = None) -> TrainingStatus:
        self.note("status", run_id)
        return RUN

    def cancel(self, run_id: int) -> None:
        self.note("cancel", run_id)


VERSION = VersionSummary(
    version=3,
    kind="svd",
    state="ready",
    active=True,
    created_at=100.0,
    run_id=7,
    hyperparameters={"factors": 10},
    metrics=METRICS,
    protocol={"k": 10},
    ratings=1000,
    users=50,
    movies=80,
    data_fingerprint="9f1c",
    size_bytes=4096,
    activated_at=101.0,
    activated_by="api",
    note="",
)


class FakeVersions(Recorder):
    served: VersionSummary | None = VERSION

    def list(self) -> list[VersionSummary]:
        self.note("list")
        return [self.served] if self.served else []

    def active(self) -> VersionSummary | None:
        self.note("active")
        return self.served

    def activate(self, version: int, *, actor: str = "you", reason: str = "") -> None:
        self.note("activate", version, actor, reason)

    def rollback(self, actor: str = "you", reason: str = "") -> int:
        self.note("rollback", actor, reason)
        return 2


JOB = Job(
    4, "import", "succeeded", 1.0, "Done", ImportResult(5, rejected=(RejectedRow("r.csv", 2, "no"),)), None, 1.0, 2.0
)
STATISTICS = DataStatistics(2, 3, 5, 0.83, 3.5, 10, 20, {0.5: 2, 4.0: 3}, {"Drama": 3})


class FakeLibrary(Recorder):
    def import_demo(self) -> int:
        self.note("import_demo")
        return 4

    def import_files(self, files: Any, format: str = "auto", user_id: str | None = None) -> int:  # noqa: A002
        self.note("import_files", [(file.name, file.stream.read()) for file in files], format, user_id)
        return 4

    def statistics(self) -> DataStatistics:
        self.note("statistics")
        return STATISTICS

    def job(self, job_id: int) -> Job:
        self.note("job", job_id)
        return JOB

    def cancel_job(self, job_id: int) -> None:
        self.note("cancel_job", job_id)


def fake_services(settings: Settings) -> Services:
    return Services(settings, FakeLibrary(), FakeTraining(), FakeServing(), FakeVersions())  # type: ignore[arg-type]
