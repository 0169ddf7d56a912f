"""The rankers by name, with their validated settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.data.arrays import Arrays
from engine.errors import InvalidHyperparameter, InvalidInput
from engine.models.als import ImplicitALSConfig, ImplicitALSRanker
from engine.models.ease import ItemSimilarityConfig, ItemSimilarityRanker
from engine.models.ranker import Ranker, RankerConfig
from engine.models.registry import validated
from engine.models.spark import current
from engine.models.spark_ranker import SparkImplicitConfig, SparkImplicitRanker

METHOD = "method"
"""Key of a ranker's name in its stored settings."""
FIRST = "ease"
"""Method of settings that name none: those of earlier releases."""


@dataclass(frozen=True)
class RankerEntry:
    """A ranker that can be chosen for training."""

    label: str
    summary: str
    config: type[RankerConfig]
    ranker: type[Ranker]
    on_spark: bool = False
    """Whether it learns on Apache Spark, outside this process."""


RANKERS: dict[str, RankerEntry] = {
    "ease": RankerEntry(
        "Item similarities (EASE)",
        "How much each movie says of each other one. The best lists; time and memory limit the number of movies.",
        ItemSimilarityConfig,
        ItemSimilarityRanker,
    ),
    "als": RankerEntry(
        "Implicit factors (ALS)",
        "A vector for each person and movie, learned from who rated what. For large catalogues, plays and clicks.",
        ImplicitALSConfig,
        ImplicitALSRanker,
    ),
    "spark_als": RankerEntry(
        "Implicit factors on Spark",
        "The same, learned on Apache Spark, for ratings that one machine can't learn.",
        SparkImplicitConfig,
        SparkImplicitRanker,
        on_spark=True,
    ),
}


def ranker_entry(method: str) -> RankerEntry:
    """The ranker of this name.

    Raises:
        InvalidInput: there is none; the message lists the names.
    """
    if method not in RANKERS:
        raise InvalidInput(f"There is no ranker {method!r}. Choose one of: {', '.join(RANKERS)}.", field=METHOD)
    return RANKERS[method]


def check_rankable(method: str) -> None:
    """Refuse a ranker that can't be trained here; ``auto`` never is one.

    Raises:
        InvalidHyperparameter: what it needs is not installed; the message says how to get it.
    """
    if method in RANKERS and RANKERS[method].on_spark and (missing := current().missing):
        raise InvalidHyperparameter({f"ranker.{METHOD}": missing})


def configure_ranker(settings: Mapping[str, Any]) -> RankerConfig:
    """Validated settings of a ranker, with defaults for missing ones; ``method`` names it, EASE if missing.

    Raises:
        InvalidInput: there is no such ranker.
        InvalidHyperparameter: a setting is unknown or out of range; the message names field, value and range.
    """
    own = dict(settings)
    return validated(ranker_entry(own.pop(METHOD, FIRST)).config, own)


def build_ranker(config: RankerConfig) -> Ranker:
    """A ranker with these settings, not fitted yet."""
    return RANKERS[config.kind].ranker(config)  # type: ignore[call-arg]  # each ranker's constructor takes its config


def ranker_settings(config: RankerConfig) -> dict[str, Any]:
    """The settings as JSON values, with the name of the ranker; ``configure_ranker`` reads them."""
    return {METHOD: config.kind, **config.model_dump()}


def restore_ranker(settings: Mapping[str, Any], arrays: Arrays) -> Ranker:
    """Rebuild a fitted ranker from ``ranker_settings`` and its arrays; settings that no longer exist are left out.

    Raises:
        InvalidInput: there is no such ranker.
    """
    found = ranker_entry(settings.get(METHOD, FIRST))
    known = {name: value for name, value in settings.items() if name in found.config.model_fields}
    return found.ranker.from_arrays(found.config.model_validate(known), arrays)
