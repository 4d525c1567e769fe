"""A simulated Lucca: the users of its v3 API and the work contracts of its v4 API."""

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hmac import compare_digest
from random import Random
from threading import RLock
from typing import NamedTuple

import msgspec
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from sandbox.company import Company, has_left
from sandbox.faults import CONTROL, Fault, FaultInjection, Faults, control_routes
from sandbox.projection import DEFAULT, Selection, parse_fields, projector, schema_of
from sandbox.rate_limit import RateLimit
from sandbox.rows import User, WorkContract

USERS = "/api/v3/users"
WORK_CONTRACTS = "/directory/api/4.0/work-contracts"
MAX_ROWS = 1000
DEFAULT_LIMIT = 100
USER_SCHEMA = schema_of(User)
EMBEDDED = ("type", "establishment", "spc")


class LoggedRequest(NamedTuple):
    """A request as it arrived; `time` is in seconds of the monotonic clock."""

    path: str
    query: dict[str, str]
    time: float


Hook = Callable[["Lucca", str, int], None]


@dataclass(slots=True)
class Lucca:
    """The content and behavior of a Lucca. Serve its `app`; every attribute may change while it is served.

    Attributes:
        max_page: The most rows on a page, whatever limit is requested.
        requests_per_window: The most requests in any window of `window_seconds`; None turns the limit off.
        retry_after: Whether a 429 says how long to wait.
        allow_former: Whether the API key may read former employees.
        hidden_fields: Fields outside the key's role, such as `mail` or `manager.mail`. They are silently omitted.
        embed_contract_types: Whether contracts have `type`, `establishment` and `spc`, or only their ids.
        forbidden_paths: Resources outside the key's role.
        headers: Headers of all answers, such as `Deprecation` and `Sunset`.
        on_request: Called as (lucca, path, nth) before the nth allowed request of a path is answered.
        requests: Every request that arrived, whatever its answer.
    """

    company: Company
    api_key: str = "sandbox-api-key"
    max_page: int = MAX_ROWS
    requests_per_window: int | None = 50
    window_seconds: float = 60.0
    retry_after: bool = True
    faults: Faults = field(default_factory=Faults)
    today: date | None = None
    allow_former: bool = True
    hidden_fields: frozenset[str] = frozenset()
    embed_contract_types: bool = True
    forbidden_paths: frozenset[str] = frozenset()
    headers: dict[str, str] = field(default_factory=dict)
    on_request: list[Hook] = field(default_factory=list)
    requests: list[LoggedRequest] = field(default_factory=list)
    app: ASGIApp = field(init=False, repr=False)
    rate_limit: RateLimit = field(init=False, default_factory=RateLimit, repr=False)
    _allowed: Counter[str] = field(init=False, default_factory=Counter, repr=False)
    _views: dict[object, Sequence[Mapping[str, object]]] = field(init=False, default_factory=dict, repr=False)
    _lock: RLock = field(init=False, default_factory=RLock, repr=False)

    def __post_init__(self) -> None:
        """Build the application."""
        self.app = _application(self)

    @contextmanager
    def changing(self) -> Iterator[Company]:
        """Yield the company, to change it between two answers."""
        with self._lock:
            yield self.company
            self._views.clear()

    def hire(self, count: int, random: Random) -> list[User]:
        """Add users with work contracts."""
        with self.changing() as company:
            return company.hire(count, random)

    def create_contracts(self, count: int, random: Random) -> list[WorkContract]:
        """Add work contracts to random users."""
        with self.changing() as company:
            return company.sign_contracts(count, random)

    def delete_users(self, ids: set[int]) -> None:
        """Delete users and their work contracts."""
        with self.changing() as company:
            company.delete_users(ids)

    def delete_contracts(self, ids: set[int]) -> None:
        """Delete work contracts."""
        with self.changing() as company:
            company.delete_contracts(ids)

    def churn(self, changes: int, random: Random) -> None:
        """Delete `changes` random users and as many work contracts, then create as many of each."""
        with self.changing() as company:
            users = [user["id"] for user in company.users]
            company.delete_users(set(random.sample(users, min(changes, len(users)))))
            contracts = [contract["id"] for contract in company.work_contracts]
            company.delete_contracts(set(random.sample(contracts, min(changes, len(contracts)))))
            company.hire(changes, random)
            company.sign_contracts(changes, random)

    def answer(self, request: Request) -> Response:
        """Answer a request. Raises HTTPException if it must be refused."""
        path = request.url.path
        expected = f"lucca application={self.api_key}"
        if not compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
            raise HTTPException(401, "the API key is not known")
        if path in self.forbidden_paths:
            raise HTTPException(403, "the role of the API key does not include this resource")
        parameters = request.query_params.multi_items()
        query = dict(parameters)
        if len(query) < len(parameters):
            raise HTTPException(400, "a parameter is given twice")
        with self._lock:
            self._allowed[path] += 1
            nth = self._allowed[path]
        for hook in self.on_request:
            hook(self, path, nth)
        read = self._read_users if path == USERS else self._read_work_contracts
        try:
            with self._lock:
                body = msgspec.json.encode(read(query))
        except ValueError as error:
            raise HTTPException(400, str(error)) from None
        return Response(body, headers=self.headers, media_type="application/json")

    def log(self, path: str, query: dict[str, str]) -> float:
        """Log a request, and return how many seconds the client must wait; 0 lets the request pass."""
        with self._lock:
            self.requests.append(LoggedRequest(path, query, time.monotonic()))
            self.rate_limit.requests, self.rate_limit.seconds = self.requests_per_window, self.window_seconds
            return self.rate_limit.seconds_to_wait()

    def _read_users(self, query: dict[str, str]) -> object:
        offset, limit = _paging(query.pop("paging", f"0,{MAX_ROWS}"))
        selection = parse_fields(query.pop("fields")) if "fields" in query else DEFAULT.copy()
        counted = _take_count(selection)
        project = projector(selection or DEFAULT, USER_SCHEMA, frozenset(name.lower() for name in self.hidden_fields))
        former = _boolean("formerEmployees", query.pop("formerEmployees", "false")) and self.allow_former
        order = query.pop("orderBy", None)
        if query:
            raise ValueError(f"unknown parameters: {', '.join(query)}")
        view = self._view((order, former), lambda: self._users_in_order(order, former))
        limit = min(limit, self.max_page)
        data: dict[str, object] = {"items": [project(row) for row in view[offset : offset + limit]]}
        if counted:
            data["count"] = len(view)
        return {"header": {"generated": datetime.now(UTC), "principal": "sandbox"}, "data": data}

    def _users_in_order(self, order: str | None, former: bool) -> list[User]:
        today = self.today or self.company.today
        users = [user for user in self.company.users if former or not has_left(user, today)]
        if order is None:
            # Lucca promises no default order. Don't sort by id, so that no client relies on that.
            return sorted(users, key=lambda user: (user["lastName"] or "", -user["id"]))
        if order != "id,asc":
            raise ValueError(f"orderBy is not understood: {order}")
        return sorted(users, key=lambda user: user["id"])

    def _read_work_contracts(self, query: dict[str, str]) -> object:
        page = _whole_number("page", query.pop("page", "1"), 1)
        limit = _whole_number("limit", query.pop("limit", str(DEFAULT_LIMIT)), 0, MAX_ROWS)
        counted = query.pop("fields.root", None)
        if counted not in {None, "count"}:
            raise ValueError(f"fields.root is not understood: {counted}")
        archived = _boolean("isArchived", query.pop("isArchived")) if "isArchived" in query else None
        if query:
            raise ValueError(f"unknown parameters: {', '.join(query)}")
        view = self._view(("contracts", archived), lambda: self._contracts(archived=archived))
        limit = min(limit, self.max_page)
        hidden = {name.lower() for name in self.hidden_fields}
        if not self.embed_contract_types:
            hidden.update(EMBEDDED)
        rows = view[(page - 1) * limit : page * limit]
        items = [{name: row[name] for name in row if name.lower() not in hidden} for row in rows] if hidden else rows
        return {"items": items, "count": len(view)} if counted else {"items": items}

    def _contracts(self, *, archived: bool | None) -> list[WorkContract]:
        rows = self.company.work_contracts
        return [row for row in rows if archived is None or archived == (row["id"] in self.company.archived_contracts)]

    def _view(self, key: object, make: Callable[[], Sequence[Mapping[str, object]]]) -> Sequence[Mapping[str, object]]:
        """Cache the rows that all pages of a query share, until the company changes."""
        if key not in self._views:
            self._views[key] = make()
        return self._views[key]


