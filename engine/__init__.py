"""A recommender library: from a table of ratings to predictions, lists, evaluations and explanations.

The names below are stable for notebooks and checks from outside; ``docs/library.md`` walks through them. Each is loaded
on first use, so that ``import engine`` alone loads no numerical package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.data.features import FeatureEngineer as FeatureEngineer
    from engine.data.ratings import Interactions as Interactions
    from engine.data.ratings import UnmatchedIds as UnmatchedIds
    from engine.evaluation.comparison import compare as compare
    from engine.evaluation.report import EvaluationService as EvaluationService
    from engine.models.als import ImplicitALSConfig as ImplicitALSConfig
    from engine.models.als import ImplicitALSRanker as ImplicitALSRanker
    from engine.models.ease import ItemSimilarityConfig as ItemSimilarityConfig
    from engine.models.ease import ItemSimilarityRanker as ItemSimilarityRanker
    from engine.models.ncf import NeuralCF as NeuralCF
    from engine.models.ncf import NeuralCFConfig as NeuralCFConfig
    from engine.models.svd import MatrixFactorizationConfig as MatrixFactorizationConfig
    from engine.models.svd import MatrixFactorizationModel as MatrixFactorizationModel
    from engine.recommending.explanations import ExplainerService as ExplainerService
    from engine.recommending.fold_in import RealtimeLearner as RealtimeLearner
    from engine.services.model_manager import MLModelManager as MLModelManager
    from engine.services.training import TrainingService as TrainingService

_HOMES = {
    "EvaluationService": "evaluation.report",
    "ExplainerService": "recommending.explanations",
    "FeatureEngineer": "data.features",
    "ImplicitALSConfig": "models.als",
    "ImplicitALSRanker": "models.als",
    "Interactions": "data.ratings",
    "ItemSimilarityConfig": "models.ease",
    "ItemSimilarityRanker": "models.ease",
    "MLModelManager": "services.model_manager",
    "MatrixFactorizationConfig": "models.svd",
    "MatrixFactorizationModel": "models.svd",
    "NeuralCF": "models.ncf",
    "NeuralCFConfig": "models.ncf",
    "RealtimeLearner": "recommending.fold_in",
    "TrainingService": "services.training",
    "UnmatchedIds": "data.ratings",
    "compare": "evaluation.comparison",
}
__all__ = list(_HOMES)


# Part of the contract though no code of ours calls them: get_user_embedding and get_movie_embedding of the models, the
# calculate_ methods of EvaluationService, MLModelManager with save_model, load_model, list_versions and get_best_model,
# and the splits leave_last_out, split_by_time and split_folds.


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
