"""Stops an import from another thread."""

from __future__ import annotations

from threading import Event


class StoppedError(Exception):
    """The import was told to stop."""


class Stop:
    """Set once to stop an import, which checks it regularly."""

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
        """Wait, but raise StoppedError as soon as the import is told to stop."""
        if self._event.wait(seconds):
            raise StoppedError
