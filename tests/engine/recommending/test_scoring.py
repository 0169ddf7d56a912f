"""The score of a list: its parts, stated genres, and movies that too few people rated."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.data import demo_interactions
from engine.data.catalogue import MovieTable
from engine.data.history import NOBODY
from engine.data.ratings import Interactions
from engine.errors import InvalidInput
from engine.models.base import top
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.recommending.cold_start import blend, popularity
from engine.recommending.scoring import NEIGHBOURS, NEW_PART, ListScorer
from tests.conftest import planted


def scorer_of(data: Interactions, min_ratings: int = 1) -> ListScorer:
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(min_ratings=min_ratings)).fit(data)
    return ListScorer(ranker, popularity(data, ranker.weigher.like(data.ratings)), data.movies)


@pytest.fixture(scope="module")
def scorer(small: Interactions) -> ListScorer:
    """About half of the movies have too few ratings for the ranker."""
    return scorer_of(small, 19)


def test_a_score_blends_ranker_and_popularity(small: Interactions) -> None:
    scorer = scorer_of(small)
    for count in (4, 25):
        some = small.history(3).subset(np.arange(count))
        how = blend(count, count, known=True, personal_from=10)
        expected = how.popular * scorer.popularity + how.personal * scorer.ranker.score_history(some)
        found = scorer.score(how, scorer.popularity, some)
        np.testing.assert_allclose(found.linear, expected, atol=1e-6)
        assert found.per_rating == 0


def cosine_of(table: MovieTable, liked: tuple[str, ...]) -> np.ndarray:
    """Of each movie's genres and these."""
    cosines = []
    for movie in range(len(table.titles)):
        own = {table.genre_names[g] for g in np.flatnonzero(table.genres[movie])}
        cosines.append(len(own & set(liked)) / np.sqrt(max(len(own), 1) * len(liked)))
    return np.array(cosines)


def test_movies_of_stated_genres_gain_by_how_well_they_match(small: Interactions, scorer: ListScorer) -> None:
    liked = scorer.genres(["war", "WAR", "Drama"])
    assert liked == ("Drama", "War")
    cosine, prior = cosine_of(small.movies, liked), scorer.prior(liked)
    expected = scorer.popularity * (1 + cosine)
    best = np.argsort(-expected, kind="stable")[:10]
    assert (cosine[best] > 0).sum() >= 6  # so nothing has to be lifted
    np.testing.assert_allclose(prior, expected, rtol=1e-5)
    assert scorer.prior(()) is scorer.popularity


def test_the_lift_is_the_smallest_that_brings_six_above_the_fifth_best_other_one(small: Interactions) -> None:
    """Sci-Fi movies made unpopular: their sixth best by what it lacks lies a hair above the other ones' fifth."""
    scorer = scorer_of(small)
    cosine = cosine_of(small.movies, ("Sci-Fi",))
    scorer.popularity[cosine > 0] /= 50
    prior = scorer.prior(("Sci-Fi",))
    lifts = (prior - scorer.popularity * (1 + cosine))[cosine > 0] / cosine[cosine > 0]
    assert lifts.min() > 0.05
    np.testing.assert_allclose(lifts, lifts.mean(), atol=1e-5)
    fifth = np.sort(prior[cosine == 0])[-5]
    sixth = np.sort(prior[cosine > 0])[-6]
    assert fifth < sixth <= fifth + 1e-4


def first_ten(scorer: ListScorer, liked: tuple[str, ...]) -> np.ndarray:
    how = blend(0, 0, known=False, personal_from=10, liked=liked)
    return top(scorer.score(how, scorer.prior(liked), NOBODY).linear, 10)


def assert_favoured(scorer: ListScorer, table: MovieTable, liked: tuple[str, ...]) -> None:
    """Six of a newcomer's first ten are of these genres, or all movies there are, and their shares are exact."""
    of_them = table.genres[:, np.isin(table.genre_names, liked)].any(axis=1)
    listed = first_ten(scorer, liked)
    assert of_them[listed].sum() >= min(6, of_them.sum(), len(listed)), liked
    how, prior = blend(0, 0, known=False, personal_from=10, liked=liked), scorer.prior(liked)
    scores = scorer.score(how, prior, NOBODY).linear
    assert (np.diff(scores[listed]) <= 0).all()
    for movie in listed.tolist():
        parts = scorer.take_apart(how, prior, NOBODY, movie, float(scores[movie]), 0.0)
        assert (parts.baseline, parts.residual) == (float(scores[movie]), 0)


@pytest.fixture(scope="module")
def demo() -> Interactions:
    return demo_interactions()


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("catalogue", ["demo", "small"])
def test_six_of_a_newcomers_first_ten_are_of_the_genres_they_like(
    request: pytest.FixtureRequest, catalogue: str, size: int
) -> None:
    data: Interactions = request.getfixturevalue(catalogue)
    ranker = ItemSimilarityRanker(ItemSimilarityConfig(max_movies=50)).fit(data)
    scorer = ListScorer(ranker, popularity(data, ranker.weigher.like(data.ratings)), data.movies)
    chosen = list(itertools.combinations(data.movies.genre_names, size))
    assert len(chosen) >= 4
    for liked in chosen:
        assert_favoured(scorer, data.movies, liked)
    if catalogue == "demo":
        documentaries = data.movies.genres[:, data.movies.genre_names.index("Documentary")]
        assert not documentaries[first_ten(scorer, ())].any()
        assert documentaries[first_ten(scorer, ("Documentary",))].sum() == 6


