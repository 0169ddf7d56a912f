"""Whether a new version is to serve, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.learning import LIST_LENGTH
from engine.types import ActivationPolicy

COMPARED = ("ndcg_at_k", "rmse")


@dataclass(frozen=True)
class Decision:
    """Whether the version serves; ``verdict`` is for the ledger and the log."""

    activate: bool
    verdict: str


def alike_enough(ratings: int, before: int) -> bool:
    """Whether held-out parts of two sets of ratings can be compared: their sizes differ by no more than a twentieth."""
    return abs(ratings - before) <= before / 20


def decide(
    policy: ActivationPolicy, metrics: Mapping[str, Any], before: Mapping[str, Any] | None, *, alike: bool = True
) -> Decision:
    """Whether the new version is to serve. ``before``: the stored metrics of the active version, None without one.

    Better means: neither the order of the lists (NDCG) nor the predicted ratings (RMSE) got worse.
    """
    if policy == "never":
        return Decision(False, "It was saved without serving, as asked.")
    if before is None:
        return Decision(True, "It serves now: it is the first version.")
    if policy == "always":
        return Decision(True, "It serves now, as asked.")
    if not alike:
        return Decision(
            True, "It serves now: it learned from other ratings, so it can't be compared with the last one."
        )
    if any(name not in measured for name in COMPARED for measured in (metrics, before)):
        return Decision(True, "It serves now: there are too few ratings to compare it with the version before.")
    ndcg, rmse = ((metrics[name]["value"], before[name]["value"]) for name in COMPARED)
    compared = f"NDCG@{LIST_LENGTH} {ndcg[0]:.4f} (before {ndcg[1]:.4f}), RMSE {rmse[0]:.4f} (before {rmse[1]:.4f})."
    if ndcg[0] >= ndcg[1] and rmse[0] <= rmse[1]:
        return Decision(True, f"It serves now, being no worse than the version before: {compared}")
    return Decision(False, f"The version before goes on serving: {compared}")
