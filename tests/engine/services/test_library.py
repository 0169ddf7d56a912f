"""What is stored: statistics, search, one user's ratings, tables."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from engine.errors import UnknownMovie, UnknownUser
from engine.runtime import Runtime
from store.ratings import LIKE, OF_MOVIE, RatingStore
from tests.engine.services.conftest import fill, opened, store_in
from tests.engine.services.test_imports import MOVIES, RATINGS, bring


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


def test_search_of_users(runtime: Runtime) -> None:
    services, library = runtime.services, runtime.services.library
    assert library.search_users() == []
    bring(services.imports, ratings_csv=RATINGS, movies_csv=MOVIES)
    assert [user.user_id for user in library.search_users()] == ["1", "2"]
    assert library.search_users("2")[0].mean_rating == 5.0
    with pytest.raises(UnknownMovie):
        library.movie("77")


def test_a_users_ratings_newest_first(runtime: Runtime) -> None:
    services, library = runtime.services, runtime.services.library
    bring(services.imports, ratings_csv=RATINGS, movies_csv=MOVIES)
    assert [(rated.movie.title, rated.rating, rated.rated_at) for rated in library.user_ratings("1")] == [
        ("Heat", 2.5, 1_000_000_200),
        ("Élan Vital", 4.0, 1_000_000_100),
    ]
    with pytest.raises(UnknownUser):
        library.user_ratings("nobody")
    movie = library.user_ratings("1")[0].movie.movie_id
    assert (library.rating("1", movie), library.rating("nobody", movie), library.rating("1", "none")) == (
        2.5,
        None,
        None,
    )


def test_the_mark_of_a_person_changes_with_their_ratings_alone(runtime: Runtime) -> None:
    services, library = runtime.services, runtime.services.library
    bring(services.imports, ratings_csv=RATINGS, movies_csv=MOVIES)
    movie, before = library.user_ratings("1")[0].movie.movie_id, library.mark("1")
    assert library.mark("nobody") != before
    services.ratings.rate("2", movie, 1.5)
    assert library.mark("1") == before
    services.ratings.rate("1", movie, 5.0)
    assert library.mark("1") != before
    services.ratings.rate("1", movie, 2.5)
    assert library.mark("1") == before
    services.ratings.unrate("1", movie)
    assert library.mark("1") != before


def test_search_follows_what_changes(runtime: Runtime) -> None:
    services, library = runtime.services, runtime.services.library
    bring(services.imports, ratings_csv=RATINGS, movies_csv=MOVIES)
    assert library.statistics().ratings == 3
    bring(services.imports, more_csv="user,movie,rating\n1,30,3\n2,30,4\n3,30,5\n")
    assert [user.user_id for user in library.search_users()] == ["1", "2", "3"]


def test_search_gives_no_more_than_asked_for_and_the_same_id_once(runtime: Runtime) -> None:
    services, library = runtime.services, runtime.services.library
    bring(services.imports, mine_csv="user,movie,rating\nAnn,1,3\nannie,1,3\nannie,11,4\n")
    assert [user.user_id for user in library.search_users("ANN")] == ["Ann", "annie"]
    assert [user.user_id for user in library.search_users("ann", limit=1)] == ["Ann"]
    assert library.search_users("ann", limit=0) == []


def test_people_are_found_by_the_beginning_of_their_id(runtime: Runtime) -> None:
    services, library = runtime.services, runtime.services.library
    rows = "".join(f"{user},m,3\n" for user in ("4", "42", "421", "142", "Zoë", "zora", "a%", "a_b"))
    bring(services.imports, ratings_csv=f"user,movie,rating\n{rows}")
    found = [(user.user_id, user.ratings_count) for user in library.search_users("42")]
    assert found == [("42", 1), ("421", 1)]
    assert [user.user_id for user in library.search_users("4", limit=2)] == ["4", "42"]
    assert [user.user_id for user in library.search_users(" ZO ")] == ["zora", "Zoë"]
    assert [user.user_id for user in library.search_users("Zoe\N{COMBINING DIAERESIS}")] == ["Zoë"]
    assert [user.user_id for user in library.search_users("a%")] == ["a%"]
    assert library.search_users("\x1fforgotten") == []
    assert (library.knows_user("42"), library.knows_user("43")) == (True, False)


def test_a_search_of_people_reads_an_index(runtime: Runtime) -> None:
    with runtime.database.read() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {LIKE}", ("a", "b", "a", 8)).all()
    assert any("users_by_name" in row[3] for row in plan)
    assert not any("SCAN" in row[3] or "TEMP B-TREE" in row[3] for row in plan)


def test_changes_of_a_movie_are_read_by_index(runtime: Runtime) -> None:
    with runtime.database.read() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {OF_MOVIE}", (5, 1))]
    assert [line.split(" USING")[0].split()[0] for line in plan] == ["SEARCH", "SEARCH"]
    assert "revision>?" in plan[0]
    assert "user_id=? AND movie_id=?" in plan[1]


def test_statistics_that_need_not_be_fresh_read_nothing(runtime: Runtime) -> None:
    library = runtime.services.library
    fill(runtime)
    assert library.statistics(fresh=False).ratings == 0  # nobody has looked yet
    assert library.statistics().ratings == 1500
    RatingStore(runtime.database).put_rating("u1", "m1", 3.0, 2_000_000)
    RatingStore(runtime.database).put_rating("somebody new", "m1", 3.0, 2_000_000)
    assert library.statistics(fresh=False).users == 60
    assert (library.counts().users, library.statistics().users) == (61, 61)


ODD = "user,movie,rating,time\n=1,+m,4,100000000\n'=1,-5,3.5,\n@u,'@m,5,300000000\nplain,'-m,0.5,0\n"
ODD_TITLES = (
    "movie,title,year,genres\n+m,=HYPERLINK(1),1990,Drama\n-5,'=Really so,,=Odd\n'@m,-1,,\n'-m,1984 (1956),1984,War\n"
)


def test_what_is_exported_is_imported_exactly(runtime: Runtime, tmp_path: Path) -> None:
    services, library = runtime.services, runtime.services.library
    assert bring(services.imports, ratings_csv=ODD, movies_csv=ODD_TITLES).state == "succeeded"
    runtime.services.ratings.rate("by hand", "-5", 2.5)
    ratings, movies = (b"".join(services.exports.export(table)).decode() for table in ("ratings", "movies"))
    cells = {cell for text in (ratings, movies) for row in csv.reader(io.StringIO(text)) for cell in row}
    assert {"'=1", "''=1", "'@u", "'+m", "-5", "''@m", "''-m", "'=HYPERLINK(1)", "''=Really so", "'=Odd"} <= cells
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@") and cell not in ("-5", "-1")]
    with opened(store_in(tmp_path / "other")) as other:
        job = bring(other.services.imports, ratings_csv=ratings, movies_csv=movies)
        assert (job.state, job.result.rows_rejected) == ("succeeded", 0)  # type: ignore[union-attr]
        for user in ("=1", "'=1", "@u", "plain", "by hand"):
            assert other.services.library.user_ratings(user) == library.user_ratings(user)
        assert sorted(b"".join(other.services.exports.export("movies")).splitlines()) == sorted(
            movies.encode().splitlines()
        )


def test_a_table_of_somebody_else_keeps_its_apostrophes(runtime: Runtime) -> None:
    bring(runtime.services.imports, ratings_csv="user,movie,rating\n'=1,m,4\n")
    assert runtime.services.library.user_ratings("'=1")
