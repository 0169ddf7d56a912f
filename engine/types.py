"""The values that services hand to pages and routes: frozen, plain, named as the HTTP fields are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["personal", "blended", "cold_start", "unknown_user"]
RunState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
JobState = Literal["queued", "running", "succeeded", "failed", "cancelled"]
ActivationPolicy = Literal["if_better", "if_no_worse", "always", "never"]
PromotionVerdict = Literal["PROMOTE", "HOLD", "REJECT"]
ModelKind = Literal["svd", "ncf"]
RankBy = Literal["ranker", "rating"]
Method = Literal["exact", "measured"]
Basis = Literal["ratings", "content"]
UpdateAdvice = Literal["fine", "retrain soon", "retrain"]
Verdict = Literal["better", "worse", "no difference shown"]
StudyState = Literal["queued", "running", "stopped", "succeeded", "failed"]
TrialState = Literal["running", "complete", "pruned", "failed"]
ChartRow = dict[str, float | int | str | None]
Charts = dict[str, list[ChartRow]]
"""Tables by the chart's name; the rows of one table have the same keys."""


@dataclass(frozen=True, slots=True)
class Movie:
    """One row of the catalogue; ``year`` is None where it is unknown."""

    movie_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UserSummary:
    """A user as found by search."""

    user_id: str
    ratings_count: int
    mean_rating: float


@dataclass(frozen=True, slots=True)
class RatedMovie:
    """A past rating of one user; ``rated_at`` in Unix seconds, None where unknown."""

    movie: Movie
    rating: float
    rated_at: int | None


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list is to hold.

    Attributes:
        n: 1 to 1000 movies at most.
        genre: only movies of this genre.
        year_from: only movies of this year or later; movies of unknown year are left out.
        exclude: movie ids to leave out.
        diversity: 0 orders by score alone, 1 by unlikeness of genres alone.
        rank_by: ``ranker`` orders by what the user is likely to want, ``rating`` by predicted rating.
        genres_liked: genres that the user says they like; they count as far as popularity does, so less with each
            rating.
        include_rated: whether movies that the user has rated may be listed too.
    """

    n: int = 10
    genre: str | None = None
    year_from: int | None = None
    exclude: Collection[str] = ()
    diversity: float = 0.0
    rank_by: RankBy = "ranker"
    genres_liked: Collection[str] = ()
    include_rated: bool = False


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """One place of a list. ``score`` orders it; ``predicted_rating`` and ``interval`` (90%) are in the rating scale.

    ``confidence`` is 1 minus the width of the interval over the width of the scale; ``interval`` and ``confidence`` are
    None where the version has no calibration (too few held-out ratings). ``rated`` is the user's own rating, in lists
    that hold rated movies too.
    """

    rank: int
    movie_id: str
    title: str
    year: int | None
    genres: tuple[str, ...]
    score: float
    predicted_rating: float
    interval: tuple[float, float] | None
    confidence: float | None
    rated: float | None = None


@dataclass(frozen=True, slots=True)
class VarietyPrice:
    """What a varied list costs, against the list of the best scores for the same request.

    Attributes:
        replaced: how many of the plain list's movies gave way.
        score_kept: the sum of its scores over that of the plain list.
        predicted_rating, predicted_before: the mean predicted rating of both.
        variety, variety_before: mean unlikeness of genres of a list's pairs, 0 to 1, of both.
    """

    replaced: int
    score_kept: float
    predicted_rating: float
    predicted_before: float
    variety: float
    variety_before: float


@dataclass(frozen=True, slots=True)
class Recommendations:
    """A list for one user, with how and why it was made.

    ``data_age_s``: seconds since the newest rating it knows; None where no time of a rating is known.
    ``price`` says what variety costs; None where none was asked for.
    """

    user_id: str
    status: Status
    reason: str
    model_version: int
    data_age_s: float | None
    latency_ms: float
    ratings_count: int
    items: tuple[RecommendedItem, ...]
    price: VarietyPrice | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted rating of one pair; ``fallback`` says what was unknown (None: both sides were learned)."""

    user_id: str
    movie_id: str
    predicted_rating: float
    interval: tuple[float, float] | None
    fallback: str | None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Predictions in the order asked for."""

    model_version: int
    predictions: tuple[Prediction, ...]


@dataclass(frozen=True, slots=True)
class RatingReceipt:
    """What a rating did: it is durable, and the user's next list knows it (``embedding_updated``)."""

    user_id: str
    movie_id: str
    rating: float
    previous_rating: float | None
    predicted_before: float | None
    predicted_after: float | None
    embedding_updated: bool
    update_ms: float


