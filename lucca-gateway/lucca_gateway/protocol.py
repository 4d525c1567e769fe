"""The Connect protocol, as far as the gateway needs it: https://connectrpc.com/docs/protocol.

A unary call takes a message and returns a message, or an error as JSON. A streaming call takes an envelope with a
message and returns envelopes. Only the last one has a flag, and its JSON has the error if there is one.

The endpoints that the vendor's package generates aren't used. They end the stream of a cancelled call as if it were
complete, quote a request that they can't decode, and decompress a request before they check its size.
"""

import re
import struct
from typing import Literal, TypeAlias

import msgspec
from google.protobuf.json_format import MessageToJson, Parse
from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Code: TypeAlias = Literal[
    "canceled",
    "deadline_exceeded",
    "failed_precondition",
    "internal",
    "invalid_argument",
    "permission_denied",
    "unauthenticated",
    "unavailable",
]
UNARY = ("application/proto", "application/json")
STREAMING = ("application/connect+proto", "application/connect+json")

_END_OF_STREAM = 0b10
_ENVELOPE = struct.Struct(">BI")  # flags and length, before the data
_TIMEOUT = re.compile(r"[0-9]{1,10}")


class RpcError(Exception):
    """The error with which a call ends. Administrators read its message, which quotes no request and no record."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


def decode(body: bytes, message: Message, content_type: str) -> None:
    """Read the message of a request.

    Raises:
        RpcError: The body isn't exactly one message of this kind.
    """
    try:
        data = _unwrap(body) if content_type in STREAMING else body
        if content_type.endswith("json"):
            Parse(data, message)
        else:
            message.ParseFromString(data)
    except Exception:  # noqa: BLE001 - protobuf raises errors of many kinds
        raise RpcError("invalid_argument", "The request is not a valid one of this method.") from None


def encode(message: Message, content_type: str) -> bytes:
    """Return a message of the response as bytes."""
    is_json = content_type.endswith("json")
    data = MessageToJson(message, indent=None).encode() if is_json else message.SerializeToString()
    return _wrap(data) if content_type in STREAMING else data


def content_type_of(headers: Headers, supported: tuple[str, ...]) -> str:
    """Check the headers of a call, and return the content type of its request and response.

    Raises:
        RpcError: A header of the protocol is malformed.
        HTTPException: The request is compressed, or has another content type.
    """
    for name in ("content-encoding", "connect-content-encoding"):
        if headers.get(name, "identity").strip().lower() not in {"", "identity"}:
            # A few kilobytes could become gigabytes.
            raise HTTPException(413, "Compressed requests are not supported.")
    if headers.get("connect-protocol-version", "1") != "1":
        raise RpcError("invalid_argument", "The gateway only supports version 1 of the Connect protocol.")
    if not _TIMEOUT.fullmatch(headers.get("connect-timeout-ms", "0")):
        raise RpcError("invalid_argument", "The header Connect-Timeout-Ms is not a number of at most 10 digits.")
    content_type = headers.get("content-type", "").lower().removesuffix("; charset=utf-8")
    if content_type not in supported:
        raise HTTPException(415, f"The content type must be {' or '.join(supported)}.")
    return content_type


def end_of_stream(error: RpcError | None) -> bytes:
    """Return the last envelope of a stream."""
    return _wrap(msgspec.json.encode({"error": _fields(error)} if error else {}), _END_OF_STREAM)


async def refuse(request: Request, error: Exception) -> Response:
    """Answer a call whose headers are wrong. Clients of streams only see the status."""
    if not isinstance(error, RpcError):
        raise error
    status, headers = 400, {}
    if error.code == "unauthenticated":
        status, headers = 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    content_type = request.headers.get("content-type")
    if content_type in STREAMING:
        return Response(end_of_stream(error), status, headers, content_type)
    return Response(msgspec.json.encode(_fields(error)), status, headers, "application/json")


def _fields(error: RpcError) -> dict[str, str]:
    return {"code": error.code, "message": str(error)}


def _wrap(data: bytes, flags: int = 0) -> bytes:
    return _ENVELOPE.pack(flags, len(data)) + data


def _unwrap(body: bytes) -> bytes:
    """Return the data of the only envelope of a request."""
    flags, length = _ENVELOPE.unpack_from(body)
    if flags or length != len(body) - _ENVELOPE.size:
        raise ValueError
    return body[_ENVELOPE.size :]
