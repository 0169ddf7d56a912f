"""While another program has the store locked nothing is lost: requests are told after a while, workers wait."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event, Thread

import pytest
from sqlalchemy import Connection

from store import patience
from store.connections import PRAGMAS
from store.database import Database
from store.errors import StoreBusy, StoreError
from store.patience import outlast, patient
from store.ratings import RatingStore
from store.schema import movies
from store.studies import PATIENCE_S, WORKERS_PATIENCE_S, TuningStore
from store.writer import LOCKED_MS
from tests.store.conftest import Clock, fill, wait_until
from tests.store.locker import locked


@pytest.fixture
def database(url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """Waits for a tenth of a second where it is five otherwise."""
    monkeypatch.setitem(PRAGMAS, "busy_timeout", 100)
    monkeypatch.setattr(patience, "AGAIN_S", 0.001)
    opened = Database.open(url, clock=clock)
    yield opened
    opened.close()


def timeout_of_writer(database: Database) -> int:
    assert database.writer._connection is not None
    return int(database.writer._connection.connection.driver_connection.execute("PRAGMA busy_timeout").fetchone()[0])


def test_a_write_is_refused_with_a_sentence_and_the_next_one_is_kept(ratings: RatingStore, database: Database) -> None:
    ratings.put_rating("ann", "m1", 3.0, 1)
    with locked(database.path) as locker:
        for _ in range(2):
            with pytest.raises(StoreBusy, match=r"Another program has the store locked.* Nothing is lost"):
                ratings.put_rating("ann", "m1", 4.0, 2)
        assert ratings.load().ratings.tolist() == [3.0]  # who only reads waits for nobody
        locker.let_go()
        assert ratings.put_rating("ann", "m1", 5.0, 3).previous == 3.0
    assert database.check() == []


def test_one_write_waits_in_full_and_those_behind_it_hardly_until_the_lock_is_gone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PRAGMAS, "busy_timeout", 5000)
    database.writer._connection.connection.driver_connection.execute("PRAGMA busy_timeout = 50")  # type: ignore[union-attr]
    with locked(database.path):
        with pytest.raises(StoreBusy):
            database.write(lambda connection: None)
        assert timeout_of_writer(database) == LOCKED_MS
        with pytest.raises(StoreBusy):
            database.write(lambda connection: None)
    database.write(lambda connection: None)
    assert timeout_of_writer(database) == 5000


def test_a_patient_thread_waits_for_the_lock_to_end(ratings: RatingStore, database: Database) -> None:
    tries: list[int] = []
    hand_over = database._submit

    def counted(*args: object) -> object:
        tries.append(1)
        return hand_over(*args)  # type: ignore[arg-type]

    database._submit = counted  # type: ignore[method-assign, assignment]

    def work() -> None:
        with patient(Event()):
            ratings.put_rating("ann", "m1", 4.0, 2)

    with locked(database.path) as locker:
        thread = Thread(target=work)
        thread.start()
        wait_until(lambda: len(tries) > 2)
        locker.let_go()
        thread.join()
    assert ratings.load().ratings.tolist() == [4.0]


def test_a_patient_thread_gives_up_when_it_is_to_end(database: Database) -> None:
    end = Event()
    end.set()
    with locked(database.path), patient(end), pytest.raises(StoreBusy):
        database.write(lambda connection: None)


def test_patience_is_of_one_thread_and_of_one_stretch() -> None:
    found: list[bool] = []
    with patient(Event()):
        thread = Thread(target=lambda: found.append(patience.is_patient()))
        thread.start()
        thread.join()
        with patient(None):
            found.append(patience.is_patient())
        found.append(patience.is_patient())
    assert [*found, patience.is_patient()] == [False, False, True, False]


def test_other_errors_are_not_waited_for() -> None:
    def broken() -> None:
        raise StoreError("oops")

    with patient(Event()), pytest.raises(StoreError, match="oops"):
        outlast(broken)


def test_ratings_are_read_although_the_copy_beside_the_store_can_not_be_noted(
    ratings: RatingStore, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """Also in a thread that waits: others wait for what it reads."""
    columns = fill(ratings)
    with locked(database.path), patient(Event()):
        assert len(ratings.load().users) == len(columns[0])
    assert "could not be written" in caplog.text


def test_a_study_waits_for_longer_than_somebody_who_starts_one(database: Database) -> None:
    tunings = TuningStore(database)

    def timeout() -> int:
        connection = tunings._connect()
        found = int(connection.execute("PRAGMA busy_timeout").fetchone()[0])
        connection.close()
        return found

    assert timeout() == PATIENCE_S * 1000
    with patient(Event()):
        assert timeout() == WORKERS_PATIENCE_S * 1000
    tunings.close()


def test_a_file_that_became_read_only_says_so(database: Database) -> None:
    def forbid(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only = ON")

    database.write(forbid)
    with pytest.raises(StoreError, match="can't be written to, so nothing was saved"):
        database.execute(movies.delete())


def test_the_writer_dies_of_nothing_that_it_does_not_survive(
    database: Database, ratings: RatingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for the write gets its error, and the next write is done."""
    monkeypatch.setattr("store.worker.PAUSE_S", 0.0)
    told: list[str] = []
    database.writer.on_death = lambda name, reason: told.append(f"{name}: {reason}")

    def gone() -> None:
        raise SystemExit("gone")

    def half(connection: Connection) -> None:
        connection.exec_driver_sql("DELETE FROM movies")
        raise LookupError("half way")

    with monkeypatch.context() as patch:
        patch.setattr(database.writer, "_undo", gone)
        with pytest.raises(LookupError, match="half way"):
            database.write(half)
        wait_until(lambda: bool(told))
    assert ratings.put_rating("ann", "m1", 4.0, 2).rating == 4.0
    assert ratings.counts().movies == 30
    assert told == ["store-writer: SystemExit: gone"]
    assert database.writer.is_alive()


def test_a_write_in_the_hands_of_a_writer_that_dies_is_answered(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.worker.PAUSE_S", 0.0)

    def gone() -> Connection:
        raise SystemExit("gone")

    with monkeypatch.context() as patch:
        patch.setattr(database.writer, "_work", lambda pending: gone())
        with pytest.raises(StoreError, match=r"could not write\. SystemExit: gone"):
            database.write(lambda connection: None)
    assert database.write(lambda connection: 5) == 5


def test_what_waits_for_a_dead_writer_is_answered_when_the_store_closes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.worker.PAUSE_S", 600.0)
    monkeypatch.setattr("store.worker.MAX_PAUSE_S", 600.0)
    database = Database.open(url)

    def gone(_: object) -> None:
        raise SystemExit("gone")

    monkeypatch.setattr(database.writer, "_work", gone)
    with pytest.raises(StoreError, match="gone"):
        database.write(lambda connection: None)
    raised: list[BaseException] = []

    def write() -> None:
        try:
            database.write(lambda connection: None)
        except StoreError as error:
            raised.append(error)

    thread = Thread(target=write)
    thread.start()
    wait_until(lambda: database.writer.queue.qsize() > 0)
    database.close()
    thread.join()
    assert [type(error).__name__ for error in raised] == ["StoreClosed"]