@dataclass(frozen=True, slots=True)
class RatingRemoval:
    """What taking a rating away did; ``previous_rating`` is None where there was none, and nothing has changed."""

    user_id: str
    movie_id: str
    previous_rating: float | None
    predicted_after: float | None
    embedding_updated: bool
    update_ms: float


@dataclass(frozen=True, slots=True)
class ForgettingReceipt:
    """What was erased of a user.

    Attributes:
        ratings_removed: how many ratings are gone.
        forgotten_at: in Unix seconds.
        versions: the stored versions that have learned from the user's ratings, under a key that leads to nobody.
        text: all that, and what is left to do, in words.
    """

    user_id: str
    ratings_removed: int
    forgotten_at: float
    versions: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class UpdateHealth:
    """How far the version that serves, with what was folded in since, has drifted from one trained anew.

    Attributes:
        model_version: the version that serves.
        folded_users: users with a rating changed since the version learned.
        folded_movies: movies that have another vector than the version learned.
        ratings_since: ratings that the version has not learned; None for a version of an earlier release, which does
            not say how many it has.
        rmse_gap: by how many stars of RMSE folding in is worse than learning again, on newer ratings that neither
            knew; below 0 it is better. Measured on a factorisation that stands in for the version. None where there
            are no newer ratings.
        top10_overlap: the mean part of a user's ten best predicted movies that are the same; None likewise.
        sampled_users: how many users the two rest on.
        held_out_ratings: how many ratings the gap rests on; below 100 it does not enter the advice.
        advice: what follows.
    """

    model_version: int
    folded_users: int
    folded_movies: int
    ratings_since: int | None
    rmse_gap: float | None
    top10_overlap: float | None
    sampled_users: int
    held_out_ratings: int
    advice: UpdateAdvice


@dataclass(frozen=True, slots=True)
class Contribution:
    """The exact share of one past rating in a score."""

    movie_id: str
    title: str
    rating: float
    share: float


@dataclass(frozen=True, slots=True)
class SimilarMovie:
    """A movie the user rated that resembles the recommended one; ``similarity`` is a cosine in [-1, 1]."""

    movie_id: str
    title: str
    rating: float
    similarity: float


@dataclass(frozen=True, slots=True)
class LikeMovie:
    """A movie that resembles another; ``similarity`` in 0..1."""

    movie: Movie
    similarity: float


@dataclass(frozen=True, slots=True)
class SimilarMovies:
    """The movies most like one, the most alike first.

    ``basis`` says by what: ``ratings``, the cosine of who rated both and how highly, or ``content``, genres and year,
    where nobody has rated the movie.
    """

    movie: Movie
    basis: Basis
    items: tuple[LikeMovie, ...]


@dataclass(frozen=True, slots=True)
class GenreMatch:
    """How the user rates the movie's genres, in rating units.

    Each genre comes with the mean of the user's ratings in it less the user's mean, and how many ratings that is.
    """

    score: float
    genres: tuple[tuple[str, float, int], ...]


@dataclass(frozen=True, slots=True)
class SimilarUser:
    """A user with a similar taste who rated the movie; ``similarity`` is a cosine in [-1, 1]."""

    user_id: str
    rating: float
    similarity: float


