"""The composition root: builds store, services and threads, starts and stops them."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import monotonic

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it carries no types

from engine.background import give_back_memory
from engine.errors import InvalidSettings, MarqueeError
from engine.models import spark
from engine.models.list_settings import check_list_settings
from engine.models.registry import check_settings
from engine.services import Services, starts_with, use
from engine.services.access import AccessService, secret_of
from engine.services.answers import AnswerService
from engine.services.audit import AuditService
from engine.services.automation import AutomationService
from engine.services.catalogue import CatalogueService
from engine.services.data_picture import DataService
from engine.services.exams import ExamService
from engine.services.exports import ExportService
from engine.services.figures import FiguresService
from engine.services.first_training import train_first
from engine.services.golden import GoldenService
from engine.services.history import HistoryService
from engine.services.import_task import Stores
from engine.services.imports import ImportService
from engine.services.library import LibraryService
from engine.services.live import LiveService
from engine.services.live_notices import LiveNotices
from engine.services.live_promotion import LivePromotion
from engine.services.notices import InboxService, NotifyingService
from engine.services.profiles import ProfileService
from engine.services.ratings import RatingService
from engine.services.reach import ReachService
from engine.services.recommendations import RecommendationService
from engine.services.records import JobState
from engine.services.replays import ReplayService
from engine.services.scale import StoreScale
from engine.services.serving import ServingService
from engine.services.shadows import ShadowService
from engine.services.snapshots import Snapshots
from engine.services.spark_lists import SparkListService
from engine.services.storage import Restore, StorageService
from engine.services.trainer import Trainer
from engine.services.training import TrainingService
from engine.services.tuning import TuningService
from engine.services.version_files import VersionFileService
from engine.services.versions import VersionService
from engine.services.warmup import warm_up
from engine.services.webhook import Webhook
from engine.settings import Settings
from store import backups, inspection
from store.answers import AnswerStore
from store.audit import AuditStore
from store.database import Database
from store.errors import StoreError, StoreReplaced, UnusableBackup
from store.exams import ExamStore
from store.golden import GoldenStore
from store.history import HistoryStore
from store.imports import ImportStore
from store.jobs import JobStore
from store.keys import KeyStore
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.runs import RunStore
from store.studies import TuningStore
from store.values import ValueStore
from store.versions import MLModelManager

log = logging.getLogger(__name__)

DAMAGE_SILENCE_S = 3600.0
"""Seconds before another notice of damage."""


def _nothing() -> None:
    """Do nothing."""


@dataclass
class Runtime:
    """One running Marquee. ``start`` once, ``stop`` once."""

    settings: Settings
    database: Database
    services: Services
    notifying: NotifyingService
    notices: NoticeStore
    figures: FiguresService
    reach: ReachService
    lost: Callable[[], None] = _nothing
    """Called once the store was replaced and nothing more can be saved; the process should end then."""

    def watch(self) -> None:
        """Report dead workers and a damaged store as notices, without waiting; a replaced store ends Marquee."""
        self.database.writer.on_fault = self._tell_of_store
        for worker in self.services.workers:
            worker.on_death = self._tell_of_death

    _told_until: float = 0.0

    def _tell_of_store(self, error: StoreError) -> None:
        if isinstance(error, StoreReplaced):
            self.lost()
        elif monotonic() >= self._told_until:
            self._told_until = monotonic() + DAMAGE_SILENCE_S
            log.error("the store is damaged: %s", error.__cause__)
            self.notices.add_later("error", "store", str(error))

    def _tell_of_death(self, name: str, reason: str) -> None:
        told = f"The worker {name} stopped unexpectedly ({reason}) and restarts automatically. See the log."
        self.notices.add_later("error", "workers", told, {"worker": name})

    def start(self) -> None:
        """Serve the active version and start background work; on an empty store, import the demo if wanted."""
        # Requests solve small systems, for which more BLAS threads only wait for each other.
        threadpool_limits(1, user_api="blas")
        self.services.serving.read_ahead()
        starts_with("Getting ready to learn. The first start on a computer takes up to a minute longer")
        warm_up()
        starts_with("Reading the ratings and loading the active version")
        self.notifying.open()
        self.services.imports.start()
        self.services.spark_lists.start()
        self.services.answers.open()
        self.services.serving.load_active()
        self.figures.open()
        self.reach.open()
        self.services.exams.open()
        self.services.training.trainer.start()
        self.services.tuning.open()
        self.services.automation.open()
        self.services.storage.open()
        if self.settings.demo and self._demo_is_missing():
            self._import_demo()
        elif self.services.serving.active_version() is None:
            train_first(self.services)
        use(self.services)

    def _import_demo(self) -> None:
        if self.services.imports.has_demo():
            self.services.imports.import_demo()
        else:
            log.info("Marquee is empty, and the demo ratings are not installed. Import ratings on the Import page.")

    def _demo_is_missing(self) -> bool:
        """The store is empty, or the import of the demo was interrupted before the first training."""
        if not self.services.library.counts().ratings:
            return True
        cut_short = any(job.kind == "demo" and job.state == JobState.FAILED for job in self.services.imports.jobs(1))
        return cut_short and self.services.serving.active_version() is None

    def stop(self) -> None:
        """End background work, then close the store; every acknowledged write is already on disk."""
        use(None)
        self.services.storage.close()
        self.services.automation.close()
        self.services.imports.close()
        self.services.spark_lists.close()
        self.services.tuning.close()
        self.services.exams.close()
        self.reach.close()
        self.figures.close()
        self.services.training.trainer.close()
        self.notifying.close()
        self.services.answers.close()
        self.services.audit.close()
        spark.use(None)
        self.database.close()

    def data_changed(self) -> None:
        """After an import: serve new ratings, and train the first version on them.

        The first after an undo of everything is activated whatever its verdict: the one before knows none of them.
        """
        give_back_memory()
        serving = self.services.serving
        was_empty = serving.serves_nobody()
        serving.refresh()
        self.figures.prepare()
        if serving.active_version() is None:
            train_first(self.services)
        elif was_empty and serving.knows_nobody():
            train_first(self.services, "always")


def check_start(settings: Settings) -> None:
    """Check, before a server starts, that the store can be opened on its scale and the hyperparameters read.

    Raises:
        InvalidSettings: they can't, with the reason and what to do.
    """
    check_settings()
    check_list_settings()
    _open(settings, time.time)[0].close()


def _open(settings: Settings, clock: Callable[[], float]) -> tuple[Database, StoreScale]:
    """The store, and the scale of its ratings."""
    try:
        database = Database.open(settings.database_url, clock=clock)
    except StoreError as error:
        raise InvalidSettings(str(error)) from error
    try:
        secret_of(database)  # written now, so that a read-only store is noticed here
        return database, StoreScale(settings, database)
    except StoreError as error:
        database.close()
        raise InvalidSettings(str(error)) from error
    except BaseException:
        database.close()
        raise


def build(settings: Settings, clock: Callable[[], float] = time.time, *, restore: Restore | None = None) -> Runtime:
    """Open the store and build the services; nothing runs before ``start``.

    Args:
        settings: the settings.
        clock: Unix seconds.
        restore: replaces the store by a backup while Marquee runs; None where it can't.

    Raises:
        InvalidSettings: ``hyperparameters.toml`` is not valid, or the store has another scale or can't be opened; the
            message says why and what to do.
    """
    check_settings()
    check_list_settings()
    spark.use(spark.Cluster.of(settings))
    database, scale = _open(settings, clock)
    ratings, models = RatingStore(database), MLModelManager(database)
    runs, notices, jobs = RunStore(database), NoticeStore(database), JobStore(database)
    snapshots = Snapshots(ratings, scale, clock)
    serving = ServingService(ratings, snapshots, models, notices, settings, clock)
    golden = GoldenService(GoldenStore(database), snapshots, scale, serving)
    history = HistoryService(HistoryStore(database), ratings, snapshots, scale)
    trainer = Trainer(ratings, snapshots, models, runs, notices, serving, golden, history, settings, clock)
    training = TrainingService(trainer, ratings, models, runs, settings.shadows)
    spark_lists = SparkListService(jobs, serving)
    kept = ExamStore(database)
    shadows = ShadowService(ratings, snapshots, models, kept, settings)
    values = ValueStore(database, "answers")
    answers = AnswerService(AnswerStore(database), values, ratings, snapshots, settings.answer_log_mb, clock)
    exams = ExamService(serving, kept, shadows, settings.exam_days, clock, answers.was_shown)
    recommendations = RecommendationService(serving, snapshots, scale, answers, clock)
    versions = VersionService(models, runs, notices, serving, recommendations)
    live_notices = LiveNotices(notices, ValueStore(database, "live"))
    promotion = LivePromotion(versions, runs, golden, serving, live_notices)
    live = LiveService(kept, exams, models, serving, live_notices, scale, settings, clock, promotion.consider)
    exams.on_written = live.look
    imports = ImportService(
        Stores(ratings, ImportStore(database), scale, clock),
        jobs,
        folder=database.path.with_name(f"{database.path.name}.imports"),
        on_change=lambda: runtime.data_changed(),
    )
    tuning = TuningService(ratings, snapshots, TuningStore(database), notices, training, settings.personal_from, clock)
    automation = AutomationService(ValueStore(database, "automation"), training, models, ratings, notices, clock)
    post = Webhook(settings.secret, private=settings.webhook_private, clock=clock)
    notifying = NotifyingService(notices, ValueStore(database, "webhook"), settings.webhook_url, post, clock)
    storage = StorageService(database, ValueStore(database, "storage"), notices, clock, restore)
    secret = secret_of(database)
    audit = AuditService(AuditStore(database), secret, settings.audit_days, clock)
    access = AccessService(KeyStore(database), audit, secret, needed=settings.key is not None, clock=clock)
    figures = FiguresService(ratings, snapshots, clock)
    reach = ReachService(serving, ratings, clock)
    library = LibraryService(ratings, snapshots, scale, figures)
    working = (imports, spark_lists, trainer, tuning, automation, notifying, storage, figures, reach, exams, answers)
    workers = (database.writer, *(service.worker for service in working))
    forgetting = spark_lists.forget, exams.forget
    services = Services(
        settings=settings,
        scale=scale,
        library=library,
        catalogue=CatalogueService(figures, reach, serving),
        profiles=ProfileService(ratings, snapshots, figures, library, serving, recommendations, reach, clock),
        data=DataService(figures, versions, settings),
        imports=imports,
        live=live,
        exams=exams,
        exports=ExportService(ratings, snapshots, scale, serving, versions),
        spark_lists=spark_lists,
        training=training,
        serving=serving,
        ratings=RatingService(ratings, snapshots, models, serving, scale, notices, clock, *forgetting),
        recommendations=recommendations,
        answers=answers,
        replays=ReplayService(answers, history, models, serving),
        versions=versions,
        golden=golden,
        version_files=VersionFileService(versions, models, notices, serving, snapshots),
        tuning=tuning,
        automation=automation,
        inbox=InboxService(notices, notifying.channel),
        storage=storage,
        access=access,
        audit=audit,
        workers=workers,
    )
    runtime = Runtime(settings, database, services, notifying, notices, figures, reach)
    runtime.watch()
    return runtime


class Host:
    """Runs Marquee, and restarts it to restore a backup.

    Args:
        settings: the settings.
        lost: called once the store was replaced and nothing more can be saved.
    """

    def __init__(self, settings: Settings, lost: Callable[[], None] = _nothing) -> None:
        self._settings = settings
        self._lost = lost
        self._changing = Lock()
        self.runtime: Runtime | None = None

    def start(self) -> None:
        """Open the store and start everything.

        Raises:
            InvalidSettings: it can't start, with the reason and what to do.
        """
        with self._changing:
            self._begin()

    def stop(self) -> None:
        """Stop everything."""
        with self._changing:
            self._end()

    def restore(self, backup: Path) -> Path | None:
        """Replace the store by a backup and restart.

        Returns:
            The path of the previous store.

        Raises:
            UnusableBackup: it is damaged, or Marquee can't start with it; the store is unchanged.
        """
        backups.verify(backup)
        with self._changing:
            if self.runtime is None:
                raise UnusableBackup("Marquee is stopping.")
            path = self.runtime.database.path
            self._end()
            try:
                kept = backups.restore(backup, path, now=time.time())
            except BaseException:
                self._begin()
                raise
            try:
                self._begin()
            except Exception as error:
                log.exception("Marquee could not start with the backup %s", backup.name)
                if kept is not None:
                    backups.restore(kept, path, now=time.time())
                self._begin()
                raise UnusableBackup(
                    f"Marquee can't start with {backup.name}, so the store is unchanged: {error}"
                ) from error
        return kept

    def _begin(self) -> None:
        starts_with("Opening the store")
        self.runtime = build(self._settings, restore=self.restore)
        self.runtime.lost = self._lost
        try:
            self.runtime.start()
        except BaseException as error:
            faults, path = self._faults(error), self.runtime.database.path
            self._end()
            if not faults:
                raise
            raise InvalidSettings(
                f"The store {path} is damaged: {faults[0]} List all faults with 'python -m store check', and restore a "
                "backup with 'python -m store restore'."
            ) from error

    def _faults(self, error: BaseException) -> Sequence[str]:
        """Faults of the store, where a start failed for an unknown reason."""
        if self.runtime is None or not isinstance(error, Exception) or isinstance(error, MarqueeError):
            return []
        try:
            with self.runtime.database.read() as connection:
                return inspection.faults(connection, thorough=True)
        except StoreError as unreadable:
            return [str(unreadable)]

    def _end(self) -> None:
        runtime, self.runtime = self.runtime, None
        if runtime is not None:
            runtime.stop()
