"""The registry of versions as a person uses it: what there is, what serves, and since when and why."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from engine.data.catalogue import Movie
from engine.data.zips import TooManyEntries, check_entries
from engine.errors import InvalidHyperparameter, InvalidInput, MarqueeError, UnknownVersion, VersionUnavailable
from engine.evaluation.comparison import WORDS, MetricDifference, compare
from engine.evaluation.intervals import MetricValue
from engine.evaluation.newcomers import NewcomerPoint
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import GOALS, Judgement, PromotionVerdict
from engine.models.base import part_of
from engine.models.registry import configure
from engine.models.version import VersionBundle
from engine.services import soundness
from engine.services.audit import audited, of_version
from engine.services.recommendations import RecommendationService
from engine.services.serving import ServingService, tell_fault
from engine.services.snapshots import DataSnapshot, Outdated, Snapshots
from engine.services.storing import file_error, stores
from engine.services.version_records import (
    MOST_ARRAYS,
    check_config,
    check_data,
    check_names,
    check_report,
    describe_ids,
    metric_values,
    newcomer_points,
    readable,
    stored_judgement,
    stored_report,
)
from store.errors import DamagedVersion, NotStored, NotWritten, StoreClosed, StoreError, UnreadableExport
from store.exchange import ReadVersion, read_export, write_export
from store.notices import NoticeStore
from store.records import ActivationRecord, RunRecord, StoredModel, VersionRecord
from store.runs import RunStore
from store.versions import MLModelManager

log = logging.getLogger(__name__)

MOST_TAGS, LONGEST_TAG, LONGEST_NOTE = 20, 50, 2000
LARGEST_DIRECTORY = 2**16
"""Bytes that the directory of an exported version may take; one entry takes 66."""


@dataclass(frozen=True, slots=True)
class VersionSummary:
    """A model version as the registry shows it. ``state``: ready, damaged or deleted; times in Unix seconds.

    ``segments`` holds metrics of a part of the users (new, light, heavy) or of the movies (head, tail) by its name.
    ``digest`` is SHA-256 over the hashes of all arrays: equal for versions that are equal bit for bit.
    ``verdict`` is that of its training, on whether it should take the place of the version that served then.
    ``newcomers`` is how well it serves people it had never seen, by how many of their ratings are known; empty where
    too few have rated enough.
    """

    version: int
    kind: str
    state: str
    active: bool
    created_at: float
    run_id: int | None
    hyperparameters: dict[str, Any]
    metrics: dict[str, MetricValue]
    protocol: dict[str, Any]
    ratings: int
    users: int
    movies: int
    data_fingerprint: str
    size_bytes: int
    activated_at: float | None
    activated_by: str | None
    note: str
    segments: dict[str, dict[str, MetricValue]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    digest: str | None = None
    verdict: PromotionVerdict | None = None
    newcomers: tuple[NewcomerPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """One version against a baseline, on the held-out ratings that are the same in both.

    ``differences`` is empty where the two can't be compared; ``text`` then says why, and otherwise what was found.
    """

    version: int
    baseline: int
    differences: dict[str, MetricDifference]
    text: str


@dataclass(frozen=True, slots=True)
class ListedMovie:
    """One place of a list. ``change``: places it rose (+) or fell (-) against the baseline's list; None: it is new."""

    rank: int
    movie: Movie
    change: int | None


@dataclass(frozen=True, slots=True)
class VersionList:
    """What one version lists for a user, and which movies of the baseline's list it left out."""

    version: int
    items: tuple[ListedMovie, ...]
    left: tuple[Movie, ...]


@dataclass(frozen=True)
class ExportedVersion:
    """A version as a file; whoever reads the stream closes it."""

    name: str
    stream: BinaryIO


