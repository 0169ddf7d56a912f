"""Retraining by itself: each due run exactly once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from engine.errors import InvalidInput, NotReady, TrainingBusy
from engine.runtime import Runtime
from engine.services.automation import RULE, SCHEDULE, AutomationService
from engine.services.training import check_policy
from store.database import Database
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.values import ValueStore
from store.versions import MLModelManager
from tests.engine.services.conftest import QUICK, fill, finished, wait_for

HOUR, DAY = 3600.0, 86_400.0


@dataclass
class Clock:
    now: float

    def __call__(self) -> float:
        return self.now


@dataclass
class Training:
    """Takes orders in the store's transaction, as the real one does, and never trains."""

    database: Database
    clock: Clock
    orders: list[tuple[str, float]] = field(default_factory=list)
    fails: Exception | None = None
    going: object | None = None

    def train_model(self, *, actor: str, also: Callable[[Any], None], **options: Any) -> int:
        if self.fails:
            raise self.fails
        self.database.write(lambda connection: also(connection))
        self.orders.append((actor, self.clock.now))
        return len(self.orders)

    retrain = train_model

    def check_policy(self, activate: str) -> None:
        check_policy(activate, 2)

    def current(self) -> object | None:
        return self.going

    def runs(self, limit: int, *, actors: Sequence[str]) -> list[Any]:
        return []


@dataclass
class World:
    database: Database
    clock: Clock
    training: Training

    def service(self) -> AutomationService:
        """As after a start."""
        made = AutomationService(
            ValueStore(self.database, "automation"),
            self.training,  # type: ignore[arg-type]
            MLModelManager(self.database),
            RatingStore(self.database),
            NoticeStore(self.database),
            self.clock,
        )
        made.prepare()
        return made


@pytest.fixture
def world(tmp_path: Path) -> Any:
    clock = Clock(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp())
    database = Database.open(f"sqlite:///{tmp_path}/m.db", clock=clock)
    yield World(database, clock, Training(database, clock))
    database.close()


def sundays(start: float, end: float, zone: str, hour: int, minute: int) -> list[float]:
    """The due moments by another definition: day by day on the wall clock."""
    day, found = datetime.fromtimestamp(start, ZoneInfo(zone)).date(), []
    while (moment := datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZoneInfo(zone)).timestamp()) <= end:
        if day.weekday() == 6 and moment > start:
            found.append(moment)
        day += timedelta(days=1)
    return found


def test_a_year_of_weekly_runs_restarts_pauses_and_clock_changes(world: World) -> None:
    """Looked at every 20 minutes; restarts at random; off for two weeks in June; paused in August."""
    draw, service = Random(4), world.service()
    service.change(days=[6], hour=2, minute=30, zone="Europe/Berlin")
    start, year = world.clock.now, world.clock.now + 365 * DAY
    off = start + 150 * DAY, start + 164 * DAY + 5 * HOUR
    paused = start + 210 * DAY + HOUR, start + 238 * DAY + HOUR
    state = False
    while world.clock.now < year:
        world.clock.now += 20 * 60
        now = world.clock.now
        if off[0] <= now < off[1]:
            continue
        if draw.random() < 0.01:
            service = world.service()
        if (paused[0] <= now < paused[1]) != state:
            state = not state
            service.pause(paused=state)
        service.look()
    due = [one for one in sundays(start, year, "Europe/Berlin", 2, 30) if not paused[0] <= one < paused[1]]
    missed = [one for one in due if off[0] <= one < off[1]]
    assert len(missed) == 2
    expected = [one for one in due if one not in missed[:-1]]  # of those missed the newest is made up
    found = [moment for _, moment in world.training.orders]
    assert len(found) == len(expected) > 40
    for moment, wanted in zip(found, expected, strict=True):
        late = moment - wanted
        assert 0 <= late <= (off[1] - missed[-1] + 20 * 60 if wanted == missed[-1] else 20 * 60)
    assert {actor for actor, _ in world.training.orders} == {SCHEDULE}
    (notice,) = NoticeStore(world.database).newest()
    assert "was missed and runs now" in notice.text


