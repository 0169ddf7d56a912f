"""Backups of the store, the way back to one, and whether the store is sound."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from fastapi import Path as PathParameter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.responses import FileResponse

from engine.errors import BackupBusy, Cancelled, DiskFull, NotReady, UnknownBackup, UnusableBackup
from engine.services import current
from engine.services.storage import MAX_KEEP_DAYS, Backup, BackupPlan, StoreFacts
from sidecar.http.identifiers import plain_text
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers, file_answers

router = APIRouter(prefix="/store", tags=["store"], route_class=StrictRoute)

MEDIA_TYPE = "application/vnd.sqlite3"
NAME = "marquee-20261122-020000.db"
BACKUP: dict[str, Any] = {
    "name": NAME,
    "made_at": 1795312800.0,
    "reason": "schedule",
    "size": 9_830_400,
    "sha256": "944634796cf85094af9fa3ec3703f065da484e3e819aff39f640a4e882c73b8f",
    "generation": 902842091,
    "identity": "7dd4ca5d-3441-44c2-9e7d-deb8a472dd7f",
    "schema": "0004",
    "revision": 312,
    "users": 671,
    "movies": 9125,
    "ratings": 100_316,
    "versions": 3,
    "active_version": 3,
    "format": 1,
}
FACTS: dict[str, Any] = {
    "identity": "7dd4ca5d-3441-44c2-9e7d-deb8a472dd7f",
    "schema": "0004",
    "revision": 315,
    "users": 671,
    "movies": 9125,
    "ratings": 100_319,
    "versions": 3,
    "active_version": 3,
    "size": 9_830_400,
    "checked_at": 1795312900.0,
    "faults": [],
    "newest_backup_at": 1795312800.0,
}
PLAN: dict[str, Any] = {
    "every": "daily",
    "hour": 2,
    "minute": 0,
    "zone": "Europe/Berlin",
    "keep_days": 30,
    "next_backup": 1795399200.0,
}

Name = Annotated[
    str,
    PathParameter(min_length=1, max_length=100, description="The name of a backup.", examples=[NAME]),
    AfterValidator(plain_text),
]


class BackupList(BaseModel):
    """The backups there are, newest first."""

    backups: list[Backup]


class Deleted(BaseModel):
    """The backup that was deleted."""

    name: str


class Restored(BaseModel):
    """What lies where now."""

    name: str = Field(description="The backup that was restored.")
    replaced: str | None = Field(description="The file beside the store that holds what was there before.")


class Checked(BaseModel):
    """What is wrong with the store."""

    sound: bool
    faults: list[str] = Field(description="In sentences; at most 20.")


class CheckRequest(BaseModel):
    """How closely to look."""

    model_config = ConfigDict(strict=True, extra="forbid", json_schema_extra={"examples": [{"thorough": True}]})

    thorough: bool = Field(
        True, description="Also indexes, references and the hash of every array; otherwise pages and counts."
    )


class BackupPlanRequest(BaseModel):
    """When to make backups."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        json_schema_extra={"examples": [{"every": "daily", "hour": 2, "zone": "Europe/Berlin", "keep_days": 30}]},
    )

    every: Literal["never", "daily", "weekly"] = Field(description="Weekly is on Sundays.")
    hour: int = Field(2, ge=0, le=23, description="The hour of the day.")
    minute: int = Field(0, ge=0, le=59, description="The minute of the hour.")
    zone: Annotated[str, AfterValidator(plain_text)] = Field(
        "UTC", min_length=1, max_length=100, description="An IANA time zone, such as Europe/Berlin."
    )
    keep_days: int = Field(
        30,
        ge=1,
        le=MAX_KEEP_DAYS,
        description="Backups older than this are deleted after each one, but never the newest three.",
    )


class BackupFile(FileResponse):
    """Sends a backup."""

    media_type = MEDIA_TYPE


# All of these read or write files, so they run in the thread pool and not on the event loop.
@router.get("", responses=answers(FACTS, NotReady))
def store_facts() -> StoreFacts:
    """What the store holds, how large it is, and when it was last checked and backed up."""
    return current().storage.facts()


@router.post("/check", responses=answers({"sound": True, "faults": []}, CHANGING, JSON_BODY, NotReady, DiskFull))
def check_store(body: CheckRequest) -> Checked:
    """Look through the store for damage.

    It takes a while on a large store. The same is done every week, and in short after a start that follows a crash.
    What is found is a notice too.
    """
    found = current().storage.check(thorough=body.thorough)
    return Checked(sound=not found, faults=list(found))


@router.get("/backups", responses=answers({"backups": [BACKUP]}, NotReady))
def list_backups() -> BackupList:
    """The backups beside the store, newest first.

    Those of the command `python -m store backup` are among them.
    """
    return BackupList(backups=list(current().storage.backups()))


@router.post(
    "/backups",
    status_code=201,
    responses=answers(BACKUP, CHANGING, BackupBusy, Cancelled, NotReady, DiskFull, status=201),
)
def make_backup() -> Backup:
    """Back the store up while it is in use.

    Answers when the backup is made and checked. Every rating acknowledged before the call is in it.
    """
    return current().storage.back_up()


@router.get("/backup-plan", responses=answers(PLAN, NotReady))
def backup_plan() -> BackupPlan:
    """When backups are made by themselves."""
    return current().storage.plan()


@router.post("/backup-plan", responses=answers(PLAN, CHANGING, JSON_BODY, NotReady, DiskFull))
def change_backup_plan(body: BackupPlanRequest) -> BackupPlan:
    """Set when backups are made by themselves.

    A backup that is missed while Marquee is off is made at the next start.
    """
    storage = current().storage
    storage.change_plan(**body.model_dump())
    return storage.plan()


@router.get(
    "/backups/{name}",
    response_class=BackupFile,
    responses=file_answers(MEDIA_TYPE, f'attachment; filename="{NAME}"', PARAMETERS, UnknownBackup, NotReady),
)
def download_backup(name: Name) -> BackupFile:
    """A backup as a file: an SQLite database, which `python -m store restore` takes."""
    path = current().storage.path_of(name)
    return BackupFile(path, filename=path.name)


@router.delete("/backups/{name}", responses=answers({"name": NAME}, CHANGING, PARAMETERS, UnknownBackup, NotReady))
def delete_backup(name: Name) -> Deleted:
    """Delete a backup."""
    current().storage.delete(name)
    return Deleted(name=name)


@router.post(
    "/backups/{name}/restore",
    responses=answers(
        {"name": NAME, "replaced": "marquee.db.replaced-20261122-090000"},
        CHANGING,
        PARAMETERS,
        UnknownBackup,
        UnusableBackup,
        NotReady,
        DiskFull,
    ),
)
def restore_backup(name: Name) -> Restored:
    """Go back to a backup.

    It is checked first. Then trainings, studies and imports are stopped, the backup takes the place of the store, and
    Marquee starts again with it; requests in between are answered with 503. What was there before is kept in a file
    beside the store. Ratings, versions, notices, keys and settings are those of the backup: users forgotten
    since are in it again, and keys revoked since work again.
    """
    return Restored(name=name, replaced=current().storage.restore(name))
