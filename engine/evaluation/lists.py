"""Lists to be judged: of a model, of the most popular movies, and of movies drawn at random."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.ratings import Interactions
from engine.data.splits import shuffle_users
from engine.evaluation import metrics
from engine.evaluation.intervals import Columns
from engine.models.base import top
from engine.parallel import run_all

ScoreUser = Callable[[int], Float32]
ListUser = Callable[[int, Int32], NDArray[np.int64]]
"""int64[<= k]: the list of a user without the movies that the user rated in training."""
MAX_LISTS = 20_000
"""Users whose lists are evaluated: of more, a random sample. It measures NDCG to about 0.003."""
USERS_AT_ONCE = 64
"""Users of a piece of work that a thread takes."""
SPARE = 4  # random movies drawn for each place of a list, as some repeat or are known


@dataclass(frozen=True)
class Lists:
    """Lists of the n users with a relevant test rating, or of a sample of them.

    Attributes:
        users: int64[n].
        movies: int64[n, k], -1 for no movie.
        hits: bool[n, k], whether the user likes the movie.
        relevant: int64[n], relevant test ratings of each.
        drawn_from: number of users with a relevant test rating.
    """

    users: NDArray[np.int64]
    movies: NDArray[np.int64]
    hits: NDArray[np.bool_]
    relevant: NDArray[np.int64]
    drawn_from: int

    def per_user(self) -> Columns:
        """float64[n] by list metric, in the order of ``users``."""
        return {name: one.of_hits(self.hits, self.relevant) for name, one in metrics.METRICS.items() if one.of_hits}


def draw_lists(score_user: ScoreUser, train: Interactions, test: Interactions, k: int) -> Lists:
    """Lists of k from the whole catalogue without the training part, for users with a relevant test rating.

    Of more than ``MAX_LISTS`` users a random sample, the same in every evaluation of these users. ``score_user`` is
    called by several threads.
    """
    return _fill(lambda user, seen: top(score_user(user), k, drop=seen), train, test, k, at_once=USERS_AT_ONCE)


def list_popular(train: Interactions, test: Interactions, k: int) -> Lists:
    """The same from the movies with most training ratings; ties go to the lower index."""
    order = np.argsort(-train.movie_counts, kind="stable")
    known = np.zeros(train.n_movies, bool)  # to the current user

    def popular(_: int, seen: Int32) -> NDArray[np.int64]:
        first = order[: k + len(seen)]
        known[seen] = True
        found = first[~known[first]][:k]
        known[seen] = False
        return found

    return _fill(popular, train, test, k)


def list_random(train: Interactions, test: Interactions, k: int, seed: int) -> Lists:
    """The same from movies drawn at random."""
    rng = np.random.default_rng(seed)

    def random(_: int, seen: Int32) -> NDArray[np.int64]:
        drawn = rng.integers(0, train.n_movies, SPARE * k)
        new = _unlike(drawn, seen)[:k]
        return new if len(new) == k else _unlike(rng.permutation(train.n_movies), seen)[:k]

    return _fill(random, train, test, k)


def _unlike(drawn: NDArray[np.int64], seen: Int32) -> NDArray[np.int64]:
    """The drawn movies without repetition and without those seen, in the order drawn."""
    _, first = np.unique(drawn, return_index=True)
    drawn = drawn[np.sort(first)]
    return drawn[~np.isin(drawn, seen)]


def _fill(list_user: ListUser, train: Interactions, test: Interactions, k: int, *, at_once: int | None = None) -> Lists:
    """``at_once``: users of a piece of work where threads may share it; None where one user's list needs another's."""
    liked = test.ratings >= metrics.relevant_from(test.scale)
    relevant = np.bincount(test.users[liked], minlength=test.n_users)
    eligible = np.flatnonzero(relevant)
    users = sample(eligible)
    movies = np.full((len(users), k), -1, np.int64)
    hits = np.zeros((len(users), k), bool)
    by_train, by_test = train.by_user, test.by_user  # computed once, not by each thread

    def fill(first: int) -> None:
        wanted = np.zeros(train.n_movies, bool)  # of the current user; reused, as it is large
        for row, user in enumerate(users[first : first + step].tolist(), first):
            listed = list_user(user, train.items[by_train.of(user)])
            rows = by_test.of(user)
            wanted[test.items[rows]] = liked[rows]
            movies[row, : len(listed)] = listed
            hits[row, : len(listed)] = wanted[listed]
            wanted[test.items[rows]] = False

    step = at_once or max(len(users), 1)
    run_all(fill, range(0, len(users), step))
    return Lists(users, movies, hits, relevant[users], len(eligible))


def sample(users: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most ``MAX_LISTS`` of these users (int64[n], ascending), drawn by their number alone.

    So two versions evaluate the same users, except for those that only one of them has.
    """
    return np.sort(shuffle_users(users)[:MAX_LISTS])
