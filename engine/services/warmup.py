"""A rehearsal before the first request: versions of a few made-up ratings are learned, stored away and serve.

Compiled loops are compiled, or loaded where an earlier start has compiled them, when they are first called with arrays
of a kind. The compiler holds every other thread up for as long as it works: 5 s in all on a new machine, in the middle
of the first training otherwise.
"""

import logging
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.arrays import Arrays
from engine.data.history import UNKNOWN
from engine.data.ratings import Interactions
from engine.models.base import NOTHING
from engine.models.rankers import METHOD, RANKERS, build_ranker, configure_ranker, ranker_settings, restore_ranker
from engine.models.registry import MODELS, configure
from engine.models.version import VersionBundle
from engine.recommending.lists import ListOptions
from engine.recommending.state import ServingState
from engine.training.pipeline import Listener, learn
from store.records import RatingChange

log = logging.getLogger(__name__)

SMALL = {"epochs": 2, "factors": 2, "networks": 1, "parts": 2, "iterations": 2}
"""Hyperparameters of a short training, where a model has them."""
PEOPLE, MOVIES = 30, 20
PERSONAL_FROM = 5
USERS_TRIED, MOVIES_TRIED, AT_ONCE = 3, 5, 50_000
"""Numbers of users and movies to try a version from a file with, and of predictions per step."""


@cache
def warm_up() -> None:
    """Warm up once per process; takes 0.7 s, or 7 s on a machine where nothing is compiled yet."""
    log.info("preparing; the first start on a machine takes some seconds longer")
    data, whole = made_up_ratings(), ListOptions(n=3)
    for kind, model in MODELS.items():
        if model.on_spark:  # its loops are those of the others
            continue
        fields = model.config.model_fields
        config = configure(kind, {name: value for name, value in SMALL.items() if name in fields})
        learned = learn(config, data, PERSONAL_FROM, Listener.silent()).bundle
        for bundle in (learned, _as_stored(kind, learned)):
            state = ServingState.build(1, bundle, data, 0, PERSONAL_FROM)
            state.learn("p0", RatingChange(0, 1, 4.5, None, 1, 1, new_user=False))
            for user in (state.listen("p0"), state.listen("nobody")):
                for wanted in (whole, ListOptions(n=3, rank_by="rating")):
                    state.annotate(user, state.list_of(user, wanted))
    for method, entry in RANKERS.items():
        if entry.on_spark:
            continue
        ranker = build_ranker(configure_ranker({METHOD: method})).fit(data)
        stored = restore_ranker(ranker_settings(ranker.config), _read_only(ranker.arrays()))
        for one in (ranker, stored):
            one.score_history(data.history(0))
            one.shares(data.history(0), 0)


def try_out(state: ServingState) -> None:
    """Ask a version for all that requests ask for: by a few users, a stranger among them, of several movies.

    Raises:
        Exception: whatever an answer fails with; ValueError where it holds what is no number.
    """
    data, movies = state.data, _some(np.arange(state.data.n_movies), MOVIES_TRIED)
    with np.errstate(all="ignore"):  # values that are not finite are found in the answers
        _try_predictions(state, movies)
        rated = np.flatnonzero(data.user_counts)
        few_first = rated[np.argsort(data.user_counts[rated], kind="stable")]
        known = _some(few_first[: len(few_first) // 2 + 1], USERS_TRIED)  # heavy users take long to explain
        for user_id in ["", *(str(data.user_ids.raw(user)) for user in known.tolist())]:
            _try_answers(state, user_id, movies.tolist())
        for movie in movies.tolist():
            for change in (
                RatingChange(data.n_users, movie, data.scale[1], None, 1, state.revision + 1, new_user=True),
                RatingChange(data.n_users, movie, None, data.scale[1], UNKNOWN, state.revision + 1, new_user=False),
            ):
                _check_finite(state.learn("", change))
                _try_answers(state, "", [movie])
        _check_finite(state.interview.questions(NOTHING, NOTHING.astype(np.float32), NOTHING, 2))


def _try_predictions(state: ServingState, movies: NDArray[np.int64]) -> None:
    """Predict some movies for every user, and every movie for some users."""
    model, data = state.bundle.rating, state.data
    users = np.arange(-1, data.n_users, dtype=np.int32)
    for movie in [-1, *movies.tolist()]:
        for start in range(0, len(users), AT_ONCE):
            part = users[start : start + AT_ONCE]
            _check_finite(model.predict_indices(part, np.full(len(part), movie, np.int32)))
    every = np.arange(data.n_movies, dtype=np.int32)
    for user in [-1, *_some(np.arange(data.n_users), USERS_TRIED).tolist()]:
        vector = model.user_vector(user)
        for start in range(0, len(every), AT_ONCE):
            _check_finite(model.predict_vector(vector, every[start : start + AT_ONCE]))


def _try_answers(state: ServingState, user_id: str, movies: list[int]) -> None:
    user = state.listen(user_id)
    for options in (ListOptions(10), ListOptions(10, rank_by="rating"), ListOptions(10, diversity=0.5)):
        for drop in (NOTHING, user.state.items):
            _check_finite([asdict(one) for one in state.annotate(user, state.make_list(user, options, drop))])
    for movie in movies:
        _check_finite(asdict(state.explain(user_id, user, movie)))


def _some(values: NDArray[Any], n: int) -> NDArray[Any]:
    """At most n items at equal distances, from the first to the last."""
    places = np.linspace(0, max(len(values) - 1, 0), min(n, len(values)))
    chosen: NDArray[Any] = values[np.unique(places.astype(int))]
    return chosen


def _check_finite(answer: Any) -> None:
    """Check that every number in an answer is finite, so that it can be sent as JSON."""
    if isinstance(answer, np.ndarray | float):
        if not np.isfinite(answer).all():
            raise ValueError("an answer holds what is no number")
    elif isinstance(answer, Mapping):
        _check_finite(list(answer.values()))
    elif isinstance(answer, list | tuple):
        for one in answer:
            _check_finite(one)
    elif is_dataclass(answer) and not isinstance(answer, type):
        _check_finite(asdict(answer))


def made_up_ratings() -> Interactions:
    """Made-up ratings with times, and movies with genres and years, in the types of the store."""
    rng = np.random.default_rng(0)
    pairs = rng.permutation(PEOPLE * MOVIES)[: PEOPLE * MOVIES // 2]
    rows = pd.DataFrame(
        {
            "user_id": [f"p{pair // MOVIES}" for pair in pairs],
            "movie_id": [f"m{pair % MOVIES}" for pair in pairs],
            "rating": rng.integers(1, 11, len(pairs)) / 2,
            "timestamp": rng.integers(1, 10**6, len(pairs)),
        }
    )
    movies = pd.DataFrame(
        {
            "movie_id": [f"m{movie}" for movie in range(MOVIES)],
            "title": [f"Movie {movie}" for movie in range(MOVIES)],
            "year": [1980 + movie for movie in range(MOVIES)],
            "genres": ["Drama|War" if movie % 2 else "Comedy" for movie in range(MOVIES)],
        }
    )
    return Interactions.from_frame(rows, movies)


def _as_stored(kind: str, bundle: VersionBundle) -> VersionBundle:
    """The same with read-only arrays, as the store returns them."""
    return VersionBundle.from_arrays(kind, bundle.config(), _read_only(bundle.arrays()))


def _read_only(arrays: Arrays) -> Arrays:
    copies = {name: array.copy() for name, array in arrays.items()}
    for array in copies.values():
        array.flags.writeable = False
    return copies
