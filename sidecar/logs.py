"""The log: lines for people, or for programs one JSON object a line."""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any

from engine.settings import LogFormat

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """A record as a line of JSON: time, level, logger, message, the record's ``fields``, an exception's traceback.

    What is not ASCII is escaped, so that no text of a caller's can end a line or fail to be written.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": moment.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _formatter(form: LogFormat) -> logging.Formatter:
    return JsonLines() if form == "json" else logging.Formatter(TEXT)


def write_logs(form: LogFormat) -> None:
    """Write what loggers say from INFO on to standard error; where somebody has set the root logger up, it stays so."""
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(capture=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _is_told(record: logging.LogRecord) -> bool:
    """Whether uvicorn has something of its own to tell: what a stop cuts short, the API's log says in a line."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


def take_over(form: LogFormat) -> None:
    """Give the handlers that Streamlit and uvicorn have made for themselves the same form, once both are set up."""
    for logger in logging.root.manager.loggerDict.values():
        for handler in getattr(logger, "handlers", ()):
            handler.setFormatter(_formatter(form))
    logging.getLogger("uvicorn.error").addFilter(_is_told)
    logging.getLogger("uvicorn.access").disabled = True  # the API logs its own requests, with their ids