class VersionService:
    """Lists, compares, activates, rolls back, deletes, exports and imports versions; tells the notices."""

    def __init__(
        self,
        models: MLModelManager,
        runs: RunStore,
        notices: NoticeStore,
        serving: ServingService,
        recommendations: RecommendationService,
        snapshots: Snapshots,
    ) -> None:
        self._models = models
        self._runs = runs
        self._notices = notices
        self._serving = serving
        self._recommendations = recommendations
        self._snapshots = snapshots

    def list(self, limit: int | None = None, *, before: int | None = None) -> list[VersionSummary]:
        """Every version, newest first; deleted ones keep their line.

        Args:
            limit: the most of them; all if left out.
            before: only those older than the version of this number, for the next page.
        """
        active, verdicts = self._serving.active_version(), self._runs.verdicts()
        since: dict[int, ActivationRecord] = {}
        for line in self._models.ledger(10_000):
            since.setdefault(line.version, line)
        return [
            _summary(record, active, since.get(record.version), verdicts.get(record.run_id))
            for record in self._models.list_versions(limit, before=before)
        ]

    def active(self) -> VersionSummary | None:
        """The version that serves, None before the first."""
        return next((version for version in self.list() if version.active), None)

    def activated(self) -> int | None:
        """The version that the ledger names; it serves a moment later, once it is loaded."""
        return self._models.active_version()

    def get(self, version: int) -> VersionSummary:
        """One version.

        Raises:
            UnknownVersion: there is no such version.
        """
        for found in self.list():
            if found.version == version:
                return found
        raise UnknownVersion(f"There is no version {version}.")

    def judgement(self, version: int) -> Judgement | None:
        """What the training of a version found; None for one that came from a file, or from earlier code.

        Raises:
            UnknownVersion: there is no such version.
        """
        run = self._run(version)
        return None if run is None else _judged(run)

    def _run(self, version: int) -> RunRecord | None:
        number = self._record(version).run_id
        return None if number is None else self._runs.get(number)

    def overruled(self, version: int) -> Judgement | None:
        """What letting a version serve goes against, and takes a reason for: it was held or rejected, and never served.

        None for any other, and where its training was to save it without serving: that leaves the choice to a person,
        whatever the verdict.

        Raises:
            UnknownVersion: there is no such version.
        """
        run = self._run(version)
        if run is None or run.activate == "never":
            return None
        judgement = _judged(run)
        if judgement is None or judgement.verdict == "PROMOTE":
            return None
        served = any(line.version == version for line in self._models.ledger(10_000))
        return None if served else judgement

    @audited("version activated", of_version)
    @stores
    def activate(self, version: int, *, actor: str = "you", reason: str = "") -> None:
        """Let a version serve from the next request on.

        Raises:
            UnknownVersion: there is no such version.
            InvalidInput: it goes against the version's verdict, and no reason is given.
            VersionUnavailable: it is damaged or deleted.
        """
        against = self.overruled(version)
        if against is not None and not reason.strip():
            raise InvalidInput(
                f"The verdict on version {version} is {against.verdict}: {against.text} "
                "Give a reason to let it serve nevertheless; the ledger keeps it.",
                field="reason",
            )
        self._enter(version, actor, reason or "Chosen by hand.")
        if against is not None:
            told = f"Version {version} was let serve by {actor} against its verdict: {reason}"
            self._notices.add("warning", "versions", told, {"version": version})

    def _enter(self, version: int, actor: str, reason: str) -> None:
        """Let a version serve; the ledger is written once its state is built, and not at all where that fails.

        Raises:
            VersionUnavailable: it is damaged or deleted, or can't be built.
        """
        record = self._record(version)
        try:
            bundle = self._bundle(version)
            enter = partial(self._models.activate, version, actor=actor, reason=reason)
            self._serving.serve(version, bundle, record.data["revision"], enter)
        except (MarqueeError, NotWritten, StoreClosed):
            raise
        except StoreError as error:
            raise VersionUnavailable(str(error)) from error
        except Exception as error:
            log.exception("version %d can't be activated", version)
            raise VersionUnavailable(tell_fault(version, error)) from error

    @audited("rolled back", of_version)
    @stores
    def rollback(self, *, actor: str = "you", reason: str = "") -> int:
        """Let the version serve again that served before; returns its number.

        Raises:
            VersionUnavailable: no other intact version has served, or it can't be built.
        """
        left, version = self._models.active_version(), self._models.served_before()
        if version is None:
            raise VersionUnavailable("No other intact version has served before, so there is nothing to go back to.")
        self._enter(version, actor, reason or "Rolled back.")
        why = f": {reason}" if reason else "."
        told = f"Version {version} serves again: {actor} rolled back from version {left}{why}"
        self._notices.add("info", "versions", told, {"version": version})
        return version

    def served_before(self) -> int | None:
        """The version that a roll back goes to; None where no other intact version has served."""
        return self._models.served_before()

    @audited("version deleted", of_version)
    @stores
    def delete(self, version: int, *, actor: str = "you", reason: str = "") -> VersionSummary:
        """Give up a version's arrays; its metrics and its lines in the ledger stay.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: it serves now.
        """
        held = self.get(version)
        try:
            self._models.delete_version(version)
        except (NotWritten, StoreClosed):
            raise
        except StoreError as error:
            raise VersionUnavailable(str(error)) from error
        if held.state != "deleted":
            why = f": {reason}" if reason else "."
            details = {"version": version, "freed_bytes": held.size_bytes}
            self._notices.add("info", "versions", f"Version {version} was deleted by {actor}{why}", details)
        return self.get(version)

    @stores
    def describe(self, version: int, *, note: str | None = None, tags: Sequence[str] | None = None) -> VersionSummary:
        """Change the note or the tags of a version; None leaves them. One with tags is never removed to save space.

        Raises:
            UnknownVersion: there is no such version.
            InvalidInput: a tag is empty or too long, or there are too many.
        """
        self.get(version)
        cleaned = None if tags is None else [tag.strip() for tag in tags]
        _check_remarks(note or "", cleaned or [])
        self._models.describe(version, note=note, tags=cleaned)
        return self.get(version)

    # -- side by side ------------------------------------------------------------------------------------------------

    def history(self) -> Sequence[VersionSummary]:
        """Every version, oldest first."""
        return self.list()[::-1]

    def compare(self, versions: Sequence[int], baseline: int | None = None) -> Sequence[Comparison]:
        """Each version against a baseline, user by user on the held-out ratings that are the same in both.

        Args:
            versions: at least two, the baseline among them or besides.
            baseline: by default the one that serves, if it is among them, or else the oldest.

        Raises:
            UnknownVersion: there is no such version.
            InvalidInput: there are fewer than two.
        """
        asked = list(dict.fromkeys(versions))
        chosen = baseline if baseline is not None else self._choose_baseline(asked)
        others = [version for version in asked if version != chosen]
        if chosen is None or not others:
            raise InvalidInput("Name at least two versions to compare.", field="versions")
        theirs = self._report(chosen)
        return [self._compare(version, chosen, theirs) for version in others]

    def _choose_baseline(self, versions: Sequence[int]) -> int | None:
        active = self._serving.active_version()
        return active if active in versions else min(versions, default=None)

    def _compare(self, version: int, baseline: int, theirs: EvaluationReport | str) -> Comparison:
        ours = self._report(version)
        for missing in (ours, theirs):
            if isinstance(missing, str):
                return Comparison(version, baseline, {}, missing)
        try:
            found = compare(ours, theirs)  # type: ignore[arg-type]  # neither is text here
        except InvalidInput as error:
            return Comparison(version, baseline, {}, str(error))
        return Comparison(version, baseline, found, tell_differences(version, baseline, found))

    def _report(self, version: int) -> EvaluationReport | str:
        """A version's report, or why there is none."""
        record = self._record(version)
        try:
            arrays = self._models.load_part(version, "report/")
        except StoreError as error:
            self._replace_damaged(version, error)
            return str(error)
        report = stored_report(record, arrays)
        return f"Version {version} keeps no errors by user, so it can't be compared." if report is None else report

    def lists(self, user_id: str, versions: Sequence[int], n: int = 10) -> Sequence[VersionList]:
        """What each version lists for a user with the ratings of now; the first version is the baseline of changes.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: its arrays are deleted or damaged.
        """
        found: list[VersionList] = []
        baseline: dict[str, tuple[int, Movie]] = {}
        for version in dict.fromkeys(versions):
            movies = self._recommendations.list_with(self._bundle(version), user_id, n)
            ranks = {movie.movie_id: rank for rank, movie in enumerate(movies, start=1)}
            if not found:
                baseline = {movie.movie_id: (ranks[movie.movie_id], movie) for movie in movies}
            before = {movie_id: rank for movie_id, (rank, _) in baseline.items()}
            items = tuple(
                ListedMovie(rank, movie, before[movie.movie_id] - rank if movie.movie_id in before else None)
                for rank, movie in enumerate(movies, start=1)
            )
            left = tuple(movie for movie_id, (_, movie) in baseline.items() if movie_id not in ranks)
            found.append(VersionList(version, items, left))
        return found

    def _bundle(self, version: int) -> VersionBundle:
        record = self._record(version)
        return VersionBundle.from_arrays(record.kind, record.config, self._load(version).arrays)

    def _record(self, version: int) -> VersionRecord:
        try:
            return self._models.get_version(version)
        except NotStored as error:
            raise UnknownVersion(str(error)) from error

    def _load(self, version: int) -> StoredModel:
        self._record(version)
        try:
            return self._models.load_model(version)
        except (NotStored, DamagedVersion) as error:
            self._replace_damaged(version, error)
            raise VersionUnavailable(str(error)) from error

    def _replace_damaged(self, version: int, error: StoreError) -> None:
        """Where the version that serves turns out to be damaged, let an intact one take its place at once."""
        if isinstance(error, DamagedVersion) and version == self._serving.active_version():
            self._serving.load_active()

    # -- as files ----------------------------------------------------------------------------------------------------

    @audited("version exported", of_version)
    def export(self, version: int) -> ExportedVersion:
        """A version as one file: a zip of JSON and raw arrays, each with its hash.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: its arrays are deleted or damaged.
            DiskFull, StoreFailing: there is no space for a temporary copy, or it can't be written.
        """
        model = self._load(version)
        try:
            stream = TemporaryFile()  # noqa: SIM115  # whoever reads it closes it
            try:
                write_export(model, stream)
                stream.seek(0)
            except BaseException:
                stream.close()
                raise
        except OSError as error:
            raise file_error(error) from error
        return ExportedVersion(f"marquee-version-{version}.zip", stream)

    @audited("version imported", of_version)
    @stores
    def import_file(self, stream: BinaryIO, *, actor: str = "you") -> int:
        """Take in a version that was exported from a store with the same users and movies; it does not serve yet.

        Raises:
            InvalidInput: the file is no exported version, is damaged, or belongs to other users and movies.
        """
        snapshot = self._snapshots.load()
        try:
            check_entries(stream, MOST_ARRAYS + 1, LARGEST_DIRECTORY)
            read = read_export(stream, check_names)
            values = self._values(read, snapshot)
        except TooManyEntries as error:
            raise InvalidInput(f"The file is not an exported version: {error}.", field="file") from error
        except UnreadableExport as error:
            raise InvalidInput(str(error), field="file") from error
        except (NotWritten, StoreClosed):
            raise
        except InvalidHyperparameter as error:
            raise InvalidInput("The file holds no version that this Marquee can serve.", field="file") from error
        except InvalidInput:
            raise
        except Exception as error:  # whatever a version fails with when it is tried, it is not taken in
            log.info("a version from a file is refused", exc_info=error)
            raise InvalidInput("The file holds no version that this Marquee can serve.", field="file") from error
        note = f"Imported by {actor}; it was version {read.version} where it came from. {read.values['note']}"
        try:
            version = self._models.save_model(
                **values | {"note": note.strip()[:LONGEST_NOTE]},
                arrays=read.arrays,
                on_commit=lambda connection, _: self._snapshots.check_in(connection, snapshot),
            )
        except Outdated as error:
            raise InvalidInput("The version has learned somebody who was forgotten just now.", field="file") from error
        self._notices.add("info", "versions", f"Version {version} was imported by {actor}.", {"version": version})
        return version

    def _values(self, read: ReadVersion, snapshot: DataSnapshot) -> dict[str, Any]:
        """What is stored of a version from a file: only what is known, and only of one that answers as it should."""
        kind, config = read.values["kind"], read.values["config"]
        data = check_data(read.values["data"])
        _check_ids(data["ids"], snapshot)
        users, movies = data["ids"]["users"], data["ids"]["movies"]
        check_report(read.arrays)
        soundness.check_report(users, movies, read.arrays)
        soundness.check_arrays(configure(kind, config["model"]), users, movies, snapshot.data.scale, read.arrays)
        bundle = VersionBundle.from_arrays(kind, config, read.arrays)
        tags = [tag.strip() for tag in read.values["tags"]]
        try:
            _check_remarks(read.values["note"], tags)
        except InvalidInput as error:
            raise InvalidInput(str(error), field="file") from error
        self._serving.try_out(bundle)
        if report := part_of(read.arrays, "report"):
            judged = EvaluationReport.restore({}, {}, read.values["protocol"], {}, report)
            compare(judged, judged)
        # Its revision counts another store's changes. From 0 on, everything rated here is taken in again.
        same = data["fingerprint"] == snapshot.data.fingerprint
        known = {"config": check_config(kind, bundle, config), "tags": list(dict.fromkeys(tags))}
        return read.values | known | {"data": data | {"revision": snapshot.revision if same else 0}}

    def ledger(
        self, limit: int = 100, at: float | None = None, *, before: int | None = None
    ) -> Sequence[ActivationRecord]:
        """Which version served from when, who activated it and why; newest first.

        Args:
            limit: the most lines.
            at: a moment in Unix seconds; only lines up to it, so that the first tells what served then.
            before: only lines older than the one of this number, for the next page.
        """
        return self._models.ledger(limit, at, before)


