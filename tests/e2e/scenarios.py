"""The faults that the tap and the target are tested with.

`tests/e2e/test_faults.py` runs the real processes through each scenario and looks for the text `seen` in their logs.
`docs/troubleshooting.md` describes to users what the programs do.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from sandbox.faults import Fault
from sandbox.lucca import USERS, WORK_CONTRACTS, Lucca
from tests.harness import Sandbox

SNAPSHOTS = "/api/sources/1/snapshots"
DATA_MODEL = "/api/sources/1/domain-graph-schema"
LOGS = "/api/sources/1/connector-logs"
# Long enough for a few tries, short enough for a test.
IMPATIENT = {"max_retry_seconds": 2}


def _nothing(_: Sandbox) -> None:
    """Leave the sandbox as it is."""


@dataclass(frozen=True)
class Scenario:
    """A fault and its expected outcome."""

    seen: str
    """Text that the log of the tap or the target must contain."""

    imported: bool
    lucca: tuple[Fault, ...] = ()
    elimity: tuple[Fault, ...] = ()
    tap: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Sandbox], None] = _nothing


def _lucca(kind: Any, path: str = USERS, **more: Any) -> tuple[Fault, ...]:
    return _once(kind, path, **{"nth": 2, **more})


def _once(kind: Any, path: str, **more: Any) -> tuple[Fault, ...]:
    return (Fault(path, kind, **more),)


def _always(kind: Any, path: str, **more: Any) -> tuple[Fault, ...]:
    return _once(kind, path, count=None, **more)


def _churn(sandbox: Sandbox) -> None:
    """Before every page, delete employees and contracts and create the same number of new ones."""
    sandbox.lucca.on_request.append(lambda lucca, _, nth: lucca.churn(3, Random(nth)))


def _hire(sandbox: Sandbox) -> None:
    """Create employees and contracts before one page of each stream."""

    def hire(lucca: Lucca, _: str, nth: int) -> None:
        if nth == 2:
            lucca.hire(3, Random(nth))
            lucca.create_contracts(3, Random(nth))

    sandbox.lucca.on_request.append(hire)


def _grow(sandbox: Sandbox) -> None:
    """Before every page, hire more employees than the page holds."""

    def grow(lucca: Lucca, _: str, nth: int) -> None:
        lucca.hire(250, Random(nth))

    sandbox.lucca.on_request.append(grow)


def _exhaust(sandbox: Sandbox) -> None:
    """Let Lucca allow fewer requests than the tap needs, as if another integration used up the limit."""
    sandbox.lucca.requests_per_window = 5
    sandbox.lucca.window_seconds = 2


def _hide_end_dates(sandbox: Sandbox) -> None:
    """Revoke the key's right to see contract dates."""
    sandbox.lucca.hidden_fields = frozenset({"dtContractEnd"})


def _hide_former_employees(sandbox: Sandbox) -> None:
    """Revoke the key's right to see former employees."""
    sandbox.lucca.allow_former = False


def _archive_status(sandbox: Sandbox) -> None:
    """Archive an attribute in the source's data model."""
    model = sandbox.elimity.data_model
    attributes = [{**row, "archived": row["id"] == "status"} for row in model["entityAttributeTypes"]]
    sandbox.elimity.data_model = {**model, "entityAttributeTypes": attributes}


def _shrink_limit(sandbox: Sandbox) -> None:
    """Make the server refuse large request bodies."""
    sandbox.elimity.max_body_bytes = 1000