def test_nothing_is_due_at_the_first_start(world: World) -> None:
    service = world.service()
    service.look()
    assert world.training.orders == []
    plan = service.plan()
    assert (plan.days, plan.hour, plan.minute, plan.zone, plan.paused) == ((6,), 3, 0, "UTC", False)
    assert plan.next_run == datetime(2026, 1, 11, 3, tzinfo=UTC).timestamp()


def test_a_run_that_could_not_be_ordered_is_tried_again(world: World) -> None:
    service = world.service()
    world.clock.now += 7 * DAY
    world.training.fails = TrainingBusy(3)
    service.look()
    assert world.training.orders == []
    world.training.fails = None
    service.look()
    service.look()
    assert len(world.training.orders) == 1


def test_a_crash_after_the_order_does_not_repeat_it_and_one_before_it_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = world.service()
    world.clock.now += 7 * DAY

    def break_down(self: ValueStore, values: Any, *, tx: Any) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(ValueStore, "write", break_down)
    with pytest.raises(RuntimeError):
        service.look()
    monkeypatch.undo()
    assert world.training.orders == []  # the order and the note of it are one transaction
    world.service().look()
    world.service().look()
    assert len(world.training.orders) == 1


def test_without_ratings_a_due_run_is_let_go(world: World) -> None:
    service = world.service()
    world.clock.now += 7 * DAY
    world.training.fails = NotReady("There are no ratings.")
    service.look()
    world.training.fails = None
    service.look()
    assert world.training.orders == []


def test_what_was_due_before_a_change_is_not_made_up(world: World) -> None:
    service = world.service()
    world.clock.now += 7 * DAY
    service.change(days=[0, 3], hour=12, minute=0, zone="UTC")
    service.look()
    assert world.training.orders == []
    assert service.plan().next_run == datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp()


def test_the_rule_counts_new_ratings_once(world: World) -> None:
    service, ratings = world.service(), RatingStore(world.database)
    service.change(days=[6], hour=3, minute=0, zone="UTC", after_ratings=3)
    fill_ratings(ratings, range(3))
    assert service.plan().ratings_since == 3
    world.training.going = object()
    service.look()
    assert world.training.orders == []  # one goes on; the next look asks again
    world.training.going = None
    service.look()
    service.look()
    assert [actor for actor, _ in world.training.orders] == [RULE]
    fill_ratings(ratings, range(3, 5))
    service.look()
    assert len(world.training.orders) == 1
    fill_ratings(ratings, range(5, 6))
    service.look()
    assert len(world.training.orders) == 2


def test_what_was_forgotten_since_a_run_failed_hides_nothing_that_comes(world: World) -> None:
    """The run was ordered for six ratings and came to nothing; four of them go, and others come."""
    service, ratings = world.service(), RatingStore(world.database)
    service.change(days=[6], hour=3, minute=0, zone="UTC", after_ratings=3)
    fill_ratings(ratings, range(2))
    fill_ratings(ratings, range(4), user="ben")
    service.look()
    assert len(world.training.orders) == 1
    assert service.plan().ratings_since == 0
    ratings.forget_user("ben")
    service.look()
    fill_ratings(ratings, range(3), user="cid")
    assert service.plan().ratings_since == 3
    service.look()
    assert [actor for actor, _ in world.training.orders] == [RULE, RULE]


