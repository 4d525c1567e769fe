"""The gateway's safeguard: it compares an import with what the source holds in the sandbox's Elimity Insights."""

import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import product
from threading import Timer
from typing import Any, cast

import pytest
from lucca_gateway import configuration as values_of
from lucca_gateway.imports import ImportFailedError, perform_import
from lucca_gateway.settings import read_settings
from lucca_gateway.stopping import Stop, StoppedError
from lucca_gateway.tenants import Tenants

from sandbox.elimity import Elimity
from sandbox.faults import Fault
from sandbox.pulling import GENERATIONS, GatewayProcess, Generation, pull, running_gateway
from sandbox.server import serve
from tests.harness import CANARY, PATIENCE, Sandbox
from tests.lucca_gateway.issuer import Issuer, serve_issuer, settings_of
from tests.lucca_gateway.support import FAST, OPEN, Failure, configuration, failure

SOURCES, QUERY = "/api/agent/sources", "/api/agent/query"
PREFIX = "LUCCA_GATEWAY_"
GONE = {"dtContractEnd": "2020-01-31T00:00:00"}


@dataclass
class Guarded:
    """A gateway that requires tokens for the sandbox's Elimity Insights, and imports through it."""

    sandbox: Sandbox
    issuer: Issuer
    gateway: GatewayProcess
    heard: list[str] = field(default_factory=list)

    def values(self, **changes: Any) -> dict[str, Any]:
        """Return configuration values with an API token, and with changes; None leaves one out."""
        return configuration(self.sandbox, **{**self.sandbox.api_token, **changes})

    def token(self, **changes: Any) -> str:
        """Return the token that the source sends with a request."""
        elimity = self.sandbox.elimity
        return self.issuer.token(**{"base_url": self.sandbox.elimity_url, "source_id": elimity.source_id, **changes})

    def pull(self, generation: Generation = "v1alpha2", **changes: Any) -> str:
        """Import, and return the new lines of the Logs tab."""
        logs = self.sandbox.elimity.connector_logs
        before = len(logs)
        pull(self.sandbox.elimity, self.gateway.url, generation, self.values(**changes), self.token())
        told = "\n".join(log.message for log in logs[before:])
        self.heard.append(told)
        return told

    def refused(self, token: str | None = "", generation: Generation = "v1alpha2", **changes: Any) -> Failure:
        """Assert that an import fails before the first employee; by default, the request has the source's token."""
        given = self.token() if token == "" else token
        failed = failure(self.gateway.url, generation, self.values(**changes), given)
        assert not any(response.HasField("entity") for response in failed.streamed)
        self.heard += [failed.message, *map(str, failed.streamed)]
        return failed

    def refused_at_start(self, **changes: Any) -> Failure:
        """Assert that an import fails before the gateway calls Lucca."""
        before = len(self.sandbox.lucca.requests)
        failed = self.refused(**changes)
        assert failed.streamed == []
        assert len(self.sandbox.lucca.requests) == before
        return failed


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Serve the keys of an issuer."""
    with ExitStack() as stack:
        yield serve_issuer(stack)


@contextmanager
def run_guarded(sandbox: Sandbox, issuer: Issuer, **settings: str) -> Iterator[Guarded]:
    """Run a gateway; at the end, assert that its output has no secret and no personal data."""
    environment = settings_of(issuer, **{f"{PREFIX}JWT_VALIDATION_BASE_URL": sandbox.elimity_url, **settings})
    elimity = sandbox.elimity
    secrets = (sandbox.lucca.api_key, elimity.api_token_secret)
    encoded = b64encode(f"{elimity.api_token_id}:{elimity.api_token_secret}".encode()).decode()
    with running_gateway(environment) as gateway:
        guarded = Guarded(sandbox, issuer, gateway)
        yield guarded
    output = gateway.log_text + "\n".join(guarded.heard)
    for secret in (*secrets, encoded, "wrong-secret", "Authorization", CANARY):
        assert secret not in output


@pytest.fixture
def guarded(sandbox: Sandbox, issuer: Issuer) -> Iterator[Guarded]:
    """Run a gateway with the default limits."""
    with run_guarded(sandbox, issuer) as gateway:
        yield gateway


def change(sandbox: Sandbox, positions: slice, **fields: object) -> None:
    """Change fields of some users in Lucca."""
    with sandbox.lucca.changing() as company:
        for user in company.users[positions]:
            cast("dict[str, object]", user).update(fields)


def remove(sandbox: Sandbox, count: int) -> None:
    """Remove the first users of Lucca."""
    sandbox.lucca.delete_users({int(str(user["id"])) for user in sandbox.lucca.company.users[:count]})


@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_import_within_the_limits(guarded: Guarded, generation: Generation) -> None:
    """The gateway reads the source with one query, and logs the changes. A first import has nothing to compare with."""
    assert "Nothing was compared" in guarded.pull(generation)
    remove(guarded.sandbox, 3)
    guarded.sandbox.elimity.requests.clear()
    told = guarded.pull(generation)
    assert "Nothing was compared" not in told
    assert "0 joined, 3 left, 3 of them removed" in told
    assert [request.path for request in guarded.sandbox.elimity.requests] == [SOURCES, QUERY]
    assert len(guarded.sandbox.entities) == 247


def test_people_who_would_be_removed(guarded: Guarded, issuer: Issuer) -> None:
    """The error has the count and names the variable that allows the import. With the variable, it succeeds."""
    guarded.pull()
    remove(guarded.sandbox, 60)
    failed = guarded.refused()
    assert failed.code == "failed_precondition"
    assert "60 of the 250 employees" in failed.message
    assert f"{PREFIX}MAX_REMOVED_PERCENT=100" in failed.message
    assert "TARGET_ELIMITY" not in failed.message
    with run_guarded(guarded.sandbox, issuer, LUCCA_GATEWAY_MAX_REMOVED_PERCENT="100") as lenient:
        lenient.pull()
    assert len(guarded.sandbox.entities) == 190
    guarded.pull()


def test_people_who_would_turn_inactive(guarded: Guarded) -> None:
    """The limit for people who turn inactive has its own variable."""
    change(guarded.sandbox, slice(None), dtContractEnd=None)
    guarded.pull()
    change(guarded.sandbox, slice(0, 60), **GONE)
    failed = guarded.refused()
    assert "60 of the 250 employees who are active" in failed.message
    assert f"{PREFIX}MAX_DEACTIVATED_PERCENT=100" in failed.message
    assert f"{PREFIX}MAX_REMOVED_PERCENT" not in failed.message


def test_an_attribute_that_would_be_emptied(guarded: Guarded, issuer: Issuer) -> None:
    """The error names the attribute and the variable of its limit."""
    guarded.pull()
    change(guarded.sandbox, slice(None), department=None)
    failed = guarded.refused(generation="v1alpha1")
    assert "Department (" in failed.message
    assert f"{PREFIX}MAX_EMPTIED_PERCENT=100" in failed.message
    with run_guarded(guarded.sandbox, issuer, LUCCA_GATEWAY_MAX_EMPTIED_PERCENT="100") as lenient:
        lenient.pull()


def test_without_an_api_token_a_line_says_that_nothing_was_compared(guarded: Guarded) -> None:
    """Blank values count as missing, and the gateway doesn't call Elimity Insights."""
    guarded.pull()
    guarded.sandbox.elimity.requests.clear()
    remove(guarded.sandbox, 200)
    for value in (None, "", " "):
        told = guarded.pull(api_token_id=value, api_token_secret=value)
        assert "Nothing was compared" in told
        assert "'api_token_id'" in told
    assert guarded.sandbox.elimity.requests == []
    assert len(guarded.sandbox.entities) == 50


