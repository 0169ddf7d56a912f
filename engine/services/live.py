"""Live figures of versions on new ratings: read from the exams, with notices of dips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from threading import Lock
from time import monotonic

from engine.background import give_way
from engine.errors import UnknownVersion
from engine.evaluation.intervals import MetricValue
from engine.evaluation.live import (
    LEVEL,
    LiveComparison,
    LivePoint,
    Taken,
    compare_live,
    curve,
    has_dipped,
    measure,
    measure_means,
)
from engine.evaluation.metrics import relevant_from
from engine.services.exams import DAY_S, ExamService
from engine.services.live_notices import LiveNotices
from engine.services.scale import StoreScale
from engine.services.serving import ServingService
from engine.services.storing import stores
from engine.services.version_records import find_version, metric_values, readable
from engine.settings import Settings
from engine.words import counted
from store.exams import ExamColumns, ExamRecord, ExamStore
from store.versions import MLModelManager

MAX_PAIRS, MAX_EXAMS = 200_000, 20_000
"""Newest exams from which shadows are compared, and from which figures with intervals are made."""
STEP = 10_000
"""Figures begin at a multiple of this number of exams, so that an interval's start seldom moves."""
OFFLINE = ("rmse", "mae", "interval_coverage")
"""Metrics that were measured on held-out ratings in the same way."""
AGAIN, SLOW_S = 20, 0.5
"""Figures are made again after this many times as long as they took; those that take longer, in the background."""
LOOK_S, SELDOM = 30.0, 300
"""Minimum seconds between looks in the background, also as a multiple of what one takes."""


_Key = tuple[object, object]
"""What figures are of: the versions concerned, and the exams."""
Measured = tuple[dict[str, MetricValue], tuple[LivePoint, ...]]
"""Metrics, and the curve of the error."""


