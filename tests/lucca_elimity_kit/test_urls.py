"""URLs in settings."""

import pytest
from lucca_elimity_kit.urls import is_loopback, parse_url


@pytest.mark.parametrize(
    "text",
    [
        "https://elimity.example",
        "https://elimity.example:8443/insights/",
        "https://[2001:db8::1]/",
        "https://10.0.0.1",
        "https://host_name.example.",
        "https://intranet",
        "HTTPS://ELIMITY.example",
        "http://localhost:8000",
        "http://127.0.0.5",
        "http://[::1]:80",
    ],
)
def test_a_url_is_taken(text: str) -> None:
    """The scheme is https, or http on this machine only."""
    assert parse_url(text, path_allowed=True).hostname


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        ("http://elimity.example", "https"),
        ("http://localhost.evil.example", "https"),
        ("http://127.0.0.1.nip.io", "https"),
        ("ftp://canary", "https"),
        ("canary", "https"),
        ("https:///canary", "https"),
        ("https:canary", "https"),
        ("", "https"),
        ("https://user:canary@elimity.example", "credentials"),
        ("https://@elimity.example", "credentials"),
        ("https://elimity.example/?canary", "query"),
        ("https://elimity.example?", "query"),
        ("https://elimity.example/#canary", "fragment"),
        ("https://elimity.example:99999", "port"),
        ("https://elimity.example:0", "port"),
        ("https://elimity.example:canary", "port"),
        ("https://:443", "host"),
        ("https://-a.example", "host"),
        ("https://a-.example", "host"),
        ("https://a..example", "host"),
        ("https://[canary", "host"),
        ("https://[fe80::1%25eth0]", "host"),
        ("https://1.2.3.4.5", "host"),
        ("https://0x7f.1", "host"),
        (f"https://{'a' * 64}.example", "host"),
        (f"https://{'a.' * 150}example", "host"),
        ("https://elimity.example/a b", "spaces"),
        ("https://elimity.example\\@canary", "backslashes"),
        ("https://eli\tmity.example", "control"),
        (" https://elimity.example", "spaces"),
    ],
)
def test_a_url_is_refused(text: str, flaw: str) -> None:
    """The error names the flaw, but nothing of the URL."""
    with pytest.raises(ValueError, match=flaw) as caught:
        parse_url(text, path_allowed=True)
    assert "canary" not in str(caught.value)


def test_a_path_may_be_refused() -> None:
    """A path can be refused. A slash alone isn't a path."""
    assert parse_url("https://acme.example/", path_allowed=False)
    with pytest.raises(ValueError, match="path"):
        parse_url("https://acme.example/timmi", path_allowed=False)


@pytest.mark.parametrize(
    ("hostname", "loopback"), [("localhost", True), ("LOCALHOST", True), ("::1", True), ("127.1", False), ("", False)]
)
def test_loopback(hostname: str, loopback: bool) -> None:
    """Only names and addresses that every library takes for this machine are loopback."""
    assert is_loopback(hostname) == loopback
