"""Versions as files: exported for another Marquee, and imported after every check."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Annotated, Any, BinaryIO

from pydantic import BaseModel, ConfigDict, Field

from engine.data.zips import TooManyEntries, check_entries
from engine.errors import InvalidHyperparameter, InvalidInput
from engine.evaluation.comparison import compare
from engine.evaluation.report import EvaluationReport
from engine.models.base import part_of
from engine.models.list_settings import configure_ranking
from engine.models.registry import configure
from engine.models.version import VersionBundle
from engine.services import soundness
from engine.services.audit import audited, of_version
from engine.services.serving import ServingService
from engine.services.snapshots import DataSnapshot, Outdated, Snapshots
from engine.services.soundness import LAYOUTS
from engine.services.storing import file_error
from engine.services.version_records import MAX_NOTE_LENGTH, check_remarks, check_report, describe_ids
from engine.services.versions import VersionService
from store.connections import Transaction
from store.errors import NotWritten, StoreClosed, UnreadableExport
from store.exchange import ReadVersion, read_export, write_export
from store.notices import NoticeStore
from store.versions import MLModelManager

log = logging.getLogger(__name__)

REPORT = (
    r"report/(users|error_users|error_ratings|error_marks|(list|error)/\w+|row/(users|items|ratings|squared|segments)"
    r"|newcomer/(users|marks|ratings|relevant|by_mean|by_popularity|(squared|ndcg)_(0|1|3|5|10|20)))"
)
"""Pattern of the array names of a report; those of models are in ``soundness.LAYOUTS``."""
MAX_ARRAYS = 200
MAX_DIRECTORY = 2**16
"""Bytes of the directory of an exported version; one entry takes 66."""
UNUSABLE = "The file contains no version that Marquee can use here"

Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Ids(BaseModel):
    """The users and movies that the arrays belong to, see ``describe_ids``."""

    model_config = ConfigDict(strict=True)

    users: Count
    movies: Count
    sha256: str


class _Data(BaseModel):
    """The result of ``describe_data``; versions of earlier releases have no catalogue."""

    model_config = ConfigDict(strict=True)

    ratings: Count
    users: Count
    movies: Count
    fingerprint: Annotated[str, Field(max_length=200)]
    catalogue: Annotated[str, Field(max_length=200)] | None = None
    revision: Count
    ids: _Ids
    table: Annotated[str, Field(max_length=2000)] | None = None


@dataclass(frozen=True)
class ExportedVersion:
    """A version as a file; the reader closes the stream."""

    name: str
    stream: BinaryIO


@dataclass(eq=False)
class VersionFileService:
    """Exports and imports versions."""

    _versions: VersionService
    _models: MLModelManager
    _notices: NoticeStore
    _serving: ServingService
    _snapshots: Snapshots

    @audited("version exported", of_version)
    def export(self, version: int) -> ExportedVersion:
        """A version as one file: a zip of JSON and raw arrays, each with its hash.

        Raises:
            UnknownVersion: there is no such version.
            VersionUnavailable: its arrays are deleted or damaged.
            DiskFull, StoreFailing: there is no space for a temporary copy, or it can't be written.
        """
        model = self._versions.load(version)
        try:
            stream = TemporaryFile()  # noqa: SIM115  # the reader closes it
            try:
                write_export(model, stream)
                stream.seek(0)
            except BaseException:
                stream.close()
                raise
        except OSError as error:
            raise file_error(error) from error
        return ExportedVersion(f"marquee-version-{version}.zip", stream)

    @audited("version imported", of_version)
    def import_file(self, stream: BinaryIO, *, actor: str = "you") -> int:
        """Import a version exported from a store with the same users and movies; it is not activated.

        Returns:
            Its number here.

        Raises:
            InvalidInput: the file is not an exported version, is damaged, or belongs to other users and movies.
        """
        snapshot = self._snapshots.load()
        try:
            check_entries(stream, MAX_ARRAYS + 1, MAX_DIRECTORY)
            read = read_export(stream, check_names)
            values = self._values(read, snapshot)
        except TooManyEntries as error:
            raise InvalidInput(f"The file is not an exported version: {error}.", field="file") from error
        except UnreadableExport as error:
            raise InvalidInput(str(error), field="file") from error
        except (NotWritten, StoreClosed):
            raise
        except InvalidHyperparameter as error:
            raise InvalidInput(f"{UNUSABLE}.", field="file") from error
        except InvalidInput:
            raise
        except Exception as error:  # a version that fails in any way when tried is refused
            log.info("a version from a file was refused", exc_info=error)
            raise InvalidInput(f"{UNUSABLE}.", field="file") from error

        def publish(tx: Transaction) -> None:
            self._snapshots.check(snapshot, tx=tx)
            self._models.publish(version, tx=tx)

        note = f"Imported by {actor}; version {read.version} in its original store. {read.values['note']}"
        try:
            with self._models.saving(
                **values | {"note": note.strip()[:MAX_NOTE_LENGTH], "arrays": read.arrays}
            ) as version:
                self._models.transaction(publish)
        except Outdated as error:
            raise InvalidInput("The version has learned from a person who was just deleted.", field="file") from error
        self._notices.add("info", "versions", f"Version {version} was imported by {actor}.", {"version": version})
        return version

    def _values(self, read: ReadVersion, snapshot: DataSnapshot) -> dict[str, Any]:
        """The values to store for a version from a file, once every check has passed; unknown entries are dropped."""
        kind, config = read.values["kind"], read.values["config"]
        data = _Data.model_validate(read.values["data"]).model_dump(exclude_none=True)
        _check_ids(data["ids"], snapshot)
        users, movies = data["ids"]["users"], data["ids"]["movies"]
        check_report(read.arrays)
        soundness.check_report(users, movies, read.arrays)
        soundness.check_arrays(configure(kind, config["model"]), users, movies, snapshot.data.scale, read.arrays)
        bundle = VersionBundle.from_arrays(kind, config, read.arrays)
        tags = [tag.strip() for tag in read.values["tags"]]
        try:
            check_remarks(read.values["note"], tags)
        except InvalidInput as error:
            raise InvalidInput(str(error), field="file") from error
        self._serving.try_out(bundle)
        if report := part_of(read.arrays, "report"):
            judged = EvaluationReport.restore({}, {}, read.values["protocol"], {}, report)
            compare(judged, judged)
        # Its revision counts another store's changes; 0 folds in everything rated here.
        same = data["fingerprint"] == snapshot.data.fingerprint
        known = {"config": check_config(kind, bundle, config), "tags": list(dict.fromkeys(tags))}
        return read.values | known | {"data": data | {"revision": snapshot.revision if same else 0}}


def _check_ids(ids: Mapping[str, Any], snapshot: DataSnapshot) -> None:
    """Arrays are indexed by key, so the keys have to mean the same users and movies here."""
    data = snapshot.data
    fits = ids["users"] <= data.n_users and ids["movies"] <= data.n_movies
    if not fits or describe_ids(data, ids["users"], ids["movies"]) != ids:
        raise InvalidInput(
            "The version was trained on other people and movies than those stored here. Import the same ratings first, "
            "or train a version here.",
            field="file",
        )


def check_names(kind: str, names: Sequence[str]) -> None:
    """Accept the names of a version's arrays.

    Raises:
        InvalidInput: there is no such kind, or a version of it has no array of one of the names.
    """
    if kind not in LAYOUTS:
        raise InvalidInput(f"{UNUSABLE}: there is no model {kind!r}.", field="file")
    known = "|".join([REPORT, *(pattern for pattern, _, _ in LAYOUTS[kind])])
    for name in names:
        if not re.fullmatch(known, name, re.ASCII):
            raise InvalidInput(f"{UNUSABLE}: a version of {kind} has no array {name!r}.", field="file")
    if len(names) > MAX_ARRAYS:
        raise InvalidInput(f"{UNUSABLE}: it has {len(names):,} arrays.", field="file")


def check_config(kind: str, bundle: VersionBundle, described: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of a version's models, and those it was ordered with where a file has them.

    Raises:
        InvalidHyperparameter: they are not those of this model.
    """
    if "asked" not in described:
        return bundle.config()
    ranker = configure_ranking(described.get("asked_ranker", {}))
    ordered = {"asked": configure(kind, described["asked"]), "asked_ranker": ranker}
    return bundle.config() | {name: settings.model_dump(mode="json") for name, settings in ordered.items()}
