"""The rating scale of a store, recorded in it, so that other settings can't mix two scales."""

from __future__ import annotations

from engine.errors import InvalidSettings
from engine.settings import Settings
from store.database import Database
from store.ratings import RatingStore
from store.values import ValueStore

VARIABLES = {"rating_min": "MARQUEE_RATING_MIN", "rating_max": "MARQUEE_RATING_MAX"}


def agree(settings: Settings, database: Database) -> Settings:
    """The settings with the scale of the store, which is recorded on first use.

    Unset settings contradict nothing. An empty store takes the settings; a store of an earlier release, which has no
    record, takes them where all its ratings fit.

    Raises:
        InvalidSettings: a setting contradicts the record, or the ratings do not fit the settings.
    """
    record, ratings = ValueStore(database, "scale"), RatingStore(database)
    recorded = record.read()
    if recorded and ratings.counts().users:
        return _take(settings, recorded)
    low, high = settings.scale
    if not low < high:
        raise InvalidSettings(f"MARQUEE_RATING_MIN ({low}) must be below MARQUEE_RATING_MAX ({high}).")
    span = ratings.span()
    if span is not None and not low <= span[0] <= span[1] <= high:
        least, most = (f"{end:g}" for end in span)
        raise InvalidSettings(
            f"The store holds ratings from {least} to {most}, but the scale is {low:g} to {high:g}{_origin(settings)}. "
            f"Set the scale of these ratings, such as MARQUEE_RATING_MIN={least} MARQUEE_RATING_MAX={most}, "
            "or MARQUEE_DATABASE_URL to another store."
        )
    scale = {"rating_min": low, "rating_max": high}
    if recorded != scale:
        record.write(scale)
    return settings


def _take(settings: Settings, recorded: dict[str, float]) -> Settings:
    for name, variable in VARIABLES.items():
        value = getattr(settings, name)
        if name in settings.model_fields_set and value != recorded[name]:
            raise InvalidSettings(
                f"{variable} is {value:g}, but the ratings of this store are on a scale of {recorded['rating_min']:g} "
                f"to {recorded['rating_max']:g}. Leave it unset to keep that scale, or set MARQUEE_DATABASE_URL "
                "to another store."
            )
    return settings.model_copy(update=recorded)


def _origin(settings: Settings) -> str:
    """The source of the scale, in words."""
    named = [variable for name, variable in VARIABLES.items() if name in settings.model_fields_set]
    return f" by {' and '.join(named)}" if named else ", as neither MARQUEE_RATING_MIN nor MARQUEE_RATING_MAX is set"
