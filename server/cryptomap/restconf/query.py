"""The query parameters (RFC 8040 section 4.8): which there are for what, and what their values mean."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import unquote

from cryptomap.data.build import seconds_of
from cryptomap.errors import InvalidValue
from cryptomap.operations.with_defaults import BASIC_MODE, MODES

__all__ = ["EDIT", "NONE", "RETRIEVE", "STREAM", "Query"]

NONE: Final[Collection[str]] = ()
RETRIEVE: Final = ("content", "depth", "fields", "with-defaults")
EDIT: Final = ("insert", "point")
STREAM: Final = ("filter", "start-time", "stop-time")

_CONTENT: Final = ("all", "config", "nonconfig")
_INSERT: Final = ("first", "last", "before", "after")
_DEEPEST: Final = 65535


class Query:
    """The parameters of a request, those it may have being ``allowed``. Raises InvalidValue for any other, for one that
    is there twice, and when it is asked for a value that is wrong."""

    def __init__(self, text: str, allowed: Collection[str]) -> None:
        self._found: dict[str, str] = {}
        for pair in text.split("&") if text else ():
            name, _, value = pair.partition("=")
            if name not in allowed:
                there = f"; there are {', '.join(allowed)}" if allowed else ""
                raise _fault(name, f"there is no query parameter '{name[:40]}' for this{there}")
            if name in self._found:
                raise _fault(name, f"{name} is given twice")
            self._found[name] = value

    def text(self, name: str) -> str | None:
        """A parameter as it is, percent-decoded."""
        value = self._found.get(name)
        return None if value is None else unquote(value)

    def encoded(self, name: str) -> str | None:
        """A parameter as it came."""
        return self._found.get(name)

    @property
    def content(self) -> str:
        return self._choice("content", _CONTENT) or "all"

    @property
    def with_defaults(self) -> str:
        return self._choice("with-defaults", MODES) or BASIC_MODE

    @property
    def depth(self) -> int | None:
        """``None``: unbounded."""
        text = self.text("depth")
        if text in (None, "unbounded"):
            return None
        if not text.isdecimal() or not 1 <= int(text) <= _DEEPEST:
            raise _fault("depth", f"depth is '{text[:40]}', neither 1 to {_DEEPEST} nor unbounded")
        return int(text)

    @property
    def insert(self) -> str | None:
        """Where to put what is created. ``point`` goes with before and after, and only with them."""
        found = self._choice("insert", _INSERT)
        has_point = "point" in self._found
        if has_point != (found in ("before", "after")):
            name = "point" if has_point else "insert"
            raise _fault(name, "point goes with insert=before and insert=after, and they with it")
        return found

    def time(self, name: str) -> float | None:
        """Seconds since the epoch."""
        text = self.text(name)
        try:
            return None if text is None else seconds_of(text)
        except ValueError:
            raise _fault(name, f"{name} is '{text[:40] if text else ''}', not such as 2026-11-23T09:30:00Z") from None

    def _choice(self, name: str, allowed: Collection[str]) -> str | None:
        value = self.text(name)
        if value is not None and value not in allowed:
            raise _fault(name, f"{name} is '{value[:40]}', none of {', '.join(allowed)}")
        return value


def _fault(name: str, message: str) -> InvalidValue:
    return InvalidValue(message, error_type="protocol", info=[("bad-element", name[:40])])