def fill_ratings(ratings: RatingStore, numbers: range, user: str = "ann") -> None:
    from store.records import MovieRow

    ratings.add_movies([MovieRow(f"m{n}", f"Movie {n}", None, ()) for n in numbers])
    for n in numbers:
        ratings.put_rating(user, f"m{n}", 3.0, 100)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"days": []}, "days"),
        ({"days": [7]}, "days"),
        ({"hour": 24}, "hour"),
        ({"minute": -1}, "minute"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "../etc"}, "zone"),
        ({"zone": "Europe"}, "zone"),  # folders of zones
        ({"zone": "America/Argentina"}, "zone"),
        ({"zone": ""}, "zone"),
        ({"zone": "europe/berlin"}, "zone"),
        ({"after_ratings": -5}, "after_ratings"),
        ({"activate": "perhaps"}, "activate"),
    ],
)
def test_plans_that_make_no_sense_are_refused(world: World, changes: dict[str, Any], field: str) -> None:
    service = world.service()
    with pytest.raises(InvalidInput) as refused:
        service.change(**{"days": [6], "hour": 3, "minute": 0, "zone": "UTC", **changes})
    assert refused.value.field == field


def test_the_real_thread_orders_a_real_run(runtime: Runtime) -> None:
    """The plan is put back by a week; the thread of the runtime finds it due."""
    fill(runtime)
    finished(runtime, runtime.services.training.train_model("svd", QUICK))
    automation = runtime.services.automation
    ValueStore(runtime.database, "automation").write({"handled": runtime.database.clock() - 8 * DAY})
    automation.look()
    plan = automation.plan()
    assert plan.last_run is not None
    assert plan.last_run.actor == SCHEDULE
    run = finished(runtime, plan.last_run.run_id)
    assert run.state == "succeeded"
    assert run.hyperparameters["epochs"] == QUICK["epochs"]
    manual = automation.run_now()
    assert finished(runtime, manual).actor == "you"
    wait_for(lambda: automation.worker.is_alive())
    automation.pause(paused=True)
    assert automation.plan().next_run is None


def test_a_clock_that_was_400_days_ahead_once_silences_nothing(world: World) -> None:
    service = world.service()
    service.change(days=[6], hour=3, minute=0, zone="UTC")
    right = world.clock.now
    world.clock.now += 400 * DAY
    service.look()
    assert len(world.training.orders) == 1  # by that clock it was due
    world.clock.now = right
    planned = service.plan().next_run
    assert planned == datetime(2026, 1, 11, 3, tzinfo=UTC).timestamp()
    for made in (service, world.service()):
        made.look()
    assert len(world.training.orders) == 1
    world.clock.now = planned + 60
    service.look()
    assert [moment for _, moment in world.training.orders][1:] == [planned + 60]


def test_a_moment_that_lies_ahead_is_taken_as_now(world: World) -> None:
    """Also where it was a change of the plan, or a pause, while the clock was ahead."""
    world.clock.now += 400 * DAY
    world.service().change(days=[6], hour=3, minute=0, zone="UTC")
    world.clock.now -= 400 * DAY
    service = world.service()
    service.look()
    world.clock.now = (service.plan().next_run or 0) + 60
    service.look()
    assert len(world.training.orders) == 1


def test_a_clock_that_is_set_back_a_little_brings_no_run_twice(world: World) -> None:
    service = world.service()
    world.clock.now = (service.plan().next_run or 0) + 60
    service.look()
    for _ in range(10):
        world.clock.now -= 300
        service.look()
    for _ in range(10):
        world.clock.now += 300
        service.look()
    assert len(world.training.orders) == 1


def test_the_worker_looks_on_whatever_the_clock_says(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By ``schedule`` itself the next look would be 400 days later."""
    ahead = datetime.now() + timedelta(days=400)
    looks: list[int] = []

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return ahead if len(looks) < 2 else ahead - timedelta(days=400)

    monkeypatch.setattr("schedule.datetime.datetime", Jumping)
    monkeypatch.setattr("engine.services.automation.LOOK_S", 1)
    monkeypatch.setattr(AutomationService, "look", lambda _: looks.append(1))
    service = world.service()
    service.open()
    try:
        wait_for(lambda: len(looks) >= 4, 20)
    finally:
        service.close()
