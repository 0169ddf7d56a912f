"""The log: lines of text for people, or one JSON object per line for programs."""

import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any

from engine.settings import LogFormat

TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class JsonLines(logging.Formatter):
    """Log records as JSON: time, level, logger, message, the record's ``fields``, and an exception's traceback.

    Only ASCII is written, so no text from a request can break a line or fail to be encoded.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
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
    """Log to standard error from INFO on, unless the root logger is configured already."""
    handler = logging.StreamHandler()
    handler.setFormatter(_formatter(form))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.captureWarnings(capture=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _is_relevant(record: logging.LogRecord) -> bool:
    """Whether uvicorn reports more than a request interrupted by a shutdown, which the API logs itself."""
    return record.exc_info is None or not isinstance(record.exc_info[1], asyncio.CancelledError)


def take_over(form: LogFormat) -> None:
    """Apply the format to the handlers of Streamlit and uvicorn, once both are set up."""
    for logger in logging.root.manager.loggerDict.values():
        for handler in getattr(logger, "handlers", ()):
            handler.setFormatter(_formatter(form))
    logging.getLogger("uvicorn.error").addFilter(_is_relevant)
    logging.getLogger("uvicorn.access").disabled = True  # the API logs its own requests, with their IDs
