"""The HTTP behaviour that the scenarios of tests/e2e do not show: budgets, headers, authorities, proxies."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest
from tap_lucca.client import instance_url, new_session
from tap_lucca.pagination import Page
from tap_lucca.streams import UsersStream
from tap_lucca.tap import TapLucca
from typing_extensions import override

from sandbox.faults import Fault
from sandbox.lucca import USERS, WORK_CONTRACTS

if TYPE_CHECKING:
    import requests

    from tests.harness import Sandbox


def test_a_run_of_130_requests_never_meets_the_limit(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """40 a window for all streams together stay within the 50 that Lucca allows; a window is 2 seconds here, not 60."""
    window = 2.0

    class HastyTap(TapLucca):
        @override
        @cached_property
        def session(self) -> requests.Session:
            return new_session(self.config["api_key"], 40, window)

    sandbox.lucca.requests_per_window = 50
    sandbox.lucca.window_seconds = window
    sandbox.tap_settings = {"page_size": 6}
    with caplog.at_level(logging.WARNING):
        HastyTap(config=sandbox.tap_config).sync_all()
    requests = sandbox.lucca.requests
    assert len(requests) >= 130
    assert {request.path for request in requests} == {USERS, WORK_CONTRACTS}
    assert caplog.messages == []  # every 429 would be told
    assert '"records":250' in capsys.readouterr().out
    for number, request in enumerate(requests[40:]):
        assert request.time - requests[number].time > 0.9 * window


def test_the_requests_of_a_full_sync(sandbox: Sandbox) -> None:
    """Requests are the scarcest resource: ceil(rows / page size), and at most one more, for each stream."""
    sandbox.tap_settings = {"page_size": 100}
    sandbox.tap()
    paths = [request.path for request in sandbox.lucca.requests]
    assert paths.count(USERS) <= 3 + 1
    assert paths.count(WORK_CONTRACTS) <= 5 + 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_out(sandbox: Sandbox, form: str) -> None:
    """Given in seconds or as an HTTP date, it is waited out, and told once."""
    moment = datetime.now(timezone.utc) + timedelta(seconds=6)
    value = "3" if form == "seconds" else format_datetime(moment, usegmt=True)
    sandbox.lucca.faults.add(Fault(USERS, 429, headers={"Retry-After": value}))
    tap = sandbox.tap()
    assert tap.exit_code == 0
    assert tap.log.count("is used up (429); waiting") == 1
    first, second = [request.time for request in sandbox.lucca.requests if request.path == USERS]
    assert second - first >= 3


def test_a_429_that_does_not_say_for_how_long_waits_for_a_whole_window(sandbox: Sandbox) -> None:
    """A minute, told before it is waited; a run that is not to wait that long gives up instead."""
    sandbox.lucca.faults.add(Fault(USERS, 429, count=None))
    sandbox.tap_settings = {"max_retry_seconds": 1}
    tap = sandbox.tap()
    assert tap.exit_code == 1
    assert "after retrying for up to 1 seconds" in tap.log


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
    """With or without scheme and trailing slash; http for loopback only."""
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
    """Nothing but an https instance URL gets the key."""
    with pytest.raises(ValueError, match=r"^its? "):
        instance_url(host)


def test_ids_in_another_case_are_ids(sandbox: Sandbox) -> None:
    """Field names are compared without regard to case, keys too."""
    original = UsersStream.read_page

    def shouting(self: UsersStream, body: bytes) -> Page:
        page = original(self, body)
        return Page([{key.upper(): value for key, value in row.items()} for row in page.rows], page.total)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(UsersStream, "read_page", shouting)
        tap = TapLucca(config=sandbox.tap_config)
        rows: list[Any] = list(tap.streams["users"].get_records(None))
    assert len(rows) == 250
    assert all(isinstance(row["id"], int) and "lastName" in row for row in rows)
