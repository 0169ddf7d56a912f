"""Models that a notebook keeps in a file of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import update

from engine import MLModelManager
from engine.data.ratings import Interactions
from engine.errors import InvalidInput, NotReady, UnknownVersion
from engine.evaluation.intervals import MetricValue
from engine.models.base import RatingModel
from engine.models.registry import MODELS, build
from engine.models.svd import MatrixFactorizationModel
from store.database import Database
from store.schema import meta
from tests.engine.models.quick import quick_config


@pytest.fixture
def models(tmp_path: Path) -> Iterator[MLModelManager]:
    manager = MLModelManager(f"sqlite:///{tmp_path}/models.db")
    yield manager
    manager.close()


def ratings(ids: type = int) -> Interactions:
    rng = np.random.default_rng(0)
    pairs = rng.permutation(30 * 20)[:300]
    rows = {"user_id": [ids(pair // 20) for pair in pairs], "movie_id": [ids(pair % 20) for pair in pairs]}
    return Interactions.from_frame(pd.DataFrame(rows | {"rating": rng.integers(1, 11, 300) / 2}))


def fitted(kind: str, data: Interactions) -> RatingModel:
    return build(quick_config(kind)).fit(data)


@pytest.mark.parametrize("kind", list(MODELS))
@pytest.mark.parametrize("ids", [int, str])
def test_a_loaded_model_predicts_and_recommends_as_before(models: MLModelManager, kind: str, ids: type) -> None:
    model = fitted(kind, ratings(ids))
    models.save_model(model, "first")
    again = models.load_model("first")
    users, movies = [ids(user) for user in range(31)] * 21, [ids(movie) for movie in range(21) for _ in range(31)]
    assert again.predict(users, movies).tobytes() == model.predict(users, movies).tobytes()
    assert again.recommend(ids(3), 5) == model.recommend(ids(3), 5)
    assert again.config == model.config


def test_the_newest_of_a_name_and_the_best_of_all_are_found(models: MLModelManager) -> None:
    one, two = (fitted("svd", ratings().subset(np.arange(n))) for n in (100, 200))
    for model, rmse in ((one, 0.9), (two, 1.1)):
        models.save_model(model, " svd ", {"rmse": MetricValue(rmse, None, None)})
    assert [record.note for record in models.list_versions()] == ["svd", "svd"]
    assert models.load_model("svd").predict([1], [1]) == two.predict([1], [1])
    assert models.get_best_model("rmse").predict([1], [1]) == one.predict([1], [1])


def test_what_can_not_be_saved_or_found_is_refused(models: MLModelManager) -> None:
    with pytest.raises(NotReady, match="not fitted"):
        models.save_model(MatrixFactorizationModel(), "unfitted")
    with pytest.raises(InvalidInput, match="1 to 200 characters"):
        models.save_model(fitted("svd", ratings()), " ")
    odd = Interactions.from_frame(pd.DataFrame({"user_id": [(1, 2)] * 2, "movie_id": [1, 2], "rating": [3.0, 4.0]}))
    with pytest.raises(InvalidInput, match="text or numbers"):
        models.save_model(fitted("svd", odd), "odd")
    with pytest.raises(UnknownVersion, match="No model named 'none'"):
        models.load_model("none")
    with pytest.raises(UnknownVersion, match="ndcg_at_k"):
        models.get_best_model("ndcg_at_k")


def test_the_store_of_a_console_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/marquee.db"
    database = Database.open(url)
    database.execute(update(meta).where(meta.c.name == "ratings").values(value="1"))
    database.close()
    with pytest.raises(InvalidInput, match="store of a console"):
        MLModelManager(url)
    Database.open(url).close()  # it was let go
