"""Faults of the product, each of which the file of its property has to notice.

``pytest -p tests.properties.defects --defect "empty text" tests/properties/test_property_05_*`` runs tests with one of
them in the product. They change what public names do, so that they outlive a change of how it is done.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase
from hypothesis import settings as hypothesis_settings

from engine.data.history import History
from engine.evaluation import metrics
from engine.evaluation.report import EvaluationService
from engine.models import base
from engine.models.base import RatingModel
from engine.models.ease import ItemSimilarityRanker
from engine.models.ncf import NeuralCF
from engine.models.registry import MODELS
from engine.models.svd import MatrixFactorizationModel
from engine.models.version import LearnedOffsets, VersionBundle
from engine.recommending import cold_start, ranking, reasons
from engine.recommending.explanations import ExplainerService, GenreMatch
from engine.recommending.fold_in import FoldedMovies, RealtimeLearner
from engine.recommending.scoring import ListScorer, Scores, Shares
from engine.recommending.state import ServingState
from store.versions import MLModelManager


@dataclass(frozen=True)
class Defect:
    """What is wrong, the property that forbids it, the test that notices it, and what puts it into the product."""

    name: str
    number: int
    noticed_by: str
    seed: Callable[[], None]


DEFECTS: dict[str, Defect] = {}


def breaks(number: int, noticed_by: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Marks a function that puts a defect into the product, named as the function is; nothing takes it out again.

    Args:
        number: of the property.
        noticed_by: what the names of the tests have in common that notice it, no longer than is needed to choose them.
    """

    def register(seed: Callable[[], None]) -> Callable[[], None]:
        name = seed.__name__.replace("_", " ")
        DEFECTS[name] = Defect(name, number, noticed_by, seed)
        return seed

    return register


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--defect", choices=[*DEFECTS], help="the fault to put into the product")


def pytest_configure(config: pytest.Config) -> None:
    """Equal examples each time, and no search for the smallest one that fails."""
    phases = Phase.explicit, Phase.generate
    quick = hypothesis_settings(
        derandomize=True, database=None, deadline=None, report_multiple_bugs=False, phases=phases
    )
    hypothesis_settings.register_profile("defects", quick)
    hypothesis_settings.load_profile("defects")
    if config.option.defect:
        DEFECTS[config.option.defect].seed()


def change(owner: type, name: str, wrong: Callable[..., Any]) -> None:
    """Let a method be ``wrong(right, self, *args)``, in a class, which may inherit it, and where others override it."""
    for one in (owner, *owner.__subclasses__()):
        if one is owner or name in vars(one):
            setattr(one, name, _instead(getattr(one, name), wrong))


def change_function(right: Callable[..., Any], wrong: Callable[..., Any]) -> None:
    """Let a function be ``wrong(right, *args)``, wherever it has been imported."""
    instead = _instead(right, wrong)
    modules = [one for name, one in sys.modules.items() if name.startswith(("engine.", "store."))]
    places = [(one, name) for one in modules for name, found in vars(one).items() if found is right]
    assert places, f"{right} is nowhere, so nothing would be changed"
    for one, name in places:
        setattr(one, name, instead)


def _instead(right: Callable[..., Any], wrong: Callable[..., Any]) -> Callable[..., Any]:
    def instead(*args: Any, **kwargs: Any) -> Any:
        return wrong(right, *args, **kwargs)

    return instead


# -- 1: what is stored comes back ------------------------------------------------------------------------------------


def _store_without(part: str) -> None:
    change(
        VersionBundle,
        "arrays",
        lambda right, self: {name: array for name, array in right(self).items() if not name.startswith(part)},
    )


@breaks(1, "every_part")
def offsets_are_not_stored() -> None:
    _store_without("offsets/")


@breaks(1, "every_part")
def counts_are_not_stored() -> None:
    _store_without("counts/")


@breaks(1, "every_part")
def intervals_are_not_stored() -> None:
    _store_without("calibration/")


@breaks(1, "what_was_learned")
def the_hyperparameters_of_the_ranker_are_not_stored() -> None:
    change(VersionBundle, "config", lambda right, self: right(self) | {"ranker": {}})


