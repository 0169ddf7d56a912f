"""What a source of files is, and what a recogniser says of a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from engine.data.columns import Role, normal
from engine.data.scale import RatingScale
from engine.data.tables import Table

FileRole = Literal["ratings", "movies", "links", "ignored"]

STARS = RatingScale(1.0, 5.0, 1.0)
HALF_STARS = RatingScale(0.5, 5.0, 0.5)
TEN = RatingScale(1.0, 10.0, 1.0)
FILMS = frozenset(
    normal(kind)
    for kind in (
        "", "movie", "film", "feature film", "feature", "tv movie", "tvMovie", "tv film", "short", "short film",
        "tv short", "video", "tv special", "documentary",
    )
)  # fmt: skip
"""Kinds of title that are movies; series, episodes, seasons and games are not."""


@dataclass(frozen=True)
class Source:
    """Where files come from.

    Attributes:
        name: as in the option ``source``.
        label: as people call it.
        scale: of its ratings; None where it has no fixed one.
        unrated: values that mean that there is no rating.
        personal: whether its files hold the ratings of one person, who is not named in the rows.
        kinds: kinds of title that are kept; empty keeps all.
        site: whose ids its movies have in their own column, such as ``imdb``; '' where they are its own.
        liked_from: the lowest of its ratings that is a liking, where they are thumbs.
    """

    name: str
    label: str
    scale: RatingScale | None = None
    unrated: frozenset[float] = frozenset()
    personal: bool = False
    kinds: frozenset[str] = frozenset()
    site: str = ""
    liked_from: float | None = None


@dataclass(frozen=True)
class Layout:
    """How a table is read.

    Attributes:
        source: where it comes from.
        role: what it holds.
        table: its rows, rearranged where the source needs it.
        columns: position of the column of each role.
        why: a sentence on what the file is, where it is ignored.
        owner: whose export it is, as far as the files say.
        has_titles: whether the column ``movie`` holds titles rather than ids.
        is_exported: whether Marquee wrote the file, so that its texts are as stored.
        refuses: whether the file is of a kind that has no ratings, so that nothing can come of it.
        is_done: whether it says what people did, such as plays, which may count as preferences.
        counts: whether the column ``rating`` counts plays or hours; above 0 they are a preference.
    """

    source: Source
    role: FileRole
    table: Table
    columns: Mapping[Role, int] = field(default_factory=dict)
    why: str = ""
    owner: str = ""
    has_titles: bool = False
    is_exported: bool = False
    refuses: bool = False
    is_done: bool = False
    counts: bool = False

    @property
    def is_guarded(self) -> bool:
        """Whether Marquee put apostrophes before formulas, as it does in text but not in Parquet."""
        return self.is_exported and self.table.delimiter is not None


@dataclass(frozen=True)
class Head:
    """What a recogniser sees of a table: its names and first rows, and what else is brought.

    Attributes:
        table: the table.
        files: names of all files, with their folders, in lower case.
    """

    table: Table
    files: Collection[str]

    @property
    def path(self) -> PurePosixPath:
        """The file's name with its folders, in lower case."""
        return PurePosixPath((self.table.file.name if self.table.file else self.table.name).lower())

    @property
    def name(self) -> str:
        """The file's name, in lower case."""
        return self.path.name

    @property
    def names(self) -> list[str]:
        """The header's names as ``columns.normal`` gives them."""
        return [normal(name) for name in self.table.names]

    def has(self, *names: str) -> bool:
        """Whether the header has all these names, as ``normal`` gives them."""
        return set(names) <= set(self.names)

    def beside(self, name: str) -> bool:
        """Whether a file of that name is brought too."""
        return any(PurePosixPath(file).name == name for file in self.files)

    def columns(self, **names: str | Sequence[str]) -> dict[Role, int]:
        """Positions of columns by role, each the first of its names that the header has; absent ones are left out."""
        found: dict[Role, int] = {}
        plain = self.names
        for role, choices in names.items():
            for name in (choices,) if isinstance(choices, str) else choices:
                if name in plain:
                    found[role] = plain.index(name)  # type: ignore[index]
                    break
        return found

    def ignored(self, source: Source, why: str, *, refuses: bool = False, is_done: bool = False) -> Layout:
        """The file is of no use, for this reason."""
        return Layout(source, "ignored", self.table, why=why, refuses=refuses or is_done, is_done=is_done)

    def ratings(self, source: Source, **names: str | Sequence[str]) -> Layout:
        """The file holds ratings, under these names."""
        columns = self.columns(**names)
        if "rating" not in columns:
            return self.ignored(source, f"It is from {source.label}, without a column of ratings.", refuses=True)
        return Layout(source, "ratings", self.table, columns)

    def movies(self, source: Source, **names: str | Sequence[str]) -> Layout:
        """The file describes movies, under these names."""
        return Layout(source, "movies", self.table, self.columns(**names))


def numbers(cells: Sequence[str]) -> list[float]:
    """The numbers among cells."""
    found = []
    for cell in cells:
        try:
            found.append(float(cell.replace(",", ".")))
        except ValueError:
            continue
    return found


def owned(layout: Layout, owner: str) -> Layout:
    """The same, with the owner that the files name."""
    return replace(layout, owner=owner)


@dataclass(frozen=True)
class Unclear:
    """A table whose columns have to be asked for; ``suggestion`` is empty where nothing is plausible."""

    table: Table
    suggestion: Mapping[Role, int] = field(default_factory=dict)
