"""The settings of a version's lists: each a value, or left to the training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Union

import numpy as np
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from engine.data.ratings import Interactions
from engine.errors import InvalidHyperparameter, InvalidSettings
from engine.models.base import ModelConfig
from engine.models.ease import ItemSimilarityConfig
from engine.models.hyperparameters import AUTO, FILE, read
from engine.models.ranker import RankerConfig
from engine.models.rankers import FIRST, RANKERS
from engine.models.registry import SearchRange, read_space, validated
from engine.words import listed

CHOSEN = frozenset(
    {"l2", "regularization", "recency", "next_weight", "factor_weight", "rating_weight", "popularity_discount"}
)
"""Settings that a training chooses unless they are given."""
OWN = frozenset({"max_movies"})
"""Settings whose default is the ranker's own."""
BEYOND = 0.4
"""Share of the ratings that may belong to movies beyond EASE's maximum before another ranker is taken.

On three random splits of the demo data EASE on the most rated movies that have 67% of the ratings gives NDCG@10 0.321,
on those with 57% 0.315; ALS on all movies gives 0.317.
"""


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
        """The ranker for these ratings: EASE, unless the movies beyond its maximum have too many of them."""
        if self.method != AUTO:
            return self.method
        most = self.given.get("max_movies", ItemSimilarityConfig().max_movies)
        counts = np.sort(data.movie_counts)[::-1]
        return FIRST if counts[most:].sum() < BEYOND * max(len(data), 1) else "als"


def _default(name: str, otherwise: Any) -> Any:
    return read().get("ranker", {}).get("defaults", {}).get(name, otherwise)


def _or_auto(name: str, info: FieldInfo) -> tuple[Any, Any]:
    annotated: Any = Annotated
    kind = annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
    may_be_auto = name in CHOSEN | OWN
    annotation: Any = Union[kind, Literal["auto"]] if may_be_auto else kind  # noqa: UP007  # made at run time
    default = _default(name, AUTO if may_be_auto else info.default)
    return annotation, Field(default, title=info.title, description=f"{info.description}{_only(name)}")


def _only(name: str) -> str:
    """Which ranker has a setting, where not all have it."""
    having = [entry.label for entry in RANKERS.values() if name in entry.config.model_fields]
    return "" if name == "method" or len(having) == len(RANKERS) else f" Only for {listed(having)}."


def by_method() -> dict[str, list[str]]:
    """The names of the settings of all methods, under an empty heading, and of those that only one has."""
    groups: dict[str, list[str]] = {"": []}
    for name in RANKING.model_fields:
        groups.setdefault(_only(name).strip().rstrip("."), []).append(name)
    return groups


def _fields() -> dict[str, Any]:
    """A field for each setting of any ranker."""
    literal: Any = Literal
    about = "How movies are compared; auto takes what fits the catalogue."
    method = literal[(AUTO, *RANKERS)], Field(_default("method", AUTO), description=about)
    settings = [item for entry in reversed(RANKERS.values()) for item in entry.config.model_fields.items()]
    fields = {name: _or_auto(name, info) for name, info in settings}  # that of the first ranker counts
    return {"method": method, **dict(sorted(fields.items(), key=lambda item: item[0] not in CHOSEN))}


RANKING: type[RankingConfig] = create_model("Ranking", __base__=RankingConfig, **_fields())
DEFAULT_RANKING = RANKING()


def configure_ranking(settings: Mapping[str, Any]) -> RankingConfig:
    """Validated settings of the lists, with defaults for missing ones.

    Raises:
        InvalidHyperparameter: one is unknown or out of range; the message names it with value and range, and its
            ``field`` is such as ``ranker.recency``.
    """
    return validated(RANKING, settings, "ranker.")


def ranking_space(tables: Mapping[str, Any] | None = None) -> list[SearchRange]:
    """Search space of the settings of lists for tuning.

    Args:
        tables: tables by section; by default those of the file.

    Raises:
        InvalidSettings: a value is out of range, or the method is searched; names setting, value and range.
    """
    space = read_space(RANKING.kind, RANKING, tables)
    if any(one.name == "method" for one in space):
        raise InvalidSettings(
            f"{FILE.name}, [ranker.search] method: a study has one method. Set it under [ranker.defaults]."
        )
    return space


def check_list_settings() -> None:
    """Check the settings of lists in the file of hyperparameters.

    Raises:
        InvalidSettings: names what to fix.
    """
    try:
        configure_ranking(read().get("ranker", {}).get("defaults", {}))
    except InvalidHyperparameter as error:
        raise InvalidSettings(f"{FILE.name}, [ranker.defaults]: {error}") from error
    ranking_space()
