"""Stops an import from another thread."""

from threading import Event


class StoppedError(Exception):
    """The import was stopped."""


class Stop:
    """A flag that stops an import, which checks it regularly."""

    def __init__(self) -> None:
        self._event = Event()

    def set(self) -> None:
        """Stop the import at its next check."""
        self._event.set()

    def check(self) -> None:
        """Raise StoppedError if `set` was called."""
        if self._event.is_set():
            raise StoppedError

    def pause(self, seconds: float) -> None:
        """Wait, but raise StoppedError as soon as `set` is called."""
        if self._event.wait(seconds):
            raise StoppedError
