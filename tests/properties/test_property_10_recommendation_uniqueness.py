"""Property 10: a list holds distinct movies that the user has not rated, at most as many as asked for, best first."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data.ratings import Interactions
from engine.models.base import RatingModel
from engine.models.ranker import Ranker
from engine.models.rankers import RANKERS, build_ranker, configure_ranker
from engine.models.registry import MODELS
from engine.recommending.lists import RankBy
from engine.runtime import Runtime
from tests.conftest import planted
from tests.engine.models.quick import quick_model
from tests.engine.services.conftest import opened, store_in, trained_store
from tests.properties.ratings import ANY_ID, USERS, interactions

ANYBODY = st.one_of(USERS, ANY_ID)
LENGTHS = st.integers(0, 15)


def assert_list(model: RatingModel | Ranker, data: Interactions, user_id: Hashable, n: int) -> None:
    listed = model.recommend(user_id, n)
    user = data.user_ids.index(user_id)
    seen = set(data.items[data.by_user.of(user)].tolist()) if user >= 0 else set()
    movies = [data.movie_ids.index(movie) for movie in listed]
    assert len(set(movies)) == len(movies) == min(n, data.n_movies - len(seen))
    assert not seen & set(movies)
    scores = model.score_user(user)
    assert (np.diff(scores[movies]) <= 0).all()
    left = np.setdiff1d(np.arange(data.n_movies), [*seen, *movies])
    assert not movies or not len(left) or scores[left].max() <= scores[movies[-1]]


@pytest.mark.parametrize("kind", MODELS)
@settings(max_examples=25)
@given(data=interactions(), user_id=ANYBODY, n=LENGTHS)
def test_lists_of_rating_models(kind: str, data: Interactions, user_id: Hashable, n: int) -> None:
    assert_list(quick_model(kind, epochs=2).fit(data), data, user_id, n)


@pytest.mark.parametrize("method", RANKERS)
@settings(max_examples=50)
@given(data=interactions(timed=True), user_id=ANYBODY, n=LENGTHS, recency=st.sampled_from([0.0, 0.5]))
def test_lists_of_the_rankers(method: str, data: Interactions, user_id: Hashable, n: int, recency: float) -> None:
    ranker = build_ranker(configure_ranker({"method": method, "recency": recency}))
    assert_list(ranker.fit(data), data, user_id, n)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A whole Marquee with planted ratings and a version that serves; examples only read it."""
    with opened(store_in(tmp_path_factory.mktemp("store")), trained_store(tmp_path_factory)) as runtime:
        yield runtime


@pytest.fixture(scope="module")
def rated() -> dict[str, set[str]]:
    frame, _ = planted()
    return {str(user): set(movies) for user, movies in frame.groupby("user_id").movie_id}


@pytest.fixture(scope="module")
def catalogue() -> dict[str, tuple[set[str], float]]:
    """Genres and year of each movie; not a number where the year is unknown."""
    _, movies = planted()
    columns = zip(movies.movie_id, movies.genres, movies.year, strict=True)
    return {movie: (set(genres.split("|")), year) for movie, genres, year in columns}


@settings(max_examples=60)
@given(
    user=st.one_of(st.integers(0, 59).map(lambda n: f"u{n}"), st.text(min_size=1, max_size=5)),
    n=st.integers(1, 100),
    genre=st.sampled_from([None, "Drama", "War"]),
    year_from=st.sampled_from([None, 1990, 2019]),
    exclude=st.lists(st.integers(0, 85).map(lambda n: f"m{n}"), max_size=5),
    rank_by=st.sampled_from(["ranker", "rating"]),
)
def test_served_lists(
    runtime: Runtime,
    rated: dict[str, set[str]],
    catalogue: dict[str, tuple[set[str], float]],
    user: str,
    n: int,
    genre: str | None,
    year_from: int | None,
    exclude: list[str],
    rank_by: RankBy,
) -> None:
    answer = runtime.services.recommendations.recommend(
        user, n, genre=genre, year_from=year_from, exclude=exclude, rank_by=rank_by
    )
    movies = [item.movie_id for item in answer.items]
    fitting = set(catalogue) - rated.get(user, set()) - set(exclude)
    fitting -= {movie for movie, (genres, _) in catalogue.items() if genre is not None and genre not in genres}
    fitting -= {movie for movie, (_, year) in catalogue.items() if year_from is not None and not year >= year_from}
    assert len(set(movies)) == len(movies) == min(n, len(fitting))
    assert set(movies) <= fitting
    assert [item.rank for item in answer.items] == list(range(1, len(movies) + 1))
    scores = [item.score for item in answer.items]
    assert scores == sorted(scores, reverse=True)
    for item in answer.items:
        assert set(item.genres) == catalogue[item.movie_id][0]


@settings(max_examples=30)
@given(user=st.integers(0, 59).map(lambda n: f"u{n}"), n=st.integers(1, 100), diversity=st.floats(0, 1))
def test_served_lists_made_more_various_stay_distinct_and_unseen(
    runtime: Runtime, rated: dict[str, set[str]], user: str, n: int, diversity: float
) -> None:
    movies = [item.movie_id for item in runtime.services.recommendations.recommend(user, n, diversity=diversity).items]
    assert len(set(movies)) == len(movies) == min(n, 80 - 25)
    assert not set(movies) & rated[user]
