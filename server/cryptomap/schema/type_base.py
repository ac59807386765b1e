"""What every YANG type offers (RFC 7950 section 9).

A value inside the server is its canonical text. :meth:`Type.parse` makes it from what a client sent and refuses what
the type does not allow; a text seen before costs one dictionary look-up. :meth:`Type.render` is the way back, which
differs from the canonical text only where module names have to become XML prefixes.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

__all__ = ["Names", "Prefixes", "Type", "TypeFault"]

Names: TypeAlias = Callable[[str | None], str]
"""Module name for an XML prefix; ``None`` stands for "no prefix". Raises :class:`TypeFault` for an unknown prefix."""

Prefixes: TypeAlias = Callable[[str], str]
"""XML prefix to write for a module name."""

MEMO_ENTRIES = 4096
MEMO_TEXT = 256
QUOTED_TEXT = 60


class TypeFault(ValueError):
    """A text is not a value of the type. ``message`` is for the operator; ``app_tag`` is the module's error-app-tag."""

    def __init__(self, message: str, app_tag: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.app_tag = app_tag

    def __reduce__(self) -> tuple[type[TypeFault], tuple[str, str | None]]:
        return TypeFault, (self.message, self.app_tag)


class Type(ABC):
    """A type as one leaf or leaf-list uses it, all restrictions included.

    ``base`` is the name of the built-in type. ``qualified`` says that canonical values hold module names, so that
    parsing and writing them depends on XML prefixes.
    """

    qualified: bool = False

    def __init__(self, base: str) -> None:
        self.base = base
        self.is_discreet = False
        self._memo: dict[str, str] = {}

    def parse(self, text: str, names: Names | None = None) -> str:
        """The canonical value of a lexical one. Without ``names``, prefixes are module names. Raises TypeFault."""
        value = self._memo.get(text)
        if value is not None:
            return value
        value = self._canonical(text, names)
        if not (self.qualified or self.is_discreet or len(text) > MEMO_TEXT):
            if len(self._memo) >= MEMO_ENTRIES:
                self._memo.clear()
            self._memo[text] = value
        return value

    def accepted(self, text: str, names: Names | None = None) -> str | None:
        """The same with ``None`` for what is not a value, for who does not ask why."""
        try:
            return self.parse(text, names)
        except TypeFault:
            return None

    @property
    def known(self) -> Callable[[str | None], str | None]:
        """The canonical value of a text that was parsed before, ``None`` if it was not: :meth:`parse` without a call.
        Not for ``qualified`` types, which remember nothing."""
        return self._memo.get  # type: ignore[return-value]  # looking up None finds nothing

    def plain(self) -> Type:
        """The type that says what values are good: for a leafref that of the leaf it points to, else this one."""
        return self

    def parse_default(self, text: str, names: Names | None = None) -> str:
        """The same for a value written in a module, where integers may be hexadecimal or octal (RFC 7950 9.2.1)."""
        return self.parse(text, names)

    def render(self, value: str, prefixes: Prefixes) -> str:
        """The text of a canonical value in XML, with the prefixes to use."""
        return value

    def sort_key(self, value: str) -> str | int:
        """What list entries are ordered by when this is the type of their key."""
        return value

    def discreet(self) -> Type:
        """A copy for secrets: it neither remembers values nor quotes them in a TypeFault."""
        twin = copy.copy(self)
        twin.is_discreet = True
        twin._memo = {}
        return twin

    @abstractmethod
    def _canonical(self, text: str, names: Names | None) -> str:
        """The canonical value of a text not seen before, or TypeFault."""

    def _quote(self, text: str) -> str:
        if self.is_discreet:
            return "the value"
        return f"'{text}'" if len(text) <= QUOTED_TEXT else f"'{text[:QUOTED_TEXT]}...' ({len(text)} characters)"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_memo"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._memo = {}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base}>"
