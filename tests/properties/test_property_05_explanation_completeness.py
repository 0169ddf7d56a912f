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

from engine.data.history import UNKNOWN
from engine.data.ratings import Interactions
from engine.models.base import RatingModel
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.registry import MODELS
from engine.models.version import VersionBundle
from engine.recommending.bundling import bundle_version
from engine.recommending.explanations import Explanation, RatingExplanation, SimilarMovie
from engine.recommending.fold_in import UserState
from engine.recommending.lists import ListOptions
from engine.recommending.scoring import NEW_PART
from engine.recommending.state import Listener, ServingState
from engine.services import Services
from tests.conftest import planted
from tests.engine.models.quick import quick_model
from tests.engine.services.conftest import opened, store_in, trained_store

PERSONAL_FROM = 10
USERS = st.integers(0, 61)  # the last two are new
MOVIES = st.integers(0, 79)
RATINGS = st.integers(1, 10).map(lambda halves: halves / 2)
TIMES = st.one_of(st.just(UNKNOWN), st.integers(1_030_000, 1_030_009), st.integers(2_000_000, 2_000_003))
UPDATES = st.lists(st.tuples(USERS, MOVIES, RATINGS, TIMES), max_size=20)
Update = tuple[int, int, float, int]
PAIRS = settings(max_examples=200)


Explain = Callable[[str, str], Explanation]
LATE = {"m3": 5.0, "m10": 1.0, "m40": 4.0, "m41": 2.5}


@dataclass(frozen=True, repr=False)  # Hypothesis shows what fails, and this would be pages
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
def version(kind: str, recency: float) -> tuple[VersionBundle, Interactions]:
    """Some of the movies are new to the ranker, some to the whole version; predicted ratings count in lists."""
    data = Interactions.from_frame(*planted(), scale=(0.5, 5.0))
    train = data.subset(data.items < data.n_movies - 4)
    ranker = ItemSimilarityRanker(
        ItemSimilarityConfig(min_ratings=16, recency=recency, next_weight=recency, rating_weight=0.4)
    ).fit(train)
    return bundle_version(learned(kind), ranker, train), train


@cache
def learned(kind: str) -> RatingModel:
    data = Interactions.from_frame(*planted(), scale=(0.5, 5.0))
    return quick_model(kind).fit(data.subset(data.items < data.n_movies - 4))


def after(kind: str, updates: list[Update], recency: float = 0.3) -> ServingState:
    bundle, data = version(kind, recency)
    state = ServingState.build(1, bundle, data, 0, PERSONAL_FROM)
    for user, movie, rating, time in updates:
        state.learner.rate(user, movie, rating, time)
    return state


def without(state: ServingState, key: int, place: int) -> UserState:
    """The user as if that one rating had never been given, recomputed from nothing."""
    user = state.learner.state(key)
    return state.learner.imagine(user.history.without(int(user.items[place])), key)


def linear_without(state: ServingState, user: Listener, place: int, movie: int) -> float:
    """A movie's linear score by definition, without one rating, and with the weights of the others kept."""
    ranker, history = state.bundle.ranker, user.state.history
    assert isinstance(ranker, ItemSimilarityRanker)
    weights = ranker.weigher.weights_of(history).astype(np.float64)
    weights[place] = 0
    rows = np.array([int(ranker.position_[item]) if item < len(ranker.position_) else -1 for item in history.items])

    def personal(other: int) -> float:
        column = int(ranker.position_[other])
        return float(weights[rows >= 0] @ ranker.weights_[rows[rows >= 0], column]) if column >= 0 else 0.0

    near = state.scorer._new.neighbours_of(movie)
    score = personal(movie) if near is None else NEW_PART * mean(personal(int(other)) for other in near)
    return float(user.blend.personal * score + user.blend.popular * user.prior[movie])


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
    told = state.explain("somebody", user, movie, sorted(liked))
    shares = sum(one.share for one in told.contributions)
    assert len(told.contributions) == len(user.state.items)
    assert told.baseline + shares + told.residual == pytest.approx(told.score, abs=1e-6)
    assert told.residual == pytest.approx(told.from_rating, abs=1e-4)
    assert told.baseline + shares == pytest.approx(float(user.scores.linear[movie]), abs=1e-4)
    predicted, level = user.state.predict(np.array([movie, -1], np.int32))
    assert told.from_rating == pytest.approx(float(predicted - level) * user.scores.per_rating, abs=1e-5)
    assert bool(user.scores.per_rating) == bool(user.blend.personal)


