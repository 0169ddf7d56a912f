"""Is there enough? What one can trust with this many ratings, and what would help most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.data.arrays import Int64
from engine.words import counted

Level = Literal["yes", "partly", "no"]
ENOUGH_OF_MOVIE = 5
"""Ratings from which people's taste says more of a movie than its genres and year."""
FEW_PEOPLE, MANY_PEOPLE = 10, 300
"""People with held-out ratings: below the first there are no intervals, from the second on small differences show."""
HELD_OUT_FROM = 5
"""Ratings of a person from which at least one is held out: the last fifth."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether there is enough for one purpose.

    Attributes:
        purpose: what for.
        level: the answer.
        text: the numbers behind it, in a sentence.
        helps: what to add; empty if there is enough.
    """

    purpose: str
    level: Level
    text: str
    helps: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the judgement is based on.

    Attributes:
        user_counts: int64[n], ratings of each person who has any.
        movie_counts: int64[m], ratings of each movie of the catalogue, with zeros.
        dated: number of ratings with a time.
        described: number of movies with genres and a year.
        personal_from: ratings from which a list is entirely personal.
        precision: half the width of the 95% interval of NDCG@10 of the active version; None without one.
    """

    user_counts: Int64
    movie_counts: Int64
    dated: int
    described: int
    personal_from: int
    precision: float | None


def judge(found: Evidence) -> tuple[Finding, ...]:
    """Whether there is enough for each purpose, in order of importance; nothing for no ratings."""
    if not found.user_counts.sum():
        return ()
    return (_lists(found), _movies(found), _comparisons(found), _times(found), _descriptions(found))


def most_helpful(findings: tuple[Finding, ...]) -> str:
    """What would help most: for the most important purpose among those with the least; empty if all have enough."""
    for level in ("no", "partly"):
        for one in findings:
            if one.level == level:
                return one.helps
    return ""


def _level(share: float, partly: float, yes: float) -> Level:
    return "yes" if share >= yes else "partly" if share >= partly else "no"


def _lists(found: Evidence) -> Finding:
    enough, people = int((found.user_counts >= found.personal_from).sum()), len(found.user_counts)
    missing = int((found.personal_from - found.user_counts).clip(0).sum())
    level = _level(enough / people, 0.4, 0.8)
    return Finding(
        "Personal lists",
        level,
        f"{enough:,} of {counted(people, 'person', 'people')} ({enough / people:.0%}) have {found.personal_from} "
        "ratings or more, from which a list is entirely personal.",
        ""
        if level == "yes"
        else f"Ask the {people - enough:,} people with fewer than {found.personal_from} ratings for more: "
        f"{missing:,} in all would make every list personal. The interview asks for those that reveal most.",
    )


def _movies(found: Evidence) -> Finding:
    enough, movies = int((found.movie_counts >= ENOUGH_OF_MOVIE).sum()), max(len(found.movie_counts), 1)
    held = found.movie_counts[found.movie_counts >= ENOUGH_OF_MOVIE].sum() / max(found.movie_counts.sum(), 1)
    level = _level(enough / movies, 0.2, 0.5)
    return Finding(
        "Movies beyond the popular ones",
        level,
        f"{enough:,} of {counted(movies, 'movie')} ({enough / movies:.0%}) have {ENOUGH_OF_MOVIE} ratings or more and "
        f"hold {held:.0%} of all ratings. The others are judged mostly by genres and year.",
        "" if level == "yes" else _more_ratings_of(movies - enough, len(found.user_counts)),
    )


def _more_ratings_of(movies: int, people: int) -> str:
    """What gives these movies enough ratings: no movie has more of them than there are people."""
    if people < ENOUGH_OF_MOVIE:
        return (
            f"Add people: a movie needs {ENOUGH_OF_MOVIE} ratings, each by somebody else, and there "
            f"{'is 1 person' if people == 1 else f'are {people} people'}."
        )
    return (
        f"Collect ratings of the {movies:,} movies that have fewer than {ENOUGH_OF_MOVIE}, or leave movies that "
        "nobody can watch out of the catalogue."
    )


def _comparisons(found: Evidence) -> Finding:
    people = int((found.user_counts >= HELD_OUT_FROM).sum())
    level: Level = "yes" if people >= MANY_PEOPLE else "partly" if people >= FEW_PEOPLE else "no"
    known = (
        f" NDCG@10 of the active version is known to within {found.precision:.3f}; versions are compared on the same "
        "people, so somewhat smaller differences can show."
        if found.precision is not None
        else ""
    )
    return Finding(
        "Telling two versions apart",
        level,
        f"{counted(people, 'person has', 'people have')} ratings to hold out.{known}",
        ""
        if level == "yes"
        else f"Add people rather than ratings: with {MANY_PEOPLE} people who have {HELD_OUT_FROM} ratings or more, "
        f"small differences between versions show. There are {people}.",
    )


def _times(found: Evidence) -> Finding:
    share = found.dated / int(found.user_counts.sum())
    level = _level(share, 0.5, 0.95)
    return Finding(
        "What people want next",
        level,
        f"{share:.0%} of the ratings have a time. Versions are measured on each person's last ratings, and newer "
        "ratings can count more.",
        "" if level == "yes" else "Import ratings with the times at which they were given.",
    )


def _descriptions(found: Evidence) -> Finding:
    movies = max(len(found.movie_counts), 1)
    share = found.described / movies
    level = _level(share, 0.5, 0.9)
    return Finding(
        "Movies that nobody has rated",
        level,
        f"{share:.0%} of the movies have genres and a year, by which a new movie is placed.",
        "" if level == "yes" else "Import a table of movies with their genres and years.",
    )
