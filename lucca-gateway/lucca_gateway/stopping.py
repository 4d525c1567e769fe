"""How an import is told to stop, from another thread, wherever it is."""

from __future__ import annotations

from threading import Event


class StoppedError(Exception):
    """The import was told to stop: nobody waits for it any more."""


class Stop:
    """Set once by whoever no longer wants an import, looked at by the import."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Tell the import to stop."""
        self._event.set()

    def check(self) -> None:
        """Raise StoppedError if the import was told to stop."""
        if self._event.is_set():
            raise StoppedError

    def pause(self, seconds: float) -> None:
        """Wait; raise StoppedError at once when the import is told to stop."""
        if self._event.wait(seconds):
            raise StoppedError
