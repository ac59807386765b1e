"""The contract's data classes as JSON, for a world in a process of its own.

Each object that JSON does not know is a table with its type under ``"!"``. Only types of the registry can be made from
what arrives. Keys of manual maps and peers do cross here: the socket is private to the user (mode 0600).
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from immutables import Map

from cryptomap_backend import capabilities, contract, intent, marking, plan, state
from cryptomap_backend.simulator import dataplane, esp, faults, packet, peers

__all__ = ["CodecFault", "decode", "encode"]


class CodecFault(ValueError):
    """What arrived is not an encoded object."""


_MODULES = (capabilities, intent, marking, plan, state, dataplane, faults, peers)
_EXPORTS = {name: getattr(module, name) for module in _MODULES for name in module.__all__}
_DATA: dict[str, Any] = {name: item for name, item in _EXPORTS.items() if is_dataclass(item)}
_ENUMS: dict[str, Any] = {
    name: item for name, item in _EXPORTS.items() if isinstance(item, type) and issubclass(item, Enum)
}
_IDS: dict[str, Any] = {"TunnelId": intent.TunnelId, "ResponderId": intent.ResponderId}
_ERRORS: dict[str, type[Exception]] = {
    error.__name__: error
    for error in (
        contract.BackendError,
        contract.Refused,
        contract.ApplyFailed,
        contract.Unavailable,
        contract.OutcomeUnknown,
        faults.Hang,
        peers.NegotiationFault,
        packet.PacketFault,
        KeyError,
    )
}


def encode(value: object) -> bytes:
    """One line of JSON with its newline."""
    return json.dumps(_plain(value), separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Any:
    """The reverse. Raises CodecFault."""
    try:
        return _object(json.loads(line))
    except (ValueError, TypeError, KeyError, RecursionError) as fault:
        raise CodecFault(f"not an encoded object: {fault}") from fault


def _plain(value: object) -> object:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, intent.Secret):
        return {"!": "Secret", "v": [value.fingerprint, b64encode(value.reveal()).decode()]}
    if isinstance(value, (intent.TunnelId, intent.ResponderId)):
        return {"!": type(value).__name__, "v": list(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return {"!": type(value).__name__, "v": value.value}
    if is_dataclass(value):
        content = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"!": type(value).__name__, "v": content}
    return _plain_scalar(value)


def _plain_scalar(value: object) -> object:
    if isinstance(value, (Map, Mapping)):
        kind = "Map" if isinstance(value, Map) else "dict"
        return {"!": kind, "v": [[_plain(key), _plain(item)] for key, item in value.items()]}
    if isinstance(value, (frozenset, set)):
        return {"!": "set", "v": sorted((_plain(item) for item in value), key=str)}
    if isinstance(value, (IPv4Address, IPv6Address)):
        return {"!": "address", "v": str(value)}
    if isinstance(value, (IPv4Network, IPv6Network)):
        return {"!": "prefix", "v": str(value)}
    if isinstance(value, bytes):
        return {"!": "bytes", "v": b64encode(value).decode()}
    if isinstance(value, esp.DecapsulationFault):
        return {"!": "DecapsulationFault", "v": [value.counter, str(value)]}
    if isinstance(value, Exception) and type(value).__name__ in _ERRORS:
        return {"!": "error", "v": [type(value).__name__, str(value)]}
    raise TypeError(f"{type(value).__name__} does not cross a process boundary")


def _object(value: Any) -> Any:
    if isinstance(value, list):
        return tuple([_object(item) for item in value])
    if not isinstance(value, dict):
        return value
    kind, content = value["!"], value["v"]
    if kind in _DATA:
        return _DATA[kind](**{name: _object(item) for name, item in content.items()})
    if kind in _ENUMS:
        return _ENUMS[kind](content)
    if kind in _IDS:
        return _IDS[kind](*content)
    return _SCALARS[kind](content)


def _secret(content: list[str]) -> intent.Secret:
    fingerprint, key = content
    clear = b64decode(key)
    return intent.Secret(fingerprint, lambda: clear)


def _pairs(content: list[list[Any]]) -> dict[Any, Any]:
    return {_object(key): _object(item) for key, item in content}


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "Secret": _secret,
    "Map": lambda content: Map(_pairs(content)),
    "dict": _pairs,
    "set": lambda content: frozenset(_object(item) for item in content),
    "address": ip_address,
    "prefix": ip_network,
    "bytes": b64decode,
    "DecapsulationFault": lambda content: esp.DecapsulationFault(*content),
    "error": lambda content: _ERRORS[content[0]](content[1]),
}
