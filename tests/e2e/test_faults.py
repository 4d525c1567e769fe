"""Run the real processes through every scenario, with logs at debug level."""

import pytest

from sandbox.elimity import values_of
from sandbox.rows import User
from tests.e2e.expected import expected_entities
from tests.e2e.scenarios import SCENARIOS
from tests.harness import Sandbox


def ids_of(users: list[User]) -> set[str]:
    """Return the ids of users as text, which is how Elimity Insights holds them."""
    return {str(user["id"]) for user in users}


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(sandbox: Sandbox, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The import is whole or doesn't happen, a log has the expected text but no server's words, and nobody is lost."""
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    scenario = SCENARIOS[name]
    sandbox.lucca.faults.add(*scenario.lucca)
    sandbox.elimity.faults.add(*scenario.elimity)
    sandbox.tap_settings = {"page_size": 100, **scenario.tap}
    sandbox.target_settings = scenario.target
    before = ids_of(sandbox.lucca.company.users)
    scenario.prepare(sandbox)

    tap, target = sandbox.pipeline()

    assert scenario.seen in tap.log + target.log
    assert "Traceback" not in tap.log + target.log
    said = {fault.body for fault in (*scenario.lucca, *scenario.elimity)} - {""}
    assert not any(words in tap.log + target.log for words in said)
    assert (target.exit_code == 0) == scenario.imported
    assert bool(target.stdout) == scenario.imported
    if not scenario.imported:
        assert sandbox.elimity.snapshots == []
        return
    assert tap.exit_code == 0
    arrived = {entity["id"]: (entity["name"], values_of(entity)) for entity in sandbox.entities}
    stayed = before & ids_of(sandbox.lucca.company.users)
    if not sandbox.lucca.allow_former:
        stayed &= set(arrived)
        assert len(arrived) > 100
    assert stayed <= set(arrived)
    if not sandbox.lucca.on_request:
        expected = expected_entities(sandbox.lucca.company.users, sandbox.contracts, sandbox.lucca.company.today)
        assert arrived == {identifier: expected[identifier] for identifier in stayed}


@pytest.mark.parametrize("name", ["key revoked", "right lacking", "request refused", "no Lucca", "redirect"])
def test_what_is_for_good_is_asked_once(sandbox: Sandbox, name: str) -> None:
    """The tap doesn't retry after 400, 401, 403, 404 or a redirect: each try counts against the tenant's rate limit."""
    (fault,) = SCENARIOS[name].lucca
    sandbox.lucca.faults.add(fault)
    sandbox.tap()
    assert sum(request.path == fault.path_prefix for request in sandbox.lucca.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_upload_is_sent_once(sandbox: Sandbox, status: int) -> None:
    """The target doesn't retry a refused upload. Its alert contains the status but not the server's text."""
    sandbox.elimity.faults.add(*SCENARIOS[f"upload {status}"].elimity)
    sandbox.pipeline()
    assert sum(request.path.endswith("/snapshots") for request in sandbox.elimity.requests) == 1
    assert str(status) in sandbox.alerts[0]
    assert "says the server" not in sandbox.alerts[0]
