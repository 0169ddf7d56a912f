"""Real instances of what routes return, for the examples in the documentation and for the fakes of tests."""

from dataclasses import replace

import numpy as np

from engine.data import questions
from engine.data.catalogue import Movie
from engine.data.plan import DatesPlan, FilePlan, MovieCounts, Plan, ScalePlan, UserCounts
from engine.data.rejections import REASONS
from engine.data.scale import STARS
from engine.data.scales import Values
from engine.evaluation.baselines import Baseline
from engine.evaluation.differences import MetricDifference
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.recommending.cold_start import blend
from engine.recommending.explanations import (
    Contribution,
    Explanation,
    GenreMatch,
    LikeMovie,
    RatingExplanation,
    SimilarMovie,
    SimilarMovies,
    SimilarUser,
)
from engine.recommending.interview import InterviewQuestion, InterviewState
from engine.recommending.lists import (
    ImaginedItem,
    Prediction,
    Predictions,
    Recommendations,
    RecommendedItem,
    WhatIf,
)
from engine.recommending.reasons import tell, tell_plainly
from engine.services.automation import Automation
from engine.services.backup_plan import BackupPlan
from engine.services.import_task import ImportResult, RejectedRows
from engine.services.jobs import Job
from engine.services.library import DataStatistics
from engine.services.ratings import ForgettingReceipt, RatingReceipt, RatingRemoval
from engine.services.records import (
    ActivationRecord,
    AuditRecord,
    EpochRecord,
    JobState,
    NoticeRecord,
    State,
    StudyState,
)
from engine.services.storage import Backup, StoreFacts
from engine.services.studies import Study, TrialReport, TrialState
from engine.services.training import TrainingStatus
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison, tell_differences
from engine.training.drift import UpdateHealth
from engine.training.steps import Step
from engine.training.tuning import FoldResult, TuningEvidence
from sidecar.routes import data, keys, metrics, storage

USER = "42"
NOW = 1795443846.9
SHAWSHANK = Movie("318", "The Shawshank Redemption", 1994, ("Crime", "Drama"))
SCHINDLER = Movie("527", "Schindler's List", 1993, ("Drama", "War"))
LAMBS = Movie("593", "The Silence of the Lambs", 1991, ("Crime", "Thriller"))
REASON = blend(57, 57, known=True, personal_from=10).reason
PACKAGES = {"numpy": "2.4.6", "scikit-surprise": "1.1.5"}
METRICS = {"rmse": MetricValue(0.874, 0.862, 0.886), "ndcg_at_k": MetricValue(0.142, 0.128, 0.157)}
PROTOCOL = {"split": "each user's last 20% by time", "k": 10, "relevant_from": 3.875}
HYPERPARAMETERS = {"factors": 100, "epochs": 50}
RANKER = {"method": "ease", "l2": 200.0, "recency": 0.3, "next_weight": 0.3, "rating_weight": 0.25}
SHA256 = "944634796cf85094af9fa3ec3703f065da484e3e819aff39f640a4e882c73b8f"
IDENTITY = "7dd4ca5d-3441-44c2-9e7d-deb8a472dd7f"

LIST = Recommendations(
    user_id=USER,
    status="personal",
    reason=REASON,
    model_version=3,
    data_age_s=5400.0,
    latency_ms=1.9,
    ratings_count=57,
    items=(
        RecommendedItem(
            1, SHAWSHANK.movie_id, SHAWSHANK.title, SHAWSHANK.year, SHAWSHANK.genres, 0.93, 4.4, (3.4, 5.0), 0.64
        ),
    ),
)
PREDICTIONS = Predictions(
    3,
    (
        Prediction(USER, SHAWSHANK.movie_id, 4.4, (3.4, 5.0), None),
        Prediction(USER, "296", 3.7, (2.1, 5.0), "The movie has no ratings, so this is what the person gives movies."),
    ),
)
_EXPLANATION = Explanation(
    user_id=USER,
    movie_id=SHAWSHANK.movie_id,
    title=SHAWSHANK.title,
    status="personal",
    score=0.93,
    baseline=0.0,
    contributions=(
        Contribution(SCHINDLER.movie_id, SCHINDLER.title, 5.0, 0.58),
        Contribution(LAMBS.movie_id, LAMBS.title, 4.0, 0.3),
    ),
    residual=0.05,
    from_rating=0.05,
    by_neighbours=False,
    predicted_rating=4.4,
    interval=(3.4, 5.0),
    rating=RatingExplanation(
        predicted_rating=4.4,
        baseline=4.2,
        contributions=(
            Contribution(SCHINDLER.movie_id, SCHINDLER.title, 5.0, 0.06),
            Contribution(LAMBS.movie_id, LAMBS.title, 4.0, -0.02),
        ),
        residual=0.16,
        level=0.1,
        together=0.04,
        learned=0.02,
        clipped=0.0,
        method="exact",
    ),
    similar_rated_movies=(SimilarMovie(SCHINDLER.movie_id, SCHINDLER.title, 5.0, 0.71),),
    genre_match=GenreMatch(0.4, (("Crime", 0.5, 12), ("Drama", 0.3, 31))),
    similar_users=(SimilarUser("7", 5.0, 0.66),),
    text="",
    model_version=3,
)
EXPLANATION = replace(_EXPLANATION, text=tell(_EXPLANATION), summary=tell_plainly(_EXPLANATION))
SIMILAR = SimilarMovies(SHAWSHANK, "ratings", (LikeMovie(SCHINDLER, 0.61),))
WHAT_IF = WhatIf(USER, "personal", REASON, 3, 57, (ImaginedItem(1, SHAWSHANK, 4, 4.2, 4.4),), (LAMBS,))
INTERVIEW = InterviewState(USER, "blended", 3, 2, 0.24, (InterviewQuestion(SHAWSHANK, 0.46, 0.05),), None)

