"""Sources of ratings of books, anime and others, and tables: a file of each, and what is stored of it."""

from __future__ import annotations

import pytest

from engine.data.formats import SOURCES
from tests.imports.bench import Bench, Case, Stored
from tests.imports.data import (
    FILMS,
    FIVES,
    START,
    crowd,
    json_lines,
    moment,
    no_time,
    number,
    plain,
    records,
    rows,
    table,
    title,
    wanted,
)
from tests.imports.test_sources import CASES as MOVIE_CASES
from tests.imports.test_sources import ME, MINE, STARS, by

# -- books, anime, Netflix, shops, jokes -------------------------------------------------------------------------------

GOODREADS = records(
    "Book Id,Title,Author,ISBN,My Rating,Average Rating,Year Published,Original Publication Year,Date Read,Date Added,"
    "Bookshelves,Exclusive Shelf",
    [
        {
            "Book Id": 100 + place,
            "Title": f"Book {place} of many",
            "ISBN": f'="03756{place:05}"',
            "My Rating": place % 6,
            "Average Rating": 3.9,
            "Year Published": 2004,
            "Original Publication Year": 1990 + place,
            "Date Read": "2020/10/25",
            "Date Added": "2020/10/21",
            "Exclusive Shelf": "read",
        }
        for place in range(12)
    ],
)
STORYGRAPH = records(
    "Title,Authors,ISBN/UID,Read Status,Date Added,Last Date Read,Read Count,Star Rating,Review",
    [
        {"Title": f"Book {place} of many", "Read Status": "read", "Last Date Read": "2020/10/25", "Star Rating": rating}
        for place, rating in enumerate(("4.25", "0.25", "5.0", "3.5", ""))
    ],
)
READ_AT = 1_603_584_000  # 2020-10-25
MAL = (
    "<?xml version='1.0' encoding='UTF-8' ?><myanimelist><myinfo><user_name>mia</user_name></myinfo>"
    + "".join(
        f"<anime><series_animedb_id>{place}</series_animedb_id><series_title><![CDATA[Anime & {place}]]></series_title>"
        f"<my_score>{place % 11}</my_score><my_finish_date>2020-10-25</my_finish_date></anime>"
        for place in range(1, 13)
    )
    + "</myanimelist>"
)
NETFLIX = (
    "Profile Name,Title Name,Rating Type,Star Value,Thumbs Value,Device Model,Event Utc Ts,Region View Date\n"
    "Mia,Heat,{0},{1},TV,2016-02-03 04:05:06,\nMia,Alien,{0},{2},TV,2016-02-03 04:05:06,\n"
)
PRIZE = "".join(
    f"{film.ml}:\n" + "".join(f"{10 + n},{FIVES[(n + place) % 5]:g},2005-09-{n + 1:02}\n" for n in range(3))
    for place, film in enumerate(FILMS[:4])
)
PRIZED: Stored = {
    (str(10 + n), film.ml): (FIVES[(n + place) % 5], 1_125_532_800 + n * 86_400)
    for place, film in enumerate(FILMS[:4])
    for n in range(3)
}
JOKES = table(
    None, [[3, *(f"{(place + line) % 19 - 9}.5" if place < 3 else "99" for place in range(100))] for line in range(4)]
)
OTHERS = [
    Case(
        "goodreads",
        {"goodreads_library_export.csv": GOODREADS},
        {("me", f"Book {place} of many"): (float(place % 6), READ_AT) for place in range(12) if place % 6},
        options=ME,
        titles=True,
        movies={"Book 1 of many": ("Book 1 of many", 1991)},
        result={"unrated": 2},
        source="Goodreads",
    ),
    Case(
        "goodreads interactions",
        {"goodreads_interactions.csv": "user_id,book_id,is_read,rating\n0,948,1,5\n0,949,1,0\n1,948,1,2\n"},
        {("0", "948"): (5.0, None), ("1", "948"): (2.0, None)},
        result={"unrated": 1},
        source="Goodreads interactions",
    ),
    Case(
        "storygraph",
        {"export.csv": STORYGRAPH},
        {("me", f"Book {place} of many"): (rating, READ_AT) for place, rating in enumerate((4.25, 0.25, 5.0, 3.5))},
        options=ME,
        titles=True,
        result={"unrated": 1},
        source="StoryGraph",
    ),
    Case(
        "book-crossing",
        {
            "BX-Book-Ratings.csv": '"User-ID";"ISBN";"Book-Rating"\r\n"7";"034545104X";"0"\r\n"8";"034545104X";"9"\r\n',
            "BX-Books.csv": '"ISBN";"Book-Title";"Year-Of-Publication"\r\n"034545104X";"Für alle";"1999"\r\n'.encode(
                "cp1252"
            ),
            "BX-Users.csv": '"User-ID";"Location";"Age"\r\n"7";"nyc, usa";NULL\r\n',
        },
        {("8", "034545104X"): (9.0, None)},
        movies={"034545104X": ("Für alle", 1999)},
        result={"unrated": 1},
        source="Book-Crossing",
    ),
    Case(
        "myanimelist",
        {"animelist.xml": MAL},
        {("mia", f"Anime & {place}"): (float(place % 11), READ_AT) for place in range(1, 13) if place % 11},
        answers={"user": "mia"},
        titles=True,
        result={"unrated": 1},
        source="MyAnimeList",
    ),
    Case(
        "anime tables",
        {
            "rating.csv": "user_id,anime_id,rating\n1,20,-1\n1,24,10\n2,20,3\n",
            "anime.csv": "anime_id,name,genre\n20,Naruto,Action\n",
        },
        {("1", "24"): (10.0, None), ("2", "20"): (3.0, None)},
        movies={"20": ("Naruto", None, ("Action",))},
        result={"unrated": 1},
        source="MyAnimeList tables",
    ),
    Case(
        "netflix prize",
        {
            "combined_data_1.txt": PRIZE,
            "movie_titles.csv": b"1,1995,Toy Story\n260,1977,War\n1193,1975,Nest\n912,NULL,Casablanca, the caf\xe9\n",
        },
        PRIZED,
        movies={"912": ("Casablanca, the café", None), "1": ("Toy Story", 1995)},
        source="Netflix Prize",
    ),
    Case(
        "netflix account with stars",
        {"Ratings.csv": NETFLIX.format("star", "4,", "1,")},
        {("Mia", "Heat"): (4.0, 1_454_472_306), ("Mia", "Alien"): (1.0, 1_454_472_306)},
        titles=True,
        source="Netflix account",
    ),
    Case(
        "netflix account with thumbs",
        {"Ratings.csv": NETFLIX.format("thumb", "0,2", "0,1")},
        {("Mia", "Heat"): (2.0, 1_454_472_306), ("Mia", "Alien"): (1.0, 1_454_472_306)},
        titles=True,
        source="Netflix thumbs",
    ),
    Case(
        "amazon of 2018",
        {
            "reviews.json": json_lines(
                by(
                    STARS,
                    reviewerID=lambda one: one.user,
                    asin=lambda one: one.film.ml,
                    overall=lambda one: one.rating,
                    unixReviewTime=lambda one: one.time,
                    summary="Five stars",
                    title="Not a title",
                )
            )
        },
        wanted(STARS),
        source="Amazon reviews",
    ),
    Case(
        "amazon of 2023",
        {
            "Movies_and_TV.csv": table(
                ("user_id", "parent_asin", "rating", "timestamp"),
                [(one.user, one.film.ml, one.rating, one.time * 1000) for one in STARS],
            ),
            "meta.jsonl": json_lines(
                {"parent_asin": film.ml, "title": film.title, "categories": ["DVD"]} for film in FILMS
            ),
        },
        wanted(STARS),
        movies={"1258": ("The Shining", None, ("DVD",))},
        source="Amazon reviews",
    ),
    Case(
        "yelp",
        {
            "review.json": json_lines(
                by(
                    STARS,
                    review_id="x",
                    user_id=lambda one: one.user,
                    business_id=lambda one: one.film.ml,
                    stars=lambda one: one.rating,
                    text="Good.\nVery good.",
                    date=lambda one: moment(one.time, "%Y-%m-%d %H:%M:%S"),
                )
            ),
            "business.json": json_lines(
                [{"business_id": "1", "name": "Toys", "categories": "Shops, Toys", "stars": 4.5}]
            ),
        },
        wanted(STARS),
        movies={"1": ("Toys", None, ("Shops", "Toys"))},
        source="Yelp",
    ),
    Case(
        "jester",
        {"jester-data-1.csv": JOKES},
        None,
        result={"ratings_added": 12, "users_added": 4, "unrated": 388},
        source="Jester",
    ),
]