@breaks(1, "what_was_learned")
def the_spread_of_predictions_is_not_stored() -> None:
    _store_without("spread/")


@breaks(1, "what_was_learned")
def popularity_is_rounded() -> None:
    def rounded(right: Any, self: VersionBundle) -> Any:
        arrays = right(self)
        return arrays | {"popularity/scores": arrays["popularity/scores"].round(3)}

    change(VersionBundle, "arrays", rounded)


# -- 2: predictions lie in the scale ---------------------------------------------------------------------------------


@breaks(2, "movie_folded_in")
def movies_folded_in_are_predicted_unclipped() -> None:
    change(
        RatingModel,
        "predict_vectors",
        lambda right, self, user, movies: self.unclipped(user.reshape(1, -1), movies),
    )


@breaks(2, "new_users_predictions")
def users_folded_in_are_predicted_unclipped() -> None:
    def unclipped(right: Any, self: RatingModel, vector: Any, movies: Any) -> Any:
        if not len(movies):
            return right(self, vector, movies)
        return self.unclipped(vector.reshape(1, -1), np.array([self.movie_vector(int(movie)) for movie in movies]))

    change(RatingModel, "predict_vector", unclipped)


@breaks(2, "test_predictions_lie")
def every_scale_is_taken_for_half_stars() -> None:
    def half_stars(right: Any, self: RatingModel, data: Any) -> Any:
        for told in right(self, data):
            self.scale_ = 0.5, 5.0
            yield told

    change(RatingModel, "epochs", half_stars)


@breaks(2, "test_predictions_lie")
def strangers_are_predicted_no_number() -> None:
    change(
        RatingModel,
        "predict_indices",
        lambda right, self, users, movies: np.where(users < 0, np.float32(np.nan), right(self, users, movies)),
    )


# -- 3: training improves --------------------------------------------------------------------------------------------


@breaks(3, "networks_find")
def the_output_of_the_networks_is_dropped() -> None:
    def silent(right: Any, self: NeuralCF, data: Any) -> Any:
        for told in right(self, data):
            if not isinstance(told, str):
                self.layers_.deep[-1][:] = 0
            yield told

    change(NeuralCF, "epochs", silent)


@breaks(3, "planted_tastes")
def movies_have_no_factors() -> None:
    def biases(right: Any, self: MatrixFactorizationModel, users: Any, movies: Any) -> Any:
        """A prediction less the product of both embeddings."""
        vectors = [
            (self.user_vector(user), self.movie_vector(movie)) for user, movie in zip(users, movies, strict=True)
        ]
        products = [user[1:] @ movie[1:] for user, movie in vectors]
        return np.clip(right(self, users, movies) - np.array(products, np.float32), *self.scale_)

    change(MatrixFactorizationModel, "predict_indices", biases)


@breaks(3, "planted_tastes")
def ratings_are_shuffled_before_they_are_learned() -> None:
    def shuffled(right: Any, self: RatingModel, data: Any) -> Any:
        yield from right(self, replace(data, ratings=np.random.default_rng(0).permutation(data.ratings)))

    change(RatingModel, "epochs", shuffled)


@breaks(3, "loss_falls")
def training_ends_with_its_first_epoch() -> None:
    def first(right: Any, self: RatingModel, data: Any) -> Any:
        for told in right(self, data):
            yield told
            if not isinstance(told, str):
                return

    change(RatingModel, "epochs", first)


# -- 4: updates move predictions, and commute ------------------------------------------------------------------------


@breaks(4, "any_interleaving")
def a_rating_taken_away_stays() -> None:
    change(RealtimeLearner, "unrate", lambda right, self, user, movie: self.state(user))


@breaks(4, "any_interleaving")
def movies_are_not_updated() -> None:
    def users_alone(right: Any, self: RealtimeLearner, user: int, movie: int, rating: float, time: int = -1) -> Any:
        changed = self.state(user).history.with_rating(movie, rating, time)
        return self.update_user_embedding(user, changed.items, changed.ratings, changed.times)

    change(RealtimeLearner, "rate", users_alone)


@breaks(4, "without_news")
def what_training_learned_of_users_is_lost_with_an_update() -> None:
    change(LearnedOffsets, "of_user", lambda right, *args: 0.0)


