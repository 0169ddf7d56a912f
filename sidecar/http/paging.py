"""Pages of long lists, newest first. A page starts before a number, so new entries don't shift it."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sidecar.http.identifiers import Number

T = TypeVar("T")

Next = Annotated[int | None, Field(description="`before` for the next page; null on the last.")]


class PageRequest(BaseModel):
    """Which page; each field is a query parameter. Subclasses add ``limit``."""

    model_config = ConfigDict(extra="forbid")

    before: Number | None = Field(
        None, description="Only entries older than this one: `next` of the previous page.", examples=[13]
    )


def page_size(default: int, most: int) -> Any:
    """The field ``limit`` of a page request."""
    return Field(default, ge=1, le=most, description="Maximum number of entries.", examples=[default])


def cut(found: Sequence[T], limit: int, number: Callable[[T], int]) -> tuple[list[T], int | None]:
    """The page, and `next`. ``found`` has one entry more than the page if there are more pages."""
    page = list(found[:limit])
    return page, number(page[-1]) if len(found) > limit else None