@dataclass(frozen=True, slots=True)
class RatingExplanation:
    """Why a predicted rating is what it is: ``baseline + sum(share) + residual == predicted_rating``.

    A share is by how much the prediction would be lower without that one rating. Ratings that say the same stand in for
    each other, and each of them is compared with the others, so what many say together is in no share.

    Attributes:
        baseline: what somebody without ratings would be predicted.
        contributions: of every past rating, the largest share first.
        residual: ``level + together + learned + clipped``.
        level: how far above others the user rates in general: the mean of what is predicted for the movies that the
            user has rated, less the mean of what anybody would be predicted for them.
        together: what else the ratings say together, beyond what each says alone.
        learned: what the training learned of the user beyond what follows from the ratings by closed form; no rating
            changes it.
        clipped: what the ends of the scale cut off the prediction and the baseline.
        method: ``exact`` where the shares follow from a formula, ``measured`` where each rating was left out in turn.
    """

    predicted_rating: float
    baseline: float
    contributions: tuple[Contribution, ...]
    residual: float
    level: float
    together: float
    learned: float
    clipped: float
    method: Method


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a movie stands where it does: ``baseline + sum(share) + residual == score``.

    ``rating`` explains the predicted rating likewise. ``by_neighbours``: too few people rated the movie to compare it,
    so its score comes from movies of near genres and years. ``genres_liked``: those of its
    genres that the user says they like, which raise its baseline.
    """

    user_id: str
    movie_id: str
    title: str
    status: Status
    score: float
    baseline: float
    contributions: tuple[Contribution, ...]
    residual: float
    by_neighbours: bool
    predicted_rating: float
    interval: tuple[float, float] | None
    rating: RatingExplanation
    similar_rated_movies: tuple[SimilarMovie, ...]
    genre_match: GenreMatch
    similar_users: tuple[SimilarUser, ...]
    text: str
    model_version: int
    genres_liked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImaginedItem:
    """One place of a list under other ratings.

    Attributes:
        change: places it rises (+) or falls (-) against the list as it is; None: it is new.
        predicted_before: the predicted rating as it is.
    """

    rank: int
    movie: Movie
    change: int | None
    predicted_rating: float
    predicted_before: float


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The list that other ratings would give; nothing of it is kept. ``left``: movies that leave the list."""

    user_id: str
    status: Status
    reason: str
    model_version: int
    ratings_count: int
    items: tuple[ImaginedItem, ...]
    left: tuple[Movie, ...]


@dataclass(frozen=True, slots=True)
class InterviewQuestion:
    """A movie to ask about.

    Attributes:
        chance: how likely the person knows it, 0 to 1.
        teaches: what a rating of it would add to the confidence just now, 0 to 1.
    """

    movie: Movie
    chance: float
    teaches: float


@dataclass(frozen=True, slots=True)
class InterviewState:
    """Where an interview stands.

    Attributes:
        questions: the next ones, the best first; none once it has ended.
        confidence: how much of what there is to learn of the taste is known, 0 to 1.
        finished: why it has ended, None while it goes on.
    """

    user_id: str
    status: Status
    model_version: int
    ratings_count: int
    confidence: float
    questions: tuple[InterviewQuestion, ...]
    finished: str | None


@dataclass(frozen=True, slots=True)
class EpochReport:
    """One epoch of a training: mean squared error in training, RMSE on the validation part (None without one)."""

    epoch: int
    epochs: int
    train_loss: float
    validation_rmse: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric with its 95% bootstrap interval over users; without ends where fewer than ten users were judged."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class NewcomerPoint:
    """How well people are served whom the version had never seen, once so many of their ratings are known.

    Attributes:
        known: how many ratings of each are known.
        people: how many people were kept out of training for this.
        rmse: on each one's ratings after the twentieth.
        movie_mean: the RMSE of predicting each movie's mean there.
        ndcg: NDCG@10 of their lists; None where nobody liked any of those movies.
        popularity: the NDCG@10 of a list of the most popular movies; None likewise.
    """

    known: int
    people: int
    rmse: MetricValue
    movie_mean: float
    ndcg: MetricValue | None
    popularity: float | None


