"""The file, its settings, its schema, and the one writer."""

from __future__ import annotations

import contextlib
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pysqlite3.dbapi2 as sqlite
import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from store.connections import PRAGMAS, check_version
from store.database import Database
from store.errors import StoreClosed, StoreError, StoreFull, UnsafeSQLite
from store.ratings import RatingStore
from store.records import MovieRow
from store.schema import meta, users
from store.sqlite_errors import translated
from tests.store.children import child, rate_on
from tests.store.conftest import wait_until


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 51, 2), (3, 50, 6), (3, 44, 5), (3, 45, 0), (3, 7, 0)])
def test_an_sqlite_that_loses_data_is_refused(version: tuple[int, ...]) -> None:
    with pytest.raises(UnsafeSQLite, match=r"requirements"):
        check_version(version)


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 53, 4), (3, 50, 7), (3, 44, 6), (4, 0, 0)])
def test_a_safe_sqlite_is_taken(version: tuple[int, ...]) -> None:
    check_version(version)


def test_a_store_is_not_opened_with_an_sqlite_that_loses_data(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "sqlite_version_info", (3, 40, 1))
    with pytest.raises(UnsafeSQLite, match=r"SQLite 3\.40\.1 can lose ratings"):
        Database.open(url)
    assert not Path(url.removeprefix("sqlite:///")).parent.exists()


@pytest.mark.parametrize(("name", "value"), [("journal_mode", "wal2"), ("no_such_setting", 1)])
def test_a_setting_that_sqlite_does_not_take_is_told(
    url: str, monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    monkeypatch.setitem(PRAGMAS, name, value)
    with pytest.raises(StoreError, match=f"did not accept the setting {name}"):
        Database.open(url)
    monkeypatch.undo()
    Database.open(url).close()


def test_the_settings_hold_on_every_connection(database: Database) -> None:
    def settings(connection: Connection) -> dict[str, object]:
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}

    with database.read() as one, database.read() as two:
        assert settings(one) == settings(two) == PRAGMAS
    assert database.write(settings) == PRAGMAS


def test_opening_again_keeps_everything(url: str, database: Database) -> None:
    RatingStore(database).add_movies([MovieRow("m", "A", None, ())])
    identity = database.identity
    database.close()
    again = Database.open(url)
    try:
        assert again.identity == identity
        assert RatingStore(again).movies() == [MovieRow("m", "A", None, ())]
    finally:
        again.close()


@pytest.mark.parametrize("url", ["postgresql://x", "sqlite://", "sqlite:///:memory:", "sqlite:///"])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="must name a file"):
        Database.open(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"these are not the rows you are looking for" * 100)
    with pytest.raises(StoreError, match=r"notes\.db"):
        Database.open(f"sqlite:///{path}")
    assert path.read_bytes().startswith(b"these are")


def test_a_second_process_is_kept_out(url: str, database: Database) -> None:
    """A lock of the same kind from the same process is refused as well, being of another opening of the file."""
    with pytest.raises(StoreError, match="Another Marquee"):
        Database.open(url)
    database.close()
    Database.open(url).close()


def test_a_link_leads_to_the_same_store(url: str, database: Database) -> None:
    link = database.path.with_name("link.db")
    link.symlink_to(database.path)
    with pytest.raises(StoreError, match="Another Marquee"):
        Database.open(f"sqlite:///{link}")


@pytest.mark.parametrize("name", ["what?.db", "100%20.db", "a#b.db", "two words.db", "café.db"])
def test_the_file_has_the_name_that_was_asked_for(tmp_path: Path, name: str) -> None:
    Database.open(f"sqlite:///{tmp_path}/{name}").close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [name, f"{name}.lock", f"{name}.mark"]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="can't be opened"):
        Database.open(f"sqlite:///{tmp_path}/file/test.db")


def test_what_a_write_raises_undoes_it_and_is_raised(database: Database) -> None:
    def work(connection: Connection) -> None:
        connection.execute(users.insert().values(id=0, external_id="u", revision=0))
        raise LookupError("half way")

    with pytest.raises(LookupError, match="half way"):
        database.write(work)
    assert RatingStore(database).counts().users == 0
    assert database.write(lambda connection: connection.exec_driver_sql("SELECT 1").scalar()) == 1


def test_foreign_keys_are_enforced(database: Database) -> None:
    with pytest.raises(IntegrityError):
        database.write(
            lambda connection: connection.exec_driver_sql("INSERT INTO ratings VALUES (1, 2, 3.0, 4, NULL, 1)")
        )


