"""Compares an import with the source or, without an API token, with the last import."""

from collections.abc import Iterator

from target_elimity.comparison import Comparison
from target_elimity.employees import Employee
from target_elimity.imports import Import
from target_elimity.safeguard import (
    SMALLEST_GUARDED_IMPORT,
    Limits,
    Memory,
    Objection,
    deselected_since,
    objections,
    rights_lost,
)
from target_elimity.source import WITHOUT_COMPARISON, Held, Source


class Guard:
    """The safeguard of one import. The gateway uses it, too.

    Call `check` and `read_back` before Lucca is read, then `add` each employee once, then call the other methods.
    """

    def __init__(self, limits: Limits, source: Source | None) -> None:
        self._limits = limits
        self._source = source
        self.comparison = Comparison() if source else None
        """The comparison with the source, if there is an API token."""

    def close(self) -> None:
        """Delete what was read back."""
        if self.comparison:
            self.comparison.close()

    def check(self) -> None:
        """Check that the API token, if there is one, may read the source.

        Raises:
            SourceError: It may not, or the check failed.
        """
        if self._source:
            self._source.check()

    def read_back(self, *, values: bool = False) -> Iterator[Held]:
        """Read what the source holds, if there is an API token. The caller must exhaust the iterator.

        Raises:
            SourceError: It can't be read.
        """
        if self._source and self.comparison:
            yield from self.comparison.reading(self._source.employees(values=values))

    def add(self, employee: Employee) -> None:
        """Compare an employee of the import."""
        if self.comparison:
            self.comparison.add(employee)

    def objections(self, incoming: Import, previous: Memory | None) -> Iterator[Objection]:
        """Yield each reason to refuse the import, compared with the source or, without a token, with STATE."""
        if previous:
            yield from rights_lost(previous.fields, incoming.hidden_fields)
        if self.comparison:
            yield from self.comparison.objections(self._limits, incoming.deselected)
            if previous and self.comparison.held < SMALLEST_GUARDED_IMPORT <= previous.employees:
                yield Objection(
                    f"The source holds {self.comparison.held or 'no'} employees, but the last import brought "
                    f"{previous.employees}: the owner of the API token may not see them, or somebody emptied the "
                    f"source. {WITHOUT_COMPARISON}"
                )
        elif previous:
            yield from objections(previous, incoming.memory, self._limits, incoming.deselected)

    def nothing_compared(self, previous: Memory | None) -> str:
        """Return a sentence that says why nothing was compared; empty if a comparison was made."""
        if self.comparison:
            return "" if self.comparison.held else "Nothing was compared: the source holds no employees yet."
        if previous:
            return ""
        return (
            "Nothing was compared: there is no API token, and no earlier import is remembered (this is the first one, "
            "STATE was lost, or --full-refresh was used)."
        )

    def warnings(self, incoming: Import, previous: Memory | None) -> Iterator[str]:
        """Yield warnings for an administrator. Call it after all employees were added."""
        yield from incoming.warnings(is_first=bool(self.nothing_compared(previous)))
        before = self.comparison.values if self.comparison else previous.values if previous else {}
        if names := deselected_since(before, incoming.deselected):
            yield f"Everybody loses {names}: the tap's catalog no longer selects it."
