"""Each training measures what its version changes in people's lists."""

from __future__ import annotations

from engine.runtime import Runtime
from tests.engine.services.conftest import LONGER, QUICK, finished


def test_a_training_measures_what_its_version_changes(trained: Runtime) -> None:
    training, versions = trained.services.training, trained.services.versions
    assert training.runs()[0].effect is None  # the first version has nothing to be compared with
    same = finished(trained, training.train_model("svd", QUICK, "never"))
    assert same.effect is not None
    assert (same.effect.baseline, same.effect.users, same.effect.unchanged) == (1, 60, 1.0)
    assert same.effect.text == "People see the same lists."
    other = finished(trained, training.train_model("svd", LONGER, "never"))
    assert other.effect is not None
    assert other.effect.ratings is not None
    assert other.effect.ratings > 0.01
    assert versions.effect(other.version or 0) == other.effect
    assert versions.effect(1) is None


def test_lists_of_other_settings_change(trained: Runtime) -> None:
    training = trained.services.training
    ranker = {"l2": 5000.0, "popularity_discount": 0.4}
    changed = finished(trained, training.train_model("svd", QUICK, "never", ranker=ranker)).effect
    assert changed is not None
    assert changed.replaced > 0
    assert changed.unchanged < 0.5
