"""The rankers by name, and the settings of a list that a training chooses or is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from engine.data.ratings import Interactions
from engine.models.base import ModelConfig
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.hyperparameters import AUTO, read
from engine.models.ranker import Ranker, RankerConfig

CHOSEN = frozenset({"l2", "recency", "next_weight", "rating_weight", "popularity_discount"})
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
        """The ranker to train on these ratings."""
        return next(iter(RANKERS)) if self.method == AUTO or not len(data) else self.method


def _default(name: str, otherwise: Any) -> Any:
    return read().get("ranker", {}).get("defaults", {}).get(name, otherwise)


def _or_auto(name: str, info: FieldInfo) -> tuple[Any, Any]:
    annotated: Any = Annotated
    kind = annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    default = _default(name, AUTO if name in CHOSEN else info.default)
    annotation: Any = Union[kind, Literal["auto"]] if name in CHOSEN else kind  # noqa: UP007  # made at run time
    return annotation, Field(default, title=info.title, description=info.description)


def _fields() -> dict[str, Any]:
    """A field for each setting of any ranker."""
    literal: Any = Literal
    method = (
        literal[(AUTO, *RANKERS)],
        Field(_default("method", AUTO), description="How movies are compared; auto takes what fits the catalogue."),
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
