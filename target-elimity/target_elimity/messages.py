"""Reads Singer messages. Errors never quote a message, while the SDK's own readers log a bad line."""

import sys
from typing import IO, Any

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.io_base import GenericSingerReader
from typing_extensions import override


class RecordBeforeSchemaError(ConnectorError, RecordsWithoutSchemaException):
    """A RECORD message comes before the SCHEMA message of its stream."""


class SchemaMessage(msgspec.Struct):
    """A SCHEMA message: https://hub.meltano.com/singer/spec."""

    stream: str
    schema: dict[str, Any]
    bookmark_properties: list[str] | None = None

    @classmethod
    def read(cls, message: dict[str, Any]) -> "SchemaMessage":
        """Convert a message.

        Raises:
            ConnectorError: It is not a SCHEMA message.
        """
        try:
            found = msgspec.convert(message, cls)
            msgspec.convert(found.schema.get("properties"), dict[str, dict[str, Any]])
        except msgspec.ValidationError:
            raise ConnectorError(
                "A SCHEMA message lacks its stream or its schema, or the schema does not describe an object."
            ) from None
        return found


class MessageReader(GenericSingerReader[bytes]):
    """Reads Singer messages, a line of JSON each, from the standard input."""

    @property
    @override
    def default_input(self) -> IO[bytes]:
        if sys.stdin is None:
            raise ConnectorError("The standard input is closed: pipe the output of the tap into the target.")
        return sys.stdin.buffer

    @override
    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        try:
            message = _decoder.decode(line)
            msgspec.convert(message.get("type"), str)
        except msgspec.ValidationError:
            raise ConnectorError("A line of the input is JSON, but not a Singer message.") from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ConnectorError(
                "A line of the input is not valid JSON: the tap was stopped in the middle of it, or "
                "another program writes to the pipe."
            ) from None
        return message

    @override
    def _process_unknown_message(self, message_dict: dict[str, Any]) -> None:
        raise ConnectorError(
            "A message has an unknown type: it must be SCHEMA, RECORD, STATE, ACTIVATE_VERSION or BATCH."
        )


_decoder = msgspec.json.Decoder(dict[str, Any])
