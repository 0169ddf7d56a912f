"""Long lists page by page, newest first. A page begins before a number, so that what is new shifts nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from sidecar.http.identifiers import Number

T = TypeVar("T")

Next = Annotated[int | None, Field(description="`before` of the next page; null on the last.")]


class PageRequest(BaseModel):
    """Which page; each field is a query parameter."""

    model_config = ConfigDict(extra="forbid")

    before: Number | None = Field(
        None, description="Only those older than this one: `next` of the page before.", examples=[13]
    )


def cut(found: Sequence[T], limit: int, number: Callable[[T], int]) -> tuple[list[T], int | None]:
    """The page, and where the next begins; ``found`` is one more than the page holds where there are more."""
    page = list(found[:limit])
    return page, number(page[-1]) if len(found) > limit else None
