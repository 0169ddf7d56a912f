"""Models kept under a name in a file of their own, for notebooks; versions of the console come from trainings."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.data.ratings import IdIndex, Rows
from engine.errors import InvalidInput, UnknownVersion
from engine.evaluation.intervals import MetricValue
from engine.models.base import RatingModel, join_arrays, part_of
from engine.models.registry import MODELS, configure
from engine.services.storing import stores
from engine.services.version_records import plain_metrics
from store import versions
from store.database import Database
from store.errors import NotStored
from store.ratings import RatingStore
from store.records import VersionRecord


class MLModelManager:
    """Saves fitted rating models, and loads them as models that predict. Call ``close`` in the end.

    Args:
        url: the file, such as ``sqlite:///models.db``; created if missing.

    Raises:
        InvalidInput: it is the store of a console, whose versions belong to its ratings.
        StoreError: the file can't be opened.
    """

    def __init__(self, url: str) -> None:
        self._database = Database.open(url)
        self._versions = versions.MLModelManager(self._database)
        if RatingStore(self._database).counts().ratings:
            self.close()
            raise InvalidInput(f"{url} is the store of a console. Keep models in another file.", field="url")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @stores
    def save_model(self, model: RatingModel, name: str, metrics: Mapping[str, MetricValue] | None = None) -> int:
        """Save a model under a name; returns its number. Models of the same name are kept as well.

        Args:
            model: fitted.
            name: 1 to 200 characters.
            metrics: of the model, such as those of a report, for ``get_best_model``.

        Raises:
            NotReady: the model is not fitted.
            InvalidInput: the name is empty or too long, or an id is neither text nor a number.
        """
        model.check_fitted()
        if not 1 <= len(name.strip()) <= 200:
            raise InvalidInput("A model's name has 1 to 200 characters.", field="name")
        by_user, items = model.seen_
        parts: dict[str, Mapping[str, NDArray[Any]]] = {
            "rating": model.arrays(),
            "ids": {"users": _as_bytes(model.user_ids_), "movies": _as_bytes(model.movie_ids_)},
            "seen": {"start": by_user.start, "order": by_user.order, "items": items},
        }
        return self._versions.save_model(
            kind=model.config.kind,
            config={"model": model.config.model_dump(mode="json")},
            arrays=join_arrays(parts),
            metrics=plain_metrics(metrics or {}),
            protocol={},
            data={},
            note=name.strip(),
        )

    def load_model(self, name: str) -> RatingModel:
        """The newest model of a name, which predicts as it did when it was saved, bit for bit.

        Raises:
            UnknownVersion: no model was saved under this name.
            StoreError: it is damaged.
        """
        for record in self.list_versions():
            if record.note == name.strip():
                return self._model(record)
        raise UnknownVersion(f"No model named {name!r} was saved.")

    def list_versions(self) -> list[VersionRecord]:
        """Every saved model, newest first; ``note`` is its name."""
        return self._versions.list_versions()

    def get_best_model(self, metric: str) -> RatingModel:
        """The model with the best value of a metric, the newest of equal ones.

        Raises:
            UnknownVersion: no saved model has this metric.
        """
        try:
            return self._model(self._versions.get_best_model(metric))
        except NotStored as error:
            raise UnknownVersion(str(error)) from error

    def _model(self, record: VersionRecord) -> RatingModel:
        arrays = self._versions.load_model(record.version).arrays
        config = configure(record.kind, record.config["model"])
        model = MODELS[record.kind].model.from_arrays(config, part_of(arrays, "rating"))
        ids, seen = part_of(arrays, "ids"), part_of(arrays, "seen")
        model.user_ids_, model.movie_ids_ = (_from_bytes(ids[side]) for side in ("users", "movies"))
        model.seen_ = Rows(seen["start"], seen["order"]), seen["items"]
        return model


def _as_bytes(index: IdIndex) -> NDArray[np.uint8]:
    ids = index.ids.tolist()
    if not all(isinstance(one, str | int | float) for one in ids):
        raise InvalidInput("Ids of saved models must be text or numbers.", field="model")
    return np.frombuffer(json.dumps(ids).encode(), np.uint8)


def _from_bytes(content: NDArray[Any]) -> IdIndex:
    return IdIndex(pd.Index(json.loads(content.tobytes())))
