"""The log as lines for people and as JSON for programs."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import warnings
from collections.abc import Iterator

import pytest

from sidecar.logs import TEXT, JsonLines, take_over, write_logs
from tests.sidecar.client import Client


def record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("marquee.test").makeRecord(
        "marquee.test", logging.WARNING, "file.py", 7, message, arguments, None, extra=extra
    )
    made.created = 1_795_443_846.25
    return made


def test_a_record_is_one_line_of_json() -> None:
    line = JsonLines().format(
        record("two\nlines of %s \u2028 \ud800", "Am\u00e9lie", fields={"status": 200, "ms": 1.5})
    )
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert json.loads(line) == {
        "time": "2026-11-23T14:24:06.250Z",
        "level": "warning",
        "logger": "marquee.test",
        "message": "two\nlines of Am\u00e9lie \u2028 \ud800",
        "status": 200,
        "ms": 1.5,
    }


def test_an_exception_is_part_of_its_line() -> None:
    made = record("it failed")
    try:
        raise ValueError("wrong")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = JsonLines().format(made)
    assert len(line.splitlines()) == 1
    assert "ValueError: wrong" in json.loads(line)["exception"]


def test_a_request_is_a_line_with_fields(client: Client, caplog) -> None:  # type: ignore[no-untyped-def]
    caplog.set_level("INFO", "marquee.access")
    client.get("/nothing?secret=1", headers={"X-Request-ID": "mine"})
    (found,) = [one for one in caplog.records if one.name == "marquee.access"]
    line = json.loads(JsonLines().format(found))
    assert line.pop("ms") >= 0
    told = {name: line[name] for name in ("request_id", "method", "path", "status")}
    assert told == {"request_id": "mine", "method": "GET", "path": "/nothing", "status": 404}
    assert "secret" not in str(line)


@pytest.fixture
def uvicorn() -> Iterator[logging.Logger]:
    """Its logger, which is left as it was."""
    access, server = logging.getLogger("uvicorn.access"), logging.getLogger("uvicorn.error")
    before = access.disabled, list(server.filters)
    yield server
    access.disabled, server.filters[:] = before


def test_handlers_of_others_take_the_same_form(uvicorn: logging.Logger) -> None:
    other, handler = logging.getLogger("another's.logger"), logging.StreamHandler()
    other.addHandler(handler)
    try:
        take_over("json")
        assert isinstance(handler.formatter, JsonLines)
        assert logging.getLogger("uvicorn.access").disabled
        take_over("text")
        assert handler.formatter is not None
        assert handler.formatter._fmt == TEXT
    finally:
        other.removeHandler(handler)


def test_of_what_a_stop_cuts_short_there_is_no_traceback(
    uvicorn: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    take_over("text")
    for error in (asyncio.CancelledError("timeout graceful shutdown exceeded"), ValueError("wrong")):
        uvicorn.error("Exception in ASGI application\n", exc_info=error)
    uvicorn.error("Cancel 1 running task(s)")
    told = [one.exc_info and type(one.exc_info[1]) for one in caplog.records if one.name == "uvicorn.error"]
    assert told == [ValueError, None]


def test_warnings_are_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        write_logs("json")
        try:
            warnings.warn("it is old", DeprecationWarning, stacklevel=1)
        finally:
            logging.captureWarnings(capture=False)
    (line,) = [one for one in caplog.records if one.name == "py.warnings"]
    assert "DeprecationWarning: it is old" in line.getMessage()
