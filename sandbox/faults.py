"""Injects faults into the answers of the sandbox's servers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Annotated, Literal

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL = "/_sandbox/"
DROP = 16  # bytes
PROXY_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head><body>Proxy: please sign in.</body></html>"

Status = Annotated[int, msgspec.Meta(ge=400, le=599)]
Kind = Literal["reset", "truncate", "cut", "html", "hang", "drip", "answer", "redirect", "mutate"]


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault for requests whose path begins with `path_prefix`: from the `nth` on, `count` times (None: always).

    `kind` is the status of an error answer, or one of:
    `reset` (connection closed without an answer), `truncate` (connection closed in the middle of the body),
    `cut` (half a body, with a matching length), `html` (a proxy's page with status 200), `hang` (the answer is
    `seconds` late), `drip` (the body comes in small pieces, `seconds` apart), `answer` (`body` with status 200),
    `redirect` (to `location`), `mutate` (before the answer, `changes` users and work contracts are deleted and as many
    created).
    """

    path_prefix: str
    kind: Status | Kind
    nth: Annotated[int, msgspec.Meta(ge=1)] = 1
    count: Annotated[int, msgspec.Meta(ge=1)] | None = 1
    headers: dict[str, str] = {}
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"
    seconds: float = 30.0
    location: str = "https://elsewhere.example/"
    changes: int = 5
    seed: int = 0


@dataclass(slots=True)
class Planned:
    """A fault and how many requests it has matched so far."""

    fault: Fault
    matched: int = 0

    def strikes(self, path: str) -> bool:
        """Count a request, and return whether the fault applies to it."""
        if not path.startswith(self.fault.path_prefix):
            return False
        self.matched += 1
        late = self.matched - self.fault.nth
        return late >= 0 and (self.fault.count is None or late < self.fault.count)


@dataclass(slots=True)
class Faults:
    """The planned faults. Both servers and several threads may share it."""

    _planned: list[Planned] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def add(self, *faults: Fault) -> None:
        """Plan faults. Raises `msgspec.ValidationError` for an invalid one."""
        checked = msgspec.convert(msgspec.to_builtins(faults), list[Fault])
        with self._lock:
            self._planned += [Planned(fault) for fault in checked]

    def clear(self) -> None:
        """Forget every fault."""
        with self._lock:
            self._planned.clear()

    def planned(self) -> list[Planned]:
        """Return every fault added since the last `clear`, including those that are over."""
        with self._lock:
            return list(self._planned)

    def take(self, path: str) -> Fault | None:
        """Count a request, and return its fault. If several apply, return the one that was added first."""
        with self._lock:
            striking = [planned.fault for planned in self._planned if planned.strikes(path)]
        return striking[0] if striking else None


@dataclass(frozen=True, slots=True)
class FaultInjection:
    """Wraps an ASGI application and injects faults. `mutate` changes the data that it holds."""

    app: ASGIApp
    faults: Faults
    mutate: Callable[[Fault], None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with its fault if it has one."""
        if scope["type"] != "http" or scope["path"].startswith(CONTROL):
            await self.app(scope, receive, send)
            return
        fault = self.faults.take(scope["path"])
        if fault is None:
            await self.app(scope, receive, send)
            return
        # Read the request first. A client that is still sending would see a different fault.
        again = _replay(await _read_body(receive), receive)
        if fault.kind == "reset":
            await _abort(scope, receive)
        elif fault.kind in {"truncate", "cut"}:
            await self._answer_half(fault, scope, again, send)
        elif fault.kind == "drip":
            await self._answer_slowly(fault, scope, again, send)
        elif fault.kind == "hang":
            if await _gone_within(fault.seconds, receive):
                return
            await self.app(scope, again, send)
        elif fault.kind == "mutate":
            if self.mutate:
                self.mutate(fault)
            await self.app(scope, again, send)
        else:
            await _answer(fault)(scope, again, send)

    async def _whole_answer(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        """Return the head and the body of the application's answer."""
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, keep)
        return messages[0], b"".join(message.get("body", b"") for message in messages[1:])

    async def _answer_slowly(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await self._whole_answer(scope, receive)
        await send(start)
        for position in range(0, len(body), DROP):
            await send({"type": "http.response.body", "body": body[position : position + DROP], "more_body": True})
            if await _gone_within(fault.seconds, receive):
                return
        await send({"type": "http.response.body"})

    async def _answer_half(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        start, body = await self._whole_answer(scope, receive)
        if not body:
            await _abort(scope, receive)
            return
        half = body[: len(body) // 2]
        if fault.kind == "cut":
            start["headers"] = [header for header in start["headers"] if header[0] != b"content-length"]
            start["headers"].append((b"content-length", str(len(half)).encode()))
        await send(start)
        await send({"type": "http.response.body", "body": half, "more_body": fault.kind == "truncate"})
        if fault.kind == "truncate":
            scope["state"]["transport"].close()
            await _gone(receive)


def control_routes(faults: Faults) -> list[Route]:
    """Return the routes by which another process plans faults: POST a JSON list, GET or DELETE all."""

    async def control(request: Request) -> Response:
        if request.method == "POST":
            try:
                faults.add(*msgspec.json.decode(await request.body(), type=list[Fault]))
            except msgspec.DecodeError as error:
                return Response(str(error), status_code=400)
        elif request.method == "DELETE":
            faults.clear()
        return Response(msgspec.json.encode(faults.planned()), media_type="application/json")

    return [Route(f"{CONTROL}faults", control, methods=["GET", "POST", "DELETE"])]


def _answer(fault: Fault) -> Response:
    if fault.kind == "html":
        return HTMLResponse(PROXY_PAGE)
    if fault.kind == "redirect":
        return RedirectResponse(fault.location, status_code=302)
    status = 200 if fault.kind == "answer" else int(fault.kind)
    return Response(fault.body, status_code=status, headers=fault.headers, media_type=fault.content_type)


async def _read_body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that first returns a body already read, then goes on receiving."""
    left: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return again


async def _abort(scope: Scope, receive: Receive) -> None:
    scope["state"]["transport"].abort()
    await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _gone_within(seconds: float, receive: Receive) -> bool:
    """Wait for the client to disconnect, at most this long, and return whether it did."""
    try:
        await asyncio.wait_for(_gone(receive), seconds)
    except TimeoutError:
        return False
    return True
