"""Every model of the catalogue with hyperparameters that learn small planted ratings in a moment."""

from __future__ import annotations

from typing import Any

from engine.models.base import ModelConfig, RatingModel
from engine.models.registry import build, configure, entry

QUICK: dict[str, dict[str, Any]] = {
    "svd": {"factors": 8, "epochs": 30, "learning_rate": 0.02, "regularization": 0.05},
    "ncf": {"factors": 4, "networks": 1, "epochs": 6, "batch_size": 128, "parts": 4},
}
"""Models that are not named here keep their own."""


def quick_config(kind: str, **changes: Any) -> ModelConfig:
    """Hyperparameters of a model; a change of one that it does not have is left out."""
    fields = entry(kind).config.model_fields
    known = {name: value for name, value in changes.items() if name in fields}
    return configure(kind, QUICK.get(kind, {}) | known)


def quick_model(kind: str, **changes: Any) -> RatingModel:
    """An untrained model."""
    return build(quick_config(kind, **changes))
