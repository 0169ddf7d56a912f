"""The registry of versions: list, activate, roll back, delete and compare them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from engine.data.catalogue import Movie
from engine.errors import InvalidInput, MarqueeError, UnknownVersion, VersionUnavailable
from engine.evaluation.comparison import compare
from engine.evaluation.differences import MetricDifference
from engine.evaluation.metrics import METRICS
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import GOALS, Judgement
from engine.models.version import VersionBundle
from engine.recommending.effect import ListEffect
from engine.recommending.golden import GoldenResult
from engine.services.audit import audited, of_version
from engine.services.recommendations import RecommendationService
from engine.services.serving import ServingService, tell_fault
from engine.services.storing import stores
from engine.services.version_records import (
    VersionSummary,
    check_remarks,
    find_version,
    stored_effect,
    stored_golden,
    stored_judgement,
    stored_report,
    summarize,
)
from store.errors import DamagedVersion, NotStored, NotWritten, StoreClosed, StoreError
from store.notices import NoticeStore
from store.records import ActivationRecord, RunRecord, StoredModel, VersionRecord
from store.runs import RunStore
from store.versions import MLModelManager

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One version against a baseline, on the held-out ratings they share.

    ``differences`` is empty where the two can't be compared; ``text`` says why, or what was found.
    """

    version: int
    baseline: int
    differences: dict[str, MetricDifference]
    text: str


@dataclass(frozen=True, slots=True)
class ListedMovie:
    """One place of a list. ``change``: places gained (+) or lost (-) against the baseline's list; None: new."""

    rank: int
    movie: Movie
    change: int | None


@dataclass(frozen=True, slots=True)
class VersionList:
    """The list of one version for a user, and the movies of the baseline's list it leaves out."""

    version: int
    items: tuple[ListedMovie, ...]
    left: tuple[Movie, ...]