@pytest.mark.parametrize("kind", MODELS)
def test_a_listed_score_is_the_one_explained(kind: str) -> None:
    state, compared = after(kind, []), 0
    for key in range(0, 60, 3):
        user = state.listen_to(state.learner.state(key))
        made = state.make_list(user, ListOptions(n=10), user.state.items)
        for movie in made.movies.tolist():
            assert state.explain("somebody", user, movie).score == pytest.approx(float(made.scores[movie]), abs=1e-4)
            compared += 1
    assert compared == 200


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
    """The other ratings keep their weights, and the blend is that of today: both are in no share."""
    state = after(kind, updates)
    user = state.listen_to(state.learner.state(key))
    assume(len(user.state.items))
    score = float(user.scores.linear[movie])
    parts = state.scorer.take_apart(user.blend, user.prior, user.state.history, movie, score, 0.0)
    for place in (int(np.argmax(parts.shares)), int(np.argmin(parts.shares))):
        fallen = score - linear_without(state, user, place, movie)
        assert fallen == pytest.approx(float(parts.shares[place]), abs=1e-3)


@pytest.mark.parametrize("kind", MODELS)
@PAIRS
@given(updates=UPDATES, key=USERS, movie=MOVIES)
def test_where_age_does_not_count_a_score_really_falls_by_the_largest_share(
    kind: str, updates: list[Update], key: int, movie: int
) -> None:
    """Remove the rating itself; without recency, no other rating's weight changes."""
    state = after(kind, updates, recency=0.0)
    user = state.listen_to(state.learner.state(key))
    assume(len(user.state.items))
    score = float(user.scores.linear[movie])
    parts = state.scorer.take_apart(user.blend, user.prior, user.state.history, movie, score, 0.0)
    place = int(np.argmax(parts.shares))
    gone = without(state, key, place)
    again = state.scorer.score(user.blend, user.prior, gone.history).linear
    assert score - float(again[movie]) == pytest.approx(float(parts.shares[place]), abs=1e-3)
    other: Listener = state.listen_to(gone)
    if other.blend.status == user.blend.status == "personal":
        assert np.array_equal(other.scores.linear, again)


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
def explain(services: Services) -> Explain:
    """Explains as the services do, in few words where Hypothesis shows it."""
    return lambda user, movie: services.recommendations.explain(user, movie)


@pytest.fixture(scope="module")
def club(services: Services) -> Club:
    frame, movies = planted()
    weigh = services.serving.ready().bundle.ranker.weigher.like
    weights = np.zeros((60, 80))
    weights[frame.user_id.str[1:].astype(int), frame.movie_id.str[1:].astype(int)] = weigh(frame.rating.to_numpy())
    ratings = {str(user): dict(zip(own.movie_id, own.rating, strict=True)) for user, own in frame.groupby("user_id")}
    genres = {movie: set(text.split("|")) for movie, text in zip(movies.movie_id, movies.genres, strict=True)}
    return Club(ratings | {"late": LATE}, genres, weights, lambda rating: float(weigh(np.array([rating]))[0]))


@settings(max_examples=150)
@given(user=st.one_of(st.integers(0, 59).map(lambda n: f"u{n}"), st.sampled_from(["late", "nobody"])), movie=MOVIES)
def test_every_part_is_there_as_it_is_served(explain: Explain, club: Club, user: str, movie: int) -> None:
    """Each by a definition of its own: every rating counts, and so do all genres and whoever is most alike."""
    why, rated = explain(user, f"m{movie}"), club.ratings.get(user, {})
    for told in (why.contributions, why.rating.contributions):
        assert sorted((one.movie_id, one.rating) for one in told) == sorted(rated.items())
        assert [abs(one.share) for one in told] == sorted((abs(one.share) for one in told), reverse=True)
    parts = why.baseline + sum(one.share for one in why.contributions) + why.residual
    assert parts == pytest.approx(why.score, abs=1e-6)
    assert why.residual == pytest.approx(why.from_rating, abs=1e-4)
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
