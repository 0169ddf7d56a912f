"""Rows of files as ratings and movies; rows that can't be used are rejected with their line and a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from engine.data.cells import unguarded
from engine.data.columns import Role, normal
from engine.data.formats.base import Layout
from engine.data.identifiers import composed, id_problem
from engine.data.matching import ALIAS, SITES, Film, link_ids
from engine.data.notations import NOT_RATED, Notation, read_rating
from engine.data.plan import ImportOptions
from engine.data.rejections import Rejections
from engine.data.rows import Part
from engine.data.staging import Block, Ids, Staged
from engine.data.times import Form, read_times
from engine.data.titles import clean_title, read_genres, read_year

SEPARATOR = "\x1f"
ABOUT: tuple[Role, ...] = ("title", "year", "genres", *SITES)  # type: ignore[assignment]
NO_TEXT = ("null", "\\n", "nan", "none")


@dataclass
class Scanned:
    """What was found in the files.

    Attributes:
        staged: the ratings, with codes of users and movies.
        users: ids by code.
        films: movies by code, with what the files say of them.
        described: movies of files of movies, which come in even if nobody rated them.
        rejections, unrated, times_unknown: rows that give no rating, or no time.
        notations: ratings that are no plain numbers, with examples; ``out_of`` is what fractions are of.
    """

    staged: Staged
    users: Ids = field(default_factory=Ids)
    movies: Ids = field(default_factory=Ids)
    films: list[Film] = field(default_factory=list)
    described: list[Film] = field(default_factory=list)
    rejections: Rejections = field(default_factory=Rejections)
    unrated: int = 0
    times_unknown: int = 0
    times_unreadable: int = 0
    notations: dict[Notation, dict[str, float]] = field(default_factory=dict)
    out_of: float | None = None


@dataclass(frozen=True)
class Progress:
    """A part that was read: its rows, and the share of the file that is done."""

    rows: int
    done: float


@dataclass
class Cells:
    """How the cells of a file of ratings are read.

    Attributes:
        layout: the file.
        form: how its times are written.
        options: of the import.
        latest: maximum Unix time of a rating.
    """

    layout: Layout
    form: Form | None
    options: ImportOptions
    latest: int
    notations: dict[Notation, dict[str, float]] = field(default_factory=dict)
    _read: dict[str, float] = field(default_factory=dict)
    _out_of: float | None = None

    @property
    def has_own_ids(self) -> bool:
        """Whether movies go by ids of the file rather than by titles or numbers on a site."""
        source = self.layout.source
        return "movie" in self.layout.columns and not self.layout.has_titles and not (source.personal and source.site)

    def ratings_of(self, part: Part) -> NDArray[np.float64]:
        """float64[n]: as ``ratings``; without a column of ratings each row is a preference."""
        place = self.layout.columns.get("rating")
        return np.ones(len(part.lines)) if place is None else self.ratings(part.column(place))

    @cached_property
    def are_numbers(self) -> bool:
        """Whether most ratings of the file's first rows are plain numbers, so that words are mistakes."""
        cells = self.layout.table.cells(self.layout.columns["rating"])
        read = [found.notation for cell in cells if (found := read_rating(cell, ",")) is not None]
        return read.count("number") > len(read) / 2

    def ratings(self, column: pa.ChunkedArray) -> NDArray[np.float64]:
        """float64[n]: ratings of texts; infinity where there is none, NaN where the text can't be read."""
        places, texts = distinct(column)
        return np.array([self._rating(text) for text in texts], np.float64)[places]

    def _rating(self, text: str) -> float:
        known = self._read.get(text)
        if known is None:
            self._read[text] = known = self._parse(text)
        return known

    def _parse(self, text: str) -> float:
        if text.casefold() in NOT_RATED:
            return np.inf
        found = read_rating(text, self.options.decimal or ",")
        if found is None or (found.notation in ("words", "letters") and self.are_numbers):
            return np.nan
        value = found.value
        if found.out_of:
            self._out_of = self._out_of or found.out_of
            value *= self._out_of / found.out_of
        if value in self.layout.source.unrated:
            return np.inf
        if self.options.preferences:
            return self._preference(value)
        if found.notation != "number":
            self.notations.setdefault(found.notation, {})[text] = value
        return value

    def _preference(self, value: float) -> float:
        if self.layout.counts:
            return 1.0 if value > 0 else np.inf if value == 0 else np.nan
        liked_from = self.layout.source.liked_from
        return value if liked_from is None else float(value >= liked_from)

    @property
    def out_of(self) -> float | None:
        """What ratings such as 4/5 are out of."""
        return self._out_of


