"""Bases and fields that several requests share, so that each is validated and described once."""

from typing import Annotated, Any

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from engine.models.registry import ModelKind
from engine.training.promotion import ActivationPolicy
from sidecar.http.identifiers import Identifier, Number, PathIdentifier, plain_text

ACTOR = "api"
"""The actor of runs and activations that were requested over HTTP."""


class Parameters(BaseModel):
    """Query parameters; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid")


class Body(BaseModel):
    """A JSON body: no type coercion, no unknown fields."""

    model_config = ConfigDict(strict=True, extra="forbid")


def example(**fields: Any) -> ConfigDict:
    """The config of a body with this example in its documentation."""
    return ConfigDict(json_schema_extra={"examples": [fields]})


def by_query(lead: str) -> str:
    """The description of a route that takes IDs as query parameters; ``lead`` is that of its twin."""
    return (
        f"{lead}, with the ID as a query parameter.\n\n"
        "Works like the route with the ID in its path, for IDs that a path can't contain: those with a `..` segment, "
        "or with slashes behind a proxy that rewrites `%2F`."
    )


PathUser = Annotated[PathIdentifier, Path(description="The user; write a slash as %2F.", examples=["42"])]
PathMovie = Annotated[PathIdentifier, Path(description="The movie; write a slash as %2F.", examples=["318"])]
QueryUser = Annotated[PathIdentifier, Field(description="The user.", examples=["42"])]
QueryMovie = Annotated[PathIdentifier, Field(description="The movie.", examples=["318"])]
BodyUser = Annotated[Identifier, Field(description="The user.")]
BodyMovie = Annotated[Identifier, Field(description="A movie in the catalogue.")]
RatingValue = Annotated[float, Field(allow_inf_nan=False, description="Within the rating scale.")]

VersionNumber = Annotated[Number, Path(description="The version's number.", examples=[3])]
AnswerNumber = Annotated[Number, Path(description="The list's number.", examples=[412])]
RunNumber = Annotated[Number, Path(description="The run's number.", examples=[7])]
StudyNumber = Annotated[Number, Path(description="The study's number.", examples=[2])]
JobNumber = Annotated[Number, Path(description="The job's number.", examples=[4])]
ImportNumber = Annotated[Number, Path(description="The import's number.", examples=[3])]
KeyNumber = Annotated[Number, Path(description="The key's number.", examples=[2])]

GoldenNumber = Annotated[Number, Path(description="The person's number.", examples=[1])]

Kind = Annotated[ModelKind, Field(description="The rating model.")]
Activate = Annotated[ActivationPolicy, Field(description="When to activate the new version.")]
Queue = Annotated[bool, Field(description="Wait in the queue while another run is in progress, instead of failing.")]

Hour = Annotated[int, Field(ge=0, le=23, description="Hour of the day.")]
Minute = Annotated[int, Field(ge=0, le=59, description="Minute of the hour.")]
Zone = Annotated[
    str,
    Field(min_length=1, max_length=100, description="IANA time zone, such as Europe/Berlin."),
    AfterValidator(plain_text),
]
