"""Decodes the JSON of another system into the types we expect."""

import json
import re
from typing import TypeVar

import msgspec

T = TypeVar("T")

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body. Half a surrogate pair becomes U+FFFD. A byte order mark is skipped.

    Raises:
        msgspec.ValidationError: The body is JSON, but doesn't have the expected form.
        msgspec.DecodeError: The body is not JSON, or it is nested too deeply.
    """
    body = body.removeprefix(BYTE_ORDER_MARK)
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # msgspec refuses half a surrogate pair, the json module accepts it
    try:
        text = json.dumps(json.loads(body.decode()), ensure_ascii=False)
        return decoder.decode(_LONE_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text))
    except msgspec.DecodeError:
        raise
    except (ValueError, RecursionError):
        raise msgspec.DecodeError("The text is not JSON, or it is nested too deeply.") from None
