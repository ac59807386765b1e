"""The settings of everything that marks and encapsulates in the kernel, from the ``[backend]`` table of the daemon.

``contexts`` and ``vrfs`` say where on this machine a context lives: a network namespace, and optionally a VRF device in
it. What is not named lives in the server's own namespace. ``devices`` are the network devices that mark::

    [backend.contexts.ipsec-d]
    namespace = "ipsec-d"

    [[backend.devices]]
    context = "ipsec-d"
    device = "eth0.100"
    mpls-label = 200
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptomap_backend.linux.egress import Egress
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.linux.priorities import FIRST
from cryptomap_backend.load import SettingsFault

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """``helper`` is the socket of the privileged helper, ``None`` to do everything in this process (which then needs
    CAP_NET_ADMIN). ``reqids`` is the range of request ids that are ours, both ends included: SAs and policies outside
    it are never touched. ``mark_shift``, ``table`` and ``priority_major`` keep marks, nftables and tc apart alike."""

    helper: str | None = None
    namespaces: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[Egress, ...] = ()
    reqids: tuple[int, int] = (0x10000000, 0x1FFFFFFF)
    mark_shift: int = 0
    table: str = "cryptomap"
    priority_major: int = 0x4351
    policy_priority: int = FIRST

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> Settings:
        """From names with ``-`` or ``_``. Raises SettingsFault, which names the culprit."""
        values = {name.replace("-", "_"): value for name, value in settings.items()}
        unknown = values.keys() - _READERS.keys()
        if unknown:
            raise SettingsFault(f"unknown linux setting {', '.join(sorted(unknown))}")
        namespaces = _contexts(values.pop("contexts", {}))
        devices = _devices(values.pop("devices", ()), namespaces)
        return replace(
            cls(namespaces=namespaces, devices=devices),
            **{name: _READERS[name](name, value) for name, value in values.items()},
        )

    @property
    def marks(self) -> Marks:
        return Marks(self.mark_shift)

    def namespace(self, context: str) -> str:
        """The network namespace of a context, "" for our own."""
        return self.namespaces.get(context, "")

    @property
    def all_namespaces(self) -> tuple[str, ...]:
        """Every namespace that a context can live in; our own always can."""
        return tuple(sorted({"", *self.namespaces.values(), *(device.namespace for device in self.devices)}))


def _contexts(value: object) -> dict[str, str]:
    return {
        context: _text(
            f"contexts.{context}.namespace", _table(f"contexts.{context}", content, {"namespace"})["namespace"]
        )
        for context, content in _table("contexts", value).items()
    }


def _devices(value: object, namespaces: Mapping[str, str]) -> tuple[Egress, ...]:
    if not isinstance(value, (list, tuple)):
        raise SettingsFault("linux setting devices must be a list of tables")
    return tuple([_device(item, namespaces) for item in value])


def _device(value: object, namespaces: Mapping[str, str]) -> Egress:
    content = _table("devices", value, {"context", "device"}, {"vrf", "mpls-label"})
    context = _text("devices.context", content["context"])
    vrf, label = content.get("vrf"), content.get("mpls-label")
    return Egress(
        _text("devices.device", content["device"]),
        context,
        namespaces.get(context, ""),
        None if vrf is None else _text("devices.vrf", vrf),
        None if label is None else _integer("devices.mpls-label", label, 16, (1 << 20) - 1),
    )


def _table(
    name: str,
    value: object,
    required: frozenset[str] | set[str] = frozenset(),
    optional: frozenset[str] | set[str] = frozenset(),
) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise SettingsFault(f"linux setting {name} must be a table")
    content = {str(key): item for key, item in value.items()}
    if required:
        wrong = sorted(required - content.keys()) or sorted(content.keys() - required - optional)
        if wrong:
            raise SettingsFault(f"linux setting {name}: {wrong[0]} is missing or unknown")
    return content


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsFault(f"linux setting {name} must be a text")
    return value


def _word(name: str, value: object) -> str:
    text = _text(name, value)
    if not text.replace("-", "").replace("_", "").isalnum():
        raise SettingsFault(f"linux setting {name} must be letters, digits, - and _ only")
    return text


def _integer(name: str, value: object, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SettingsFault(f"linux setting {name} must be a number from {low} to {high}")
    return value


def _range(name: str, value: object) -> tuple[int, int]:
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise SettingsFault(f"linux setting {name} must be two numbers, the first and the last")
    first, last = (_integer(name, item, 1, 0xFFFFFFFF) for item in value)
    if first > last:
        raise SettingsFault(f"linux setting {name}: the first is greater than the last")
    return first, last


_READERS: Mapping[str, Callable[[str, object], Any]] = {
    "helper": _text,
    "contexts": lambda name, value: value,
    "devices": lambda name, value: value,
    "reqids": _range,
    "mark_shift": lambda name, value: _integer(name, value, 0, 25),
    "table": _word,
    "priority_major": lambda name, value: _integer(name, value, 1, 0x7FFF),
    "policy_priority": lambda name, value: _integer(name, value, 0, 0x7FFFFFFF),
}
