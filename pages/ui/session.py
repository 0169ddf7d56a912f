"""Session-state keys, each spelled once."""

from collections.abc import Sequence

LEAD = "lead"  # the place of a page's introduction
TOASTS = "toasts"  # messages for the next run

USER = "user"  # a query parameter: /recommend?user=42
ID = "id"  # a query parameter of the pages of a movie and of a person: /movie?id=318
PICKER = "picker"  # the field in which a person is chosen
FILTERS = "recommend.filters"
COUNT = "movies"  # from here to SEEN also query parameters
RANK_BY = "order"
GENRE = "genre"
YEAR_FROM = "from"
VARIETY = "variety"
LIKES = "likes"
SEEN = "rated"
RECEIPT = "recommend.receipt"  # of the latest rating, until its toast is shown
DIALOG = "dialog"  # whether one is open that must not be closed
RANKS = "recommend.ranks"  # rank by movie before the latest rating
LAST_LIST = "recommend.last_list"
LAST_RATED = "recommend.last_rated"  # the latest rating, which can be undone
UNDO_RATING = "recommend.undo"
REMOVE_RATINGS = "recommend.remove"

ROLL_BACK_NOW = "roll_back"  # a query parameter: /versions?roll_back=1 asks at once

DELETE_USER = "person.delete"
EXPORT_USER = "person.export"
EXPORT_LISTS = "person.export_lists"
LISTS_SHOWN = "person.lists_shown"  # how many
OLDER_LISTS = "person.older_lists"
REPLAYED = "person.replayed"  # number of the list that is made again

CATALOGUE_TITLE = "title"  # these two are also query parameters, as GENRE is
CATALOGUE_SHOW = "show"

SKIPPED = "skipped"  # by user: movies they don't know; also a query parameter, those of the person shown
ANSWERED = "answered"  # by user: movies rated in the interview, in order; also a query parameter
LISTED = "newcomer.listed"  # user and movies of the list shown last
STARS = "newcomer.stars"  # the place of the rating input
SKIP = "newcomer.skip"
UNDO = "newcomer.undo"
ASK_AGAIN = "newcomer.ask_again"

IMPORT_JOB = "imports.job"  # the job that is followed; also in the address: /imports?job=4
IMPORT_ORDER = "imports.order"  # files and options of that job
IMPORT_OWN = "imports.own"  # drop zone for a personal export
IMPORT_FILES = "imports.files"  # drop zone for any file
IMPORT_DEMO = "imports.demo"
IMPORT_ANSWER = "imports.answer"
IMPORT_CONFIRM = "imports.confirm"
IMPORT_COMPANY = "imports.company"  # whether the demo is imported first
IMPORT_OWNER = "imports.owner"  # user id of a personal export
IMPORT_SCALE = "imports.scale"  # ends of another scale
IMPORT_COLUMNS = "imports.columns"
IMPORT_AGAIN = "imports.again"
IMPORT_DISCARD = "imports.discard"
IMPORT_CLOSE = "imports.close"
IMPORT_WAITING = "imports.waiting"  # in the sidebar
HEADED_FOR = "imports.headed_for"  # user whose list opens after the import
IMPORTS_SHOWN = "imports.shown"  # how many
OLDER_IMPORTS = "imports.older"
CANCEL_IMPORT = "imports.cancel"
LIST_LENGTH = "imports.list_length"
WRITE_LISTS = "imports.write_lists"
CANCEL_LISTS = "imports.cancel_lists"

MODEL = "training.model"
ACTIVATION = "training.activation"
ACTIVATION_BY_HAND = "training.by_hand"  # of a table outside Marquee
RUN = "training.run"  # selected in the table of runs
NOTE = "training.note"
START = "training.start"
ERRORS = "training.errors"  # by model: error of each refused field
CANCEL_RUN = "training.cancel"

VERSION = "versions.version"  # selected in the table of versions
REASON = "versions.reason"
COMPARED = "versions.compared"  # open tab of a comparison
TREND = "versions.trend"
VERSION_FILE = "versions.file"
IMPORT_VERSION = "versions.import"
ACTIVATE = "versions.activate"
ROLL_BACK = "versions.roll_back"
TRAIN_AGAIN = "versions.train_again"
DELETE_VERSION = "versions.delete"
SAVE_DESCRIPTION = "versions.save"

PIN = "golden.pin"
UNPIN = "golden.unpin"
CHECK_GOLDEN = "golden.check"
GOLDEN_NAME = "golden.name"
GOLDEN_KIND = "golden.kind"
GOLDEN_PERSON = "golden.person"  # the field; the id that was chosen in it is the next
GOLDEN_PERSON_ID = "golden.person_id"
GOLDEN_ROLE = "golden.role"
GOLDEN_MOVIE = "golden.movie"
GOLDEN_LINES = "golden.lines"  # what was added so far
CHANGE_GOLDEN = "golden.change"
GOLDEN_CHANGED = "golden.changed"
GOLDEN_UNPINNED = "golden.unpinned"

