"""Options, questions, answers and refusals of imports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.data.plan import ImportOptions
from engine.errors import Conflict, InvalidInput, UnknownJob
from tests.imports.bench import SUGGESTION, Bench, Case, assert_same
from tests.imports.data import (
    no_time,
    number,
    plain,
    records,
    rows,
    table,
    title,
    wanted,
)
from tests.imports.test_sources import IMDB, RATED
from tests.imports.test_stores import FEW_STARS, MOVIELENS, STARTER, TEN, halved

# -- the order: options, questions, answers ----------------------------------------------------------------------------


def test_a_dry_run_makes_the_plan_and_writes_nothing(bench: Bench) -> None:
    done = bench.bring(MOVIELENS, dry_run=True)
    assert (done.job.state, done.job.result, bench.stored(), bench.service.batches()) == ("succeeded", None, {}, [])
    plan = done.plan
    assert (plan.ratings, plan.users.new, plan.movies.new, plan.unrated) == (10, 3, 10, 0)
    assert {file.name: file.role for file in plan.files} == {
        "ratings.csv": "ratings", "movies.csv": "movies", "links.csv": "links"
    }  # fmt: skip
    assert (plan.scale.origin, plan.scale.found) == ("source", [0.5, 5.0])
    assert (plan.dates.form, plan.dates.first, plan.dates.unreadable) == ("seconds", "2020-01-02", 0)


def test_a_waiting_import_writes_nothing_and_blocks_no_other(bench: Bench) -> None:
    waiting = bench.bring({"r.csv": plain(TEN)})
    assert (waiting.job.state, waiting.codes, bench.stored()) == ("waiting", ["scale"], {})
    assert bench.bring(MOVIELENS).job.state == "succeeded"
    bench.service.answer(waiting.job.job_id, {"scale": [1, 10]})
    assert bench._going_on(waiting.job.job_id, list(waiting.asked)).state == "succeeded"
    assert_same(
        bench.stored(),
        STARTER | {pair: (halved(cell[0]), cell[1]) for pair, cell in wanted(TEN).items() if pair not in STARTER},
    )


def test_a_waiting_import_can_be_cancelled(bench: Bench) -> None:
    waiting = bench.bring({"r.csv": plain(TEN)}).job.job_id
    bench.service.cancel_job(waiting)
    job = bench._going_on(waiting, bench.service.job(waiting).questions or [])
    assert (job.state, job.error, bench.stored()) == ("cancelled", "Nothing of it was kept.", {})
    assert list((bench.folder / "imports").iterdir()) == []
    with pytest.raises(Conflict, match="does not wait"):
        bench.service.answer(waiting, {"scale": [1, 10]})


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"dates": "dmy"}, "There is no question 'dates'. Waiting for: scale."),
        ({"scale": None}, "'scale' is missing"),
        ({"scale": [10, 1]}, "'scale' is not valid"),
        ({"scale": "ten"}, "'scale' is not valid"),
    ],
)
def test_answers_that_do_not_fit_are_refused(bench: Bench, answers: dict[str, Any], told: str) -> None:
    waiting = bench.bring({"r.csv": plain(TEN)}).job.job_id
    with pytest.raises(InvalidInput) as refused:
        bench.service.answer(waiting, answers)
    assert told in str(refused.value)
    assert bench.service.job(waiting).state == "waiting"
    with pytest.raises(UnknownJob):
        bench.service.answer(99, answers)


def test_several_questions_may_be_answered_one_by_one(bench: Bench) -> None:
    text = table(
        ("Title", "Rating", "Date"),
        [(one.film.title, number(one.rating), f"0{n % 9 + 1}/03/2020") for n, one in enumerate(TEN)],
    )
    done = bench.bring({"mine.csv": text}, {"user": "me", "dates": "mdy", "scale": SUGGESTION})
    assert sorted(done.codes) == ["dates", "scale", "user"]
    assert {key[1]: rating for key, (rating, _) in bench.stored(titles=True).items()} == {
        title(o.film): o.rating for o in TEN
    }


def test_suggestions_can_be_taken_without_waiting(bench: Bench) -> None:
    done = bench.bring({"r.csv": plain(TEN, ("person", "film", "points"))}, on_question="suggestion")
    assert (done.job.state, done.codes, bench.scale.current.ends) == ("succeeded", [], (1, 10))
    assert_same(bench.stored(), wanted(TEN, time=no_time))
    unnamed = bench.bring({"r.csv": table(("Title", "Rating"), [("Heat", 3)])}, on_question="suggestion")
    assert (unnamed.job.state, "question about user" in str(unnamed.job.error)) == ("failed", True)


def test_questions_can_be_refused(bench: Bench) -> None:
    odd = table(("qa", "qb", "qc", "qd"), [(one.film.ml, number(one.rating), one.user, "x") for one in rows()])
    Case("", {"r.csv": odd}, options={"on_question": "refuse"}, error=("qa, qb, qc, qd", "columns")).check(bench)


def test_columns_are_declared_by_name_or_number(benches: Callable[[], Bench]) -> None:
    odd = {
        "r.csv": table(
            ("q1", "q2", "q3", "q4"), [(one.time, one.film.ml, number(one.rating), one.user) for one in rows()]
        )
    }
    for columns in (
        {"user": "q4", "movie": "q2", "rating": "q3", "time": "q1"},
        {"user": 3, "movie": 1, "rating": 2, "time": 0},
    ):
        bench = benches()
        assert bench.bring(odd, columns=columns).codes == []
        assert_same(bench.stored(), STARTER)
    bench = benches()
    assert bench.bring(odd, {"columns": {"user": "q4", "movie": "q2", "rating": "q3", "time": "q1"}}).codes == [
        "columns"
    ]
    assert_same(bench.stored(), STARTER)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"source": "netscape"}, "source"),
        ({"encoding": "klingon"}, "encoding"),
        ({"encoding": "rot13"}, "encoding"),
        ({"scale": [1]}, "scale"),
        ({"scale": [1, 5, 10]}, "scale"),
        ({"scale": [5, 1]}, "scale"),
        ({"scale": [1, float("inf")]}, "scale"),
        ({"columns": {}}, "columns"),
        ({"columns": {"user": -1}}, "columns"),
        ({"columns": {"user": 0, "movie": 0}}, "columns"),
        ({"columns": {"colour": 0}}, "columns"),
        ({"dates": "ydm"}, "dates"),
        ({"decimal": ";"}, "decimal"),
        ({"delimiter": ""}, "delimiter"),
        ({"header": "yes"}, "header"),
        ({"user_id": " "}, "user_id"),
        ({"user_id": "a\nb"}, "user_id"),
        ({"user_id": "x" * 201}, "user_id"),
        ({"catalogue": "other"}, "catalogue"),
        ({"on_question": "guess"}, "on_question"),
    ],
)
def test_malformed_options_are_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        ImportOptions(**options)


# -- what has no ratings -----------------------------------------------------------------------------------------------

PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 50
REFUSED = [
    Case("plays", {"a.csv": "userID\tartistID\tweight\n2\t51\t13883\n2\t52\t11690\n"}, error=("plays",)),
    Case("hours", {"steam.csv": "user_id,game,hours\n1,Portal,12.5\n2,Portal,3\n"}, error=("hours",)),
    Case(
        "events",
        {"events.csv": "timestamp,visitorid,event,itemid\n1,7,view,3\n2,7,addtocart,3\n3,8,view,4\n"},
        error=("events",),
    ),
    Case(
        "a viewing history",
        {"NetflixViewingHistory.csv": 'Title,Date\n"Heat","1/2/20"\n"Alien","3/4/20"\n'},
        error=("viewing history",),
    ),
    Case(
        "films that were watched",
        {"watched.csv": "Date,Name,Year,Letterboxd URI\n2020-01-01,Heat,1995,https://boxd.it/2a\n"},
        error=("without ratings",),
    ),
    Case("averages", {"title.ratings.tsv": "tconst\taverageRating\tnumVotes\ntt0113277\t8.3\t7\n"}, error=("average",)),
    Case("a web page", {"ratings.csv": "<!DOCTYPE html><html><body>Sign in</body></html>"}, error=("web page",)),
    Case("a document", {"ratings.pdf": b"%PDF-1.7\n..."}, error=("PDF",)),
    Case("a picture", {"ratings.png": PICTURE}, error=("picture",)),
    Case("a database", {"r.db": b"SQLite format 3\0" + b"\1" * 100}, error=("SQLite",)),
    Case("a pickle", {"r.pkl": b"\x80\x04\x95rest"}, error=("pickle",)),
    Case("rar", {"r.rar": b"Rar!\x1a\x07\0rest"}, error=("RAR",)),
    Case("nothing", {"ratings.csv": b""}, error=("empty",)),
    Case("a header alone", {"ratings.csv": "user,movie,rating\n"}, error=("no rows",)),
    Case("a letter", {"letter.txt": "Dear Ann,\nhow are you?\nBest, Bob\n"}, error=("No ratings were found",)),
    Case("an empty workbook", {"a.xlsx": b"PK\x03\x04 broken"}, error=("workbook",)),
    Case("nothing rated", {"r.csv": "user,movie,rating\nann,1,\nbob,2,n/a\n"}, error=("rated", "2 rows")),
    Case(
        "nothing readable",
        {"r.csv": "user,movie,rating\n" + "ann,1,nine\n" * 40},
        error=("None of 40 rows", "not a number"),
    ),
    Case(
        "columns that are not there",
        {"r.csv": plain(rows())},
        options={"columns": {"user": "who", "movie": "what", "rating": "how"}},
        error=("user_id, movie_id, rating, timestamp",),
    ),
    Case(
        "two scales",
        {"u.data": plain(FEW_STARS, None, delimiter="\t"), "imdb.csv": records(IMDB, RATED)},
        options={"user_id": "me"},
        error=("different scales",),
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=str)
def test_what_has_no_ratings_is_refused_with_what_it_is(bench: Bench, case: Case) -> None:
    case.check(bench)


def test_an_import_without_a_file_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidInput, match="There is no file"):
        bench.service.import_files([])


def test_a_list_of_titles_and_dates_that_may_hold_ratings_is_asked_for_its_columns(bench: Bench) -> None:
    films = ("Heat", "Alien", "Brazil", "Ran", "Tampopo", "Stalker")
    lines = [f"anna;{film};{number % 10 + 1};2024-01-0{number + 1}" for number, film in enumerate(films)]
    content = "\n".join(["wer;filmtitel;Sternchen;datum", *lines])
    done = bench.bring({"my.csv": content})
    assert done.codes == ["columns"]
    bench.service.answer(done.job.job_id, {"columns": {"user": 0, "title": 1, "rating": 2, "time": 3}})
    assert "titles and dates" not in str(bench.settled(done.job.job_id).error)


def test_an_empty_store_takes_the_scale_of_the_ratings(bench: Bench) -> None:
    (question,) = bench.bring({"r.csv": plain(TEN)}).job.questions or []
    assert "This store has no ratings yet and takes their scale." in question.text
    assert {choice.consequence for choice in question.choices} == {"Ratings stay as they are."}


def test_a_plan_counts_ratings_outside_the_scale(bench: Bench) -> None:
    content = plain(TEN) + "zoe,999,11,\n"
    done = bench.bring({"r.csv": content}, scale=[1, 10], dry_run=True)
    (outside,) = [one for one in done.plan.rejected if one.code == "rating_outside"]
    assert (outside.rows, outside.examples) == (1, ["11"])
    assert done.plan.ratings == len(TEN)
