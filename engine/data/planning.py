"""What an import will do: from what was scanned, what is stored, and what was answered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

import numpy as np

from engine.data import matching, questions, scales
from engine.data.file_plans import file_plans, preview
from engine.data.identifiers import without_point
from engine.data.matching import ALIAS, OTHER_SHARE, Film, Known, KnownMovie
from engine.data.notations import notation_scale
from engine.data.plan import (
    DatesPlan,
    MovieCounts,
    Plan,
    Question,
    RejectedCounts,
    ScalePlan,
    UserCounts,
)
from engine.data.reading import Scanned
from engine.data.rejections import REASONS
from engine.data.scale import PREFERENCES, RatingScale
from engine.data.scanning import Scan
from engine.data.staging import Block
from engine.data.times import day_of
from engine.data.titles import is_placeholder
from engine.errors import InvalidInput

Origin = Literal["source", "declared", "store", "seen"]
OUTSIDE = "rating_outside"
AS_PREFERENCES = "What somebody did or liked becomes 1, what they did not like 0."


@dataclass(frozen=True)
class Target:
    """The movie that a film becomes: a known one, or a new one under an id."""

    film: Film
    movie_id: str
    known: KnownMovie | None
    by_id: bool
    is_described: bool

    @property
    def title(self) -> str:
        """The title to store; empty leaves what is stored, as do titles of another movie."""
        title = self.film.title
        if self.known is None or not self.known.title:
            return title
        renamed = self.is_described and self.by_id and title and matching.same_title(title, self.known.title)
        return title if renamed else ""

    @property
    def year(self) -> int | None:
        """The year to store; None leaves what is stored."""
        return self.film.year if self.known is None or self.known.year is None or self.title else None

    @property
    def genres(self) -> tuple[str, ...]:
        """The genres to store; none leaves what is stored."""
        return self.film.genres if self.known is None or not self.known.title or self.title else ()

    @property
    def links(self) -> dict[str, str]:
        """Numbers on other sites; of a movie known otherwise also its id in the file."""
        alias = {} if self.by_id or self.known is None or not self.film.own_id else {ALIAS: self.film.own_id}
        return self.film.links | alias


class Planner:
    """Decides what becomes of users, movies and ratings.

    Args:
        scan: of the files; it has read all ratings.
        known: what is stored.
        store: scale of the store.
        is_free: whether the import may set that scale.
        check: called often; may raise to stop.
    """

    def __init__(
        self, scan: Scan, known: Known, store: RatingScale, *, is_free: bool, check: Callable[[], None]
    ) -> None:
        if scan.found is None:
            raise ValueError("The scan has not read the ratings.")
        self.scan, self.known, self.store, self.is_free = scan, known, store, is_free
        self.found: Scanned = scan.found
        self._check = check
        self._tidy()

    def _tidy(self) -> None:
        """Let 12.0 be 12 where all ids are numbers, and drop titles that say no more than an id.

        Marquee's own export is exact, but for placeholders that earlier releases stored as titles.
        """
        owned = [film for film in (*self.found.films, *self.found.described) if film.own_id]
        ids = [film.own_id for film in owned]
        for film, one in zip(owned, ids if self._is_exported else without_point(ids), strict=True):
            film.own_id = one
            exact = self._is_exported and film.title != f"Movie {one}"
            if film.year is None and is_placeholder(film.title, one) and not exact:
                film.title = ""

    @property
    def _is_exported(self) -> bool:
        """Whether Marquee wrote all the files, so that their ids are as stored."""
        return all(layout.is_exported for layout in self.scan.layouts if layout.role != "ignored")

    # -- scale ---------------------------------------------------------------------------------------------------------

    @cached_property
    def values(self) -> scales.Values:
        """The ratings in the files."""
        return scales.Values(*self.found.staged.values(), len(self.found.users))

    def scale(self) -> tuple[RatingScale, Origin] | None:
        """The scale of the ratings in the files, and where it comes from; None where it has to be asked for."""
        if not self.found.staged.rows:
            return None
        if self.scan.options.preferences:
            self._check_preferences()
            return PREFERENCES, "declared"
        declared = self.scan.options.scale
        if declared is not None:
            return RatingScale.between(*declared), "declared"
        if self.scan.manifest is not None:
            return self.scan.manifest, "source"
        sources = {layout.source.name: layout.source for layout in self.scan.of_role("ratings")}
        fixed = {source.scale for source in sources.values()}
        if len({one and one.ends for one in fixed}) > 1:
            names = " and ".join(source.label for source in sources.values())
            raise InvalidInput(f"{names} have different scales. Import them one after another.", field="files")
        own = min((one for one in fixed if one is not None), key=lambda one: one.step, default=None)
        if own is not None and self.values.lie_in(own) and not self.found.notations:
            return own, "source"
        if self.found.notations:
            return None
        if set(sources) == {"marquee"} and not self.is_free and self.values.lie_in(self.store):
            return self.store, "store"
        seen = scales.certain(self.values, self.store, is_free=self.is_free)
        return None if seen is None else (seen[0], "seen" if seen[1] == "seen" else "store")

    def _check_preferences(self) -> None:
        if not set(self.values.values.tolist()) <= {PREFERENCES.low, PREFERENCES.high}:
            raise InvalidInput(
                f"The ratings run from {self.values.low:g} to {self.values.high:g}, which says more than preferences "
                "do. Import them without the option preferences.",
                field="preferences",
            )
        if not self.is_free and self.store.ends != PREFERENCES.ends:
            raise InvalidInput(
                f"The ratings in this store run from {self.store.low:g} to {self.store.high:g}, and preferences don't "
                "mix with them. Import preferences into a store of their own.",
                field="preferences",
            )

    def target_scale(self, found: RatingScale) -> RatingScale:
        """The scale of the store once the ratings are in."""
        if not self.is_free:
            return self.store
        return found if found is self.scan.manifest else scales.step_of(self._inside(found), found)

    def _inside(self, found: RatingScale) -> scales.Values:
        inside = (self.values.values >= found.low) & (self.values.values <= found.high)
        return scales.Values(self.values.values[inside], self.values.counts[inside], self.values.users)

    # -- movies --------------------------------------------------------------------------------------------------------

    @property
    def is_personal(self) -> bool:
        """Whether the files are a personal export."""
        return any(layout.source.personal for layout in self.scan.of_role("ratings"))

    @cached_property
    def prefix(self) -> str:
        """What is put before the ids of a separate catalogue: as chosen, or one that no id begins with."""
        if self.scan.options.prefix is not None:
            return self.scan.options.prefix
        stems = (PurePosixPath(layout.table.name) for layout in self.scan.of_role("ratings"))
        name = next((stem.parent.name or stem.stem for stem in stems), "set")
        taken = tuple(self.known.by_id)
        tries = (f"{name}{number}:" for number in ("", *range(2, 1000)))
        return next(one for one in tries if not any(movie.startswith(one) for movie in taken))

    @property
    def is_separate(self) -> bool:
        """Whether the files' ids are kept apart."""
        return self.scan.options.catalogue == "separate"

    @cached_property
    def _others(self) -> tuple[int, int, list[tuple[str, str, str]]]:
        return matching.others((*self.found.described, *self.found.films), self.known)

    @cached_property
    def targets(self) -> list[Target]:
        """What the films of ratings become, by code, then those that files of movies describe."""
        described = {film.own_id for film in self.found.described if film.own_id}
        taken: dict[int, str] = {}
        films = [*self.found.films, *self.found.described]
        found = []
        for place, film in enumerate(films):
            self._check()
            is_described = place >= len(self.found.films) or film.own_id in described
            found.append(self._target(film, taken, is_described))
        return found

    def _target(self, film: Film, taken: dict[int, str], is_described: bool) -> Target:
        new_id = film.new_id
        if self.is_separate:
            new_id = self.prefix + new_id
            return Target(film, new_id, self.known.by_id.get(new_id), True, is_described)
        if (same := self.known.by_id.get(new_id)) is not None:
            return Target(film, same.movie_id, same, True, is_described)
        other = self._confirmed(film) or matching.find(film, self.known)
        if other is None or not self._may_be(film, other, taken):
            return Target(film, new_id, None, True, is_described)
        return Target(film, other.movie_id, other, False, is_described)

    def _confirmed(self, film: Film) -> KnownMovie | None:
        answered = self.matches or {}
        return self.known.by_id.get(answered.get(film.new_id, ""))

    def _may_be(self, film: Film, other: KnownMovie, taken: dict[int, str]) -> bool:
        """Whether a film with its own id may be a movie with another id: not one of another catalogue."""
        if not film.own_id or self.is_personal:
            return True
        linked = any(self.known.links.get(site, {}).get(value) == other.key for site, value in film.links.items())
        foreign = linked or not other.movie_id.isdigit()
        return foreign and taken.setdefault(other.key, film.own_id) == film.own_id

    @cached_property
    def unsure(self) -> dict[str, KnownMovie]:
        """Movies of a personal export that may be known under another spelling."""
        if not self.is_personal or self.is_separate:
            return {}
        return matching.unsure(
            [one.film for one in self.targets if one.known is None and not one.film.own_id], self.known
        )

    # -- questions and plan --------------------------------------------------------------------------------------------

    matches: dict[str, str] | None = None
    """The answer to which movies are known under another spelling; None while it is open."""

    def questions(self) -> list[Question]:
        """What has to be answered before anything is written."""
        asked = []
        if self.found.staged.rows and self.scale() is None:
            store = None if self.is_free else self.store
            asked.append(questions.scale(self.values, store, self._texts(), self._plausible()))
        compared, different, some = self._others
        if self.scan.options.catalogue is None and different and different >= OTHER_SHARE * compared:
            asked.append(questions.catalogue(different, compared, some, self.prefix))
        elif self.matches is None and self.unsure:
            asked.append(questions.matches(self.unsure))
        return asked

    def _texts(self) -> dict[str, float]:
        return {text: value for texts in self.found.notations.values() for text, value in texts.items()}

    def _plausible(self) -> RatingScale | None:
        for notation in self.found.notations:
            found = notation_scale(notation, self.found.out_of)
            if found is not None and self.values.lie_in(RatingScale(min(found.low, 0.0), found.high, found.step)):
                return found
        return None

    def reject_outside(self) -> None:
        """Set ratings outside the scale aside, with their lines."""
        decided = self.scale()
        if decided is None or self.values.lie_in(decided[0]):
            return
        low, high = decided[0].ends
        names = [layout.table.name for layout in self.scan.of_role("ratings")]
        for block in self.found.staged.blocks():
            outside = (block.rating < low) | (block.rating > high)
            for file in np.unique(block.file[outside]):
                rows = outside & (block.file == file)
                examples = [f"{value:g}" for value in np.unique(block.rating[rows])[:3]]
                self.found.rejections.add_many(OUTSIDE, names[file], block.line[rows], examples)

    def inside(self, block: Block) -> Block:
        """The rows of a block whose ratings are on the scale."""
        decided = self.scale()
        if decided is None or self.values.lie_in(decided[0]):
            return block
        low, high = decided[0].ends
        return block.take((block.rating >= low) & (block.rating <= high))

    def plan(self) -> Plan:
        """The plan as far as it is known."""
        decided = self.scale()
        rejections = [
            RejectedCounts(**{name: one[name] for name in ("code", "reason", "rows", "examples")})
            for one in self.found.rejections.summary()
        ]
        outside = 0
        if decided is not None and not self.values.lie_in(decided[0]):
            inside = self._inside(decided[0])
            outside = int(self.values.counts.sum() - inside.counts.sum())
            examples = [f"{value:g}" for value in np.setdiff1d(self.values.values, inside.values)[:3]]
            rejections = [one for one in rejections if one.code != OUTSIDE]  # those set aside already are among these
            rejections.append(RejectedCounts(code=OUTSIDE, reason=REASONS[OUTSIDE], rows=outside, examples=examples))
        users = self.user_ids()
        known = sum(one in self.known.raters for one in set(users))
        return Plan(
            files=file_plans(self.scan.reports),
            scale=None if decided is None else self._scale_plan(*decided),
            dates=self._dates_plan(),
            users=UserCounts(known=known, new=len(set(users)) - known),
            movies=self._movie_counts(),
            ratings=self.found.staged.rows - outside,
            rejected=rejections,
            unrated=self.found.unrated,
            preview=preview(self.scan),
            unsure=[
                {"movie": new, "known": movie.movie_id, "title": movie.title, "year": movie.year}
                for new, movie in self.unsure.items()
            ],
        )

    def user_ids(self) -> list[str]:
        """Ids of users by code, as they are stored."""
        ids = self.found.users.all() if self._is_exported else without_point(self.found.users.all())
        return [self.prefix + one for one in ids] if self.is_separate else ids

    def _scale_plan(self, found: RatingScale, origin: Origin) -> ScalePlan:
        store = self.target_scale(found)
        shown = scales.examples(self.values.values.tolist(), found, store)
        mapping = AS_PREFERENCES if self.scan.options.preferences else scales.describe(found, store)
        return ScalePlan(found=list(found.ends), origin=origin, mapping=mapping, examples=shown)

    def _dates_plan(self) -> DatesPlan | None:
        if not any("time" in layout.columns for layout in self.scan.of_role("ratings")):
            return None
        known = [block.time[block.time >= 0] for block in self.found.staged.blocks()]
        ends = [(int(times.min()), int(times.max())) for times in known if len(times)]
        first, last = (min(a for a, _ in ends), max(b for _, b in ends)) if ends else (None, None)
        forms = self.scan.time_forms()
        return DatesPlan(
            form=forms[0] if forms else None,
            first=None if first is None else day_of(first),
            last=None if last is None else day_of(last),
            unreadable=self.found.times_unreadable,
        )

    def _movie_counts(self) -> MovieCounts:
        by_id = {one.known.key for one in self.targets if one.known is not None and one.by_id}
        matched = {one.known.key for one in self.targets if one.known is not None and not one.by_id}
        new = {one.movie_id for one in self.targets if one.known is None}
        return MovieCounts(known=len(by_id), matched=len(matched), unsure=len(self.unsure), new=len(new))

    def matched(self) -> int:
        """How many movies of the files were there before: of a personal export all, else those not known by id."""
        counts = self._movie_counts()
        return counts.known + counts.matched if self.is_personal else counts.matched