def test_urgent_writes_go_before_bulk_ones_that_wait(database: Database) -> None:
    """The writer is held while five bulk writes and then two urgent ones queue up."""
    held, release = Event(), Event()
    order: list[str] = []

    def hold(_: Connection) -> None:
        held.set()
        assert release.wait(10)

    threads = [Thread(target=database.write, args=(hold,))]
    threads[0].start()
    assert held.wait(10)
    for name, urgent in [*((f"bulk {n}", False) for n in range(5)), ("urgent 0", True), ("urgent 1", True)]:
        before = database.writer.queue.qsize()
        thread = Thread(target=database.write, args=(partial(_append, order, name),), kwargs={"bulk": not urgent})
        thread.start()
        threads.append(thread)
        _wait_until_queued(database, before)
    release.set()
    for thread in threads:
        thread.join()
    assert order == ["urgent 0", "urgent 1", *(f"bulk {n}" for n in range(5))]


def _wait_until_queued(database: Database, before: int) -> None:
    wait_until(lambda: database.writer.queue.qsize() > before)


def _append(found: list[Any], one: object, _: Connection) -> None:
    found.append(one)


def test_a_write_inside_a_write_is_refused(database: Database) -> None:
    with pytest.raises(RuntimeError, match="pass tx on"):
        database.write(lambda _: database.write(lambda connection: None))


def test_closing_finishes_what_waits_and_refuses_the_rest(database: Database) -> None:
    held, release = Event(), Event()

    def hold(_: Connection) -> None:
        held.set()
        assert release.wait(10)

    threads = [Thread(target=database.write, args=(hold,))]
    threads[0].start()
    assert held.wait(10)
    done: list[int] = []
    for n in range(3):
        threads.append(Thread(target=database.write, args=(partial(_append, done, n),)))
        threads[-1].start()
        _wait_until_queued(database, n)
    closing = Thread(target=database.close)
    closing.start()
    wait_until(lambda: database._closed)
    with pytest.raises(StoreClosed):
        database.write(lambda connection: None)
    release.set()
    for thread in (*threads, closing):
        thread.join()
    assert done == [0, 1, 2]
    database.close()
    with pytest.raises(StoreClosed), database.read():
        pass
    assert not database.path.with_name("test.db-wal").exists()


def test_a_commit_that_fails_leaves_the_writer_able_to_write(database: Database) -> None:
    """SQLAlchemy does not roll back after one, and the next transaction could not begin."""

    def fails_late(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql("INSERT INTO ratings VALUES (1, 2, 3.0, 4, NULL, 1)")

    with pytest.raises(IntegrityError):
        database.write(fails_late)
    database.write(lambda connection: connection.execute(meta.insert().values(name="after", value="fine")))
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ratings").scalar() == 0


def test_a_broken_connection_is_replaced(database: Database) -> None:
    def breaks(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        driver.close()
        connection.execute(meta.insert().values(name="never", value="written"))

    with pytest.raises(Exception, match="closed database"):
        database.write(breaks)
    database.write(lambda connection: connection.execute(meta.insert().values(name="after", value="fine")))
    assert database.check() == []


def test_a_full_disk_is_told_as_such_and_the_store_goes_on(database: Database) -> None:
    """SQLite's page limit gives the very error of a full disk, and undoes the transaction by itself."""

    def limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def fill(connection: Connection) -> None:
        for n in range(2000):
            connection.execute(meta.insert().values(name=f"{n}", value="x" * 1000))

    database.write(limit)
    with pytest.raises(StoreFull, match="no space left"):
        database.write(fill)
    database.write(lambda connection: connection.exec_driver_sql("PRAGMA max_page_count = 1000000"))
    database.write(lambda connection: connection.execute(meta.insert().values(name="after", value="fine")))
    assert database.check() == []


def test_other_errors_pass_as_they_are() -> None:
    error = sqlite.OperationalError("database is locked")
    assert translated(error) is error


def test_every_acknowledged_rating_survives_a_kill(url: str) -> None:
    """The process is killed at once after its hundredth acknowledgement; three times on the same file."""
    for _ in range(3):
        with child(rate_on, Path(url.removeprefix("sqlite:///"))) as (process, pipe):
            while pipe.recv() < 100:
                pass
            process.kill()
            acknowledged = 100
            with contextlib.suppress(EOFError):
                while True:
                    acknowledged = pipe.recv()
        database = Database.open(url)
        assert database.check() == []
        stored = RatingStore(database).counts().ratings
        database.close()
        assert stored >= acknowledged + 1
