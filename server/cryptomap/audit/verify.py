"""Reading the record: entry by entry, and whether it is what was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptomap.audit.entry import BEGINNING, Entry, Header

__all__ = ["Report", "entries", "files", "tail", "verify"]

MAX_FAULTS = 100


@dataclass(slots=True)
class Report:
    """``first`` is above 1 if older files were removed. ``chain`` is that of the last entry, ``faults`` a line each."""

    first: int = 0
    last: int = 0
    chain: str = BEGINNING
    faults: list[str] = field(default_factory=list)


def files(directory: Path) -> list[Path]:
    """The files of the record, oldest first."""
    return sorted(directory.glob("audit-*.log"))


def entries(directory: Path, faults: list[str] | None = None) -> Iterator[Entry]:
    """All entries that follow their predecessors. What is wrong is added to ``faults``; reading goes on with the next
    file, whose header says what it follows."""
    faults = faults if faults is not None else []
    number, chain = 0, BEGINNING
    for path in files(directory):
        lines = path.read_bytes().splitlines(keepends=True)
        try:
            header = Header.read(lines[0] if lines else b"")
        except ValueError as fault:
            faults.append(f"{path.name}: {fault}")
            continue
        if number and (header.first, header.follows) != (number + 1, chain):
            faults.append(f"{path.name}: it does not follow entry {number}")
        number, chain = header.first - 1, header.follows
        for line in lines[1:]:
            try:
                entry = Entry.read(line, chain)
                if entry.number != number + 1 or not line.endswith(b"\n"):
                    raise ValueError("it is not whole")
            except ValueError as fault:
                faults.append(f"{path.name}: entry {number + 1}: {fault}")
                break
            yield entry
            number, chain = entry.number, entry.chain


def verify(directory: Path, expected: tuple[int, str] | None = None) -> Report:
    """Whether the whole record holds. ``expected`` is a number and a chain noted earlier."""
    report = Report()
    seen = expected is None
    for entry in entries(directory, report.faults):
        report.first = report.first or entry.number
        report.last, report.chain = entry.number, entry.chain
        seen = seen or (entry.number, entry.chain) == expected
    if not seen and expected is not None:
        report.faults.append(f"there is no entry {expected[0]} with the chain {expected[1]}")
    del report.faults[MAX_FAULTS:]
    return report


def tail(path: Path) -> tuple[Header, list[Entry], int]:
    """The header of a file, its whole entries, and how many bytes these take. Raises ValueError without a header."""
    data = path.read_bytes()
    lines = data.splitlines(keepends=True)
    header = Header.read(lines[0] if lines else b"")
    found: list[Entry] = []
    chain, size = header.follows, len(lines[0])
    for line in lines[1:]:
        try:
            entry = Entry.read(line, chain)
        except ValueError:
            break
        if not line.endswith(b"\n"):
            break
        found.append(entry)
        chain, size = entry.chain, size + len(line)
    return header, found, size
