"""Structured logs: one JSON object per line on standard error, without any value of a request."""

import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import msgspec
from lucca_elimity_kit.foreign import quiet_libraries
from typing_extensions import override

# Identifies the log lines of one import; set in its task and in its thread.
import_id: ContextVar[str | None] = ContextVar("import_id", default=None)


def configure(level: str) -> None:
    """Log lines of this level and above as JSON, without the details that libraries log."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    quiet_libraries()
    # They log each creation of a tap.
    for name in ("singer_sdk", "tap-lucca"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Each new tap resets the level of this logger, so a level would have no lasting effect.
    logging.getLogger("singer_sdk.metrics").disabled = True


def fields(**values: object) -> dict[str, object]:
    """Return the `extra` that adds fields to a log line."""
    return {"fields": values}


class JsonFormatter(logging.Formatter):
    """Formats a log line as a JSON object."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (identifier := import_id.get()) is not None:
            line["import"] = identifier
        line.update(getattr(record, "fields", {}))
        if record.exc_info and record.exc_info[0]:
            # Log where the error happened, but not its message: it may quote a record.
            line["error"] = record.exc_info[0].__name__
            line["traceback"] = "".join(traceback.format_tb(record.exc_info[2]))
        return msgspec.json.encode(line).decode()