def distinct(column: pa.ChunkedArray, *, guarded: bool = False) -> tuple[NDArray[np.int32], list[str]]:
    """int32[n] and m texts: the place of each text, without blanks around and in NFC, among the distinct ones."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = [composed(text.strip()) for text in encoded.dictionary.to_pylist()]
    texts = [unguarded(text) for text in texts] if guarded else texts
    places = encoded.indices.to_numpy().astype(np.int32)
    plain = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    if len(plain) == len(texts):
        return places, texts
    return np.array([plain[text] for text in texts], np.int32)[places], list(plain)


def read_ratings(cells: Cells, file: int, found: Scanned) -> Iterator[Progress]:
    """Read a file of ratings into ``found``, part by part."""
    layout = cells.layout
    used = sorted(set(layout.columns.values()))
    whole = [place for role, place in layout.columns.items() if role not in ("title", "genres")]
    for part in layout.table.read(used, whole, found.rejections):
        if len(part.lines):
            _add(cells, file, part, found)
        yield Progress(len(part.lines), part.done)
    for notation, texts in cells.notations.items():
        found.notations.setdefault(notation, {}).update(texts)
    found.out_of = found.out_of or cells.out_of


def _add(cells: Cells, file: int, part: Part, found: Scanned) -> None:
    layout, name = cells.layout, cells.layout.table.name
    ratings = cells.ratings_of(part)
    users, user_ids = _users(cells, part)
    movies, films = _movies(cells, part)
    left = np.ones(len(ratings), bool)

    def reject(code: str, rows: NDArray[np.bool_], examples: Sequence[str] = ()) -> None:
        found.rejections.add_many(code, name, part.lines[rows & left], examples)
        left[rows] = False

    reject("kind", _other_kinds(layout, part))
    unrated = np.isinf(ratings) & left
    found.unrated += int(unrated.sum())
    left[unrated] = False
    for codes, ids, noun in ((users, user_ids, "user"), (movies, [_identity(film) for film in films], "movie")):
        faults = np.array([0 if not id_problem(one, noun) else 1 if not one else 2 for one in ids], np.int8)[codes]
        reject(f"{noun}_missing", faults == 1)
        reject(f"{noun}_invalid", faults == 2)
    wrong = np.isnan(ratings)
    if wrong.any():
        texts = pc.utf8_trim_whitespace(part.column(layout.columns["rating"])).filter(pa.array(wrong & left))
        reject("rating_unreadable", wrong, pc.unique(texts)[:3].to_pylist())
    rows = np.flatnonzero(left)
    times = np.full(len(ratings), -1, np.int64)
    if "time" in layout.columns:
        times, unreadable = read_times(part.column(layout.columns["time"]), cells.form, cells.latest)
        found.times_unreadable += int(unreadable[rows].sum())
    found.times_unknown += int((times[rows] < 0).sum())
    found.staged.add(
        Block(
            _codes(users[rows], user_ids, found.users.codes),
            _codes(movies[rows], films, lambda some: _film_codes(some, cells, found)),
            ratings[rows].astype(np.float32),
            times[rows],
            part.lines[rows].astype(np.uint32),
            np.full(len(rows), file, np.uint16),
        )
    )


def _users(cells: Cells, part: Part) -> tuple[NDArray[np.int32], list[str]]:
    if "user" in cells.layout.columns:
        return distinct(part.column(cells.layout.columns["user"]), guarded=cells.layout.is_guarded)
    return np.zeros(len(part.lines), np.int32), [composed(cells.options.user_id or "")]


def _other_kinds(layout: Layout, part: Part) -> NDArray[np.bool_]:
    if "kind" not in layout.columns or not layout.source.kinds:
        return np.zeros(len(part.lines), bool)
    places, kinds = distinct(part.column(layout.columns["kind"]))
    return np.array([normal(kind) not in layout.source.kinds for kind in kinds], bool)[places]


def _movies(cells: Cells, part: Part) -> tuple[NDArray[np.int32], list[Film]]:
    """Each row's movie among the distinct ones: by its id, or by all that the file says of it."""
    layout = cells.layout
    if not cells.has_own_ids:
        return _by_description(layout, part)
    places, ids = distinct(part.column(layout.columns["movie"]), guarded=layout.is_guarded)
    described = any(role in layout.columns for role in ABOUT)
    if not described and not layout.source.site:
        return places, [Film(one) for one in ids]
    first = np.unique(places, return_index=True)[1] if len(places) else places
    rows = part.table.take(pa.array(first))
    films = _films(layout, Part(rows, part.lines[first], part.done))
    for film, one in zip(films, ids, strict=True):
        film.own_id = one
    return places, films