@dataclass(frozen=True, slots=True)
class LiveVersion:
    """Live figures of one version.

    Attributes:
        version: its number; ``role`` says whether it ``serves``, is a ``shadow``, or was one of them ``before``.
        kind: its rating model.
        exams: new ratings that it predicted; ``first_at`` and ``last_at`` are Unix seconds, None before the first.
        metrics: ``rmse``, ``mae``, ``interval_coverage`` (of the 90% intervals), ``hit_rate`` (how many liked movies
            were among the first ten of the list just before) and ``shown_rate`` (how many had been shown to the user),
            with 95% intervals that hold at any time.
        offline: the same on the ratings that its evaluation held out, where they were measured.
        means: RMSE and MAE of the plain means on the same new ratings.
        curve: the figures after more and more exams.
        dipped: whether the live error is above the offline figure beyond doubt.
    """

    version: int
    kind: str
    role: str
    exams: int
    first_at: int | None
    last_at: int | None
    metrics: dict[str, MetricValue]
    offline: dict[str, MetricValue]
    means: dict[str, float]
    dipped: bool
    curve: tuple[LivePoint, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class LiveReport:
    """Live figures of all versions with exams, newest first, and how the shadows compare with what serves.

    Attributes:
        active_version: serves; None before the first.
        days: exams of the last days only; None for all that are kept.
        exams: exams stored.
        dropped: new ratings since the start that were no exam, as too many waited.
        shadows, too_large: versions that predict now, and those that do not fit the memory for shadows.
        reading: versions that will predict in a moment, once they are read.
    """

    active_version: int | None
    days: int | None
    exams: int
    dropped: int
    shadows: tuple[int, ...]
    too_large: tuple[int, ...]
    versions: tuple[LiveVersion, ...]
    comparisons: tuple[LiveComparison, ...]
    reading: tuple[int, ...] = ()


@dataclass(eq=False)
class LiveService:
    """Reads exams as figures; ``look`` is called after new ones were written."""

    _store: ExamStore
    _exams: ExamService
    _models: MLModelManager
    _serving: ServingService
    _notices: LiveNotices
    _scale: StoreScale
    _settings: Settings
    _clock: Callable[[], float]
    _consider: Callable[[LiveComparison], None]

    def __post_init__(self) -> None:
        self._making, self._looking = Lock(), Lock()
        self._known: tuple[_Key, LiveReport] | None = None
        self._measured: dict[int, tuple[object, Measured]] = {}
        self._look_after = self._made_at = self._cost = 0.0

    @stores
    def report(self, days: int | None = None) -> LiveReport:
        """The live figures of all versions with exams.

        Args:
            days: only exams of the last days, without intervals: an interval that holds at any time needs a start that
                does not move. None: the newest ``STEP`` to ``MAX_EXAMS`` of each version.
        """
        if days is not None:
            return self._make(days)
        key = self._key()
        if (known := self._current(key)) is not None:
            return known
        with self._making:
            return self._current(key) or self._renew(key)

    def _key(self) -> _Key:
        facts = self._exams.facts()
        return (self._serving.active_version(), facts.shadows, facts.too_large), (
            self._store.last(),
            self._store.count(),
        )

    def _current(self, key: _Key) -> LiveReport | None:
        """The figures in hand if they will do: those of the same exams, or recent ones, or such as take long to make.

        The latter are made again in the background, by ``look``.
        """
        if self._known is None or self._known[0][0] != key[0]:
            return None
        recent = monotonic() < self._made_at + AGAIN * self._cost
        return self._known[1] if self._known[0] == key or recent or self._cost > SLOW_S else None

    def _renew(self, key: _Key) -> LiveReport:
        begun = monotonic()
        made = self._make(None)
        self._made_at = monotonic()
        self._cost = self._made_at - begun
        self._known = key, made
        return made

    def _make(self, days: int | None) -> LiveReport:
        facts, active = self._exams.facts(), self._serving.active_version()
        since = 0 if days is None else int(self._clock() - days * DAY_S)
        shown = sorted({*self._store.versions(), *facts.shadows, *([] if active is None else [active])}, reverse=True)
        versions = tuple(self._version(one, active, facts.shadows, since) for one in shown)
        compared = () if active is None else tuple(self.compare(one, active) for one in facts.shadows)
        wanted = () if active is None else self._store.shadows(active, self._settings.shadows)
        reading = tuple(one for one in wanted if one not in facts.shadows + facts.too_large)
        return LiveReport(
            active,
            days,
            self._store.count(),
            facts.dropped,
            facts.shadows,
            facts.too_large,
            versions,
            compared,
            reading,
        )

    def _version(self, version: int, active: int | None, shadows: Sequence[int], since: int) -> LiveVersion:
        record = readable(find_version(self._models, version))
        columns = _newest(self._store.columns(version, MAX_PAIRS, since, pause=give_way))
        taken = _taken(columns)
        measured, points = self._measure(version, columns, taken, since)
        found = metric_values(record.metrics) or {}
        offline = {name: found[name] for name in OFFLINE if name in found}
        return LiveVersion(
            version,
            record.kind,
            "serves" if version == active else "shadow" if version in shadows else "before",
            len(taken),
            int(columns.at[0]) if len(taken) else None,
            int(columns.at[-1]) if len(taken) else None,
            measured,
            offline,
            measure_means(taken),
            "rmse" in offline and "rmse" in measured and has_dipped(measured["rmse"], offline["rmse"].value),
            points,
        )

    def _measure(self, version: int, columns: ExamColumns, taken: Taken, since: int) -> Measured:
        """Metrics and curve of exams; they are kept while a version takes no more, as intervals take a second."""
        scale = self._scale.current.ends
        if since:
            return measure(taken, scale, relevant_from(scale), bounded=False), ()
        key = len(taken), int(columns.ids.sum()), scale
        if version not in self._measured or self._measured[version][0] != key:
            found = measure(taken, scale, relevant_from(scale)), curve(taken, scale)
            self._measured[version] = key, found
        return self._measured[version][1]

    def compare(self, version: int, baseline: int) -> LiveComparison:
        """A shadow beside the version that serves, on all ratings that both predicted while it served.

        The level is shared by as many shadows as there may be.
        """
        pairs, scale = self._store.pairs(version, baseline, MAX_PAIRS, pause=give_way), self._scale.current.ends
        alpha = LEVEL / max(self._settings.shadows, 1)
        return compare_live(version, baseline, pairs.ratings, pairs.shadow, pairs.served, scale, alpha)

    @stores
    def exams(self, version: int | None, limit: int = 100, *, before: int | None = None) -> Sequence[ExamRecord]:
        """Exams of a version, newest first.

        Args:
            version: its number; None for the one that serves.
            limit: how many at most.
            before: only those older than this number, for the next page.

        Raises:
            UnknownVersion: there is no such version, or none serves yet.
        """
        chosen = self._serving.active_version() if version is None else version
        if chosen is None:
            raise UnknownVersion("No version serves yet, so there are no exams. Import ratings and train a model.")
        find_version(self._models, chosen)
        return self._store.page(chosen, limit, before=before)

    def known(self) -> LiveReport | None:
        """The figures that were asked for last, at no cost; None before."""
        return None if self._known is None else self._known[1]

    def look(self) -> None:
        """After new exams: notice a dip, once for each version that serves, and act on shadows that can be told apart.

        It is called often and looks seldom, as a rating may wait for it.
        """
        with self._looking:
            begun = monotonic()
            if begun < self._look_after:
                return
            with self._making:
                report = self._renew(self._key())
            self._look_after = monotonic() + max(LOOK_S, SELDOM * (monotonic() - begun))
            for one in report.versions:
                if one.role == "serves" and one.dipped:
                    self._tell_dip(one)
            for compared in report.comparisons:
                self._consider(compared)

    def _tell_dip(self, one: LiveVersion) -> None:
        if self._notices.has("dipped", one.version):
            return
        live, offline = one.metrics["rmse"], one.offline["rmse"]
        text = (
            f"Version {one.version} predicts new ratings worse than its evaluation promised: RMSE {live.value:.3f} on "
            f"{counted(one.exams, 'rating')} (at least {live.low:.3f}), {offline.value:.3f} on those held out. Look at "
            "the Live page, and train again if the ratings have changed."
        )
        self._notices.add("dipped", one.version, "warning", text, {"version": one.version})


def _newest(columns: ExamColumns) -> ExamColumns:
    """The exams from a multiple of ``STEP`` on, so many that there are no more than ``MAX_EXAMS``."""
    if len(columns.ids) <= MAX_EXAMS:
        return columns
    start = columns.ids[-STEP] // STEP * STEP
    kept = columns.ids >= start
    kept[:-MAX_EXAMS] = False
    return ExamColumns(*(getattr(columns, one.name)[kept] for one in fields(ExamColumns)))


def _taken(columns: ExamColumns) -> Taken:
    return Taken(**{one.name: getattr(columns, one.name) for one in fields(Taken)})
