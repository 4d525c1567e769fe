"""The report of a dry run, opened in headless Chromium as an administrator opens it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, cast

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from target_elimity.attributes import ATTRIBUTES

from sandbox.company import generate_company
from sandbox.rows import User
from scripts.browser import MISSING, system_chromium
from tests.harness import PATIENCE, Sandbox

expect.set_options(timeout=PATIENCE * 1000)
CASES: dict[str, dict[str, object]] = {
    "no manager": {"manager": None},
    "manager unknown": {"manager": {"id": 1, "name": "Nobody", "mail": None, "url": "…"}},
    "no mail": {"mail": " "},
    "duplicate login": {"login": "TWICE"},
    "duplicate mail": {"mail": "Twice@acme.example"},
    "end before start": {"dtContractStart": "2020-02-01T00:00:00", "dtContractEnd": "2020-01-31T00:00:00"},
    "no department code": {"department": {"id": 9, "name": "Lab", "code": None, "url": "…"}},
}
HOSTILE = (
    "<script>document.title = 'hacked'</script>",
    "<img src=x onerror=\"document.title = 'hacked'\">",
    '"><svg onload="document.title = \'hacked\'">',
    "{{ 7 * 7 }}{% raw %}",
    "</table></main></body><h1>end</h1>",
    "</script><script>document.title = 'hacked'</script>",
    "&lt;b&gt; &amp;",
    "right-to-left \u202e override",
    "شركة 王小明 🦊",
    "x" * 3000,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start Chromium: the system's, or playwright's. If neither starts, skip the tests, but not in CI."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # Chromium's sandbox does not work for root
    with ExitStack() as stack:
        try:
            playwright = stack.enter_context(sync_playwright())
            browser = playwright.chromium.launch(executable_path=system_chromium(), args=arguments)
        except Exception:  # playwright has no class of errors for its own driver
            if os.environ.get("CI"):
                raise
            pytest.skip(MISSING)
        yield browser
        browser.close()


def dry_run(sandbox: Sandbox, **settings: Any) -> Path:
    """Make a dry run with both processes, and return the report."""
    folder = sandbox.folder / "output"
    sandbox.target_settings = {"output_path": str(folder), **settings}
    tap, target = sandbox.pipeline()
    assert (tap.exit_code, target.exit_code) == (0, 0), target.log
    return folder / "report.html"


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Open reports. Any other request, an error, or a blocked script or style fails the test."""
    problems: list[str] = []

    def open_report(report: Path, *, javascript: bool = True) -> Page:
        context = browser.new_context(java_script_enabled=javascript, viewport={"width": 1280, "height": 900})
        page = context.new_page()
        page.on("request", lambda request: problems.append(request.url) if request.url != report.as_uri() else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text))
        page.goto(report.as_uri())
        return page

    yield open_report
    assert problems == []


def alter(user: User, **fields: object) -> None:
    """Change fields of somebody in Lucca."""
    cast("dict[str, object]", user).update(fields)


def assert_found(page: Page, count: int | str, total: str = "250") -> None:
    """Wait until the search shows that it found this many employees."""
    expect(page.locator("#outcome")).to_have_text(f"{count} of {total} employees")


def found(page: Page) -> list[str]:
    """Return the ids of the employees that are shown."""
    return page.locator(".block tbody tr:not([hidden]) td:nth-child(2)").all_text_contents()


def figures(page: Page) -> dict[str, str]:
    """Return the headline counts."""
    names, values = (page.locator(f".figures {tag}").all_inner_texts() for tag in ("dt", "dd"))
    return dict(zip(names, values, strict=True))


