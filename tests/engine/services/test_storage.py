"""Backups through the services, on a timetable and by hand; restoring while Marquee runs; damage is told of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

import pytest

from engine.errors import (
    BackupBusy,
    Cancelled,
    DiskFull,
    InvalidInput,
    NotReady,
    StoreDamaged,
    StoreReplaced,
    UnknownBackup,
    UnusableBackup,
)
from engine.runtime import Host, Runtime, build, check_start
from engine.services import current
from engine.services.storage import CHECK_EVERY_S
from engine.services.storing import in_words
from engine.settings import Settings
from store import backups
from store.database import Database
from tests.engine.services.conftest import fill, opened, store_in, trained_store, wait_for
from tests.store.children import rate_and_kill
from tests.store.conftest import Clock

SUNDAY = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
DAY_S = 86_400


@pytest.fixture
def clock() -> Clock:
    made = Clock()
    made.now = SUNDAY
    return made


@pytest.fixture
def runtime(settings: Settings, clock: Clock) -> Iterator[Runtime]:
    """Not started, so that only the test looks at the clock; a thread makes the backups that are asked for."""
    built = build(settings, clock)
    fill(built)
    built.services.storage.prepare()
    built.services.storage.worker.start()
    yield built
    built.services.storage.close()
    built.database.close()


def test_a_backup_by_hand_is_listed_and_can_be_deleted(runtime: Runtime) -> None:
    storage = runtime.services.storage
    assert list(storage.backups()) == []
    made = storage.back_up()
    assert list(storage.backups()) == [made]
    assert storage.path_of(made.name).stat().st_size == made.size
    assert storage.facts().newest_backup_at == SUNDAY
    storage.delete(made.name)
    assert list(storage.backups()) == []
    for name in (made.name, "../marquee.db", "", "a/b.db", "x.db"):
        with pytest.raises(UnknownBackup):
            storage.delete(name)


def test_one_backup_at_a_time_and_it_can_be_called_off(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    storage, asked = runtime.services.storage, Event()

    def slow(source: object, part: Path, report: backups.Report) -> None:
        while True:
            asked.set()
            report(0.5)

    monkeypatch.setattr(backups, "_copy", slow)
    pending = storage.start_backup()
    assert asked.wait(10)
    wait_for(lambda: storage.progress() == 0.5)
    with pytest.raises(BackupBusy):
        storage.back_up()
    storage.cancel()
    with pytest.raises(Cancelled):
        pending.result(10)
    monkeypatch.undo()
    wait_for(lambda: storage.progress() is None)
    assert storage.back_up().ratings > 0


def test_a_full_disk_is_told(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DiskFull, match="Free some space"):
        runtime.services.storage.back_up()
    assert list(runtime.services.storage.backups()) == []


def test_backups_are_made_on_time_once_each_and_old_ones_go(runtime: Runtime, clock: Clock) -> None:
    storage = runtime.services.storage
    storage.look()
    assert list(storage.backups()) == [], "nothing is planned at first"
    storage.change_plan(every="daily", hour=2, keep_days=3)
    assert storage.plan().next_backup == SUNDAY + 14 * 3600
    storage.look()
    assert list(storage.backups()) == [], "what was due before does not count"
    for day in range(1, 9):
        clock.now = SUNDAY + day * DAY_S
        for _ in range(3):
            storage.look()
    made = [one.made_at for one in storage.backups()]
    assert made == [SUNDAY + day * DAY_S for day in (8, 7, 6, 5)]


def test_a_clock_that_was_ahead_once_does_not_silence_the_plan(runtime: Runtime, clock: Clock) -> None:
    storage = runtime.services.storage
    storage.change_plan(every="daily")
    clock.now = SUNDAY + 400 * DAY_S
    storage.look()
    clock.now = SUNDAY + DAY_S / 2
    before = len(storage.backups())
    storage.look()
    clock.now += DAY_S
    storage.look()
    assert len(storage.backups()) == before + 1


def test_a_backup_that_fails_on_time_is_a_notice_once(
    runtime: Runtime, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = runtime.services.storage
    storage.change_plan(every="daily")
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    clock.now = SUNDAY + DAY_S
    for _ in range(3):
        storage._not_before = 0.0
        storage.look()
    (notice,) = runtime.notices.newest(10)
    assert "The scheduled backup failed" in notice.text
    monkeypatch.undo()
    storage._not_before = 0.0
    storage.look()
    assert len(storage.backups()) == 1


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"every": "hourly"}, "every"),
        ({"every": "daily", "hour": 24}, "hour"),
        ({"every": "daily", "minute": -1}, "minute"),
        ({"every": "daily", "zone": "Europe"}, "zone"),
        ({"every": "daily", "keep_days": 0}, "keep_days"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(runtime: Runtime, values: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        runtime.services.storage.change_plan(**values)  # type: ignore[arg-type]
    assert raised.value.field == field


# -- soundness -------------------------------------------------------------------------------------------------------


def miscount(runtime: Runtime) -> None:
    runtime.database.write(lambda to: to.exec_driver_sql("UPDATE meta SET value = 3 WHERE name = 'ratings'"))


def test_damage_is_a_notice_once(runtime: Runtime) -> None:
    storage = runtime.services.storage
    assert list(storage.check()) == []
    miscount(runtime)
    for _ in range(2):
        (fault,) = storage.check(thorough=False)
        assert "the stored count is 3" in fault
    (notice,) = runtime.notices.newest(10)
    assert (notice.level, fault in notice.text) == ("error", True)
    assert storage.facts().faults == (fault,)


def test_the_store_is_checked_every_week(runtime: Runtime, clock: Clock) -> None:
    storage = runtime.services.storage
    miscount(runtime)
    clock.now += CHECK_EVERY_S - 1
    storage.look()
    assert runtime.notices.newest(10) == []
    clock.now += 1
    storage.look()
    assert len(runtime.notices.newest(10)) == 1


def test_the_store_is_checked_at_a_start_that_follows_a_kill(tmp_path: Path) -> None:
    """It is remembered when the store is opened and closed before, as ``check_start`` does."""
    path = tmp_path / "marquee.db"
    rate_and_kill(path, 0, 5)
    check_start(store_in(tmp_path))
    for expected in (True, False):
        database = Database.open(f"sqlite:///{path}")
        assert database.needs_check() == expected
        database.close()
        with opened(store_in(tmp_path)) as runtime:
            wait_for(lambda runtime=runtime: not runtime.database.needs_check())  # type: ignore[misc]
            assert runtime.services.storage.facts().checked_at is not None


def test_what_was_found_when_the_store_was_opened_is_a_notice(tmp_path: Path) -> None:
    path = tmp_path / "marquee.db"
    rate_and_kill(path, 0, 5)
    other = tmp_path / "other.db"
    Database.open(f"sqlite:///{other}").close()
    shutil.copyfile(other, path)
    check_start(store_in(tmp_path))
    runtime = build(store_in(tmp_path))
    (notice,) = runtime.notices.newest(10)
    runtime.database.close()
    assert "did not belong" in notice.text


def test_pages_found_damaged_while_running_are_told_and_what_they_touch_fails(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The pages of one table are overwritten; lists, which come from memory, go on."""
    with opened(store_in(tmp_path), trained_store(tmp_path_factory)) as runtime:
        database = runtime.database
        with database.read() as connection:
            root = connection.exec_driver_sql("SELECT rootpage FROM sqlite_master WHERE name = 'jobs'").scalar_one()
            database.checkpoint()
        with database.path.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"\x77" * 4096)
            file.flush()
            imports = runtime.services.imports
            for _ in range(2):
                with pytest.raises(Exception) as raised:  # noqa: PT011
                    imports.jobs(5)
                assert isinstance(in_words(raised.value), StoreDamaged)
            assert len(runtime.services.recommendations.recommend("u1").items) == 10
            wait_for(lambda: any(one.topic == "store" for one in runtime.notices.newest(10)))
            assert len([one for one in runtime.notices.newest(10) if one.topic == "store"]) == 1


