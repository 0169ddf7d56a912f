"""A shadow that was trained to be activated once it is better: promoted with a verdict, or told of and left alone."""

from __future__ import annotations

import pytest

from engine.errors import InvalidInput
from engine.evaluation.live import LEVEL
from engine.recommending.golden import Listed
from engine.runtime import Runtime
from engine.settings import Settings
from tests.engine.services.conftest import LONGER, finished, opened, trained_store
from tests.engine.services.test_exams import stored, unrated


def shadow_of(runtime: Runtime, activate: str = "if_better_live") -> int:
    """A version that is no better in its evaluation, and predicts beside the first."""
    status = finished(runtime, runtime.services.training.train_model("svd", LONGER, activate))  # type: ignore[arg-type]
    assert status.version == 2, status.error
    stored(runtime)
    assert runtime.services.exams.facts().shadows == (2,)
    return 2


def rate_as_expected_by(runtime: Runtime, version: int) -> None:
    """Many ratings, each what a version predicts, so that its errors are small."""
    services, model = runtime.services, runtime.services.versions.bundle(version).rating
    model.bind(services.serving._snapshots.load().data)
    for user in range(60):
        for movie in unrated(runtime, f"u{user}", 12):
            rating = round(2 * float(model.predict([f"u{user}"], [movie])[0])) / 2
            services.ratings.rate(f"u{user}", movie, min(max(rating, 0.5), 5.0))
    stored(runtime)
    look(runtime)


def look(runtime: Runtime) -> None:
    live = runtime.services.live
    live._look_after = 0.0
    live.look()


def test_it_is_promoted_once_it_is_better_and_not_before(trained: Runtime) -> None:
    version, services = shadow_of(trained), trained.services
    status = services.training.status()
    assert status.verdict.endswith("Version 1 stays active until new ratings show that this one is better.")
    look(trained)
    assert services.serving.active_version() == 1
    rate_as_expected_by(trained, version)
    assert services.serving.active_version() == version
    line = services.versions.ledger(1)[0]
    assert line.reason.startswith("Version 2 is better than version 1: RMSE ")
    assert line.actor == "you"
    told = [one for one in services.inbox.notices(50) if one.topic == "live"]
    assert [(one.details["version"], one.details["verdict"]) for one in told] == [(2, "PROMOTE")]
    assert told[0].text.endswith("It was activated, as its training asked for.")
    assert "better on new ratings" in services.audit.entries(5)[0].subject
    look(trained)
    assert len([one for one in services.inbox.notices(50) if one.topic == "live"]) == 1


def test_a_worse_one_stays_and_it_says_so(trained: Runtime) -> None:
    shadow_of(trained)
    rate_as_expected_by(trained, 1)
    assert trained.services.serving.active_version() == 1
    (notice,) = [one for one in trained.services.inbox.notices(50) if one.topic == "live"]
    assert "Version 2 is worse than version 1" in notice.text
    assert "stays a shadow" in notice.text


def test_others_are_told_of_and_left_to_people(trained: Runtime) -> None:
    shadow_of(trained, "never")
    rate_as_expected_by(trained, 2)
    assert trained.services.serving.active_version() == 1
    (notice,) = [one for one in trained.services.inbox.notices(50) if one.topic == "live"]
    assert notice.text.endswith("Activate it on the Versions page.")


def test_golden_people_hold_a_better_one(trained: Runtime) -> None:
    shadow_of(trained)
    worst = unrated(trained, "u1", 80)[-1]
    trained.services.golden.pin("western fans", [Listed(movie_id=worst, first=1)], ratings={"m1": 5.0})
    rate_as_expected_by(trained, 2)
    assert trained.services.serving.active_version() == 1
    (notice,) = [one for one in trained.services.inbox.notices(50) if one.topic == "live"]
    assert (notice.level, notice.details["verdict"]) == ("warning", "HOLD")
    assert "golden people" in notice.text


def test_it_needs_shadows(settings: Settings) -> None:
    with opened(settings.model_copy(update={"shadows": 0})) as runtime:
        with pytest.raises(InvalidInput, match="MARQUEE_SHADOWS"):
            runtime.services.training.train_model("svd", {}, "if_better_live")
        with pytest.raises(InvalidInput, match="must be one of"):
            runtime.services.training.train_model("svd", {}, "sometimes")  # type: ignore[arg-type]


def test_shadows_share_the_level_of_what_is_called_better(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels: list[float] = []
    monkeypatch.setattr("engine.services.live.compare_live", lambda *given: levels.append(given[-1]))
    for shadows in (1, 4):
        with opened(settings.model_copy(update={"shadows": shadows}), trained_store(tmp_path_factory)) as runtime:
            runtime.services.live.compare(1, 1)
    assert levels == [LEVEL, LEVEL / 4]
