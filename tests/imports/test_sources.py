"""Each known source: a file as it exports it, and what is stored of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.data.formats import SOURCES
from tests.imports.bench import Bench, Case, Stored
from tests.imports.data import (
    FILMS,
    FIVES,
    HALVES,
    START,
    TENS,
    Row,
    crowd,
    day,
    json_lines,
    midnight,
    moment,
    no_time,
    number,
    plain,
    records,
    rows,
    table,
    title,
    wanted,
    zipped,
)

ME = {"user_id": "me"}
STARS, TEN = rows(10, values=FIVES), rows(10, values=TENS)
MINE, MY_TEN = rows(10, ("me",), HALVES), rows(10, ("me",), TENS)


def by(some: list[Row], **names: Any) -> list[dict[str, Any]]:
    """A dict for each row: constants, and functions of the row."""
    return [{name: value(one) if callable(value) else value for name, value in names.items()} for one in some]


# -- MovieLens ---------------------------------------------------------------------------------------------------------

U_DATA = plain(STARS, None, delimiter="\t")
U_ITEM = "".join(
    f"{film.ml}|{film.filed} ({film.year})|01-Jan-1995||http://example.org|"
    f"{'|'.join(str(int(place in (5, 8))) for place in range(19))}\n"
    for film in FILMS
)
COLONS = "".join(f"{one.user}::{one.film.ml}::{number(one.rating)}::{one.time}\n" for one in STARS)
HALF_COLONS = "".join(f"{one.user}::{one.film.ml}::{one.rating}::{one.time}\n" for one in rows())
MOVIES_DAT = "".join(f"{film.ml}::{film.ml_title}::{'|'.join(film.genres)}\n" for film in FILMS)
SMALL = plain(rows(), ("userId", "movieId", "rating", "timestamp"))
MOVIES_CSV = table(("movieId", "title", "genres"), [(f.ml, f.ml_title, "|".join(f.genres)) for f in FILMS])
LINKS_CSV = table(("movieId", "imdbId", "tmdbId"), [(f.ml, f.tt.removeprefix("tt"), f.tmdb) for f in FILMS])
SHINING = {"1258": ("The Shining", 1980, ("Horror",))}
ORG = records(
    "movie_id,imdb_id,tmdb_id,rating,average_rating,title",
    by(
        MINE,
        movie_id=lambda one: one.film.ml,
        imdb_id=lambda one: one.film.tt.removeprefix("tt"),
        tmdb_id=lambda one: one.film.tmdb,
        rating=lambda one: one.rating,
        average_rating=3.9,
        title=lambda one: one.film.ml_title,
    ),
)
TWEETS = "".join(f"{one.user}::{one.film.tt[2:]}::{number(one.rating)}::{one.time}\n" for one in TEN)
TWEETED = "".join(f"{film.tt[2:]}::{film.title} ({film.year})::{'|'.join(film.genres)}\n" for film in FILMS)
METADATA = records(
    "adult,genres,id,imdb_id,original_title,overview,release_date,title,vote_average",
    [
        {
            "genres": "[{'id': 18, 'name': 'Drama'}, {'id': 37, 'name': 'Western'}]",
            "id": film.tmdb,
            "imdb_id": film.tt,
            "overview": "Two lines,\nand a comma.",
            "release_date": f"{film.year}-10-30",
            "title": film.title,
        }
        for film in FILMS
    ],
)

MOVIELENS = [
    Case(
        "100k",
        {
            "ml-100k.zip": zipped(
                {"ml-100k/u.data": U_DATA, "ml-100k/u.item": U_ITEM.encode("cp1252"), "u.user": "1|2|M"}
            )
        },
        wanted(STARS),
        movies={"1258": ("The Shining", 1980, ("Comedy", "Drama"))},
        source="MovieLens 100K",
    ),
    Case("100k split", {"u1.base": U_DATA}, wanted(STARS), source="MovieLens 100K"),
    Case("100k split beside the whole", {"u.data": U_DATA, "u1.base": U_DATA[:40]}, wanted(STARS)),
    Case(
        "1m",
        {"ratings.dat": COLONS, "movies.dat": MOVIES_DAT, "users.dat": "1::F::1::10::48067\n"},
        wanted(STARS),
        movies=SHINING,
        source="MovieLens 1M",
    ),
    Case(
        "10m",
        {"ratings.dat": HALF_COLONS, "movies.dat": MOVIES_DAT, "tags.dat": "1::2::dull::3\n"},
        wanted(rows()),
        movies=SHINING,
        source="MovieLens",
    ),
    Case(
        "latest",
        {"ml-latest.zip": zipped({"ml/ratings.csv": SMALL, "ml/movies.csv": MOVIES_CSV, "ml/links.csv": LINKS_CSV})},
        wanted(rows()),
        movies=SHINING,
        result={"ratings_added": 10, "users_added": 3, "movies_added": 10, "times_unknown": 0},
        source="MovieLens",
    ),
    Case(
        "movielens.org", {"movielens-ratings.csv": ORG}, wanted(MINE, time=no_time), options=ME, source="movielens.org"
    ),
    Case(
        "movietweetings",
        {"ratings.dat": TWEETS, "movies.dat": TWEETED},
        wanted(TEN, lambda film: film.tt[2:]),
        movies={"0081505": ("The Shining", 1980, ("Horror",))},
        source="MovieTweetings",
    ),
    Case(
        "kaggle",
        {
            "archive.zip": zipped(
                {
                    "ratings.csv": SMALL,
                    "ratings_small.csv": SMALL.replace("ann", "dan"),
                    "movies_metadata.csv": METADATA,
                    "links.csv": LINKS_CSV,
                    "keywords.csv": "id,keywords\n862,[]\n",
                }
            )
        },
        wanted(rows()),
        movies={"1258": ("The Shining", 1980, ("Drama", "Western"))},
    ),
]

# -- Letterboxd, IMDb, Trakt, TMDB, Simkl ------------------------------------------------------------------------------

BOXD = "Date,Name,Year,Letterboxd URI,Rating"
UNRATED = {"Date": "2020-01-01", "Name": "Heat", "Year": 1995, "Letterboxd URI": "https://boxd.it/2a", "Rating": ""}
ENTRIES = by(
    MINE,
    **{
        "Date": lambda one: day(one.time),
        "Name": lambda one: one.film.title,
        "Year": lambda one: one.film.year,
        "Letterboxd URI": lambda one: f"https://boxd.it/{one.film.tmdb}",
        "Rating": lambda one: number(one.rating),
    },
)
DIARY = records(f"{BOXD},Rewatch,Tags,Watched Date", [one | {"Watched Date": one["Date"]} for one in ENTRIES])
PROFILE = "Date Joined,Username,Given Name,Favorite Films\n2019-01-01,me,Mia,\n"
BOXD_ZIP = {
    "profile.csv": PROFILE,
    "ratings.csv": records(BOXD, ENTRIES),
    "diary.csv": DIARY.replace(",4,", ",1,"),
    "watched.csv": "Date,Name,Year,Letterboxd URI\n2020-01-01,Heat,1995,https://boxd.it/2a\n",
    "deleted/diary.csv": DIARY.replace("Casablanca", "Gigli"),
    "orphaned/diary.csv": DIARY.replace("Casablanca", "Cats"),
    "lists/best.csv": "Letterboxd list export v7\nDate,Name,Tags,URL,Description\n2020-01-01,Best,,https://boxd.it/b,\n",
    "likes/films.csv": "Date,Name,Year,Letterboxd URI\n2020-01-01,Heat,1995,https://boxd.it/2a\n",
}
DATED = wanted(MINE, title, time=midnight)

IMDB = "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres"
RATED = by(
    MY_TEN,
    **{
        "Const": lambda one: one.film.tt,
        "Your Rating": lambda one: number(one.rating),
        "Date Rated": lambda one: day(one.time),
        "Title": lambda one: one.film.title,
        "Title Type": "Movie",
        "IMDb Rating": 8.1,
        "Runtime (mins)": 120,
        "Year": lambda one: one.film.year,
        "Genres": lambda one: ", ".join(one.film.genres),
    },
)
EPISODE = RATED[0] | {"Const": "tt0583452", "Title": "Pilot", "Title Type": "TV Episode"}
IMDB_2012 = records(
    "position,const,created,modified,description,Title,Title type,Directors,You rated,IMDb Rating,Year,Genres",
    by(
        MY_TEN,
        **{
            "const": lambda one: one.film.tt,
            "created": lambda one: moment(one.time, "%a %b %d 00:00:00 %Y"),
            "Title": lambda one: one.film.title,
            "Title type": "Feature Film",
            "You rated": lambda one: number(one.rating),
            "IMDb Rating": 7.9,
            "Year": lambda one: one.film.year,
        },
    ),
)
TEN_DATED = wanted(MY_TEN, title, time=midnight)

TRAKT = "rated_at,type,title,year,trakt_rating,trakt_id,imdb_id,tmdb_id,genres,rating"
TRAKT_CSV = records(
    TRAKT,
    by(
        MY_TEN,
        rated_at=lambda one: moment(one.time, "%Y-%m-%dT%H:%M:%S.000Z"),
        type="movie",
        title=lambda one: one.film.title,
        year=lambda one: one.film.year,
        trakt_rating=8.2,
        trakt_id=lambda one: f"9{one.film.tmdb}",
        imdb_id=lambda one: one.film.tt,
        tmdb_id=lambda one: one.film.tmdb,
        rating=lambda one: number(one.rating),
    ),
)
TRAKT_JSON = [
    {
        "rated_at": moment(one.time, "%Y-%m-%dT%H:%M:%S.000Z"),
        "rating": int(one.rating),
        "type": "movie",
        "movie": {
            "title": one.film.title,
            "year": one.film.year,
            "ids": {"trakt": int(f"9{one.film.tmdb}"), "slug": "x", "imdb": one.film.tt, "tmdb": int(one.film.tmdb)},
        },
    }
    for one in MY_TEN
]
WATCHED = [{"plays": 2, "last_watched_at": "2020-01-01T00:00:00.000Z", "movie": one["movie"]} for one in TRAKT_JSON]
TMDB = records(
    "TMDb ID,IMDb ID,Type,Name,Release Date,Season Number,Episode Number,Rating,Your Rating,Date Rated",
    by(
        MY_TEN,
        **{
            "TMDb ID": lambda one: one.film.tmdb,
            "IMDb ID": lambda one: one.film.tt,
            "Type": "movie",
            "Name": lambda one: one.film.title,
            "Release Date": lambda one: f"{one.film.year}-05-04T00:00:00Z",
            "Rating": 7.2,
            "Your Rating": lambda one: one.rating,
            "Date Rated": lambda one: moment(one.time),
        },
    ),
)
SIMKL = records(
    "SIMKL_ID,Title,Type,Year,Watchlist,LastEpWatched,WatchedDate,Rating,Memo,TVDB,TMDB,IMDB",
    by(
        MY_TEN,
        SIMKL_ID=lambda one: f"5{one.film.tmdb}",
        Title=lambda one: one.film.title,
        Type="movie",
        Year=lambda one: one.film.year,
        WatchedDate=lambda one: day(one.time),
        Rating=lambda one: number(one.rating),
        TMDB=lambda one: one.film.tmdb,
        IMDB=lambda one: one.film.tt,
    ),
)
PERSONAL = [
    Case(
        "letterboxd",
        {"ratings.csv": records(BOXD, [*ENTRIES, UNRATED])},
        DATED,
        options=ME,
        titles=True,
        movies={"Toy Story": ("Toy Story", 1995)},
        result={"unrated": 1, "ratings_added": 10},
        source="Letterboxd",
    ),
    Case("letterboxd's diary alone", {"diary.csv": DIARY}, DATED, options=ME, titles=True, source="Letterboxd"),
    Case(
        "letterboxd's zip",
        {"letterboxd-mia.zip": zipped(BOXD_ZIP)},
        DATED,
        answers={"user": "me"},
        titles=True,
        source="Letterboxd",
    ),
    Case(
        "imdb",
        {"ratings.csv": records(IMDB, [*RATED, EPISODE])},
        TEN_DATED,
        options=ME,
        titles=True,
        movies={"tt0081505": ("The Shining", 1980, ("Horror",))},
        result={"rows_rejected": 1},
        source="IMDb",
    ),
    Case(
        "imdb of 2018",
        {"r.csv": records(IMDB.replace("Original Title,", ""), RATED)},
        TEN_DATED,
        options=ME,
        titles=True,
    ),
    Case("imdb of 2012", {"ratings.csv": IMDB_2012}, TEN_DATED, options=ME, titles=True, source="IMDb"),
    Case(
        "a list at imdb",
        {"best.csv": records(f"Position,Created,Modified,{IMDB}", [*RATED, {"Const": "tt0113277", "Title": "Heat"}])},
        TEN_DATED,
        options=ME,
        titles=True,
        result={"unrated": 1},
    ),
    Case("trakt", {"ratings.csv": TRAKT_CSV}, wanted(MY_TEN, title), options=ME, titles=True, source="Trakt"),
    Case(
        "trakt's zip",
        {
            "trakt.zip": zipped(
                {
                    "ratings-movies.json": json.dumps(TRAKT_JSON),
                    "watched-movies.json": json.dumps(WATCHED),
                    "lists-watchlist.json": "[]",
                }
            )
        },
        wanted(MY_TEN, title),
        options=ME,
        titles=True,
        source="Trakt",
    ),
    Case("tmdb", {"ratings.csv": TMDB}, wanted(MY_TEN, title), options=ME, titles=True, source="TMDB"),
    Case(
        "simkl",
        {"SimklBackup.csv": SIMKL},
        TEN_DATED,
        options=ME,
        titles=True,
        movies={"The Shining": ("The Shining", 1980)},
        source="Simkl",
    ),
]

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
        source="Table with a column for each movie or user",
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
CASES = [*MOVIELENS, *PERSONAL, *OTHERS, *TABLES]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_source(bench: Bench, case: Case) -> None:
    case.check(bench)


def test_links_are_stored(bench: Bench) -> None:
    bench.bring({"ratings.csv": SMALL, "movies.csv": MOVIES_CSV, "links.csv": LINKS_CSV})
    assert bench.movies()["1258"].links == {"imdb": "0081505", "tmdb": "694"}


def test_every_source_with_ratings_has_a_case() -> None:
    named = {case.source for case in CASES if case.source}
    assert {source.label for source in SOURCES.values()} - named == {"The Movies Dataset", "Plays or histories"}