def _check_ids(ids: Mapping[str, Any], snapshot: DataSnapshot) -> None:
    """The arrays are addressed by key, so the keys have to mean the same users and movies here."""
    data = snapshot.data
    fits = ids["users"] <= data.n_users and ids["movies"] <= data.n_movies
    if not fits or describe_ids(data, ids["users"], ids["movies"]) != ids:
        raise InvalidInput(
            "The version has learned other users and movies than those stored here. Import the same ratings first, "
            "or train a version here.",
            field="file",
        )


def _check_remarks(note: str, tags: Sequence[str]) -> None:
    if len(tags) > MOST_TAGS or not all(0 < len(tag) <= LONGEST_TAG for tag in tags):
        raise InvalidInput(f"A version has at most {MOST_TAGS} tags of 1 to {LONGEST_TAG} characters.", field="tags")
    if len(note) > LONGEST_NOTE:
        raise InvalidInput(f"The note is longer than {LONGEST_NOTE:,} characters.", field="note")


def _judged(run: RunRecord) -> Judgement | None:
    return stored_judgement((run.details or {}).get("judgement"))


def _summary(
    stored: VersionRecord, active: int | None, activation: ActivationRecord | None, verdict: PromotionVerdict | None
) -> VersionSummary:
    record = readable(stored)
    return VersionSummary(
        version=record.version,
        kind=record.kind,
        state=record.state,
        active=record.version == active,
        created_at=record.created_at,
        run_id=record.run_id,
        hyperparameters=record.config["model"],
        metrics=metric_values(record.metrics) or {},
        protocol=record.protocol,
        ratings=record.data["ratings"],
        users=record.data["users"],
        movies=record.data["movies"],
        data_fingerprint=record.data["fingerprint"],
        size_bytes=record.size,
        activated_at=activation.activated_at if activation else None,
        activated_by=activation.actor if activation else None,
        note=record.note,
        segments={name: metric_values(values) or {} for name, values in record.segments.items()},
        tags=tuple(record.tags),
        digest=record.digest,
        verdict=verdict,
        newcomers=newcomer_points(record.charts),
    )


def tell_differences(version: int, baseline: int, found: Mapping[str, MetricDifference]) -> str:
    """What a comparison shows, in words: the order of lists and the error of ratings first."""
    users = max((one.users for one in found.values()), default=0)
    told = []
    for verdict in ("better", "worse"):
        names = [name for name in (*GOALS, *found) if name in found and found[name].verdict == verdict]
        if names:
            told.append(f"{verdict} in {', '.join(WORDS.get(name, name) for name in dict.fromkeys(names))}")
    what = " and ".join(told) if told else "neither better nor worse: no difference is shown in any metric"
    return f"Version {version} is {what}, against version {baseline} on the same held-out ratings of {users:,} users."
