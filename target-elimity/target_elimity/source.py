"""Reads back what a source of Elimity Insights holds, with an API token. The gateway uses it, too.

The answer is untrusted: it is read in pieces, validated strictly and never logged.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from lucca_elimity_kit.errors import ConnectorError
from lucca_elimity_kit.http import Http, decode
from lucca_elimity_kit.retries import CallError, FailedTryError
from lucca_elimity_kit.streaming import JsonStream, MalformedJsonError

from target_elimity.attributes import ATTRIBUTES, ENTITY_TYPE, Employee

WITHOUT_BASELINE = (
    "Nothing is imported without the comparison that the API token is for. To import without it, remove "
    "'api_token_id' and 'api_token_secret'."
)
_MALFORMED = "Elimity Insights does not answer with what the source holds, or not with all of it, each employee once"
_STATUS = "status"


class SourceError(ConnectorError):
    """What the source holds can't be read. The message says what to do.

    Attributes:
        status: The status of the answer, if there was one.
    """

    def __init__(self, problem: str, status: int | None = None) -> None:
        super().__init__(f"{problem} {WITHOUT_BASELINE}")
        self.status = status


@dataclass(frozen=True)
class Source:
    """A source as an API token sees it.

    Attributes:
        http: Calls Elimity Insights with the API token.
        url: URL of the server, without a slash at its end.
        id: The number of the source.
        seconds: The time limit for reading all that it holds.
    """

    http: Http
    url: str
    id: int
    seconds: float

    def check(self) -> None:
        """Check that the API token may read the source.

        Raises:
            SourceError: It may not, or the check failed.
        """
        with _as_source_error():
            listed = self.http.call(
                "GET",
                f"{self.url}/api/agent/sources",
                what="Asking which sources the API token may read",
                read=_read_sources,
                advice=_advice,
            )
        if not any(source.id == self.id and not source.archived for source in listed):
            raise SourceError(
                f"The API token may not read source {self.id}, or the source is archived: the owner of the token "
                "(api_token_id) must be allowed to see the source.",
                HTTPStatus.FORBIDDEN,
            )

    def employees(self, *, values: bool) -> Iterator[Employee]:
        """Yield every employee that the source holds, in no order. They come in one page: pages have no stable order.

        Args:
            values: Whether to read all values. Otherwise, it reads only the status and whether each value is assigned,
                and an assigned value is an empty text.

        Raises:
            SourceError: They can't be read, or some are missing.
        """
        # Two inclusions for each attribute, as the vendor's client asks: whether it has a value, then the value.
        types = [attribute.type if values or attribute.id == _STATUS else None for attribute in ATTRIBUTES]
        include = [
            {"expr": {"attributeType": attribute.id, "reference": "", "type": kind}, "type": type_}
            for attribute, value_type in zip(ATTRIBUTES, types, strict=True)
            for kind, type_ in (("assigned", "boolean"), ("attribute", value_type))
            if type_
        ]
        with (
            _as_source_error(),
            self.http.stream(
                "POST",
                f"{self.url}/api/agent/query",
                what="Reading what the source holds",
                seconds=self.seconds,
                advice=_advice,
                json=[{**_QUERY, "include": include, "sourceId": self.id}],
            ) as chunks,
        ):
            yield from (_employee(result, types) for result in _results(JsonStream(chunks)))


def malformed() -> SourceError:
    """Return the error for an answer of the wrong form."""
    return SourceError(f"{_MALFORMED}: check the URL of the server.")


class _Listed(msgspec.Struct):
    id: int
    archived: bool


class _Entity(msgspec.Struct):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    name: str


class _Inclusion(msgspec.Struct):
    type: str
    value: str | None


class _Result(msgspec.Struct):
    entity: _Entity
    inclusions: list[_Inclusion]


def _read_sources(body: bytes) -> list[_Listed]:
    try:
        return decode(body, _SOURCES)
    except msgspec.DecodeError:
        raise FailedTryError("answers with something that is no list of sources; check the URL of the server") from None


def _results(answer: JsonStream) -> Iterator[_Result]:
    """Yield the results of the page. Raise MalformedJsonError if their number differs from the page's count."""
    read = lists = 0
    counts: list[object] = []
    for _ in answer.items():
        for key in answer.members():
            if key == "results":
                lists += 1
                for _ in answer.items():
                    read += 1
                    yield msgspec.convert(answer.value(), _Result)
            elif key == "count":
                counts.append(answer.value())
            else:
                answer.value()
    answer.end()
    if lists != 1 or counts != [read] or type(counts[0]) is not int:
        raise MalformedJsonError


def _employee(result: _Result, types: Sequence[str | None]) -> Employee:
    """Return an employee of the source, given the type of each attribute whose value was asked for."""
    inclusions = iter(result.inclusions)
    values: list[str | None] = []
    for value_type in types:
        is_assigned = _value(inclusions, "boolean")
        if is_assigned not in _BOOLEANS:
            raise MalformedJsonError
        value = _value(inclusions, value_type) if value_type else ""
        if is_assigned == "false":
            value = None  # the API doesn't define the value of an unassigned attribute
        elif value is None:
            raise MalformedJsonError
        values.append(value)
    if next(inclusions, None):
        raise MalformedJsonError
    return Employee(result.entity.id, result.entity.name, tuple(values))


def _value(inclusions: Iterator[_Inclusion], expected_type: str) -> str | None:
    inclusion = next(inclusions, None)
    if inclusion is None or inclusion.type != expected_type:
        raise MalformedJsonError
    return inclusion.value


@contextmanager
def _as_source_error() -> Iterator[None]:
    try:
        yield
    except CallError as error:
        raise SourceError(str(error), error.status) from None
    except (MalformedJsonError, msgspec.DecodeError):  # a ValidationError is one
        raise malformed() from None


_ADVICE: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "it does not understand the query; reading back needs Elimity Insights 3.16 or later",
    HTTPStatus.UNAUTHORIZED: "'api_token_id' or 'api_token_secret' is wrong, or the token was revoked",
    HTTPStatus.FORBIDDEN: "the owner of the API token must be allowed to see the source",
    HTTPStatus.NOT_FOUND: "reading back needs Elimity Insights 3.16 or later; check the URL of the server, too",
}
_advice = _ADVICE.get
_BOOLEANS = ("true", "false")
_SOURCES = msgspec.json.Decoder(list[_Listed])
_QUERY: dict[str, Any] = {
    "alias": "",
    "condition": {"boolean": True, "type": "literal"},
    "directLinkGroupByQueries": [],
    "directLinkQueries": [],
    "entityType": ENTITY_TYPE,
    "limit": 999_999,  # as the vendor's client asks
    "linkGroupByQueries": [],
    "linkQueries": [],
    "offset": 0,
    "orderBy": [],
}