# -- replaced, and restored ------------------------------------------------------------------------------------------


def test_a_store_that_is_taken_away_ends_marquee(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    ended = Event()
    with opened(store_in(tmp_path), trained_store(tmp_path_factory)) as runtime:
        runtime.lost = ended.set
        assert runtime.services.ratings.rate("u1", "m3", 4.0).rating == 4.0
        runtime.database.path.rename(tmp_path / "elsewhere.db")
        with pytest.raises(StoreReplaced):
            runtime.services.ratings.rate("u1", "m3", 3.0)
        assert ended.wait(10)
        with pytest.raises(StoreReplaced):
            runtime.services.storage.ping()


def test_a_backup_is_restored_while_marquee_runs(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    shutil.copytree(trained_store(tmp_path_factory), tmp_path, dirs_exist_ok=True)
    host = Host(store_in(tmp_path))
    host.start()
    try:
        made = current().storage.back_up()
        before = [item.movie_id for item in current().recommendations.recommend("u1").items]
        count = current().library.counts().ratings
        for n in range(12):
            current().ratings.rate("u1", before[0] if n == 0 else f"m{n}", 0.5)
            current().ratings.rate("newcomer", f"m{n}", 0.5)
        assert [item.movie_id for item in current().recommendations.recommend("u1").items] != before
        kept = current().storage.restore(made.name)
        assert kept is not None
        assert (tmp_path / kept).exists()
        assert current().library.counts().ratings == count
        assert [item.movie_id for item in current().recommendations.recommend("u1").items] == before
        assert current().ratings.rate("u1", "m1", 4.0).rating == 4.0
        assert current().dead_workers() == []
    finally:
        host.stop()


def test_a_backup_that_marquee_cant_start_with_leaves_the_store_as_it_was(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is sound as a file, but its scale is another one than the settings name."""
    other = build(Settings(database_url=f"sqlite:///{tmp_path}/other.db", demo=False, rating_min=0.5, rating_max=10))
    fill(other)
    made = other.database.back_up(tmp_path / "marquee.db.backups", reason="asked")
    other.database.close()
    shutil.copytree(trained_store(tmp_path_factory), tmp_path, dirs_exist_ok=True)
    host = Host(Settings(database_url=f"sqlite:///{tmp_path}/marquee.db", demo=False, rating_min=0.5, rating_max=5))
    host.start()
    try:
        count = current().library.counts().ratings
        with pytest.raises(UnusableBackup, match="the store is unchanged"):
            current().storage.restore(made.name)
        assert current().library.counts().ratings == count
        assert len(current().recommendations.recommend("u1").items) == 10
        backup = tmp_path / "marquee.db.backups" / made.name
        backup.write_bytes(backup.read_bytes()[:-1])
        with pytest.raises(UnusableBackup, match="damaged"):
            current().storage.restore(made.name)
        assert len(current().recommendations.recommend("u1").items) == 10
    finally:
        host.stop()


def test_without_a_host_the_command_is_named(runtime: Runtime) -> None:
    made = runtime.services.storage.back_up()
    with pytest.raises(NotReady, match="python -m store restore"):
        runtime.services.storage.restore(made.name)
