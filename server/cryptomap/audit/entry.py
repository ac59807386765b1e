"""What is recorded, and its form on disk.

A file begins with a header line and holds an entry a line, both JSON. Each entry carries the SHA-256 over the entry
before it and itself, its ``chain``; the header repeats the last one of the file before. Whoever alters, takes out,
inserts or reorders entries has to write anew all that follow, and the last chain, once noted elsewhere, gives that
away.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeAlias

__all__ = ["BEGINNING", "Deed", "Entry", "Header", "Outcome", "Witness", "unseen"]

BEGINNING = "0" * 64  # stands before the first entry
MAX_TEXT = 1024  # characters of one field; a login's user name is anybody's word
FORMAT = 1


class Outcome(StrEnum):
    OK = "ok"
    DENIED = "denied"  # access control or authentication said no
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Deed:
    """Somebody did, or tried to do, something.

    ``kind`` is "login", "session", "rpc", "commit", "server" or "maintenance" (a command on the state directory).
    ``commit`` and ``digest`` name the commit it made, or after which it happened, as the journal's chain has it: that
    digest covers the change itself. No field ever holds a secret.
    """

    kind: str
    operation: str
    outcome: Outcome = Outcome.OK
    user: str = ""
    source: str = ""
    session: int = 0
    detail: str = ""
    commit: int | None = None
    digest: str = ""


Witness: TypeAlias = Callable[[Deed], None]
"""Told of a deed once its outcome is known; from any thread, never fails."""


def unseen(_deed: Deed) -> None:
    """The witness that sees nothing."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first line of a file: the number of its first entry, and the chain of the entry before that."""

    first: int
    follows: str
    format: int = FORMAT

    def line(self) -> bytes:
        return _line(asdict(self))

    @classmethod
    def read(cls, line: bytes) -> Header:
        """Raises ValueError."""
        try:
            header = cls(**json.loads(line))
        except (TypeError, json.JSONDecodeError) as fault:
            raise ValueError("it has no header") from fault
        if header.format != FORMAT:
            raise ValueError(f"format {header.format} was written by a newer cryptomapd; this one reads {FORMAT}")
        return header


@dataclass(frozen=True, slots=True)
class Entry:
    """A deed on record."""

    number: int
    time: str  # RFC 3339, UTC
    deed: Deed
    chain: str

    @classmethod
    def after(cls, number: int, now: float, deed: Deed, previous: str) -> tuple[Entry, bytes]:
        """The next entry, and its line."""
        time = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        fields = {"number": number, "time": time, **{name: _short(value) for name, value in asdict(deed).items()}}
        chain = _chain(previous, fields)
        return cls(number, time, deed, chain), _line({**fields, "chain": chain})

    @classmethod
    def read(cls, line: bytes, previous: str) -> Entry:
        """Raises ValueError if it is no entry, or not one that follows the one with that chain."""
        try:
            fields = json.loads(line)
            chain = fields.pop("chain")
            number, time = fields["number"], fields["time"]
            deed = Deed(**{name: value for name, value in fields.items() if name not in ("number", "time")})
        except (TypeError, KeyError, AttributeError, UnicodeDecodeError, json.JSONDecodeError) as fault:
            raise ValueError("it cannot be read") from fault
        if chain != _chain(previous, fields):
            raise ValueError("it was altered, or what stood before it was")
        return cls(number, time, deed, chain)


def _chain(previous: str, fields: dict[str, object]) -> str:
    return hashlib.sha256(previous.encode() + _line(fields)).hexdigest()


def _line(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _short(value: object) -> object:
    return value[:MAX_TEXT] if isinstance(value, str) else value
