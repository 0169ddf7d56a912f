"""The tables. A change needs a migration in ``store/migrations/versions``; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from store.enum_text import EnumText
from store.records import ImportState, JobState, State, StudyState

metadata = MetaData()
# Triggers, created by migrations, refuse to change or delete rows of `activations`, and keep what a rating was in
# `rating_history` before it is changed or deleted.

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("revision", Integer, nullable=False, index=True),
)

Index("users_by_name", users.c.external_id.collate("NOCASE"))

movies = Table(
    "movies",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("external_id", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("year", Integer),
    Column("revision", Integer, nullable=False),
    Column("import_id", Integer),
    Column("removed", Integer, nullable=False, server_default="0"),
)

Index("movies_removed", movies.c.id, sqlite_where=text("removed"))

movie_links = Table(
    "movie_links",
    metadata,
    Column("movie_id", Integer, ForeignKey("movies.id", ondelete="CASCADE"), primary_key=True),
    Column("site", Text, primary_key=True),
    Column("external_id", Text, nullable=False),
    sqlite_with_rowid=False,
)

genres = Table(
    "genres",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)

movie_genres = Table(
    "movie_genres",
    metadata,
    Column("movie_id", Integer, ForeignKey("movies.id", ondelete="CASCADE"), primary_key=True),
    Column("genre_id", Integer, ForeignKey("genres.id"), primary_key=True),
    sqlite_with_rowid=False,
)

ratings = Table(
    "ratings",
    metadata,
    Column("user_id", Integer, ForeignKey("users.id"), primary_key=True),
    Column("movie_id", Integer, ForeignKey("movies.id"), primary_key=True),
    Column("rating", Float, nullable=False),
    Column("rated_at", Integer, nullable=False),
    Column("import_id", Integer),
    Column("revision", Integer, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
# revision is the one that brought the rating, or 0 in ratings older than the history. import_id is no foreign key, and
# has no index: both would cost time with every imported rating.

rating_history = Table(  # what ratings were: from the revision `since` on, and up to, without, the revision `until`
    "rating_history",
    metadata,
    Column("user_id", Integer, primary_key=True),
    Column("movie_id", Integer, primary_key=True),
    Column("until", Integer, primary_key=True),
    Column("since", Integer, nullable=False),
    Column("rating", Float, nullable=False),
    Column("rated_at", Integer, nullable=False),
    sqlite_with_rowid=False,
)

movie_history = Table(  # what movies were before the revision `until`; NULL where they were not in the catalogue
    "movie_history",
    metadata,
    Column("movie_id", Integer, primary_key=True),
    Column("until", Integer, primary_key=True),
    Column("before", JSON(none_as_null=True)),
    sqlite_with_rowid=False,
)

imports = Table(
    "imports",
    metadata,
    Column("import_id", Integer, primary_key=True),
    Column("job_id", Integer, ForeignKey("jobs.job_id"), nullable=False),
    Column("state", EnumText(ImportState), nullable=False),
    Column("user_key", Integer, ForeignKey("users.id")),
    Column("files", JSON, nullable=False),
    Column("choices", JSON, nullable=False),
    Column("counts", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("undone_at", Float),
    CheckConstraint("state in ('writing', 'done', 'undoing', 'undone')", name="import_state"),
    sqlite_autoincrement=True,
)

import_ratings = Table(  # the ratings that an import replaced
    "import_ratings",
    metadata,
    Column("user_id", Integer, primary_key=True),
    Column("movie_id", Integer, primary_key=True),
    Column("import_id", Integer, primary_key=True),
    Column("rating", Float, nullable=False),
    Column("rated_at", Integer, nullable=False),
    Column("previous_import", Integer),
    sqlite_with_rowid=False,
)

import_movies = Table(  # the movies that an import described, and, where `before` is NULL, those that it added
    "import_movies",
    metadata,
    Column("import_id", Integer, primary_key=True),
    Column("movie_id", Integer, primary_key=True),
    Column("before", JSON(none_as_null=True)),
    sqlite_with_rowid=False,
)

Index("import_movies_movie", import_movies.c.movie_id)

model_versions = Table(
    "model_versions",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("config", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    Column("segments", JSON, nullable=False),
    Column("protocol", JSON, nullable=False),
    Column("data", JSON, nullable=False),
    Column("run_id", Integer, ForeignKey("training_runs.run_id")),
    Column("note", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("digest", Text),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("charts", JSON, nullable=False, server_default="{}"),
    CheckConstraint("state in ('saving', 'ready', 'damaged', 'deleted')", name="version_state"),
    sqlite_autoincrement=True,
)

model_arrays = Table(
    "model_arrays",
    metadata,
    Column("version", Integer, ForeignKey("model_versions.version"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("dtype", Text, nullable=False),
    Column("shape", JSON, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", Integer, nullable=False),
)

model_chunks = Table(
    "model_chunks",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

activations = Table(
    "activations",
    metadata,
    Column("activation_id", Integer, primary_key=True),
    Column("version", Integer, ForeignKey("model_versions.version"), nullable=False),
    Column("activated_at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_autoincrement=True,
)

training_runs = Table(
    "training_runs",
    metadata,
    Column("run_id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", EnumText(State), nullable=False),
    Column("stage", Text, nullable=False),
    Column("hyperparameters", JSON, nullable=False),
    Column("activate", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("actor", Text, nullable=False),
    Column("version", Integer),
    Column("metrics", JSON(none_as_null=True)),
    Column("before", JSON(none_as_null=True)),
    Column("verdict", Text),
    Column("error", Text),
    Column("details", JSON(none_as_null=True)),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("note", Text, nullable=False, server_default=""),
    Column("repeats", Integer),
    Column("ranker", JSON, nullable=False, server_default="{}"),
    CheckConstraint("state in ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="run_state"),
    sqlite_autoincrement=True,
)

training_epochs = Table(
    "training_epochs",
    metadata,
    Column("run_id", Integer, ForeignKey("training_runs.run_id"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("epochs", Integer, nullable=False),
    Column("train_loss", Float, nullable=False),
    Column("validation_rmse", Float),
    Column("seconds", Float, nullable=False),
    sqlite_with_rowid=False,
)

tunings = Table(
    "tunings",
    metadata,
    Column("tuning_id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", EnumText(StudyState), nullable=False),
    Column("stage", Text, nullable=False),
    Column("trials", Integer, nullable=False),
    Column("folds", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("budget_s", Float, nullable=False),
    Column("used_s", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("held_out", JSON(none_as_null=True)),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("goal", Text, nullable=False, server_default="rmse"),
    CheckConstraint("state in ('queued', 'running', 'stopped', 'succeeded', 'failed')", name="tuning_state"),
    sqlite_autoincrement=True,
)

tuning_errors = Table(
    "tuning_errors",
    metadata,
    Column("tuning_id", Integer, ForeignKey("tunings.tuning_id"), primary_key=True),
    Column("trial", Integer, primary_key=True),
    Column("errors", LargeBinary, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", EnumText(JobState), nullable=False),
    Column("progress", Float, nullable=False),
    Column("message", Text, nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("error", Text),
    Column("created_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("plan", JSON(none_as_null=True)),
    Column("questions", JSON(none_as_null=True)),
    CheckConstraint("state in ('queued', 'running', 'waiting', 'succeeded', 'failed', 'cancelled')", name="job_state"),
    sqlite_autoincrement=True,
)

notices = Table(
    "notices",
    metadata,
    Column("notice_id", Integer, primary_key=True),
    Column("level", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("details", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("read_at", Float),
    CheckConstraint("level in ('info', 'warning', 'error')", name="notice_level"),
    sqlite_autoincrement=True,
)

Index("notices_unread", notices.c.read_at)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("last_used_at", Float),
    Column("revoked_at", Float),
    sqlite_autoincrement=True,
)

golden_people = Table(
    "golden_people",
    metadata,
    Column("golden_id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("user_key", Integer, ForeignKey("users.id")),  # NULL: somebody made up
    Column("ratings", JSON, nullable=False),
    Column("expectations", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", Text, nullable=False),
    sqlite_autoincrement=True,
)

answers = Table(  # the lists that users were given; places and options as `store.answers` packs them
    "answers",
    metadata,
    Column("answer_id", Integer, primary_key=True),
    Column("user_key", Integer, ForeignKey("users.id"), nullable=False),
    Column("at", Float, nullable=False),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("ratings_count", Integer, nullable=False),
    Column("options", Text),
    Column("places", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)

Index("answers_user", answers.c.user_key)

ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("until", Float, nullable=False),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("audit_id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("actor", Text, nullable=False),
    Column("address", Text),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("result", Text, nullable=False),
    sqlite_autoincrement=True,
)

Index("audit_log_at", audit_log.c.at)

exams = Table(  # ratings and predictions in ten-thousandths of a rating unit
    "exams",
    metadata,
    Column("exam_id", Integer, primary_key=True),
    Column("at", Integer, nullable=False),
    Column("user_id", Integer, nullable=False),
    Column("movie_id", Integer, nullable=False),
    Column("rating", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    Column("predicted", Integer, nullable=False),
    Column("low", Integer),
    Column("high", Integer),
    Column("place", Integer),
    Column("shown", Integer),
    sqlite_autoincrement=True,
)

Index("exams_user", exams.c.user_id)

exam_answers = Table(  # of shadow versions, and of the means as version 0
    "exam_answers",
    metadata,
    Column("exam_id", Integer, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("predicted", Integer, nullable=False),
    Column("low", Integer),
    Column("high", Integer),
    sqlite_with_rowid=False,
)

withdrawals = Table(  # ratings that were taken back: one by hand, or, without user and movie, those of an import
    "withdrawals",
    metadata,
    Column("withdrawal_id", Integer, primary_key=True),
    Column("user_id", Integer),
    Column("movie_id", Integer),
    Column("revision", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("until", Float, nullable=False),
)

Index("withdrawals_pair", withdrawals.c.user_id, withdrawals.c.movie_id)
