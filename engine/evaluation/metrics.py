"""The table of metrics, and their formulas: pure functions that return a value per user, so intervals come free.

Lists are given as ``hits``: bool[n_users, k], whether the movie at each place is relevant to the user, and as
``relevant``: int[n_users], how many relevant movies the user has in all (at least 1). A list shorter than k is padded
with False.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Bools, Floats, Ints, check_lengths, divide
from engine.data.ratings import Interactions

RELEVANT_FROM = 0.75
DRAWN_AT_ONCE = 1 << 20  # users drawn in one step of a bootstrap, which bounds its memory
MAX_GROUPS = 20_000  # drawn in a bootstrap; of more users several are drawn together
PAIRS_AT_ONCE = 1 << 22  # pairs of places compared in one step of the diversity, which bounds its memory too


def relevant_from(scale: tuple[float, float]) -> float:
    """The lowest relevant rating, in rating units: three quarters up the scale, so 4 and up on one of half stars."""
    low, high = scale
    return low + RELEVANT_FROM * (high - low)


def squared_errors(predicted: NDArray[Any], actual: NDArray[Any]) -> Floats:
    """float64[n]: squared error of each rating, in squared rating units.

    Raises:
        ValueError: there are not as many predictions as ratings.
    """
    check_lengths(predicted=predicted, actual=actual)
    return np.asarray((predicted.astype(np.float64) - actual) ** 2, np.float64)


def absolute_errors(predicted: NDArray[Any], actual: NDArray[Any]) -> Floats:
    """float64[n]: absolute error of each rating, in rating units.

    Raises:
        ValueError: there are not as many predictions as ratings.
    """
    check_lengths(predicted=predicted, actual=actual)
    return np.asarray(np.abs(predicted.astype(np.float64) - actual), np.float64)


def rmse(predicted: NDArray[Any], actual: NDArray[Any], users: Ints, n_users: int) -> Floats:
    """float64[n_users]: root mean squared error of each user's ratings, NaN for a user without one.

    Herlocker, Konstan, Terveen and Riedl 2004, "Evaluating collaborative filtering recommender systems". The error over
    all ratings is not the mean of these: users with many ratings weigh more in it.
    """
    return np.sqrt(_mean_by_user(squared_errors(predicted, actual), users, n_users))


def mae(predicted: NDArray[Any], actual: NDArray[Any], users: Ints, n_users: int) -> Floats:
    """float64[n_users]: mean absolute error of each user's ratings, NaN for a user without one (source as ``rmse``)."""
    return _mean_by_user(absolute_errors(predicted, actual), users, n_users)


def precision(hits: Bools) -> Floats:
    """float64[n_users]: relevant places over k (Herlocker et al. 2004)."""
    return np.asarray(hits.mean(axis=1), np.float64)


def recall(hits: Bools, relevant: Ints) -> Floats:
    """float64[n_users]: relevant movies found over all relevant movies (Herlocker et al. 2004)."""
    return np.asarray(hits.sum(axis=1) / relevant, np.float64)


def hit_rate(hits: Bools) -> Floats:
    """float64[n_users]: 1 where any place is relevant (Deshpande and Karypis 2004, top-N recommendation)."""
    return np.asarray(hits.any(axis=1), np.float64)


def reciprocal_rank(hits: Bools) -> Floats:
    """float64[n_users]: 1 over the first relevant place, 0 without one (Voorhees 1999, TREC-8 question answering)."""
    first = np.argmax(hits, axis=1)
    return np.asarray(np.where(hits.any(axis=1), 1 / (first + 1), 0.0), np.float64)


def average_precision(hits: Bools, relevant: Ints) -> Floats:
    """float64[n_users]: precision at each relevant place, summed, over min(relevant, k).

    Manning, Raghavan and Schutze 2008, "Introduction to information retrieval", chapter 8.4.
    """
    places = np.arange(1, hits.shape[1] + 1)
    at_hits = np.where(hits, np.cumsum(hits, axis=1) / places, 0.0)
    return np.asarray(at_hits.sum(axis=1) / np.minimum(relevant, hits.shape[1]), np.float64)


def ndcg(hits: Bools, relevant: Ints) -> Floats:
    """float64[n_users]: discounted gain, 1 / log2(place + 1), over the best possible one.

    Jarvelin and Kekalainen 2002, "Cumulated gain-based evaluation of IR techniques".
    """
    discount = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(discount)[np.minimum(relevant, hits.shape[1]) - 1]
    return np.asarray((hits * discount).sum(axis=1) / ideal, np.float64)


