"""Scales, catalogues and repeated imports: what is asked, and what becomes of what is stored already."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.data.plan import ImportOptions
from engine.errors import Conflict, InvalidInput, UnknownImport, UnknownJob
from tests.imports.bench import SUGGESTION, Bench, Case, assert_same
from tests.imports.data import (
    FILMS,
    HALVES,
    START,
    TENS,
    crowd,
    no_time,
    number,
    plain,
    records,
    rows,
    table,
    title,
    wanted,
)
from tests.imports.test_sources import BOXD, IMDB, LINKS_CSV, MOVIES_CSV, RATED, SMALL

TEN = rows(10, values=TENS)
FEW_STARS = rows(10, values=(1, 4, 2, 5, 3))
MOVIELENS = {"ratings.csv": SMALL, "movies.csv": MOVIES_CSV, "links.csv": LINKS_CSV}
STARTER = wanted(rows())
HUNDRED = tuple(value * 10 for value in TENS)


def halved(value: float) -> float:
    """1 to 10 on half stars: low to low, and high to high."""
    return 0.5 + (value - 1) / 9 * 4.5


# -- the scale of an empty store ---------------------------------------------------------------------------------------

WRITTEN: dict[str, tuple[tuple[str, ...], list[float], list[float]]] = {
    "percent": (("20%", "80%", "55 %", "100%"), [0, 100], [20, 80, 55, 100]),
    "fractions": (("1/5", "4/5", "2.5/5", "5/5"), [0.5, 5], [1, 4, 2.5, 5]),
    "fractions of ten": (("1/10", "8/10", "5/10", "10/10"), [0, 10], [1, 8, 5, 10]),
    "stars as signs": (("★", "★★★★", "★★½", "★★★★★"), [0.5, 5], [1, 4, 2.5, 5]),
    "thumbs": (("like", "dislike", "Like", "👍"), [0, 1], [1, 0, 1, 1]),
    "letters": (("D", "B+", "C-", "A"), [0, 4.3], [1, 3.3, 1.7, 4]),
}
ASKS = [
    Case("out of ten", {"r.csv": plain(TEN)}, wanted(TEN), answers={"scale": [1, 10]}),
    Case("a few whole stars", {"r.csv": plain(FEW_STARS)}, wanted(FEW_STARS), answers={"scale": [1, 5]}),
    Case("a few whole stars, from ten", {"r.csv": plain(FEW_STARS)}, wanted(FEW_STARS), answers={"scale": [1, 10]}),
    Case(
        "0 to 100",
        {"r.csv": plain(rows(10, values=HUNDRED))},
        wanted(rows(10, values=HUNDRED)),
        answers={"scale": [0, 100]},
    ),
    Case("declared", {"r.csv": plain(TEN)}, wanted(TEN), options={"scale": [1, 10]}),
    Case(
        "declared, with ratings outside",
        {"r.csv": plain(TEN)},
        {pair: cell for pair, cell in wanted(TEN).items() if cell[0] <= 5},
        options={"scale": [1, 5]},
        result={"rows_rejected": 5},
    ),
    Case(
        "a known source with ratings beyond its scale",
        {"ratings.csv": plain(TEN, ("userId", "movieId", "rating", "timestamp"))},
        wanted(TEN),
        answers={"scale": [1, 10]},
    ),
    *(
        Case(
            name,
            {"r.csv": table(("user", "movie", "rating"), [(f"u{n}", "m", text) for n, text in enumerate(texts)])},
            {(f"u{n}", "m"): (float(value), None) for n, value in enumerate(values)},
            answers={"scale": SUGGESTION},
        )
        for name, (texts, _, values) in WRITTEN.items()
    ),
]


@pytest.mark.parametrize("case", ASKS, ids=str)
def test_an_empty_store_takes_a_scale_that_is_certain_or_asked_for(bench: Bench, case: Case) -> None:
    done = case.check(bench)
    assert done.plan.scale is not None
    assert tuple(done.plan.scale.found) == bench.scale.current.ends
    wanted_scale = (
        WRITTEN[case.name][1] if case.name in WRITTEN else case.options.get("scale", case.answers.get("scale"))
    )
    assert done.plan.scale.found == wanted_scale


@pytest.mark.parametrize(
    ("files", "ends", "step"),
    [
        ({"r.csv": plain(rows())}, (0.5, 5), 0.5),
        ({"r.csv": plain(crowd(25))}, (1, 5), 1),
        ({"u.data": plain(FEW_STARS, None, delimiter="\t")}, (1, 5), 1),
        ({"ratings.csv": plain(rows(3), ("userId", "movieId", "rating", "timestamp"))}, (0.5, 5), 0.5),
    ],
    ids=["half stars", "stars of many people", "a known source", "part of a known scale"],
)
def test_a_certain_scale_is_taken_without_a_question(
    bench: Bench, files: dict[str, str], ends: tuple[float, float], step: float
) -> None:
    assert bench.bring(files).codes == []
    assert (bench.scale.current.ends, bench.scale.current.step) == (ends, step)


def test_a_question_about_the_scale_shows_what_becomes_of_ratings(bench: Bench) -> None:
    bench.bring(MOVIELENS)
    done = bench.bring({"r.csv": plain(TEN)})
    (question,) = done.asked
    assert (question.code, question.suggestion) == ("scale", [1, 10])
    assert "10 becomes 5" in question.choices[0].consequence
    assert "1 to 10" in question.choices[0].label


# -- into a store that has one -----------------------------------------------------------------------------------------

INTO_STARS = [
    ("out of ten", TENS, {"scale": [1, 10]}, halved),
    ("0 to 100", HUNDRED, {"scale": [0, 100]}, lambda value: 0.5 + value / 100 * 4.5),
    ("whole stars", (1, 4, 2, 5, 3), {"scale": [1, 5]}, lambda value: value),
    ("whole stars that are harsh", (1, 4, 2, 5, 3), {"scale": [1, 10]}, halved),
    ("half stars", HALVES, {}, lambda value: value),
    ("half stars from 0", (0, *HALVES[1:]), {"scale": [0, 5]}, lambda value: max(value, 0.5)),
]


@pytest.mark.parametrize(
    ("values", "answers", "becomes"), [one[1:] for one in INTO_STARS], ids=[n for n, *_ in INTO_STARS]
)
def test_ratings_are_mapped_to_the_stores_scale(
    bench: Bench, values: tuple[float, ...], answers: dict[str, Any], becomes: Callable[[float], float]
) -> None:
    bench.bring(MOVIELENS)
    more = rows(10, ("dan", "eve"), values)
    done = bench.bring({"mine.csv": plain(more)}, answers)
    assert (done.job.state, done.codes) == ("succeeded", list(answers))
    assert_same(bench.stored(), STARTER | wanted(more, rating=becomes))


def test_half_stars_into_a_store_of_ten(bench: Bench) -> None:
    bench.bring({"ratings.csv": records(IMDB, RATED)}, user_id="ann")
    more = rows(10, ("dan",))
    bench.bring({"ratings.csv": plain(more, ("userId", "movieId", "rating", "timestamp")), "movies.csv": MOVIES_CSV})
    found = {key[1]: value for key, value in bench.stored(titles=True).items() if key[0] == "dan"}
    assert len(bench.movies()) == 10  # found by title and year
    assert {name: rating for name, (rating, _) in found.items()} == pytest.approx(
        {one.film.title: 1 + (one.rating - 0.5) / 4.5 * 9 for one in more}, abs=1e-4
    )


# -- whose movie is it? ------------------------------------------------------------------------------------------------


def test_a_personal_export_is_matched_into_the_catalogue(bench: Bench) -> None:
    bench.bring(MOVIELENS)
    other = {"Const": "tt1375666", "Title": "Inception", "Year": 2010, "Title Type": "Movie", "Your Rating": "9"}
    done = bench.bring({"ratings.csv": records(IMDB, [*RATED, other])}, user_id="me")
    assert (done.codes, done.result["movies_matched"], done.result["movies_added"]) == ([], 10, 1)
    mine = {movie: rating for (user, movie), (rating, _) in bench.stored().items() if user == "me"}
    assert mine == pytest.approx(
        {one.film.ml: halved(one.rating) for one in rows(10, values=TENS)} | {"tt1375666": 4.5}, abs=1e-4
    )


@pytest.mark.parametrize(
    ("said", "year", "is_matched"),
    [
        ("the lord of the rings: the fellowship of the ring", 2001, True),
        ("Lord of the Rings - The Fellowship of the Ring", 2002, True),
        ("Shining", 1980, True),
        ("The Shining", 1997, False),
        ("Casablanca", "", True),
        ("One Flew over the Cuckoo’s Nest", 1975, True),
        ("Toy Story 2", 1999, False),
    ],
)
def test_titles_are_matched_whatever_their_spelling(bench: Bench, said: str, year: Any, is_matched: bool) -> None:
    bench.bring(MOVIELENS)
    entry = {"Date": "2020-01-01", "Name": said, "Year": year, "Letterboxd URI": "https://boxd.it/x", "Rating": "4"}
    done = bench.bring({"ratings.csv": records(BOXD, [entry])}, user_id="me")
    assert done.result["movies_matched"] == is_matched
    assert len(bench.movies()) == 10 + (not is_matched)


def test_a_title_that_is_only_alike_is_asked_about(benches: Callable[[], Bench]) -> None:
    entry = {
        "Date": "2020-01-01",
        "Name": "Monty Pithon and the Holly Grail",
        "Year": 1975,
        "Letterboxd URI": "https://boxd.it/x",
        "Rating": "4",
    }
    pair = {"Monty Pithon and the Holly Grail (1975)": "1136"}
    for answer, count in ((pair, 10), ({}, 11), (SUGGESTION, 11)):
        bench = benches()
        bench.bring(MOVIELENS)
        done = bench.bring({"ratings.csv": records(BOXD, [entry])}, {"matches": answer}, user_id="me")
        assert done.codes == ["matches"]
        assert done.asked[0].choices[0].value == pair
        assert len(bench.movies()) == count


OTHERS = "".join(f"{film.ml},Something else {n},Drama\n" for n, film in enumerate(FILMS))
ANOTHER = {"ratings.csv": plain(rows(10, ("ann", "zoe"))), "movies.csv": "movieId,title,genres\n" + OTHERS}


def test_another_catalogue_is_asked_about_and_kept_apart(bench: Bench) -> None:
    bench.bring(MOVIELENS)
    done = bench.bring(ANOTHER, {"catalogue": "separate"}, prefix="mine:")
    assert done.codes == ["catalogue"]
    assert "Something else" in done.asked[0].text
    assert bench.movies()["mine:1258"].title == "Something else 8"
    assert bench.movies()["1258"].title == "The Shining"
    apart = wanted(rows(10, ("ann", "zoe")), lambda film: f"mine:{film.ml}", user=lambda name: f"mine:{name}")
    assert_same(bench.stored(), STARTER | apart)


def test_the_same_ids_may_mean_the_same_movies(bench: Bench) -> None:
    bench.bring(MOVIELENS)
    done = bench.bring(ANOTHER, catalogue="same")
    assert (done.codes, len(bench.movies())) == ([], 10)
    assert bench.movies()["1258"].title == "The Shining"
    assert_same(bench.stored(), STARTER | wanted(rows(10, ("ann", "zoe"))))


def test_titles_may_come_later_and_placeholders_replace_none(bench: Bench) -> None:
    bench.bring({"ratings.csv": SMALL})
    assert {row.title for row in bench.movies().values()} == {""}
    assert bench.bring({"movies.csv": MOVIES_CSV}).job.message == "10 movies read; there was no file of ratings."
    assert bench.movies()["1258"].title == "The Shining"
    placeholders = "movieId,title,genres\n" + "".join(f"{film.ml},Movie {film.ml},\n" for film in FILMS)
    assert bench.bring({"ratings.csv": SMALL, "movies.csv": placeholders}).codes == []
    assert {row.external_id: row.title for row in bench.movies().values()} == {film.ml: film.title for film in FILMS}


def test_links_that_come_alone_are_refused(bench: Bench) -> None:
    assert bench.bring({"links.csv": LINKS_CSV}).job.state == "failed"


# -- again, newer, older, undone ---------------------------------------------------------------------------------------


def test_the_same_file_twice_changes_nothing(bench: Bench) -> None:
    bench.bring(MOVIELENS)
    done = bench.bring(MOVIELENS)
    numbers = {"ratings_added": 0, "ratings_updated": 0, "ratings_unchanged": 10, "users_added": 0, "movies_added": 0}
    assert {name: done.result[name] for name in numbers} == numbers
    assert_same(bench.stored(), STARTER)


def test_of_a_pair_the_newest_rating_counts_in_a_file_and_across_imports(bench: Bench) -> None:
    lines = [
        ("ann", "1", 4.5, 900),
        ("ann", "1", 1.5, 100),
        ("bob", "1", 2.5, 7),
        ("bob", "1", 3.5, 7),
        ("cid", "1", 2, ""),
    ]
    base = [(who, film, value, START + at if at else "") for who, film, value, at in lines]
    text = table(("user", "movie", "rating", "time"), [*base, *((f"u{n}", "1", 2.5, START) for n in range(8))])
    done = bench.bring({"a.csv": text})
    assert (done.result["ratings_added"], done.result["ratings_repeated"], done.result["rows_rejected"]) == (11, 2, 0)
    found = bench.stored()
    assert (found["ann", "1"], found["bob", "1"]) == ((4.5, START + 900), (3.5, START + 7))
    older = table(("user", "movie", "rating", "time"), [("ann", "1", 0.5, START), ("bob", "1", 5, START + 8)])
    done = bench.bring({"b.csv": older}, {"scale": [0.5, 5]})
    assert (done.result["ratings_updated"], done.result["ratings_unchanged"]) == (1, 1)
    assert (bench.stored()["ann", "1"][0], bench.stored()["bob", "1"][0]) == (4.5, 5)


def test_a_rating_without_a_time_replaces_none_by_hand(bench: Bench) -> None:
    bench.bring(MOVIELENS)
    bench.ratings.put_rating("ann", "1", 5.0, START + 10**6)
    done = bench.bring({"r.csv": plain(rows(), ("user", "movie", "rating"))})
    assert done.result["ratings_updated"] == 0
    assert bench.stored()["ann", "1"] == (5.0, START + 10**6)


def test_undo_takes_back_what_was_added_and_restores_what_was_replaced(bench: Bench) -> None:
    first = bench.bring(MOVIELENS)
    newer = [one._replace(rating=5.5 - one.rating, time=one.time + 9) for one in rows(4)] + rows(10, ("zoe",))
    second = bench.bring({"r.csv": plain(newer)})
    assert (second.result["ratings_updated"], second.result["ratings_added"]) == (4, 10)
    assert bench.undo(second.result["import_id"]).state == "succeeded"
    assert_same(bench.stored(), STARTER)
    again = bench.bring({"r.csv": plain(newer)})
    assert bench.undo(first.result["import_id"]).state == "succeeded"
    assert_same(bench.stored(), wanted(newer))
    assert bench.undo(again.result["import_id"]).state == "succeeded"
    assert (bench.stored(), bench.movies()) == ({}, {})
    assert [batch.state for batch in bench.service.batches()] == ["undone"] * 3


def test_undo_leaves_what_was_rated_by_hand_since(bench: Bench) -> None:
    done = bench.bring(MOVIELENS)
    bench.ratings.put_rating("ann", "1", 2.0, START + 10**6)
    bench.undo(done.result["import_id"])
    assert bench.stored() == {("ann", "1"): (2.0, START + 10**6)}
    assert list(bench.movies()) == ["1"]


def test_undoing_twice_or_what_is_no_import_is_refused(bench: Bench) -> None:
    done = bench.bring(MOVIELENS)
    bench.undo(done.result["import_id"])
    with pytest.raises(Conflict, match="was undone already"):
        bench.service.undo(done.result["import_id"])
    with pytest.raises(UnknownImport, match="no import 77"):
        bench.service.undo(77)


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