def test_all_but_search_and_order_works_without_javascript(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """The report shows counts, charts, findings, and a table with all attributes of everybody in the snapshot."""
    report = dry_run(sandbox)
    page = opened(report, javascript=False)
    entities = json.loads((report.parent / "snapshot.json").read_bytes())["entities"]
    inactive = sum(user["dtContractEnd"] is not None for user in sandbox.lucca.company.users)
    shown = figures(page)
    assert shown["Employees"] == "250"
    assert int(shown["Active"]) + int(shown["Inactive"]) == 250
    assert 0 < int(shown["Inactive"]) <= inactive
    assert not page.locator("#filters").is_visible()
    assert page.locator("noscript p").is_visible()
    assert page.locator(".block").first.is_visible()
    headings = page.locator(".block").first.locator("thead th").all_text_contents()
    assert set(headings) == {"Name", "Id", "Findings", *(attribute.name for attribute in ATTRIBUTES)}
    rows = page.locator(".block tbody tr").all()
    assert len(rows) == len(entities)
    for row, entity in list(zip(rows, entities, strict=True))[::25]:
        cells = dict(zip(headings, row.locator("th, td").all_text_contents(), strict=True))
        assert cells["Id"].strip() == entity["id"]
        values = {row["attributeTypeId"]: row["value"]["value"] for row in entity["attributeAssignments"]}
        for attribute in ATTRIBUTES:
            value = values.get(attribute.id, "")
            if isinstance(value, dict):
                value = "{year:04}-{month:02}-{day:02}".format_map(value)
                assert cells[attribute.name].startswith(value)
            else:
                visible = [char if char.isprintable() else "" for char in value]
                assert all(char in cells[attribute.name] for char in visible)
    assert page.locator("table.chart").count() == 3
    for chart in ("Contract Type", "Department", "Legal Entity"):
        table = page.locator("table.chart").filter(has=page.locator("caption", has_text=chart))
        counts = [int(cell.replace(",", "")) for cell in table.locator("tbody .number").all_inner_texts()]
        assert sum(counts) == 250
        assert table.locator("tbody svg rect").count() == len(counts)


def test_findings_are_those_of_the_data(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """Each check finds exactly the people concerned, in the overview and with the filter."""
    company = sandbox.lucca.company
    last = company.users[-1]["id"]
    with sandbox.lucca.changing():
        clean = company.users[100]
        for number, user in enumerate(company.users):
            alter(
                user,
                login=f"user{number}",
                mail=f"user{number}@acme.example",
                manager={"id": clean["id"], "name": "Boss", "mail": "boss@acme.example", "url": "…"},
                department={"id": 1, "name": "IT", "code": "IT", "url": "…"},
                dtContractStart="2020-01-01T00:00:00",
                dtContractEnd=None,
            )
        chosen = iter(company.users[10:90:2])
        expected: dict[str, set[str]] = {}
        for name, change in CASES.items():
            for user in (next(chosen), next(chosen)):
                alter(user, **change)
                expected.setdefault(name, set()).add(str(user["id"]))
        for user in company.users[10:90:4]:  # one of each pair of duplicates
            alter(user, login=str(user["login"]).lower(), mail=user["mail"] and user["mail"].lower())
        boss, report_ = next(chosen), next(chosen)
        boss["dtContractEnd"] = "2021-01-31T00:00:00"
        boss["manager"] = report_["manager"] = {"id": boss["id"], "name": "Former boss", "mail": None, "url": "…"}
        expected["manager inactive"] = {str(report_["id"])}
        company.delete_contracts({row["id"] for row in company.work_contracts if row["ownerId"] == last})
        without = {str(user["id"]) for user in company.users}
        without -= {str(row["ownerId"]) for row in sandbox.contracts}
        expected["no contract"] = without
    assert str(last) in without
    page = opened(dry_run(sandbox))
    assert page.locator("select[name=finding] option").count() == len(expected) + 1
    for name, ids in expected.items():
        row = page.locator(".findings tbody tr").filter(has_text=name.capitalize()).first
        assert row.locator("td.number").first.inner_text() == str(len(ids)), name
        row.locator("summary").click()
        assert row.locator("li a").count() == len(ids)
        page.select_option("select[name=finding]", name)
        assert_found(page, len(ids))
        assert set(found(page)) == ids
        page.select_option("select[name=finding]", "")
        assert_found(page, 250)


def test_search_finds_by_words_without_case_and_accents(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """The search finds people whose attributes contain all words. A filter limits it to a status."""
    page = opened(dry_run(sandbox))
    assert_found(page, 250)
    page.fill("input[name=search]", "NUNEZ zoe")
    assert_found(page, 1)
    page.fill("input[name=search]", "no such person")
    assert_found(page, 0)
    page.fill("input[name=search]", "")
    page.select_option("select[name=status]", "inactive")
    assert_found(page, figures(page)["Inactive"])
    page.keyboard.press("Enter")  # must not reload the page
    assert_found(page, figures(page)["Inactive"])


def test_headers_sort(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """A header sorts everybody, a second time the other way round; who has no value comes last; a search keeps that."""
    users = sandbox.lucca.company.users
    with sandbox.lucca.changing():
        for number, user in enumerate(users):
            alter(user, employeeNumber=None if number in {3, 249} else f"{number * 7 % 250}")
    page = opened(dry_run(sandbox))
    headers = page.locator("thead th").filter(has=page.get_by_role("button", name="Employee Number"))
    assert (headers.count(), page.locator("[aria-sort]").first.text_content()) == (2, "Id")
    by_number = sorted((number for number in range(250) if number not in {3, 249}), key=lambda n: n * 7 % 250)
    for direction, order in (("ascending", by_number), ("descending", by_number[::-1])):
        headers.first.get_by_role("button").press("Enter")
        expect(headers.last).to_have_attribute("aria-sort", direction)
        assert page.locator("[aria-sort]").count() == headers.count()
        assert found(page) == [str(users[number]["id"]) for number in (*order, 3, 249)]
        expect(headers.first.get_by_role("button")).to_be_focused()
    page.select_option("select[name=status]", "inactive")
    assert_found(page, figures(page)["Inactive"])
    shown = found(page)
    everybody = [str(users[number]["id"]) for number in (*by_number[::-1], 3, 249)]
    assert shown == [id_ for id_ in everybody if id_ in set(shown)]
    page.locator(".block thead button", has_text="Id").first.click()
    assert found(page) == sorted(shown, key=int)


def test_rows_are_of_equal_height(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """However long a value is, its row is as high as the others. The pointer shows the value in full."""
    alter(sandbox.lucca.company.users[0], jobTitle="Astronaut " * 100)
    page = opened(dry_run(sandbox))
    page.locator("#employees").scroll_into_view_if_needed()
    heights = page.evaluate("[...document.querySelectorAll('.block tbody tr')].map((row) => row.offsetHeight)")
    assert len(set(heights[:200])) == 1
    cell = page.locator(".block tbody tr").first.locator("td", has_text="Astronaut")
    cell.hover()
    assert str(cell.get_attribute("title")).count("Astronaut") == 100


@pytest.mark.parametrize("token", [False, True])
def test_it_says_when_nothing_was_compared(sandbox: Sandbox, opened: Callable[..., Page], token: bool) -> None:
    """Neither without an API token and an earlier import, nor if the source is empty, are there changes to look at."""
    settings = sandbox.api_token | sandbox.target_config if token else {}
    page = opened(dry_run(sandbox, **settings))
    expect(page.get_by_text("Nothing was compared: ")).to_be_visible()
    if token:
        sandbox.target_settings = {}
        sandbox.pipeline()
        page = opened(dry_run(sandbox, **settings))
        expect(page.get_by_text("Nothing was compared: ")).to_have_count(0)


def test_hostile_strings_are_only_shown(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """Markup and scripts in any attribute are shown as text: they don't run, break the page or send a request."""
    users = sandbox.lucca.company.users
    with sandbox.lucca.changing():
        for user, text in zip(users, HOSTILE, strict=False):
            alter(user, name=text, firstName=text, login=text, mail=text, jobTitle=text, employeeNumber=text)
            alter(user, department={"id": 1, "name": text, "code": text, "url": "…"}, manager=None)
            alter(user, legalEntity={"id": 1, "name": text, "url": "…"})
    sandbox.import_everybody()
    with sandbox.lucca.changing():
        for user, text in zip(users, reversed(HOSTILE), strict=False):
            alter(user, jobTitle=text, rolePrincipal={"id": 1, "name": text, "url": "…"})
    report = dry_run(sandbox, **sandbox.api_token)
    page = opened(report)
    assert page.title().startswith("Employees for Elimity Insights")
    assert page.locator("h1").count() == 1
    names = page.locator(".block tbody tr th").all_text_contents()
    assert [name.strip() for name in names[: len(HOSTILE)]] == [text.strip() for text in HOSTILE]
    assert page.locator("#changes").get_by_text("{{ 7 * 7 }}{% raw %}").count() >= 2
    assert "hacked" not in page.title()
    page.fill("input[name=search]", "onerror")
    assert_found(page, 2)


def test_what_cannot_be_seen_is_shown_by_pictures(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """Control characters are shown as symbols, because a browser would hide or drop them."""
    with sandbox.lucca.changing() as company:
        company.users[0]["name"] = "Nul\u0000Esc\u001b[31m\u009bDel\u007f"
    page = opened(dry_run(sandbox))
    assert page.locator(".block tbody tr th").first.text_content() == "Nul␀Esc␛[31m\ufffdDel␡"


@pytest.mark.slow
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_it_is_accessible(
    sandbox: Sandbox, opened: Callable[..., Page], color_scheme: Literal["light", "dark"]
) -> None:
    """The checker axe finds no violation (labels, contrast, structure, keyboard); Tab reaches search and table."""
    sandbox.import_everybody()
    sandbox.lucca.delete_users({sandbox.lucca.company.users[7]["id"]})
    alter(sandbox.lucca.company.users[20], jobTitle="Astronaut")
    page = opened(dry_run(sandbox, **sandbox.api_token))
    page.evaluate("document.querySelectorAll('details').forEach((details) => { details.open = true })")
    page.emulate_media(color_scheme=color_scheme)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    page.locator("body").press("Tab")
    assert page.locator(":focus").inner_text() == "Skip to the employees"
    page.locator(":focus").press("Enter")
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.name || document.activeElement.className"))
    assert reached == ["search", "status", "finding", "employees"]


def test_links_lead_to_the_employee(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """A finding's link leads to the person's row, although a row is laid out only when it comes into view."""
    page = opened(dry_run(sandbox))
    finding = page.locator(".findings tbody tr").filter(has_text="No mail")
    finding.locator("summary").click()
    link = finding.locator("li a").last
    link.click()
    there = page.locator(".block tr:target")
    expect(there).to_be_in_viewport()
    assert f"#{there.get_attribute('id')}" == link.get_attribute("href")
    # A link to a row that the search has hidden shows the row again.
    page.fill("input[name=search]", "nobody at all")
    assert_found(page, 0)
    finding.locator("li a").first.click()
    assert_found(page, 250)
    expect(there).to_be_in_viewport()


@pytest.mark.slow
def test_20000_employees_can_be_searched(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """The page lays out only what is in view, so it opens, finds the last of 20,000 employees and sorts them."""
    sandbox.lucca.company = generate_company(20_000, 3, sandbox.lucca.company.today)
    page = opened(dry_run(sandbox))
    last = sandbox.lucca.company.users[-1]
    page.fill("input[name=search]", str(last["login"]))
    assert_found(page, 1, "20,000")
    assert found(page) == [str(last["id"])]
    page.fill("input[name=search]", "")
    assert_found(page, "20,000", "20,000")
    page.locator(".block thead button", has_text="Id").first.click()
    assert found(page)[0] == str(last["id"])


def test_the_report_is_as_wide_as_the_screen(sandbox: Sandbox, opened: Callable[..., Page]) -> None:
    """The page doesn't scroll sideways, even on a phone. Only the table does."""
    page = opened(dry_run(sandbox))
    for width in (360, 800, 1600):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_says_when_it_was_made_and_that_nothing_was_uploaded(sandbox: Sandbox) -> None:
    """The file itself contains this, so nobody takes an old report for a new one."""
    text = dry_run(sandbox, timezone="Europe/Paris").read_text(encoding="utf-8")
    assert "(Europe/Paris)" in text
    assert "Nothing was uploaded." in text
    assert sandbox.elimity.snapshots == []