RATED = RatingReceipt(USER, SHAWSHANK.movie_id, 4.5, None, 4.02, 4.31, embedding_updated=True, update_ms=2.4)
REMOVED = RatingRemoval(USER, SHAWSHANK.movie_id, 4.5, 4.02, embedding_updated=True, update_ms=2.1)
DELETED_USER = ForgettingReceipt(
    USER,
    57,
    NOW,
    (2, 3),
    "57 ratings and the id were erased. Versions 2, 3 learned from them before: retrain, then delete what is named "
    "here.",
)
DRIFT = UpdateHealth(3, 120, 340, 1000, 0.0011, 0.83, 100, 500, "fine")

RUN = TrainingStatus(
    run_id=7,
    state=State.RUNNING,
    model="svd",
    stage=Step.FITTING.words,
    epoch=2,
    epochs=50,
    eta_s=13.1,
    history=(EpochRecord(1, 50, 0.94, 0.93, 0.06), EpochRecord(2, 50, 0.85, 0.91, 0.06)),
    hyperparameters=HYPERPARAMETERS,
    ranker=RANKER,
    activate="if_better",
    version=None,
    metrics=None,
    before=METRICS,
    verdict=None,
    error=None,
    created_at=1795443840.0,
    started_at=1795443840.2,
    ended_at=None,
    actor="api",
    data_fingerprint="9f1c4ab2",
    packages=PACKAGES,
    progress=0.16,
    step=2,
    steps=9,
)
CANCELLED = replace(
    RUN,
    state=State.CANCELLED,
    stage="Cancelled",
    error="Cancelled while it was queued.",
    progress=None,
    step=None,
    steps=None,
    eta_s=None,
    epoch=0,
    history=(),
    ended_at=NOW,
)
TRIAL = TrialReport(
    number=12,
    state=TrialState.COMPLETE,
    hyperparameters={"factors": 142, "learning_rate": 0.0121, "regularization": 0.094},
    value=0.8691,
    folds=(FoldResult(0, 0.8702, 41, 1.9), FoldResult(1, 0.868, 44, 2.0)),
    seconds=3.9,
)
STUDY = Study(
    study_id=2,
    state=StudyState.RUNNING,
    model="svd",
    goal="rmse",
    stage="Trial 14, fold 1 of 2",
    trials=20,
    trials_done=14,
    folds=2,
    seed=0,
    budget_s=1800.0,
    used_s=61.2,
    eta_s=26.0,
    history=(TRIAL,),
    best=TRIAL,
    importance={"regularization": 0.71, "learning_rate": 0.2, "factors": 0.09},
    evidence=TuningEvidence(
        best=12,
        difference=MetricDifference(0.8691, 0.874, -0.0049, -0.0061, -0.0037, 0.0001, 671, "better"),
        folds_won=2,
        held_out=None,
        better=False,
        text="Trial 12 has RMSE 0.8691 over all folds, the defaults 0.8740: a difference of -0.0049 "
        "(-0.0061 to -0.0037), lower in 2 of 2 folds. It is better on the folds; the ratings that no trial saw "
        "decide when the study has ended (p = 0.0014, corrected for all trials).",
    ),
    error=None,
    created_at=1795443900.0,
    ended_at=None,
)

VERSION = VersionSummary(
    version=3,
    kind="svd",
    state="ready",
    active=True,
    created_at=1795443846.5,
    run_id=7,
    hyperparameters=HYPERPARAMETERS,
    ranker=RANKER,
    metrics=METRICS,
    protocol=PROTOCOL,
    ratings=100_004,
    users=671,
    movies=9066,
    data_fingerprint="9f1c4ab2",
    size_bytes=53_477_376,
    activated_at=NOW,
    activated_by="api",
    note="More factors",
    tags=("keep",),
    digest="5d0a91ce",
    verdict="PROMOTE",
)
NEWCOMERS = NewcomerPoint(
    3, 40, MetricValue(0.9723, 0.8595, 1.0664), 0.986, MetricValue(0.3359, 0.2406, 0.4208), 0.3315
)
BASELINE = Baseline("all", "ndcg_at_k", 0.142, 0.066, 0.0008, 0.076, 0.0637, 0.0885, 653, "better")
MEASURED = metrics.measured(VERSION)
DIFFERENCES = {"rmse": MetricDifference(0.874, 0.881, -0.007, -0.009, -0.005, 0.0002, 671, "better")}
COMPARISON = Comparison(3, 2, DIFFERENCES, tell_differences(3, 2, DIFFERENCES))

