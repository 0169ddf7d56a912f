"""The networks of the neural collaborative filter: the rows they train on, and their weights for prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from engine.data.arrays import Float32, Int32
from engine.data.ratings import Interactions
from engine.models.embeddings import Knowledge, PairInputs

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

MOMENT_ROWS = 1 << 18  # rows from which mean and scale of the inputs are computed, at most


@dataclass(frozen=True)
class Layers:
    """Trained networks rearranged for prediction, the first layer split into users, movies and pairs.

    Attributes:
        user, movie, pair: float32[d, networks * h], first-layer weights of the inputs of users, movies and pairs.
        intercept: float32[networks * h].
        deep: float32[networks, inputs + 1, outputs] for each further layer, intercepts in the last row.
    """

    user: Float32
    movie: Float32
    pair: Float32
    intercept: Float32
    deep: tuple[Float32, ...]

    @classmethod
    def of(cls, networks: list[MLPRegressor], moments: tuple[Float32, Float32], users: int, movies: int) -> Self:
        """Fold the normalisation of the inputs into the first layer, and split it.

        Args:
            networks: trained on normalised inputs.
            moments: float32[d] twice, mean and scale of the inputs.
            users: number of inputs of users, which come first.
            movies: number of inputs of movies, which come next.
        """
        mean, spread = moments
        first = np.hstack([network.coefs_[0] for network in networks]) / spread[:, None]
        intercept = np.concatenate([network.intercepts_[0] for network in networks]) - mean @ first
        deep = tuple(
            np.array([np.vstack([n.coefs_[layer], n.intercepts_[layer]]) for n in networks], np.float32)
            for layer in range(1, len(networks[0].coefs_))
        )
        user, movie, pair = (
            np.ascontiguousarray(rows, np.float32) for rows in np.split(first, [users, users + movies])
        )
        return cls(user, movie, pair, intercept.astype(np.float32), deep)

    def sum_corrections(self, hidden: Float32, pairs: Float32) -> Float32:
        """float32[n]: the outputs of all networks, summed.

        Args:
            hidden: float32[n, networks * h], the first layer of users and movies; overwritten.
            pairs: float32[n, d], the inputs of the pairs.
        """
        hidden += pairs @ self.pair
        np.maximum(hidden, 0, out=hidden)
        corrections = np.zeros(len(hidden), np.float32)
        for network, values in enumerate(np.split(hidden, len(self.deep[0]), axis=1)):
            for layer, weights in enumerate(self.deep):
                values = values @ weights[network, :-1] + weights[network, -1]
                if layer < len(self.deep) - 1:
                    np.maximum(values, 0, out=values)
            corrections += values[:, 0]
        return corrections


@dataclass(frozen=True)
class TrainingRows:
    """Training rows: each is a rating, with inputs from embeddings that do not know it.

    Attributes:
        data: the ratings.
        ratings: int64[m], the rating of each row.
        table: int64[m], the table that its inputs come from.
        tables: users and movies as the ratings outside a part show them; all ratings, or only each user's first ones.
        pairs: makes a pair's inputs from both.
    """

    data: Interactions
    ratings: NDArray[np.int64]
    table: NDArray[np.int64]
    tables: list[tuple[Knowledge, Knowledge]]
    pairs: PairInputs

    def __len__(self) -> int:
        return len(self.ratings)

    def rows(self, rows: NDArray[np.int64]) -> tuple[Float32, Float32]:
        """float32[n, d]: the inputs of some rows; float32[n]: the residuals of the factorisation."""
        inputs, base = None, np.empty(len(rows), np.float32)
        for number, (users, movies) in enumerate(self.tables):
            here = np.flatnonzero(self.table[rows] == number)
            some = self.ratings[rows[here]]
            found, base[here] = self.pairs.of(users, movies, self.data.users[some], self.data.items[some])
            inputs = np.empty((len(rows), found.shape[1]), np.float32) if inputs is None else inputs
            inputs[here] = found
        assert inputs is not None  # there is at least one table
        return inputs, self.data.ratings[self.ratings[rows]] - base

    def moments(self) -> tuple[Float32, Float32]:
        """float32[d] twice: mean and scale of the inputs, from a sample where there are many rows."""
        step = -(-len(self) // MOMENT_ROWS)
        inputs, _ = self.rows(np.arange(0, len(self), step))
        return inputs.mean(axis=0), self.pairs.level(inputs.std(axis=0), self.tables[0][0].inputs.shape[1])

    def ends(self) -> Float32:
        """float32[2, d]: lowest and highest value of each input, users first, then movies."""
        return np.hstack([self._ends(0, self.data.users), self._ends(1, self.data.items)])

    def _ends(self, side: int, keys: Int32) -> Float32:
        used = ((number, self.ratings[self.table == number]) for number in range(len(self.tables)))
        inputs = [self.tables[number][side].inputs[np.unique(keys[rows])] for number, rows in used if len(rows)]
        return np.stack(
            [np.min([one.min(axis=0) for one in inputs], axis=0), np.max([one.max(axis=0) for one in inputs], axis=0)]
        )
