"""Whether to activate a new version, and why, in words."""

from dataclasses import dataclass, replace
from typing import Literal

from engine.errors import InvalidInput
from engine.evaluation.intervals import MIN_USERS
from engine.evaluation.report import EvaluationReport
from engine.evaluation.verdict import Judgement, judge

ActivationPolicy = Literal["if_better", "if_no_worse", "if_better_live", "always", "never"]
LIVE: ActivationPolicy = "if_better_live"


@dataclass(frozen=True)
class Candidate:
    """A version to be evaluated.

    Attributes:
        report: None with too few ratings, or if an earlier release kept no errors per user.
        fingerprint: of its training ratings.
    """

    report: EvaluationReport | None
    fingerprint: str


@dataclass(frozen=True)
class Rival(Candidate):
    """The active version."""

    version: int


@dataclass(frozen=True)
class Decision:
    """Whether to activate the version, why (for the deployment history and the log), and the judgement behind it."""

    activate: bool
    verdict: str
    judgement: Judgement


FIRST = "It is the first version."


def decide(
    policy: ActivationPolicy, new: Candidate, rival: Rival | None, alone: str = FIRST, broken: str = ""
) -> Decision:
    """Whether to activate the new version.

    Args:
        policy: as requested for the training. ``if_better`` activates promoted versions; ``if_no_worse`` also held
            ones that do no harm, as they know the newest ratings; ``if_better_live`` waits for new ratings to show that
            it is better, whatever the verdict; ``always`` and ``never`` ignore the verdict.
        new: the new version.
        rival: the active version; None if there is none, or it is damaged.
        alone: why there is no rival.
        broken: what golden people expect and do not get, in words. It holds a version that would be promoted, unless
            nothing else could serve.
    """
    judgement = Judgement("PROMOTE", None, alone) if rival is None else _judge(new, rival)
    if broken:
        judgement = _hold(judgement, broken)
    harmless = judgement.verdict == "HOLD" and bool(judgement.evidence) and judgement.harmless and not broken
    serves = {
        "if_better": judgement.verdict == "PROMOTE",
        "if_no_worse": judgement.verdict == "PROMOTE" or harmless,
        "if_better_live": judgement.baseline is None,
        "always": True,
        "never": False,
    }[policy]
    return Decision(serves, f"{judgement.text} {_tell(policy, judgement, serves)}", judgement)


def _hold(judgement: Judgement, broken: str) -> Judgement:
    """The judgement of a version that breaks expectations of golden people."""
    text = f"{judgement.text} Golden people do not get what they must: {broken}."
    held = judgement.verdict == "PROMOTE" and judgement.baseline is not None
    return replace(judgement, verdict="HOLD" if held else judgement.verdict, text=text)


def _tell(policy: ActivationPolicy, judgement: Judgement, serves: bool) -> str:
    if policy == "always":
        return "It was activated, as requested, whatever the verdict."
    if policy == "never":
        return "It was saved without activation, as requested."
    if policy == LIVE and not serves:
        return f"Version {judgement.baseline} stays active until new ratings show that this one is better."
    if serves:
        return "It was activated." if judgement.verdict == "PROMOTE" else "It was activated, as it does no harm."
    return f"Version {judgement.baseline} stayed active."


def _judge(new: Candidate, rival: Rival) -> Judgement:
    """The verdict; where no test is possible, a version trained on other ratings than the active one is newer."""
    if new.report is None or rival.report is None:
        return _judge_unmeasured(new, rival)
    try:
        judgement = judge(new.report, rival.report, rival.version)
    except InvalidInput as error:
        return Judgement("HOLD", rival.version, f"It can't be compared with version {rival.version}. {error}")
    users = max((one.difference.users for one in judgement.evidence), default=0)
    if users < MIN_USERS and judgement.verdict == "HOLD":
        return _take_newer(new, rival, f"With so few people ({users}) no test can show a gain.")
    return judgement


def _judge_unmeasured(new: Candidate, rival: Rival) -> Judgement:
    if new.report is None and rival.report is not None:
        text = f"It could not be evaluated, but version {rival.version} was."
        return Judgement("HOLD", rival.version, text)
    return _take_newer(
        new, rival, f"Version {rival.version} was not evaluated person by person, so no test is possible."
    )


def _take_newer(new: Candidate, rival: Rival, why: str) -> Judgement:
    if new.fingerprint == rival.fingerprint:
        return Judgement("HOLD", rival.version, f"{why} Both were trained on the same ratings.")
    return Judgement("PROMOTE", rival.version, f"{why} It was trained on newer ratings.")
