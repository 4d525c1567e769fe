"""Print a table of figures, floors, ratios and bars: `make bench`.

Compare only ratios from one run on one machine, because machines are noisy. Run times and memory are of a whole
process, start-up included, as the operating system accounts for it. Pairs run in turn, and the table shows the median
of their ratios.
"""

import argparse
import gc
import json
import os
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import elimity_insights_client as vendor
import requests
from elimity_insights_client._elimity_insights_client import _compress_domain_graph, _encode_domain_graph
from msgspec import convert
from target_elimity.attributes import Rules, new_employee
from target_elimity.records import Reference, User, WorkContract
from target_elimity.snapshot import write_compressed
from typing_extensions import override

from sandbox.company import generate_company
from sandbox.elimity import Elimity
from sandbox.lucca import USERS, WORK_CONTRACTS, Lucca
from sandbox.server import serve
from tests.vendor import entity

SCRIPTS = Path(sys.executable).parent
PAIRS = 5
LONG_RUNS = 3  # repetitions of the dry run and of the import that is compared with the source
MEASURE = """
import os, sys, time
start = time.perf_counter()
_, status, usage = os.wait4(os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:]), 0)
print(time.perf_counter() - start, usage.ru_maxrss, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status) != 0)
"""
# Numbers of employees, and the bars for tap and target as multiples of their floors (None: no bars). The peak memory
# for the largest company is compared with that for the one a quarter as large.
SIZES: dict[int, tuple[float, float] | None] = {5_000: None, 20_000: (2.5, 3.0)}
FULL_SIZES = {20_000: (2.5, 3.0), 50_000: None, 100_000: (2.0, 2.5), 200_000: None}


@dataclass(frozen=True)
class Usage:
    """What a process used: seconds from start to end, and peak memory in MiB."""

    seconds: float
    memory: float


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    what: str
    figure: str
    floor: str
    ratio: float
    bar: float
    format: str = "{:.2f} x"

    @override
    def __str__(self) -> str:
        """Return the row as Markdown."""
        ratio, bar = self.format.format(self.ratio), self.format.format(self.bar)
        verdict = "met" if self.ratio <= self.bar else "MISSED"
        return f"| {self.what} | {self.figure} | {self.floor} | {ratio} | {bar} | {verdict} |"


def run(*command: str | Path, read: Path | None = None, write: Path | None = None) -> Usage:
    """Run a process, which must succeed, and return what it used.

    A small process starts it, because the kernel counts the parent's memory as memory of the new process.
    """
    with (read or Path(os.devnull)).open("rb") as source, (write or Path(os.devnull)).open("wb") as sink:
        arguments = (sys.executable, "-S", "-c", MEASURE, *command)
        measured = subprocess.run(arguments, stdin=source, stdout=sink, stderr=subprocess.PIPE, check=False)
    *log, figures = measured.stderr.decode().splitlines()
    if measured.returncode:
        sys.exit("\n".join((f"{command} failed:", *log, figures)))
    seconds, kibibytes = figures.split()
    return Usage(float(seconds), int(kibibytes) / 1024)


