"""Compares an import with the best there is: the source itself, else what is remembered of the last import."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_elimity.comparison import Comparison
from target_elimity.safeguard import SMALLEST_GUARDED_IMPORT, Objection, lost_on_purpose, objections, rights_lost
from target_elimity.source import WITHOUT_COMPARISON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from target_elimity.employees import Employee
    from target_elimity.imports import Import
    from target_elimity.safeguard import Limits, Memory
    from target_elimity.source import Held, Source


class Guard:
    """The safeguard of one import. Without Singer: the gateway uses it, too.

    First `check` and `read_back`, before Lucca is read, then `add` each employee once, then ask for the rest.
    """

    def __init__(self, limits: Limits, source: Source | None) -> None:
        """Prepare a comparison.

        Args:
            limits: What an import may take away.
            source: The source as an API token sees it, if there is a token.
        """
        self._limits = limits
        self._source = source
        self.comparison = Comparison() if source else None
        """The import against the source, if there is an API token."""

    def close(self) -> None:
        """Delete what was read back."""
        if self.comparison:
            self.comparison.close()

    def check(self) -> None:
        """Make sure that the API token, if there is one, may read the source.

        Raises:
            SourceError: It may not, or that cannot be found out.
        """
        if self._source:
            self._source.check()

    def read_back(self, *, values: bool = False) -> Iterator[Held]:
        """Read what the source holds, if there is an API token; exhaust the iterator.

        Args:
            values: Whether the values of all attributes are needed.

        Raises:
            SourceError: It cannot be read.
        """
        if self._source and self.comparison:
            yield from self.comparison.reading(self._source.employees(values=values))

    def add(self, employee: Employee) -> None:
        """Compare an employee of the import."""
        if self.comparison:
            self.comparison.add(employee)

    def objections(self, incoming: Import, previous: Memory | None) -> Iterator[Objection]:
        """Yield why the import is refused.

        Args:
            incoming: The import, all of whose employees were made and added.
            previous: What is remembered of the last import, if anything is.
        """
        if previous:
            yield from rights_lost(previous.fields, incoming.hidden_fields)
        if self.comparison and self.comparison.held:
            yield from self.comparison.objections(self._limits, incoming.deselected)
        elif self.comparison and previous and previous.employees >= SMALLEST_GUARDED_IMPORT:
            yield Objection(
                f"The source holds no employees, but the last import brought {previous.employees}: the owner of the "
                f"API token may not see them, or somebody emptied the source. {WITHOUT_COMPARISON}"
            )
        elif previous and not self.comparison:
            yield from objections(previous, incoming.memory, self._limits, incoming.deselected)

    def nothing_compared(self, previous: Memory | None) -> str:
        """Return why nothing was compared, as a sentence; nothing if something was."""
        if self.comparison:
            return "" if self.comparison.held else "Nothing was compared: the source holds no employees yet."
        if previous:
            return ""
        return (
            "Nothing was compared: there is no API token, and no earlier import is remembered (this is the first one, "
            "STATE was lost, or --full-refresh was used)."
        )

    def warnings(self, incoming: Import, previous: Memory | None) -> Iterator[str]:
        """Yield what an administrator should look into, once all employees were made."""
        yield from incoming.warnings(is_first=bool(self.nothing_compared(previous)))
        before = self.comparison.values if self.comparison else previous.values if previous else {}
        if names := lost_on_purpose(before, incoming.deselected):
            yield f"Everybody loses {names}: the tap's catalog no longer selects it."
