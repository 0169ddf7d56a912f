"""What a training run notes of itself, so that it can be understood and repeated later."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.memory import peak_memory
from engine.types import Judgement

PACKAGES = ("numpy", "scipy", "numba", "scikit-learn", "scikit-surprise")


@dataclass(frozen=True)
class RunEnd:
    """How a run ended without a version."""

    state: Literal["cancelled", "failed"]
    stage: str
    reason: str
    details: dict[str, Any] | None = None


@dataclass
class RunLog:
    """What a run notes of itself, as far as it has come; ``began`` in Unix seconds."""

    began: float
    fingerprint: str | None = None
    epochs: int | None = None
    repeated: bool | None = None
    judgement: Judgement | None = None

    def details(self, now: float) -> dict[str, Any]:
        """All of it, as JSON values."""
        return {
            "seconds": now - self.began,
            "refit_epochs": self.epochs,
            "packages": package_versions(),
            "fingerprint": self.fingerprint,
            "peak_memory_bytes": peak_memory(),
            "repeated": self.repeated,
            "judgement": None if self.judgement is None else asdict(self.judgement),
        }


def package_versions() -> dict[str, str]:
    """What the numbers of a run depend on."""
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in PACKAGES}