@breaks(4, "without_news")
def what_training_learned_of_movies_is_lost_with_an_update() -> None:
    change(LearnedOffsets, "of_movie", lambda right, *args: 0.0)


@breaks(4, "any_interleaving")
def a_rating_is_not_replaced() -> None:
    def first(right: Any, self: RealtimeLearner, user: int, movie: int, rating: float, time: int = -1) -> Any:
        known = self.state(user)
        return known if known.history.rating_of(movie) is not None else right(self, user, movie, rating, time)

    change(RealtimeLearner, "rate", first)


@breaks(4, "any_interleaving")
def times_of_ratings_are_forgotten() -> None:
    change(RealtimeLearner, "rate", lambda right, self, user, movie, rating, time=-1: right(self, user, movie, rating))


@breaks(4, "any_interleaving")
def a_changed_rating_keeps_its_time() -> None:
    def first(right: Any, self: History, movie: int, rating: float, time: int = -1) -> Any:
        known = self.times[self.items == movie]
        return right(self, movie, rating, int(known[0]) if len(known) else time)

    change(History, "with_rating", first)


@breaks(4, "reader_sees")
def updates_do_not_count() -> None:
    change(FoldedMovies, "put", lambda right, self, movie, vector, count: right(self, movie, vector, count - 1))


# -- 5: explanations are complete ------------------------------------------------------------------------------------


@breaks(5, "every_part_is_there")
def only_three_contributions_to_a_score() -> None:
    change(ExplainerService, "explain_recommendation", lambda right, *args: right(*args)[:3])


@breaks(5, "every_part_is_there")
def only_three_contributions_to_a_rating() -> None:
    def three(right: Any, *args: Any) -> Any:
        told = right(*args)
        return replace(told, contributions=told.contributions[:3])

    change(ExplainerService, "explain_rating", three)


@breaks(5, "every_part_is_there")
def the_genre_match_is_empty() -> None:
    change(ExplainerService, "get_genre_match_score", lambda right, *args: GenreMatch(0.0, ()))


@breaks(5, "every_part_is_there")
def the_genre_match_is_compared_with_the_middle_of_the_scale() -> None:
    def middle(right: Any, self: ExplainerService, state: Any, movie: int) -> Any:
        found = right(self, state, movie)
        rows = tuple((genre, lift + state.mean - 2.75 if count else lift, count) for genre, lift, count in found.genres)
        return GenreMatch(found.score, rows)

    change(ExplainerService, "get_genre_match_score", middle)


@breaks(5, "every_part_is_there")
def there_are_no_similar_movies() -> None:
    change(ExplainerService, "find_similar_rated_movies", lambda right, *args: ())


@breaks(5, "every_part_is_there")
def the_least_similar_movies_are_named() -> None:
    change(
        ExplainerService,
        "find_similar_rated_movies",
        lambda right, self, state, movie, n=5: right(self, state, movie, 1000)[-n:],
    )


@breaks(5, "every_part_is_there")
def there_are_no_similar_users() -> None:
    change(ExplainerService, "get_similar_users_influence", lambda right, *args: ())


@breaks(5, "every_part_is_there")
def a_user_is_similar_to_themselves() -> None:
    change(
        ExplainerService,
        "get_similar_users_influence",
        lambda right, self, user, *args: right(self, -1, *args),
    )


@breaks(5, "every_part_is_there")
def the_text_is_empty() -> None:
    change_function(reasons.tell, lambda right, *args, **named: "")


@breaks(5, "every_part_is_there")
def the_text_forgets_the_rating_to_expect() -> None:
    change_function(reasons.tell, lambda right, *args, **named: right(*args, **named).split("Expected rating")[0])


@breaks(5, "every_part_is_there")
def the_residual_explains_everything() -> None:
    def nothing(right: Any, *args: Any) -> Shares:
        parts = right(*args)
        none = np.zeros_like(parts.shares)
        return Shares(parts.score, parts.baseline, none, parts.score - parts.baseline, parts.added)

    change(ListScorer, "take_apart", nothing)


@breaks(5, "largest_share")
def shares_forget_the_age_of_ratings() -> None:
    def ageless(right: Any, self: ItemSimilarityRanker, history: History, movie: int) -> Any:
        return right(self, replace(history, times=np.zeros_like(history.times)), movie)

    change(ItemSimilarityRanker, "shares", ageless)