def test_an_api_token_that_is_malformed(guarded: Guarded) -> None:
    """If one of the two values is missing or malformed, the error names it, and the gateway calls nobody."""
    flaws: tuple[tuple[str, Any], ...] = (
        ("api_token_id", None),
        ("api_token_secret", None),
        ("api_token_secret", " "),
        ("api_token_id", 7),
        ("api_token_secret", True),
        ("api_token_id", "two\nlines"),
        ("api_token_secret", "wrong-secret é"),
    )
    for name, value in flaws:
        failed = guarded.refused_at_start(**{name: value})
        assert failed.code == "invalid_argument"
        assert f"'{name}'" in failed.message
    assert guarded.sandbox.elimity.requests == []


def test_blanks_around_the_values_do_not_matter(guarded: Guarded) -> None:
    """Blanks around the API token's values are ignored, as with the values for Lucca."""
    elimity = guarded.sandbox.elimity
    guarded.pull(api_token_id=f" {elimity.api_token_id}", api_token_secret=f"{elimity.api_token_secret}\n")
    assert SOURCES in {request.path for request in elimity.requests}


def test_a_wrong_api_token(guarded: Guarded) -> None:
    """The error names the API token's secret, not Lucca's key."""
    failed = guarded.refused_at_start(api_token_secret="wrong-secret")
    assert failed.code == "unauthenticated"
    assert "'api_token_secret'" in failed.message


