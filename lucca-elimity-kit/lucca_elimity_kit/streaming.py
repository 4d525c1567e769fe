"""Parses JSON that is too large for memory, piece by piece.

Not ijson: its memory grows with the square of the nesting depth, and the other system controls the depth.
"""

import json
import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import NoReturn

# The most characters that one value may have.
LONGEST_VALUE = 16 * 1024 * 1024

_AFTER_A_VALUE = frozenset(",:]} \t\n\r")
_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class MalformedJsonError(ValueError):
    """The input isn't JSON, or doesn't have the expected form."""


class JsonStream:
    """A JSON text. Callers step through its arrays and objects, and take everything else as whole values.

    It comes in chunks of bytes.
    """

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._decode = getincrementaldecoder("utf-8-sig")().decode
        self._text = ""
        self._position = 0
        self._ended = False

    def items(self) -> Iterator[None]:
        """Step into an array. Yield before each item; the caller must take it before the next.

        Raises:
            MalformedJsonError: There is no array.
        """
        return self._steps("[", "]")

    def members(self) -> Iterator[str]:
        """Step into an object. Yield each key; the caller must take its value before the next.

        Raises:
            MalformedJsonError: There is no object.
        """
        for _ in self._steps("{", "}"):
            key = self.value()
            if not isinstance(key, str):
                raise MalformedJsonError
            self._take(":")
            yield key

    def value(self) -> object:
        """Take a whole value.

        Raises:
            MalformedJsonError: There is none, or it is too long, nested too deeply or holds half a surrogate pair.
        """
        while True:
            self._next()
            try:
                value: object
                value, end = _decoder.raw_decode(self._text, self._position)
            except RecursionError:
                raise MalformedJsonError from None
            except ValueError:
                whole = False  # the rest may still come
            else:
                whole = self._ended or self._text[end : end + 1] in _AFTER_A_VALUE  # a number may go on
            if whole:
                if _SURROGATE.search(self._text, self._position, end):
                    _check_text(value)
                self._position = end
                return value
            self._read()

    def end(self) -> None:
        """Check that nothing follows.

        Raises:
            MalformedJsonError: Something follows.
        """
        if self._next():
            raise MalformedJsonError

    def _steps(self, begin: str, end: str) -> Iterator[None]:
        self._take(begin)
        if self._next() == end:
            self._take(end)
            return
        while True:
            yield
            if self._take(f",{end}") == end:
                return

    def _take(self, expected: str) -> str:
        character = self._next()
        if not character or character not in expected:
            raise MalformedJsonError
        self._position += 1
        return character

    def _next(self) -> str:
        """Return the next character that isn't white space, or an empty string at the end."""
        while True:
            space = _SPACE.match(self._text, self._position)
            self._position = space.end() if space else self._position
            if self._position < len(self._text) or self._ended:
                return self._text[self._position : self._position + 1]
            self._read()

    def _read(self) -> None:
        """Double what is left, because a value that is still incomplete is parsed again from its start."""
        text = [self._text[self._position :]]
        if self._ended or len(text[0]) > LONGEST_VALUE:
            raise MalformedJsonError
        size = 0
        while not self._ended and size <= len(text[0]):
            chunk = next(self._chunks, b"")
            self._ended = not chunk
            try:
                text.append(self._decode(chunk, self._ended))
            except UnicodeDecodeError:
                raise MalformedJsonError from None
            size += len(text[-1])
        self._text = "".join(text)
        self._position = 0


def _check_text(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedJsonError from None


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)
