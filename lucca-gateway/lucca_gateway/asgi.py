"""ASGI types, and a helper that responds: https://asgi.readthedocs.io."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypeAlias

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class MountedApp(Protocol):
    """An application that knows the path it serves."""

    @property
    def path(self) -> str:
        """The prefix of the paths it serves, without a trailing slash."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - types of other libraries
        """Serve a request."""


async def respond(send: Send, status: int, body: bytes, content_type: str = "application/json", **headers: str) -> None:
    """Send a complete response. Underscores in the names of headers become hyphens."""
    fields = {"content-type": content_type, "content-length": str(len(body)), **headers}
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})