def exposure(lists: Ints, n_movies: int, times: Ints | None = None) -> Floats:
    """float64[n_movies]: number of lists with each movie.

    Args:
        lists: int[n_users, k], movie indices, -1 for no movie.
        n_movies: the size of the catalogue.
        times: int[n_users], weight of each list; 1 by default.
    """
    weights = None if times is None else np.repeat(times, lists.shape[1])
    counted = np.bincount(lists.ravel() + 1, weights=weights, minlength=n_movies + 1)
    return counted[1:].astype(np.float64)  # the first is that of no movie


def coverage(shown: Floats) -> float:
    """Share of the catalogue in any list; ``shown`` is the exposure.

    Ge, Delgado-Battenfeld and Jannach 2010, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity".
    """
    return float((shown > 0).mean())


def novelty(lists: Ints, movie_counts: Ints, n_users: int) -> Floats:
    """float64[n_users]: mean self-information, -log2(share of users who rated it), of a list's movies in bits.

    Zhou et al. 2010, "Solving the apparent diversity-accuracy dilemma of recommender systems"; a movie nobody rated
    counts as rated once.
    """
    information = -np.log2(np.maximum(movie_counts, 1) / n_users)
    present = lists >= 0
    return divide((information[lists] * present).sum(axis=1), present.sum(axis=1))


