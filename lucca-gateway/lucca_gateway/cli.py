"""The command line: `lucca-gateway [--host H] [--port P]`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
from importlib.metadata import version
from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

from lucca_gateway import logs
from lucca_gateway.app import Application
from lucca_gateway.settings import PREFIX, Settings, read_settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")

_logger = logging.getLogger("lucca_gateway")


def serve() -> int:
    """Serve until told to stop by SIGTERM or SIGINT, and return 0 then.

    Raises:
        SettingsError: A setting is wrong.
        SystemExit: The port is taken (3).
    """
    options = _parser(os.environ).parse_args()
    settings = read_settings(os.environ)
    logs.configure(settings.log_level)
    _tell(settings)
    # uvicorn puts its own handlers in their place, and raises the signal again when it has stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    server = _Server(Application(settings), options.host, options.port, settings.shutdown_seconds)
    server.run()
    return 0


def _leave(*_: object) -> None:
    """End at once: an import that still waits for an answer of Lucca is to hold nothing up."""
    logging.shutdown()
    os._exit(0)


class _Server(uvicorn.Server):
    """Gives running imports a moment when it is told to stop, then ends them with an error."""

    def __init__(self, application: Application, host: str, port: int, patience: int) -> None:
        super().__init__(
            uvicorn.Config(
                application,
                host=host,
                port=port,
                loop="asyncio",
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=patience + 2,
            )
        )
        self._application = application
        self._patience = patience

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().call_later(self._patience, self._application.stop)
        await super().shutdown(sockets)


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lucca-gateway",
        description="Custom gateway for Elimity Insights: pulls the employees of Lucca HR.",
        epilog=f"Settings are environment variables that begin with {PREFIX}.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on, 127.0.0.1 by default")
    parser.add_argument(
        "--port",
        type=_port,
        default=environment.get("PORT", "").strip() or "8080",
        help="port to listen on, that of the variable PORT or 8080 by default; 0 takes a free one",
    )
    parser.add_argument("--version", action="version", version=f"lucca-gateway {version('lucca-gateway')}")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len("65535")) or int(text) > 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, a number from 0 to 65535")
    return int(text)


def _tell(settings: Settings) -> None:
    """Say at the start what an operator must not overlook."""
    if settings.tokens is None:
        _logger.warning(
            "NO TOKENS ARE VALIDATED: whoever reaches this gateway can use it with an API key of Lucca. "
            "Set %sJWT_VALIDATION_BASE_URL and %sJWT_VALIDATION_GATEWAY_URL, or let only Elimity Insights reach it.",
            PREFIX,
            PREFIX,
        )
    elif settings.tokens.optional:
        _logger.warning("Tokens are optional: requests without one are served.")
    if settings.allowed_hosts:
        hosts = [f"{host.name}:{host.port or '*'}" for host in settings.allowed_hosts]
        _logger.warning("Hosts beside Lucca's own are allowed, at any address.", extra=logs.fields(hosts=hosts))
    if proxies := [name for name in PROXY_VARIABLES if os.environ.get(name)]:
        _logger.warning("%s is not used for Lucca: the gateway connects to it directly.", " and ".join(proxies))
