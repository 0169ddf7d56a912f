"""Strategies of ratings and ids, from a single rating to a few dozen, on any scale."""

from __future__ import annotations

from collections.abc import Hashable

import pandas as pd
from hypothesis import strategies as st

from engine.data.ratings import Interactions

SCALES = st.sampled_from([(0.5, 5.0), (1.0, 5.0), (0.0, 1.0), (-10.0, 10.0), (1.0, 100.0)])
ANY_ID: st.SearchStrategy[Hashable] = st.one_of(
    st.text(max_size=3),
    st.integers(-3, 12),
    st.floats(allow_nan=True),
    st.none(),
    st.booleans(),
    st.binary(max_size=2),
    st.tuples(st.integers(0, 3), st.text(max_size=1)),
)
USERS = st.integers(0, 5).map(lambda n: f"u{n}")
MOVIES = st.integers(0, 9)


@st.composite
def interactions(draw: st.DrawFn, *, min_size: int = 1, timed: bool = False) -> Interactions:
    """Ratings of at most 6 users for at most 10 movies; users are text, movies are numbers."""
    low, high = draw(SCALES)
    value = st.integers(0, 4).map(lambda step: low + (high - low) * step / 4)
    rated = draw(st.dictionaries(st.tuples(USERS, MOVIES), value, min_size=min_size, max_size=40))
    frame = pd.DataFrame([(*pair, rating) for pair, rating in rated.items()], columns=["user_id", "movie_id", "rating"])
    if timed:
        frame["timestamp"] = range(len(frame))
    return Interactions.from_frame(frame, scale=(low, high))
