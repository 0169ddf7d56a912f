"""What a model is called where people read it."""

from __future__ import annotations

from engine.models.registry import MODELS


def model(kind: str) -> str:
    """The name of a kind of model, as forms have it; one that is not known here is called what it calls itself."""
    return MODELS[kind].label if kind in MODELS else kind
