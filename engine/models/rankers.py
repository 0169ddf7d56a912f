"""The rankers by name, and the settings of a list that a training chooses or is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Union

import numpy as np
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from engine.data.arrays import Arrays
from engine.data.ratings import Interactions
from engine.errors import InvalidInput
from engine.models.als import ImplicitALSConfig, ImplicitALSRanker
from engine.models.base import ModelConfig
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.hyperparameters import AUTO
from engine.models.ranker import Ranker, RankerConfig

METHOD = "method"
"""Key of a ranker's name in the stored settings of a version."""
COVERED = 0.6
"""Share of the ratings that EASE's movies must have. With fewer of the demo's movies, ALS on all makes better lists."""
CHOSEN = frozenset({"l2", "regularization", "recency", "next_weight", "rating_weight", "popularity_discount"})
"""Settings that a training chooses unless they are given."""


@dataclass(frozen=True)
class RankerEntry:
    """A ranker that can be chosen."""

    label: str
    config: type[RankerConfig]
    ranker: Any
    """Its class; the constructor takes the config."""


RANKERS: dict[str, RankerEntry] = {
    "ease": RankerEntry("EASE", ItemSimilarityConfig, ItemSimilarityRanker),
    "als": RankerEntry("Implicit ALS", ImplicitALSConfig, ImplicitALSRanker),
}


class RankingConfig(ModelConfig):
    """The settings of the lists as they are asked for: each a value, or ``auto`` for the training to choose.

    It has the settings of every ranker; ``RANKING`` is the class with all fields.
    """

    kind: ClassVar[str] = "ranker"

    method: str = AUTO

    @property
    def given(self) -> dict[str, Any]:
        """The settings that are not left to the training."""
        return {name: value for name, value in self.model_dump(exclude={"method"}).items() if value != AUTO}

    def config(self, method: str, chosen: Mapping[str, Any]) -> RankerConfig:
        """The settings of a ranker: those given, and those chosen."""
        config, values = RANKERS[method].config, {**chosen, **self.given}
        return config.model_validate({name: values[name] for name in config.model_fields if name in values})

    def choices(self, method: str) -> frozenset[str]:
        """Settings of a ranker that are left to the training."""
        return frozenset(name for name in CHOSEN & set(RANKERS[method].config.model_fields) if name not in self.given)

    def choose_method(self, data: Interactions) -> str:
        """The ranker to train on these ratings: EASE unless it would leave out too many of them."""
        if self.method != AUTO:
            return self.method
        most = int(self.given.get("max_movies", ItemSimilarityConfig().max_movies))
        kept = int(np.sort(data.movie_counts)[::-1][:most].sum())
        return "ease" if kept >= COVERED * len(data) else "als"


def _or_auto(name: str, info: FieldInfo) -> tuple[Any, Any]:
    annotated: Any = Annotated
    kind = annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    default = AUTO if name in CHOSEN else info.default
    annotation: Any = Union[kind, Literal["auto"]] if name in CHOSEN else kind  # noqa: UP007  # made at run time
    return annotation, Field(default, title=info.title, description=info.description)


def _fields() -> dict[str, Any]:
    """A field for each setting of any ranker."""
    literal: Any = Literal
    method = (
        literal[(AUTO, *RANKERS)],
        Field(AUTO, description="How movies are compared; auto takes what fits the catalogue."),
    )
    settings = [item for entry in RANKERS.values() for item in entry.config.model_fields.items()]
    return {"method": method, **{name: _or_auto(name, info) for name, info in settings}}


RANKING: type[RankingConfig] = create_model("Ranking", __base__=RankingConfig, **_fields())
DEFAULT_RANKING = RANKING()


def build_ranker(config: RankerConfig) -> Ranker:
    """An untrained ranker with these settings."""
    built: Ranker = RANKERS[method_of(config)].ranker(config)
    return built


def method_of(config: RankerConfig) -> str:
    """The name of the ranker that has these settings."""
    return next(name for name, entry in RANKERS.items() if entry.config is type(config))


def settings_of(config: RankerConfig) -> dict[str, Any]:
    """The settings of a ranker as JSON values, with its name as ``method``."""
    return {METHOD: method_of(config), **config.model_dump()}


def restore_ranker(settings: Mapping[str, Any], arrays: Arrays) -> Ranker:
    """Rebuild a fitted ranker from ``settings_of`` and its arrays.

    Versions of earlier releases name no method: they are EASE. Settings that no longer exist are left out.

    Raises:
        InvalidInput: there is no such ranker.
    """
    method = settings.get(METHOD, "ease")
    if method not in RANKERS:
        raise InvalidInput(f"There is no ranker {method!r}. There are: {', '.join(RANKERS)}.", field=METHOD)
    entry = RANKERS[method]
    known = {name: value for name, value in settings.items() if name in entry.config.model_fields}
    restored: Ranker = entry.ranker.from_arrays(entry.config.model_validate(known), arrays)
    return restored
