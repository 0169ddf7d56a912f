"""The errors of Marquee. Each message says what to do next.

The tree (a page shows ``str(error)``; ``sidecar.http.problems`` maps each class to one HTTP status)::

    MarqueeError
    ├── InvalidInput            a value that is not acceptable; names the field
    │   ├── InvalidRating
    │   └── InvalidHyperparameter
    ├── NotFound                an unknown id
    │   ├── UnknownUser
    │   ├── UnknownMovie
    │   ├── UnknownVersion
    │   ├── UnknownRun
    │   ├── UnknownStudy
    │   ├── UnknownJob
    │   ├── UnknownBackup
    │   ├── UnknownAnswer
    │   └── UnknownKey
    ├── Conflict                valid, but not now
    │   ├── TrainingBusy
    │   ├── TuningBusy
    │   ├── BackupBusy
    │   ├── UnusableBackup      damaged, or Marquee can't start with it
    │   ├── NotReplayable       a list that can't be made again
    │   └── VersionUnavailable  damaged, deleted or still being saved
    ├── InvalidSettings         settings or store that Marquee can't start with; the message says what to fix
    ├── NotReady                no ratings or no trained version yet
    ├── DiskFull                the write was refused for lack of space
    ├── StoreLocked             another program has the store locked
    ├── StoreNotWritable        the store has become read-only
    ├── StoreReplaced           the store was moved, deleted or overwritten
    ├── StoreDamaged            pages of the store are damaged
    ├── StoreFailing            the disk, or the system, fails to read or write
    ├── TrainingDiverged        the loss became infinite or not a number
    ├── NotSolvable             equations have no unique solution; a higher penalty helps
    ├── ClusterFailed           a job on Spark ended without a result
    └── Cancelled               a run was cancelled
"""


class MarqueeError(Exception):
    """Base of all errors; ``str(error)`` is a sentence for the user."""


class InvalidInput(MarqueeError):
    """A value the caller sent is not acceptable.

    Attributes:
        field: the name of the field at fault.
    """

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


def check_range(name: str, value: float, low: float, high: float, before: str = "") -> None:
    """Accept a value within a range; NaN never is.

    Args:
        name: of the field.
        value: what was given.
        low: the least allowed.
        high: the most allowed.
        before: a sentence that precedes the message.

    Raises:
        InvalidInput: names the field, the value and the range.
    """
    if not low <= value <= high:
        raise InvalidInput(f"{before}{name} is {value:,}, but must be from {low:,} to {high:,}.", field=name)


class InvalidRating(InvalidInput):
    """A rating outside the scale, or not a number."""

    def __init__(self, message: str, *, field: str = "rating") -> None:
        super().__init__(message, field=field)


class InvalidHyperparameter(InvalidInput):
    """A hyperparameter that is unknown or outside its range; the message gives field, value and range.

    Attributes:
        faults: the message of every field at fault, by its name; ``field`` is the first of them.
    """

    def __init__(self, faults: dict[str, str]) -> None:
        field, message = next(iter(faults.items()))
        super().__init__(message, field=field)
        self.faults = faults


class NotFound(MarqueeError):
    """An unknown id."""


class UnknownUser(NotFound):
    """No ratings of this user are stored."""


class UnknownMovie(NotFound):
    """The catalogue has no such movie."""


class UnknownVersion(NotFound):
    """No model version of this number was ever saved."""


class UnknownRun(NotFound):
    """No training run of this number was ever started."""


class UnknownStudy(NotFound):
    """No tuning study of this number was ever started."""


class UnknownAnswer(NotFound):
    """The answer log has no list of this number."""


class UnknownKey(NotFound):
    """No API key of this number was ever created."""


class UnknownJob(NotFound):
    """No job of this number was ever started."""


class UnknownImport(NotFound):
    """No import of this number was ever made."""


class UnknownGoldenPerson(NotFound):
    """No golden person of this number is pinned."""


class UnknownBackup(NotFound):
    """There is no backup of this name."""


class Conflict(MarqueeError):
    """A valid request that the current state does not allow."""


class TrainingBusy(Conflict):
    """A training is in progress.

    Attributes:
        run_id: the run in progress.
    """

    def __init__(self, run_id: int) -> None:
        super().__init__(f"Training run {run_id} is in progress. Wait for it to end, or cancel it, then train again.")
        self.run_id = run_id


class TuningBusy(Conflict):
    """A study is in progress.

    Attributes:
        study_id: the study in progress.
    """

    def __init__(self, study_id: int) -> None:
        super().__init__(f"Study {study_id} is in progress. Wait for it to end, or stop it, then start another.")
        self.study_id = study_id


class BackupBusy(Conflict):
    """A backup is in progress."""


class UnusableBackup(Conflict):
    """A backup is damaged, or Marquee can't start with it; the store is as it was."""


class NotReplayable(Conflict):
    """A list can't be made again; the message says why."""


class VersionUnavailable(Conflict):
    """The version exists but can't serve: damaged, deleted or still being saved."""


class InvalidSettings(MarqueeError):
    """Settings, hyperparameters or a store that Marquee can't start with; raised before anything starts."""


class NotReady(MarqueeError):
    """There are no ratings, or no trained version, yet; the message says which and what to do."""


class DiskFull(MarqueeError):
    """The store could not write for lack of space; nothing of the write was kept."""


class StoreLocked(MarqueeError):
    """Another program kept the store locked for too long; nothing of the write was kept, and nothing is lost."""


class StoreNotWritable(MarqueeError):
    """The store has become read-only; nothing of the write was kept."""


class StoreReplaced(MarqueeError):
    """The store was moved, deleted or overwritten while open; nothing more is saved, and Marquee stops."""


class StoreDamaged(MarqueeError):
    """Damaged pages of the store are needed for this."""


class StoreFailing(MarqueeError):
    """The system fails to read or write a file: a failing disk, a lost mount, too many open files."""


class TrainingDiverged(MarqueeError):
    """The loss became infinite or not a number; a lower learning rate usually helps."""


class ClusterFailed(MarqueeError):
    """A job on Apache Spark ended without a result; the message has its reason."""


class NotSolvable(MarqueeError):
    """Equations have no unique solution in the precision of the computation; a higher penalty helps."""


class Cancelled(MarqueeError):
    """The run was cancelled; the active version is unchanged."""