@pytest.mark.parametrize("flaw", ["listed", "archived"])
def test_a_source_that_the_api_token_may_not_read(guarded: Guarded, flaw: str) -> None:
    """The gateway refuses the import and doesn't query another source instead."""
    setattr(guarded.sandbox.elimity, flaw, flaw == "archived")
    assert guarded.refused_at_start().code == "permission_denied"
    assert guarded.sandbox.elimity.queries == []


def test_the_source_is_that_of_the_token(guarded: Guarded) -> None:
    """The gateway reads only the source in the token, whatever else a request names. A source id must be a number."""
    for source_id, code in (("77", "permission_denied"), ("a1", "invalid_argument"), ("\u0661", "invalid_argument")):
        assert guarded.refused_at_start(token=guarded.token(source_id=source_id), source_id="1").code == code
    assert guarded.sandbox.elimity.queries == []


@pytest.mark.parametrize("path", [SOURCES, QUERY])
def test_no_redirect_is_followed(guarded: Guarded, path: str) -> None:
    """The gateway doesn't call the address of a redirect, so the API token isn't sent there."""
    elsewhere = Elimity()
    with serve(elsewhere.app) as url:
        guarded.sandbox.elimity.faults.add(Fault(path, "redirect", count=None, location=f"{url}{path}"))
        assert guarded.refused_at_start().code == "invalid_argument"
    assert elsewhere.requests == []


def test_what_cannot_be_read_back_is_refused(guarded: Guarded) -> None:
    """If the source can't be read, the gateway doesn't call Lucca, and names the API token's values."""
    guarded.pull()
    kinds: tuple[Any, ...] = (400, 500, "reset", "truncate", "cut", "html")
    for kind, path in product(kinds, (SOURCES, QUERY)):
        guarded.sandbox.elimity.faults.clear()
        guarded.sandbox.elimity.faults.add(Fault(path, kind, count=None))
        failed = guarded.refused_at_start()
        assert (failed.code, kind) == ("unavailable", kind)
        assert "'api_token_id' and 'api_token_secret'" in failed.message


def test_an_answer_is_not_quoted(guarded: Guarded) -> None:
    """Neither error nor log quotes an answer of Elimity Insights."""
    body = f'[{{"count": 1, "results": [{{"entity": {{"id": 5, "name": "{CANARY}"}}}}]}}]'
    guarded.sandbox.elimity.faults.add(Fault(QUERY, "answer", count=None, body=body))
    assert guarded.refused_at_start().code == "unavailable"


