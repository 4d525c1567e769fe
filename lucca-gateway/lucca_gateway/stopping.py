"""Stops an import from another thread."""

from threading import Event


class StoppedError(Exception):
    """The import was stopped."""


class Stop(Event):
    """A flag that stops an import, which checks it regularly."""

    def check(self) -> None:
        """Raise StoppedError if `set` was called."""
        if self.is_set():
            raise StoppedError

    def pause(self, seconds: float) -> None:
        """Wait, but raise StoppedError as soon as `set` is called."""
        if self.wait(seconds):
            raise StoppedError