@dataclass(frozen=True, slots=True)
class MetricDifference:
    """One metric of two versions on the same test part.

    Attributes:
        value: of the version in question.
        baseline: of the one it is compared with.
        difference: ``value - baseline``, in the metric's units.
        low, high: the difference's 95% bootstrap interval over users; None where they are fewer than ten.
        p_value: of Wilcoxon's signed-rank test of the users' differences, two-sided.
        users: how many users it rests on.
        verdict: of the version in question; which direction is better depends on the metric.
    """

    value: float
    baseline: float
    difference: float
    low: float | None
    high: float | None
    p_value: float
    users: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """One comparison that a judgement rests on.

    Attributes:
        role: a ``goal`` is what a version has to be better in, a ``guard`` what must not get worse.
        part: ``all``, or the name of a segment.
        metric: its name.
        difference: against the version that served; its own ``verdict`` is that of the plain test.
        finding: what it counts as, of as many comparisons as there are, small differences left aside.
    """

    role: Literal["goal", "guard"]
    part: str
    metric: str
    difference: MetricDifference
    finding: Verdict


@dataclass(frozen=True, slots=True)
class CoverageGuard:
    """The part of ratings inside their intervals, of all users (``all``) or a segment; ``before``: it was."""

    part: str
    value: MetricValue
    before: float | None
    holds: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether a version should take the place of the one that served when it was trained.

    Attributes:
        verdict: ``HOLD`` where it is neither shown to be better without harm nor shown to be worse.
        baseline: the version that served; None where none did.
        text: why, in words.
        evidence: the goals, then the guards; empty where nothing could be compared.
        coverage: of its intervals.
    """

    verdict: PromotionVerdict
    baseline: int | None
    text: str
    evidence: tuple[Evidence, ...] = ()
    coverage: tuple[CoverageGuard, ...] = ()

    @property
    def harmless(self) -> bool:
        """Whether it is worse in no goal and breaks no guard."""
        return all(one.finding != "worse" for one in self.evidence) and all(one.holds for one in self.coverage)

    @property
    def compared(self) -> dict[str, tuple[float, float]]:
        """By goal, the values of the version that served and of the new one, on the same held-out ratings."""
        goals = [one for one in self.evidence if one.role == "goal"]
        return {one.metric: (one.difference.baseline, one.difference.value) for one in goals}


@dataclass(frozen=True, slots=True)
class WebhookState:
    """How posting notices to the webhook does; times are Unix seconds.

    Attributes:
        waiting: how many notices were not taken yet.
        taken_at: when the last one was; None before the first.
        failing_since: since when none was taken though some were offered; None where all is well.
        error: why not.
        next_try: when it is tried again.
    """

    waiting: int
    taken_at: float | None
    failing_since: float | None
    error: str | None
    next_try: float | None


@dataclass(frozen=True, slots=True)
class TrainingStatus:
    """A run as ``GET /ml/training-status`` and the Training page show it.

    ``stage`` says in words what is being done now; ``metrics`` and ``before`` map a metric's name to its value and
    interval (of this run's version, and of the version that was active before it, on its own held-out part).
    ``seed``, ``data_fingerprint``, ``packages`` and the hyperparameters are what the numbers depend on.
    ``peak_memory_bytes`` is the most that the whole process held while it ran; None before it has ended.
    ``repeats`` is the version that the run trains again to prove it; ``repeated`` says whether every array came out
    equal, bit for bit. ``verdict`` says in words what was decided and why, ``judgement`` what it rests on.
    ``progress`` is how far the whole run is, from 0 to 1, and never goes back; ``eta_s`` is about how long the whole
    run takes yet, by earlier runs and by what it has done so far, where that is known. It is in ``step`` of ``steps``,
    and an epoch is a part of a step. All of these are None once it has ended.
    """

    run_id: int
    state: RunState
    model: str
    stage: str
    epoch: int
    epochs: int
    eta_s: float | None
    history: tuple[EpochReport, ...]
    hyperparameters: dict[str, Any]
    activate: ActivationPolicy
    version: int | None
    metrics: dict[str, MetricValue] | None
    before: dict[str, MetricValue] | None
    verdict: str | None
    error: str | None
    created_at: float
    started_at: float | None
    ended_at: float | None
    actor: str = ""
    seed: int = 0
    data_fingerprint: str | None = None
    peak_memory_bytes: int | None = None
    packages: dict[str, str] = field(default_factory=dict)
    repeats: int | None = None
    repeated: bool | None = None
    judgement: Judgement | None = None
    progress: float | None = None
    step: int | None = None
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Automation:
    """When Marquee retrains by itself.

    Attributes:
        days: of the week, 0 is Monday.
        hour, minute, zone: the time of day on these days, and the IANA time zone it is meant in.
        after_ratings: retrain after so many new ratings as well; 0 does not.
        activate: whether a new version is to serve.
        next_run: the next due moment in Unix seconds, None while paused.
        last_run: the newest run that was ordered so.
        ratings_since: ratings that the newest version has not learned.
    """

    paused: bool
    days: tuple[int, ...]
    hour: int
    minute: int
    zone: str
    after_ratings: int
    activate: ActivationPolicy
    next_run: float | None
    last_run: TrainingStatus | None
    ratings_since: int


@dataclass(frozen=True, slots=True)
class BackupPlan:
    """When backups are made by themselves.

    Attributes:
        every: never, daily or weekly (on Sundays).
        hour, minute, zone: the time of day, and the IANA time zone it is meant in.
        keep_days: older backups are deleted after each one, but never the newest three.
        next_backup: the next due moment in Unix seconds, None where none is planned.
    """

    every: str
    hour: int
    minute: int
    zone: str
    keep_days: int
    next_backup: float | None


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What the store holds.

    Attributes:
        identity: a UUID made with the store; its backups keep it.
        schema: the migration that it is at.
        revision: rises with every change of ratings.
        users, movies, ratings, versions: how many there are.
        active_version: the version that serves, None where none does.
        size: of the file, in bytes.
        checked_at: when it was last looked through for damage, in Unix seconds; None where it never was.
        faults: what was found then.
        newest_backup_at: when the newest backup was made, in Unix seconds; None where there is none.
    """

    identity: str
    schema: str
    revision: int
    users: int
    movies: int
    ratings: int
    versions: int
    active_version: int | None
    size: int
    checked_at: float | None
    faults: tuple[str, ...]
    newest_backup_at: float | None


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A model version as the registry shows it. ``state``: ready, damaged or deleted; times in Unix seconds.

    ``segments`` holds metrics of a part of the users (new, light, heavy) or of the movies (head, tail) by its name.
    ``digest`` is SHA-256 over the hashes of all arrays: equal for versions that are equal bit for bit.
    ``verdict`` is that of its training, on whether it should take the place of the version that served then.
    ``newcomers`` is how well it serves people it had never seen, by how many of their ratings are known; empty where
    too few have rated enough.
    """

    version: int
    kind: str
    state: str
    active: bool
    created_at: float
    run_id: int | None
    hyperparameters: dict[str, Any]
    metrics: dict[str, MetricValue]
    protocol: dict[str, Any]
    ratings: int
    users: int
    movies: int
    data_fingerprint: str
    size_bytes: int
    activated_at: float | None
    activated_by: str | None
    note: str
    segments: dict[str, dict[str, MetricValue]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    digest: str | None = None
    verdict: PromotionVerdict | None = None
    newcomers: tuple[NewcomerPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One version against a baseline, on the held-out ratings that are the same in both.

    ``differences`` is empty where the two can't be compared; ``text`` then says why, and otherwise what was found.
    """

    version: int
    baseline: int
    differences: dict[str, MetricDifference]
    text: str


@dataclass(frozen=True, slots=True)
class ListedMovie:
    """One place of a list. ``change``: places it rose (+) or fell (-) against the baseline's list; None: it is new."""

    rank: int
    movie: Movie
    change: int | None


@dataclass(frozen=True, slots=True)
class VersionList:
    """What one version lists for a user, and which movies of the baseline's list it left out."""

    version: int
    items: tuple[ListedMovie, ...]
    left: tuple[Movie, ...]


@dataclass(frozen=True, slots=True)
class FoldResult:
    """One fold of a trial: RMSE on the fold's ratings, and the epochs after which the validation part was best."""

    fold: int
    rmse: float
    epochs: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TrialReport:
    """One set of hyperparameters that was tried; ``rmse`` is the mean over its folds, None until all are done.

    ``defaults`` marks the trial of the defaults; ``reason`` says why a failed one has failed (None: it was cut short by
    a stop and is tried again).
    """

    number: int
    state: TrialState
    hyperparameters: dict[str, Any]
    rmse: float | None
    folds: tuple[FoldResult, ...]
    seconds: float
    defaults: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class TuningEvidence:
    """Whether the best trial is really better than the defaults, paired over folds and users.

    Attributes:
        best: the number of the best trial; trial 0 has the defaults.
        difference: RMSE of the best trial and of the defaults over all folds, user by user.
        folds_won: in how many folds the best trial was better.
        held_out: the same for ratings that no fold held, None until the study has ended.
        better: whether the folds and, with them, the ratings that no fold held show the difference; neither alone
            is enough. Only then the best trial is advised.
        text: all that in words.
    """

    best: int
    difference: MetricDifference
    folds_won: int
    held_out: MetricDifference | None
    better: bool
    text: str


@dataclass(frozen=True, slots=True)
class Study:
    """A search for hyperparameters. Times in seconds; ``eta_s`` is None while it does not run.

    ``importance`` maps a hyperparameter to its part of what the trials' RMSE depends on (sums to 1; empty below four
    finished trials). ``trials_done`` counts those that were finished or pruned, of ``trials``.
    """

    study_id: int
    state: StudyState
    model: str
    stage: str
    trials: int
    trials_done: int
    folds: int
    seed: int
    budget_s: float
    used_s: float
    eta_s: float | None
    history: tuple[TrialReport, ...]
    best: TrialReport | None
    importance: dict[str, float]
    evidence: TuningEvidence | None
    error: str | None
    created_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """Counts of what the store holds; ``genres`` maps a genre to its number of movies."""

    users: int
    movies: int
    ratings: int
    density: float
    mean_rating: float | None
    first_rated_at: int | None
    last_rated_at: int | None
    rating_counts: dict[float, int]
    genres: dict[str, int]


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that an import set aside: the file's name, the line's number in it (from 1), and why."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did; ``rejected`` holds the first 100 of ``rows_rejected`` rows."""

    ratings_added: int = 0
    ratings_updated: int = 0
    ratings_unchanged: int = 0
    movies_added: int = 0
    users_added: int = 0
    rows_rejected: int = 0
    rejected: tuple[RejectedRow, ...] = field(default_factory=tuple)

    @property
    def rows_accepted(self) -> int:
        """Rows of ratings that went in, or were there already."""
        return self.ratings_added + self.ratings_updated + self.ratings_unchanged


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of background work; ``progress`` in 0..1, ``message`` says what is being done now."""

    job_id: int
    kind: str
    state: JobState
    progress: float
    message: str
    result: ImportResult | None
    error: str | None
    created_at: float
    ended_at: float | None
