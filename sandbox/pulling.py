"""Imports through a custom gateway as Elimity Insights does, in either generation of the protocol.

`python -m sandbox.pulling` runs imports end to end, with the sandbox's Lucca and a real `lucca-gateway`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal, TypeAlias

import msgspec
from connectrpc.errors import ConnectError
from elimity.insights.common.v1alpha1.common_pb2 import Entity, Value
from elimity.insights.customgateway.v1alpha1 import customgateway_connect as v1alpha1
from elimity.insights.customgateway.v1alpha1 import customgateway_pb2 as v1alpha1_pb2
from elimity.insights.customgateway.v1alpha2 import customgateway_connect as v1alpha2
from elimity.insights.customgateway.v1alpha2 import customgateway_pb2 as v1alpha2_pb2
from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Value as StructValue
from google.protobuf.timestamp_pb2 import Timestamp

from sandbox.arrivals import summarize
from sandbox.company import generate_company
from sandbox.elimity import ConnectorLog, Elimity, Snapshot
from sandbox.lucca import Lucca
from sandbox.server import serve

Generation = Literal["v1alpha1", "v1alpha2"]
Response: TypeAlias = "v1alpha1_pb2.PerformImportResponse | v1alpha2_pb2.PerformImportResponse"

GENERATIONS: tuple[Generation, ...] = ("v1alpha1", "v1alpha2")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
START_SECONDS = 60
STOP_SECONDS = 30
# The command that is installed beside this Python.
GATEWAY = Path(sys.executable).parent / "lucca-gateway"


def responses(
    gateway_url: str, generation: Generation, configuration: Mapping[str, Any], token: str | None = None
) -> Iterator[Response]:
    """Request an import, and yield the gateway's responses as the vendor's generated client reads them.

    Raises:
        ConnectError: The gateway ended the stream with an error, or could not be reached.
    """
    fields = {key: ParseDict(value, StructValue()) for key, value in configuration.items()}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if generation == "v1alpha1":
        with v1alpha1.ServiceClientSync(gateway_url) as first:
            yield from first.perform_import(v1alpha1_pb2.PerformImportRequest(fields=fields), headers=headers)
        return
    with v1alpha2.ServiceClientSync(gateway_url) as second:
        meta = second.meta(v1alpha2_pb2.MetaRequest(), headers=headers)
        request = v1alpha2_pb2.PerformImportRequest(fields=fields, cursor=meta.initial_cursor, version=meta.version)
        yield from second.perform_import(request, headers=headers)


def pull(
    elimity: Elimity,
    gateway_url: str,
    generation: Generation,
    configuration: Mapping[str, Any],
    token: str | None = None,
) -> None:
    """Import through a gateway. Replace what the source holds only if the stream ends without an error.

    Raises:
        ConnectError: The import failed. The source's logs say why, too.
        ValueError, `msgspec.DecodeError`: The streamed data doesn't fit the source's data model.
    """
    order = {attribute["id"]: number for number, attribute in enumerate(elimity.data_model["entityAttributeTypes"])}
    entities: list[dict[str, Any]] = []
    try:
        for response in responses(gateway_url, generation, configuration, token):
            if response.HasField("entity"):
                entities.append(_entity(response.entity, order))
            elif response.HasField("log"):
                level: Literal["alert", "info"] = "alert" if response.log.level.HasField("alert") else "info"
                _log(elimity, level, response.log.message)
            else:
                raise ValueError("the gateway streams something other than entities and logs")
    except ConnectError as error:
        _log(elimity, "alert", f"The import failed ({error.code.value}): {error.message}")
        raise
    document = msgspec.json.encode({"entities": entities, "relationships": []})
    elimity.accept_snapshot(Snapshot(zlib.compress(document, 1), {}))


@dataclass
class GatewayProcess:
    """A running `lucca-gateway`, and what it has logged so far."""

    process: subprocess.Popen[str]
    url: str = ""
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def log_text(self) -> str:
        """All lines of the log."""
        return "\n".join(map(json.dumps, self.log))


@contextmanager
def running_gateway(environment: Mapping[str, str], script: Path = GATEWAY) -> Iterator[GatewayProcess]:
    """Run the console script on a free port until the block ends. Its settings come only from `environment`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LUCCA_GATEWAY_")}
    with subprocess.Popen(  # noqa: S603 - the project's own command
        [script, "--port", "0"], stderr=subprocess.PIPE, text=True, env={**inherited, **environment}
    ) as process:
        gateway = GatewayProcess(process)
        ready = Event()
        reader = Thread(target=_read_log, args=(gateway, ready), name="log of lucca-gateway")
        reader.start()
        try:
            if not ready.wait(START_SECONDS) or not gateway.url:
                raise RuntimeError(f"lucca-gateway does not start: {gateway.log_text}")
            yield gateway
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            reader.join()


