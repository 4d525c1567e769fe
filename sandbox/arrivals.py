"""Summarizes what arrived in Elimity Insights. The summary is safe to print, whatever the names contain."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sandbox.elimity import Elimity, values_of

SAMPLES = 3
WIDTH = 60


def summarize(elimity: Elimity) -> str:
    """Summarize the snapshots, the connector logs, and the employees of the last snapshot."""
    return "\n".join(_lines(elimity))


def printable(text: str) -> str:
    """Escape characters that could control a terminal or hide text, and cut long text."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )
    return shown if len(shown) <= WIDTH else shown[: WIDTH - 3] + "..."


def _lines(elimity: Elimity) -> Iterator[str]:
    yield f"Snapshots in Elimity Insights: {len(elimity.snapshots)}"
    for log in elimity.connector_logs:
        yield f"Connector log: {log.level}: {printable(log.message)}"
    if elimity.current is None:
        return
    entities = elimity.current.body["entities"]
    values = [values_of(entity) for entity in entities]
    names = {attribute["id"]: attribute["name"] for attribute in elimity.data_model["entityAttributeTypes"]}
    yield f"Entities in the last one:      {len(entities)}"
    for attribute in ("status", "contractType"):
        yield ""
        yield from _table(names.get(attribute, attribute), Counter(str(row.get(attribute, "-")) for row in values))
    step = max(len(entities) // SAMPLES, 1)
    for entity, row in list(zip(entities, values, strict=True))[::step][:SAMPLES]:
        yield ""
        yield from _person(entity, row, names)


def _table(title: str, counts: Counter[str]) -> Iterator[str]:
    rows = [(printable(label), str(count)) for label, count in counts.most_common()]
    yield from _aligned([(title, "Employees"), *rows])


def _person(entity: Mapping[str, Any], row: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[str]:
    yield f"{printable(entity['name'])} ({printable(entity['type'])} {printable(entity['id'])})"
    yield from _aligned([(f"  {names.get(key, key)}", printable(str(value))) for key, value in row.items()])


def _aligned(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    rows = list(rows)
    width = max((len(label) for label, _ in rows), default=0)
    for label, value in rows:
        yield f"{label.ljust(width)}  {value}"
