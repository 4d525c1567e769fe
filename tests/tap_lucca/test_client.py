"""The tap's HTTP behaviour: the budget, retries, statuses, hostile answers and certificate authorities."""

import gzip
import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from lucca_elimity_kit.http import new_session
from tap_lucca.client import Budget, LuccaClient, LuccaError, SlowPageError
from tap_lucca.pagination import Page
from tap_lucca.settings import instance_url
from tap_lucca.streams import UsersStream
from tap_lucca.tap import TapLucca

from sandbox.faults import Fault
from sandbox.lucca import USERS, WORK_CONTRACTS
from tests.harness import Sandbox
from tests.lucca_elimity_kit.wire import answering


def connected(sandbox: Sandbox, pauses: list[float]) -> TapLucca:
    """Return a tap with a client of our own, as an embedding program sets it; its pauses take no time."""
    tap = TapLucca(config=sandbox.tap_config)
    tap.client = LuccaClient(tap.settings, new_session("tap-lucca"), Budget(10_000), sleep=pauses.append)
    return tap


def test_a_run_of_130_requests_never_meets_the_limit(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tap sends 40 requests a window for all streams, and Lucca allows 50. A window is 2 seconds here, not 60."""
    window = 2.0
    sandbox.lucca.requests_per_window = 50
    sandbox.lucca.window_seconds = window
    sandbox.tap_settings = {"page_size": 3}
    tap = TapLucca(config=sandbox.tap_config)
    tap.client = LuccaClient(tap.settings, new_session("tap-lucca"), Budget(40, window))
    with caplog.at_level(logging.WARNING):
        tap.sync_all()
    requests = sandbox.lucca.requests
    assert len(requests) >= 130
    assert {request.path for request in requests} == {USERS, WORK_CONTRACTS}
    assert caplog.messages == []  # a 429 would be logged
    assert '"records":250' in capsys.readouterr().out
    for number, request in enumerate(requests[40:]):
        assert request.time - requests[number].time > 0.75 * window  # requests may arrive late


def test_a_state_before_the_last_record_completes_nothing(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The SDK emits STATE every so many records. Only one that follows the last record has a completion mark."""
    monkeypatch.setattr(UsersStream, "STATE_MSG_FREQUENCY", 20)
    connected(sandbox, []).sync_all()
    messages = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = max(number for number, message in enumerate(messages) if message.get("stream") == "users")
    states = [(number, message["value"]) for number, message in enumerate(messages) if message["type"] == "STATE"]
    assert states[0][0] < last
    for number, state in states:
        assert ("completion" in state.get("bookmarks", {}).get("users", {})) == (number > last)


def test_the_requests_of_a_full_sync(sandbox: Sandbox) -> None:
    """Requests are scarce: each stream takes ceil(rows / page size) of them, and at most one more."""
    sandbox.tap_settings = {"page_size": 100}
    sandbox.tap()
    paths = [request.path for request in sandbox.lucca.requests]
    assert paths.count(USERS) <= 3 + 1
    assert paths.count(WORK_CONTRACTS) <= 5 + 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_out(sandbox: Sandbox, form: str) -> None:
    """The tap waits as long as Retry-After says, in seconds or as an HTTP date, and logs that once."""
    moment = datetime.now(UTC) + timedelta(seconds=6)
    value = "3" if form == "seconds" else format_datetime(moment, usegmt=True)
    sandbox.lucca.faults.add(Fault(USERS, 429, headers={"Retry-After": value}))
    tap = sandbox.tap()
    assert tap.exit_code == 0
    assert sum("429" in line and "WARNING" in line for line in tap.log.splitlines()) == 1
    first, second = [request.time for request in sandbox.lucca.requests if request.path == USERS]
    assert second - first >= 3


def test_a_429_that_does_not_say_for_how_long_waits_for_a_whole_window(sandbox: Sandbox) -> None:
    """The tap waits a minute: by then, the tenant's whole rate limit is available again."""
    sandbox.lucca.faults.add(Fault(USERS, 429))
    pauses: list[float] = []
    tap = connected(sandbox, pauses)
    assert sum(1 for _ in tap.streams["users"].get_records(None)) == 250
    assert [60 <= pause <= 61 for pause in pauses] == [True]


def test_a_retry_after_beyond_the_patience_ends_at_once(sandbox: Sandbox) -> None:
    """If Retry-After is longer than the tap may retry, it fails without a pause."""
    sandbox.lucca.faults.add(Fault(USERS, 429, headers={"Retry-After": "86400"}))
    pauses: list[float] = []
    with pytest.raises(LuccaError) as caught:
        list(connected(sandbox, pauses).streams["users"].get_records(None))
    assert (caught.value.status, pauses) == (429, [])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 500, 503])