SCENARIOS = {
    # Lucca: temporary faults
    "rate limit used up": Scenario(
        "the rate limit, which all integrations of the tenant share, is used up; waiting",
        imported=True,
        prepare=_exhaust,
    ),
    "429 without Retry-After": Scenario(
        "is used up; waiting",
        imported=True,
        lucca=_lucca(429),
        tap=IMPATIENT,
    ),
    "429 for ever": Scenario(
        "after retrying for up to 2 seconds: Lucca answers 429 (too many requests)",
        imported=False,
        lucca=_always(429, USERS, headers={"Retry-After": "1"}),
        tap=IMPATIENT,
    ),
    "slow users": Scenario(
        "Lucca times out (408) on pages of 100 rows; continuing with 50.",
        imported=True,
        lucca=_lucca(408),
    ),
    "slow contracts": Scenario(
        "Lucca times out (408) on pages of 50 rows; continuing with 25.",
        imported=True,
        lucca=_lucca(408, WORK_CONTRACTS, count=2),
    ),
    "slow for ever": Scenario(
        "'users' could not be read: Lucca times out (408) even on a page of 12 rows.",
        imported=False,
        lucca=_always(408, USERS),
    ),
    **{
        f"{kind} once": Scenario(seen, imported=True, lucca=_lucca(kind, path, **more), tap=settings)
        for kind, path, seen, more, settings in (
            (500, USERS, "Lucca answers 500 (internal server error); waiting", {}, {}),
            (502, WORK_CONTRACTS, "Lucca answers 502 (bad gateway); waiting", {}, {}),
            (
                503,
                USERS,
                "Lucca answers 503 (service unavailable); waiting",
                {"headers": {"Retry-After": "1"}},
                {},
            ),
            (504, WORK_CONTRACTS, "Lucca answers 504 (gateway timeout); waiting", {}, {}),
            ("reset", USERS, "the connection was broken off", {}, {}),
            (
                "truncate",
                WORK_CONTRACTS,
                "the connection was broken off",
                {},
                {},
            ),
            ("cut", USERS, "not JSON", {}, {}),
            ("html", WORK_CONTRACTS, "not JSON", {}, {}),
            (
                "hang",
                USERS,
                "no complete answer in time); waiting",
                {"seconds": 20},
                {"request_timeout": 1},
            ),
            (
                "drip",
                USERS,
                "no complete answer in time); waiting",
                {"seconds": 0.2},
                {"request_timeout": 1},
            ),
        )
    },
    "Lucca down": Scenario(
        "Reading 'users' from row 0 failed after retrying for up to 2 seconds: Lucca answers 503",
        imported=False,
        lucca=_always(503, USERS),
        tap=IMPATIENT,
    ),
    "Lucca unreachable": Scenario(
        "Lucca cannot be used (it refuses the connection)",
        imported=False,
        tap={**IMPATIENT, "host": "http://127.0.0.1:9"},
    ),
    # Lucca: permanent faults
    "key revoked": Scenario(
        "the API key is wrong or revoked; check the setting 'api_key'",
        imported=False,
        lucca=_always(401, USERS),
    ),
    "right lacking": Scenario(
        "the role of the API key must be given the right to read work contracts",
        imported=False,
        lucca=_always(403, WORK_CONTRACTS),
    ),
    "request refused": Scenario(
        "Lucca answers 400 (bad request)",
        imported=False,
        lucca=_always(400, USERS, body="unknown field"),
    ),
    "no Lucca": Scenario(
        "there is no Lucca API at this address",
        imported=False,
        lucca=_always(404, USERS),
    ),
    "redirect": Scenario(
        "a redirect to elsewhere.example: check the setting 'host'",
        imported=False,
        lucca=_always("redirect", USERS),
    ),
    "end dates hidden": Scenario(
        "lack 'dtContractEnd'",
        imported=False,
        prepare=_hide_end_dates,
    ),
    "former employees hidden": Scenario(
        "Nobody is a former employee: may the role of the API key read them?",
        imported=True,
        prepare=_hide_former_employees,
    ),
    # Data that changes while the tap reads it
    "people replaced": Scenario(
        "Import complete.",
        imported=True,
        prepare=_churn,
    ),
    "people hired": Scenario(
        "Import complete.",
        imported=True,
        prepare=_hire,
    ),
    "company that never holds still": Scenario(
        "'users' could not be read completely",
        imported=False,
        prepare=_grow,
    ),
    # Elimity Insights: temporary faults
    **{
        f"upload {kind} once": Scenario(
            seen,
            imported=True,
            elimity=_once(kind, SNAPSHOTS, **more),
            target=settings,
        )
        for kind, seen, more, settings in (
            (500, "answers 500 (internal server error); waiting", {}, {}),
            (503, "answers 503 (service unavailable); waiting", {}, {}),
            ("html", "page of its own; waiting", {}, {}),
            ("reset", "waiting", {}, {}),
            ("truncate", "waiting", {}, {}),
            (
                "hang",
                "no complete answer in time); waiting",
                {"seconds": 20},
                {"request_timeout": 1},
            ),
        )
    },
    "Elimity Insights down": Scenario(
        "after retrying for up to 2 seconds: Elimity Insights answers 503",
        imported=False,
        elimity=_always(503, SNAPSHOTS),
        target=IMPATIENT,
    ),
    "no logs": Scenario(
        "Writing a line to the source's Logs tab failed",
        imported=True,
        elimity=_always(500, LOGS),
    ),
    # Elimity Insights: permanent faults
    "token revoked": Scenario(
        "'source_id' or 'source_token' is wrong, or the credentials were revoked",
        imported=False,
        elimity=_always(401, DATA_MODEL),
    ),
    **{
        f"upload {status}": Scenario(seen, imported=False, elimity=_always(status, SNAPSHOTS, body="says the server"))
        for status, seen in (
            (400, "it does not accept what was sent"),
            (401, "the credentials were revoked"),
            (403, "generate new ones in the source's settings"),
        )
    },
    "upload too large": Scenario(
        "the snapshot is larger than the server, or a proxy before it, allows",
        imported=False,
        prepare=_shrink_limit,
    ),
    "data model": Scenario(
        "the attribute Status (status) is archived",
        imported=False,
        prepare=_archive_status,
    ),
}
