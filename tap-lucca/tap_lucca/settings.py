"""The settings of the tap."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, TypeAlias

from lucca_elimity_kit.settings import SECRET, Printable, ProgramSettings
from lucca_elimity_kit.urls import parse_url
from msgspec import Meta, field
from typing_extensions import override

from tap_lucca.pagination import MAXIMUM_PAGE_SIZE

PageSize: TypeAlias = Annotated[
    int,
    Meta(title="Page size", description=f"Rows per request, 1 to {MAXIMUM_PAGE_SIZE}", ge=1, le=MAXIMUM_PAGE_SIZE),
]
RequestsPerMinute: TypeAlias = Annotated[
    int,
    Meta(
        title="Requests per minute",
        description=(
            "Maximum number of requests per minute, 1 or more; Lucca allows 50 for all integrations of a tenant "
            "together, so raise it only if Lucca has raised the tenant's limit"
        ),
        ge=1,
    ),
]
RequestTimeout: TypeAlias = Annotated[
    int,
    Meta(
        title="Request timeout",
        description="Seconds to wait for an answer, 1 to 3600; Lucca itself times out after 5",
        ge=1,
        le=3600,
    ),
]


class TapSettings(ProgramSettings, frozen=True, kw_only=True):
    """The settings of the tap."""

    prefix: ClassVar[str] = "TAP_LUCCA_"

    host: Annotated[
        str,
        Meta(
            title="Host",
            description="URL of the Lucca instance; `acme.ilucca.net` means `https://acme.ilucca.net`",
        ),
    ]
    api_key: Annotated[
        Printable, Meta(title="API key", description="API key of the Lucca instance", extra_json_schema=SECRET)
    ]
    page_size: PageSize = MAXIMUM_PAGE_SIZE
    requests_per_minute: RequestsPerMinute = 40
    former_employees: Annotated[
        bool, Meta(title="Former employees", description="Whether to read former employees too")
    ] = True
    request_timeout: RequestTimeout = 30
    # The SDK checks what this type doesn't say, when it builds the maps.
    stream_maps: Annotated[
        dict[str, dict[str, str | list[str] | None] | str | None],
        Meta(
            title="Stream maps",
            description="Changes to streams and records: https://sdk.meltano.com/en/latest/stream_maps.html",
            extra={"must_be": "a JSON object of streams, each an object of properties, that holds each name once"},
        ),
    ] = field(default_factory=dict)
    stream_map_config: Annotated[
        dict[str, Any],
        Meta(title="Stream map configuration", description="Values that the expressions in `stream_maps` may use"),
    ] = field(default_factory=dict)
    flattening_enabled: Annotated[
        bool, Meta(title="Flattening", description="Whether to flatten nested objects into properties of their own")
    ] = False
    flattening_max_depth: Annotated[
        Annotated[int, Meta(ge=0)] | None,
        Meta(title="Flattening depth", description="How many levels to flatten; required with `flattening_enabled`"),
    ] = None
    flattening_max_key_length: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(title="Flattening key length", description="The longest name of a flattened property; 255 by default"),
    ] = None
    flattening_separator: Annotated[
        str,
        Meta(title="Flattening separator", description="What joins the names of a flattened property; `__` by default"),
    ] = ""

    @override
    def flaws(self) -> Iterator[tuple[str, str]]:
        if self.flattening_enabled and self.flattening_max_depth is None:
            yield "flattening_max_depth", "is missing: 'flattening_enabled' requires it"
        for stream_map in self.stream_maps.values():
            # The SDK (0.54) ignores the first of these flaws, and ends with a traceback at the other.
            if isinstance(stream_map, dict):
                if stream_map.get("__filter__", "") is None:
                    yield "stream_maps", "has a __filter__ that is null: leave it out"
                if stream_map.get("__else__") not in (None, "__NULL__"):
                    yield "stream_maps", "has an __else__ that is neither null nor __NULL__"
        if self.host:
            try:
                instance_url(self.host)
            except ValueError as error:
                yield "host", f"is not the URL of a Lucca instance: {error}"


def instance_url(host: str) -> str:
    """Return the URL of a Lucca instance. `acme.ilucca.net` means `https://acme.ilucca.net`.

    Raises:
        ValueError: The URL breaks a rule. The message is a phrase such as "it must be https" and quotes nothing.
    """
    parts = parse_url(host if "://" in host else f"https://{host}", path_allowed=False)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{name}" + (f":{parts.port}" if parts.port else "")
