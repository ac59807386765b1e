"""Values to JSON and back, by their annotated types. Decoding is strict: what does not fit its type is refused, so that
whatever arrives at a privileged process is what it claims to be."""

from __future__ import annotations

import types
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Union, get_args, get_origin, get_type_hints

__all__ = ["CodecFault", "decode", "encode"]

TAG = "!"
TEXTUAL: Mapping[object, Callable[[str], object]] = {
    IPv4Address: IPv4Address,
    IPv6Address: IPv6Address,
    IPv4Network: IPv4Network,
    IPv6Network: IPv6Network,
}
EITHER_FAMILY = (
    ({IPv4Address, IPv6Address}, ip_address),
    ({IPv4Network, IPv6Network}, ip_network),
)


class CodecFault(ValueError):
    """A value does not fit its type; the text names the type, never the value, which may be a key."""


def encode(value: Any) -> Any:
    """To what JSON knows."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, tuple(TEXTUAL)):  # type: ignore[arg-type]
        return str(value)
    return _encode_compound(value)


def _encode_compound(value: Any) -> Any:
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        return {TAG: type(value).__name__, **{name: encode(getattr(value, name)) for name in names}}
    if hasattr(value, "_fields"):
        return {TAG: type(value).__name__, **{name: encode(getattr(value, name)) for name in value._fields}}
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(encode(item) for item in value)
    raise TypeError(f"{type(value).__name__} does not go to the helper")


def decode(kind: Any, data: Any) -> Any:
    """From what JSON made of it. Raises CodecFault."""
    try:
        return _decoder(kind)(data)
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        if isinstance(fault, CodecFault):
            raise
        raise CodecFault(f"not a {_name(kind)}") from fault


@cache
def _decoder(kind: Any) -> Callable[[Any], Any]:
    """Made once for each type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return _fixed([_decoder(item) for item in arguments])
    if origin in (tuple, Sequence, frozenset):
        return _many(frozenset if origin is frozenset else tuple, _decoder(arguments[0]))
    if origin is Mapping:
        return _table(_decoder(arguments[1]))
    if kind in TEXTUAL:
        return lambda data: TEXTUAL[kind](_checked(str, data))
    return _single(kind)


def _single(kind: Any) -> Callable[[Any], Any]:
    if kind is bytes:
        return lambda data: b64decode(_checked(str, data), validate=True)
    if kind is float:
        return lambda data: float(_checked((int, float), data))
    if kind in (bool, int, str, type(None)):
        return lambda data: _checked(kind, data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    return _object(kind)


def _object(kind: Any) -> Callable[[Any], Any]:
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else list(kind._fields)
    hints = get_type_hints(kind)
    parts = {name: _decoder(hints[name]) for name in names}

    def read(data: Any) -> Any:
        if _checked(dict, data).keys() != {TAG, *parts} or data[TAG] != kind.__name__:
            raise CodecFault(f"not a {kind.__name__}")
        return kind(**{name: part(data[name]) for name, part in parts.items()})

    return read


def _union(kinds: tuple[Any, ...]) -> Callable[[Any], Any]:
    if type(None) in kinds:
        rest: Any = Union[tuple(kind for kind in kinds if kind is not type(None))]  # noqa: UP007 - made at run time
        inner = _decoder(rest)
        return lambda data: None if data is None else inner(data)
    for family, read in EITHER_FAMILY:
        if set(kinds) == family:
            return lambda data: read(_checked(str, data))
    tagged = {kind.__name__: _decoder(kind) for kind in kinds}
    return lambda data: tagged[data[TAG]](data)


def _fixed(parts: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda data: tuple([part(item) for part, item in zip(parts, _checked(list, data), strict=True)])


def _many(make: Callable[[Any], Any], part: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda data: make([part(item) for item in _checked(list, data)])


def _table(part: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda data: {key: part(item) for key, item in _checked(dict, data).items()}


def _checked(kind: Any, data: Any) -> Any:
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise CodecFault(f"not a {_name(kind)}")
    return data


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", str(kind))
