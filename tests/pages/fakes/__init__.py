"""Services for page tests: small classes with plausible data, in the types of the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from engine.data.scale import RatingScale
from engine.services import Services
from engine.settings import Settings
from store.records import ImportState
from tests.pages.fakes.answers import FakeAnswers, FakeReplays
from tests.pages.fakes.catalogue import FakeCatalogue, FakeData, FakeExports, FakeProfiles
from tests.pages.fakes.data import (
    ABOUT,
    DIFFERENCES,
    EFFECT,
    EQUAL,
    JUDGEMENT,
    LONG,
    METRICS,
    MOVIES,
    NOW,
    REJECTED,
    RUNNING,
    RUNS,
    TRICKY,
    UNEQUAL,
    drifted,
    repeated,
    run,
    version,
    waiting,
)
from tests.pages.fakes.imports import QUESTIONS, FakeImports, record
from tests.pages.fakes.library import FakeLibrary, FakeScale
from tests.pages.fakes.lists import FakeSparkLists
from tests.pages.fakes.live import FakeExams, FakeLive
from tests.pages.fakes.operations import BACKUPS, FakeAccess, FakeAudit, FakeAutomation, FakeInbox, FakeStorage
from tests.pages.fakes.recommendations import FakeRatings, FakeRecommendations, FakeServing
from tests.pages.fakes.training import FakeTraining
from tests.pages.fakes.tuning import GOING, NEURAL, FakeTuning
from tests.pages.fakes.versions import FakeGolden, FakeVersions

__all__ = [
    "ABOUT",
    "BACKUPS",
    "DIFFERENCES",
    "EFFECT",
    "EQUAL",
    "JUDGEMENT",
    "LONG",
    "METRICS",
    "MOVIES",
    "NOW",
    "REJECTED",
    "RUNNING",
    "TRICKY",
    "UNEQUAL",
    "FakeImports",
    "FakeLibrary",
    "FakeRecommendations",
    "FakeScale",
    "FakeVersions",
    "Fakes",
    "asking",
    "drifted",
    "empty",
    "first_training",
    "loaded",
    "rated_on",
    "repeated",
    "retraining",
    "run",
    "searching",
    "storied",
    "version",
]


@dataclass
class Fakes:
    """The fake services, each open to a test, and the ``Services`` that holds them."""

    library: FakeLibrary = field(default_factory=FakeLibrary)
    scale: FakeScale = field(init=False)
    imports: FakeImports = field(default_factory=FakeImports)
    spark_lists: FakeSparkLists = field(default_factory=FakeSparkLists)
    training: FakeTraining = field(default_factory=FakeTraining)
    serving: FakeServing = field(default_factory=FakeServing)
    ratings: FakeRatings = field(init=False)
    recommendations: FakeRecommendations = field(init=False)
    catalogue: FakeCatalogue = field(init=False)
    profiles: FakeProfiles = field(init=False)
    data: FakeData = field(init=False)
    exports: FakeExports = field(init=False)
    exams: FakeExams = field(default_factory=FakeExams)
    live: FakeLive = field(init=False)
    versions: FakeVersions = field(init=False)
    golden: FakeGolden = field(default_factory=FakeGolden)
    answers: FakeAnswers = field(default_factory=FakeAnswers)
    replays: FakeReplays = field(init=False)
    tuning: FakeTuning = field(default_factory=FakeTuning)
    automation: FakeAutomation = field(init=False)
    inbox: FakeInbox = field(default_factory=FakeInbox)
    storage: FakeStorage = field(default_factory=FakeStorage)
    access: FakeAccess = field(default_factory=FakeAccess)
    audit: FakeAudit = field(default_factory=FakeAudit)
    posters: str = ""

    def __post_init__(self) -> None:
        self.scale = self.library.scale
        self.ratings = FakeRatings(self.library)
        self.recommendations = FakeRecommendations(self.library, self.serving)
        self.catalogue = FakeCatalogue(self.library, self.serving)
        self.profiles = FakeProfiles(self.library, self.serving)
        self.data = FakeData(self.library)
        self.exports = FakeExports(self.library)
        self.live = FakeLive(self.serving)
        self.replays = FakeReplays(self.answers)
        self.versions = FakeVersions(self.serving)
        self.automation = FakeAutomation(self.training)

    def services(self) -> Services:
        held: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "posters"}
        held |= {"version_files": self.versions}
        return Services(Settings(demo=False, posters=self.posters), **held)


def searching() -> Fakes:
    """A running study beside finished ones."""
    fakes = Fakes()
    fakes.tuning.going = GOING
    return fakes


def storied() -> Fakes:
    """A registry with a past: many versions, some deleted or damaged, long and hostile words, a version proved."""
    fakes = Fakes()
    fakes.versions.held = [
        version(9, state="damaged", note=TRICKY),
        version(8, active=True, tags=("in production", TRICKY), note=LONG * 4, digest="3fd2" * 16),
        version(7, kind="ncf", tags=("ncf trial",)),
        *(version(n, state="deleted" if n < 5 else "ready", size_bytes=412_000_000) for n in range(6, 0, -1)),
    ]
    fakes.versions.held = [
        replace(one, metrics=drifted(one.version), created_at=NOW - 9e5 / one.version) for one in fakes.versions.held
    ]
    fakes.training.history = [repeated(6, 7, equal=False), repeated(5, 8), *RUNS]
    fakes.serving.version = 8
    fakes.tuning.history.insert(0, NEURAL)
    return fakes


def loaded() -> Fakes:
    """The demo ratings, two versions, three runs."""
    return Fakes()


def rated_on(scale: RatingScale) -> Fakes:
    """The same as ``loaded``, rated on another scale."""
    fakes = Fakes()
    fakes.scale.current = scale
    for user, rated in fakes.library.rated.items():
        fakes.library.rated[user] = [replace(one, rating=fakes.scale.of(one.rating)) for one in rated]
    return fakes


def empty() -> Fakes:
    """An empty store."""
    fakes = Fakes(FakeLibrary(movies=(), ratings=0, rated={}), training=FakeTraining(history=[]))
    fakes.serving.version, fakes.versions.held, fakes.inbox.held = None, [], []
    fakes.tuning.history = []
    fakes.access.held, fakes.audit.held = [], []
    return fakes


def asking(*, ended: str = "") -> Fakes:
    """An import that asks every question, or has its plan (``planned``), or failed."""
    fakes = Fakes()
    fakes.imports.import_files([])
    fakes.imports.rounds = [] if ended == "planned" else [list(QUESTIONS.values())]
    fakes.imports.scan()
    if ended == "failed":
        fakes.imports.end("failed", f"No ratings were found. ratings.csv: its columns are {TRICKY}.")
    fakes.imports.records = [record(3, choices={"user_id": TRICKY}), record(2, state=ImportState.UNDONE), record(1)]
    return fakes


def first_training() -> Fakes:
    """The first version is being trained."""
    fakes = Fakes(training=FakeTraining(history=[], going=RUNNING))
    fakes.serving.version, fakes.versions.held, fakes.inbox.held = None, [], []
    return fakes


def retraining() -> Fakes:
    """A version is active while the next one is trained and files are imported."""
    line = [waiting(5, model="ncf"), waiting(6, repeats=2, actor="marquee")]
    fakes = Fakes(training=FakeTraining(going=RUNNING, line=line))
    fakes.imports.import_files([])
    return fakes
