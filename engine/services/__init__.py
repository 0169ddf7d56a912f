"""Use cases: the only code that joins the engine and the store. Pages and routes reach them through ``current()``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.errors import NotReady
from engine.services.traffic import TrafficService

if TYPE_CHECKING:
    from engine.services.access import AccessService
    from engine.services.answers import AnswerService
    from engine.services.audit import AuditService
    from engine.services.automation import AutomationService
    from engine.services.catalogue import CatalogueService
    from engine.services.data_picture import DataService
    from engine.services.exams import ExamService
    from engine.services.exports import ExportService
    from engine.services.golden import GoldenService
    from engine.services.imports import ImportService
    from engine.services.library import LibraryService
    from engine.services.live import LiveService
    from engine.services.notices import InboxService
    from engine.services.profiles import ProfileService
    from engine.services.ratings import RatingService
    from engine.services.recommendations import RecommendationService
    from engine.services.replays import ReplayService
    from engine.services.scale import StoreScale
    from engine.services.serving import ServingService
    from engine.services.spark_lists import SparkListService
    from engine.services.storage import StorageService
    from engine.services.training import TrainingService
    from engine.services.tuning import TuningService
    from engine.services.version_files import VersionFileService
    from engine.services.versions import VersionService
    from engine.settings import Settings
    from store.worker import Worker


@dataclass(frozen=True)
class Services:
    """The services that pages and routes use."""

    settings: Settings
    scale: StoreScale
    library: LibraryService
    catalogue: CatalogueService
    profiles: ProfileService
    data: DataService
    imports: ImportService
    live: LiveService
    exams: ExamService
    exports: ExportService
    spark_lists: SparkListService
    training: TrainingService
    serving: ServingService
    ratings: RatingService
    recommendations: RecommendationService
    answers: AnswerService
    replays: ReplayService
    versions: VersionService
    golden: GoldenService
    version_files: VersionFileService
    tuning: TuningService
    automation: AutomationService
    inbox: InboxService
    storage: StorageService
    access: AccessService
    audit: AuditService
    workers: tuple[Worker[Any], ...] = ()
    traffic: TrafficService = field(default_factory=TrafficService)

    def dead_workers(self) -> list[str]:
        """Names of the workers that died and have not restarted yet."""
        return [worker.name for worker in self.workers if not worker.is_alive()]


STARTING = "Marquee is still starting. Try again in a moment."
_current: Services | None = None
_stage = ""


def use(services: Services | None) -> None:
    """Set the services of the process (None when it stops); a start is over then."""
    global _current, _stage
    _current, _stage = services, ""


def starts_with(stage: str) -> None:
    """Say what the start is doing."""
    global _stage
    _stage = stage


def stage() -> str:
    """What the start is doing; empty at its beginning."""
    return _stage


def running() -> Services | None:
    """The services of this process, None while it starts or stops."""
    return _current


def current() -> Services:
    """The services of this process.

    Raises:
        NotReady: the process is still starting, or stopping.
    """
    if _current is None:
        raise NotReady(STARTING)
    return _current
