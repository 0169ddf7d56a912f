"""Services for page tests: small classes that hold plausible data, in the types that the real ones answer with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from engine.data.catalogue import Movie
from engine.data.rows import RejectedRow
from engine.errors import (
    InvalidInput,
    InvalidRating,
    MarqueeError,
    NotReady,
    TrainingBusy,
    UnknownJob,
    UnknownRun,
    UnknownUser,
    VersionUnavailable,
)
from engine.evaluation.comparison import MetricDifference
from engine.evaluation.intervals import MetricValue
from engine.evaluation.verdict import CoverageGuard, Evidence, Judgement
from engine.models.registry import configure
from engine.recommending.explanations import (
    Contribution,
    Explanation,
    GenreMatch,
    RatingExplanation,
    SimilarMovie,
    SimilarUser,
)
from engine.recommending.interview import InterviewQuestion, InterviewState
from engine.recommending.lists import ImaginedItem, ListOptions, Recommendations, RecommendedItem, WhatIf
from engine.recommending.ranking import VarietyPrice
from engine.services import Services
from engine.services.automation import Automation
from engine.services.backup_plan import BackupPlan
from engine.services.import_task import ImportResult
from engine.services.imports import Job
from engine.services.library import DataStatistics, RatedMovie, UserSummary
from engine.services.notices import WebhookState
from engine.services.ratings import ForgettingReceipt, RatingReceipt, RatingRemoval
from engine.services.records import EpochRecord, State
from engine.services.storage import Backup, StoreFacts
from engine.services.training import TrainingStatus
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison, ListedMovie, VersionList
from engine.settings import Settings
from engine.training.drift import UpdateHealth
from store.records import ActivationRecord, AuditRecord, Counts, KeyRecord, NoticeRecord
from tests.pages.fake_tuning import GOING, NEURAL, FakeTuning

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
    "It is better than version 1 in NDCG (0.3054 against 0.2981), on the same held-out ratings of 671 users.",
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
    """A run that trained a version again."""
    verdict = EQUAL if equal else UNEQUAL
    return run(run_id, "succeeded", repeats=version, repeated=equal, verdict=verdict.format(version))


def waiting(run_id: int, **changes: Any) -> TrainingStatus:
    """A run that waits for its turn."""
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


@dataclass
class FakeLibrary:
    movies: tuple[Movie, ...] = MOVIES
    ratings: int = 100_004
    running: list[Job] = field(default_factory=list)
    imported: list[tuple[str, bytes]] = field(default_factory=list)
    fails: MarqueeError | None = None
    demo: bool = True
    rated: dict[str, list[RatedMovie]] = field(
        default_factory=lambda: {
            "42": [RatedMovie(MOVIES[n], 5.0 - n % 4 / 2, int(NOW) - 86_400 * n) for n in (12, 4, 2, 8)],
            "7": [RatedMovie(MOVIES[1], 4.5, None)],
            "a_b*": [RatedMovie(MOVIES[3], 3.0, int(NOW))],
        }
    )

    def counts(self) -> Counts:
        return Counts(671 * bool(self.ratings), len(self.movies), self.ratings)

    def has_demo(self) -> bool:
        return self.demo

    def import_demo(self) -> int:
        if self.fails:
            raise self.fails
        return self._start("demo")

    def import_files(self, files: Sequence[Any], format: str = "auto") -> int:  # noqa: A002
        if self.fails:
            raise self.fails
        self.imported = [(one.name, one.stream.read()) for one in files]
        return self._start("import")

    def _start(self, kind: str) -> int:
        self.running = [Job(9, kind, State.RUNNING, 0.42, "Reading ratings.csv", None, None, NOW, None)]
        return 9

    def end(self, state: str = "succeeded", error: str | None = None) -> None:
        """The job ends, with rows set aside where it succeeds."""
        rejected = (
            RejectedRow("ratings.csv", 7, "The rating is '6.5', outside 0.5 to 5."),
            RejectedRow("movies.csv", 12, TRICKY),
        )
        result = ImportResult(1200, 3, 5, 40, 12, 2, rejected) if state == "succeeded" else None
        self.running = [
            replace(self.running[0], state=State(state), progress=1.0, result=result, error=error, ended_at=NOW)
        ]  # type: ignore[arg-type]

    def cancel_job(self, job_id: int) -> None:
        self.end("cancelled")

    def job(self, job_id: int) -> Job:
        for job in self.running:
            if job.job_id == job_id:
                return job
        raise UnknownJob(f"There is no job {job_id}.")

    def jobs(self, limit: int = 20) -> list[Job]:
        return self.running[:limit]

    def statistics(self, *, fresh: bool = True) -> DataStatistics:
        if not self.ratings:
            return DataStatistics(0, 0, 0, 0.0, None, None, None, {}, {})
        counts = {
            0.5: 1101,
            1.0: 3326,
            1.5: 1687,
            2.0: 7271,
            2.5: 4449,
            3.0: 20064,
            3.5: 10538,
            4.0: 28750,
            4.5: 7723,
            5.0: 15095,
        }
        genres = sorted({genre for movie in self.movies for genre in movie.genres})
        return DataStatistics(
            671, 9066, self.ratings, 0.0164, 3.54, 789652009, 1476640644, counts, dict.fromkeys(genres, 3)
        )

    def search_users(self, text: str = "", limit: int = 20) -> list[UserSummary]:
        found = [UserSummary(user, len(rated), 4.0) for user, rated in self.rated.items() if text in user]
        return sorted(found, key=lambda one: -one.ratings_count)[:limit]

    def user_ratings(self, user_id: str) -> list[RatedMovie]:
        if user_id not in self.rated:
            raise UnknownUser(f"No ratings of user {user_id!r} are stored.")
        return self.rated[user_id]


@dataclass
class FakeTraining:
    history: list[TrainingStatus] = field(default_factory=lambda: list(RUNS))
    going: TrainingStatus | None = None
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)
    line: list[TrainingStatus] = field(default_factory=list)
    cancelled: list[int] = field(default_factory=list)
    fails: MarqueeError | None = None

    def train_model(
        self,
        kind: str = "svd",
        hyperparameters: Mapping[str, Any] | None = None,
        activate: str = "if_better",
        actor: str = "you",
        *,
        queue: bool = False,
        note: str = "",
    ) -> int:
        if self.fails:
            raise self.fails
        settings = configure(kind, hyperparameters or {}).model_dump()
        run_id = self._begin(RUNNING, queue, model=kind, hyperparameters=settings, actor=actor)
        self.asked.append((kind, settings, activate))
        self.noted.append(note)
        return run_id

    def train_again(self, version: int, actor: str = "you", *, queue: bool = False) -> int:
        if self.fails:
            raise self.fails
        return self._begin(RUNNING, queue, repeats=version, actor=actor)

    def _begin(self, like: TrainingStatus, queue: bool, **changes: Any) -> int:
        if self.going and not queue:
            raise TrainingBusy(self.going.run_id)
        run_id = max([3, *(one.run_id for one in self.runs())]) + 1
        if self.going:
            self.line.append(waiting(run_id, **changes))
        else:
            self.going = replace(like, run_id=run_id, **changes)
        return run_id

    def queue(self) -> list[TrainingStatus]:
        return self.line

    def status(self, run_id: int | None = None) -> TrainingStatus:
        for one in self.runs():
            if run_id in (None, one.run_id):
                return one
        raise UnknownRun(f"There is no training run {run_id}.")

    def current(self) -> TrainingStatus | None:
        return self.going

    def counts(self) -> dict[str, int]:
        return dict(Counter(one.state for one in self.runs()))

    def runs(
        self, limit: int = 50, *, before: int | None = None, actors: Sequence[str] | None = None
    ) -> list[TrainingStatus]:
        every = self.line[::-1] + ([self.going] if self.going else []) + self.history
        found = [one for one in every if (before is None or one.run_id < before)]
        return [one for one in found if actors is None or one.actor in actors][:limit]

    def cancel(self, run_id: int) -> None:
        self.cancelled.append(run_id)
        if run_id in [one.run_id for one in self.line]:
            self.line = [one for one in self.line if one.run_id != run_id]
            return
        self.history.insert(
            0,
            replace(
                RUNNING, state=State.CANCELLED, stage="Cancelled", error="Cancelled before it was done.", ended_at=NOW
            ),
        )
        self.going = None


@dataclass
class FakeServing:
    version: int | None = 2
    fails: MarqueeError | None = None

    def active_version(self) -> int | None:
        return self.version

    def health(self) -> UpdateHealth:
        if self.fails:
            raise self.fails
        return UpdateHealth(self.version or 0, 12, 3, 1204, 0.0123, 0.81, 200, 941, "retrain soon")


@dataclass
class FakeRatings:
    library: FakeLibrary
    fails: MarqueeError | None = None

    def rate(self, user_id: str, movie_id: str, rating: float) -> RatingReceipt:
        if self.fails:
            raise self.fails
        if not 0.5 <= rating <= 5:
            raise InvalidRating("A rating lies between 0.5 and 5.")
        movie = next(movie for movie in self.library.movies if movie.movie_id == movie_id)
        self.library.rated.setdefault(user_id, []).insert(0, RatedMovie(movie, rating, int(NOW)))
        return RatingReceipt(user_id, movie_id, rating, None, 3.87, 4.12, True, 1.3)

    def forget(self, user_id: str) -> ForgettingReceipt:
        if self.fails:
            raise self.fails
        gone = len(self.library.rated.pop(user_id))
        return ForgettingReceipt(user_id, gone, NOW, (2,), f"{gone} ratings and the id were erased. Train again.")

    def unrate(self, user_id: str, movie_id: str) -> RatingRemoval:
        kept = [one for one in self.library.rated[user_id] if one.movie.movie_id != movie_id]
        self.library.rated[user_id] = kept
        return RatingRemoval(user_id, movie_id, 4.0, 3.6, True, 1.2)


@dataclass
class FakeRecommendations:
    library: FakeLibrary
    serving: FakeServing = field(default_factory=FakeServing)
    calibrated: bool = True
    explained: list[str] = field(default_factory=list)
    imagined: list[dict[str, float | None]] = field(default_factory=list)

    def recommend(
        self,
        user_id: str,
        n: int = 10,
        *,
        genre: str | None = None,
        year_from: int | None = None,
        exclude: Collection[str] = (),
        diversity: float = 0.0,
        rank_by: str = "ranker",
        genres_liked: Collection[str] = (),
        include_rated: bool = False,
    ) -> Recommendations:
        if self.serving.version is None:
            raise NotReady("No model is trained yet. Start a training; the first one takes about a minute.")
        rated = self.library.rated.get(user_id, [])
        seen = {one.movie.movie_id: one.rating for one in rated}
        left = [movie for movie in self.library.movies if include_rated or movie.movie_id not in seen]
        left.sort(key=lambda movie: -len(set(genres_liked) & set(movie.genres)))
        left = [movie for movie in left if genre is None or genre in movie.genres]
        left = [movie for movie in left if year_from is None or (movie.year or 0) >= year_from]
        # The order turns with each rating, as a real list does.
        turn = len(rated) % max(len(left), 1)
        left = (left[turn:] + left[:turn])[:: -1 if rank_by == "rating" else 1]
        status, reason = self._status(user_id, len(rated))
        items = tuple(
            replace(self._item(rank, movie), rated=seen.get(movie.movie_id))
            for rank, movie in enumerate(left[:n], start=1)
        )
        price = VarietyPrice(3, 0.92, 4.11, 4.19, 0.71, 0.55) if diversity else None
        return Recommendations(user_id, status, reason, self.serving.version, 3600.0, 2.3, len(rated), items, price)  # type: ignore[arg-type]

    def _status(self, user_id: str, count: int) -> tuple[str, str]:
        if not self.library.rated.get(user_id):
            return (
                "unknown_user",
                "Nobody with this id has rated anything yet, so the list shows what most people like.",
            )
        if count < 3:
            return "blended", f"{count} ratings so far: {count * 10}% of the list's order comes from them."
        return "personal", f"Ordered by what {count} ratings say about this taste."

    def _item(self, rank: int, movie: Movie) -> RecommendedItem:
        predicted = 4.7 - 0.11 * rank
        interval = (max(predicted - 1.2, 0.5), min(predicted + 1.0, 5.0)) if self.calibrated else None
        confidence = None if interval is None else 1 - (interval[1] - interval[0]) / 4.5
        return RecommendedItem(
            rank,
            movie.movie_id,
            movie.title,
            movie.year,
            movie.genres,
            0.9 - 0.03 * rank,
            predicted,
            interval,
            confidence,
        )

    def what_if(self, user_id: str, changes: Mapping[str, float | None], wanted: ListOptions) -> WhatIf:
        if any(rating is not None and not 0.5 <= rating <= 5 for rating in changes.values()):
            raise InvalidRating("A rating lies between 0.5 and 5.")
        self.imagined.append(dict(changes))
        listed = self.recommend(user_id, wanted.n).items
        movies = [next(one for one in self.library.movies if one.movie_id == item.movie_id) for item in listed]
        moves = (2, None, -1, 0)
        items = tuple(
            ImaginedItem(rank, movie, moves[rank % 4], 4.1, 3.9) for rank, movie in enumerate(movies[:-1], start=1)
        )
        return WhatIf(user_id, "personal", "Ordered by what 3 ratings say.", 2, 3, items, tuple(movies[-1:]))

    def interview(self, user_id: str, n: int = 1, skipped: Collection[str] = ()) -> InterviewState:
        rated = self.library.rated.get(user_id, [])
        gone = {one.movie.movie_id for one in rated} | set(skipped)
        left = [movie for movie in self.library.movies[:6] if movie.movie_id not in gone][:n]
        status: Any = self._status(user_id, len(rated))[0]
        questions = tuple(InterviewQuestion(movie, 0.42, 0.031) for movie in left)
        finished = None if left else "There is no movie left to ask about."
        return InterviewState(user_id, status, 2, len(rated), 0.04 * len(rated), questions, finished)

    def _rating(self, contributions: tuple[Contribution, ...]) -> RatingExplanation:
        shares = tuple(replace(one, share=one.share / 4) for one in contributions)
        total = sum(one.share for one in shares)
        return RatingExplanation(4.4, 3.9, shares, 0.5 - total, 0.2, 0.25 - total, 0.05, 0.0, "exact")

    def explain(self, user_id: str, movie_id: str, genres_liked: Collection[str] = ()) -> Explanation:
        self.explained.append(movie_id)
        movie = next(movie for movie in self.library.movies if movie.movie_id == movie_id)
        rated = [film for film in self.library.movies if film.movie_id != movie_id]
        shares = [0.21 / (n + 1) * (-1 if n % 5 == 3 else 1) for n in range(len(rated))]
        contributions = tuple(
            Contribution(film.movie_id, film.title, 5.0 - n % 4 / 2, share)
            for n, (film, share) in enumerate(zip(rated, shares, strict=True))
        )
        return Explanation(
            user_id=user_id,
            movie_id=movie_id,
            title=movie.title,
            status="personal",
            score=0.01 + sum(shares) + 2e-7,
            baseline=0.01,
            contributions=contributions,
            residual=2e-7,
            by_neighbours=False,
            predicted_rating=4.4,
            interval=(3.4, 5.0),
            rating=self._rating(contributions),
            similar_rated_movies=tuple(SimilarMovie(film.movie_id, film.title, 4.5, 0.44) for film in rated[:3]),
            genre_match=GenreMatch(0.4, tuple((genre, 0.4, 12) for genre in movie.genres)),
            similar_users=(SimilarUser("7", 4.5, 0.31), SimilarUser("a_b*", 5.0, 0.22)),
            text=f"The ratings of {rated[0].title} (5) and {rated[1].title} (4.5) weigh most. Expected rating: 4.4.",
            model_version=self.serving.version or 0,
        )


class Exported(NamedTuple):
    """A version as one file."""

    name: str
    stream: BinaryIO


@dataclass
class FakeVersions:
    serving: FakeServing
    held: list[VersionSummary] = field(
        default_factory=lambda: [
            version(2, active=True),
            version(1),
            version(0, version=3, state="damaged", metrics={}),
        ]
    )
    judgements: dict[int, Judgement] = field(default_factory=dict)
    changes: list[tuple[int, str]] = field(default_factory=list)
    deleted: list[tuple[int, str]] = field(default_factory=list)
    compared: list[tuple[list[int], int | None]] = field(default_factory=list)
    differences: dict[str, MetricDifference] = field(default_factory=lambda: dict(DIFFERENCES))
    exported: list[int] = field(default_factory=list)
    imported: list[bytes] = field(default_factory=list)
    fails: MarqueeError | None = None

    def list(self) -> list[VersionSummary]:
        return self.held

    def activated(self) -> int | None:
        return self.serving.version

    def active(self) -> VersionSummary | None:
        return next((one for one in self.held if one.active), None)

    def get(self, version: int) -> VersionSummary:
        return next(one for one in self.held if one.version == version)

    def judgement(self, version: int) -> Judgement | None:
        return self.judgements.get(version)

    def overruled(self, version: int) -> Judgement | None:
        found = self.judgements.get(version)
        return found if found is not None and found.verdict != "PROMOTE" else None

    def activate(self, version: int, *, actor: str = "you", reason: str = "") -> None:
        if self.fails:
            raise self.fails
        if self.overruled(version) and not reason:
            raise InvalidInput("Give a reason to let it serve nevertheless.", field="reason")
        self.changes.append((version, reason))
        self.serving.version = version
        self.held = [replace(one, active=one.version == version) for one in self.held]

    def served_before(self) -> int | None:
        return 1 if len(self.held) > 1 else None

    def rollback(self, *, actor: str = "you", reason: str = "") -> int:
        self.activate(1, reason=reason)
        return 1

    def delete(self, version: int, *, actor: str = "you", reason: str = "") -> VersionSummary:
        if self.fails:
            raise self.fails
        self.deleted.append((version, reason))
        return self._change(version, state="deleted")

    def describe(self, version: int, *, note: str | None = None, tags: Sequence[str] | None = None) -> VersionSummary:
        if self.fails:
            raise self.fails
        held = self.get(version)
        return self._change(
            version, note=held.note if note is None else note, tags=tuple(held.tags if tags is None else tags)
        )

    def _change(self, number: int, **changes: Any) -> VersionSummary:
        self.held = [replace(one, **changes) if one.version == number else one for one in self.held]
        return self.get(number)

    def compare(self, versions: Sequence[int], baseline: int | None = None) -> Sequence[Comparison]:
        if self.fails:
            raise self.fails
        self.compared.append(([*versions], baseline))
        return [self._compare(number, baseline or 0) for number in versions if number != baseline]

    def _compare(self, number: int, baseline: int) -> Comparison:
        if not self.get(number).metrics:
            return Comparison(number, baseline, {}, f"Version {number} was not measured, so it can't be compared.")
        text = f"RMSE is better by 0.0083 (0.0041 to 0.0125); of 8 metrics 1 is better, 1 worse. {TRICKY}"
        return Comparison(number, baseline, self.differences, text)

    def lists(self, user_id: str, versions: Sequence[int], n: int = 10) -> Sequence[VersionList]:
        if any(self.get(number).state != "ready" for number in versions):
            raise VersionUnavailable("One of them can't serve.")
        first = [movie.movie_id for movie in MOVIES[:n]]
        return [self._listed(number, MOVIES[turn:][:n], first) for turn, number in enumerate(versions)]

    def _listed(self, number: int, movies: Sequence[Movie], first: Sequence[str]) -> VersionList:
        swapped = [movies[1], movies[0], *movies[2:]] if movies[0] is not MOVIES[0] else movies
        items = tuple(
            ListedMovie(rank, movie, first.index(movie.movie_id) + 1 - rank if movie.movie_id in first else None)
            for rank, movie in enumerate(swapped, start=1)
        )
        listed = {movie.movie_id for movie in swapped}
        return VersionList(number, items, tuple(one for one in MOVIES if one.movie_id in set(first) - listed))

    def history(self) -> Sequence[VersionSummary]:
        return sorted(self.held, key=lambda one: one.version)

    def export(self, version: int) -> Exported:
        if self.get(version).state != "ready":
            raise VersionUnavailable(f"Version {version} can't be exported.")
        self.exported.append(version)
        return Exported(f"marquee-version-{version}.zip", BytesIO(b"arrays"))

    def import_file(self, stream: BinaryIO, *, actor: str = "you") -> int:
        content = stream.read()
        if content != b"arrays":
            raise InvalidInput("The file is not an exported version, or is damaged.", field="file")
        number = max([0, *(one.version for one in self.held)]) + 1
        self.imported.append(content)
        self.held = [version(number, run_id=None, activated_at=None), *self.held]
        return number

    def ledger(self, limit: int = 100) -> Sequence[ActivationRecord]:
        if not self.held:
            return []
        return [
            ActivationRecord(2, 2, NOW - 4000, "marquee", RUNS[0].verdict or ""),
            ActivationRecord(1, 1, NOW - 90_000, "you", "Chosen by hand."),
        ][:limit]


@dataclass
class FakeInbox:
    hook: WebhookState | None = None
    held: list[NoticeRecord] = field(
        default_factory=lambda: [
            NoticeRecord(3, "info", "training", f"Version 2 is trained. {RUNS[0].verdict}", ABOUT, NOW - 4000, None),
            NoticeRecord(2, "error", "training", f"Training run 2 failed. {RUNS[1].error}", {}, NOW - 8000, None),
            NoticeRecord(1, "warning", "import", TRICKY, {}, NOW - 90_000, NOW),
        ]
    )

    def notices(
        self,
        limit: int = 50,
        *,
        before: int | None = None,
        levels: Sequence[str] | None = None,
        unread_only: bool = False,
    ) -> Sequence[NoticeRecord]:
        return [
            one
            for one in self.held
            if (before is None or one.notice_id < before)
            and (levels is None or one.level in levels)
            and (not unread_only or one.read_at is None)
        ][:limit]

    def webhook(self) -> WebhookState | None:
        return self.hook

    def unread(self) -> int:
        return sum(one.read_at is None for one in self.held)

    def mark_read(self, notice_ids: Sequence[int] | None = None) -> None:
        self.held = [
            replace(one, read_at=NOW) if notice_ids is None or one.notice_id in notice_ids else one for one in self.held
        ]


PLAN = Automation(
    False, (6,), 3, 0, "Europe/Berlin", 5000, "if_better", NOW + 9e5, replace(RUNS[0], actor="schedule"), 1204
)


@dataclass
class FakeAutomation:
    training: FakeTraining
    planned: Automation = PLAN
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def plan(self) -> Automation:
        return self.planned

    def runs(self, limit: int = 50) -> list[TrainingStatus]:
        return self.training.runs(limit, actors=("schedule", "rule"))

    def change(self, **values: Any) -> None:
        if values["after_ratings"] < 0:
            raise InvalidInput("after_ratings is -1, but must be from 0 to 100.", field="after_ratings")
        self.asked.append(("change", values))

    def pause(self, *, paused: bool) -> None:
        self.asked.append(("pause", paused))
        self.planned = replace(self.planned, paused=paused, next_run=None if paused else NOW + 9e5)

    def run_now(self) -> int:
        self.asked.append(("run_now",))
        return 4


BACKUPS = [
    Backup(
        f"marquee-2026110{n}-020000.db",
        NOW - n * 86_400,
        "schedule",
        9_830_400,
        "ab" * 32,
        n,
        "id",
        "0004",
        3,
        671,
        9125,
        100_316,
        3,
        3,
    )
    for n in (1, 2, 3)
]
NO_BACKUPS = BackupPlan("never", 2, 0, "UTC", 30, None)


@dataclass
class FakeStorage:
    held: list[Backup] = field(default_factory=list)
    planned: BackupPlan = NO_BACKUPS
    going: float | None = None
    faults: list[str] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def backups(self) -> Sequence[Backup]:
        return self.held

    def plan(self) -> BackupPlan:
        return self.planned

    def progress(self) -> float | None:
        return self.going

    def facts(self) -> StoreFacts:
        return StoreFacts("id", "0004", 3, 671, 9125, 100_316, 3, 3, 9_830_400, NOW, tuple(self.faults), None)

    def start_backup(self) -> None:
        self.asked.append(("start_backup",))

    def cancel(self) -> None:
        self.asked.append(("cancel",))

    def path_of(self, name: str) -> Path:
        return Path(__file__)

    def delete(self, name: str) -> None:
        self.asked.append(("delete", name))
        self.held = [one for one in self.held if one.name != name]

    def restore(self, name: str) -> str | None:
        self.asked.append(("restore", name))
        return "marquee.db.replaced-20261101-020000"

    def check(self, *, thorough: bool = True) -> list[str]:
        self.asked.append(("check", thorough))
        return self.faults

    def change_plan(self, **values: Any) -> None:
        self.asked.append(("change_plan", values))


@dataclass
class FakeAccess:
    needed: bool = True
    held: list[KeyRecord] = field(
        default_factory=lambda: [
            KeyRecord(2, TRICKY, ("read", "rate"), "0" * 64, NOW - 9000, "first key", NOW - 60, None),
            KeyRecord(1, "old", ("admin",), "1" * 64, NOW - 99_000, "first key", None, NOW - 500),
        ]
    )

    def list_keys(self) -> list[KeyRecord]:
        return self.held

    def create(self, name: str, scopes: Sequence[str]) -> tuple[KeyRecord, str]:
        if not name.strip():
            raise InvalidInput("A key's name has 1 to 100 characters that can be printed.", field="name")
        made = KeyRecord(3, name, tuple(scopes), "2" * 64, NOW, "console", None, None)
        self.held = [made, *self.held]
        return made, "mq_shown_once"

    def revoke(self, key_id: int) -> KeyRecord:
        self.held = [replace(one, revoked_at=NOW) if one.key_id == key_id else one for one in self.held]
        return next(one for one in self.held if one.key_id == key_id)


@dataclass
class FakeAudit:
    held: list[AuditRecord] = field(
        default_factory=lambda: [
            AuditRecord(n, NOW - 100 * n, TRICKY, None, "sign-in", "", "done") for n in range(60, 0, -1)
        ]
    )

    def entries(self, limit: int, *, before: int | None = None) -> list[AuditRecord]:
        return self.held[:limit]


@dataclass
class Fakes:
    """The fake services, each open to a test, and the ``Services`` that holds them."""

    library: FakeLibrary = field(default_factory=FakeLibrary)
    training: FakeTraining = field(default_factory=FakeTraining)
    serving: FakeServing = field(default_factory=FakeServing)
    ratings: FakeRatings = field(init=False)
    recommendations: FakeRecommendations = field(init=False)
    versions: FakeVersions = field(init=False)
    tuning: FakeTuning = field(default_factory=FakeTuning)
    automation: FakeAutomation = field(init=False)
    inbox: FakeInbox = field(default_factory=FakeInbox)
    storage: FakeStorage = field(default_factory=FakeStorage)
    access: FakeAccess = field(default_factory=FakeAccess)
    audit: FakeAudit = field(default_factory=FakeAudit)

    def __post_init__(self) -> None:
        self.ratings = FakeRatings(self.library)
        self.recommendations = FakeRecommendations(self.library, self.serving)
        self.versions = FakeVersions(self.serving)
        self.automation = FakeAutomation(self.training)

    def services(self) -> Services:
        held: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self)}
        held |= {"version_files": self.versions, "imports": self.library}
        return Services(Settings(demo=False), **held)


def searching() -> Fakes:
    """A study goes on beside those that have ended."""
    fakes = Fakes()
    fakes.tuning.going = GOING
    return fakes


def storied() -> Fakes:
    """A registry with a past: many versions, some deleted or damaged, long and hostile words, a version proved."""
    fakes = Fakes()
    fakes.versions.held = [
        version(9, state="damaged", note=TRICKY),
        version(8, active=True, tags=("in production", TRICKY), note=LONG * 4, digest="3fd2" * 16),
        version(7, kind="ncf", tags=("ncf trial",)),
        *(version(n, state="deleted" if n < 5 else "ready", size_bytes=412_000_000) for n in range(6, 0, -1)),
    ]
    fakes.versions.held = [
        replace(one, metrics=drifted(one.version), created_at=NOW - 9e5 / one.version) for one in fakes.versions.held
    ]
    fakes.training.history = [repeated(6, 7, equal=False), repeated(5, 8), *RUNS]
    fakes.serving.version = 8
    fakes.tuning.history.insert(0, NEURAL)
    return fakes


def drifted(number: int) -> dict[str, MetricValue]:
    """Metrics that get a little better from version to version, with a set-back."""
    shift = 0.004 * number - (0.02 if number == 5 else 0.0)
    return {
        name: MetricValue(*(end + shift * (-1 if name in ("rmse", "mae") else 1) for end in (m.value, m.low, m.high)))
        for name, m in METRICS.items()
    }


def loaded() -> Fakes:
    """The demo ratings, two versions, three runs."""
    return Fakes()


def empty() -> Fakes:
    """A store with nothing in it."""
    fakes = Fakes(FakeLibrary(movies=(), ratings=0, rated={}), FakeTraining(history=[]))
    fakes.serving.version, fakes.versions.held, fakes.inbox.held = None, [], []
    fakes.tuning.history = []
    fakes.access.held, fakes.audit.held = [], []
    return fakes


def training() -> Fakes:
    """Ratings are there and the first version is being trained."""
    fakes = Fakes(FakeLibrary(), FakeTraining(history=[], going=RUNNING))
    fakes.serving.version, fakes.versions.held, fakes.inbox.held = None, [], []
    return fakes


def retraining() -> Fakes:
    """A version serves while the next one is being trained and files are being imported."""
    line = [waiting(5, model="ncf"), waiting(6, repeats=2, actor="marquee")]
    fakes = Fakes(FakeLibrary(), FakeTraining(going=RUNNING, line=line))
    fakes.library.running = [Job(9, "import", State.RUNNING, 0.42, "Reading ratings.csv", None, None, NOW, None)]
    return fakes
