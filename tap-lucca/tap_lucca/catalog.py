"""Validates the catalog and the state before the SDK reads them."""

from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import msgspec
from lucca_elimity_kit.errors import ConnectorError

T = TypeVar("T")

_Replication: TypeAlias = Literal["FULL_TABLE", "INCREMENTAL", "LOG_BASED"]


class _Schema(msgspec.Struct):
    type: str | list[str] | None = None
    properties: dict[str, "_Schema"] | None = None
    items: "_Schema | None" = None


class _About(msgspec.Struct, rename="kebab"):
    """The metadata of a stream or a property."""

    selected: bool | None = None
    selected_by_default: bool | None = None
    inclusion: str | None = None
    replication_method: _Replication | None = None
    forced_replication_method: _Replication | None = None
    replication_key: str | None = None
    table_key_properties: list[str] | None = None


class _Metadata(msgspec.Struct):
    breadcrumb: list[str]
    metadata: _About


class _Entry(msgspec.Struct):
    tap_stream_id: str
    schema: _Schema = msgspec.field(default_factory=_Schema)
    metadata: list[_Metadata] = []
    stream: str | None = None
    key_properties: list[str] | None = None
    replication_method: _Replication | None = None
    replication_key: str | None = None

    @property
    def replication(self) -> _Replication:
        """How the stream is to be read. A key without a method means INCREMENTAL, as in the SDK."""
        methods, keys = [self.replication_method], [self.replication_key]
        for row in self.metadata:
            methods += [row.metadata.replication_method, row.metadata.forced_replication_method]
            keys.append(row.metadata.replication_key)
        given = [method for method in methods if method]
        default: _Replication = "INCREMENTAL" if any(keys) and not given else "FULL_TABLE"
        return next((method for method in given if method != "FULL_TABLE"), default)


class _Catalog(msgspec.Struct):
    """https://hub.meltano.com/singer/spec."""

    streams: list[_Entry]


class _Bookmark(msgspec.Struct):
    """The part of a bookmark that the SDK reads. Other keys stay."""

    partitions: Annotated[list[Any], msgspec.Meta(max_length=0)] = []  # the streams have none
    progress_markers: dict[str, Any] = {}


class _State(msgspec.Struct):
    bookmarks: dict[str, _Bookmark]


def checked_catalog(catalog: dict[str, Any]) -> dict[str, Any]:
    """Validate a catalog and return it.

    Raises:
        ConnectorError: The JSON isn't a Singer catalog, or it asks for something that the tap doesn't do.
    """
    for entry in _checked(catalog, _Catalog, "catalog").streams:
        if entry.stream not in {None, entry.tap_stream_id}:
            raise ConnectorError(
                "The catalog gives a stream another name than its id: use '__alias__' in 'stream_maps' instead."
            )
        if entry.replication != "FULL_TABLE":
            raise ConnectorError(
                f"The catalog asks for {entry.replication} replication of '{entry.tap_stream_id}', but that could "
                "leave outdated values in a target: Lucca doesn't say whether a change of a department or manager "
                "counts as a change of its users. Set the replication method to FULL_TABLE."
            )
    return catalog


def checked_state(state: dict[str, Any]) -> dict[str, Any]:
    """Validate a state and return it. An empty one is valid.

    Raises:
        ConnectorError: The JSON isn't a Singer state.
    """
    if state:
        if "bookmarks" not in state:
            raise ConnectorError(
                "The state has no 'bookmarks', so it would count as empty. If `meltano state get` printed it, pass "
                "only what is inside 'singer_state'."
            )
        _checked(state, _State, "state")
    return state


def _checked(content: dict[str, Any], form: type[T], what: str) -> T:
    try:
        return msgspec.convert(content, form)
    except msgspec.ValidationError:
        raise ConnectorError(
            f"The {what} is JSON, but not of the form that Singer gives it. Use one that the tap wrote, or leave the "
            "option out."
        ) from None
