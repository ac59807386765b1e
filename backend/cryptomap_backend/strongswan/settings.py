"""The settings of the strongSwan backend, from the ``[backend]`` table of the daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from cryptomap_backend.linux.priorities import FIRST
from cryptomap_backend.load import SettingsFault

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """``socket`` is charon's VICI socket (strongswan.conf: plugins.vici.socket). ``prefix`` begins the names of our
    connections and keys in charon; those of others are left alone. ``timeout`` is how many seconds charon may be silent
    within one exchange. ``retry_min`` and ``retry_max`` are the shortest and longest pause in seconds before a tunnel
    is negotiated again. ``marking`` is a table of the settings of backend linux that mark: without it SAs carry no
    mark, and only the DSCP of the application reaches the wire. ``certificates`` is the directory of the files that the
    configuration names: NAME.crt, NAME.key, NAME.crl. ``policy_priority`` is the kernel priority of the policies of a
    map with preference 0; of two that select a packet, the smaller number takes it."""

    socket: str = "/var/run/charon.vici"
    prefix: str = "cryptomap"
    timeout: float = 5.0
    retry_min: float = 1.0
    retry_max: float = 60.0
    marking: Mapping[str, object] | None = None
    certificates: Path | None = None
    policy_priority: int = FIRST
    event_limit: int = 65536

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> Settings:
        """From names with ``-`` or ``_``. Raises SettingsFault, which names the culprit."""
        values = {name.replace("-", "_"): value for name, value in settings.items()}
        unknown = values.keys() - {field.name for field in fields(cls)}
        if unknown:
            raise SettingsFault(f"unknown strongswan setting {', '.join(sorted(unknown))}")
        found = replace(cls(), **{name: _READERS[name](name, value) for name, value in values.items()})
        if found.retry_min > found.retry_max:
            raise SettingsFault("strongswan setting retry_min is greater than retry_max")
        return found


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsFault(f"strongswan setting {name} must be a text")
    return value


def _word(name: str, value: object) -> str:
    text = _text(name, value)
    if not text.replace("-", "").replace("_", "").isalnum() or len(text) > 32:
        raise SettingsFault(f"strongswan setting {name} must be at most 32 letters, digits, - and _")
    return text


def _seconds(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise SettingsFault(f"strongswan setting {name} must be a number of seconds above 0")
    return float(value)


def _integer(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SettingsFault(f"strongswan setting {name} must be a whole number above 0")
    return value


def _table(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise SettingsFault(f"strongswan setting {name} must be a table")
    return {str(key): item for key, item in value.items()}


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "socket": _text,
    "prefix": _word,
    "timeout": _seconds,
    "retry_min": _seconds,
    "retry_max": _seconds,
    "marking": _table,
    "certificates": lambda name, value: Path(_text(name, value)),
    "policy_priority": _integer,
    "event_limit": _integer,
}
