"""The command line: `lucca-gateway [--host H] [--port P]`."""

import argparse
import logging
import os
import signal
from collections.abc import Mapping
from importlib.metadata import version

from lucca_gateway import logs
from lucca_gateway.app import Application
from lucca_gateway.server import Server
from lucca_gateway.settings import PREFIX, Settings, read_settings

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")

_logger = logging.getLogger("lucca_gateway")


def serve() -> int:
    """Serve until SIGTERM or SIGINT, then return 0.

    Raises:
        SettingsError: A setting is wrong.
        SystemExit: The port is taken (3).
    """
    options = _parser(os.environ).parse_args()
    settings = read_settings(os.environ)
    logs.configure(settings.log_level.upper())
    _warn_operator(settings)
    # uvicorn replaces these handlers while it runs, and raises the signal again when it has stopped.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    Server(Application(settings), options.host, options.port, settings.shutdown_seconds).run()
    return 0


def _leave(*_: object) -> None:
    """Exit at once, even if an import still waits for an answer from Lucca."""
    logging.shutdown()
    os._exit(0)


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lucca-gateway",
        description="Custom gateway for Elimity Insights: pulls the employees of Lucca HR.",
        epilog=(
            f"Settings are environment variables that begin with {PREFIX}. Two are required: {PREFIX}"
            f"JWT_VALIDATION_BASE_URL and {PREFIX}JWT_VALIDATION_GATEWAY_URL, or {PREFIX}SERVE_WITHOUT_TOKENS=true."
        ),
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1")
    parser.add_argument(
        "--port",
        type=_port,
        default=environment.get("PORT", "").strip() or "8080",
        help="port to listen on; default: the variable PORT, or 8080; 0 takes a free port",
    )
    parser.add_argument("--version", action="version", version=f"lucca-gateway {version('lucca-gateway')}")
    return parser


def _port(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len("65535")) or int(text) > 65535:  # noqa: PLR2004
        raise argparse.ArgumentTypeError("a port, also in the variable PORT, is a number from 0 to 65535")
    return int(text)


def _warn_operator(settings: Settings) -> None:
    """Log a warning for each risky or ignored setting."""
    if not settings.validates_tokens:
        _logger.warning(
            "NO TOKENS ARE VALIDATED: the gateway works for whoever reaches it. Let only Elimity Insights reach it."
        )
    elif settings.jwt_validation_optional:
        _logger.warning("Tokens are optional: requests without one are served.")
    if hosts := settings.allowed_hosts:
        _logger.warning("Hosts other than Lucca's own are allowed, at any address.", extra=logs.fields(hosts=hosts))
    if proxies := [name for name in PROXY_VARIABLES if os.environ.get(name)]:
        _logger.warning("%s is not used for Lucca: the gateway connects to it directly.", " and ".join(proxies))
