"""API keys: list, create, revoke."""

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from engine.errors import Conflict, UnknownKey
from engine.services import current
from sidecar.http.requests import StrictRoute
from sidecar.http.responses import raises
from sidecar.routes.fields import Body, KeyNumber, example

router = APIRouter(prefix="/keys", tags=["access"], route_class=StrictRoute)

KeyScope = Literal["read", "rate", "admin"]


class Key(BaseModel):
    """An API key, without the key itself."""

    key_id: int
    name: str = Field(description="What the key is for.")
    scopes: list[KeyScope]
    created_at: float
    created_by: str = Field(description="The name of the key that created it.")
    last_used_at: float | None = Field(description="Up to a minute old; null before the first use.")
    revoked_at: float | None = Field(description="Null while the key is valid.")


class Keys(BaseModel):
    """Keys, newest first."""

    keys: list[Key]


class KeyRequest(Body):
    """The key to create."""

    model_config = example(name="shop", scopes=["read", "rate"])

    name: str = Field(min_length=1, max_length=100, description="What the key is for.")
    scopes: list[KeyScope] = Field(
        min_length=1,
        max_length=3,
        description="`read`: lists, explanations, metrics and status. `rate`: add and remove ratings. `admin`: "
        "everything.",
    )


class NewKey(Key):
    """A new key."""

    key: str = Field(description="The key itself, shown only once: only its hash is stored.")


# All of these use the store, so they run in the thread pool and not on the event loop.
@router.get("")
def list_keys() -> Keys:
    """List the API keys.

    Newest first, including revoked ones, but without the first key, which `MARQUEE_API_KEY` sets.
    """
    return Keys(keys=[Key(**_shown(one)) for one in current().access.list_keys()])


@router.post("", status_code=201, openapi_extra=raises(Conflict))
def create_key(body: KeyRequest) -> NewKey:
    """Create an API key.

    Keep `key`: it appears only in this response, and only its SHA-256 is stored. 409 while `MARQUEE_API_KEY` is not
    set, as no keys are required then.
    """
    made, key = current().access.create(body.name, body.scopes)
    return NewKey(**_shown(made), key=key)


@router.delete("/{key_id}", openapi_extra=raises(UnknownKey))
def revoke_key(key_id: KeyNumber) -> Key:
    """Revoke an API key.

    The key is invalid from the next request on, and browsers that signed in with it are signed out. It stays in the
    list. Revoking it again changes nothing.
    """
    return Key(**_shown(current().access.revoke(key_id)))


def _shown(record: Any) -> dict[str, Any]:
    values = asdict(record)
    del values["sha256"]
    return values | {"scopes": list(record.scopes)}