@dataclass(eq=False)
class VersionService:
    """Lists, compares, activates, rolls back and deletes versions, with a notice of each change."""

    _models: MLModelManager
    _runs: RunStore
    _notices: NoticeStore
    _serving: ServingService
    _recommendations: RecommendationService

    def list(self, limit: int | None = None, *, before: int | None = None) -> list[VersionSummary]:
        """Every version, newest first, including deleted ones.

        Args:
            limit: how many at most; None for all.
            before: only versions older than this number, for the next page.
        """
        active, verdicts = self._serving.active_version(), self._runs.verdicts()
        since: dict[int, ActivationRecord] = {}
        for line in self._models.ledger(10_000):
            since.setdefault(line.version, line)
        return [
            summarize(record, active, since.get(record.version), verdicts.get(record.run_id))
            for record in self._models.list_versions(limit, before=before)
        ]

    def active(self) -> VersionSummary | None:
        """The version that serves, None before the first."""
        return next((version for version in self.list() if version.active), None)

    def activated(self) -> int | None:
        """The version active in the deployment history; it serves once it is loaded."""
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
        """The judgement of a version's training; None for imported versions and those of early releases.

        Raises:
            UnknownVersion: there is no such version.
        """
        run = self._run(version)
        return None if run is None else _judged(run)

    def effect(self, version: int) -> ListEffect | None:
        """What a version changes in people's lists, as its training measured it; None where it did not.

        Raises:
            UnknownVersion: there is no such version.
        """
        run = self._run(version)
        return None if run is None else stored_effect((run.details or {}).get("effect"))

    def golden(self, version: int) -> tuple[GoldenResult, ...]:
        """What golden people expected of a version when it was trained, and what was found."""
        run = self._run(version)
        return () if run is None else stored_golden((run.details or {}).get("golden"))

    def _run(self, version: int) -> RunRecord | None:
        number = self._record(version).run_id
        return None if number is None else self._runs.get(number)

    def overruled(self, version: int) -> Judgement | None:
        """The verdict that activating a version goes against: it was held back or rejected, and never served.

        None for any other version, and where its training was to save it without activation: the choice is a person's
        then.

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
    def activate(self, version: int, *, actor: str = "you", reason: str = "") -> None:
        """Activate a version from the next request on.

        Raises:
            UnknownVersion: there is no such version.
            InvalidInput: this goes against its verdict, and no reason is given.
            VersionUnavailable: it is damaged or deleted.
        """
        against = self.overruled(version)
        if against is not None and not reason.strip():
            raise InvalidInput(
                f"Version {version} was {'rejected' if against.verdict == 'REJECT' else 'held back'}. {against.text} "
                "Give a reason to activate it anyway; the deployment history keeps it.",
                field="reason",
            )
        self.enter(version, actor, reason or "Activated by hand. No reason was given.")
        if against is not None:
            told = f"{actor} activated version {version} against its verdict: {reason}"
            self._notices.add("warning", "versions", told, {"version": version})

    def enter(self, version: int, actor: str, reason: str) -> None:
        """Activate a version; the deployment history is written once its state is built, and not where that fails.

        Raises:
            VersionUnavailable: it is damaged or deleted, or can't be built.
        """
        record = self._record(version)
        try:
            bundle = self.bundle(version)
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
    def rollback(self, *, actor: str = "you", reason: str = "") -> int:
        """Activate the version that served before; returns its number.

        Raises:
            VersionUnavailable: no other intact version has served, or it can't be built.
        """
        left, version = self._models.active_version(), self._models.served_before()
        if version is None:
            raise VersionUnavailable("No other intact version has served before, so there is nothing to roll back to.")
        why = f": {reason}" if reason.strip() else ". No reason was given."
        self.enter(version, actor, f"Rolled back from version {left}{why}")
        told = f"Version {version} serves again: {actor} rolled back from version {left}{why}"
        self._notices.add("info", "versions", told, {"version": version})
        return version

    def served_before(self) -> int | None:
        """The version that a rollback activates; None where no other intact version has served."""
        return self._models.served_before()

    @audited("version deleted", of_version)
    def delete(self, version: int, *, actor: str = "you", reason: str = "") -> VersionSummary:
        """Delete a version's arrays; its metrics and its lines in the deployment history stay.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: it is active.
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
        """Change the note or the tags of a version; None keeps them. Tagged versions are never deleted to save space.

        Raises:
            UnknownVersion: there is no such version.
            InvalidInput: a tag is empty or too long, or there are too many.
        """
        self.get(version)
        cleaned = None if tags is None else [tag.strip() for tag in tags]
        check_remarks(note or "", cleaned or [])
        self._models.describe(version, note=note, tags=cleaned)
        return self.get(version)

    # -- side by side ------------------------------------------------------------------------------------------------

    def history(self) -> Sequence[VersionSummary]:
        """Every version, oldest first."""
        return self.list()[::-1]

    def compare(self, versions: Sequence[int], baseline: int | None = None) -> Sequence[Comparison]:
        """Each version against a baseline, user by user on the held-out ratings they share.

        Args:
            versions: at least two, with or without the baseline.
            baseline: by default the active version, if it is among them, or else the oldest.

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
        """A version's report, or the reason why there is none."""
        record = self._record(version)
        try:
            arrays = self._models.load_part(version, "report/")
        except StoreError as error:
            self._replace_damaged(version, error)
            return str(error)
        report = stored_report(record, arrays)
        return (
            f"Version {version} was not evaluated person by person, so it can't be compared."
            if report is None
            else report
        )

    def lists(self, user_id: str, versions: Sequence[int], n: int = 10) -> Sequence[VersionList]:
        """The list of each version for a user from the current ratings; the first version is the baseline.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: its arrays are deleted or damaged.
        """
        lists = {
            version: self._recommendations.list_with(self.bundle(version), user_id, n)
            for version in dict.fromkeys(versions)
        }
        baseline = next(iter(lists.values()), [])
        before = {movie: rank for rank, movie in enumerate(baseline, start=1)}
        found = []
        for version, movies in lists.items():
            places = enumerate(movies, start=1)
            items = (
                ListedMovie(rank, movie, before[movie] - rank if movie in before else None) for rank, movie in places
            )
            found.append(VersionList(version, tuple(items), tuple(movie for movie in baseline if movie not in movies)))
        return found

    def bundle(self, version: int) -> VersionBundle:
        """The models of a version.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: its arrays are deleted or damaged.
        """
        record = self._record(version)
        return VersionBundle.from_arrays(record.kind, record.config, self.load(version).arrays)

    def _record(self, version: int) -> VersionRecord:
        return find_version(self._models, version)

    def load(self, version: int) -> StoredModel:
        """A version with its arrays, verified.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: its arrays are deleted or damaged.
        """
        self._record(version)
        try:
            return self._models.load_model(version)
        except (NotStored, DamagedVersion) as error:
            self._replace_damaged(version, error)
            raise VersionUnavailable(str(error)) from error

    def _replace_damaged(self, version: int, error: StoreError) -> None:
        """Replace the active version at once where it turns out to be damaged."""
        if isinstance(error, DamagedVersion) and version == self._serving.active_version():
            self._serving.load_active()

    def ledger(
        self, limit: int = 100, at: float | None = None, *, before: int | None = None
    ) -> Sequence[ActivationRecord]:
        """The deployment history: which version was activated when, by whom and why; newest first.

        Args:
            limit: how many lines at most.
            at: Unix seconds; only lines up to then, so that the first has the version that served at that time.
            before: only lines older than this number, for the next page.
        """
        return self._models.ledger(limit, at, before)


def _judged(run: RunRecord) -> Judgement | None:
    return stored_judgement((run.details or {}).get("judgement"))


def tell_differences(version: int, baseline: int, found: Mapping[str, MetricDifference]) -> str:
    """A comparison in words, with the goals first."""
    counts = sorted({one.users for one in found.values()} or {0})
    users = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    told = []
    for verdict in ("better", "worse"):
        names = [name for name in (*GOALS, *found) if name in found and found[name].verdict == verdict]
        if names:
            told.append(f"{verdict} in {', '.join(METRICS[name].noun for name in dict.fromkeys(names))}")
    what = " and ".join(told) if told else "neither better nor worse: no difference is shown in any metric"
    return f"Version {version} is {what}, against version {baseline} on the same held-out ratings of {users} people."