@pytest.fixture(scope="module")
def unlike() -> ItemSimilarityRanker:
    """A ranker that knows no movie."""
    ranker = ItemSimilarityRanker().fit(Interactions.from_frame(*planted(), scale=(0.5, 5.0)))
    ranker.movies_ = ranker.movies_[:0]
    return ranker


@given(st.data())
def test_six_are_of_liked_genres_whatever_the_catalogue(unlike: ItemSimilarityRanker, draw: st.DataObject) -> None:
    """Movies that nobody rated, ties, genres with few movies, catalogues that are shorter than a list."""
    n = draw.draw(st.integers(1, 40))
    genres = st.lists(st.sampled_from(["", "A", "B", "C", "A|B", "A|B|C"]), min_size=n, max_size=n).filter(any)
    table = MovieTable.build([f"M{m}" for m in range(n)], [None] * n, draw.draw(genres))
    worth = st.sampled_from([0.0, 1e-7, 1e-3, 0.1, 0.2, 0.2 + 1e-9, 1.0])
    scores = np.array(draw.draw(st.lists(worth, min_size=n, max_size=n)), np.float32)
    liked = draw.draw(st.sets(st.sampled_from(table.genre_names), min_size=1))
    assert_favoured(ListScorer(unlike, scores, table), table, tuple(sorted(liked)))


def test_an_unrated_movie_of_a_liked_genre_is_listed_too(small: Interactions) -> None:
    scorer = scorer_of(small)
    war = small.movies.genres[:, small.movies.genre_names.index("War")]
    scorer.popularity[war] = 0
    listed = first_ten(scorer, ("War",))
    assert war[listed].sum() == 6


def test_a_genre_that_no_movie_has_is_named(scorer: ListScorer) -> None:
    with pytest.raises(InvalidInput, match="There are: Comedy, Drama, Sci-Fi, War") as error:
        scorer.genres(["Drama", "Polka"])
    assert error.value.field == "genres_liked"


def test_a_new_movie_gets_a_part_of_its_neighbours_score(small: Interactions, scorer: ListScorer) -> None:
    """Its neighbours are those of the nearest genres and years."""
    table, ranker, past = small.movies, scorer.ranker, small.history(3)
    scores = scorer.score(blend(25, 25, known=True, personal_from=10), np.zeros(80, np.float32), past).linear
    ranked = ranker.score_history(past)
    new = [movie for movie in range(80) if scorer.by_neighbours(movie)]
    assert 10 < len(new) < 70
    assert set(new) == set(range(80)) - set(ranker.movies_.tolist())
    genres = table.genres / np.sqrt(np.maximum(table.genres.sum(1, keepdims=True), 1))
    for movie in new:
        near = ranker.config.genre_weight * genres[ranker.movies_] @ genres[movie]
        years = np.exp(-(((table.years[ranker.movies_] - table.years[movie]) / 10) ** 2))
        near += ranker.config.year_weight * np.nan_to_num(years)
        found = scorer._new.neighbours_of(movie)
        assert found is not None
        assert len(set(found.tolist())) == len(found) == min(NEIGHBOURS, len(ranker.movies_))
        inside = np.isin(ranker.movies_, found)
        assert near[inside].min() >= near[~inside].max(initial=-1) - 2e-4
        assert scores[movie] == pytest.approx(NEW_PART * ranked[found].mean(), abs=1e-6)
    assert np.abs(scores[new]).max() > 0.005


def test_shares_in_a_new_movies_score_sum_to_it(small: Interactions, scorer: ListScorer) -> None:
    past, how = small.history(5), blend(25, 25, known=True, personal_from=10)
    scores = scorer.score(how, scorer.popularity, past).linear
    for movie in range(80):
        parts = scorer.take_apart(how, scorer.popularity, past, movie, float(scores[movie]), 0.0)
        assert parts.baseline + float(parts.shares.sum()) == pytest.approx(float(scores[movie]), abs=1e-5)
        assert abs(parts.residual) < 1e-5


def test_a_movie_of_which_nothing_is_known_has_no_neighbours() -> None:
    frame, movies = planted()
    movies.loc[movies.movie_id == "m5", ["year", "genres"]] = [None, None]
    movies = pd.concat([movies, pd.DataFrame([{"movie_id": "later", "title": "L", "year": 2020, "genres": "War"}])])
    data = Interactions.from_frame(frame[frame.movie_id != "m5"], movies, scale=(0.5, 5.0))
    scorer = scorer_of(data)
    assert not scorer.by_neighbours(data.movie_ids.index("m5"))
    assert scorer.by_neighbours(data.movie_ids.index("later"))


def test_a_catalogue_that_grew_since_the_training_is_scored_whole(small: Interactions) -> None:
    """The version's arrays end where its training did."""
    train = Interactions.from_frame(planted()[0], planted()[1].iloc[:60], scale=(0.5, 5.0))
    ranker = ItemSimilarityRanker().fit(train)
    short = popularity(train, ranker.weigher.like(train.ratings))[:60]
    ranker.movies_ = ranker.movies_[ranker.movies_ < 60]
    ranker.weights_ = ranker.weights_[:60, :60].copy()
    ranker.position_ = ranker.position_[:60]
    scorer = ListScorer(ranker, short, small.movies)
    how = blend(25, 20, known=True, personal_from=10)
    scores = scorer.score(how, scorer.popularity, small.history(2)).linear
    assert scores.shape == (80,)
    assert all(scorer.by_neighbours(movie) for movie in range(60, 80))
    assert (scores[60:] != 0).all()


def test_nothing_to_compare_with_leaves_popularity(small: Interactions) -> None:
    scorer = scorer_of(small)
    scores = scorer.score(blend(0, 0, known=False, personal_from=10), scorer.popularity, NOBODY)
    assert np.array_equal(scores.linear, scorer.popularity)