@dataclass(frozen=True, slots=True)
class _Door:
    """Logs every request and refuses those over the rate limit, before faults are injected."""

    app: ASGIApp
    lucca: Lucca

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(CONTROL):
            request = Request(scope)
            wait = self.lucca.log(scope["path"], dict(request.query_params))
            if wait:
                headers = {"Retry-After": str(math.ceil(wait))} if self.lucca.retry_after else None
                refusal = HTTPException(429, "too many requests", headers)
                await _refuse(request, refusal)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _application(lucca: Lucca) -> Starlette:
    async def read(request: Request) -> Response:
        return await run_in_threadpool(lucca.answer, request)

    async def refuse(request: Request, error: Exception) -> Response:
        return _refuse(request, error)

    def mutate(fault: Fault) -> None:
        lucca.churn(fault.changes, Random(fault.seed))

    routes = [Route(path, read, methods=["GET"]) for path in (USERS, WORK_CONTRACTS)]
    for route in routes:
        route.methods = {"GET"}
    return Starlette(
        routes=[*routes, *control_routes(lucca.faults)],
        middleware=[
            Middleware(_Door, lucca=lucca),
            Middleware(FaultInjection, faults=lucca.faults, mutate=mutate),
        ],
        exception_handlers={HTTPException: refuse},
    )


def _refuse(request: Request, error: Exception) -> Response:
    """Return an error in the format of v3, or as the problem details of v4 (RFC 7807)."""
    if not isinstance(error, HTTPException):
        raise error
    status, message = error.status_code, error.detail
    if request.url.path.startswith("/api/v3"):
        body: object = {"status": status, "message": message}
        media_type = "application/json"
    else:
        body = {"title": message, "status": status, "errors": {"request": [message]}}
        media_type = "application/problem+json"
    return Response(msgspec.json.encode(body), status_code=status, headers=error.headers, media_type=media_type)


def _take_count(selection: Selection) -> bool:
    """Remove `collection.count` from the selected fields, and return whether it was there."""
    collection = selection.pop("collection", None)
    if collection not in (None, {"count": {}}):
        raise ValueError("of the collection there is a count only")
    return collection is not None


def _paging(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+),(\d+)", text, re.ASCII)
    if match is None:
        raise ValueError(f"paging is not an offset and a limit: {text}")
    offset, limit = int(match[1]), int(match[2])
    if limit > MAX_ROWS:
        raise ValueError(f"the limit of paging is over {MAX_ROWS}: {text}")
    return offset, limit


def _boolean(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"{name} is neither true nor false: {text}")
    return text == "true"


def _whole_number(name: str, text: str, least: int, most: int | None = None) -> int:
    if not re.fullmatch(r"\d+", text, re.ASCII) or int(text) < least or (most is not None and int(text) > most):
        upper = "" if most is None else f" to {most}"
        raise ValueError(f"{name} is not a whole number from {least}{upper}: {text}")
    return int(text)
