"""Validates the catalog and the state, and converts the catalog to the form that the SDK reads."""

from typing import Annotated, Any

import msgspec
from lucca_elimity_kit.errors import ConnectorError


class _Schema(msgspec.Struct):
    type: str | list[str] | None = None
    properties: dict[str, "_Schema"] | None = None
    items: "_Schema | None" = None


class _About(msgspec.Struct, rename="kebab"):
    """The metadata of a stream or a property."""

    selected: bool | None = None
    selected_by_default: bool | None = None
    inclusion: str | None = None
    replication_method: str | None = None
    replication_key: str | None = None
    forced_replication_method: str | None = None
    valid_replication_keys: list[str] | None = None
    table_key_properties: list[str] | None = None


class _Metadata(msgspec.Struct):
    breadcrumb: list[str]
    metadata: _About


class _Entry(msgspec.Struct):
    tap_stream_id: str
    schema: _Schema = msgspec.field(default_factory=_Schema)
    metadata: list[_Metadata] = []
    stream: str | None = None
    stream_alias: str | None = None
    key_properties: list[str] | None = None
    replication_method: str | None = None
    replication_key: str | None = None


class _Catalog(msgspec.Struct):
    """https://hub.meltano.com/singer/spec."""

    streams: list[_Entry]


class _Bookmark(msgspec.Struct):
    """The part of a bookmark that the SDK reads. Other keys stay as they are."""

    partitions: Annotated[list[Any], msgspec.Meta(max_length=0)] = []  # the streams have none
    progress_markers: dict[str, Any] | None = None
    replication_key: str | None = None


class _State(msgspec.Struct):
    bookmarks: dict[str, _Bookmark] = {}


def checked_catalog(catalog: Any) -> Any:  # noqa: ANN401 - a Catalog of the SDK, or JSON
    """Validate a catalog, and move each replication method to where the SDK looks for it.

    Raises:
        ConnectorError: The JSON isn't a Singer catalog.
    """
    if type(catalog) is dict:
        _check(catalog, _Catalog, "catalog")
        if any(entry.get("stream") not in {None, entry["tap_stream_id"]} for entry in catalog["streams"]):
            raise ConnectorError(
                "The catalog gives a stream another name than its id: use '__alias__' in 'stream_maps' instead."
            )
        _copy_replication(catalog)
    return catalog


def checked_state(state: Any) -> Any:  # noqa: ANN401 - JSON, or None
    """Validate a state and return it.

    Raises:
        ConnectorError: The JSON isn't a Singer state.
    """
    if isinstance(state, dict):
        _check(state, _State, "state")
    return state


def _check(content: dict[str, Any], form: type[msgspec.Struct], what: str) -> None:
    try:
        msgspec.convert(content, form)
    except (msgspec.ValidationError, RecursionError):
        raise ConnectorError(
            f"The {what} is JSON, but not of the form that Singer gives it. Use one that the tap wrote, or leave the "
            "option out."
        ) from None


def _copy_replication(catalog: dict[str, Any]) -> None:
    """Copy the replication method and key from the metadata of each stream into its entry.

    Singer allows both places (https://hub.meltano.com/singer/spec), but the SDK prefers the entry and ignores a
    `replication-method` in the metadata: https://github.com/meltano/sdk/issues/2868.
    """
    for entry in catalog["streams"]:
        for metadata in entry.get("metadata", ()):
            if not metadata["breadcrumb"]:
                for name in ("replication-method", "replication-key"):
                    if name in metadata["metadata"]:
                        entry[name.replace("-", "_")] = metadata["metadata"][name]
