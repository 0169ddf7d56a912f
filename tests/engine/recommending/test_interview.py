"""The interview asks what parts the tastes, of movies that the person may know, and ends by itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from numpy.typing import ArrayLike

from engine.data.arrays import Float32, Floats, Int32
from engine.data.ratings import Interactions
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.recommending import interview as module
from engine.recommending.interview import Interview

NONE = np.empty(0, np.int32)
UNRATED = np.empty(0, np.float32)
FIRST, SECOND, FOR_ALL = range(8), range(8, 16), range(16, 22)


def whole(values: ArrayLike) -> Int32:
    return np.asarray(values, np.int32)


def rated(count: int, rating: float = 4.0) -> Float32:
    return np.full(count, rating, np.float32)


def prepare(data: Interactions) -> Interview:
    return Interview.prepare(data, ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=1)).fit(data))


@pytest.fixture(scope="module")
def two_tastes() -> Interactions:
    """Every other user rates the first eight movies, the others the second eight; nearly all rate the last six."""
    rng = np.random.default_rng(0)
    chance = np.zeros((200, 22))
    for taste, liked in enumerate((FIRST, SECOND)):
        chance[taste::2, liked] = 0.8
    chance[:, FOR_ALL] = 0.95
    users, movies = np.nonzero(rng.random(chance.shape) < chance)
    order = np.argsort(movies, kind="stable")  # indices follow first appearance
    frame = pd.DataFrame({"user_id": users[order], "movie_id": movies[order], "rating": 4.0})
    return Interactions.from_frame(frame, scale=(0.5, 5.0))


@pytest.fixture(scope="module")
def interview(small: Interactions) -> Interview:
    return prepare(small)


def test_what_parts_the_tastes_is_asked_before_what_everybody_knows(two_tastes: Interactions) -> None:
    best = prepare(two_tastes).questions(NONE, UNRATED, NONE)[0]
    assert two_tastes.movie_counts[best.movie] < two_tastes.movie_counts[list(FOR_ALL)].min()
    assert best.movie in {*FIRST, *SECOND}
    assert best.chance == pytest.approx(0.4, abs=0.06)


def test_the_chance_follows_the_answers(two_tastes: Interactions) -> None:
    asks = prepare(two_tastes)

    def chance(items: Int32, skipped: Int32) -> Floats:
        return asks._chance(items, rated(len(items)), skipped)[asks.position]

    before, known, unknown = chance(NONE, NONE), chance(whole([0, 1]), NONE), chance(NONE, whole([0, 1]))
    assert (known[2:8] > before[2:8]).all()
    assert (known[8:16] < before[8:16]).all()
    assert (unknown[2:8] < before[2:8]).all()
    assert (unknown[8:16] > before[8:16]).all()
    assert before == pytest.approx(two_tastes.movie_counts / two_tastes.n_users)


def test_who_knows_movies_of_one_taste_is_asked_about_that_one(two_tastes: Interactions) -> None:
    asks = prepare(two_tastes)
    for known in (FIRST, SECOND):
        assert asks.questions(whole(known[:2]), rated(2), NONE)[0].movie in known
        assert asks.questions(NONE, UNRATED, whole(known[:3]))[0].movie not in known


def test_a_question_teaches_what_the_confidence_then_gains(interview: Interview) -> None:
    """Of several each teaches what it adds once those before are answered."""
    items = interview.movies[[3, 50, 20]].astype(np.int32)
    questions = interview.questions(items, rated(3), NONE, n=6)
    assert len(questions) == 6
    for question in questions:
        longer = np.append(items, np.int32(question.movie))
        assert question.teaches == pytest.approx(interview.confidence(longer) - interview.confidence(items), rel=1e-6)
        assert question.value == question.chance * question.teaches
        items = longer


def test_confidence_is_what_conditioning_a_normal_distribution_leaves(interview: Interview) -> None:
    """By the textbook formula on all movies at once, without the taste in between."""
    signal = interview.loadings @ interview.loadings.T
    rows = np.array([0, 7, 30, 31, 60])
    seen = signal[np.ix_(rows, rows)] + np.diag(interview.noise[rows])
    left = signal - signal[:, rows] @ np.linalg.solve(seen, signal[rows])
    expected = 1 - np.trace(left) / np.trace(signal)
    assert interview.confidence(interview.movies[rows].astype(np.int32)) == pytest.approx(expected, rel=1e-9)


def test_the_best_question_is_the_one_of_the_highest_value(interview: Interview) -> None:
    items, skipped = interview.movies[[0, 1]].astype(np.int32), interview.movies[[2, 3]].astype(np.int32)
    before = interview.confidence(items)
    chance = interview._chance(items, rated(2), skipped)
    values = [
        chance[row] * (interview.confidence(np.append(items, np.int32(movie))) - before)
        for row, movie in enumerate(interview.movies)
    ]
    values[:4] = [0] * 4
    assert interview.questions(items, rated(2), skipped)[0].movie == interview.movies[int(np.argmax(values))]


@pytest.mark.parametrize("seed", range(5))
def test_confidence_grows_with_every_rating(interview: Interview, seed: int) -> None:
    items = np.random.default_rng(seed).permutation(interview.movies).astype(np.int32)
    steps = np.array([interview.confidence(items[:n]) for n in range(len(items) + 1)])
    assert steps[0] == 0
    assert (np.diff(steps) > 0).all()
    assert steps[-1] < 1


def test_movies_that_nobody_models_change_nothing(interview: Interview) -> None:
    items = interview.movies[:3].astype(np.int32)
    strangers = np.append(items, whole([-1, 10_000]))
    assert interview.confidence(strangers) == interview.confidence(items)
    assert interview.questions(strangers, rated(5), NONE, 4) == interview.questions(items, rated(3), NONE, 4)


@pytest.mark.parametrize("seed", range(4))
def test_an_interview_asks_nothing_twice_and_ends_by_itself(small: Interactions, seed: int) -> None:
    asks, rng = prepare(small), np.random.default_rng(seed)
    items: list[int] = []
    skipped: list[int] = []
    while found := asks.questions(whole(items), rated(len(items)), whole(skipped)):
        assert asks.finished(whole(items), rated(len(items)), whole(skipped)) is None
        assert found[0].movie not in items + skipped
        assert 0 < found[0].chance <= 1
        assert 0 < found[0].teaches < 1
        (items if rng.random() < 0.5 else skipped).append(found[0].movie)
    reason = asks.finished(whole(items), rated(len(items)), whole(skipped))
    assert reason is not None
    assert ("1/40 of" in reason) == (len(items) + len(skipped) < len(asks.movies))


def test_an_interview_ends_when_what_is_left_teaches_little(two_tastes: Interactions) -> None:
    """Whoever rated all that parts the tastes is hardly asked about what everybody knows."""
    asks = prepare(two_tastes)
    items = whole([*FIRST, *SECOND])
    more = [question.movie for question in asks.questions(items, rated(16), NONE, 30)]
    assert len(more) < len(FOR_ALL) / 2
    items = np.append(items, whole(more))
    assert asks.questions(items, rated(len(items)), NONE) == ()
    assert "1/40 of" in (asks.finished(items, rated(len(items)), NONE) or "")


def test_only_the_most_rated_movies_are_asked_about(small: Interactions) -> None:
    ranker = ItemSimilarityRanker().fit(small)
    asks = Interview.prepare(small, ranker, asked=5)
    found = {question.movie for question in asks.questions(NONE, UNRATED, NONE, 80)}
    assert found <= set(asks.movies[:5].tolist())
    assert small.movie_counts[list(found)].min() >= np.sort(small.movie_counts)[-5]
    assert asks.finished(NONE, UNRATED, asks.movies[:5].astype(np.int32)) == "There is no movie left to ask about."


def test_movies_that_the_ranker_does_not_know_are_not_asked_about(small: Interactions) -> None:
    """They came after it had learned, or too few have rated them: no list could use the answer."""
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=20)).fit(small)
    assert 0 < len(ranker.movies_) < small.n_movies
    asks = Interview.prepare(small, ranker)
    assert set(asks.movies.tolist()) == set(ranker.movies_.tolist())


def test_of_many_users_some_are_drawn(small: Interactions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_USERS", 16)
    ranker = ItemSimilarityRanker().fit(small)
    one, same, other = (Interview.prepare(small, ranker, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.known * 16, np.round(one.known * 16))
    np.testing.assert_array_equal(one.loadings, same.loadings)
    assert (one.known != other.known).any()
    assert one.questions(NONE, UNRATED, NONE, 5)


def test_nothing_large_is_kept_and_nothing_changes(small: Interactions) -> None:
    asks = prepare(small)
    assert not hasattr(asks.weigher, "weights_")
    before = [asks.questions(NONE, UNRATED, NONE, 5), asks.questions(whole([1, 2]), rated(2, 1.5), whole([3]), 5)]
    with ThreadPoolExecutor(4) as pool:
        asked = [(NONE, UNRATED, NONE, 5), (whole([1, 2]), rated(2, 1.5), whole([3]), 5)] * 20
        found = list(pool.map(lambda arguments: asks.questions(*arguments), asked))
    assert found == before * 20


@pytest.mark.parametrize(
    ("pairs", "scale"),
    [
        ([("a", "x", 3.0)], (0.5, 5.0)),
        ([("a", "x", 3.0), ("b", "x", 3.0)], (0.5, 5.0)),
        ([("a", "x", 1.0), ("a", "y", 1.0), ("b", "x", 1.0), ("b", "y", 1.0)], (1.0, 1.0)),
        ([(f"u{user}", f"m{movie}", 4.9) for user in range(1003) for movie in range(300)], (0.5, 5.0)),
    ],
    ids=["one rating", "one movie", "all alike", "many alike"],
)
def test_where_nothing_tells_people_apart_nothing_is_asked(
    pairs: list[tuple[str, str, float]], scale: tuple[float, float]
) -> None:
    data = Interactions.from_frame(pd.DataFrame(pairs, columns=["user_id", "movie_id", "rating"]), scale=scale)
    asks = prepare(data)
    assert asks.questions(NONE, UNRATED, NONE, 3) == ()
    assert "too similar" in (asks.finished(NONE, UNRATED, NONE) or "")
    assert asks.confidence(whole([0])) == 0


def test_without_ratings_nothing_is_asked(small: Interactions) -> None:
    asks = Interview.prepare(small.subset(np.zeros(len(small), bool)), ItemSimilarityRanker().fit(small))
    assert asks.questions(NONE, UNRATED, NONE) == ()
    assert asks.finished(NONE, UNRATED, NONE)
    assert asks.confidence(whole([0, 5])) == 0


def test_one_rating_for_all_still_tells_who_watched_what(two_tastes: Interactions) -> None:
    alike = Interactions.from_frame(
        pd.DataFrame({"user_id": two_tastes.users, "movie_id": two_tastes.items, "rating": 1.0}), scale=(1.0, 1.0)
    )
    asks = prepare(alike)
    found = asks.questions(NONE, UNRATED, NONE)[0]
    assert found.movie in {*FIRST, *SECOND}
    assert asks.confidence(whole([found.movie])) > 0