# -- tables ------------------------------------------------------------------------------------------------------------

CROWD = crowd(25)
TABLES = [
    Case("a table of half stars", {"mine.csv": plain(rows())}, wanted(rows()), source="Table"),
    Case("a table of whole stars by many people", {"mine.csv": plain(CROWD)}, wanted(CROWD), source="Table"),
    Case(
        "a list of one's own",
        {"mine.csv": table(("Title", "Year", "My rating"), [(r.film.title, r.film.year, r.rating) for r in MINE])},
        wanted(MINE, title, time=no_time),
        answers={"user": "me"},
        titles=True,
        source="List of one's own",
    ),
    Case(
        "users down and movies across",
        {
            "wide.csv": table(
                ("user", *(one.film.title for one in rows(9))),
                [
                    (user, *(number(one.rating) if one.user == user else "" for one in rows(9)))
                    for user in ("ann", "bob", "cid")
                ],
            )
        },
        wanted(rows(9), title, time=no_time),
        titles=True,
        source="Table with a column for each movie or person",
    ),
    Case(
        "movies down and users across",
        {
            "wide.csv": table(
                ("Film", "Year", "ann", "bob", "cid"),
                [
                    (
                        one.film.title,
                        one.film.year,
                        *(number(one.rating) if one.user == user else "" for user in ("ann", "bob", "cid")),
                    )
                    for one in rows(9)
                ],
            )
        },
        wanted(rows(9), title, time=no_time),
        titles=True,
    ),
    Case(
        "marquee's export",
        {
            "ratings.csv": table(
                ("user_id", "movie_id", "rating", "timestamp", "title", "year"),
                [("'=1+1", "'-m", 4.5, moment(START), "'@title", 1999), ("-5", "7", 2.0, "", "The Shining, The", "")],
            ),
            "movies.csv": "movie_id,title,year,genres,imdb_id,tmdb_id\n8,Unseen (2000),2001,War,0123456,\n",
        },
        {("=1+1", "-m"): (4.5, START), ("-5", "7"): (2.0, None)},
        answers={"scale": [0.5, 5]},
        movies={"-m": ("@title", 1999), "7": ("The Shining, The", None), "8": ("Unseen (2000)", 2001, ("War",))},
        source="Marquee",
    ),
]
CASES = [*OTHERS, *TABLES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_source(bench: Bench, case: Case) -> None:
    case.check(bench)


def test_every_source_with_ratings_has_a_case() -> None:
    named = {case.source for case in [*CASES, *MOVIE_CASES] if case.source}
    assert {source.label for source in SOURCES.values()} - named == {"The Movies Dataset", "Plays or histories"}


@pytest.mark.parametrize(("old", "new"), [("Title,", "Tite,"), ("Title,", ",")])
def test_a_known_source_that_names_no_movie_is_asked_for_columns(bench: Bench, old: str, new: str) -> None:
    assert STORYGRAPH.startswith(old)
    done = bench.bring({"export.csv": STORYGRAPH.replace(old, new, 1)}, user_id=ME["user_id"])
    assert done.codes == ["columns"]
    assert bench.stored() == {}
