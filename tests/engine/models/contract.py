"""What every rating model has to pass: a test file subclasses this with a model and a band for its error."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.ratings import IdIndex, Interactions, UnmatchedIds
from engine.data.splits import split_by_user_time
from engine.errors import Cancelled, InvalidInput, NotReady
from engine.models.base import ModelConfig, RatingModel
from engine.models.epochs import run_epochs, validation_rmse


class RatingModelContract:
    """Inherit, and set ``config`` and ``rmse_below`` (on planted ratings, where the mean alone gives about 1.2)."""

    model: type[RatingModel]
    config: ModelConfig
    rmse_below: float

    @classmethod
    def build(cls, **changes: Any) -> RatingModel:
        return cls.model(cls.config.model_copy(update=changes))  # type: ignore[call-arg]

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls, small: Interactions) -> RatingModel:
        return cls.build().fit(small)

    def test_a_table_is_no_interactions(self) -> None:
        with pytest.raises(InvalidInput, match="Pass Interactions, not DataFrame"):
            self.build().fit(pd.DataFrame({"user_id": [1], "movie_id": [1], "rating": [4.0]}))  # type: ignore[arg-type]

    def test_an_unfitted_model_says_so(self) -> None:
        model: Any = self.build()
        calls: list[Callable[[], Any]] = [lambda: model.predict(["u1"], ["m1"]), lambda: model.recommend("u1")]
        calls += [lambda: model.get_user_embedding("u1"), lambda: model.get_movie_embedding("m1")]
        for call in calls:
            with pytest.raises(NotReady, match=f"This {self.model.__name__} is not fitted yet"):
                call()

    def test_factors_are_the_embeddings(self, fitted: RatingModel) -> None:
        learned, user, movie = fitted.biases_and_factors(), fitted.user_ids_.ids[1], fitted.movie_ids_.ids[2]
        rows = None if learned is None else (learned[0][1, 1:], learned[1][2, 1:])
        model: Any = fitted
        wanted = model.get_user_embedding(user), model.get_movie_embedding(movie)
        assert rows is None or all(np.allclose(row, one) for row, one in zip(rows, wanted, strict=True))

    def test_ids_of_another_type_are_warned_of(self, fitted: RatingModel) -> None:
        numbered = type(fitted).from_arrays(fitted.config, fitted.arrays())
        numbered.user_ids_, numbered.movie_ids_ = IdIndex(range(60)), IdIndex(range(60))
        numbered.seen_ = fitted.seen_
        for call in (lambda: numbered.predict(["1"], [1]), lambda: numbered.recommend("1", 3)):
            with pytest.warns(UnmatchedIds, match="user ids matched"):
                call()

    def test_learns_more_than_the_mean(self, small: Interactions) -> None:
        split = split_by_user_time(small)
        model = self.build().fit(split.train)
        mean = float(np.sqrt(np.mean((split.test.ratings - split.train.mean) ** 2)))
        assert validation_rmse(model, split.test) < min(self.rmse_below, mean)

    def test_loss_falls(self, small: Interactions) -> None:
        losses = [loss for loss in self.build().epochs(small) if not isinstance(loss, str)]
        assert losses[-1] < losses[0]

    def test_same_seed_gives_equal_arrays(self, small: Interactions) -> None:
        first, second = self.build().fit(small).arrays(), self.build().fit(small).arrays()
        assert first.keys() == second.keys()
        assert len(first) > 3
        assert all(np.array_equal(first[name], second[name]) for name in first)

    def test_another_seed_gives_other_arrays(self, small: Interactions, fitted: RatingModel) -> None:
        other = self.build(seed=1).fit(small).arrays()
        assert any(not np.array_equal(other[name], array) for name, array in fitted.arrays().items())

    def test_round_trip_through_arrays_predicts_bit_for_bit(self, small: Interactions, fitted: RatingModel) -> None:
        again = type(fitted).from_arrays(
            type(self.config).model_validate_json(self.config.model_dump_json()), fitted.arrays()
        )
        expected = fitted.predict_indices(small.users, small.items)
        assert np.array_equal(again.predict_indices(small.users, small.items), expected)

    def test_config_round_trips_through_json(self) -> None:
        assert type(self.config).model_validate_json(self.config.model_dump_json()) == self.config

    def test_unknown_ids_fall_back_inside_the_scale(self, fitted: RatingModel) -> None:
        predicted = fitted.predict(["nobody", "u1", "nobody", ("not", "an", "id")], ["m1", "nothing", "nothing", None])
        assert predicted.dtype == np.float32
        assert predicted.shape == (4,)
        assert np.isfinite(predicted).all()
        assert ((predicted >= 0.5) & (predicted <= 5)).all()

    def test_indices_beyond_what_was_learned_fall_back(self, small: Interactions, fitted: RatingModel) -> None:
        far = np.array([-1, small.n_users, 2**31 - 1], np.int32)
        known = np.zeros(3, np.int32)
        for predicted in (
            fitted.predict_indices(far, known),
            fitted.predict_indices(known, far),
            fitted.predict_indices(far, far),
        ):
            assert predicted.shape == (3,)
            assert ((predicted >= 0.5) & (predicted <= 5)).all()

    def test_columns_of_unequal_lengths_are_refused(self, fitted: RatingModel) -> None:
        """Compiled loops would read past the end of the shorter one, and answer numbers."""
        three, one = np.array([1, 2, 3], np.int32), np.array([5], np.int32)
        ratings = np.array([4], np.float32)
        for ask in (
            lambda: fitted.predict(["u1", "u2", "u3"], ["m5"]),
            lambda: fitted.predict_indices(three, one),
            lambda: fitted.predict_indices(one, three),
            lambda: fitted.fold_in_user(three, ratings),
            lambda: fitted.fold_in_without_each(three, ratings),
            lambda: fitted.fold_in_movie(three, ratings),
        ):
            with pytest.raises(ValueError, match=r"must have the same length, but there are [13] \w+, [13] \w+\."):
                ask()
        vectors = np.array([fitted.user_vector(0)] * 2), np.array([fitted.movie_vector(0)] * 3)
        with pytest.raises(ValueError, match="broadcast"):
            fitted.unclipped(*vectors)

    def test_no_pairs_give_no_predictions(self, fitted: RatingModel) -> None:
        assert fitted.predict([], []).shape == (0,)

    def test_recommends_distinct_unseen_movies_best_first(self, small: Interactions, fitted: RatingModel) -> None:
        user = 3
        listed = fitted.recommend("u3", 20)
        indices = small.movie_ids.indices(listed)
        seen = set(small.items[small.by_user.of(small.user_ids.index("u3"))].tolist())
        assert len(set(listed)) == 20
        assert not seen & set(indices.tolist())
        scores = fitted.score_user(small.user_ids.index(f"u{user}"))[indices]
        assert (np.diff(scores) <= 0).all()

    def test_recommends_at_most_what_is_left(self, small: Interactions, fitted: RatingModel) -> None:
        assert len(fitted.recommend("u3", 1000)) == small.n_movies - 25

    def test_cancel_ends_between_epochs_and_leaves_a_usable_model(self, small: Interactions) -> None:
        stop, model, seen = Event(), self.build(), []

        def report(epoch: Any) -> None:
            seen.append(epoch.epoch)
            if epoch.epoch == 2:
                stop.set()

        with pytest.raises(Cancelled, match="epoch 2"):
            run_epochs(model, small, on_epoch=report, cancelled=stop)
        assert seen == [1, 2]
        assert np.isfinite(model.predict_indices(small.users, small.items)).all()

    def test_a_folded_user_predicts_like_the_learned_one(self, small: Interactions, fitted: RatingModel) -> None:
        """Both know the same ratings; they differ in how they were learned, so only their errors are compared."""
        learned, folded = [], []
        for user in range(20):
            rows = small.by_user.of(user)
            items, ratings = small.items[rows], small.ratings[rows]
            vector = fitted.fold_in_user(items, ratings)
            assert vector.shape == fitted.user_vector(user).shape
            folded.append(np.mean((fitted.predict_vector(vector, items) - ratings) ** 2))
            learned.append(np.mean((fitted.predict_vector(fitted.user_vector(user), items) - ratings) ** 2))
        assert np.mean(folded) < 1.5 * np.mean(learned)

    def test_a_vector_predicts_what_its_user_does(self, small: Interactions, fitted: RatingModel) -> None:
        movies = np.arange(small.n_movies, dtype=np.int32)
        expected = fitted.predict_indices(np.full(len(movies), 4, np.int32), movies)
        assert np.array_equal(fitted.predict_vector(fitted.user_vector(4), movies), expected)

    def test_a_user_without_ratings_folds_to_the_unknown_user(self, fitted: RatingModel) -> None:
        nothing = fitted.fold_in_user(np.empty(0, np.int32), np.empty(0, np.float32))
        assert np.array_equal(nothing, fitted.user_vector(-1))

    @pytest.mark.parametrize("movies", [False, True])
    @pytest.mark.parametrize("few", [False, True])
    def test_folding_in_all_is_folding_in_each(
        self, small: Interactions, fitted: RatingModel, *, movies: bool, few: bool
    ) -> None:
        data = small.subset(np.arange(0, len(small), 9)) if few else small
        owners = np.flatnonzero(data.movie_counts if movies else data.user_counts)
        found = fitted.fold_in_all(data, owners, lambda: None, movies=movies)
        assert len(found) == len(owners)
        for place in range(0, len(owners), 7):
            if movies:
                rows = data.by_movie.of(owners[place])
                expected = fitted.fold_in_movie(data.users[rows], data.ratings[rows], int(owners[place]))
            else:
                rows = data.by_user.of(owners[place])
                expected = fitted.fold_in_user(data.items[rows], data.ratings[rows])
            np.testing.assert_allclose(found[place], expected, atol=2e-5)
        nobody = np.empty(0, np.int64)
        assert fitted.fold_in_all(data, nobody, lambda: None, movies=movies).shape == (0, found.shape[1])

    @pytest.mark.parametrize("count", [0, 1, 2, 7, 25])
    def test_each_rating_left_out_is_folding_in_the_others(
        self, small: Interactions, fitted: RatingModel, count: int
    ) -> None:
        rows = small.by_user.of(6)[:count]
        items, ratings = small.items[rows].copy(), small.ratings[rows]
        if count == 7:
            items[2], items[5] = -1, small.n_movies + 3  # of which nothing was learned
        found = fitted.fold_in_without_each(items, ratings)
        assert found.shape == (count, len(fitted.user_vector(-1)))
        for place in range(count):
            others = np.arange(count) != place
            expected = fitted.fold_in_user(items[others], ratings[others])
            np.testing.assert_allclose(found[place], expected, atol=2e-5)

    def test_unclipped_is_a_prediction_before_it_is_clipped(self, small: Interactions, fitted: RatingModel) -> None:
        users = np.array([fitted.user_vector(user) for user in range(12)])
        movies = np.array([fitted.movie_vector(movie) for movie in range(12)])
        for some_users, some_movies in ((users, movies), (users[:1], movies), (users, movies[:1])):
            found = fitted.unclipped(some_users, some_movies)
            assert found.shape == (12,)
            sides = np.broadcast_to(some_users, users.shape), np.broadcast_to(some_movies, movies.shape)
            expected = [fitted.predict_vectors(user, movie[None])[0] for user, movie in zip(*sides, strict=True)]
            np.testing.assert_allclose(np.clip(found, *small.scale), expected, atol=1e-5)
        assert fitted.unclipped(users, 3 * movies).max() > small.scale[1]

    def test_a_movie_vector_predicts_what_the_movie_does(self, small: Interactions, fitted: RatingModel) -> None:
        movies = np.arange(-1, small.n_movies, dtype=np.int32)
        vectors = np.array([fitted.movie_vector(int(movie)) for movie in movies])
        user = fitted.user_vector(4)
        found = fitted.predict_vectors(user, vectors)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, fitted.predict_vector(user, movies), atol=1e-5)
        assert fitted.predict_vectors(user, vectors[:0]).shape == (0,)

    def test_a_movie_folded_in_is_as_good_as_a_learned_one(self, small: Interactions, fitted: RatingModel) -> None:
        vectors = []
        for movie in range(small.n_movies):
            rows = small.by_movie.of(movie)
            vectors.append(fitted.fold_in_movie(small.users[rows], small.ratings[rows], movie))
        table, predicted = np.array(vectors), np.empty(len(small), np.float32)
        for user in range(small.n_users):
            rows = small.by_user.of(user)
            predicted[rows] = fitted.predict_vectors(fitted.user_vector(user), table[small.items[rows]])
        error = float(np.sqrt(np.mean((predicted - small.ratings) ** 2)))
        learned = fitted.predict_indices(small.users, small.items)
        assert error < 1.1 * float(np.sqrt(np.mean((learned - small.ratings) ** 2)))

    def test_a_movie_folds_in_alike_after_it_was_stored(self, small: Interactions, fitted: RatingModel) -> None:
        again = type(fitted).from_arrays(fitted.config, fitted.arrays())
        assert again.folds_movies
        rows = small.by_movie.of(3)
        for movie in (3, -1, small.n_movies + 5):
            given = small.users[rows], small.ratings[rows], movie
            assert np.array_equal(again.fold_in_movie(*given), fitted.fold_in_movie(*given))

    def test_good_ratings_of_a_new_movie_let_expect_more_than_bad_ones(
        self, small: Interactions, fitted: RatingModel
    ) -> None:
        """Of learned users, of users nobody knows, and of none."""
        for users in (np.arange(6, dtype=np.int32), np.array([-1, small.n_users, 10**6], np.int32)):
            good, bad = (fitted.fold_in_movie(users, np.full(len(users), rating, np.float32)) for rating in (5.0, 0.5))
            pair = np.array([good, bad])
            expected = [fitted.predict_vectors(fitted.user_vector(user), pair) for user in range(small.n_users)]
            high, low = np.mean(expected, axis=0)
            assert high > low + 0.5
        nothing = fitted.fold_in_movie(np.empty(0, np.int32), np.empty(0, np.float32))
        assert np.isfinite(fitted.predict_vectors(fitted.user_vector(0), nothing[None])).all()