PLAN = Automation(
    paused=False,
    days=(6,),
    hour=3,
    minute=0,
    zone="Europe/Berlin",
    after_ratings=5000,
    activate="if_better",
    next_run=1796004000.0,
    last_run=None,
    ratings_since=312,
)
NOTICE = NoticeRecord(
    notice_id=12,
    level="warning",
    topic="access",
    text="More than ten invalid keys a minute came from 203.0.113.7, so it has to wait. Requests with a valid key are "
    "still served.",
    details={"address": "203.0.113.7"},
    created_at=NOW,
    read_at=None,
)
STATISTICS = DataStatistics(
    671, 9066, 100_004, 0.0164, 3.54, 789652009, 1476640644, {3.0: 20064, 4.0: 28750}, {"Drama": 4365, "Comedy": 3315}
)
IMPORT_PLAN = Plan(
    files=[
        FilePlan(
            name="ml-latest-small/ratings.csv",
            source="MovieLens",
            role="ratings",
            why="It holds ratings as MovieLens has them.",
            encoding="utf-8",
            delimiter=",",
            header=True,
            rows=100_005,
            columns={"user": "userId", "movie": "movieId", "rating": "rating", "time": "timestamp"},
        )
    ],
    scale=ScalePlan(
        found=[0.5, 5], origin="source", mapping="Ratings stay as they are.", examples=[[5, 5], [3.5, 3.5]]
    ),
    dates=DatesPlan(form="seconds", first="1995-01-09", last="2016-10-16", unreadable=0),
    users=UserCounts(known=0, new=671),
    movies=MovieCounts(known=0, matched=0, unsure=0, new=9066),
    ratings=100_004,
)
JOB = Job(
    job_id=4,
    kind="import",
    state=JobState.SUCCEEDED,
    progress=1.0,
    message="100,004 of 100,005 ratings imported; 1 row set aside.",
    result=ImportResult(
        import_id=3,
        ratings_added=100_004,
        movies_added=9066,
        users_added=671,
        rows_rejected=1,
        rejected=(
            RejectedRows(
                "rating_outside", REASONS["rating_outside"], 1, ({"file": "ratings.csv", "line": 17},), ("6",)
            ),
        ),
    ),
    plan=IMPORT_PLAN,
    questions=None,
    error=None,
    created_at=1795443800.0,
    ended_at=1795443803.1,
)
WAITING = replace(
    JOB,
    state=JobState.WAITING,
    progress=0.25,
    message="Reading scores.csv",
    result=None,
    plan=Plan(
        files=[
            FilePlan(
                name="scores.csv",
                source="Table",
                role="ratings",
                why="It holds ratings.",
                encoding="utf-8",
                delimiter=",",
                header=True,
                rows=3,
                columns={"user": "user", "movie": "movie", "rating": "score"},
            )
        ],
        users=UserCounts(known=0, new=1),
        movies=MovieCounts(known=0, matched=0, unsure=0, new=3),
        ratings=3,
    ),
    questions=[questions.scale(Values(np.array([2.0, 7.0, 10.0]), np.ones(3, np.int64), 1), STARS, {}, None)],
    ended_at=None,
)
IMPORTED = data.ImportBatch(
    import_id=3,
    job_id=4,
    state="done",
    files=[{"name": "ml-latest-small.zip", "sha256": SHA256, "source": "MovieLens"}],
    choices={},
    counts={"ratings_added": 100_004, "movies_added": 9066, "users_added": 671, "rows_rejected": 1},
    created_at=1795443801.2,
    ended_at=1795443803.0,
    undone_at=None,
)
CONTENTS = (IDENTITY, "0004", 312, 671, 9125, 100_316, 3, 3)
BACKUP = Backup(
    *CONTENTS,
    name=storage.NAME,
    made_at=1795312800.0,
    reason="schedule",
    size=9_830_400,
    sha256=SHA256,
    generation=902842091,
)
FACTS = StoreFacts(*CONTENTS, size=9_830_400, checked_at=1795312900.0, faults=(), newest_backup_at=1795312800.0)
BACKUP_PLAN = BackupPlan("daily", 2, 0, "Europe/Berlin", 30, 1795399200.0)
KEY = keys.Key(
    key_id=2,
    name="shop",
    scopes=["read", "rate"],
    created_at=1795443800.0,
    created_by="first key",
    last_used_at=NOW,
    revoked_at=None,
)
ENTRY = AuditRecord(31, NOW, "shop", "203.0.113.7", "user erased", "user ~9f2c61d0a4b7e835", "done")
ACTIVATION = ActivationRecord(4, 3, NOW, "api", "Better for newcomers.")
METRICS_TEXT = """# HELP marquee_ratings Stored ratings.
# TYPE marquee_ratings gauge
marquee_ratings 100004.0
"""
