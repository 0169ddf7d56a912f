"""Whether a new version is to serve, and why, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.errors import InvalidInput
from engine.evaluation.intervals import MIN_USERS
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import Judgement, judge

ActivationPolicy = Literal["if_better", "if_no_worse", "always", "never"]


@dataclass(frozen=True)
class Candidate:
    """A version to be judged.

    Attributes:
        report: None where there were too few ratings to judge it, or where earlier code kept no errors by user.
        fingerprint: of the ratings that it has learned.
    """

    report: EvaluationReport | None
    fingerprint: str


@dataclass(frozen=True)
class Rival(Candidate):
    """The version that serves now."""

    version: int


@dataclass(frozen=True)
class Decision:
    """Whether the version serves, why (for the ledger and the log), and what it was judged by."""

    activate: bool
    verdict: str
    judgement: Judgement


FIRST = "It is the first version."


def decide(policy: ActivationPolicy, new: Candidate, rival: Rival | None, alone: str = FIRST) -> Decision:
    """Whether the new version is to serve.

    Args:
        policy: as the training was asked for. ``if_better`` follows the verdict: only what is promoted serves.
            ``if_no_worse`` lets what is held serve as well, where it does no harm: it has learned the newest ratings.
            ``always`` and ``never`` do not look at the verdict.
        new: the new version.
        rival: None where none serves, or what serves is damaged.
        alone: why there is no rival.
    """
    judgement = Judgement("PROMOTE", None, alone) if rival is None else _judge(new, rival)
    serves = {
        "if_better": judgement.verdict == "PROMOTE",
        "if_no_worse": judgement.verdict == "PROMOTE" or _does_no_harm(judgement),
        "always": True,
        "never": False,
    }[policy]
    return Decision(serves, f"{judgement.verdict}: {judgement.text} {_tell(policy, judgement, serves)}", judgement)


def _does_no_harm(judgement: Judgement) -> bool:
    return judgement.verdict == "HOLD" and bool(judgement.evidence) and judgement.harmless


def _tell(policy: ActivationPolicy, judgement: Judgement, serves: bool) -> str:
    if policy == "always":
        return "It serves now, as asked, whatever the verdict."
    if policy == "never":
        return "It was saved without serving, as asked."
    if serves:
        return "It serves now." if judgement.verdict == "PROMOTE" else "It serves now, as it does no harm."
    return f"Version {judgement.baseline} goes on serving."


def _judge(new: Candidate, rival: Rival) -> Judgement:
    """The verdict; where no test is possible, what has learned other ratings than the version that serves is newer."""
    if new.report is None or rival.report is None:
        return _judge_unmeasured(new, rival)
    try:
        judgement = judge(new.report, rival.report, rival.version)
    except InvalidInput as error:
        return Judgement("HOLD", rival.version, f"It can't be compared with version {rival.version}. {error}")
    users = max((one.difference.users for one in judgement.evidence), default=0)
    if users < MIN_USERS and judgement.verdict == "HOLD":
        return _take_newer(new, rival, f"With so few users ({users}) no test can show a gain.")
    return judgement


def _judge_unmeasured(new: Candidate, rival: Rival) -> Judgement:
    if new.report is None and rival.report is not None:
        text = f"It could not be judged, and version {rival.version} was."
        return Judgement("HOLD", rival.version, text)
    return _take_newer(new, rival, f"Version {rival.version} was not judged user by user, so nothing can be compared.")


def _take_newer(new: Candidate, rival: Rival, why: str) -> Judgement:
    if new.fingerprint == rival.fingerprint:
        return Judgement("HOLD", rival.version, f"{why} Both have learned the same ratings.")
    return Judgement("PROMOTE", rival.version, f"{why} It has learned newer ratings.")
