"""Reading JSON piece by piece."""

import json
import tracemalloc
from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lucca_elimity_kit.streaming import LONGEST_VALUE, JsonStream, MalformedJsonError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=3)


def walk(content: bytes, size: int = 1 << 16) -> list[dict[str, object]]:
    """Read an array of objects piece by piece, and return it."""
    stream = JsonStream(content[start : start + size] for start in range(0, len(content), size))
    found: list[dict[str, object]] = []
    for _ in stream.items():
        found.append({})
        for key in stream.members():
            found[-1][key] = stream.value()
    stream.end()
    return found


@given(OBJECTS, st.integers(1, 9), st.booleans(), st.sampled_from([None, 1]))
def test_it_reads_what_json_reads(values: list[dict[str, object]], size: int, ascii_: bool, indent: int | None) -> None:
    """The stream reads the same values as `json`, however the bytes are cut."""
    content = json.dumps(values, ensure_ascii=ascii_, indent=indent).encode(errors="surrogatepass")
    assert walk(b"\xef\xbb\xbf " + content + b" \n", size) == values


@pytest.mark.parametrize("size", [1, 1 << 16])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[",
        b"[{",
        b"{}",
        b"[1]",
        b'[{"a":1}',
        b'[{"a":1}] x',
        b'[{"a":1}][]',
        b'[{"a" 1}]',
        b'[{"a":1,}]',
        b'[{"a":1},]',
        b"[{1:1}]",
        b'[{"a":NaN}]',
        b'[{"a":tru}]',
        b'[{"a":"\xff"}]',
        b'[{"a":"\xe2\x82',
        b'[{"a":["\\ud83d"]}]',
        b'[{"a":{"\\uDE00":1}}]',
        b'[{"a":"x',
        b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
        b'[{"a":' + b"9" * 10_000 + b"}]",
        b"<html>",
    ],
    ids=lambda content: ascii(content)[:20] if isinstance(content, bytes) else str(content),
)
def test_what_is_malformed(content: bytes, size: int) -> None:
    """Malformed JSON raises MalformedJsonError, and is never read as something else."""
    if len(content) > 1000 and size == 1:
        pytest.skip("takes long, and shows nothing more")
    with pytest.raises(MalformedJsonError):
        walk(content, size)


def count_items(stream: JsonStream) -> int:
    """Return how many items of an array can be read before it is malformed."""
    read = 0
    try:
        for _ in stream.items():
            stream.value()
            read += 1
    except MalformedJsonError:
        return read
    raise AssertionError("it ends well")


def test_memory_stays_flat() -> None:
    """Neither many items nor an endless value fills the memory."""
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield b'["'
        while True:
            taken += 1
            yield b"x" * 10_000

    tracemalloc.start()
    assert count_items(JsonStream(endless())) == 0
    assert taken < 2 * LONGEST_VALUE // 10_000
    read = count_items(JsonStream(chain([b"[0"], repeat(b',{"name":"somebody"}' * 1000, 200))))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert read > 100_000
    assert peak < 8 * LONGEST_VALUE
