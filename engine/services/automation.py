"""Automatic retraining: on a schedule, and after a number of new ratings."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from zoneinfo import ZoneInfo

import schedule

from engine.errors import InvalidInput, MarqueeError, NotReady, check_range
from engine.services.backlog import Backlog
from engine.services.storing import stores
from engine.services.timetable import WEEK, Timetable, check_time
from engine.services.training import TrainingService, TrainingStatus
from engine.training.promotion import ActivationPolicy
from store.connections import Transaction
from store.errors import StoreError
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.values import ValueStore
from store.versions import MLModelManager
from store.worker import Worker

log = logging.getLogger(__name__)

SCHEDULE, RULE = "schedule", "rule"
"""Actors of automatic runs."""
LOOK_S = 20
"""Seconds between checks whether a run is due."""
LATE_S = 600
"""Delay in seconds after which a notice reports a missed run."""
AHEAD_S = 3600
"""Seconds that the last served time may be ahead of the clock, so that no run comes twice after a small correction.
Beyond that the clock was wrong, and the schedule restarts from now."""
MAX_RATINGS = 100_000_000
DEFAULTS: dict[str, Any] = {
    "paused": False,
    "days": [6],
    "hour": 3,
    "minute": 0,
    "zone": "UTC",
    "after_ratings": 0,
    "activate": "if_better",
    "counted": 0,
    "counted_for": 0,
}


@dataclass(frozen=True, slots=True)
class Automation:
    """The plan of automatic retraining.

    Attributes:
        days: of the week, 0 is Monday.
        hour, minute, zone: the time of day and its IANA time zone.
        after_ratings: retrain after this many new ratings; 0 turns this off.
        activate: when to activate a new version.
        next_run: Unix seconds of the next run, None while paused.
        last_run: the newest automatic run.
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


