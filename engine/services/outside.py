"""Runs that learn a table of ratings outside Marquee; their versions are activated by hand only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.data.ratings import Interactions
from engine.models.base import ModelConfig
from engine.models.list_settings import RankingConfig
from engine.models.spark_als import SparkALSConfig
from engine.services.run_log import RunLog
from engine.services.serving import ServingService
from engine.services.snapshots import DataSnapshot, Snapshots
from engine.services.version_records import describe_outside, plain_metrics
from engine.training.outside import Outside, learn_outside
from engine.training.pipeline import Listener
from engine.training.steps import Step
from store.connections import Transaction
from store.notices import NoticeStore
from store.ratings import RatingStore
from store.records import MovieRow, RunRecord, State
from store.runs import RunStore
from store.versions import MLModelManager


@dataclass(frozen=True)
class OutsideRuns:
    """Learns from the table, adds its movies to the catalogue, and saves the version."""

    _ratings: RatingStore
    _snapshots: Snapshots
    _models: MLModelManager
    _runs: RunStore
    _notices: NoticeStore
    _serving: ServingService
    _personal_from: int

    def learn(
        self, run: RunRecord, config: ModelConfig, ranking: RankingConfig, listener: Listener, entry: RunLog
    ) -> None:
        """Learn and save; the run ends with the version.

        Raises:
            Cancelled: the run was cancelled.
            ClusterFailed: the job ended without a result.
        """
        assert isinstance(config, SparkALSConfig)
        taken: list[DataSnapshot] = []

        def add(names: Sequence[str]) -> Interactions:
            self._ratings.add_movies([MovieRow(name, "", None, ()) for name in names])
            taken.append(self._snapshots.load())
            return taken[0].data

        found = learn_outside(config, ranking, self._snapshots.load().data.scale, listener, add)
        entry.epochs, entry.fingerprint = found.epochs, None
        listener.enter(Step.SAVING)
        self._save(run, found, taken[0], entry)
        self._serving.refresh()  # with the movies of the table

    def _save(self, run: RunRecord, found: Outside, snapshot: DataSnapshot, entry: RunLog) -> None:
        metrics, table = plain_metrics(found.metrics), found.table
        verdict = (
            f"It learned {table['ratings']:,} ratings of the table {table['path']}, outside Marquee, so no rule judges "
            "it. It was saved without activation: activate it by hand."
        )
        with self._models.saving(
            kind=run.kind,
            config=found.bundle.config() | {"asked": run.hyperparameters, "asked_ranker": run.ranker},
            arrays=found.bundle.arrays(),
            metrics=metrics,
            segments={},
            protocol=found.protocol | {"personal_from": self._personal_from},
            charts={},
            data=describe_outside(snapshot, table),
            run_id=run.run_id,
            note=run.note,
        ) as version:

            def publish(tx: Transaction) -> None:
                self._models.publish(version, None, tx=tx)
                ended: dict[str, Any] = {"version": version, "metrics": metrics, "verdict": verdict}
                self._runs.finish(run.run_id, State.SUCCEEDED, "Done", tx=tx, details=entry.details(), **ended)
                about = {"run_id": run.run_id, "version": version}
                self._notices.add("info", "training", f"Version {version} is trained. {verdict}", about, tx=tx)

            self._models.transaction(publish)
