"""Candidates of a list, and its variety."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32
from engine.data.catalogue import MovieTable
from engine.errors import InvalidInput
from engine.evaluation import metrics


@dataclass(frozen=True, slots=True)
class VarietyPrice:
    """Cost of a varied list, against the list of the best scores for the same request.

    Attributes:
        replaced: number of movies of the plain list that gave way.
        score_kept: sum of its scores over that of the plain list.
        predicted_rating, predicted_before: mean predicted rating of the varied and the plain list.
        variety, variety_before: mean difference of genres over the pairs of each list, 0 to 1.
    """

    replaced: int
    score_kept: float
    predicted_rating: float
    predicted_before: float
    variety: float
    variety_before: float


def genre_column(movies: MovieTable, genre: str, field: str = "genre") -> int:
    """The column of a genre, in upper or lower case.

    Raises:
        InvalidInput: no movie has it; ``field`` is the request's field.
    """
    names = [name.casefold() for name in movies.genre_names]
    if genre.casefold() not in names:
        raise InvalidInput(f"There is no genre {genre!r}. There are: {', '.join(movies.genre_names)}.", field=field)
    return names.index(genre.casefold())


def candidates(movies: MovieTable, *, genre: str | None = None, year_from: int | None = None) -> NDArray[np.bool_]:
    """bool[n_movies]: the movies that may be listed; removed ones never, those of unknown year not with ``year_from``.

    Raises:
        InvalidInput: no movie has the genre.
    """
    allowed = ~movies.removed
    if genre is not None:
        allowed &= movies.genres[:, genre_column(movies, genre)]
    if year_from is not None:
        allowed &= movies.years >= year_from  # NaN compares as False
    return allowed


def diversify(
    chosen: NDArray[np.int64], scores: Float32, genres: NDArray[np.bool_], n: int, strength: float
) -> NDArray[np.int64]:
    """int64[<= n]: a list in which each place weighs its score against its similarity to the places before it.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) with scores scaled to 0..1 and the Jaccard index of
    genres as similarity.

    Args:
        chosen: the candidates, best first.
        scores: float32[n_movies].
        genres: bool[n_movies, g].
        n: maximum length.
        strength: 0 keeps the order, 1 uses similarity alone.
    """
    if not len(chosen):
        return chosen
    values = scores[chosen].astype(np.float64)
    values = (values - values.min()) / max(values.max() - values.min(), 1e-12)
    table = genres[chosen].astype(np.float64)
    shared, sizes = table @ table.T, table.sum(1)
    union = sizes[:, None] + sizes[None, :] - shared
    likeness = np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    picked: list[int] = []
    nearest = np.zeros(len(chosen))
    for _ in range(min(n, len(chosen))):
        worth = (1 - strength) * values - strength * nearest
        worth[picked] = -np.inf
        best = int(np.argmax(worth))
        picked.append(best)
        nearest = np.maximum(nearest, likeness[best])
    return chosen[picked]


def price_variety(
    varied: NDArray[np.int64], plain: NDArray[np.int64], scores: Float32, predicted: Float32, genres: NDArray[np.bool_]
) -> VarietyPrice:
    """Cost of a varied list against the plain one.

    Args:
        varied: int64[n], the varied list.
        plain: int64[n], the list of the best scores.
        scores: float32[n_movies].
        predicted: float32[2, n], the predicted ratings of both lists.
        genres: bool[n_movies, g].
    """
    total = float(scores[plain].sum())
    variety = metrics.diversity(np.stack([varied, plain]), genres).tolist()
    after, before = predicted.mean(axis=1).tolist()
    return VarietyPrice(
        replaced=len(np.setdiff1d(plain, varied)),
        score_kept=float(scores[varied].sum()) / total if total > 0 else 1.0,
        predicted_rating=after,
        predicted_before=before,
        variety=variety[0],
        variety_before=variety[1],
    )
