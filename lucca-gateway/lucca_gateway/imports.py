"""One import: reads users and work contracts as tap-lucca does, and joins them as target-elimity does.

It knows nothing of the protocol and is not asynchronous: it is a generator that runs in a thread of its own. It reads
everything and makes every employee once before it yields the first one, so hardly anything can fail after that.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from http import HTTPStatus
from importlib.metadata import version
from itertools import islice
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from lucca_elimity_kit.errors import ConnectorError, SettingsError
from lucca_elimity_kit.foreign import failure
from singer_sdk.exceptions import SingerSDKError
from tap_lucca.client import LuccaClient, LuccaError
from tap_lucca.streams import UsersStream
from tap_lucca.tap import TapLucca
from target_elimity.database import DiskError
from target_elimity.employees import Employee, Rules
from target_elimity.imports import Import
from target_elimity.source import SourceError

from lucca_gateway.addresses import HostError
from lucca_gateway.guard import API_TOKEN, new_guard, refuse_losses, what_was_compared

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from tap_lucca.stream import LuccaStream
    from target_elimity.guard import Guard

    from lucca_gateway.settings import Settings
    from lucca_gateway.stopping import Stop
    from lucca_gateway.tenants import Tenants

LUCCA = ("host", "api_key")
CONFIGURATION_VALUES = (*LUCCA, *API_TOKEN)
# An import logs its progress about this often: for people, and for proxies that close silent connections.
PROGRESS_SECONDS = 10.0
EMPLOYEES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Log:
    """A line in the Logs tab of Elimity Insights."""

    level: Literal["info", "alert"]
    message: str


Item: TypeAlias = Employee | Log


class Reason(Enum):
    """Why an import failed."""

    CONFIGURATION = auto()  # a configuration value is missing or malformed
    CREDENTIALS = auto()  # Lucca does not know the key, or Elimity Insights the API token
    RIGHTS = auto()  # one of them lacks a right
    DATA = auto()  # Lucca's data is not a whole import, or takes away too much
    UNAVAILABLE = auto()  # Lucca, Elimity Insights, the network or the gateway's disk fails at the moment


class ImportFailedError(Exception):
    """Nothing is imported. The message tells an administrator why, and quotes no record."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def perform_import(
    configuration: Mapping[str, object],
    settings: Settings,
    tenants: Tenants,
    stop: Stop,
    source_id: str | None = None,
) -> Generator[Sequence[Item], None, None]:
    """Yield the log lines and employees of an import, several at once; nothing before Lucca has accepted the key.

    Args:
        configuration: The configuration values of the import.
        settings: The settings.
        tenants: The tenants in use.
        stop: Tells the import to stop.
        source_id: The source id of the request's token, if it has one that was validated.

    Raises:
        ImportFailedError: The import failed; what was yielded must be dropped.
        StoppedError: The import was told to stop.
    """
    with _as_import_error():
        # A value that is copied from an email or a table often ends with a blank.
        values = {name: value.strip() if isinstance(value, str) else value for name, value in configuration.items()}
        tap = _Tap(config={**{name: values[name] for name in LUCCA if name in values}, **settings.tap})
        tenants.check(tap.instance_url)
        with (
            closing(new_guard(values, settings, source_id, stop)) as guard,
            tenants.session(tap.instance_url, tap.config["api_key"], stop) as session,
        ):
            guard.check()
            for _ in guard.read_back():
                stop.check()
            tap.client = LuccaClient(
                tap.instance_url,
                tap.config["api_key"],
                session=session,
                timeout=tap.config["request_timeout"],
                max_retry_seconds=tap.config["max_retry_seconds"],
                sleep=stop.pause,
                tls=settings.tls,
            )
            with closing(Import()) as incoming:
                for stream in tap.streams.values():
                    incoming.schema_received(stream.name, stream.schema)
                    yield from _collect(cast("LuccaStream", stream), incoming, stop)
                yield from _deliver(incoming, guard, settings, stop)


def _deliver(incoming: Import, guard: Guard, settings: Settings, stop: Stop) -> Iterator[Sequence[Item]]:
    incoming.check_records()
    rules = Rules(datetime.now(settings.timezone).date(), settings.timezone, settings.contract_type_names)
    # The first pass yields nothing: if an employee cannot be made, none has been sent yet.
    for employee, _ in incoming.employees(rules):
        stop.check()
        guard.add(employee)
    yield [Log("info", what_was_compared(guard))]
    refuse_losses(guard, incoming)
    yield [Log("info", f"Importing {incoming.summary}.")]
    yield [Log("info", f"Warning: {warning}") for warning in guard.warnings(incoming, None)]
    employees = (employee for employee, _ in incoming.employees(rules))
    while several := list(islice(employees, EMPLOYEES_AT_ONCE)):
        stop.check()
        yield several
    yield [Log("info", f"Import complete. {incoming.summary}.")]


def _collect(stream: LuccaStream, incoming: Import, stop: Stop) -> Iterator[list[Log]]:
    """Read a stream to its end into the import; yield log lines."""
    what = stream.name.replace("_", " ")
    told = time.monotonic()
    count = 0
    for count, record in enumerate(stream.get_records(None), 1):
        stop.check()
        incoming.record_received(stream.name, record)
        if count == 1 and stream.name == UsersStream.name:
            yield [Log("info", f"Import from Lucca started (lucca-gateway {version('lucca-gateway')}).")]
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            yield [Log("info", f"Read {count} of {stream.paginator.total} {what}.")]
    if count:
        yield [Log("info", f"Read {count} of {stream.paginator.total} {what}.")]


@contextmanager
def _as_import_error() -> Iterator[None]:
    """Turn the errors of the tap and the target, whose messages administrators may read, into an ImportFailedError."""
    try:
        yield
    except HostError as error:
        raise ImportFailedError(
            Reason.CONFIGURATION, f"The configuration value 'host' cannot be used: {error}."
        ) from None
    except SettingsError as error:
        raise ImportFailedError(Reason.CONFIGURATION, str(error)) from None
    except (LuccaError, SourceError) as error:
        raise ImportFailedError(_reason(error.status), str(error)) from None
    except (DiskError, sqlite3.Error):
        raise ImportFailedError(
            Reason.UNAVAILABLE,
            "The gateway cannot use its temporary folder. Ask its operator to make room there, and run it again.",
        ) from None
    except (ConnectorError, SingerSDKError) as error:
        raise ImportFailedError(Reason.DATA, str(error)) from None
    except OSError as error:
        raise ImportFailedError(
            Reason.UNAVAILABLE, f"Lucca cannot be reached ({failure(error)}). Run it again."
        ) from None


class _Tap(TapLucca):
    """The tap, in process: its streams are read one by one, and no message is written."""

    variables = ""  # administrators see no environment variables


def _reason(status: int | None) -> Reason:
    if status == HTTPStatus.UNAUTHORIZED:
        return Reason.CREDENTIALS
    if status == HTTPStatus.FORBIDDEN:
        return Reason.RIGHTS
    if status == HTTPStatus.NOT_FOUND or status in range(300, 400):
        return Reason.CONFIGURATION
    return Reason.UNAVAILABLE
