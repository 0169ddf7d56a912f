"""Every key of the session state, so that no two pages can spell one differently."""

from __future__ import annotations

from collections.abc import Sequence

USER = "user"  # also its name in the address: /recommend?user=42
COUNT = "recommend.count"
RANK_BY = "recommend.rank_by"
GENRE = "recommend.genre"
YEAR_FROM = "recommend.year_from"
VARIETY = "recommend.variety"
LIKES = "recommend.likes"
SEEN = "recommend.seen"
RECEIPT = "recommend.receipt"  # of a rating that the page has yet to tell of
RANKS = "recommend.ranks"  # where each movie stood before the last rating
LAST_LIST = "recommend.last_list"

SKIPPED = "newcomer.skipped"  # by user: movies that they do not know
ANSWERED = "newcomer.answered"  # by user: what they were asked and rated, in order
FORMED = "newcomer.formed"  # whose list was shown last, and its movies

IMPORT_FORMAT = "overview.import_format"
IMPORT_FILES = "overview.import_files"
IMPORT_JOB = "overview.import_job"

MODEL = "training.model"
ACTIVATION = "training.activation"
RUN = "training.run"  # what is picked in the table of runs
NOTE = "training.note"
START = "training.start"
FAULTS = "training.faults"  # by model: what its fields were refused for

VERSION = "versions.version"  # what is picked in the table of versions
REASON = "versions.reason"
COMPARED = "versions.compared"  # the open tab of a comparison
TREND = "versions.trend"
IMPORT_VERSION = "versions.import"

STUDY = "tuning.study"  # what is picked in the table of studies
STUDY_MODEL = "tuning.model"
STUDY_FAULT = "tuning.fault"  # what a field was refused for, by its name
TRIALS = "tuning.trials"
FOLDS = "tuning.folds"
MINUTES = "tuning.minutes"
STUDY_SEED = "tuning.seed"

HEALTH = "automation.health"  # what was measured last
PLAN_FAULT = "automation.fault"  # what a field was refused for, by its name

BACKUP = "automation.backup"  # what is picked in the table of backups
BACKUP_FAULT = "automation.backup_fault"
BACKUP_ZONE = "automation.backup_zone"
BACKUP_TIME = "automation.backup_time"
BACKING_UP = "automation.backing_up"  # whether the last draw saw a backup being made

NOTICES = "notices.filter"
NOTICES_SHOWN = "notices.shown"  # how many of them

KEY_NAME = "keys.name"
KEY_SCOPES = "keys.scopes"
KEY_TO_REVOKE = "keys.revoke"
AUDIT_SHOWN = "keys.audit_shown"  # how many entries

TOASTS = "toasts"  # messages for the next run


def card(part: str, movie_id: str) -> str:
    """The key of a widget in one movie's card; a changed user or list never meets another's widget."""
    return f"recommend.{part}.{movie_id}"


def baseline(versions: Sequence[int]) -> str:
    """The key of the choice which of these versions the others are compared with."""
    return "versions.baseline." + ".".join(map(str, versions))


def described(part: str, version: int) -> str:
    """The key of the field for a version's note or tags."""
    return f"versions.{part}.{version}"


def leave(run_id: int) -> str:
    """The key of the button that takes a run out of the queue."""
    return f"training.leave.{run_id}"


def hyperparameter(kind: str, name: str) -> str:
    """The key of a field in the form of a model."""
    return f"training.{kind}.{name}"


def more(limit: str, study_id: int) -> str:
    """The key of a limit with which a study is resumed."""
    return f"tuning.more.{limit}.{study_id}"


def imagined(user_id: str, count: int) -> str:
    """The key of the table in which a user's ratings are changed without keeping them."""
    return f"recommend.imagined.{user_id}.{count}"


def question(user_id: str, movie_id: str) -> str:
    """The key of the stars under a question of the interview."""
    return f"newcomer.question.{user_id}.{movie_id}"


def rated(user_id: str, count: int) -> str:
    """The key of the table of a user's ratings; with another number of them nothing is ticked any more."""
    return f"recommend.rated.{user_id}.{count}"


def read(notice_id: int) -> str:
    """The key of the button that marks a notice as read."""
    return f"notices.read.{notice_id}"
