"""The whole way on small and odd ratings: train, judge, serve, explain, interview, rate."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.data.ratings import Interactions
from engine.models.registry import MODELS
from engine.runtime import Runtime, build
from engine.settings import Settings
from store.ratings import RatingStore
from store.records import MovieRow
from tests.engine.services.conftest import finished
from tests.zoo import STARS, ZOO

NUMBER = re.compile(r"\d[\d,]*\.?\d*(?:e[+-]?\d+)?")


def fill(runtime: Runtime, data: Interactions) -> None:
    store, table = RatingStore(runtime.database), data.movies
    years = [None if np.isnan(year) else int(year) for year in table.years.tolist()]
    genres = [tuple(np.array(table.genre_names)[has].tolist()) for has in table.genres]
    rows = zip(data.movie_ids.ids.tolist(), table.titles.tolist(), years, genres, strict=True)
    movies = store.add_movies([MovieRow(*row) for row in rows]).keys
    users = store.add_users(data.user_ids.ids.tolist()).keys
    assert data.timestamps is not None
    store.add_ratings(users[data.users], movies[data.items], data.ratings, data.timestamps)


@pytest.fixture
def opened(tmp_path: Path, name: str) -> Iterator[tuple[Runtime, Interactions]]:
    """Started, with the ratings of one set."""
    data = ZOO[name]()
    low, high = data.scale
    url = f"sqlite:///{tmp_path}/marquee.db"
    runtime = build(Settings(database_url=url, demo=False, rating_min=low, rating_max=high))
    fill(runtime, data)
    runtime.start()
    yield runtime, data
    runtime.stop()


def check_text(text: str, data: Interactions) -> None:
    """Words, and no number that is none of a rating, a count or a share."""
    assert text
    assert "nan" not in text.lower()
    most = max(100.0, *(abs(end) for end in data.scale), len(data))
    for found in NUMBER.findall(text):
        assert float(found.rstrip(".").replace(",", "")) <= most, text


@pytest.mark.parametrize("name", list(ZOO))
@pytest.mark.parametrize("kind", list(MODELS))
def test_the_whole_way(opened: tuple[Runtime, Interactions], kind: str) -> None:
    runtime, data = opened
    services, training = runtime.services, runtime.services.training
    going = training.current()  # the first training, which a start with ratings orders
    assert going is not None
    finished(runtime, going.run_id)
    status = finished(runtime, training.train_model(kind, activate="always"))
    assert status.state == "succeeded", status.error
    low, high = data.scale
    known, movie = str(data.user_ids.raw(0)), str(data.movie_ids.raw(0))
    unseen = data.n_movies - int(data.user_counts[0])
    for user, left in ((known, unseen), ("stranger", data.n_movies)):
        listed = services.recommendations.recommend(user, 10)
        assert len({item.movie_id for item in listed.items}) == len(listed.items) == min(10, left)
        for item in listed.items:
            assert low <= item.predicted_rating <= high
            assert item.interval is None or low <= item.interval[0] <= item.predicted_rating <= item.interval[1] <= high
            assert item.confidence is None or 0 <= item.confidence <= 1
            assert np.isfinite(item.score)
            if user == "stranger":
                assert data.ratings.min() <= item.predicted_rating <= data.ratings.max()
        explained = services.recommendations.explain(user, movie)
        check_text(explained.text, data)
        assert low <= explained.predicted_rating <= high
        shares = sum(one.share for one in explained.contributions)
        assert explained.baseline + shares + explained.residual == pytest.approx(explained.score, abs=1e-6)
        assert (
            services.recommendations.predict([(user, movie)]).predictions[0].predicted_rating
            == explained.predicted_rating
        )
    asked = services.recommendations.interview("stranger", 5)
    assert asked.questions or asked.finished
    for rating in (low, high):
        receipt = services.ratings.rate("stranger", movie, rating)
        assert receipt.predicted_after is not None
        assert low <= receipt.predicted_after <= high
    for value in status.metrics.values() if status.metrics else ():
        assert np.isfinite(value.value)


@pytest.mark.parametrize("name", ["percent"])
def test_a_training_that_diverges_ends_failed_with_the_reason(opened: tuple[Runtime, Interactions]) -> None:
    runtime, _ = opened
    going = runtime.services.training.current()
    assert going is not None
    finished(runtime, going.run_id)
    run = runtime.services.training.train_model("svd", {"precision": "float64", "learning_rate": 0.1})
    status = finished(runtime, run)
    assert (status.state, status.version) == ("failed", None)
    assert status.error is not None
    assert "diverged" in status.error
    assert runtime.services.serving.active_version() == 1


def test_a_set_of_stars_is_on_the_scale_of_stars() -> None:
    assert ZOO["all one"]().scale == STARS
