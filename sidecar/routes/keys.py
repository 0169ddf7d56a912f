"""API keys: which there are, making one, revoking one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from engine.errors import Conflict, DiskFull, NotReady, UnknownKey
from engine.services import current
from sidecar.http.identifiers import Number
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import CHANGING, JSON_BODY, PARAMETERS, answers

router = APIRouter(prefix="/keys", tags=["access"], route_class=StrictRoute)

KeyScope = Literal["read", "rate", "admin"]

KEY: dict[str, Any] = {
    "key_id": 2,
    "name": "shop",
    "scopes": ["read", "rate"],
    "created_at": 1795443800.0,
    "created_by": "first key",
    "last_used_at": 1795443846.9,
    "revoked_at": None,
}


class Key(BaseModel):
    """An API key without the key."""

    key_id: int
    name: str = Field(description="What it is for.")
    scopes: list[KeyScope]
    created_at: float
    created_by: str = Field(description="Whose key made it.")
    last_used_at: float | None = Field(description="A minute old at most; null before the first use.")
    revoked_at: float | None = Field(description="Null while it opens what its scopes say.")


class Keys(BaseModel):
    """Keys, newest first."""

    keys: list[Key]


class KeyRequest(BaseModel):
    """The key to be made."""

    model_config = ConfigDict(
        strict=True, extra="forbid", json_schema_extra={"examples": [{"name": "shop", "scopes": ["read", "rate"]}]}
    )

    name: str = Field(min_length=1, max_length=100, description="What it is for.")
    scopes: list[KeyScope] = Field(
        min_length=1,
        max_length=3,
        description="`read`: lists, explanations, metrics and states. `rate`: giving and taking away ratings. `admin`: "
        "everything.",
    )


class NewKey(Key):
    """A key as it was made."""

    key: str = Field(description="The key itself. It is shown this once: only its hash is stored.")


# These read or write the store, so they run in the thread pool and not on the event loop.
@router.get("", responses=answers({"keys": [KEY]}, NotReady))
def list_keys() -> Keys:
    """List the keys.

    Newest first, revoked ones as well. The first key, which `MARQUEE_API_KEY` sets, is not among them.
    """
    return Keys(keys=[Key(**_shown(one)) for one in current().access.list_keys()])


@router.post(
    "",
    status_code=201,
    responses=answers(
        KEY | {"last_used_at": None, "key": "mq_2b1Jr0m8Yq5o3dZr9vKQ4nT7uW6xE1aC0sL2hF8gP3k"},
        CHANGING,
        JSON_BODY,
        Conflict,
        NotReady,
        DiskFull,
        status=201,
    ),
)
def create_key(body: KeyRequest) -> NewKey:
    """Create a key.

    `key` is in this answer and nowhere else: only its SHA-256 is stored. 409 while `MARQUEE_API_KEY` is not set, since
    Marquee asks for no keys then.
    """
    made, key = current().access.create(body.name, body.scopes)
    return NewKey(**_shown(made), key=key)


KeyNumber = Annotated[Number, Path(description="The key's number.", examples=[2])]


@router.delete(
    "/{key_id}",
    responses=answers(KEY | {"revoked_at": 1795530246.9}, CHANGING, PARAMETERS, UnknownKey, NotReady, DiskFull),
)
def revoke_key(key_id: KeyNumber) -> Key:
    """Revoke a key.

    From the next request on it opens nothing, and browsers that signed in with it are signed out. Its line stays.
    Revoking it again changes nothing.
    """
    return Key(**_shown(current().access.revoke(key_id)))


def _shown(record: Any) -> dict[str, Any]:
    values = asdict(record)
    del values["sha256"]
    return values | {"scopes": list(record.scopes)}
