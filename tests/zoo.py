"""Small and odd sets of ratings, such as real stores begin with: what must hold for any data holds for these."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from engine.data.ratings import Interactions

STARS = (0.5, 5.0)
GENRES = ("Drama", "Comedy", "War")
Rows = list[tuple[str, str, float]]


def _letters(number: int) -> str:
    """A word for each number, so that no text holds a digit that is none of ours."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(number))


def interactions(rows: Rows, scale: tuple[float, float] = STARS) -> Interactions:
    """In the order of time."""
    frame = pd.DataFrame(rows, columns=["user_id", "movie_id", "rating"])
    frame["timestamp"] = np.arange(len(frame)) + 1_000_000_000
    ids = sorted(set(frame.movie_id))
    movies = pd.DataFrame(
        {
            "movie_id": ids,
            "title": [f"Film {movie}" for movie in ids],
            "year": [1980 + place % 30 if place % 7 else None for place in range(len(ids))],
            "genres": [GENRES[place % 3] for place in range(len(ids))],
        }
    )
    return Interactions.from_frame(frame, movies, scale=scale)


def grid(value: Callable[[int, int], float], users: int = 25, movies: int = 30, part: float = 0.6) -> Rows:
    """Each user's ratings of a part of the movies."""
    rng = np.random.default_rng(0)
    return [
        (f"u{_letters(user)}", f"m{_letters(movie)}", value(user, movie))
        for user in range(users)
        for movie in rng.permutation(movies)[: round(part * movies)].tolist()
    ]


def _any(low: float, high: float, step: float) -> Callable[[int, int], float]:
    """Tastes of two kinds and noise, on a scale."""
    rng = np.random.default_rng(1)
    places = round((high - low) / step)

    def value(user: int, movie: int) -> float:
        liked = 0.65 if (user + movie) % 2 else 0.35
        return low + step * float(np.clip(round(places * (liked + rng.normal(0, 0.2))), 0, places))

    return value


def _all_but_one() -> Rows:
    rows = grid(lambda user, movie: 5)
    return [(*rows[0][:2], 0.5), *rows[1:]]


ZOO: dict[str, Callable[[], Interactions]] = {
    "one rating": lambda: interactions([("ua", "ma", 4)]),
    "one user": lambda: interactions(grid(_any(*STARS, 0.5), users=1, part=1)),
    "one movie": lambda: interactions(grid(_any(*STARS, 0.5), users=40, movies=1, part=1)),
    "a rating each": lambda: interactions(
        [(f"u{_letters(n)}", f"m{_letters(n)}", 0.5 + n % 10 / 2) for n in range(60)]
    ),
    "full grid": lambda: interactions(grid(_any(*STARS, 0.5), part=1)),
    "all five": lambda: interactions(grid(lambda user, movie: 5)),
    "all one": lambda: interactions(grid(lambda user, movie: 1)),
    "likes": lambda: interactions(grid(lambda user, movie: 1), (0, 1)),
    "equal but for one": lambda: interactions(_all_but_one()),
    "constant by user": lambda: interactions(grid(lambda user, movie: 1 + user % 5)),
    "constant by movie": lambda: interactions(grid(lambda user, movie: 1 + movie % 5)),
    "two camps": lambda: interactions(grid(lambda user, movie: 5 if (user + movie) % 2 else 0.5)),
    "thumbs": lambda: interactions(grid(lambda user, movie: (user * movie) % 2), (0, 1)),
    "one to ten": lambda: interactions(grid(_any(1, 10, 1)), (1, 10)),
    "percent": lambda: interactions(grid(_any(0, 100, 1)), (0, 100)),
    "around nought": lambda: interactions(grid(_any(-10, 10, 0.5)), (-10, 10)),
    "a user with everything": lambda: interactions(
        grid(_any(*STARS, 0.5), part=0.2) + [("everybody", f"m{_letters(movie)}", 3.5) for movie in range(30)]
    ),
    "duplicates": lambda: interactions(grid(_any(*STARS, 0.5)) + grid(_any(*STARS, 0.5))),
    "movies of one rating": lambda: interactions(
        [(f"u{_letters(n % 50)}", f"m{_letters(n)}", 0.5 + n % 10 / 2) for n in range(2000)]
    ),
}
"""By what is odd about them."""
