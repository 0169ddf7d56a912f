"""Examples of problems: responses to real errors, with the messages of the engine."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import Response

from engine import errors
from engine.models.registry import configure
from sidecar.http import kinds
from sidecar.http.access_log import answer_unexpected
from sidecar.http.limits import JSON_LIMIT, head_too_large, too_large
from sidecar.http.problems import marquee_problem, problem, validation_problem
from sidecar.http.requests import invalid_json, not_json, parse_json
from sidecar.routes.ratings import RatingRequest

ENGINE_ERRORS: tuple[errors.MarqueeError, ...] = (
    errors.InvalidRating("A rating lies between 0.5 and 5; 9.0 does not."),
    errors.UnknownUser("Nobody has the id '42'."),
    errors.UnknownMovie("The catalogue has no movie '318'."),
    errors.UnknownVersion("There is no version 9."),
    errors.UnknownRun("There is no training run 99."),
    errors.UnknownStudy("There is no study 99."),
    errors.UnknownJob("There is no job 99."),
    errors.UnknownImport("There is no import 99."),
    errors.UnknownAnswer("There is no list 99. It may have been erased with its person, or to make room."),
    errors.UnknownBackup("There is no backup marquee-20261122-020000.db."),
    errors.UnknownKey("There is no key 99."),
    errors.UnknownGoldenPerson("There is no golden person 99."),
    errors.Conflict(
        "Marquee needs no keys because MARQUEE_API_KEY is not set: it accepts requests only from this computer. Set "
        "MARQUEE_API_KEY and start again, then create keys."
    ),
    errors.TrainingBusy(7),
    errors.TuningBusy(2),
    errors.BackupBusy("A backup is in progress. Wait for it to end, or cancel it, then start another."),
    errors.UnusableBackup(
        "marquee-20261122-020000.db is damaged: it does not match its manifest. Choose another backup."
    ),
    errors.NotReplayable("This list can't be made again. Version 1 was deleted."),
    errors.VersionUnavailable("Version 3 is active and can't be deleted. Activate another one first."),
    errors.Cancelled("The backup was cancelled. Nothing of it was kept."),
    errors.NotReady("There are no ratings yet. Import the demo data or your own, then train a model."),
    errors.StoreLocked(
        "Another program has the store locked, so nothing was saved. Nothing is lost: earlier writes are saved. Let "
        "that program finish, or close it, and try again."
    ),
    errors.StoreNotWritable(
        "The store can't be written to, so nothing was saved. Nothing is lost: earlier writes are saved. Let Marquee "
        "write to file and folder, then start it again."
    ),
    errors.StoreFailing(
        "The disk with the store fails to read or write, so nothing was saved. Check the disk, its mount and the "
        "number of open files, then try again."
    ),
    errors.StoreDamaged(
        "A part of the store that this needs is damaged; everything else still works. Stop Marquee, find out what is "
        "wrong with 'python -m store check', and restore a backup with 'python -m store restore'."
    ),
    errors.DiskFull("There is no space left on the disk, so nothing was saved. Free some space and try again."),
)
"""Errors with the messages of the engine and the store; a test compares them with what is raised."""


def _raised() -> Iterable[Response]:
    """The problems of errors as they are raised."""
    request_id = "5f0c1f0be1a94b0a8b2d7f3f4c1f2a90"
    yield answer_unexpected(RuntimeError(), request_id)
    for error in ENGINE_ERRORS:
        yield marquee_problem(error)
    try:
        configure("svd", {"factors": 0})
    except errors.InvalidHyperparameter as error:
        yield marquee_problem(error)
    try:
        RatingRequest.model_validate({"user_id": "42", "movie_id": "318", "rating": "five"})
    except ValidationError as error:
        faults = [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_input=False)]
        yield validation_problem(RequestValidationError(faults))
    try:
        parse_json(b'{"user_id": "42", "user_id": "7"}')
    except json.JSONDecodeError as error:
        yield validation_problem(invalid_json(error.msg))
    yield problem(kinds.BODY_TOO_LARGE, too_large(JSON_LIMIT))
    yield problem(kinds.HEAD_TOO_LARGE, head_too_large())
    yield problem(kinds.UNSUPPORTED_MEDIA_TYPE, not_json().detail)
    yield problem(kinds.SCOPE_TOO_SMALL, "This key has the scope read; this needs admin.")
    yield problem(kinds.TOO_MANY_REQUESTS, "This key has been used too often. Try again in 12 seconds.")
    yield problem(kinds.TOO_MANY_WRONG_KEYS, "Too many invalid keys came from this address. Try again in 6 seconds.")


PROBLEMS: Mapping[str, dict[str, Any]] = {
    body["code"]: body for body in (json.loads(bytes(each.body)) for each in (*map(problem, kinds.ALL), *_raised()))
}
"""An example of each kind of problem, by its code."""