def _read_log(gateway: GatewayProcess, ready: Event) -> None:
    if gateway.process.stderr:
        for line in gateway.process.stderr:
            try:
                gateway.log.append(json.loads(line))
            except ValueError:
                gateway.log.append({"level": "raw", "message": line})
            if running := re.search(r"running on (http://\S+)", line):
                gateway.url = running[1]
                ready.set()
    ready.set()


def _log(elimity: Elimity, level: Literal["alert", "info"], message: str) -> None:
    elimity.connector_logs.append(ConnectorLog(level, message, datetime.now(UTC)))


def _entity(entity: Entity, order: Mapping[str, int]) -> dict[str, Any]:
    """Return an entity as in a snapshot. Its attributes are sorted, because they have no order on the wire."""
    assignments = sorted(entity.attribute_assignments.items(), key=lambda item: order.get(item[0], len(order)))
    return {
        "attributeAssignments": [
            {"attributeTypeId": identifier, "value": _value(value)} for identifier, value in assignments
        ],
        "id": entity.id,
        "name": entity.name,
        "type": entity.type,
    }


def _value(value: Value) -> dict[str, Any]:
    kind = value.WhichOneof("value")
    if kind == "date":
        moment = _moment(value.date)
        if moment.time().isoformat() != "00:00:00":
            raise ValueError("a date is not at midnight")
        return {"type": "date", "value": {"year": moment.year, "month": moment.month, "day": moment.day}}
    if kind == "date_time":
        moment = _moment(value.date_time)
        names = ("year", "month", "day", "hour", "minute", "second")
        return {"type": "dateTime", "value": {name: getattr(moment, name) for name in names}}
    if kind == "string":
        return {"type": "string", "value": value.string}
    raise ValueError(f"a value of another kind than this source has: {kind}")


def _moment(timestamp: Timestamp) -> datetime:
    if timestamp.nanos:
        raise ValueError("a timestamp has fractions of a second")
    return EPOCH + timedelta(seconds=timestamp.seconds)


def main(arguments: list[str]) -> int:
    """Import a made-up company once in each generation of the protocol, and print what arrived."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.pulling", description="An import through lucca-gateway.")
    parser.add_argument("--employees", type=int, default=250, metavar="N", help="how large the company is")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed makes the same company")
    options = parser.parse_args(arguments)
    today = datetime.now(UTC).date()
    lucca, elimity = Lucca(generate_company(options.employees, options.seed, today)), Elimity()
    with serve(lucca.app) as lucca_url:
        allowed = lucca_url.removeprefix("http://")
        environment = {
            "LUCCA_GATEWAY_ALLOWED_HOSTS": allowed,
            "LUCCA_GATEWAY_SERVE_WITHOUT_TOKENS": "true",
            "PYTHONUNBUFFERED": "1",
        }
        with running_gateway(environment) as gateway:
            print("Nobody issues tokens here: the gateway runs with LUCCA_GATEWAY_SERVE_WITHOUT_TOKENS=true.")
            print(f"lucca-gateway:      {gateway.url}\nLucca:              {lucca_url}")
            for generation in GENERATIONS:
                pull(elimity, gateway.url, generation, {"host": lucca_url, "api_key": lucca.api_key})
                print(f"Import in {generation}: done")
    print(f"\n{summarize(elimity)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
