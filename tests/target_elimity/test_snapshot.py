"""The snapshot, compared with that of the vendor's client."""

import io
import json
import zlib
from collections.abc import Iterator
from datetime import date
from typing import Any

import elimity_insights_client as vendor
from hypothesis import given
from hypothesis import strategies as st
from target_elimity.attributes import ATTRIBUTES, Employee
from target_elimity.snapshot import BUFFER_SIZE, write_compressed, write_json

from sandbox.elimity import Elimity
from sandbox.server import serve
from tests.vendor import entity

Text = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
Moments = st.datetimes().map(lambda moment: moment.replace(microsecond=0).isoformat())
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": Text,
    "date": st.one_of(st.none(), st.dates().map(date.isoformat)),
    "dateTime": st.one_of(st.none(), Moments),
}


@st.composite
def employees(draw: st.DrawFn) -> Employee:
    """Draw an employee with any values, in the order of the table of attributes."""
    return Employee(
        draw(st.text("0123456789", min_size=1)),
        draw(st.text(st.characters(exclude_categories=["Cs"]))),
        [draw(VALUES[attribute.type]) for attribute in ATTRIBUTES],
    )


def uploaded_by_vendor(entities: list[Employee]) -> Any:
    """Return the JSON that the vendor's client sends for employees."""
    elimity = Elimity(validate=False)
    with serve(elimity.app) as url:
        config = vendor.Config(id=1, url=url, token=elimity.source_token)
        vendor.Client(config).reload_domain_graph(vendor.DomainGraph(map(entity, entities), []))
    assert elimity.current
    return elimity.current.body


def written(entities: list[Employee]) -> Any:
    """Return the JSON in our compressed snapshot."""
    file = io.BytesIO()
    write_compressed(entities, file)
    return json.loads(zlib.decompress(file.getvalue()))


def test_no_employees() -> None:
    """An empty snapshot equals the vendor's."""
    assert written([]) == uploaded_by_vendor([]) == {"entities": [], "relationships": []}


def test_hundreds_of_any_employees_are_what_the_vendors_client_sends() -> None:
    """After decompression and parsing, our snapshot equals what elimity-insights-client 10.2.1 uploads."""
    drawn: list[list[Employee]] = []

    @given(st.lists(employees(), max_size=20))
    def draw(entities: list[Employee]) -> None:
        drawn.append(entities)

    draw()
    everybody = [employee for entities in drawn for employee in entities]
    assert len(everybody) > 100
    assert written(everybody) == uploaded_by_vendor(everybody)


@given(st.lists(employees(), max_size=3))
def test_plain_and_compressed_are_the_same(entities: list[Employee]) -> None:
    """The file of a dry run has the same content as the compressed upload."""
    plain, compressed = io.BytesIO(), io.BytesIO()
    write_json(entities, plain)
    write_compressed(entities, compressed)
    assert plain.getvalue() == zlib.decompress(compressed.getvalue())


def test_it_is_written_while_it_is_encoded() -> None:
    """Employees aren't collected first: bytes are written before the last one is made."""
    nobody = Employee("1", "x" * 1000, [None] * len(ATTRIBUTES))
    file = io.BytesIO()
    sizes: list[int] = []

    def many() -> Iterator[Employee]:
        for _ in range(3 * BUFFER_SIZE // 1000):
            sizes.append(file.tell())
            yield nobody

    write_json(many(), file)
    assert 0 < sizes[-1] < file.tell()
    assert len(set(sizes)) >= 3