def test_an_error_has_its_status(sandbox: Sandbox, status: int) -> None:
    """The error carries the status, so an embedding program can distinguish a wrong key from a missing right."""
    sandbox.tap_settings = {"max_retry_seconds": 0}
    sandbox.lucca.faults.add(Fault(USERS, status))
    pauses: list[float] = []
    with pytest.raises(LuccaError) as caught:
        list(connected(sandbox, pauses).streams["users"].get_records(None))
    assert caught.value.status == status
    assert pauses == []


def test_a_slow_page_is_asked_for_in_half(sandbox: Sandbox) -> None:
    """After a 408, the tap halves the page without a pause. If the smallest page is too slow, the stream fails."""
    sandbox.lucca.faults.add(Fault(USERS, 408, count=2))
    pauses: list[float] = []
    tap = connected(sandbox, pauses)
    assert sum(1 for _ in tap.streams["users"].get_records(None)) == 250
    assert [request.query["paging"] for request in sandbox.lucca.requests][:3] == ["0,1000", "0,500", "0,250"]
    sandbox.lucca.faults.add(Fault(USERS, 408, count=None))
    with pytest.raises(SlowPageError) as caught:
        list(tap.streams["users"].get_records(None))
    assert (caught.value.status, pauses) == (408, [])


def test_a_small_page_is_asked_for_again(sandbox: Sandbox) -> None:
    """A page that is too small to halve is read again after a 408, without a pause: only several in a row end a run."""
    sandbox.tap_settings = {"page_size": 17}
    sandbox.lucca.faults.add(Fault(USERS, 408, count=2), *(Fault(USERS, 408, nth=nth) for nth in (8, 11, 14)))
    pauses: list[float] = []
    assert sum(1 for _ in connected(sandbox, pauses).streams["users"].get_records(None)) == 250
    assert [request.query["paging"] for request in sandbox.lucca.requests][:3] == ["0,17"] * 3
    assert pauses == []


def test_a_netrc_file_does_not_replace_the_key(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a file may name Lucca's host. requests would send its password in place of the API key."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    assert sum(1 for _ in connected(sandbox, []).streams["users"].get_records(None)) == 250


@pytest.mark.parametrize("status", [302, 400, 401, 403, 451, 500])
def test_no_words_of_lucca_reach_the_log(sandbox: Sandbox, status: int) -> None:
    """The tap never logs Lucca's bodies, reason phrases or headers: they may contain personal data or the key."""
    key = sandbox.lucca.api_key
    head = (f"HTTP/1.1 {status} canary {key} \x1b[2J", f"Location: https://me:{key}@login.test/canary?key={key}")
    body = f"canary Jane Doe, {'x' * 480} lucca application={key}"
    reply = "\r\n".join((*head, f"Content-Length: {len(body)}", "Connection: close", "", body)).encode()
    with answering(reply) as wire:
        sandbox.tap_settings = {"host": wire.url, "max_retry_seconds": 0}
        tap = sandbox.tap()
    assert tap.exit_code == 1
    assert str(status) in tap.log
    assert "canary" not in tap.log
    assert "\x1b" not in tap.log
    assert len(wire.requests) == 1


def test_half_a_surrogate_pair_and_a_byte_order_mark(sandbox: Sandbox) -> None:
    """The tap replaces half a surrogate pair in a value, skips a byte order mark, and emits everybody."""
    body = r'{"data": {"items": [{"id": 1, "jobTitle": "Chef \ud83d"}, {"id": 2, "jobTitle": "Chef"}], "count": 2}}'
    sandbox.lucca.faults.add(Fault(USERS, "answer", body=body, count=None))
    sandbox.lucca.faults.add(Fault(WORK_CONTRACTS, "answer", body='\ufeff{"items": [], "count": 0}', count=None))
    tap = sandbox.tap()
    assert (tap.exit_code, tap.records("work_contracts")) == (0, [])
    assert [row["jobTitle"] for row in tap.records("users")] == ["Chef \N{REPLACEMENT CHARACTER}", "Chef"]


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        '{"data": {"items": {}, "count": 1}}',
        '{"data": {"items": [], "count": "one"}}',
        '{"data": {"items": [{"id": 1}], "count": -1}}',
    ],
)
def test_json_of_another_form_is_asked_for_once(sandbox: Sandbox, body: str) -> None:
    """The tap fails without a retry, because Lucca would answer the same again."""
    sandbox.lucca.faults.add(Fault(USERS, "answer", body=body, count=None))
    tap = sandbox.tap()
    assert tap.exit_code == 1
    assert "Traceback" not in tap.log
    assert sum(request.path == USERS for request in sandbox.lucca.requests) == 1