@dataclass(eq=False)
class AutomationService:
    """Orders retrainings when they are due. ``open`` and ``close`` frame the thread.

    The time served last is written in the transaction that orders the run, so that each is served exactly once. Of
    the runs missed while Marquee was off, only the newest is made up.
    """

    _automation: ValueStore
    _training: TrainingService
    _models: MLModelManager
    _ratings: RatingStore
    _notices: NoticeStore
    _clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._backlog = Backlog(self._ratings, self._models)
        self._looking = Lock()
        self._scheduler = schedule.Scheduler()
        self._scheduler.every(LOOK_S).seconds.do(self._look_safely)
        # It is the worker that waits, on a monotonic clock: schedule's own jobs wait for a time of day, which a clock
        # that is set moves away by as much.
        self.worker: Worker[None] = Worker(
            "automation", begin=self._scheduler.run_all, idle=self._scheduler.run_all, every=LOOK_S
        )

    def open(self) -> None:
        """Start the thread."""
        self.prepare()
        self.worker.start()

    def prepare(self) -> None:
        """Start the schedule now, on the first start."""
        if "handled" not in self._automation.read():
            self._automation.write({"handled": self._clock()})

    def close(self) -> None:
        """Stop the thread."""
        self.worker.stop()

    def _look_safely(self) -> None:
        try:
            self.look()
        except Exception:  # part of the thread's outermost loop: the next look must find it alive
            log.exception("the schedule could not be checked; next attempt in %d seconds", LOOK_S)

    # -- asked by pages and routes -----------------------------------------------------------------------------------

    def plan(self) -> Automation:
        """The plan, with the time of the next run."""
        values, now = self._values(), self._clock()
        due = Timetable.of(values["days"], values).next_due(now)
        run = next(iter(self._training.runs(1, actors=(SCHEDULE, RULE))), None)
        return Automation(
            **{name: values[name] for name in ("paused", "hour", "minute", "zone", "after_ratings", "activate")},
            days=tuple(sorted(values["days"])),
            next_run=None if values["paused"] else due,
            last_run=run,
            ratings_since=self._new_ratings(values),
        )

    @stores
    def change(
        self,
        *,
        days: Collection[int],
        hour: int,
        minute: int,
        zone: str,
        after_ratings: int = 0,
        activate: ActivationPolicy = "if_better",
    ) -> None:
        """Set when to retrain, from now on.

        Args:
            days: of the week, 0 is Monday.
            hour: 0 to 23.
            minute: 0 to 59.
            zone: an IANA time zone, such as ``Europe/Berlin``.
            after_ratings: retrain after this many new ratings; 0 turns this off.
            activate: when to activate the new version.

        Raises:
            InvalidInput: names the field, the value and what is allowed.
        """
        if not days:
            raise InvalidInput("Choose at least one day of the week.", field="days")
        if not set(days) <= set(range(WEEK)):
            raise InvalidInput("A day is a number from 0 (Monday) to 6 (Sunday).", field="days")
        check_time(hour, minute, zone)
        check_range("after_ratings", after_ratings, 0, MAX_RATINGS)
        self._training.check_policy(activate)
        values = {"days": sorted(set(days)), "hour": hour, "minute": minute, "zone": zone}
        values |= {"after_ratings": after_ratings, "activate": activate, "handled": self._clock()}
        with self._looking:
            self._automation.write(values)

    @stores
    def pause(self, *, paused: bool) -> None:
        """Pause or resume; runs missed during the pause are skipped."""
        with self._looking:
            self._automation.write({"paused": paused, "handled": self._clock()})

    @stores
    def run_now(self, actor: str = "you") -> int:
        """Order a retraining now, behind the current run if there is one; returns the run's number.

        Raises:
            NotReady: there are no ratings to learn from.
            TrainingBusy: the queue is full.
        """
        return self._order(actor, self._values()["activate"], {})

    # -- the thread --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Order a run if one is due."""
        with self._looking:
            values, now = self._values(), self._clock()
            if values["paused"]:
                return
            if values["handled"] > now + AHEAD_S:
                log.warning("the clock was ahead at the last run; the schedule restarts from now")
                values["handled"] = now
                self._automation.write({"handled": now})
            due = Timetable.of(values["days"], values).last_due(now)
            if due > values["handled"]:
                self._serve(values, due, now)
            elif values["after_ratings"] and self._training.current() is None:
                self._follow_rule(values)

    def _serve(self, values: dict[str, Any], due: float, now: float) -> None:
        if self._try(SCHEDULE, values, {"handled": due}) and now - due > LATE_S:
            moment = datetime.fromtimestamp(due, UTC).astimezone(ZoneInfo(values["zone"]))
            told = f"The retraining of {moment:%Y-%m-%d %H:%M} was missed and runs now."
            self._notices.add("info", "automation", told)

    def _try(self, actor: str, values: dict[str, Any], done: dict[str, Any]) -> bool:
        """Order a run and store what it serves in one transaction; whether that succeeded."""
        try:
            self._order(actor, values["activate"], done)
        except NotReady as error:
            log.info("nothing to retrain: %s", error)
            self._automation.write(done)
            return False
        except (MarqueeError, StoreError) as error:  # the queue or the disk is full; the next check tries again
            log.warning("a retraining that is due could not be ordered yet: %s", error)
            return False
        return True

    def _order(self, actor: str, activate: ActivationPolicy, done: dict[str, Any]) -> int:
        def note(tx: Transaction) -> None:
            self._automation.write(done, tx=tx)

        if self._models.active_version() is None:
            return self._training.train_model(activate=activate, actor=actor, queue=True, also=note)
        return self._training.retrain(activate=activate, actor=actor, queue=True, also=note)

    def _follow_rule(self, values: dict[str, Any]) -> None:
        """Order a run after enough new ratings; these do not count again, whatever the result."""
        version, ratings = self._backlog.newest()
        counted = self._counted(values, version)
        if ratings - counted >= values["after_ratings"]:
            self._try(RULE, values, {"counted": ratings, "counted_for": version})
        elif ratings < counted:  # some were deleted; later ones are new
            self._automation.write({"counted": ratings})

    def _new_ratings(self, values: dict[str, Any]) -> int:
        """Unlearned ratings, without those that the last run was ordered for."""
        version, ratings = self._backlog.newest()
        return max(ratings - self._counted(values, version), 0)

    def _counted(self, values: dict[str, Any], version: int) -> int:
        """Number of unlearned ratings that a run was ordered for."""
        return int(values["counted"]) if values["counted_for"] == version else 0

    def _values(self) -> dict[str, Any]:
        return DEFAULTS | self._automation.read()
