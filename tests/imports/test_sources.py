"""Sources of ratings of movies: a file as each exports it, and what is stored of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.imports.bench import Bench, Case
from tests.imports.data import (
    FILMS,
    FIVES,
    HALVES,
    TENS,
    Row,
    day,
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
CASES = [*MOVIELENS, *PERSONAL]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_source(bench: Bench, case: Case) -> None:
    case.check(bench)


def test_links_are_stored(bench: Bench) -> None:
    bench.bring({"ratings.csv": SMALL, "movies.csv": MOVIES_CSV, "links.csv": LINKS_CSV})
    assert bench.movies()["1258"].links == {"imdb": "0081505", "tmdb": "694"}
