"""The store: backups, restoring one, and integrity checks."""

from typing import Annotated, Literal

from fastapi import APIRouter
from fastapi import Path as PathParameter
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import FileResponse

from engine.errors import BackupBusy, Cancelled, UnknownBackup, UnusableBackup
from engine.services import current
from engine.services.backup_plan import MAX_KEEP_DAYS, BackupPlan
from engine.services.storage import Backup, StoreFacts
from sidecar.http.identifiers import plain_text
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import file_answers, raises
from sidecar.routes.fields import Body, Hour, Minute, Zone, example

router = APIRouter(prefix="/store", tags=["store"], route_class=StrictRoute)

MEDIA_TYPE = "application/vnd.sqlite3"
NAME = "marquee-20261122-020000.db"
"""An example of a backup's name."""

Name = Annotated[
    str,
    PathParameter(min_length=1, max_length=100, description="The name of the backup.", examples=[NAME]),
    AfterValidator(plain_text),
]


class BackupList(BaseModel):
    """Backups, newest first."""

    backups: list[Backup]


class DeletedBackup(BaseModel):
    """The deleted backup."""

    name: str


class Restored(BaseModel):
    """The restored backup."""

    name: str
    replaced: str | None = Field(description="The file next to the store that has the previous contents.")


class Checked(BaseModel):
    """The result of a check."""

    sound: bool
    faults: list[str] = Field(description="In sentences; up to 20.")


class CheckRequest(Body):
    """How thoroughly to check."""

    model_config = example(thorough=True)

    thorough: bool = Field(
        True, description="Also check indexes, references and the hash of every array; otherwise only pages and counts."
    )


class BackupPlanRequest(Body):
    """When to make backups."""

    model_config = example(every="daily", hour=2, zone="Europe/Berlin", keep_days=30)

    every: Literal["never", "daily", "weekly"] = Field(description="Weekly means on Sundays.")
    hour: Hour = 2
    minute: Minute = 0
    zone: Zone = "UTC"
    keep_days: int = Field(
        30,
        ge=1,
        le=MAX_KEEP_DAYS,
        description="Older backups are deleted after each new one, but the newest three are always kept.",
    )


class BackupFile(FileResponse):
    """Sends a backup."""

    media_type = MEDIA_TYPE


# All of these read or write files, so they run in the thread pool and not on the event loop.
@router.get("")
def store_facts() -> StoreFacts:
    """Get the contents and size of the store, and when it was last checked and backed up."""
    return current().storage.facts()


@router.post("/check")
def check_store(body: CheckRequest) -> Checked:
    """Check the store for damage.

    This takes a while for a large store. The same check runs every week, and a quick one after a crash. Damage is also
    reported as a notice.
    """
    found = current().storage.check(thorough=body.thorough)
    return Checked(sound=not found, faults=list(found))


@router.get("/backups")
def list_backups() -> BackupList:
    """List the backups next to the store, newest first.

    Includes those of the command `python -m store backup`.
    """
    return BackupList(backups=list(current().storage.backups()))


@router.post("/backups", status_code=201, openapi_extra=raises(BackupBusy, Cancelled))
def make_backup() -> Backup:
    """Back up the store while it is in use.

    The response is sent once the backup is made and verified. It contains every rating acknowledged before the request.
    """
    return current().storage.back_up()


@router.get("/backup-plan")
def backup_plan() -> BackupPlan:
    """Get the schedule of automatic backups."""
    return current().storage.plan()


@router.post("/backup-plan")
def change_backup_plan(body: BackupPlanRequest) -> BackupPlan:
    """Change the schedule of automatic backups.

    A backup missed while Marquee is off is made at the next start.
    """
    storage = current().storage
    storage.change_plan(**body.model_dump())
    return storage.plan()


@router.get(
    "/backups/{name}",
    response_class=BackupFile,
    responses=file_answers(f'attachment; filename="{NAME}"', MEDIA_TYPE),
    openapi_extra=raises(UnknownBackup),
)
def download_backup(name: Name) -> BackupFile:
    """Download a backup: an SQLite database for `python -m store restore`."""
    path = current().storage.path_of(name)
    return BackupFile(path, filename=path.name)


@router.delete("/backups/{name}", openapi_extra=raises(UnknownBackup))
def delete_backup(name: Name) -> DeletedBackup:
    """Delete a backup."""
    current().storage.delete(name)
    return DeletedBackup(name=name)


@router.post("/backups/{name}/restore", openapi_extra=raises(UnknownBackup, UnusableBackup))
def restore_backup(name: Name) -> Restored:
    """Restore a backup.

    The backup is verified first. Then training runs, studies and imports are stopped, the backup replaces the store,
    and Marquee restarts with it; requests in between get 503. The previous contents are kept in a file next to the
    store. Ratings, versions, notices, keys and settings are those of the backup: users deleted since are back, and keys
    revoked since are valid again.
    """
    return Restored(name=name, replaced=current().storage.restore(name))
