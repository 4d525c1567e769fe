"""The summary of what arrived in Elimity Insights."""

import json
import zlib

from sandbox.arrivals import printable, summarize
from sandbox.elimity import Elimity, Snapshot

from .conftest import DATA_MODEL

HOSTILE = "Esc\u001b[31m Nul\u0000 \u202etxet\nnew \u009b\u007f\u2028"


def _elimity(*people: dict[str, str]) -> Elimity:
    entities = [
        {
            "attributeAssignments": [
                {"attributeTypeId": name, "value": {"type": "string", "value": value}} for name, value in person.items()
            ],
            "id": str(number),
            "name": person.get("login", ""),
            "type": "employee",
        }
        for number, person in enumerate(people)
    ]
    body = zlib.compress(json.dumps({"entities": entities, "relationships": []}).encode())
    return Elimity(DATA_MODEL, snapshots=[Snapshot(body, {})])


def test_nothing_arrived() -> None:
    """Without a snapshot, the count is 0."""
    assert summarize(Elimity(DATA_MODEL)) == "Snapshots in Elimity Insights: 0"


def test_an_empty_snapshot_arrived() -> None:
    """A snapshot of nobody has empty tables."""
    assert summarize(_elimity()).splitlines()[:2] == [
        "Snapshots in Elimity Insights: 1",
        "Entities in the last one:      0",
    ]


def test_employees_are_counted_and_shown() -> None:
    """Employees are counted by Status and Contract Type in aligned columns, and some are shown."""
    people = [{"login": f"p{number}", "status": "active" if number % 3 else "inactive"} for number in range(9)]
    assert summarize(_elimity(*people)).split("\n\n") == [
        "Snapshots in Elimity Insights: 1\nEntities in the last one:      9",
        "Status    Employees\nactive    6\ninactive  3",
        "contractType  Employees\n-             9",
        "p0 (employee 0)\n  Login   p0\n  Status  inactive",
        "p3 (employee 3)\n  Login   p3\n  Status  inactive",
        "p6 (employee 6)\n  Login   p6\n  Status  inactive",
    ]


def test_hostile_names_cannot_steer_a_terminal() -> None:
    """Control characters, including those for text direction and lines, are escaped; long values are cut."""
    summary = summarize(_elimity({"login": HOSTILE, "status": HOSTILE}))
    assert all(line.isprintable() for line in summary.splitlines())
    assert "Esc\\x1b[31m Nul\\x00 \\u202etxet\\nnew \\x9b\\x7f\\u2028" in summary
    assert printable("Zoë 王 🦊") == "Zoë 王 🦊"
    assert printable("x" * 1000) == "x" * 57 + "..."
