"""Details of a training run, stored to understand and repeat it later."""

import importlib.metadata
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from engine.background import peak_memory
from engine.evaluation.verdict import Judgement
from engine.recommending.effect import ListEffect
from engine.recommending.golden import GoldenResult
from engine.training.forecast import Forecast, PastRun, Work
from engine.training.steps import Step
from store.records import RunRecord, State

PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "scikit-surprise")
VERSIONS = {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}
"""The package versions that the numbers of a run depend on. Looked up once, since a lookup while Streamlit changes
``sys.path`` can fail."""


@dataclass(frozen=True)
class RunEnd:
    """End of a run without a version; ``ended_at`` in Unix seconds."""

    state: State
    stage: str
    reason: str
    ended_at: float
    details: dict[str, Any] | None = None

    def applied_to(self, record: RunRecord) -> RunRecord:
        """The record as it will be stored."""
        return replace(
            record, state=self.state, stage=self.stage, error=self.reason, ended_at=self.ended_at, details=self.details
        )


@dataclass
class RunLog:
    """Details of a run so far; ``began`` on a monotonic clock."""

    began: float = field(default_factory=time.monotonic)
    fingerprint: str | None = None
    epochs: int | None = None
    repeated: bool | None = None
    judgement: Judgement | None = None
    effect: ListEffect | None = None
    golden: Sequence[GoldenResult] = ()
    forecast: Forecast | None = None

    def details(self) -> dict[str, Any]:
        """All details as JSON values."""
        return {
            "seconds": time.monotonic() - self.began,
            "refit_epochs": self.epochs,
            "packages": VERSIONS,
            "fingerprint": self.fingerprint,
            "peak_memory_bytes": peak_memory(),
            "repeated": self.repeated,
            "ratings": None if self.forecast is None else self.forecast.work.ratings,
            "step_seconds": {} if self.forecast is None else self.forecast.seconds(),
            "judgement": None if self.judgement is None else asdict(self.judgement),
            "effect": None if self.effect is None else asdict(self.effect),
            "golden": [asdict(one) for one in self.golden],
        }


def past_runs(records: Iterable[RunRecord], kind: str) -> list[PastRun]:
    """Durations of earlier runs of a kind of model, in the order of the records."""
    noted = [(record, record.details) for record in records if record.kind == kind and record.details]
    return [
        PastRun(
            Work(kind, record.hyperparameters, details["ratings"]), _comparable(record, details), len(record.epochs)
        )
        for record, details in noted
        if details.get("step_seconds") and details.get("ratings")
    ]


def _comparable(record: RunRecord, details: dict[str, Any]) -> dict[str, float]:
    """Seconds by step, without the last step of a run that saved no version."""
    seconds: dict[str, float] = details["step_seconds"]
    return {name: took for name, took in seconds.items() if record.repeats is None or name != Step.SAVING.name}
