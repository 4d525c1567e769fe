"""Serves both generations of the custom gateway protocol with the same import.

Services: `elimity.insights.customgateway.v1alpha1` (server 3.42 or later) and `v1alpha2` (3.46 or later).
"""

from typing import TypeAlias

from elimity.insights.customgateway.v1alpha1 import customgateway_pb2 as v1alpha1
from elimity.insights.customgateway.v1alpha2 import customgateway_pb2 as v1alpha2
from google.protobuf.struct_pb2 import NULL_VALUE
from google.protobuf.struct_pb2 import Value as StructValue
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from lucca_gateway import protocol
from lucca_gateway.configuration import Configuration
from lucca_gateway.encoding import ImportResponse, encode_item
from lucca_gateway.imports import Item, perform_import
from lucca_gateway.protocol import STREAMING, UNARY, RpcError, content_type_of, end_of_stream
from lucca_gateway.settings import Settings
from lucca_gateway.stopping import Stop
from lucca_gateway.streaming import ImportStream, Slots
from lucca_gateway.tenants import Tenants
from lucca_gateway.tokens import Tokens

PACKAGE = "/elimity.insights.customgateway"
# The version says how to interpret a cursor. Elimity Insights reads it with Meta and sends it back with each import.
# Every import is a full one and uses no cursor, so there is only this version.
VERSION = "1"
# Configuration values are short. The gateway stops reading a request that is longer.
MOST_BYTES_OF_A_REQUEST = 1 << 16

ImportRequest: TypeAlias = v1alpha1.PerformImportRequest | v1alpha2.PerformImportRequest


class Service:
    """The methods that Elimity Insights calls."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tenants = Tenants(settings.hosts, settings.requests_per_minute)
        self._tokens = Tokens(settings) if settings.validates_tokens else None
        self._slots = Slots(settings.max_imports)
        self.routes = [
            Route(f"{PACKAGE}.{method}", endpoint, methods=["POST"], max_body_size=MOST_BYTES_OF_A_REQUEST)
            for method, endpoint in (
                ("v1alpha1.Service/PerformImport", self._import_v1alpha1),
                ("v1alpha2.Service/Meta", self._meta),
                ("v1alpha2.Service/PerformImport", self._import_v1alpha2),
            )
        ]

    async def _meta(self, request: Request) -> Response:
        """Return the version of this gateway."""
        await self._source_id(request)
        content_type = content_type_of(request.headers, UNARY)
        protocol.decode(await request.body(), v1alpha2.MetaRequest(), content_type)
        answer = v1alpha2.MetaResponse(initial_cursor=StructValue(null_value=NULL_VALUE), version=VERSION)
        return Response(protocol.encode(answer, content_type), media_type=content_type)

    async def _import_v1alpha1(self, request: Request) -> ASGIApp:
        return await self._import(request, v1alpha1.PerformImportRequest(), v1alpha1.PerformImportResponse)

    async def _import_v1alpha2(self, request: Request) -> ASGIApp:
        return await self._import(request, v1alpha2.PerformImportRequest(), v1alpha2.PerformImportResponse)

    async def _import(self, request: Request, message: ImportRequest, response: type[ImportResponse]) -> ASGIApp:
        """Stream an import, in responses of the same generation as the request."""
        source_id = await self._source_id(request)
        content_type = content_type_of(request.headers, STREAMING)
        try:
            protocol.decode(await request.body(), message, content_type)
            _check_version(message)
        except RpcError as error:
            return Response(end_of_stream(error), media_type=content_type)
        configuration = {
            # A value that isn't text becomes False. The check of the settings refuses it and names the setting.
            name: value.string_value if value.HasField("string_value") else False
            for name, value in message.fields.items()
            if name in Configuration.__struct_fields__
        }
        stop = Stop()
        items = perform_import(configuration, self._settings, self._tenants, stop, source_id)

        def encode(item: Item) -> bytes:
            return protocol.encode(encode_item(item, response), content_type)

        return ImportStream(items, encode, content_type, stop, self._slots)

    async def _source_id(self, request: Request) -> str | None:
        return await self._tokens.source_id(request.headers) if self._tokens else None


def _check_version(message: ImportRequest) -> None:
    if isinstance(message, v1alpha2.PerformImportRequest) and message.version != VERSION:
        raise RpcError(
            "failed_precondition",
            f"The import is requested in another version, but this gateway has version {VERSION!r}. Run it again.",
        )