@breaks(5, "parts_sum_to_the_score")
def what_the_predicted_rating_adds_is_not_named() -> None:
    change(ListScorer, "take_apart", lambda right, *args: replace(right(*args), added=0.0))


# -- 6: cold start ---------------------------------------------------------------------------------------------------


@breaks(6, "stranger_is_shown")
def strangers_get_movies_by_index() -> None:
    def by_index(right: Any, self: ListScorer, how: Any, prior: Any, history: Any) -> Any:
        scores = right(self, how, prior, history)
        return scores if how.personal else Scores(-np.arange(len(scores.linear), dtype=np.float32), 0.0)

    change(ListScorer, "score", by_index)


@breaks(6, "liked_genres")
def liked_genres_are_ignored() -> None:
    change(ListScorer, "prior", lambda right, self, genres: right(self, ()))


@breaks(6, "taste_and_popularity")
def newcomers_get_no_popularity() -> None:
    def alone(right: Any, *args: Any, **named: Any) -> Any:
        how = right(*args, **named)
        return replace(how, popular=0.0) if how.status == "blended" else how

    change_function(cold_start.blend, alone)


@breaks(6, "taste_and_popularity")
def the_first_ratings_do_not_count() -> None:
    def popular(right: Any, *args: Any, **named: Any) -> Any:
        how = right(*args, **named)
        return replace(how, popular=how.popular + how.personal, personal=0.0) if how.status == "blended" else how

    change_function(cold_start.blend, popular)


@breaks(6, "stranger_is_shown")
def the_least_popular_come_first() -> None:
    change_function(cold_start.popularity, lambda right, *args: right(*args).max() - right(*args))


