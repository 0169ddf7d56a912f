"""The settings of lists are part of a version: they change lists, are compared, kept, and asked for again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine.data.history import History
from engine.errors import InvalidHyperparameter
from engine.models.hyperparameters import AUTO
from engine.models.list_settings import CHOSEN, DEFAULT_RANKING
from engine.models.rankers import RANKERS
from engine.runtime import Runtime, build
from engine.services.training import TrainingStatus
from engine.settings import Settings
from engine.training.promotion import ActivationPolicy
from tests.engine.services.conftest import QUICK, finished

WORSE = {"l2": 1e6, "next_weight": 0.0, "factor_weight": 0.0, "dislike": 10.0, "recency": 5.0}
"""Lists that follow a user's newest rating, above all if it is low."""


def train(runtime: Runtime, ranker: dict[str, Any], activate: ActivationPolicy = "never") -> TrainingStatus:
    status = finished(runtime, runtime.services.training.train_model("svd", QUICK, activate, ranker=ranker))
    assert status.state == "succeeded", status.error
    return status


def test_other_settings_of_lists_change_lists_and_nothing_else(trained: Runtime) -> None:
    status = train(trained, WORSE, "if_better")
    before, after = (trained.services.versions.get(number).metrics for number in (1, 2))
    assert after["rmse"] == before["rmse"]
    assert after["ndcg_at_k"].value < before["ndcg_at_k"].value
    for user in ("u1", "u20", "u41"):
        one, other = trained.services.versions.lists(user, [1, 2], 10)
        assert {item.movie.movie_id for item in one.items} != {item.movie.movie_id for item in other.items}
    (found,) = trained.services.versions.compare([1, 2])
    assert found.differences["rmse"].difference == 0
    assert found.differences["ndcg_at_k"].verdict == "worse"
    assert status.judgement is not None
    assert (status.judgement.verdict, status.judgement.baseline) == ("REJECT", 1)
    (goal,) = [one for one in status.judgement.evidence if (one.role, one.metric) == ("goal", "ndcg_at_k")]
    assert goal.difference.difference < 0
    assert trained.services.serving.active_version() == 1


def test_what_was_given_and_what_was_chosen_is_kept(trained: Runtime) -> None:
    given = {"recency": 0.7, "rating_weight": 0.3}
    status = train(trained, given)
    assert status.ranker == DEFAULT_RANKING.model_dump() | given
    version = trained.services.versions.get(status.version or 0)
    assert version.ranker | given == version.ranker
    assert all(isinstance(version.ranker[name], float) for name in CHOSEN & set(RANKERS["ease"].config.model_fields))
    chosen = {name.removeprefix("ranker.") for name in version.automatic if name.startswith("ranker.")}
    assert chosen >= {"l2", "next_weight", "popularity_discount"}
    assert not chosen & set(given)
    first = trained.services.versions.get(1)
    assert trained.services.training.status(1).ranker["recency"] == AUTO
    assert "ranker.recency" in first.automatic


def test_a_retraining_takes_the_settings_of_lists_that_were_asked_for(trained: Runtime) -> None:
    status = train(trained, {"recency": 0.7, "method": "als", "factors": 8}, "always")
    again = finished(trained, trained.services.training.retrain(activate="never"))
    assert again.ranker == status.ranker
    first, second = (trained.services.versions.get(one.version or 0) for one in (status, again))
    assert second.ranker == first.ranker
    assert first.ranker["method"] == "als"
    assert (first.ranker["factors"], first.ranker["recency"]) == (8, 0.7)


@pytest.mark.parametrize(
    ("ranker", "field"),
    [
        ({"recency": -1.0}, "ranker.recency"),
        ({"method": "svd"}, "ranker.method"),
        ({"hype": 2.0}, "ranker.hype"),
        ({"dislike": AUTO}, "ranker.dislike"),
    ],
)
def test_settings_of_lists_out_of_range_are_refused(trained: Runtime, ranker: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidHyperparameter) as error:
        trained.services.training.train_model("svd", QUICK, ranker=ranker)
    assert error.value.field == field
    assert len(trained.services.training.runs()) == 1


def test_faults_of_both_parts_are_named_together(trained: Runtime) -> None:
    with pytest.raises(InvalidHyperparameter) as error:
        trained.services.training.train_model("svd", {"factors": -1}, ranker={"recency": -1.0})
    assert set(error.value.faults) == {"factors", "ranker.recency"}


def history_of(runtime: Runtime, user: str) -> History:
    return runtime.services.serving.ready().state_of(user).history


def test_the_times_of_a_history_survive_a_restart(trained: Runtime, settings: Settings) -> None:
    """Ratings from before the training, and later ones, changed or removed, keep their times after a restart."""
    services = trained.services
    known = history_of(trained, "u1")
    movies = [str(services.serving.ready().data.movie_ids.raw(int(item))) for item in known.items]
    services.ratings.rate("u1", movies[0], 1.5)  # the oldest may become the newest
    services.ratings.unrate("u1", movies[1])
    for user in ("u1", "late"):
        for item in services.recommendations.recommend(user, 3).items:
            services.ratings.rate(user, item.movie_id, 4.5)
    expected = {user: (history_of(trained, user), services.recommendations.recommend(user)) for user in ("u1", "late")}
    past = expected["u1"][0]
    assert int(past.items[np.argmax(past.times)]) not in known.items[2:]
    assert past.times[past.items == known.items[0]] > known.times.max()
    trained.stop()
    again = build(settings)
    try:
        again.start()
        for user, (history, answer) in expected.items():
            found = history_of(again, user)
            assert found.items.tolist() == history.items.tolist()
            assert found.ratings.tolist() == history.ratings.tolist()
            assert found.times.tolist() == history.times.tolist()
            items = again.services.recommendations.recommend(user).items
            assert [item.movie_id for item in items] == [item.movie_id for item in answer.items]
    finally:
        again.stop()
