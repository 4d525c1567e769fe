"""Runs one import: reads users and work contracts like tap-lucca, and joins them like target-elimity.

It is a synchronous generator that runs in threads, and it knows only the error codes of the protocol. It reads
everything and makes every employee once before it yields the first one, so hardly anything can fail after that.
"""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from http import HTTPStatus
from importlib.metadata import version
from itertools import islice
from typing import TypeAlias, cast

from lucca_elimity_kit.errors import ConnectorError, SettingsError
from lucca_elimity_kit.foreign import failure
from tap_lucca.client import LuccaClient, LuccaError
from tap_lucca.settings import instance_url
from tap_lucca.stream import LuccaStream
from tap_lucca.streams import UsersStream
from tap_lucca.tap import TapLucca
from target_elimity.attributes import Employee
from target_elimity.collection import Collection
from target_elimity.database import DiskError
from target_elimity.imports import Assessment, Import
from target_elimity.source import SourceError

from lucca_gateway.configuration import Configuration, new_source
from lucca_gateway.protocol import Code, RpcError
from lucca_gateway.settings import PREFIX, Settings
from lucca_gateway.stopping import Stop
from lucca_gateway.tenants import Tenants

# How often an import logs its progress: for people, and so that proxies don't close an idle connection.
PROGRESS_SECONDS = 10.0
EMPLOYEES_AT_ONCE = 200

# An employee, or a line for the Logs tab of Elimity Insights.
Item: TypeAlias = Employee | str


class ImportFailedError(RpcError):
    """The import failed, and nothing is imported. The message says why, and quotes no record."""


def perform_import(
    configuration: Mapping[str, object],
    settings: Settings,
    tenants: Tenants,
    stop: Stop,
    source_id: str | None = None,
) -> Generator[Sequence[Item], None, None]:
    """Yield the log lines and employees of an import in batches, the first one after Lucca accepted the API key.

    `source_id` comes from the validated token of the request, if there is one.

    Raises:
        ImportFailedError: The import failed. Discard what was yielded.
        StoppedError: `stop` was set.
    """
    with _as_import_error():
        values = Configuration.of(configuration)
        url = instance_url(values.host)
        tenants.check(url)
        # The gateway reads the streams of the tap itself, without Singer messages.
        tap = TapLucca(config={"host": url, "api_key": values.api_key, **settings.for_tap})
        with (
            closing(Import(settings, new_source(values, settings, source_id, stop))) as incoming,
            tenants.session(url) as (session, budget),
        ):
            collection = incoming.start(stop.check)
            tap.client = LuccaClient(tap.settings, session, budget, settings.tls, stop.pause)
            lines: list[str] = []
            tap.client.warn = lambda warning: lines.append(f"Warning: {warning}")
            for stream in tap.streams.values():
                collection.schema_received(stream.name, stream.schema)
                yield from _collect(cast("LuccaStream", stream), collection, stop)
            if lines:
                yield lines
            yield from _deliver(incoming, collection, settings, stop)


def _deliver(incoming: Import, collection: Collection, settings: Settings, stop: Stop) -> Iterator[Sequence[Item]]:
    employees = incoming.make_employees(collection, datetime.now(settings.timezone), lambda *_: stop.check())
    assessment = incoming.assess(employees)
    yield [_what_was_compared(incoming, assessment)]
    if assessment.objections:
        raise ConnectorError(
            f"{assessment.reasons} If that is right, ask the operator of the gateway to let it through once: with "
            f"{assessment.variables(PREFIX)}, until it is imported."
        )
    yield [f"Importing {employees}.", *(f"Warning: {warning}" for warning in assessment.warnings)]
    remaining = iter(employees)
    while several := list(islice(remaining, EMPLOYEES_AT_ONCE)):
        stop.check()
        yield several
    yield [f"Import complete. {employees}."]


def _what_was_compared(incoming: Import, assessment: Assessment) -> str:
    if not incoming.source:
        return (
            "Nothing was compared with what the source holds: there are no configuration values 'api_token_id' and "
            "'api_token_secret'."
        )
    return assessment.nothing_compared or f"Compared with what the source holds: {assessment.changes}."


def _collect(stream: LuccaStream, collection: Collection, stop: Stop) -> Iterator[list[str]]:
    """Read all records of a stream into the collection, and yield log lines."""
    what = stream.name.replace("_", " ")
    told = time.monotonic()
    count = 0
    for count, record in enumerate(stream.get_records(None), 1):
        stop.check()
        collection.add(stream.name, record)
        if count == 1 and stream.name == UsersStream.name:
            yield [f"Import from Lucca started (lucca-gateway {version('lucca-gateway')})."]
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            yield [f"Read {count} of {stream.walk.total} {what}."]
    if count:
        yield [f"Read {count} of {stream.walk.total} {what}."]


@contextmanager
def _as_import_error() -> Iterator[None]:
    """Turn errors of the tap and the target into an ImportFailedError. Administrators may read their messages."""
    try:
        yield
    except SettingsError as error:
        raise ImportFailedError("invalid_argument", str(error)) from None
    except (LuccaError, SourceError) as error:
        raise ImportFailedError(_code(error.status), str(error)) from None
    except DiskError:
        raise ImportFailedError(
            "unavailable",
            "The gateway cannot use its temporary folder. Ask its operator to check the space and permissions there, "
            "and run it again.",
        ) from None
    except ConnectorError as error:
        raise ImportFailedError("failed_precondition", str(error)) from None
    except OSError as error:
        raise ImportFailedError("unavailable", f"Lucca cannot be reached ({failure(error)}). Run it again.") from None


def _code(status: int | None) -> Code:
    if status in range(300, 400):
        return "invalid_argument"
    return _CODES.get(status, "unavailable")


_CODES: dict[int | None, Code] = {
    HTTPStatus.UNAUTHORIZED: "unauthenticated",
    HTTPStatus.FORBIDDEN: "permission_denied",
    HTTPStatus.NOT_FOUND: "invalid_argument",
}
