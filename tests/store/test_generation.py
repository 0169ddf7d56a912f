"""A log that does not belong to the file is never applied, and a file that is taken away under Marquee stops it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pysqlite3.dbapi2 as sqlite
import pytest

from store import generation
from store.backups import back_up, restore
from store.database import Database
from store.errors import StoreError, StoreReplaced
from store.ratings import RatingStore
from store.records import MovieRow
from tests.store.children import child, end_in_checkpoint, rate, rate_and_kill
from tests.store.conftest import wait_until

ROOT = Path(__file__).parents[2]


def held(path: Path) -> tuple[int, list[str], list[str]]:
    """How many ratings there are after a start, what is wrong with the file, and what the start has found."""
    database = Database.open(f"sqlite:///{path}")
    try:
        return RatingStore(database).counts().ratings, database.check(), [text for _, text in database.findings]
    finally:
        database.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.db"


def backup_of(path: Path, to: Path) -> Path:
    """A backup made by Marquee."""
    database = Database.open(f"sqlite:///{path}")
    try:
        made = database.back_up(to, reason="asked")
    finally:
        database.close()
    return to / made.name


def copied(path: Path, to: Path) -> Path:
    to.mkdir()
    return Path(shutil.copy(path, to / "copy.db"))


def by_another_sqlite(path: Path, to: Path) -> Path:
    """A backup made by another program, which keeps every number in the header."""
    to.mkdir()
    source, target = sqlite.connect(str(path)), sqlite.connect(str(to / "copy.db"))
    source.backup(target)
    source.close()
    target.close()
    return to / "copy.db"


@pytest.mark.parametrize("make", [backup_of, copied, by_another_sqlite])
@pytest.mark.parametrize("put", [shutil.copyfile, os.replace], ids=["written over", "moved over"])
def test_the_log_of_a_killed_process_is_not_applied_to_a_backup(
    path: Path, make: Callable[[Path, Path], Path], put: Callable[[Path, Path], object]
) -> None:
    rate_and_kill(path, 0, 50)
    assert held(path) == (50, [], [])
    backup = make(path, path.parent / "backups")
    rate_and_kill(path, 50, 300)
    put(backup, path)
    ratings, faults, found = held(path)
    assert (ratings, faults) == (50, [])
    assert len(found) == 1
    assert "did not belong" in found[0]
    assert len(list(path.parent.glob("m.db.aside-*-wal"))) == 1
    assert held(path) == (50, [], [])


@pytest.mark.parametrize("make", [copied, by_another_sqlite])
def test_a_copy_made_while_marquee_ran_is_no_less_foreign(path: Path, make: Callable[[Path, Path], Path]) -> None:
    """Made by other means in the very run that is killed, so that the generation may be the same."""
    rate_and_kill(path, 0, 50)
    with child(rate, path, 50, 60) as (_, pipe):
        assert pipe.recv() == "rated"
        backup = make(path, path.parent / "backups")
    before = held_in(backup)
    shutil.copyfile(backup, path)
    ratings, faults, found = held(path)
    assert faults == []
    assert ratings == before
    assert len(found) == 1


def held_in(path: Path) -> int:
    connection = sqlite.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
    (ratings,) = connection.execute("SELECT count(*) FROM ratings").fetchone()
    connection.close()
    return int(ratings)


def test_its_own_log_is_applied_however_often_a_process_is_killed(path: Path) -> None:
    for n in range(4):
        rate_and_kill(path, 40 * n, 40 * (n + 1))
    assert held(path) == (160, [], [])


def test_its_own_log_is_applied_after_a_kill_in_a_checkpoint(path: Path) -> None:
    """The process ends after each of the steps that a checkpoint takes."""
    ended = []
    for n in range(14):
        with child(end_in_checkpoint, path, 10 * n, 10 * (n + 1), n) as (process, _):
            process.join(60)
            ended.append(process.exitcode)
        assert held(path) == (10 * (n + 1), [], [])
    assert ended[0] == 7
    assert ended[-1] == 0, "every step was reached"


def test_a_store_of_a_release_without_generations_keeps_its_log(path: Path) -> None:
    rate_and_kill(path, 0, 50)
    generation.beside(path, ".mark").unlink()
    connection = sqlite.connect(str(path), isolation_level=None)
    connection.execute("PRAGMA user_version = 0")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    script = (
        "import os, sys, pysqlite3.dbapi2 as sqlite\n"
        "connection = sqlite.connect(sys.argv[1], isolation_level=None)\n"
        'connection.execute("UPDATE ratings SET rating = 1.0 WHERE user_id = 7")\n'
        "os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], check=True)
    assert generation.has_log(path)
    database = Database.open(f"sqlite:///{path}")
    assert database.findings == []
    assert 1.0 in RatingStore(database).load().ratings
    database.close()


def test_file_and_log_that_were_copied_together_are_joined_when_somebody_says_so(path: Path, tmp_path: Path) -> None:
    rate_and_kill(path, 0, 50)
    other = tmp_path / "elsewhere" / "m.db"
    other.parent.mkdir()
    for ending in ("", "-wal", ".mark"):
        shutil.copyfile(generation.beside(path, ending), generation.beside(other, ending))
    _, faults, found = held(other)
    assert faults == []
    assert len(found) == 1
    database = Database.open(f"sqlite:///{other}")  # however much is written meanwhile
    store = RatingStore(database)
    store.add_movies([MovieRow("m", "A", None, ())])
    for n in range(40):
        store.put_rating(f"x{n}", "m", 4.0, n)
    database.close()
    (aside,) = other.parent.glob("m.db.aside-*[0-9a-f]")
    assert str(aside) in found[0]
    restore(aside, other, now=0)
    assert held(other) == (50, [], [])


def test_a_log_beside_no_file_is_kept(path: Path) -> None:
    rate_and_kill(path, 0, 20)
    generation.beside(path, ".mark").unlink()
    path.rename(path.with_name("moved.db"))
    log = generation.beside(path, "-wal").read_bytes()
    assert held(path)[0] == 0
    assert [one.read_bytes() for one in path.parent.glob("m.db.aside-*-wal")] == [log]


@pytest.mark.parametrize("how", ["moved away", "emptied"])
def test_a_store_that_is_gone_is_not_replaced_by_a_new_one(path: Path, how: str) -> None:
    rate_and_kill(path, 0, 20)
    away = path.with_name("moved.db")
    if how == "emptied":
        shutil.copyfile(path, away)
        os.truncate(path, 0)
    else:
        path.rename(away)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"but there was one\. Put it back"):
            Database.open(f"sqlite:///{path}")
    if how == "moved away":
        away.rename(path)
        assert held(path) == (20, [], []), "with its log"


# -- while it is open ------------------------------------------------------------------------------------------------


def away(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def all_deleted(path: Path) -> None:
    for one in path.parent.glob("m.db*"):
        if one.is_file():
            one.unlink()


def log_deleted(path: Path) -> None:
    generation.beside(path, "-wal").unlink()


def moved_over(path: Path) -> None:
    shutil.copyfile(path, path.with_name("other.db"))
    path.with_name("other.db").replace(path)


def written_over(path: Path) -> None:
    other = path.with_name("other.db")
    Database.open(f"sqlite:///{other}").close()
    shutil.copyfile(other, path)


def cut(path: Path) -> None:
    os.truncate(path, 0)


def log_cut(path: Path) -> None:
    os.truncate(generation.beside(path, "-wal"), 0)


def log_shortened(path: Path) -> None:
    log = generation.beside(path, "-wal")
    os.truncate(log, log.stat().st_size - 100)


@pytest.mark.parametrize("do", [away, all_deleted, log_deleted, log_cut, log_shortened, moved_over, written_over, cut])
def test_nothing_is_acknowledged_once_the_file_is_not_the_one_that_was_opened(
    path: Path, do: Callable[[Path], None]
) -> None:
    database = Database.open(f"sqlite:///{path}")
    told: list[StoreError] = []
    database.writer.on_fault = told.append
    try:
        store = RatingStore(database)
        store.add_movies([MovieRow("m", "A", None, ())])
        store.put_rating("before", "m", 4.0, 1)
        do(path)
        with pytest.raises(StoreReplaced):
            store.put_rating("after", "m", 4.0, 2)
        with pytest.raises(StoreReplaced):
            store.counts()
        wait_until(lambda: bool(told))
        assert [type(one) for one in told] == [StoreReplaced]
    finally:
        database.close()


def test_a_backup_copied_over_an_open_store_is_as_it_was_copied(path: Path, tmp_path: Path) -> None:
    """What the log holds of the old file is folded into nothing, not even when the last connection is closed."""
    database = Database.open(f"sqlite:///{path}")
    store = RatingStore(database)
    store.add_movies([MovieRow("m", "A", None, ())])
    for n in range(100):
        store.put_rating(f"u{n}", "m", 4.0, n)
    backup = tmp_path / "backups" / database.back_up(tmp_path / "backups", reason="asked").name
    for n in range(100, 300):
        store.put_rating(f"u{n}", "m", 4.0, n)
    shutil.copyfile(backup, path)
    with pytest.raises(StoreReplaced):
        store.put_rating("late", "m", 4.0, 1)
    database.close()
    assert path.read_bytes() == backup.read_bytes()
    ratings, faults, found = held(path)
    assert (ratings, faults, len(found)) == (100, [], 1)


def test_a_process_killed_while_it_closes_such_a_store_leaves_it_to_the_next(path: Path) -> None:
    rate_and_kill(path, 0, 20)
    path.rename(generation.beside(path, generation.HIDDEN))
    assert held(path) == (20, [], [])


def test_it_is_noticed_where_nothing_is_written(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    told: list[StoreError] = []
    database.writer.on_fault = told.append
    try:
        away(path)
        wait_until(lambda: bool(told))
    finally:
        database.close()


@pytest.mark.parametrize("do", [away, all_deleted, moved_over])
def test_what_was_acknowledged_is_rescued_from_a_file_that_was_taken_away(
    path: Path, do: Callable[[Path], None]
) -> None:
    database = Database.open(f"sqlite:///{path}")
    told: list[StoreError] = []
    database.writer.on_fault = told.append
    store = RatingStore(database)
    store.add_movies([MovieRow("m", "A", None, ())])
    for n in range(30):
        store.put_rating(f"u{n}", "m", 4.0, n)
    do(path)
    wait_until(lambda: bool(told))
    database.close()
    restore(path.with_name("m.db.rescued"), path, now=0)
    assert held(path) == (30, [], [])


def test_another_program_may_fold_the_log_in(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    try:
        store = RatingStore(database)
        store.add_movies([MovieRow("m", "A", None, ())])
        script = (
            "import sys, pysqlite3.dbapi2 as sqlite\n"
            "connection = sqlite.connect(sys.argv[1], isolation_level=None)\n"
            "connection.execute(\"INSERT INTO genres (name) VALUES ('Noir')\")\n"
            "connection.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
        )
        for n in range(3):
            subprocess.run([sys.executable, "-c", script.replace("Noir", f"Noir {n}"), str(path)], check=True)
            store.put_rating(f"u{n}", "m", 4.0, n)
    finally:
        database.close()
    assert held(path) == (3, [], [])


def test_the_log_stays_short_while_ratings_come(path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    try:
        store = RatingStore(database)
        store.add_movies([MovieRow("m", "A", None, ())])
        for n in range(700):
            store.put_rating(f"u{n}", "m", 4.0, n)
        assert generation.beside(path, "-wal").stat().st_size < 2 * generation.PAGES * 4200
        assert path.stat().st_size > 20 * 4096, "most of it is in the file"
    finally:
        database.close()


@pytest.mark.parametrize("lasting", [False, True])
def test_a_disk_too_full_for_a_checkpoint_costs_no_rating(
    path: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    database = Database.open(f"sqlite:///{path}")
    store = RatingStore(database)
    store.add_movies([MovieRow("m", "A", None, ())])
    monkeypatch.setattr(generation, "write_mark", full)
    for n in range(400):
        store.put_rating(f"u{n}", "m", 4.0, n)
    if not lasting:
        monkeypatch.undo()
        for n in range(400, 500):
            store.put_rating(f"u{n}", "m", 4.0, n)
    database.close()
    monkeypatch.undo()
    assert held(path) == (400 if lasting else 500, [], [])


def test_a_log_that_can_not_be_looked_at_stops_no_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> int:
        raise sqlite.OperationalError("disk I/O error")

    database = Database.open(f"sqlite:///{path}")
    try:
        store = RatingStore(database)
        store.add_movies([MovieRow("m", "A", None, ())])
        monkeypatch.setattr(generation.Guard, "pages", fails)
        for n in range(3):
            store.put_rating(f"u{n}", "m", 4.0, n)
            assert database.writer.is_alive()
    finally:
        database.close()


def test_every_start_and_every_backup_has_a_generation_of_its_own(path: Path, tmp_path: Path) -> None:
    seen = []
    for n in range(3):
        seen.append(generation.generation_of(backup_of(path, tmp_path / f"backups {n}")))
        seen.append(generation.generation_of(path))
    assert len(set(seen)) == 6
    assert 0 not in seen


def test_a_backup_needs_no_second_sqlite(path: Path, tmp_path: Path) -> None:
    database = Database.open(f"sqlite:///{path}")
    source = database.connect()
    made = back_up(source, tmp_path / "backups", reason="asked", now=0)
    source.close()
    database.close()
    assert made.ratings == 0
