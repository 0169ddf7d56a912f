"""Property 6: anybody, with however few ratings, gets a full and valid list, and is told how it was made."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from engine.data.history import NOBODY, History
from engine.recommending.lists import ListOptions, Recommendations
from engine.recommending.scoring import level_of
from engine.runtime import Runtime
from tests.conftest import planted
from tests.engine.services.conftest import opened, store_in, trained_store

MOVIES = tuple(f"m{n}" for n in range(80))
PERSONAL_FROM = 10
LENGTHS = st.integers(1, 100)
GENRES = st.sets(st.sampled_from(["Drama", "war", "COMEDY", "Sci-Fi"]))


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    settings = store_in(tmp_path_factory.mktemp("cold")).model_copy(update={"personal_from": PERSONAL_FROM})
    with opened(settings, trained_store(tmp_path_factory)) as runtime:
        yield runtime


def assert_full(answer: Recommendations, n: int, rated: int) -> None:
    """As long as there are movies left, and told as it is."""
    assert len(answer.items) == min(n, len(MOVIES) - rated)
    movies = [item.movie_id for item in answer.items]
    assert len(set(movies)) == len(movies)
    assert set(movies) <= set(MOVIES)
    assert len(answer.reason) > 20
    assert answer.ratings_count == rated
    for item in answer.items:
        assert 0.5 <= item.predicted_rating <= 5
    if rated >= PERSONAL_FROM:
        assert answer.status == "personal"
    else:
        assert answer.status == ("blended" if rated else "cold_start")


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), count=st.integers(0, 80), n=LENGTHS, liked=GENRES)
def test_every_count_of_ratings_gets_a_list(runtime: Runtime, seed: int, count: int, n: int, liked: set[str]) -> None:
    rng = random.Random(seed)
    ratings = {movie: rng.randint(1, 10) / 2 for movie in rng.sample(MOVIES, count)}
    answer = runtime.services.recommendations.recommend_to(ratings, ListOptions(n, genres_liked=liked))
    assert_full(answer, n, count)
    assert not {item.movie_id for item in answer.items} & set(ratings)
    if count < PERSONAL_FROM:
        assert all(genre.casefold() in answer.reason.casefold() for genre in liked)


@settings(max_examples=100)
@given(user=st.text(max_size=30), n=LENGTHS, liked=GENRES)
def test_every_id_gets_a_list(runtime: Runtime, user: str, n: int, liked: set[str]) -> None:
    frame, _ = planted()
    rated = int((frame.user_id == user).sum())
    answer = runtime.services.recommendations.recommend(user, n, genres_liked=liked)
    assert len(answer.items) == min(n, len(MOVIES) - rated)
    assert answer.status == ("personal" if rated else "unknown_user")
    assert answer.reason


def test_a_newcomer_is_met_at_every_step(runtime: Runtime) -> None:
    """From nobody to a personal list by real ratings, each of which is in the next list's making."""
    services = runtime.services
    assert services.recommendations.recommend("newcomer", 5).status == "unknown_user"
    statuses = []
    for count in range(1, len(MOVIES) + 1):
        services.ratings.rate(
            "newcomer", services.recommendations.recommend("newcomer", 1).items[0].movie_id, 1 + count % 5
        )
        answer = services.recommendations.recommend("newcomer", 5)
        statuses.append(answer.status)
        if count < len(MOVIES):
            assert_full(answer, 5, count)
    assert statuses == ["blended"] * (PERSONAL_FROM - 1) + ["personal"] * (len(MOVIES) - PERSONAL_FROM + 1)
    assert (answer.items, answer.reason) == (
        (),
        "Every movie has been rated already.",
    )


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), count=st.integers(0, PERSONAL_FROM - 1))
def test_a_rating_more_moves_the_list_by_a_step_and_not_by_a_jump(runtime: Runtime, seed: int, count: int) -> None:
    """The part that comes from the ratings grows by the same amount each time."""
    rng = random.Random(seed)
    movies = rng.sample(MOVIES, count + 1)
    state = runtime.services.serving.ready()
    parts = []
    for n in (count, count + 1):
        imagined = runtime.services.recommendations._imagine(state, NOBODY, dict.fromkeys(movies[:n], 4.0))
        parts.append(state.listen_to(imagined).blend.personal)
    assert parts[1] - parts[0] == pytest.approx(1 / PERSONAL_FROM)


@pytest.fixture(scope="module")
def popular(runtime: Runtime) -> dict[str, float]:
    """What a stranger's list scores each movie."""
    listed = runtime.services.recommendations.recommend("a stranger", len(MOVIES))
    assert len(listed.items) == len(MOVIES)
    return {item.movie_id: item.score for item in listed.items}


def test_a_stranger_is_shown_what_most_people_like(popular: dict[str, float]) -> None:
    """Best first: movies rated often and highly, whatever their place in the catalogue."""
    frame, _ = planted()
    liked = frame.assign(liked=(frame.rating - 0.5) ** 2).groupby("movie_id").liked.sum()
    assert list(popular.values()) == sorted(popular.values(), reverse=True)
    assert min(popular.values()) > 0
    assert spearmanr([liked[movie] for movie in popular], list(popular.values())).statistic > 0.9


@settings(max_examples=100)
@given(seed=st.integers(0, 10**6), count=st.integers(1, PERSONAL_FROM - 1))
def test_a_newcomers_score_is_taste_and_popularity(
    runtime: Runtime, popular: dict[str, float], seed: int, count: int
) -> None:
    """A tenth of it comes from taste with one rating, and nine tenths with nine; the rest is popularity."""
    rng = random.Random(seed)
    ratings = {movie: rng.randint(1, 10) / 2 for movie in rng.sample(MOVIES, count)}
    answer = runtime.services.recommendations.recommend_to(ratings, ListOptions(len(MOVIES)))
    state = runtime.services.serving.ready()
    ranker = state.bundle.ranker
    imagined = runtime.services.recommendations._imagine(state, NOBODY, ratings)
    level, per_rating = level_of(imagined.predict), state.listen_to(imagined).scores.per_rating
    rated = sorted((int(movie[1:]), rating) for movie, rating in ratings.items())
    movies, given_ratings = (np.array(column) for column in zip(*rated, strict=True))
    taste = ranker.score_history(History.of(movies.astype(np.int32), given_ratings.astype(np.float32)))
    assert len(answer.items) == len(MOVIES) - count
    for item in answer.items:
        part = count / PERSONAL_FROM
        expected = part * float(taste[int(item.movie_id[1:])]) + (1 - part) * popular[item.movie_id]
        expected += per_rating * (item.predicted_rating - level)
        assert item.score == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("genre", ["Drama", "Comedy", "War", "Sci-Fi"])
def test_liked_genres_come_first(runtime: Runtime, popular: dict[str, float], genre: str) -> None:
    """Each movie that has the genre gains on those that do not, and keeps its place among its like."""

    def places(*liked: str) -> list[str]:
        listed = runtime.services.recommendations.recommend("a stranger", len(MOVIES), genres_liked=liked)
        assert len(listed.items) == len(MOVIES)
        having.update(item.movie_id for item in listed.items if genre in item.genres)
        return [item.movie_id for item in listed.items]

    having: set[str] = set()
    without, liked = places(), places(genre)
    assert without == list(popular)
    assert 20 <= len(having) < 60
    before, after = (sum(movie in having for movie in one[:20]) for one in (without, liked))
    assert after > before
    assert sum(map(liked.index, having)) < sum(map(without.index, having))
    assert sum(movie in having for movie in liked[:10]) >= 6