STUDY = "tuning.study"  # selected in the table of studies
STUDY_MODEL = "tuning.model"
STUDY_GOAL = "tuning.goal"
STUDY_ERRORS = "tuning.errors"  # by field
TRIALS = "tuning.trials"
FOLDS = "tuning.folds"
MINUTES = "tuning.minutes"
STUDY_SEED = "tuning.seed"
START_STUDY = "tuning.start"
STOP_STUDY = "tuning.stop"
RESUME_STUDY = "tuning.resume"
TRAIN_BEST = "tuning.train"

HEALTH = "automation.health"  # latest measurement
MEASURE_DRIFT = "automation.drift"
PLAN_ERRORS = "automation.errors"  # by field
PLAN_DAYS = "automation.days"
PLAN_TIME = "automation.time"
PLAN_ZONE = "automation.zone"
PLAN_RATINGS = "automation.after_ratings"
PLAN_ACTIVATION = "automation.activate"
SAVE_PLAN = "automation.save"
PAUSE = "automation.pause"
RETRAIN = "automation.retrain"

BACKUP = "backups.backup"  # selected in the table of backups
BACKUP_ERRORS = "backups.errors"  # by field
BACKUP_EVERY = "backups.every"
BACKUP_ZONE = "backups.zone"
BACKUP_TIME = "backups.time"
BACKUP_DAYS = "backups.keep_days"
BACKING_UP = "backups.running"  # whether the last draw saw a backup running
BACK_UP = "backups.start"
CANCEL_BACKUP = "backups.cancel"
CHECK_STORE = "backups.check"
SAVE_BACKUPS = "backups.save"
RESTORE = "backups.restore"
DELETE_BACKUP = "backups.delete"

NOTICES = "notices.filter"
NOTICES_SHOWN = "notices.shown"  # how many
OLDER_NOTICES = "notices.older"
READ_ALL = "notices.read_all"
UNREAD = "notices.unread"  # in the sidebar

KEY_NAME = "keys.name"
KEY_SCOPES = "keys.scopes"
CREATE_KEY = "keys.create"
KEY_TO_REVOKE = "keys.to_revoke"
REVOKE = "keys.revoke"
AUDIT_SHOWN = "keys.audit_shown"  # how many
OLDER_ENTRIES = "keys.older"

SEARCH = "search"  # in the sidebar
FOUND = "search.found"  # what it found last

CONFIRM = "dialog.confirm"
CANCEL = "dialog.cancel"


def answer(code: str, job_id: int) -> str:
    """Answer to a question of an import."""
    return f"imports.answer.{code}.{job_id}"


def role(column: int, job_id: int) -> str:
    """Role of a column of the files of an import."""
    return f"imports.role.{column}.{job_id}"


def option(name: str) -> str:
    """Option of an import."""
    return f"imports.option.{name}"


def undo(import_id: int) -> str:
    """Button that undoes an import."""
    return f"imports.undo.{import_id}"


def entry(import_id: int) -> str:
    """The line of an import in the history."""
    return f"imports-entry-{import_id}"


def waiting(job_id: int) -> str:
    """Button that opens an import that waits."""
    return f"imports.open.{job_id}"


def card(part: str, movie_id: str) -> str:
    """Widget in a movie's card; changing the user or the list never reuses another movie's widget."""
    return f"recommend.{part}.{movie_id}"


def baseline(versions: Sequence[int], usual: int) -> str:
    """Choice of the version that the others are compared with; made anew when another one is the usual choice."""
    return ".".join(["versions.baseline", *map(str, versions), "usual", str(usual)])


def description(part: str, version: int) -> str:
    """Note or tags of a version."""
    return f"versions.{part}.{version}"


def leave_queue(run_id: int) -> str:
    """Button that removes a run from the queue."""
    return f"training.leave.{run_id}"


def hyperparameter(kind: str, name: str) -> str:
    """Field in a model's form."""
    return f"training.{kind}.{name}"


def new_limit(limit: str, study_id: int) -> str:
    """New limit for a study that is resumed."""
    return f"tuning.limit.{limit}.{study_id}"


def golden_kept(value: int) -> str:
    """How many movies must stay, which begins with a value."""
    return f"golden.kept_{value}"


def golden_line(number: int) -> str:
    """Removes a movie from a golden person that is being pinned."""
    return f"golden.line.{number}"


def hated(user_id: str, count: int) -> str:
    """The movie of a list that somebody might have hated."""
    return f"person.hated.{user_id}.{count}"


def what_if(user_id: str, count: int) -> str:
    """Table of ratings to try out."""
    return f"recommend.what_if.{user_id}.{count}"


def question(user_id: str, movie_id: str) -> str:
    """The rating under an interview question."""
    return f"newcomer.question.{user_id}.{movie_id}"


def rated(user_id: str, count: int) -> str:
    """Table of a user's ratings; the count clears the selection when a rating is added or removed."""
    return f"recommend.rated.{user_id}.{count}"


def download(caption: str) -> str:
    """Button that downloads a table, or the data of a chart."""
    return f"tables.download.{caption}"


def read(notice_id: int) -> str:
    """Button that marks a notice as read."""
    return f"notices.read.{notice_id}"
