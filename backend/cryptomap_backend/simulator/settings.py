"""The simulator's settings, from the ``[backend]`` table of the daemon or from a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from cryptomap_backend.capabilities import Capabilities, Feature
from cryptomap_backend.intent import Address
from cryptomap_backend.load import SettingsFault
from cryptomap_backend.simulator.faults import Faults
from cryptomap_backend.simulator.peers import Peer, peers_of
from cryptomap_backend.state import Platform

__all__ = ["VERSION", "Settings"]

VERSION = "1"
NO_FAULTS = Faults()
KNOWS_NOTHING = Platform()
"""A simulated box has no hardware of its own: what the server's settings say of the platform holds."""

LIMITS = {
    Feature.NATT: "simulated peers are never behind a NAT, so nothing is encapsulated in UDP",
    Feature.ESN: "simulated SAs have sequence numbers of 32 bits",
    Feature.CRL: "simulated certificates are never revoked",
    Feature.LIFETIME_VOLUME: "simulated SAs end by time only",
    Feature.LIFETIME_SEQUENCE: "simulated SAs end by time, and after 2^32 packets",
    Feature.IGNORE_REKEY: "simulated peers never ask to rekey",
    Feature.CHILD_LIMIT: "simulated peers never ask for further child SAs",
    Feature.ADDRESS_RANGES: "simulated sessions are not asked for a traffic selector",
    Feature.INNER_MTU: "the simulator fragments nothing",
}
LACKS = frozenset({Feature.ESN, Feature.LIFETIME_VOLUME, Feature.LIFETIME_SEQUENCE, Feature.INNER_MTU})
TOLERATED = frozenset(LACKS - {Feature.ESN})


@dataclass(frozen=True, slots=True)
class Settings:
    """``seed`` makes SPIs and keys reproducible. ``lacks`` names algorithms and features the simulator shall pretend
    not to have. ``socket`` is the path of a world in a process of its own."""

    seed: int | None = None
    socket: str | None = None
    peers: Mapping[Address, Peer] = field(default_factory=dict)
    faults: Faults = NO_FAULTS
    platform: Platform = KNOWS_NOTHING
    lacks: frozenset[str] = frozenset()
    event_limit: int = 65536

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> Settings:
        """From names with ``-`` or ``_``. Raises SettingsFault, which names the culprit."""
        values = {name.replace("-", "_"): value for name, value in settings.items()}
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise SettingsFault(f"unknown simulator setting {', '.join(sorted(unknown))}")
        return replace(cls(), **{name: _READERS[name](name, value) for name, value in values.items()})

    @property
    def versions(self) -> dict[str, str]:
        return {"simulator": VERSION}

    def capabilities(self) -> Capabilities:
        """Everything of the table, less what it shall lack."""
        full = Capabilities("simulator")
        return Capabilities(
            "simulator",
            ike_encryption=full.ike_encryption - self.lacks,
            ike_integrity=full.ike_integrity - self.lacks,
            ike_prf=full.ike_prf - self.lacks,
            esp_encryption=full.esp_encryption - self.lacks,
            esp_integrity=full.esp_integrity - self.lacks,
            ah_integrity=full.ah_integrity - self.lacks,
            features=full.features - LACKS - {Feature(name) for name in self.lacks if name in set(Feature)},
            tolerated=TOLERATED,
            versions=self.versions,
            platform=self.platform,
            notes={str(feature): note for feature, note in LIMITS.items()},
        )


def _integer(name: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise SettingsFault(f"simulator setting {name} must be a number")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise SettingsFault(f"simulator setting {name} must be a text")
    return value


def _names(name: str, value: object) -> frozenset[str]:
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise SettingsFault(f"simulator setting {name} must be a list of names")
    return frozenset(map(str, value))


def _table(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise SettingsFault(f"simulator setting {name} must be a table")
    return {str(key): item for key, item in value.items()}


def _platform(name: str, value: object) -> Platform:
    values = {key.replace("-", "_"): item for key, item in _table(name, value).items()}
    unknown = values.keys() - {field.name for field in fields(Platform)}
    if unknown:
        raise SettingsFault(f"simulator setting {name}: unknown {', '.join(sorted(unknown))}")
    return Platform(**values)  # type: ignore[arg-type]


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "seed": _integer,
    "socket": _text,
    "peers": lambda name, value: peers_of(value),
    "faults": lambda name, value: Faults.of(_table(name, value)),
    "platform": _platform,
    "lacks": _names,
    "event_limit": _integer,
}
