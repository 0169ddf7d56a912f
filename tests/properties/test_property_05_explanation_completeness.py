"""Property 5: every part of an explanation is there, the parts sum to the score, and each does what it claims."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import mean
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.registry import MODELS
from engine.models.version import LearnedCounts, VersionBundle
from engine.recommending.cold_start import popularity
from engine.recommending.explanations import RatingExplanation, SimilarMovie
from engine.recommending.fold_in import UserState, measure_offsets
from engine.recommending.state import Listener, ServingState
from engine.services import Services
from tests.conftest import planted
from tests.engine.models.quick import quick_model
from tests.engine.services.conftest import opened, store_in, trained_store

PERSONAL_FROM = 10
USERS = st.integers(0, 61)  # the last two are new
MOVIES = st.integers(0, 79)
RATINGS = st.integers(1, 10).map(lambda halves: halves / 2)
UPDATES = st.lists(st.tuples(USERS, MOVIES, RATINGS), max_size=20)
Update = tuple[int, int, float]
PAIRS = settings(max_examples=200)


LATE = {"m3": 5.0, "m10": 1.0, "m40": 4.0, "m41": 2.5}


@dataclass(frozen=True)
class Club:
    """What the parts of an explanation follow from.

    Attributes:
        ratings: of each user by movie id.
        genres: of each movie.
        weights: float64[60, 80], what each learned rating counts, 0 without one.
        weigh: what a rating counts.
    """

    ratings: dict[str, dict[str, float]]
    genres: dict[str, set[str]]
    weights: np.ndarray
    weigh: Callable[[float], float]

    def lifts(self, rated: dict[str, float], movie: str) -> dict[str, tuple[float, int]]:
        """For each genre of a movie: how far above their mean somebody rates it, and how often they have."""
        found = {}
        for genre in self.genres[movie]:
            own = [rating for other, rating in rated.items() if genre in self.genres[other]]
            found[genre] = (mean(own) - mean(rated.values()) if own else 0.0), len(own)
        return found

    def movies_alike(self, rated: dict[str, float], movie: int) -> dict[str, float]:
        columns = self.weights / np.linalg.norm(self.weights, axis=0)
        return {one: float(columns[:, int(one[1:])] @ columns[:, movie]) for one in rated if one != f"m{movie}"}

    def users_alike(self, user: str, movie: int) -> dict[str, float]:
        taste = np.zeros(80)
        for one, rating in self.ratings.get(user, {}).items():
            taste[int(one[1:])] = self.weigh(rating)
        rows = self.weights / np.linalg.norm(self.weights, axis=1, keepdims=True)
        raters = [n for n in range(60) if f"m{movie}" in self.ratings[f"u{n}"] and user != f"u{n}"]
        return {f"u{n}": float(rows[n] @ taste / max(np.linalg.norm(taste), 1e-12)) for n in raters}


@cache
def version(kind: str) -> tuple[VersionBundle, Interactions]:
    """Some of the movies are new to the ranker, some to the whole version."""
    data = Interactions.from_frame(*planted(), scale=(0.5, 5.0))
    train = data.subset(data.items < data.n_movies - 4)
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=16)).fit(train)
    popular = popularity(train, ranker.weigh(train.ratings))
    model = quick_model(kind).fit(train)
    offsets = measure_offsets(model, train)
    return VersionBundle(model, ranker, popular, None, LearnedCounts.of(train), offsets), train


def after(kind: str, updates: list[Update]) -> ServingState:
    bundle, data = version(kind)
    state = ServingState.build(1, bundle, data, 0, PERSONAL_FROM)
    for user, movie, rating in updates:
        state.learner.rate(user, movie, rating)
    return state


def without(state: ServingState, key: int, place: int) -> UserState:
    """The user as if that one rating had never been given, recomputed from nothing."""
    user = state.learner.state(key)
    kept = np.arange(len(user.items)) != place
    return state.learner.imagine(user.items[kept], user.ratings[kept], key)


def unclipped(user: UserState, movie: int) -> float:
    return float(user.movies.model.unclipped(user.vector[None], user.movies.vector(movie)[None])[0])


def total(rating: RatingExplanation) -> float:
    return rating.baseline + sum(one.share for one in rating.contributions) + rating.residual


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES, liked=st.sets(st.sampled_from(["Drama", "War"])))
def test_the_parts_sum_to_the_score(kind: str, updates: list[Update], key: int, movie: int, liked: set[str]) -> None:
    state = after(kind, updates)
    user = state.listen_to(state.learner.state(key), sorted(liked))
    score = float(user.scores[movie])
    parts = state.scorer.take_apart(user.blend, user.prior, user.state.items, user.state.ratings, movie, score)
    assert len(parts.shares) == len(user.state.items)
    assert abs(parts.residual) < 1e-4
    assert parts.baseline + float(parts.shares.sum(dtype=np.float64)) == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES)
def test_the_parts_sum_to_the_predicted_rating(kind: str, updates: list[Update], key: int, movie: int) -> None:
    state = after(kind, updates)
    user = state.learner.state(key)
    rating = state.explainer.explain_rating(user, movie)
    predicted = float(user.predict(np.array([movie], np.int32))[0])
    assert rating.predicted_rating == predicted
    assert total(rating) == pytest.approx(predicted, abs=1e-4)
    assert rating.level + rating.together + rating.learned + rating.clipped == pytest.approx(rating.residual, abs=1e-9)
    assert len(rating.contributions) == len(user.items)
    assert {one.title for one in rating.contributions} == {str(state.data.movies.titles[m]) for m in user.items}
    if key >= 60:  # nobody whom the version has learned
        assert rating.learned == pytest.approx(0, abs=1e-5)
    nobody = state.learner.state(-1).predict(np.array([movie], np.int32))[0]
    assert rating.baseline == pytest.approx(nobody, abs=1e-5)
    if 0.5 < predicted < 5 and 0.5 < nobody < 5:
        assert rating.clipped == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES)
def test_a_score_falls_by_the_largest_share_when_its_rating_goes(
    kind: str, updates: list[Update], key: int, movie: int
) -> None:
    """The blend is that of today: another count of ratings shifts what comes from popularity, which is no share."""
    state = after(kind, updates)
    user = state.listen_to(state.learner.state(key))
    assume(len(user.state.items))
    score = float(user.scores[movie])
    parts = state.scorer.take_apart(user.blend, user.prior, user.state.items, user.state.ratings, movie, score)
    place = int(np.argmax(parts.shares))
    gone = without(state, key, place)
    again = state.scorer.score(user.blend, user.prior, gone.items, gone.ratings)
    assert score - float(again[movie]) == pytest.approx(float(parts.shares[place]), abs=1e-3)
    other: Listener = state.listen_to(gone)
    if other.blend.status == user.blend.status == "personal":
        assert np.array_equal(other.scores, again)


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES)
def test_a_prediction_falls_by_a_share_when_its_rating_goes(
    kind: str, updates: list[Update], key: int, movie: int
) -> None:
    state = after(kind, updates)
    user = state.learner.state(key)
    assume(len(user.items))
    rating = state.explainer.explain_rating(user, movie)
    ids = [str(state.data.movie_ids.raw(int(item))) for item in user.items]
    for one in (max(rating.contributions, key=lambda one: one.share), rating.contributions[-1]):
        gone = without(state, key, ids.index(one.movie_id))
        assert unclipped(user, movie) - unclipped(gone, movie) == pytest.approx(one.share, abs=1e-3)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Of a whole Marquee, which somebody has joined since its version learned; examples only read."""
    with opened(store_in(tmp_path_factory.mktemp("explained")), trained_store(tmp_path_factory)) as runtime:
        for movie, rating in LATE.items():
            runtime.services.ratings.rate("late", movie, rating)
        yield runtime.services


