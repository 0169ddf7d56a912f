"""A rehearsal before the first request: versions of a few made-up ratings are learned, stored away and serve.

Compiled loops are compiled, or loaded where an earlier start has compiled them, when they are first called with arrays
of a kind. The compiler holds every other thread up for as long as it works: 5 s in all on a new machine, in the middle
of the first training otherwise.
"""

from __future__ import annotations

import logging
from functools import cache

import numpy as np
import pandas as pd

from engine.dataset.interactions import Interactions
from engine.learning import Listener, learn
from engine.models.bundle import VersionBundle
from engine.models.catalog import MODELS, configure
from engine.services.listening import ServingState
from engine.types import ListOptions
from store.records import RatingChange

log = logging.getLogger(__name__)

SMALL = {"epochs": 2, "factors": 2, "networks": 1, "parts": 2, "iterations": 2}
"""Hyperparameters that make a training short, as far as a model has them."""
PEOPLE, MOVIES = 30, 20
PERSONAL_FROM = 5


@cache
def rehearse() -> None:
    """Once in a process; takes 0.7 s, and on a machine where nothing is compiled yet ten times as long."""
    log.info("preparing; the first start on a machine takes some seconds longer")
    data, whole = made_up_ratings(), ListOptions(n=3)
    for kind in MODELS:
        fields = MODELS[kind].config.model_fields
        config = configure(kind, {name: value for name, value in SMALL.items() if name in fields})
        learned = learn(kind, config, data, PERSONAL_FROM, Listener.silent()).bundle
        for bundle in (learned, _as_stored(kind, learned)):
            state = ServingState.build(1, bundle, data, 0, PERSONAL_FROM)
            state.learn("p0", RatingChange(0, 1, 4.5, None, 1, new_user=False))
            for user in (state.listen("p0"), state.listen("nobody")):
                for wanted in (whole, ListOptions(n=3, rank_by="rating")):
                    state.annotate(user, state.make_list(user, wanted, user.state.items))


def made_up_ratings() -> Interactions:
    """Ratings with times of movies with genres and years, of the kinds that a store gives."""
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
    """The same as a store gives it: its arrays can't be written to."""
    arrays = {name: array.copy() for name, array in bundle.arrays().items()}
    for array in arrays.values():
        array.flags.writeable = False
    return VersionBundle.from_arrays(kind, bundle.config(), arrays)