def test_a_bomb_is_refused(sandbox: Sandbox) -> None:
    """The tap unpacks a compressed answer only up to a limit, and then fails without a retry."""
    bomb = gzip.compress(b" " * 200_000_000, 1)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\nConnection: close\r\n\r\n"
    with answering(head.encode() + bomb) as wire:
        sandbox.tap_settings = {"host": wire.url}
        tap = sandbox.tap()
    assert tap.exit_code == 1
    assert "64 MiB" in tap.log
    assert len(wire.requests) == 1


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("arguments", [(), ("--test",)])
def test_authorities_that_cannot_be_used_are_told_at_once(
    sandbox: Sandbox, variable: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tap fails before its first message and request, and names the variable."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    bundle = sandbox.folder / "ca.pem"
    bundle.write_text("no certificate")
    monkeypatch.setenv(variable, str(bundle))
    tap = sandbox.tap(*arguments)
    assert (tap.exit_code, tap.stdout) == (1, "")
    assert variable in tap.log.splitlines()[-1]
    assert sandbox.lucca.requests == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("acme.ilucca.net", "https://acme.ilucca.net"),
        ("https://acme.ilucca.net/", "https://acme.ilucca.net"),
        ("HTTPS://ACME.ilucca.ch", "https://acme.ilucca.ch"),
        ("acme-test.sandbox.eu.luccasoftware.com:8443", "https://acme-test.sandbox.eu.luccasoftware.com:8443"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://127.0.0.2", "http://127.0.0.2"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_hosts_that_are_accepted(host: str, url: str) -> None:
    """A host may have a scheme and a trailing slash. http is accepted only for loopback."""
    assert instance_url(host) == url


@pytest.mark.parametrize(
    "host",
    [
        "http://acme.ilucca.net",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "https://acme.ilucca.net/api",
        "https://key@acme.ilucca.net",
        "https://acme.ilucca.net/?x",
        "https://acme.ilucca.net#x",
        "file:///etc/passwd",
        "acme ilucca.net",
        "acme..ilucca.net",
        "x" * 64 + ".ilucca.net",
        "*",
        "//",
        "https://acme.ilucca.net:99999",
    ],
)
def test_hosts_that_are_refused(host: str) -> None:
    """Other hosts are refused, so the key is sent only to an https instance URL."""
    with pytest.raises(ValueError, match=r"^its? "):
        instance_url(host)


def test_ids_in_another_case_are_ids(sandbox: Sandbox) -> None:
    """Field names are matched without regard to case, and so is the key `id`."""
    original = UsersStream.page_in

    def shouting(self: UsersStream, body: bytes) -> Page:
        page = original(self, body)
        return Page([{key.upper(): value for key, value in row.items()} for row in page.rows], page.total)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UsersStream, "page_in", shouting)
        tap = TapLucca(config=sandbox.tap_config)
        rows: list[Any] = list(tap.streams["users"].get_records(None))
    assert len(rows) == 250
    assert all(isinstance(row["id"], int) and "lastName" in row for row in rows)


@pytest.mark.parametrize(
    ("headers", "when"),
    [
        ({"Sunset": "Wed, 31 Mar 2027 23:59:59 GMT"}, " on 2027-03-31."),
        ({"Sunset": "Wed, 31 Mar 2027 23:59:59 GMT", "Deprecation": "@1790812800"}, " on 2027-03-31."),
        ({"Deprecation": "@1790812800"}, ", deprecated on 2026-10-01."),
        ({"Deprecation": "@1790812800;canary=1"}, ", deprecated on 2026-10-01."),
        ({"Deprecation": "true"}, "."),
        ({"Sunset": "canary", "Deprecation": "@canary"}, "."),
        ({"Sunset": "@999999999999"}, "."),
        ({"Sunset": ""}, "."),
    ],
)
def test_an_announced_end_is_logged_once_an_endpoint(sandbox: Sandbox, headers: dict[str, str], when: str) -> None:
    """The warning has the path and the date. A value that is no date gets a warning without it, and isn't quoted."""
    sandbox.lucca.headers = headers
    sandbox.tap_settings = {"page_size": 100}
    tap = sandbox.tap()
    assert tap.exit_code == 0
    warnings = [line for line in tap.log.splitlines() if "WARNING" in line]
    assert len(warnings) == 2
    for path, warning in zip((USERS, WORK_CONTRACTS), warnings, strict=True):
        assert f"the end of {path}{when} Upgrade the tap" in warning
        assert "canary" not in warning


def test_without_an_announcement_nothing_is_logged(sandbox: Sandbox) -> None:
    """Today, neither endpoint has a date, and the tap logs no warning."""
    assert "WARNING" not in sandbox.tap().log