@pytest.fixture(scope="module")
def club(services: Services) -> Club:
    frame, movies = planted()
    weigh = services.serving.ready().bundle.ranker.weigh
    weights = np.zeros((60, 80))
    weights[frame.user_id.str[1:].astype(int), frame.movie_id.str[1:].astype(int)] = weigh(frame.rating.to_numpy())
    ratings = {str(user): dict(zip(own.movie_id, own.rating, strict=True)) for user, own in frame.groupby("user_id")}
    genres = {movie: set(text.split("|")) for movie, text in zip(movies.movie_id, movies.genres, strict=True)}
    return Club(ratings | {"late": LATE}, genres, weights, lambda rating: float(weigh(np.array([rating]))[0]))


@settings(max_examples=150)
@given(user=st.one_of(st.integers(0, 59).map(lambda n: f"u{n}"), st.sampled_from(["late", "nobody"])), movie=MOVIES)
def test_every_part_is_there_as_it_is_served(services: Services, club: Club, user: str, movie: int) -> None:
    """Each by a definition of its own: every rating counts, and so do all genres and whoever is most alike."""
    why, rated = services.recommendations.explain(user, f"m{movie}"), club.ratings.get(user, {})
    for told in (why.contributions, why.rating.contributions):
        assert sorted((one.movie_id, one.rating) for one in told) == sorted(rated.items())
        assert [abs(one.share) for one in told] == sorted((abs(one.share) for one in told), reverse=True)
    parts = why.baseline + sum(one.share for one in why.contributions) + why.residual
    assert parts == pytest.approx(why.score, abs=1e-6)
    assert abs(why.residual) < 1e-4
    assert total(why.rating) == pytest.approx(why.predicted_rating, abs=1e-6)

    lifts = club.lifts(rated, f"m{movie}")
    assert {genre: count for genre, _, count in why.genre_match.genres} == {g: n for g, (_, n) in lifts.items()}
    for genre, lift, _ in why.genre_match.genres:
        assert lift == pytest.approx(lifts[genre][0], abs=1e-5)
    evidence = sum(count for _, count in lifts.values())
    expected = sum(lift * count for lift, count in lifts.values()) / evidence if evidence else 0.0
    assert why.genre_match.score == pytest.approx(expected, abs=1e-5)

    assert_most_alike(why.similar_rated_movies, club.movies_alike(rated, movie))
    assert_most_alike(why.similar_users, club.users_alike(user, movie))
    assert [one.rating for one in why.similar_rated_movies] == [rated[one.movie_id] for one in why.similar_rated_movies]
    for one in why.similar_users:
        assert one.rating == club.ratings[one.user_id][f"m{movie}"]

    assert f"{why.predicted_rating:.1f}" in why.text
    speaking = [one.title for one in why.contributions if one.share > 0]
    assert not speaking or speaking[0] in why.text
    assert len(why.text) > 40


def assert_most_alike(told: Sequence[Any], alike: dict[str, float]) -> None:
    """Those most alike come first, five of them if there are as many."""
    best = sorted((value for value in alike.values() if value > 0), reverse=True)[:5]
    assert [one.similarity for one in told] == pytest.approx(best, abs=1e-5)
    for one in told:
        name = one.movie_id if isinstance(one, SimilarMovie) else one.user_id
        assert one.similarity == pytest.approx(alike[name], abs=1e-5)


def test_shares_are_not_all_nothing() -> None:
    """What the tests above compare is large beside their tolerance."""
    for kind in MODELS:
        state = after(kind, [])
        movies = range(0, 80, 9)
        shares = [
            state.explainer.explain_rating(state.learner.state(user), movie).contributions[0].share
            for user in range(20)
            for movie in movies
        ]
        assert np.median(np.abs(shares)) > 0.02
