"""Writes the report of a dry run: one self-contained HTML page for an HR or identity administrator."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import BinaryIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from target_elimity.attributes import ACTIVE, ATTRIBUTES
from target_elimity.database import Database, Row
from target_elimity.employees import Employees
from target_elimity.imports import Assessment
from target_elimity.preview.changes import Changes
from target_elimity.preview.findings import CHECKS, Findings

CHARTS = ("contractType", "legalEntity", "department")
# The widths of the first columns, in rem: name, id, status and findings.
FIRST_WIDTHS = (14, 6, 6, 12)
# The columns after them.
COLUMNS = [attribute for attribute in ATTRIBUTES if attribute.id != "status"]
# The browser lays out each block only when somebody scrolls to it.
ROWS_OF_A_BLOCK = 200
BARS_AT_FIRST_SIGHT = 20
EXAMPLES_OF_A_FINDING = 50
# Control characters are shown as symbols.
_VISIBLE = {
    **{code: 0x2400 + code for code in range(0x20)},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
}


@dataclass(frozen=True, slots=True)
class Report:
    """The content of the report."""

    employees: Employees

    assessment: Assessment

    changes: Changes | None
    """The differences from what the source holds, if there is an API token."""

    moment: datetime
    """The time of the checks, in the time zone that decides who is active."""


def write_report(report: Report, file: BinaryIO) -> None:
    """Write the page in UTF-8, block by block."""
    database = report.employees.database
    findings = Findings(database)
    names = {attribute.id: attribute.name for attribute in ATTRIBUTES}
    page = _environment.get_template("report.html.jinja").stream(
        style=_style,
        script=_script,
        policy=(
            f"default-src 'none'; base-uri 'none'; form-action 'none'; "
            f"style-src {_source(_style)}; script-src {_source(_script)}"
        ),
        report=report,
        names=names,
        checks=CHECKS,
        findings=findings.summary(EXAMPLES_OF_A_FINDING),
        charts=[(names[id_], _bars(database, id_)) for id_ in CHARTS],
        bars_at_first_sight=BARS_AT_FIRST_SIGHT,
        columns=COLUMNS,
        blocks=_blocks(findings.employees()),
    )
    page.enable_buffering(100)
    page.dump(file, encoding="utf-8")


def _bars(database: Database, attribute: str) -> list[Row]:
    """Return how many employees share each value of an attribute, the most frequent value first."""
    return list(
        database.select(
            f"SELECT {attribute} AS label, count(*) AS total, sum(status = ?) AS active "
            "FROM employees GROUP BY label ORDER BY total DESC, label",
            (ACTIVE,),
        )
    )


def _blocks(employees: Iterator[tuple[Row, list[str]]]) -> Iterator[list[tuple[Row, str]]]:
    rows = ((row, ", ".join(hits)) for row, hits in employees)
    while block := list(islice(rows, ROWS_OF_A_BLOCK)):
        yield block


def _shown(value: object) -> object:
    """Return a value as the page shows it. Jinja escapes it afterwards."""
    if value is None:
        return ""
    return value.translate(_VISIBLE) if isinstance(value, str) and not isinstance(value, Markup) else value


def _column_widths() -> str:
    """Return the style rules for the widths of the columns."""
    widths = (*FIRST_WIDTHS, *(attribute.width for attribute in COLUMNS))
    rules = (f".block th:nth-child({number}) {{ width: {width}rem; }}\n" for number, width in enumerate(widths, 1))
    return f".block {{ --width: {sum(widths)}rem; }}\n{''.join(rules)}"


def _source(text: str) -> str:
    """Return the content security policy source that allows exactly this style or script."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_loader = PackageLoader("target_elimity.preview")
_environment = Environment(
    loader=_loader, autoescape=True, finalize=_shown, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_style = Markup(_loader.get_source(_environment, "report.css")[0] + _column_widths())  # noqa: S704 - files of this package
_script = Markup(_loader.get_source(_environment, "report.js")[0])  # noqa: S704 - files of this package
