"""Starts the packages' console scripts without the half second that Python takes to import them.

A server process imports all of the packages once. For each start it forks a child, which has its own arguments,
environment and standard streams, and runs the console script's function. Exit codes, signals, tracebacks and `atexit`
functions work as in a new process. Only the imports are shared, and the interpreter isn't torn down at the end.
"""

import atexit
import gc
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryFile
from typing import IO, Any, NoReturn

ROOT = Path(__file__).parent.parent
_LONGEST_REQUEST = 2**20
# Prefixes of the variables that Python and the dynamic linker read only when a process starts.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_")


@dataclass
class ForkServer:
    """The server process and our end of its socket. The server ends when this end is closed."""

    packages: Sequence[str]
    process: subprocess.Popen[bytes]
    connection: socket.socket
    settings: dict[str, str]

    @classmethod
    def start(cls, packages: Sequence[str]) -> "ForkServer":
        """Start the server for the console scripts of these packages."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            process = subprocess.Popen(
                [sys.executable, "-c", "from tests.forks import main; main()", str(its.fileno()), *packages],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                cwd=ROOT,
            )
        return cls(packages, process, ours, _read_at_start(os.environ))

    def stop(self) -> None:
        """Stop the server."""
        self.connection.close()
        self.process.wait()

    def can_run(self, command: str, environment: Mapping[str, str]) -> bool:
        """Return whether a fork does the same as a new process, for this command and environment."""
        return command in self.packages and self.settings == _read_at_start(environment)

    def run(
        self, command: str, arguments: Sequence[str | Path], text: str, environment: Mapping[str, str], patience: float
    ) -> tuple[int, str, str]:
        """Run a console script to its end; return its exit code and what it wrote to its standard streams.

        Raises:
            TimeoutExpired: It took longer than `patience` seconds, and was killed.
        """
        request = {"command": command, "arguments": list(map(str, arguments)), "environment": dict(environment)}
        with TemporaryFile() as stdin, TemporaryFile() as stdout, TemporaryFile() as stderr:
            stdin.write(text.encode())
            stdin.seek(0)
            reading, writing = os.pipe()
            with os.fdopen(reading) as answer:
                streams = [stdin.fileno(), stdout.fileno(), stderr.fileno(), writing]
                socket.send_fds(self.connection, [json.dumps(request).encode()], streams)
                os.close(writing)
                process = int(answer.readline())
                killer = threading.Timer(patience, os.kill, (process, signal.SIGKILL))
                killer.start()
                exit_code = int(answer.readline())
                if not killer.is_alive():
                    raise subprocess.TimeoutExpired(command, patience)
                killer.cancel()
            return exit_code, _written(stdout), _written(stderr)


def _read_at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_AT_START)}


def _written(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _serve(connection: socket.socket) -> Callable[[], Any]:
    """Fork a child for each request; in the child, return the function that it must run."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        request, descriptors, *_ = socket.recv_fds(connection, _LONGEST_REQUEST, 4)
        if not request:
            os._exit(0)
        if os.fork() == 0:
            connection.close()
            return _child(json.loads(request), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _child(request: dict[str, Any], stdin: int, stdout: int, stderr: int, answer: int) -> Callable[[], Any]:
    """Fork a child that becomes the console script; send its process id and exit code to the caller."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    process = os.fork()
    if process:
        os.write(answer, f"{process}\n".encode())
        _, status = os.waitpid(process, 0)
        os.write(answer, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    for number, descriptor in enumerate((stdin, stdout, stderr)):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.close(answer)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    random.seed()
    sys.argv = [str(Path(sys.executable).parent / request["command"]), *request["arguments"]]
    (script,) = entry_points(group="console_scripts", name=request["command"])
    function: Callable[[], Any] = script.load()
    return function


def _import_all(packages: Sequence[str]) -> None:
    """Import every module of the packages: a fork is quick because there is nothing left to import."""
    for package in packages:
        name = package.replace("-", "_")
        for module in walk_packages(import_module(name).__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                import_module(module.name)
    assert threading.active_count() == 1, "a fork would lose the threads that an import started"


def _run_to_its_end(function: Callable[[], Any]) -> NoReturn:
    """Run a function and exit as Python does, but skip the teardown of the interpreter, which is slow."""
    try:
        code = function()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 - Python prints any exception
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    atexit._run_exitfuncs()  # noqa: SLF001 - there is no public name
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code or 0)


def main() -> None:
    """Serve requests; in a forked child, run the console script."""
    sys.path.remove("")  # a console script imports what is installed, not what is in the current folder
    _, descriptor, *packages = sys.argv
    _import_all(packages)
    gc.freeze()
    _run_to_its_end(_serve(socket.socket(fileno=int(descriptor))))