@dataclass
class Bench:
    """The commands to measure, for one company that the sandbox serves."""

    folder: Path
    lucca: Lucca
    url: str
    elimity: Elimity
    elimity_url: str
    employees: int

    @property
    def messages(self) -> Path:
        """The file with the tap's output."""
        return self.folder / f"{self.employees}.singer"

    def tap(self) -> Usage:
        """Run tap-lucca."""
        config = self._file("tap.json", host=self.url, api_key=self.lucca.api_key, requests_per_minute=100_000)
        return run(SCRIPTS / "tap-lucca", "--config", config, write=self.messages)

    def floor_tap(self) -> Usage:
        """Run the floor of the tap."""
        floor = ("-m", "bench.floor_tap", self.url, self.lucca.api_key)
        return run(sys.executable, *floor, write=self.folder / "floor.singer")

    def target(self) -> Usage:
        """Run target-elimity, upload included."""
        credentials = {"source_id": self.elimity.source_id, "source_token": self.elimity.source_token}
        config = self._file("target.json", url=self.elimity_url, **credentials)
        usage = run(SCRIPTS / "target-elimity", "--config", config, read=self.messages)
        assert self.elimity.snapshots
        self.elimity.snapshots.clear()
        return usage

    def comparing(self) -> Usage:
        """Run target-elimity with the comparison, on a source that holds the same people."""
        command = self._hold_everybody()
        usage = run(*command, read=self.messages)
        assert len(self.elimity.snapshots) > 1
        del self.elimity.snapshots[1:]
        return usage

    def dry_run(self) -> Usage:
        """Run target-elimity as a dry run, with its report and the comparison with the same people."""
        self._hold_everybody()
        settings = {**self._comparison, "output_path": str(self.folder / "output")}
        return run(SCRIPTS / "target-elimity", "--config", self._file("dry.json", **settings), read=self.messages)

    def floor_target(self) -> Usage:
        """Run the floor of the target."""
        return run(sys.executable, "-m", "bench.floor_target", self.folder / "snapshot", read=self.messages)

    def pages_per_second(self) -> float:
        """Return how fast the sandbox serves pages to a client that discards them."""
        key = {"Authorization": f"lucca application={self.lucca.api_key}"}
        query = {"paging": "0,1000", "orderBy": "id,asc", "formerEmployees": "true"}
        with requests.Session() as session:
            start, pages = time.perf_counter(), 20
            for page in range(1, pages // 2 + 1):
                session.get(self.url + USERS, params={**query, "fields": "id,name,mail"}, headers=key, timeout=30)
                numbered = {"page": str(page), "limit": "1000", "isArchived": "false"}
                session.get(self.url + WORK_CONTRACTS, params=numbered, headers=key, timeout=30)
            return pages / (time.perf_counter() - start)

    @property
    def _comparison(self) -> dict[str, str]:
        """Settings with which the target compares the import with what the source holds."""
        return {
            "url": self.elimity_url,
            "source_id": self.elimity.source_id,
            "source_token": self.elimity.source_token,
            "api_token_id": self.elimity.api_token_id,
            "api_token_secret": self.elimity.api_token_secret,
        }

    def _hold_everybody(self) -> tuple[Path | str, ...]:
        """Return the command that imports with the comparison, after the source holds the people."""
        command = (SCRIPTS / "target-elimity", "--config", self._file("comparing.json", **self._comparison))
        if not self.elimity.snapshots:
            run(*command, read=self.messages)
        return command

    def _file(self, name: str, **content: object) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path


@contextmanager
def company_of(employees: int, folder: Path) -> Iterator[Bench]:
    """Serve a company, and yield the commands for it."""
    lucca = Lucca(generate_company(employees, 1, today()), requests_per_window=None)
    elimity = Elimity(validate=False)
    with serve(lucca.app) as url, serve(elimity.app) as elimity_url:
        yield Bench(folder, lucca, url, elimity, elimity_url, employees)


def today() -> date:
    """Return today's date in UTC."""
    return datetime.now(UTC).date()


def pairs(what: str, figures: Sequence[Usage], floors: Sequence[Usage], bar: float) -> Row:
    """Return the row for two commands that were run in turn."""
    ratio = median(figure.seconds / floor.seconds for figure, floor in zip(figures, floors, strict=True))
    seconds = [f"{median(usage.seconds for usage in usages):.2f} s" for usages in (figures, floors)]
    return Row(what, seconds[0], seconds[1], ratio, bar)


def middle(usages: Sequence[Usage]) -> Usage:
    """Return the medians."""
    return Usage(median(usage.seconds for usage in usages), median(usage.memory for usage in usages))


def measure(folder: Path, sizes: Mapping[int, tuple[float, float] | None]) -> Iterator[Row | str]:
    """Measure everything, smallest company first."""
    smallest, largest = min(sizes), max(sizes)
    taps: dict[int, Usage] = {}
    targets: dict[int, Usage] = {}
    dry_runs: dict[int, Usage] = {}
    comparing: dict[int, Usage] = {}
    for employees, bars in sizes.items():
        with company_of(employees, folder) as bench:
            bench.floor_tap()  # warm-up: the sandbox sorts its rows once
            rounds = [(bench.tap(), bench.floor_tap(), bench.target(), bench.floor_target()) for _ in range(PAIRS)]
            long_runs = [(bench.dry_run(), bench.comparing()) for _ in range(LONG_RUNS)]
            taps[employees] = middle([row[0] for row in rounds])
            targets[employees] = middle([row[2] for row in rounds])
            dry_runs[employees] = middle([row[0] for row in long_runs])
            comparing[employees] = middle([row[1] for row in long_runs])
            if bars:
                tap_bar, target_bar = bars
                of = f"{employees:,} employees"
                yield pairs(f"`tap-lucca`, {of}", [row[0] for row in rounds], [row[1] for row in rounds], tap_bar)
                yield pairs(
                    f"`target-elimity`, {of}", [row[2] for row in rounds], [row[3] for row in rounds], target_bar
                )
            if employees == smallest:
                yield pairs(
                    f"dry run with report and comparison, {employees:,} employees, against the upload",
                    [row[0] for row in long_runs],
                    [row[2] for row in rounds[:LONG_RUNS]],
                    5.0,
                )
                yield from _requests(bench)
                yield f"The sandbox serves {bench.pages_per_second():.0f} pages of 1,000 rows a second."
            bench.messages.unlink()
            shutil.rmtree(folder / "output")
    for name, usages, memory_bar in (
        ("`tap-lucca`", taps, 1.1),
        ("`target-elimity`", targets, 1.3),
        ("dry run", dry_runs, 1.3),
        ("import compared with the source", comparing, 1.3),
    ):
        small, large = usages[largest // 4], usages[largest]
        yield Row(
            f"{name}, peak memory at {largest:,} against {largest // 4:,} employees",
            f"{large.memory:.0f} MiB",
            f"{small.memory:.0f} MiB",
            large.memory / small.memory,
            memory_bar,
        )
        per_employee = {count: usage.seconds / count for count, usage in usages.items()}
        yield Row(
            f"{name}, time per employee at {largest:,} against {smallest:,}",
            f"{per_employee[largest] * 1e6:.0f} µs",
            f"{per_employee[smallest] * 1e6:.0f} µs",
            per_employee[largest] / per_employee[smallest],
            1.3,
        )
    yield _encoding(10_000)


def _requests(bench: Bench) -> Iterator[Row]:
    bench.lucca.requests.clear()
    bench.tap()
    paths = [request.path for request in bench.lucca.requests]
    company = bench.lucca.company
    contracts = len(company.work_contracts) - len(company.archived_contracts)
    for path, rows in ((USERS, len(company.users)), (WORK_CONTRACTS, contracts)):
        needed = ceil(rows / 1000)
        asked = paths.count(path)
        yield Row(f"requests for {rows:,} rows of `{path}`", str(asked), str(needed), asked, needed + 1, "{:.0f}")


def _encoding(count: int) -> Row:
    """Compare encoding and compression alone, from employees to bytes, with the vendor's client and its objects."""
    rules = Rules(today(), UTC, {})
    contract = WorkContract(1, 1, "2020-01-01", None, True, type=Reference(1, "CDI"))
    users = generate_company(count, 1, rules.today).users
    employees = [new_employee(convert(dict(user), User), [contract], rules) for user in users]
    gc.collect()
    ratios, ours, theirs = [], [], []
    for _ in range(PAIRS):
        start = time.perf_counter()
        file = BytesIO()
        write_compressed(employees, file)
        middle = time.perf_counter()
        graph = vendor.DomainGraph(map(entity, employees), [])
        sent = b"".join(_compress_domain_graph(_encode_domain_graph(graph)))
        end = time.perf_counter()
        assert json.loads(zlib.decompress(sent)) == json.loads(zlib.decompress(file.getvalue()))
        ours.append(middle - start)
        theirs.append(end - middle)
        ratios.append(ours[-1] / theirs[-1])
    return Row(
        f"snapshot of {count:,} employees, against `elimity-insights-client` 10.2.1",
        f"{median(ours):.2f} s",
        f"{median(theirs):.2f} s",
        median(ratios),
        1 / 8,
        "{:.3f} x",
    )


def main() -> None:
    """Print the table, and exit with 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure tap and target against their floors.")
    parser.add_argument("--full", action="store_true", help="measure companies of up to 200,000, instead of 20,000")
    sizes = FULL_SIZES if parser.parse_args().full else SIZES
    print("| what | figure | floor | ratio | bar | |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    remarks, missed = [], False
    with TemporaryDirectory() as folder:
        for result in measure(Path(folder), sizes):
            if isinstance(result, str):
                remarks.append(result)
            else:
                print(result, flush=True)
                missed |= result.ratio > result.bar
    print("", *remarks, sep="\n")
    sys.exit(missed)


if __name__ == "__main__":
    main()