@breaks(6, "every_count")
def half_of_a_newcomers_list_is_missing() -> None:
    def half(right: Any, self: ServingState, user: Any, wanted: Any, drop: Any) -> Any:
        made = right(self, user, wanted, drop)
        return made if user.blend.status == "personal" else replace(made, movies=made.movies[: wanted.n // 2])

    change(ServingState, "make_list", half)


# -- 7: versions -----------------------------------------------------------------------------------------------------


@breaks(7, "numbers_rise")
def a_number_is_given_again_after_a_failure() -> None:
    def again(right: Any, self: MLModelManager, **values: Any) -> int:
        with self._database.read() as connection:
            last = connection.exec_driver_sql("SELECT coalesce(max(version), 0) FROM model_versions").scalar()
        sequence = f"UPDATE sqlite_sequence SET seq = {last} WHERE name = 'model_versions'"
        self._database.write(lambda connection: connection.exec_driver_sql(sequence))
        return int(right(self, **values))

    change(MLModelManager, "save_model", again)


@breaks(7, "numbers_rise")
def the_highest_error_is_the_best() -> None:
    change(
        MLModelManager, "get_best_model", lambda right, self, metric, **_: right(self, metric, higher_is_better=True)
    )


@breaks(7, "numbers_rise")
def the_newest_version_is_the_best() -> None:
    def newest(right: Any, self: MLModelManager, metric: str, **named: Any) -> Any:
        right(self, metric, **named)
        return next(one for one in self.list_versions() if one.state == "ready" and metric in one.metrics)

    change(MLModelManager, "get_best_model", newest)


@breaks(7, "numbers_rise")
def the_oldest_of_equal_versions_is_the_best() -> None:
    def oldest(right: Any, self: MLModelManager, metric: str, **named: Any) -> Any:
        best = right(self, metric, **named)
        ready = [one for one in self.list_versions() if one.state == "ready" and metric in one.metrics]
        return [one for one in ready if one.metrics[metric]["value"] == best.metrics[metric]["value"]][-1]

    change(MLModelManager, "get_best_model", oldest)


# -- 8: metrics ------------------------------------------------------------------------------------------------------


@breaks(8, "single_figures")
def calculate_rmse_takes_no_root() -> None:
    change(EvaluationService, "calculate_rmse", lambda right, *args: right(*args) ** 2)


@breaks(8, "single_figures")
def calculate_recall_at_k_gives_precision() -> None:
    change(
        EvaluationService,
        "calculate_recall_at_k",
        lambda right, self, *args: self.calculate_precision_at_k(*args),
    )


@breaks(8, "single_figures")
def calculate_precision_at_k_always_has_ten_places() -> None:
    def ten(right: Any, self: EvaluationService, model: Any, train: Any, test: Any, k: int = 10) -> float:
        return float(right(self, model, train, test, k)) * k / 10

    change(EvaluationService, "calculate_precision_at_k", ten)


@breaks(8, "single_figures")
def calculate_coverage_counts_places() -> None:
    change_function(metrics.coverage, lambda right, exposure: float(exposure.sum()) / len(exposure))


@breaks(8, "a_report_equals")
def what_is_relevant_must_be_above_the_bound() -> None:
    change_function(metrics.relevant_from, lambda right, scale: right(scale) + 1e-3)


@breaks(8, "single_figures")
def a_seen_movie_is_listed_and_judged() -> None:
    change_function(base.top, lambda right, scores, n, drop=None: right(scores, n))


# -- 9: embeddings ---------------------------------------------------------------------------------------------------


@breaks(9, "embeddings_of_every_model")
def a_users_embedding_of_ncf_is_one_too_long() -> None:
    change(NeuralCF, "get_user_embedding", lambda right, *args: np.append(right(*args), np.float32(0)))


@breaks(9, "embeddings_of_every_model")
def a_movies_embedding_of_ncf_is_one_too_long() -> None:
    change(NeuralCF, "get_movie_embedding", lambda right, *args: np.append(right(*args), np.float32(0)))


@breaks(9, "embeddings_of_every_model")
def an_unknown_user_has_an_empty_embedding() -> None:
    def empty(right: Any, self: RatingModel, user_id: Any) -> Any:
        found = right(self, user_id)
        return found if self.user_ids_.index(user_id) >= 0 else found[:0]

    for kind in MODELS.values():
        change(kind.model, "get_user_embedding", empty)


@breaks(9, "every_user_of")
def a_user_folded_in_lacks_the_last_factor() -> None:
    change(RatingModel, "fold_in_user", lambda right, *args: right(*args)[:-1])


@breaks(9, "every_movie_of")
def a_movie_folded_in_lacks_the_last_factor() -> None:
    change(RatingModel, "fold_in_movie", lambda right, *args: right(*args)[:-1])


@breaks(9, "embeddings_of_every_model")
def embeddings_are_of_double_precision() -> None:
    for kind in MODELS.values():
        change(kind.model, "get_movie_embedding", lambda right, *args: right(*args).astype(np.float64))


# -- 10: lists -------------------------------------------------------------------------------------------------------


@breaks(10, "lists_of_the_rankers")
def a_list_holds_what_was_rated() -> None:
    change_function(base.top, lambda right, scores, n, drop=None: right(scores, n))


@breaks(10, "lists_of_the_rankers")
def a_list_is_one_too_long() -> None:
    change_function(base.top, lambda right, scores, n, **named: right(scores, n + 1, **named))


@breaks(10, "lists_of_the_rankers")
def a_list_is_worst_first() -> None:
    change_function(base.top, lambda right, *args, **named: right(*args, **named)[::-1])


@breaks(10, "lists_of_the_rankers")
def a_list_names_a_movie_twice() -> None:
    def twice(right: Any, *args: Any, **named: Any) -> Any:
        found = right(*args, **named)
        return np.append(found[:-1], found[:1]) if len(found) > 1 else found

    change_function(base.top, twice)


@breaks(10, "served_lists")
def a_genre_that_is_asked_for_is_ignored() -> None:
    change_function(ranking.candidates, lambda right, movies, **named: right(movies, **named | {"genre": None}))


@breaks(10, "served_lists")
def what_is_excluded_is_listed() -> None:
    change(
        ServingState,
        "make_list",
        lambda right, self, user, wanted, drop: right(self, user, replace(wanted, exclude=()), drop),
    )


@breaks(10, "served_lists")
def a_list_is_empty() -> None:
    change(
        ServingState,
        "make_list",
        lambda right, *args: replace(right(*args), movies=np.empty(0, np.int64)),
    )