def _by_description(layout: Layout, part: Part) -> tuple[NDArray[np.int32], list[Film]]:
    roles = [role for role in ("movie", *ABOUT) if role in layout.columns]
    joined = pc.binary_join_element_wise(
        *(pc.utf8_trim_whitespace(part.column(layout.columns[role])) for role in roles),
        SEPARATOR,
    )
    encoded = joined.combine_chunks().dictionary_encode()
    rows = [text.split(SEPARATOR) for text in encoded.dictionary.to_pylist()]
    table = pa.table({role: [row[place] for row in rows] for place, role in enumerate(roles)})
    films = [_film(layout, cells) for cells in table.to_pylist()]
    for film in films:
        film.own_id = ""
    return encoded.indices.to_numpy().astype(np.int32), films


def _films(layout: Layout, part: Part) -> list[Film]:
    columns = {role: part.column(place).to_pylist() for role, place in layout.columns.items()}
    return [_film(layout, dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _film(layout: Layout, cells: dict[str, str]) -> Film:
    """A movie from the cells of a row, by role."""
    if layout.is_guarded:
        cells = {role: unguarded(text) for role, text in cells.items()}
    own = composed(cells.get("movie", "").strip())
    named = cells.get("title", own if layout.has_titles else "")
    title = composed(named.strip())
    title, year = (title, None) if layout.is_exported else clean_title(title)
    if title.casefold() in NO_TEXT and not layout.is_exported:
        title = ""
    links = link_ids(**{site: cells.get(site, "") for site in SITES})
    if layout.source.site and layout.source.site not in links:
        links |= link_ids(**{layout.source.site: own})
    if alias := composed(cells.get("alias", "").strip()):
        links[ALIAS] = alias
    named_genres = cells.get("genres", "")
    genres = tuple(filter(None, named_genres.split("|"))) if layout.is_exported else read_genres(named_genres)
    return Film(own, title, read_year(cells.get("year", "")) or year, genres, links)


def _identity(film: Film) -> str:
    return film.own_id or film.new_id


def _codes(
    places: NDArray[np.int32], values: list[Any], codes_of: Callable[[list[Any]], NDArray[np.int32]]
) -> NDArray[np.int32]:
    """int32[n]: the codes of rows, where only values that a row has get one."""
    used = np.unique(places)
    table = np.full(len(values), -1, np.int32)
    table[used] = codes_of([values[place] for place in used])
    return table[places]


def _film_codes(films: Sequence[Film], cells: Cells, found: Scanned) -> NDArray[np.int32]:
    """Codes of films; what later rows say completes what earlier ones said."""
    sign = "=" if cells.has_own_ids else "~"
    before = len(found.movies)
    codes = found.movies.codes([sign + _identity(film) for film in films])
    for film, code in zip(films, codes.tolist(), strict=True):
        if code >= before and code >= len(found.films):
            found.films.append(film)
        else:
            found.films[code].fill(film)
    return codes


def films_of(layout: Layout, rejections: Rejections, check: Callable[[], None]) -> list[Film]:
    """The movies of a file of movies or links; of an id that comes twice the last row counts."""
    used = sorted(set(layout.columns.values()))
    whole = [place for role, place in layout.columns.items() if role not in ("title", "genres")]
    found: dict[str, Film] = {}
    for part in layout.table.read(used, whole, rejections):
        check()
        for film, line in zip(_films(layout, part), part.lines.tolist(), strict=True):
            identity = film.own_id or next((f"{site}:{value}" for site, value in film.links.items()), "")
            if problem := id_problem(identity, "movie id"):
                code = "movie_missing" if problem.endswith("empty.") else "movie_invalid"
                rejections.add(code, layout.table.name, line)
            else:
                found[identity] = film
    return list(found.values())
