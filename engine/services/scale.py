"""The rating scale of a store, recorded in it, so that settings and imports can't mix two scales."""

from __future__ import annotations

from threading import Lock

from engine.data.scale import STARS, RatingScale
from engine.errors import Conflict, InvalidSettings
from engine.services.storing import stores
from engine.settings import Settings
from store.database import Database
from store.ratings import RatingStore
from store.values import ValueStore
from store.versions import MLModelManager

VARIABLES = {"rating_min": "MARQUEE_RATING_MIN", "rating_max": "MARQUEE_RATING_MAX"}


class StoreScale:
    """The scale of all ratings in the store. It can change while Marquee runs, so nothing may keep a copy.

    A store without ratings and versions takes the scale of the settings or, where they have none, of its first import.
    A store of an earlier release, which may have no record, takes the scale of the settings where all its ratings fit.

    Raises:
        InvalidSettings: a setting contradicts the record, or the ratings do not fit the settings.
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._declared = {name: value for name in VARIABLES if (value := getattr(settings, name)) is not None}
        self._record = ValueStore(database, "scale")
        self._ratings = RatingStore(database)
        self._versions = MLModelManager(database)
        self._taking = Lock()
        self._current = self._agree()

    @property
    def current(self) -> RatingScale:
        """The scale at this moment."""
        return self._current

    def is_free(self) -> bool:
        """Whether an import may still set the scale: nothing stored depends on it, and no setting declares it."""
        return not self._declared and not self._is_used()

    @stores
    def take(self, scale: RatingScale) -> None:
        """Record another scale while it is free.

        Raises:
            Conflict: it no longer is.
        """
        with self._taking:
            if not self.is_free():
                low, high = self._current.ends
                raise Conflict(f"The ratings of this store are on a scale of {low:g} to {high:g}, which can't change.")
            self._write(scale)
            self._current = scale

    def _is_used(self) -> bool:
        if self._ratings.counts().ratings:
            return True
        return any(version.state != "deleted" for version in self._versions.list_versions())

    def _agree(self) -> RatingScale:
        """The recorded scale, or else that of the settings, which is recorded."""
        recorded = self._record.read()
        if recorded and (self._is_used() or not self._declared):
            return self._recorded(recorded)
        low, high = self._declared.get("rating_min", STARS.low), self._declared.get("rating_max", STARS.high)
        if not low < high:
            raise InvalidSettings(f"MARQUEE_RATING_MIN ({low}) must be below MARQUEE_RATING_MAX ({high}).")
        span = self._ratings.span()
        if span is not None and not low <= span[0] <= span[1] <= high:
            least, most = (f"{end:g}" for end in span)
            raise InvalidSettings(
                f"The store holds ratings from {least} to {most}, but the scale is {low:g} to {high:g}"
                f"{self._origin()}. Set the scale of these ratings, such as MARQUEE_RATING_MIN={least} "
                f"MARQUEE_RATING_MAX={most}, or MARQUEE_DATABASE_URL to another store."
            )
        scale = RatingScale.between(low, high)
        self._write(scale)
        return scale

    def _recorded(self, recorded: dict[str, float]) -> RatingScale:
        low, high = (recorded[name] for name in VARIABLES)
        for name, value in self._declared.items():
            if value != recorded[name]:
                raise InvalidSettings(
                    f"{VARIABLES[name]} is {value:g}, but the ratings of this store are on a scale of {low:g} to "
                    f"{high:g}. Leave it unset to keep that scale, or set MARQUEE_DATABASE_URL to another store."
                )
        step = recorded.get("step")  # releases before 0.3 recorded none
        return RatingScale.between(low, high) if step is None else RatingScale(low, high, step)

    def _write(self, scale: RatingScale) -> None:
        self._record.write({"rating_min": scale.low, "rating_max": scale.high, "step": scale.step})

    def _origin(self) -> str:
        """The source of the scale, in words."""
        named = [VARIABLES[name] for name in self._declared]
        if named:
            return f" by {' and '.join(named)}"
        return ", as neither MARQUEE_RATING_MIN nor MARQUEE_RATING_MAX is set"
