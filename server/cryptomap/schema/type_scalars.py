"""The built-in types whose values stand for themselves: numbers, texts, names and octets (RFC 7950 section 9)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptomap.schema.patterns import Matcher, matcher
from cryptomap.schema.type_base import Names, Type, TypeFault

__all__ = [
    "INTEGER_BOUNDS",
    "BinaryType",
    "BitsType",
    "BooleanType",
    "Bounds",
    "Decimal64Type",
    "EmptyType",
    "EnumerationType",
    "IntegerType",
    "Pattern",
    "StringType",
]

INTEGER_BOUNDS: Mapping[str, tuple[int, int]] = {
    **{f"int{bits}": (-(1 << bits - 1), (1 << bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, (1 << bits) - 1) for bits in (8, 16, 32, 64)},
}
"""Lowest and highest value of each built-in integer type (RFC 7950 section 9.2)."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_MODULE_INTEGER = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|0[0-7]+|[1-9][0-9]*|0)")
_DECIMAL = re.compile(r"([+-]?)([0-9]+)(?:\.([0-9]+))?")
_XML_SPACE = " \t\r\n"
_NONCHARACTERS = "".join(chr(plane << 16 | low) for plane in range(17) for low in (0xFFFE, 0xFFFF))
_ILLEGAL = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufdd0-\ufdef{_NONCHARACTERS}]")
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Bounds:
    """A range or length statement: inclusive (low, high) parts in ascending order, and the module's own words."""

    parts: tuple[tuple[int, int], ...]
    text: str
    message: str | None = None
    app_tag: str | None = None

    def admits(self, number: int) -> bool:
        low, high = self.parts[0]  # nearly always the only one, and a generator is slow to begin
        return low <= number <= high or any(low <= number <= high for low, high in self.parts[1:])


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern statement; ``python`` is the same regular expression for :func:`re.fullmatch`."""

    text: str
    python: str
    inverted: bool = False
    message: str | None = None
    app_tag: str | None = None


class IntegerType(Type):
    """int8 .. uint64. Canonical: decimal, no leading zeros, no plus sign."""

    def __init__(self, base: str, bounds: Bounds | None = None) -> None:
        super().__init__(base)
        self.bounds = bounds or _integer_bounds(base)

    def _canonical(self, text: str, names: Names | None) -> str:
        stripped = text.strip(_XML_SPACE)
        # int() refuses huge texts and accepts underscores and other scripts' digits: look before.
        if not _INTEGER.fullmatch(stripped) or len(stripped.lstrip("+-0")) > 20:
            raise TypeFault(f"{self._quote(text)} is not an integer in the range {self.bounds.text}")
        return self._within(int(stripped), text)

    def parse_default(self, text: str, names: Names | None = None) -> str:
        match = _MODULE_INTEGER.fullmatch(text)
        if match is None:
            raise TypeFault(f"{self._quote(text)} is not an integer")
        sign, digits = match.groups()
        base = 16 if digits[:2] in ("0x", "0X") else 8 if digits[0] == "0" else 10
        return self._within(int(sign + digits, base), text)

    def _within(self, number: int, text: str) -> str:
        if not self.bounds.admits(number):
            message = self.bounds.message or f"{self._quote(text)} is not in the range {self.bounds.text}"
            raise TypeFault(message, self.bounds.app_tag)
        return str(number)

    def sort_key(self, value: str) -> int:
        return int(value)


def _integer_bounds(base: str) -> Bounds:
    low, high = INTEGER_BOUNDS[base]
    return Bounds(((low, high),), f"{low}..{high}")


class Decimal64Type(Type):
    """decimal64. ``bounds`` count in units of ``10 ** -digits``. Canonical: at least one digit on both sides of the
    point, no other leading or trailing zeros."""

    def __init__(self, digits: int, bounds: Bounds | None = None) -> None:
        super().__init__("decimal64")
        self.digits = digits
        self.bounds = bounds or Bounds((INTEGER_BOUNDS["int64"],), "of decimal64")

    def _canonical(self, text: str, names: Names | None) -> str:
        match = _DECIMAL.fullmatch(text.strip(_XML_SPACE))
        if match is None:
            raise TypeFault(f"{self._quote(text)} is not a decimal number")
        sign, whole, fraction = match.groups(default="")
        fraction = fraction.rstrip("0")
        whole = whole.lstrip("0")
        if len(fraction) > self.digits or len(whole) > 19:
            raise TypeFault(f"{self._quote(text)} does not fit {self.digits} fraction digits in 64 bits")
        units = int(sign + whole + fraction.ljust(self.digits, "0"))
        if not self.bounds.admits(units):
            message = self.bounds.message or f"{self._quote(text)} is not in the range {self.bounds.text}"
            raise TypeFault(message, self.bounds.app_tag)
        return f"{'-' if units < 0 else ''}{whole or '0'}.{fraction or '0'}"


class StringType(Type):
    """string, with its length and all patterns of the chain of typedefs. ``length`` counts characters."""

    def __init__(self, length: Bounds | None = None, patterns: tuple[Pattern, ...] = ()) -> None:
        super().__init__("string")
        self.length = length
        self.patterns = patterns
        self._matchers: list[tuple[Matcher, bool]] | None = None

    def accepted(self, text: str, names: Names | None = None) -> str | None:
        return text if self._holds(text) else None

    def _canonical(self, text: str, names: Names | None) -> str:
        if self._holds(text):
            return text
        raise self._fault(text)

    def _holds(self, text: str) -> bool:
        if self.length is not None and not self.length.admits(len(text)):
            return False
        for matches, inverted in self._compiled() if self._matchers is None else self._matchers:
            if bool(matches(text)) is inverted:
                return False
        return text.isprintable() or not _ILLEGAL.search(text)

    def _compiled(self) -> list[tuple[Matcher, bool]]:
        """At first use: most patterns of a large schema never meet a value."""
        self._matchers = [(matcher(pattern.python), pattern.inverted) for pattern in self.patterns]
        return self._matchers

    def _fault(self, text: str) -> TypeFault:
        """Why it is not a value."""
        if self.length is not None and not self.length.admits(len(text)):
            why = f"{self._quote(text)} has {len(text)} characters, allowed are {self.length.text}"
            return TypeFault(self.length.message or why, self.length.app_tag)
        for (matches, inverted), pattern in zip(self._compiled(), self.patterns, strict=True):
            if bool(matches(text)) is inverted:
                verb = "matches the excluded" if inverted else "does not match the"
                why = f"{self._quote(text)} {verb} pattern {pattern.text}"
                return TypeFault(pattern.message or why, pattern.app_tag)
        return TypeFault(f"{self._quote(text)} holds a character that YANG strings exclude (RFC 7950 section 9.4)")

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"_matchers": None}


class BooleanType(Type):
    """boolean: ``true`` or ``false``."""

    def __init__(self) -> None:
        super().__init__("boolean")

    def _canonical(self, text: str, names: Names | None) -> str:
        if text not in ("true", "false"):
            raise TypeFault(f"{self._quote(text)} is neither 'true' nor 'false'")
        return text


class EmptyType(Type):
    """empty: its one value is the empty text."""

    def __init__(self) -> None:
        super().__init__("empty")

    def _canonical(self, text: str, names: Names | None) -> str:
        if text:
            raise TypeFault(f"{self._quote(text)} stands in an element of type empty, which holds no text")
        return text


class EnumerationType(Type):
    """enumeration. ``values`` maps the names that are left after restrictions and features to their integers."""

    def __init__(self, values: Mapping[str, int]) -> None:
        super().__init__("enumeration")
        self.values = dict(values)

    def _canonical(self, text: str, names: Names | None) -> str:
        if text not in self.values:
            raise TypeFault(f"{self._quote(text)} is not one of {_listed(self.values)}")
        return text


class BitsType(Type):
    """bits. ``positions`` maps names to bit positions. Canonical: by position, one space between."""

    def __init__(self, positions: Mapping[str, int]) -> None:
        super().__init__("bits")
        self.positions = dict(positions)

    def _canonical(self, text: str, names: Names | None) -> str:
        bits = text.split()
        for bit in bits:
            if bit not in self.positions:
                raise TypeFault(f"{self._quote(bit)} is not a bit; bits are {_listed(self.positions)}")
        if len(set(bits)) != len(bits):
            raise TypeFault(f"{self._quote(text)} names a bit twice")
        return " ".join(sorted(bits, key=self.positions.__getitem__))


class BinaryType(Type):
    """binary: base64 text (RFC 4648 section 4). ``length`` counts octets. Canonical: no white space."""

    def __init__(self, length: Bounds | None = None) -> None:
        super().__init__("binary")
        self.length = length

    def _canonical(self, text: str, names: Names | None) -> str:
        try:
            octets = base64.b64decode("".join(text.split()).encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise TypeFault(f"{self._quote(text)} is not base64 text") from None
        if self.length is not None and not self.length.admits(len(octets)):
            why = f"the value has {len(octets)} octets, allowed are {self.length.text}"
            raise TypeFault(self.length.message or why, self.length.app_tag)
        return base64.b64encode(octets).decode("ascii")


def _listed(names: Mapping[str, int]) -> str:
    shown = ", ".join(list(names)[:_LISTED])
    return f"{shown}, ... ({len(names)})" if len(names) > _LISTED else shown
