"""Which movie of the catalogue a movie in a file is: by id, by its number on another site, by title and year."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from rapidfuzz import fuzz, process

from engine.data.titles import is_placeholder, title_id, title_keys

SITES = ("imdb", "tmdb", "trakt", "letterboxd")
ALIAS = "id"
"""Site of a movie's ids in other catalogues of the owner."""
MIN_LIKENESS = 88
"""Likeness of two titles, 0 to 100, from which they are shown as a pair to confirm."""
MAX_UNSURE = 200
OTHER_SHARE = 0.3
"""Share of known ids with other titles from which it is asked whether they are the same movies."""


@dataclass
class Film:
    """A movie as a file describes it; ``own_id`` is empty where the file has none."""

    own_id: str = ""
    title: str = ""
    year: int | None = None
    genres: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)

    @property
    def new_id(self) -> str:
        """The id it gets if it is new: its own, that at IMDb, another site's, or its title with the year."""
        if self.own_id:
            return self.own_id
        if "imdb" in self.links:
            return f"tt{self.links['imdb']}"
        site = next((site for site in ("tmdb", "trakt") if site in self.links), None)
        return f"{site}:{self.links[site]}" if site else title_id(self.title, self.year)

    def fill(self, other: Film) -> None:
        """Take over what this one lacks."""
        self.title, self.year = self.title or other.title, self.year or other.year
        self.genres, self.links = self.genres or other.genres, other.links | self.links


@dataclass(frozen=True)
class KnownMovie:
    """A movie of the store."""

    key: int
    movie_id: str
    title: str
    year: int | None


@dataclass(frozen=True)
class Known:
    """The movies and users of the store.

    Attributes:
        movies: all movies, by key.
        links: site to id to key.
        raters: ids of the users with ratings.
        users: ids of all users.
    """

    movies: Sequence[KnownMovie] = ()
    links: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    raters: frozenset[str] = frozenset()

    @cached_property
    def by_id(self) -> dict[str, KnownMovie]:
        """Movies by id, also by ids in other catalogues."""
        found = {movie.movie_id: movie for movie in self.movies}
        by_key = {movie.key: movie for movie in self.movies}
        return {one: by_key[key] for one, key in self.links.get(ALIAS, {}).items() if key in by_key} | found

    @cached_property
    def _links_of(self) -> dict[int, dict[str, str]]:
        found: dict[int, dict[str, str]] = defaultdict(dict)
        for site, ids in self.links.items():
            for one, key in ids.items():
                found[key][site] = one
        return found

    def contradicts(self, key: int, links: Mapping[str, str]) -> bool:
        """Whether a movie is known to be another one by its number on a site."""
        own = self._links_of.get(key, {})
        return any(own.get(site, value) != value for site, value in links.items() if site != "letterboxd")

    @cached_property
    def by_key(self) -> dict[int, KnownMovie]:
        """Movies by key."""
        return {movie.key: movie for movie in self.movies}

    @cached_property
    def by_title(self) -> dict[str, list[KnownMovie]]:
        """Movies by each normalised form of their title."""
        found: dict[str, list[KnownMovie]] = defaultdict(list)
        for movie in self.movies:
            if movie.title:
                for key in title_keys(movie.title):
                    found[key].append(movie)
        return found


def find(film: Film, known: Known) -> KnownMovie | None:
    """The movie that a film is by its number on a site, or by title and year within one; None if it is none of them."""
    for site in SITES:
        if site in film.links and (key := known.links.get(site, {}).get(film.links[site])) in known.by_key:
            return known.by_key[key]
    return _by_title(film, known)


def _by_title(film: Film, known: Known) -> KnownMovie | None:
    """The movie with the same title, if it is the only one of about the same year."""
    for key in title_keys(film.title) if film.title else ():
        same = known.by_title.get(key, ())
        if film.year is None:
            near = {movie.key: movie for movie in same} if len({movie.key for movie in same}) == 1 else {}
        else:
            near = {movie.key: movie for movie in same if movie.year is None or abs(movie.year - film.year) <= 1}
            exact = {key: movie for key, movie in near.items() if movie.year == film.year}
            near = exact or near
        near = {key: movie for key, movie in near.items() if not known.contradicts(key, film.links)}
        if len(near) == 1:
            return next(iter(near.values()))
    return None


def unsure(films: Iterable[Film], known: Known) -> dict[str, KnownMovie]:
    """Movies that films may be under another spelling, by the new id that the film would get.

    Titles are alike, years within one, and their numbers the same, as part 2 is not part 3.
    """
    by_year: dict[int, dict[str, KnownMovie]] = defaultdict(dict)
    for movie in known.movies:
        if movie.year is not None and movie.title:
            by_year[movie.year][title_keys(movie.title)[0]] = movie
    found: dict[str, KnownMovie] = {}
    for film in films:
        if film.year is None or not film.title or len(found) >= MAX_UNSURE:
            continue
        near = {
            key: movie for year in (film.year - 1, film.year, film.year + 1) for key, movie in by_year[year].items()
        }
        own = title_keys(film.title)[0]
        best = process.extractOne(own, list(near), scorer=fuzz.ratio, score_cutoff=MIN_LIKENESS)
        if best is not None and re.findall(r"\d+", own) == re.findall(r"\d+", best[0]):
            found[film.new_id] = near[best[0]]
    return found


def others(films: Iterable[Film], known: Known) -> tuple[int, int, list[tuple[str, str, str]]]:
    """How many known ids come with a title, how many of these with another one, and some of them.

    Returns:
        The two numbers, and triples of id, stored title and the file's.
    """
    compared, different, some = 0, 0, []
    for film in films:
        movie = known.by_id.get(film.own_id)
        if (
            movie is None
            or not movie.title
            or not film.title
            or (film.year is None and is_placeholder(film.title, film.own_id))
        ):
            continue
        compared += 1
        if not same_title(film.title, movie.title):
            different += 1
            some.append((film.own_id, title_id(movie.title, movie.year), title_id(film.title, film.year)))
    return compared, different, some[:5]


def same_title(one: str, other: str) -> bool:
    """Whether two titles name the same movie, give or take spelling."""
    keys = title_keys(one), title_keys(other)
    return bool(set(keys[0]) & set(keys[1])) or fuzz.token_set_ratio(keys[0][0], keys[1][0]) >= 85


def link_ids(imdb: str = "", tmdb: str = "", trakt: str = "", letterboxd: str = "") -> dict[str, str]:
    """A movie's ids on other sites, as stored: IMDb's without ``tt`` and with at least seven digits."""
    digits = re.sub(r"^tt|\.0$", "", imdb.strip())
    found = {"imdb": digits.zfill(7) if digits.isdigit() and int(digits) else ""}
    for site, value in (("tmdb", tmdb), ("trakt", trakt)):
        number = value.strip().removesuffix(".0")
        found[site] = number if number.isdigit() and int(number) else ""
    found["letterboxd"] = letterboxd.strip() if "://" in letterboxd else ""
    return {site: value for site, value in found.items() if value}
