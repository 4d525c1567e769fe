"""Structured logs: a JSON object a line on the standard error, in which no value of a request ever stands."""

from __future__ import annotations

import logging
import traceback
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import Any

import msgspec
from typing_extensions import override

# Tells the lines of one import from those of the others; set in the task and in the thread of an import.
import_id: ContextVar[str | None] = ContextVar("import_id", default=None)


def configure(level: str) -> None:
    """Write what has at least this level, but for the details of libraries, as JSON."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    # They tell of each request, or of how the tap was made; at debug level some quote addresses and headers.
    for name in ("httpcore", "httpx", "pyrate_limiter", "singer_sdk", "tap-lucca", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # The tap sets the level of its metrics itself, each time it is made.
    logging.getLogger("singer_sdk.metrics").disabled = True


def fields(**values: object) -> dict[str, object]:
    """Return the `extra` with which a line carries these fields beside its message."""
    return {"fields": values}


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, timezone.utc).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (identifier := import_id.get()) is not None:
            line["import"] = identifier
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0]:
            # Where it happened, but not the error's own words: one that nobody foresaw may quote a record.
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = "".join(traceback.format_tb(record.exc_info[2]))
        return msgspec.json.encode(line).decode()
