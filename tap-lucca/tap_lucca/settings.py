"""The settings of the tap."""

from collections.abc import Iterator, Mapping
from typing import Any

from lucca_elimity_kit.settings import PRINTABLE
from lucca_elimity_kit.urls import parse_url
from singer_sdk import typing as th

from tap_lucca.pagination import MAXIMUM_PAGE_SIZE
from tap_lucca.stream_maps import has_invalid_expression

SCHEMA: dict[str, Any] = th.PropertiesList(
    th.Property(
        "host",
        th.StringType(min_length=1),
        required=True,
        title="Host",
        description="URL of the Lucca instance; `acme.ilucca.net` means `https://acme.ilucca.net`",
    ),
    th.Property(
        "api_key",
        th.StringType(min_length=1, pattern=PRINTABLE),
        required=True,
        secret=True,
        title="API key",
        description="API key of the Lucca instance",
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=MAXIMUM_PAGE_SIZE),
        default=MAXIMUM_PAGE_SIZE,
        title="Page size",
        description=f"Rows per request, 1 to {MAXIMUM_PAGE_SIZE}",
    ),
    th.Property(
        "requests_per_minute",
        th.IntegerType(minimum=1),
        default=40,
        title="Requests per minute",
        description=(
            "Maximum number of requests per minute, 1 or more; Lucca allows 50 for all integrations of a tenant "
            "together, so raise it only if Lucca has raised the tenant's limit"
        ),
    ),
    th.Property(
        "former_employees",
        th.BooleanType,
        default=True,
        title="Former employees",
        description="Whether to read former employees too",
    ),
    th.Property(
        "request_timeout",
        th.IntegerType(minimum=1, maximum=3600),
        default=30,
        title="Request timeout",
        description="Seconds to wait for an answer, 1 to 3600; Lucca itself times out after 5",
    ),
    th.Property(
        "max_retry_seconds",
        th.IntegerType(minimum=0),
        default=300,
        title="Maximum retry time",
        description="Seconds during which to retry a temporary failure (429, 5xx, network)",
    ),
).to_dict()


def flaws(settings: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each flaw that the schema can't express."""
    if "host" in settings:
        try:
            instance_url(settings["host"])
        except ValueError as error:
            yield f"The setting 'host' is not the URL of a Lucca instance: {error}."
    if has_invalid_expression(settings.get("stream_maps") or {}):
        yield "The setting 'stream_maps' has an expression that is not valid Python."


def instance_url(host: str) -> str:
    """Return the URL of a Lucca instance. `acme.ilucca.net` means `https://acme.ilucca.net`.

    Raises:
        ValueError: The URL breaks a rule. The message is a phrase such as "it must be https" and quotes nothing.
    """
    parts = parse_url(host if "://" in host else f"https://{host}", path_allowed=False)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{name}" + (f":{parts.port}" if parts.port else "")
