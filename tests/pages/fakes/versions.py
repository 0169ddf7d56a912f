"""The fake registry of versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import Any, BinaryIO

from engine.data.catalogue import Movie
from engine.errors import (
    InvalidInput,
    MarqueeError,
    VersionUnavailable,
)
from engine.evaluation.differences import MetricDifference
from engine.evaluation.verdict import Judgement
from engine.recommending.effect import ListEffect
from engine.recommending.golden import Expectation, GoldenResult
from engine.services.golden import Pinned
from engine.services.version_files import ExportedVersion
from engine.services.version_records import VersionSummary
from engine.services.versions import Comparison, ListedMovie, VersionList
from sidecar.docs import golden_people
from store.records import ActivationRecord
from tests.pages.fakes.data import DIFFERENCES, EFFECT, MOVIES, NOW, RUNS, TRICKY, version
from tests.pages.fakes.recommendations import FakeServing


@dataclass
class FakeVersions:
    serving: FakeServing
    held: list[VersionSummary] = field(
        default_factory=lambda: [
            version(2, active=True),
            version(1),
            version(0, version=3, state="damaged", metrics={}),
        ]
    )
    judgements: dict[int, Judgement] = field(default_factory=dict)
    effects: dict[int, ListEffect] = field(default_factory=lambda: {2: EFFECT})
    checked: dict[int, tuple[GoldenResult, ...]] = field(default_factory=dict)
    changes: list[tuple[int, str]] = field(default_factory=list)
    deleted: list[tuple[int, str]] = field(default_factory=list)
    compared: list[tuple[list[int], int | None]] = field(default_factory=list)
    differences: dict[str, MetricDifference] = field(default_factory=lambda: dict(DIFFERENCES))
    exported: list[int] = field(default_factory=list)
    imported: list[bytes] = field(default_factory=list)
    fails: MarqueeError | None = None

    def list(self, limit: int | None = None, *, before: int | None = None) -> list[VersionSummary]:
        return [one for one in self.held if before is None or one.version < before][:limit]

    def golden(self, version: int) -> tuple[GoldenResult, ...]:
        return self.checked.get(version, ())

    def bundle(self, version: int) -> Any:
        return version

    def activated(self) -> int | None:
        return self.serving.version

    def active(self) -> VersionSummary | None:
        return next((one for one in self.held if one.active), None)

    def get(self, version: int) -> VersionSummary:
        return next(one for one in self.held if one.version == version)

    def judgement(self, version: int) -> Judgement | None:
        return self.judgements.get(version)

    def effect(self, version: int) -> ListEffect | None:
        return self.effects.get(version)

    def overruled(self, version: int) -> Judgement | None:
        found = self.judgements.get(version)
        return found if found is not None and found.verdict != "PROMOTE" else None

    def activate(self, version: int, *, actor: str = "you", reason: str = "") -> None:
        if self.fails:
            raise self.fails
        if self.overruled(version) and not reason:
            raise InvalidInput("Give a reason to let it serve nevertheless.", field="reason")
        self.changes.append((version, reason))
        self.serving.version = version
        self.held = [replace(one, active=one.version == version) for one in self.held]

    def served_before(self) -> int | None:
        return 1 if len(self.held) > 1 else None

    def rollback(self, *, actor: str = "you", reason: str = "") -> int:
        self.activate(1, reason=reason)
        return 1

    def delete(self, version: int, *, actor: str = "you", reason: str = "") -> VersionSummary:
        if self.fails:
            raise self.fails
        self.deleted.append((version, reason))
        return self._change(version, state="deleted")

    def describe(self, version: int, *, note: str | None = None, tags: Sequence[str] | None = None) -> VersionSummary:
        if self.fails:
            raise self.fails
        held = self.get(version)
        return self._change(
            version, note=held.note if note is None else note, tags=tuple(held.tags if tags is None else tags)
        )

    def _change(self, number: int, **changes: Any) -> VersionSummary:
        self.held = [replace(one, **changes) if one.version == number else one for one in self.held]
        return self.get(number)

    def compare(self, versions: Sequence[int], baseline: int | None = None) -> Sequence[Comparison]:
        if self.fails:
            raise self.fails
        self.compared.append(([*versions], baseline))
        return [self._compared(number, baseline or 0) for number in versions if number != baseline]

    def _compared(self, number: int, baseline: int) -> Comparison:
        if not self.get(number).metrics:
            return Comparison(number, baseline, {}, f"Version {number} was not measured, so it can't be compared.")
        text = f"RMSE is better by 0.0083 (0.0041 to 0.0125); of 8 metrics 1 is better, 1 worse. {TRICKY}"
        return Comparison(number, baseline, self.differences, text)

    def lists(self, user_id: str, versions: Sequence[int], n: int = 10) -> Sequence[VersionList]:
        if any(self.get(number).state != "ready" for number in versions):
            raise VersionUnavailable("One of them can't serve.")
        first = [movie.movie_id for movie in MOVIES[:n]]
        return [self._listed(number, MOVIES[turn:][:n], first) for turn, number in enumerate(versions)]

    def _listed(self, number: int, movies: Sequence[Movie], first: Sequence[str]) -> VersionList:
        swapped = [movies[1], movies[0], *movies[2:]] if movies[0] is not MOVIES[0] else movies
        items = tuple(
            ListedMovie(rank, movie, first.index(movie.movie_id) + 1 - rank if movie.movie_id in first else None)
            for rank, movie in enumerate(swapped, start=1)
        )
        listed = {movie.movie_id for movie in swapped}
        return VersionList(number, items, tuple(one for one in MOVIES if one.movie_id in set(first) - listed))

    def history(self) -> Sequence[VersionSummary]:
        return sorted(self.held, key=lambda one: one.version)

    def export(self, version: int) -> ExportedVersion:
        if self.get(version).state != "ready":
            raise VersionUnavailable(f"Version {version} can't be exported.")
        self.exported.append(version)
        return ExportedVersion(f"marquee-version-{version}.zip", BytesIO(b"arrays"))

    def import_file(self, stream: BinaryIO, *, actor: str = "you") -> int:
        content = stream.read()
        if content != b"arrays":
            raise InvalidInput("The file is not an exported version, or is damaged.", field="file")
        number = max([0, *(one.version for one in self.held)]) + 1
        self.imported.append(content)
        self.held = [version(number, run_id=None, activated_at=None), *self.held]
        return number

    def ledger(
        self, limit: int = 100, at: float | None = None, *, before: int | None = None
    ) -> Sequence[ActivationRecord]:
        lines = [
            ActivationRecord(2, 2, NOW - 4000, "marquee", RUNS[0].verdict or ""),
            ActivationRecord(1, 1, NOW - 90_000, "you", "Activated by hand. No reason was given."),
        ]
        return [one for one in lines if self.held and (before is None or one.activation_id < before)][:limit]


@dataclass
class FakeGolden:
    held: list[Pinned] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    fails: MarqueeError | None = None

    def people(self) -> list[Pinned]:
        return self.held

    def pin(
        self,
        name: str,
        expectations: Sequence[Expectation],
        *,
        user_id: str | None = None,
        ratings: Mapping[str, float] | None = None,
        actor: str = "you",
    ) -> Pinned:
        if self.fails is not None:
            raise self.fails
        self.asked.append((name, expectations, user_id, ratings))
        return replace(golden_people.PERSON, name=name)

    def expect(self, golden_id: int, expectations: Sequence[Expectation]) -> Pinned:
        if self.fails is not None:
            raise self.fails
        self.asked.append(("expect", golden_id, expectations))
        return next(one for one in self.held if one.golden_id == golden_id)

    def unpin(self, golden_id: int) -> Pinned:
        self.asked.append(("unpin", golden_id))
        (gone,) = [one for one in self.held if one.golden_id == golden_id]
        self.held.remove(gone)
        return gone

    def check(self, bundle: Any) -> tuple[GoldenResult, ...]:
        self.asked.append(("check", bundle))
        return (golden_people.RESULT,)
