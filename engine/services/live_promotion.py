"""A shadow that turned out better or worse: a notice, and its promotion if its training asked for that."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from engine.errors import MarqueeError
from engine.evaluation.live import LiveComparison
from engine.recommending.golden import tell_broken
from engine.services.audit import log_action
from engine.services.golden import GoldenService
from engine.services.live_notices import LiveNotices
from engine.services.serving import ServingService
from engine.services.storing import in_words
from engine.services.versions import VersionService
from engine.training.promotion import LIVE, ActivationPolicy
from store.errors import StoreError
from store.notices import Level
from store.runs import RunStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LivePromotion:
    """Acts on each pair of a shadow and the version that serves once, at the moment when the two can be told apart."""

    _versions: VersionService
    _runs: RunStore
    _golden: GoldenService
    _serving: ServingService
    _notices: LiveNotices

    def consider(self, found: LiveComparison) -> None:
        """Tell of a shadow that turned out better or worse; promote a better one that was trained to be.

        An error becomes a notice: it concerns one version, and exams go on.
        """
        pair = f"{found.version} {found.baseline}"
        if found.told_after is None or self._serving.active_version() != found.baseline:
            return
        if self._notices.has("told", pair):
            return
        level, text, verdict = self._act(found)
        about: dict[str, Any] = {"version": found.version} | ({"verdict": verdict} if verdict else {})
        self._notices.add("told", pair, level, text, about)

    def _act(self, found: LiveComparison) -> tuple[Level, str, str]:
        """Level and text of the notice, and the verdict if there is one."""
        policy, actor = self._asked(found.version)
        if policy != LIVE:
            hint = " Activate it on the Versions page." if found.outcome == "better" else ""
            return "info", f"{found.text}{hint}", ""
        if found.outcome == "worse":
            return "info", f"{found.text} It was to be activated once it is better, so it stays a shadow.", "HOLD"
        try:
            broken = tell_broken(self._golden.check(self._versions.bundle(found.version)))
            if broken:
                text = f"{found.text} But golden people do not get what they must: {broken}. It stays a shadow."
                return "warning", text, "HOLD"
            self._versions.enter(found.version, actor, found.text)
            log_action("version activated", f"version {found.version}, better on new ratings, for {actor}")
        except (MarqueeError, StoreError) as error:
            log.error("version %d can't be promoted: %s", found.version, error)
            return "error", f"{found.text} But it can't be activated. {in_words(error) or error}", ""
        return "info", f"{found.text} It was activated, as its training asked for.", "PROMOTE"

    def _asked(self, version: int) -> tuple[ActivationPolicy, str]:
        """When the version was to be activated, and by whom; nothing for one that was not trained here."""
        run = self._versions.get(version).run_id
        if run is None:
            return "never", ""
        found = self._runs.get(run)
        return found.activate, found.actor
