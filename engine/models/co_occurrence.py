"""How often movies are rated together: ``X'X`` of the weighted ratings, on all processors."""

from __future__ import annotations

import numba as nb
import numpy as np

from engine.data.arrays import Float32, Int32, Int64, Ints
from engine.data.ratings import group
from engine.parallel import run_all

ROWS = 16
"""Rows of the result that a piece of work fills: as many as fit into a processor's cache."""
WHOLE = 2
"""Users with more than a half of the movies are added as whole rows, which a processor does in order."""


def co_occurrence(users: Int32, columns: Int32, weights: Float32, n_users: int, m: int) -> Float32:
    """float32[m, m]: the sum of ``x x'`` over the users' rows x, added up in the order of the users.

    Rows of the result are independent, so it is the same for any number of threads. Only one triangle is computed; the
    other follows, since products commute.

    Args:
        users: int32[n].
        columns: int32[n], the movie of each rating, in 0..m-1; a pair occurs once.
        weights: float32[n], finite.
        n_users: number of users.
        m: number of movies.
    """
    order = group(columns, m).order
    rows = group(users[order], n_users)
    order = order[rows.order]  # by user, then by movie
    columns, weights, owners, start = columns[order], weights[order], users[order], rows.start
    del order, rows
    blocks = -(-m // ROWS)
    by_block = group((columns // ROWS).astype(np.int32), blocks)
    places, wide = by_block.order, _wide(start, columns, weights, m)
    gram = np.zeros((m, m), np.float32)

    def fill(block: int) -> None:
        _fill(places[by_block.start[block] : by_block.start[block + 1]], owners, start, columns, weights, *wide, gram)

    run_all(fill, range(blocks))
    run_all(lambda block: _mirror(block * ROWS, min((block + 1) * ROWS, m), gram), range(blocks))
    return gram


def _wide(start: Int64, columns: Int32, weights: Float32, m: int) -> tuple[Int32, Float32]:
    """int32[n_users], the place of each user's whole row, -1 without one; float32[places, m], these rows."""
    many = np.flatnonzero(np.diff(start) * WHOLE > m)
    place = np.full(len(start) - 1, -1, np.int32)
    place[many] = np.arange(len(many), dtype=np.int32)
    whole = np.zeros((len(many), m), np.float32)
    for row, user in enumerate(many.tolist()):
        own = slice(start[user], start[user + 1])
        whole[row, columns[own]] = weights[own]
    return place, whole


def _fill_rows(
    places: Ints,
    owners: Int32,
    start: Int64,
    columns: Int32,
    weights: Float32,
    wide: Int32,
    whole: Float32,
    gram: Float32,
) -> None:
    """Add the ratings at ``places``, in the order of the users, to their movies' rows from the diagonal on."""
    for n in range(len(places)):
        place = places[n]
        user, movie, weight = owners[place], columns[place], weights[place]
        row, others = gram[movie], wide[user]
        if others >= 0:
            theirs = whole[others]
            for column in range(movie, len(row)):
                row[column] += weight * theirs[column]
        else:
            for other in range(place, start[user + 1]):
                row[columns[other]] += weight * weights[other]


def _mirror_rows(first: int, last: int, gram: Float32) -> None:
    """Copy the upper triangle to the rows from ``first`` to before ``last``; a cache line at a time is read."""
    for column in range(last):
        for row in range(max(first, column + 1), last):
            gram[row, column] = gram[column, row]


# No fastmath: sums have to keep their order, and their rounding.
_fill = nb.njit(nogil=True, cache=True)(_fill_rows)
_mirror = nb.njit(nogil=True, cache=True)(_mirror_rows)
