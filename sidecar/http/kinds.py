"""The kinds of problems that the API answers with, and the one table from engine errors to them."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine import errors


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem.

    Attributes:
        code: for programs; never changes.
        status: the HTTP status.
        title: a short summary for people, without a full stop.
        meaning: when it occurs, for the documentation.
        detail: what a response says when there is nothing more specific; by default the title.
    """

    code: str
    status: int
    title: str
    meaning: str = ""
    detail: str = ""

    @property
    def uri(self) -> str:
        """The problem's ``type``: where the API's own documentation describes it."""
        return f"/api/docs#problem-{self.code}"

    @property
    def sentence(self) -> str:
        """``detail``, or the title as a sentence."""
        return self.detail or f"{self.title}."


BAD_PATH = Kind(
    "bad_path",
    400,
    "Unreadable path",
    "The path contains a NUL character, a line break, a `..` segment (send such an ID as a query parameter), or bytes "
    "that are not UTF-8.",
    "The path contains a NUL character, a line break or a '..' segment. Leave the ID out of the path and send it as a "
    "query parameter: ?user_id=...",
)
BAD_REQUEST = Kind(
    "bad_request",
    400,
    "Unreadable request",
    "The request is not valid HTTP or has more than one `Host` header, or an upload is malformed, has too many files, "
    "or has a field of more than 1 KiB.",
)
KEY_REQUIRED = Kind(
    "key_required",
    401,
    "API key required",
    "No API key was sent.",
    "Send the API key in the header X-API-Key, or as Authorization: Bearer followed by the key.",
)
KEY_WRONG = Kind(
    "key_wrong",
    401,
    "Invalid API key",
    "The key that was sent is unknown or revoked.",
    "The API key is unknown or revoked. Send a valid key in the header X-API-Key, or as Authorization: Bearer followed "
    "by the key.",
)
SCOPE_TOO_SMALL = Kind(
    "scope_too_small", 403, "Insufficient scope", "The key does not have the scope that this route requires."
)
FOREIGN_ORIGIN = Kind(
    "foreign_origin",
    403,
    "Cross-site request refused",
    "A page of another website tried to change something.",
    "Pages of other websites can't change anything here.",
)
NO_SUCH_ROUTE = Kind("no_such_route", 404, "No such address", "The address does not exist.")
METHOD_NOT_ALLOWED = Kind(
    "method_not_allowed",
    405,
    "Method not allowed",
    "The address exists but does not support this method; `Allow` lists those it does.",
)
REQUEST_TIMEOUT = Kind(
    "request_timeout",
    408,
    "Request timed out",
    "The header or the body took too long to arrive. The connection is closed.",
    "The request body arrived too slowly.",
)
BODY_TOO_LARGE = Kind(
    "body_too_large", 413, "Body too large", "The body is larger than this address accepts (see Limits)."
)
UNSUPPORTED_MEDIA_TYPE = Kind(
    "unsupported_media_type",
    415,
    "Unsupported media type",
    "`Content-Type` is not `application/json`, or `multipart/form-data` for files.",
)
WRONG_HOST = Kind(
    "wrong_host",
    421,
    "Wrong host",
    "No key is set, and the request comes from another computer or uses a name other than localhost.",
    "Without an API key Marquee only answers on localhost, 127.0.0.1 and [::1]. Set MARQUEE_API_KEY to use another "
    "name.",
)
PROXY_WITHOUT_KEY = Kind(
    "proxy_without_key",
    421,
    "API key required behind a proxy",
    "No key is set, and the request came through a proxy.",
    "The request came through a proxy. Set MARQUEE_API_KEY to use Marquee behind one.",
)
INVALID_INPUT = Kind(
    "invalid_input", 422, "Invalid input", "A field is missing, unknown, of the wrong type or out of range."
)
INVALID_JSON = Kind(
    "invalid_json",
    422,
    "Invalid JSON",
    "The body is not valid JSON. NaN, Infinity, integers beyond 64 bits, lone surrogates and repeated names are not "
    "accepted.",
)
TOO_MANY_REQUESTS = Kind(
    "too_many_requests",
    429,
    "Too many requests",
    "The key has used up its allowance of ratings or jobs; `Retry-After` says when to try again.",
)
TOO_MANY_WRONG_KEYS = Kind(
    "too_many_wrong_keys",
    429,
    "Too many invalid keys",
    "More than ten invalid keys a minute came from this address; `Retry-After` says when to try again.",
)
HEAD_TOO_LARGE = Kind(
    "head_too_large",
    431,
    "Request header too large",
    "The request line and headers exceed 32 KiB or 100 headers. The connection is closed.",
)
INTERNAL_ERROR = Kind(
    "internal_error", 500, "Internal error", "An unexpected error. The log has the reason under `request_id`."
)
STOPPING = Kind(
    "stopping",
    503,
    "Marquee is stopping",
    "Marquee was stopped before it could answer; `Retry-After` says when to try again.",
    "Marquee was stopped before the request was answered. Try again once it is back.",
)
TOO_MANY_CONNECTIONS = Kind(
    "too_many_connections",
    503,
    "Too many connections",
    "Too many connections are open, from this address or in total.",
    "Too many connections are open. Close some, or try again in a moment.",
)

OF_HTTP: Mapping[int, Kind] = {
    400: BAD_REQUEST,
    404: NO_SUCH_ROUTE,
    405: METHOD_NOT_ALLOWED,
    413: BODY_TOO_LARGE,
    415: UNSUPPORTED_MEDIA_TYPE,
}

