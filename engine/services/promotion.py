"""Whether a new version is to serve, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.comparison import WORDS, compare
from engine.errors import InvalidInput
from engine.evaluation import EvaluationReport
from engine.types import ActivationPolicy, MetricDifference

COMPARED = ("ndcg_at_k", "rmse")


@dataclass(frozen=True)
class Decision:
    """Whether the version serves; ``verdict`` is for the ledger and the log."""

    activate: bool
    verdict: str


@dataclass(frozen=True)
class Rival:
    """The version that serves now; ``report`` is None where it keeps no errors by user."""

    version: int
    report: EvaluationReport | None


def decide(policy: ActivationPolicy, report: EvaluationReport | None, rival: Rival | None) -> Decision:
    """Whether the new version is to serve.

    Under ``if_better`` it does unless the paired test shows it to be worse than the one that serves, in the order of
    lists (NDCG) or in predicted ratings (RMSE). Where the two can't be compared it does as well.

    Args:
        policy: as the training was asked for.
        report: of the new version; None where there were too few ratings to judge it.
        rival: None where none serves yet.
    """
    if policy == "never":
        return Decision(False, "It was saved without serving, as asked.")
    if rival is None:
        return Decision(True, "It serves now: it is the first version.")
    if policy == "always":
        return Decision(True, "It serves now, as asked.")
    if report is None or rival.report is None:
        which = "it was" if report is None else f"version {rival.version} was"
        return Decision(True, f"It serves now: it can't be compared, since {which} not judged user by user.")
    try:
        found = compare(report, rival.report)
    except InvalidInput as error:
        return Decision(True, f"It serves now: it can't be compared with version {rival.version}. {error}")
    return _weigh(rival.version, {name: found[name] for name in COMPARED if name in found})


def _weigh(version: int, found: Mapping[str, MetricDifference]) -> Decision:
    users = max(one.users for one in found.values())
    told = ", ".join(
        f"{WORDS[name]} {one.value:.4f} against {one.baseline:.4f} ({one.verdict})" for name, one in found.items()
    )
    compared = f"on the same held-out ratings of {users:,} users: {told}."
    if any(one.verdict == "worse" for one in found.values()):
        return Decision(False, f"Version {version} goes on serving, since the new one is worse {compared}")
    return Decision(True, f"It serves now, being no worse than version {version} {compared}")