def diversity(lists: Ints, genres: Bools) -> Floats:
    """float64[n_users]: mean over a list's pairs of 1 - Jaccard index of genres (Ziegler et al. 2005, intra-list)."""
    step = max(1, PAIRS_AT_ONCE // lists.shape[1] ** 2)
    parts = [_diversity(lists[first : first + step], genres) for first in range(0, len(lists), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def _diversity(lists: Ints, genres: Bools) -> Floats:
    table = genres[lists].astype(np.float32)
    shared = table @ table.transpose(0, 2, 1)
    sizes = table.sum(axis=2)
    union = sizes[:, :, None] + sizes[:, None, :] - shared
    unlike = 1 - np.divide(shared, union, out=np.ones_like(shared), where=union > 0)
    present = lists >= 0
    pairs = present[:, :, None] & present[:, None, :] & ~np.eye(lists.shape[1], dtype=bool)
    count = pairs.sum(axis=(1, 2))
    return divide((unlike * pairs).sum(axis=(1, 2)), count)


def gini(shown: Floats) -> float:
    """How unevenly lists show the catalogue: 0 if all movies are shown equally often, near 1 if one movie is in all.

    Half the mean difference of two movies' exposure over the mean exposure (Gini 1912), from the sorted values.
    """
    if not shown.sum():
        return 0.0
    movies = len(shown)
    places = np.arange(1, movies + 1)
    return float(((2 * places - movies - 1) * np.sort(shown)).sum() / (movies * shown.sum()))


def _mean_by_user(values: Floats, users: Ints, n_users: int) -> Floats:
    counts = np.bincount(users, minlength=n_users)
    sums = np.bincount(users, weights=values, minlength=n_users)
    means = np.full(n_users, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means


def bootstrap(
    numerators: Floats, denominators: Floats, *, seed: int, samples: int = 1000, level: float = 0.95
) -> tuple[Floats, Floats]:
    """Bootstrap percentile intervals of ``sum(numerators) / sum(denominators)`` over users.

    Efron and Tibshirani 1993, "An introduction to the bootstrap", chapter 13. Users are drawn, not ratings, since
    ratings of one user are not independent.

    Args:
        numerators: float64[n_users, m], such as sums of squared errors, or m metrics of one list.
        denominators: float64[n_users, m], such as counts of ratings, or 1.
        seed: random seed.
        samples: number of draws, shared by all m columns.
        level: share of the samples inside the interval.

    Returns:
        float64[m] twice: the lower and the upper ends.
    """
    columns = numerators.shape[1]
    draws = draw_sums(np.hstack([numerators, denominators]), seed=seed, samples=samples)
    low, high = np.quantile(draws[:, :columns] / draws[:, columns:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high


def draw_sums(values: Floats, *, seed: int, samples: int) -> Floats:
    """float64[samples, m]: sums of float64[n_users, m] over users drawn with replacement.

    All columns share the draws, so that figures computed from several of them stay paired. More than ``MAX_GROUPS``
    users are put into as many groups at random, and groups are drawn: sums vary as much, to a hundredth.
    """
    rng = np.random.default_rng(seed)
    if len(values) > MAX_GROUPS:
        order = rng.permutation(len(values))
        starts = np.linspace(0, len(values), MAX_GROUPS, endpoint=False).astype(np.int64)
        values = np.add.reduceat(values[order], starts, axis=0)
    users = len(values)
    sums = np.empty((samples, values.shape[1]))
    step = max(1, DRAWN_AT_ONCE // users)
    for first in range(0, samples, step):
        part = sums[first : first + step]
        drawn = rng.integers(0, users, (len(part), users)) + np.arange(len(part))[:, None] * users
        # Counts of each user in each draw, so that the sums of all draws are one matrix product.
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        part[:] = times.astype(np.float64) @ values
    return sums


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what it is called, what it means, and how it is computed.

    At most one of the four formulas is given; the interval coverage has none, as it needs a calibration.

    Attributes:
        label: the name in a table.
        meaning: one plain sentence.
        better: the direction that is better; None where neither is.
        unit: of its values.
        min_change: makes it a goal of the verdict; changes below this share of the baseline do not count.
        of_ratings: predicted and actual ratings to float64[n], averaged over ratings (``rmse``: then its root).
        of_hits: ``hits`` and ``relevant`` to float64[n_users], averaged over users.
        of_lists: lists (int[n_users, k]) and training ratings to float64[n_users]; None where it can't be told.
        of_exposure: the exposure of all lists together to one number.
    """

    label: str
    meaning: str
    better: Literal["lower", "higher"] | None
    unit: Literal["", "rating units", "%", "bits"] = ""
    min_change: float | None = None
    of_ratings: Callable[[NDArray[Any], NDArray[Any]], Floats] | None = None
    of_hits: Callable[[Bools, Ints], Floats] | None = None
    of_lists: Callable[[Ints, Interactions], Floats | None] | None = None
    of_exposure: Callable[[Floats], float] | None = None

    @property
    def noun(self) -> str:
        """The name in a sentence, such as ``NDCG`` or ``hit rate``."""
        name = self.label.partition("@")[0]
        return name if name.isupper() else name.lower()

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is, 0 where neither is."""
        return {"higher": 1, "lower": -1, None: 0}[self.better]

    @property
    def is_compared(self) -> bool:
        """Whether two versions are compared by it, user by user."""
        return self.better is not None and (self.of_ratings or self.of_hits) is not None


METRICS: dict[str, Metric] = {
    "rmse": Metric(
        "RMSE",
        "Typical error of a predicted rating, in rating units; large errors weigh more.",
        "lower",
        "rating units",
        min_change=0.0025,
        of_ratings=squared_errors,
    ),
    "mae": Metric(
        "MAE", "Mean error of a predicted rating, in rating units.", "lower", "rating units", of_ratings=absolute_errors
    ),
    "ndcg_at_k": Metric(
        "NDCG@10",
        "How well the top ten hold what the person liked; 1 is perfect.",
        "higher",
        min_change=0.01,
        of_hits=ndcg,
    ),
    "precision_at_k": Metric(
        "Precision@10",
        "Share of the top ten that the person liked.",
        "higher",
        "%",
        of_hits=lambda hits, _: precision(hits),
    ),
    "recall_at_k": Metric(
        "Recall@10", "Share of what the person liked that is in the top ten.", "higher", "%", of_hits=recall
    ),
    "map_at_k": Metric(
        "MAP@10", "Precision averaged over the places of liked movies.", "higher", of_hits=average_precision
    ),
    "mrr": Metric(
        "MRR",
        "One over the place of the first liked movie, averaged over people.",
        "higher",
        of_hits=lambda hits, _: reciprocal_rank(hits),
    ),
    "hit_rate_at_k": Metric(
        "Hit rate@10",
        "Share of people with at least one liked movie in the top ten.",
        "higher",
        "%",
        of_hits=lambda hits, _: hit_rate(hits),
    ),
    "coverage": Metric(
        "Coverage", "Share of the catalogue that is in anyone's top ten.", "higher", "%", of_exposure=coverage
    ),
    "novelty": Metric(
        "Novelty",
        "How little known the top ten are, in bits; a movie that half the people rated has 1.",
        None,
        "bits",
        of_lists=lambda lists, train: novelty(lists, train.movie_counts, train.n_users),
    ),
    "diversity": Metric(
        "Diversity",
        "How different the genres of the top ten are; 1 where no two movies share a genre.",
        None,
        # Without any genre, all lists would seem alike.
        of_lists=lambda lists, train: diversity(lists, train.movies.genres) if train.movies.genre_names else None,
    ),
    "gini": Metric(
        "Gini",
        "How unevenly lists show the catalogue; 0 is even, 1 is one movie for everyone.",
        "lower",
        of_exposure=gini,
    ),
    "interval_coverage": Metric(
        "Interval coverage", "Held-out ratings inside their 90% interval; 90% is right.", None, "%"
    ),
}
"""All metrics by name, in the order in which pages show them."""
