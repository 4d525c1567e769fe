"""Decoding the JSON of other systems."""

import msgspec
import pytest
from lucca_elimity_kit.http import decode


class Row(msgspec.Struct):
    """A row."""

    id: int
    title: str | None = None


DECODER = msgspec.json.Decoder(list[Row])


@pytest.mark.parametrize(
    ("body", "title"),
    [
        (rb'"Chef"', "Chef"),
        (rb'"Chef \ud83d"', "Chef \ufffd"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\ud83d\ude00 \ud83dx"', "\N{GRINNING FACE} \ufffdx"),
        (rb'"\ud83d\\ude00"', "\ufffd\\ude00"),
        (rb"null", None),
    ],
)
def test_half_a_surrogate_pair_stops_nobody(body: bytes, title: str | None) -> None:
    """Half a surrogate pair is replaced. Whole pairs stay."""
    assert decode(b'[{"id": 1, "title": ' + body + b"}]", DECODER) == [Row(1, title)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[",
        b'[{"id": 1}] x',
        b'[{"id": NaN, "title": "\\ud83d"}]',
        b'[{"id": 1, "title": "\xff"}]',
        b'[{"id": 1, "title": "\xed\xa0\xbd"}]',
        b"\xff\xfe[\x00]\x00",
        b"[" * 100_000 + b"]" * 100_000,
        b'["\\ud83d",' * 100_000,
        b'[{"id": ' + b"9" * 5000 + b', "title": "\\ud83d"}]',
    ],
)
def test_what_is_no_json(body: bytes) -> None:
    """Text that isn't JSON raises DecodeError, whatever the cause."""
    with pytest.raises(msgspec.DecodeError):
        decode(body, DECODER)


@pytest.mark.parametrize("body", [b'[{"id": "x"}]', b'[{"id": "\\ud83d"}]', b"{}"])
def test_what_has_another_form(body: bytes) -> None:
    """JSON of another form raises ValidationError."""
    with pytest.raises(msgspec.ValidationError):
        decode(body, DECODER)
