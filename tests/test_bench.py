"""The benchmark's floor programs do the work of the programs that they are compared with."""

import json
import sys
import zlib

from bench.__main__ import Bench
from bench.__main__ import run as measured
from sandbox.elimity import values_of
from tests.harness import Sandbox


def test_the_floors_read_and_write_what_the_programs_do(sandbox: Sandbox) -> None:
    """The floors emit as many records as the tap, and the target's employees with nearly as many attributes."""
    bench = Bench(sandbox.folder, sandbox.lucca, sandbox.lucca_url, sandbox.elimity, sandbox.elimity_url, 250)
    usage = bench.tap()
    assert usage.seconds > 0
    assert usage.memory > 1
    floor, snapshot = sandbox.folder / "floor.singer", sandbox.folder / "snapshot"
    measured(sys.executable, "-m", "bench.floor_tap", sandbox.lucca_url, sandbox.lucca.api_key, write=floor)
    records = [line for line in bench.messages.read_text().splitlines() if '"type":"RECORD"' in line]
    assert len(floor.read_text().splitlines()) == len(records)
    measured(sys.executable, "-m", "bench.floor_target", snapshot, read=bench.messages)
    assert bench.target().seconds > 0  # fails if nothing is uploaded
    bench.dry_run()
    floors, ours = (
        {entity["id"]: values_of(entity).keys() for entity in body["entities"]}
        for body in (
            json.loads(zlib.decompress(snapshot.read_bytes())),
            json.loads((sandbox.folder / "output" / "snapshot.json").read_bytes()),
        )
    )
    assert floors.keys() == ours.keys()
    assert sum(map(len, floors.values())) > 0.95 * sum(map(len, ours.values()))