@pytest.mark.parametrize("is_optional", [True, False])
def test_without_a_validated_token_the_source_is_unknown(sandbox: Sandbox, issuer: Issuer, is_optional: bool) -> None:
    """If a request has no token, or tokens aren't validated, the gateway refuses the API token and calls nobody."""
    settings = {f"{PREFIX}JWT_VALIDATION_OPTIONAL": "true"}
    if not is_optional:
        settings = {f"{PREFIX}JWT_VALIDATION_{name}": "" for name in ("BASE_URL", "GATEWAY_URL", "ISSUER")} | OPEN
    with run_guarded(sandbox, issuer, **settings) as guarded:
        failed = guarded.refused_at_start(token=None)
        assert failed.code == "invalid_argument"
        assert f"{PREFIX}JWT_VALIDATION_BASE_URL" in failed.message
        assert sandbox.elimity.requests == []
        if is_optional:
            guarded.pull()
            assert SOURCES in {request.path for request in sandbox.elimity.requests}


def import_here(
    sandbox: Sandbox, stop: Stop, base_url: str | None = None, source_id: str = "1", **more: str
) -> list[Any]:
    """Import in this process, as a gateway with this server's URL does, and return the items it yields."""
    settings = read_settings(
        {
            **FAST,
            f"{PREFIX}JWT_VALIDATION_BASE_URL": base_url or sandbox.elimity_url,
            f"{PREFIX}JWT_VALIDATION_GATEWAY_URL": "https://gateway.acme.example",
            **more,
        }
    )
    values = configuration(sandbox, **sandbox.api_token)
    imported = perform_import(values, settings, Tenants(settings.hosts, 10_000), stop, source_id)
    return [item for several in imported for item in several]


def test_the_secret_is_not_sent_unencrypted(sandbox: Sandbox) -> None:
    """The gateway calls the URL only if it is https or loopback, although any URL can be compared with a claim."""
    with pytest.raises(ImportFailedError) as caught:
        import_here(sandbox, Stop(), sandbox.elimity_url.replace("127.0.0.1", "insights.internal"))
    assert caught.value.code == "invalid_argument"
    assert f"{PREFIX}JWT_VALIDATION_BASE_URL" in str(caught.value)
    assert "insights.internal" not in str(caught.value)
    assert sandbox.lucca.requests == []


def test_a_proxy_does_not_see_the_secret(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway uses a proxy only for https, where it sees no more than the host, and never for loopback."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert len(import_here(sandbox, Stop(), f"{sandbox.elimity_url}/")) > 250
    with pytest.raises(ImportFailedError, match="through the proxy of https_proxy") as caught:
        import_here(sandbox, Stop(), "https://insights.internal")
    assert caught.value.code == "unavailable"


def test_the_server_is_not_waited_for_as_long_as_lucca(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading the source has short time limits, because the server may not answer while it waits for its gateway."""
    assert len(import_here(sandbox, Stop())) > 250
    sandbox.lucca.requests.clear()
    monkeypatch.setattr(values_of, "ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(values_of, "READING_SECONDS", 0.6)
    start = time.monotonic()
    for path, kind in ((SOURCES, "hang"), (QUERY, "hang"), (QUERY, "drip")):
        sandbox.elimity.faults.clear()
        sandbox.elimity.faults.add(Fault(path, cast("Any", kind), count=None, seconds=3))
        with pytest.raises(ImportFailedError) as caught:
            import_here(sandbox, Stop())
        assert caught.value.code == "unavailable"
    assert time.monotonic() - start < PATIENCE
    assert sandbox.lucca.requests == []


def test_it_is_tried_again_and_can_be_stopped_meanwhile(sandbox: Sandbox) -> None:
    """A temporary failure of the server is retried. If the import is stopped, the pause before a retry ends."""
    more = {f"{PREFIX}MAX_RETRY_SECONDS": "300"}
    sandbox.elimity.faults.add(Fault(SOURCES, 503))
    assert any(isinstance(item, str) for item in import_here(sandbox, Stop(), **more))
    sandbox.lucca.requests.clear()
    sandbox.elimity.faults.add(Fault(QUERY, 503, count=None, headers={"Retry-After": "20"}))
    stop = Stop()
    timer = Timer(1, stop.set)
    timer.start()
    start = time.monotonic()
    with pytest.raises(StoppedError):
        import_here(sandbox, stop, **more)
    assert time.monotonic() - start < 15
    assert sandbox.lucca.requests == []