OF_ERROR: Mapping[type[errors.MarqueeError], Kind] = {
    errors.MarqueeError: INTERNAL_ERROR,
    errors.InvalidInput: INVALID_INPUT,
    errors.InvalidRating: Kind("invalid_rating", 422, "Invalid rating", "The rating is outside the scale."),
    errors.InvalidHyperparameter: Kind(
        "invalid_hyperparameter",
        422,
        "Invalid hyperparameter",
        "Hyperparameters are unknown or out of range; `errors` gives each with its value and its range.",
    ),
    errors.NotFound: Kind("not_found", 404, "Not found", "What the ID refers to does not exist."),
    errors.UnknownUser: Kind("unknown_user", 404, "Unknown user", "No ratings by this user are stored."),
    errors.UnknownMovie: Kind("unknown_movie", 404, "Unknown movie", "The movie is not in the catalogue."),
    errors.UnknownVersion: Kind("unknown_version", 404, "Unknown version", "No version has this number."),
    errors.UnknownRun: Kind(
        "unknown_run", 404, "Unknown training run", "No training run has this number, or there are none yet."
    ),
    errors.UnknownStudy: Kind("unknown_study", 404, "Unknown study", "No study has this number."),
    errors.UnknownGoldenPerson: Kind(
        "unknown_golden_person", 404, "Unknown golden person", "No golden person has this number."
    ),
    errors.UnknownKey: Kind("unknown_key", 404, "Unknown API key", "No API key has this number."),
    errors.UnknownJob: Kind("unknown_job", 404, "Unknown job", "No job has this number."),
    errors.UnknownImport: Kind("unknown_import", 404, "Unknown import", "No import has this number."),
    errors.UnknownAnswer: Kind(
        "unknown_answer", 404, "Unknown list", "No list in the answer log has this number; the oldest go first."
    ),
    errors.UnknownBackup: Kind("unknown_backup", 404, "Unknown backup", "No backup has this name."),
    errors.Conflict: Kind(
        "conflict",
        409,
        "Not possible now",
        "The request is valid, but not at the moment: comparing fewer than two versions, or importing while ten "
        "imports are waiting.",
    ),
    errors.TrainingBusy: Kind(
        "training_busy", 409, "Training in progress", "A training run is in progress; `run_id` says which."
    ),
    errors.TuningBusy: Kind("tuning_busy", 409, "Study in progress", "A study is in progress; `study_id` says which."),
    errors.BackupBusy: Kind("backup_busy", 409, "Backup in progress", "A backup is already being made."),
    errors.UnusableBackup: Kind(
        "unusable_backup",
        409,
        "Unusable backup",
        "The backup is damaged, or Marquee can't start with it. The store is unchanged.",
    ),
    errors.NotReplayable: Kind(
        "not_replayable",
        409,
        "List can't be replayed",
        "The version that made the list, or something that it was made from, is gone.",
    ),
    errors.VersionUnavailable: Kind(
        "version_unavailable",
        409,
        "Version unavailable",
        "The version is damaged, deleted or still being saved; it is active and so can't be deleted; or its training "
        "can't be reproduced.",
    ),
    errors.InvalidSettings: Kind(
        "invalid_settings", 500, "Invalid settings", "A settings file contains a value that is not allowed."
    ),
    errors.NotReady: Kind(
        "not_ready",
        503,
        "Not ready yet",
        "There are no ratings or no trained version yet; `Retry-After` says when to try again.",
    ),
    errors.StoreLocked: Kind(
        "store_locked",
        503,
        "Store locked",
        "Another program has locked the store for five seconds. Nothing was saved and nothing is lost; `Retry-After` "
        "says when to try again.",
    ),
    errors.StoreNotWritable: Kind(
        "store_not_writable",
        503,
        "Store not writable",
        "The store's file or folder has become read-only. Nothing was saved and nothing is lost.",
    ),
    errors.StoreReplaced: Kind(
        "store_replaced",
        503,
        "Store replaced",
        "The store was moved, deleted or overwritten while Marquee was running. Nothing more is saved, and Marquee "
        "stops.",
    ),
    errors.StoreDamaged: Kind(
        "store_damaged", 503, "Store damaged", "Part of the store is damaged; what can be read is still served."
    ),
    errors.StoreFailing: Kind(
        "store_failing",
        503,
        "Disk failing",
        "The system can't read or write the store: an I/O error, a lost mount, too many open files. Nothing was saved.",
    ),
    errors.DiskFull: Kind("disk_full", 507, "Disk full", "The disk is full. Nothing was saved."),
    errors.TrainingDiverged: Kind("training_diverged", 500, "Training diverged", "The loss became infinite or NaN."),
    errors.NotSolvable: Kind(
        "not_solvable", 500, "Equations not solvable", "There is no unique solution; a higher penalty helps."
    ),
    errors.ClusterFailed: Kind("cluster_failed", 500, "Job on Spark failed", "The job ended without a result."),
    errors.Cancelled: Kind("cancelled", 409, "Cancelled", "Someone cancelled the work."),
}

ALL: tuple[Kind, ...] = tuple(
    sorted(
        {each for each in list(globals().values()) if isinstance(each, Kind)} | set(OF_ERROR.values()),
        key=lambda kind: (kind.status, kind.code),
    )
)
"""Every kind, by status and code."""
