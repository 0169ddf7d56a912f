"""Why a movie stands in a list: numbers that sum to its score, and a sentence that claims no more than they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from engine.cold_start import Blend
from engine.dataset.interactions import Float32, Interactions
from engine.models.base import Ranker
from engine.models.item_similarity import ItemSimilarityRanker
from engine.realtime import UserState
from engine.types import Contribution, GenreMatch, SimilarMovie, SimilarUser

MOST_SIMILAR = 5


@dataclass(frozen=True)
class Shares:
    """A score taken apart: ``baseline + sum(shares) + residual == score``, shares in the order of the ratings."""

    score: float
    baseline: float
    shares: Float32
    residual: float


def take_apart(ranker: Ranker, state: UserState, popularity: Float32, blend: Blend, movie: int, score: float) -> Shares:
    """The exact share of each past rating in the score of one movie.

    The score is ``personal * (x B)[movie] + popular * popularity[movie]``, linear in the history x, so a rating's share
    is its own term; the residual is what float32 rounding leaves.
    """
    shares = ranker.shares(state.items, state.ratings, movie) * np.float32(blend.personal)
    baseline = float(blend.popular * popularity[movie])
    residual = score - baseline - float(shares.sum(dtype=np.float64))
    return Shares(score, baseline, shares, residual)


class ExplainerService:
    """Evidence about a user and a movie from the ratings as loaded.

    Args:
        data: the ratings; similarities of movies and users come from them.
        ranker: weighs ratings, so that a low rating counts less than a high one.
    """

    def __init__(self, data: Interactions, ranker: ItemSimilarityRanker) -> None:
        self._data = data
        self._weigh = ranker.weigh
        weights = ranker.weigh(data.ratings)
        shape = data.n_users, data.n_movies
        self._by_user = sp.csr_array((weights, (data.users, data.items)), shape)
        self._by_movie = self._by_user.tocsc()
        self._user_norms = np.sqrt(np.bincount(data.users, weights**2, data.n_users))
        self._movie_norms = np.sqrt(np.bincount(data.items, weights**2, data.n_movies))

    def explain_recommendation(self, state: UserState, parts: Shares) -> tuple[Contribution, ...]:
        """Every past rating with its share, the largest first (ties by movie key)."""
        order = np.argsort(-np.abs(parts.shares), kind="stable")
        return tuple(
            Contribution(
                self._movie_id(int(state.items[n])),
                self._title(int(state.items[n])),
                float(state.ratings[n]),
                float(parts.shares[n]),
            )
            for n in order
        )

    def find_similar_rated_movies(
        self, state: UserState, movie: int, n: int = MOST_SIMILAR
    ) -> tuple[SimilarMovie, ...]:
        """The rated movies most like this one: cosine of who rated both, and how highly; only those above 0."""
        inside = state.items[state.items < self._data.n_movies]
        if not len(inside) or movie >= self._data.n_movies:
            return ()
        dots = self._by_movie[:, inside].T @ self._by_movie[:, [movie]].toarray().ravel()
        cosine = _divide(dots, self._movie_norms[inside] * self._movie_norms[movie])
        best = [k for k in np.argsort(-cosine, kind="stable") if cosine[k] > 0 and inside[k] != movie][:n]
        return tuple(
            SimilarMovie(self._movie_id(m), self._title(m), state.rating_of(m) or 0.0, float(cosine[k]))
            for k, m in ((k, int(inside[k])) for k in best)
        )

    def get_genre_match_score(self, state: UserState, movie: int) -> GenreMatch:
        """How far above their own mean the user rates the movie's genres, in rating units; 0 without evidence."""
        table = self._data.movies
        inside = state.items < self._data.n_movies
        items, ratings = state.items[inside], state.ratings[inside]
        rows = []
        for genre in np.flatnonzero(table.genres[movie]):
            has = table.genres[items, genre]
            count = int(has.sum())
            lift = float(ratings[has].mean() - state.mean) if count else 0.0
            rows.append((table.genre_names[genre], lift, count))
        counted = [(lift, count) for _, lift, count in rows if count]
        score = sum(lift * count for lift, count in counted) / sum(count for _, count in counted) if counted else 0.0
        return GenreMatch(score, tuple(rows))

    def get_similar_users_influence(
        self, user: int, state: UserState, movie: int, n: int = MOST_SIMILAR
    ) -> tuple[SimilarUser, ...]:
        """The users most like this one who rated the movie: cosine of their weighted ratings; only those above 0."""
        rows = self._data.by_movie.of(movie)
        raters, given = self._data.users[rows], self._data.ratings[rows]
        taste = self._taste(state)
        cosine = _divide(self._by_user[raters] @ taste, self._user_norms[raters] * np.sqrt(float(taste @ taste)))
        best = [k for k in np.argsort(-cosine, kind="stable") if cosine[k] > 0 and raters[k] != user][:n]
        return tuple(
            SimilarUser(str(self._data.user_ids.raw(int(raters[k]))), float(given[k]), float(cosine[k])) for k in best
        )

    def _taste(self, state: UserState) -> Float32:
        taste = np.zeros(self._data.n_movies, np.float32)
        inside = state.items < self._data.n_movies
        taste[state.items[inside]] = self._weigh(state.ratings[inside])
        return taste

    def _movie_id(self, movie: int) -> str:
        return str(self._data.movie_ids.raw(movie))

    def _title(self, movie: int) -> str:
        return str(self._data.movies.titles[movie])


def sentence(parts: Shares, contributions: tuple[Contribution, ...], match: GenreMatch, *, predicted: float) -> str:
    """The explanation in words: what weighs most, how much of the score it is, and what speaks against it."""
    expected = f"Expected rating: {predicted:.1f}."
    for_it = [one for one in contributions if one.share > 0]
    if not for_it:
        return f"No past rating speaks for it; it is listed by how many people rated it highly. {expected}"
    leading = for_it[:3]
    told = _listing([f"{one.title} ({one.rating:g})" for one in leading])
    part = sum(one.share for one in leading) / parts.score if parts.score > 0 else 0.0
    noun = "rating of" if len(leading) == 1 else "ratings of"
    text = f"The {noun} {told} weigh{'s' if len(leading) == 1 else ''} most"
    text += f": {part:.0%} of its score. " if 0 < part <= 1 else ". "
    if parts.baseline > sum(one.share for one in for_it):
        text += "How many people rated it highly counts for more than that. "
    liked = max((row for row in match.genres if row[2] >= 3), key=lambda row: row[1], default=None)
    if liked is not None and liked[1] >= 0.1:
        text += f"Ratings of {liked[0]} movies are {liked[1]:.1f} above this user's mean. "
    against = min(contributions, key=lambda one: one.share)
    if against.share < -0.1 * abs(parts.score):
        text += f"The rating of {against.title} ({against.rating:g}) speaks against it. "
    return text + expected


def _listing(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _divide(dots: Float32, norms: Float32) -> Float32:
    return np.divide(dots, norms, out=np.zeros(len(dots)), where=norms > 0)
