"""The settings of everything that marks and encapsulates in the kernel, from the ``[backend]`` table of the daemon.

``contexts`` and ``vrfs`` say where on this machine a context, or a VRF of it, lives: in a network namespace, in a VRF
device, or in a VRF device of a namespace. A context that is not named lives in the server's own namespace, a VRF that
is not named with its context. ``devices`` are the network devices that mark::

    [backend.contexts.ipsec-d]
    namespace = "ipsec-d"
    vrf-device = "red"

    [[backend.vrfs]]
    context = "ipsec-d"
    vrf = "customer"
    vrf-device = "blue"

    [[backend.devices]]
    context = "ipsec-d"
    device = "eth0.100"
    mpls-label = 200
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from cryptomap_backend.linux.egress import Egress
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.linux.objects import NO_VRF, VrfMark
from cryptomap_backend.linux.priorities import FIRST
from cryptomap_backend.load import SettingsFault

__all__ = ["Domain", "Settings"]

MOST_VRFS = 255
MOST_SHIFT, VRF_WIDTH = 25, 8
PLACE = frozenset({"namespace", "vrf-device"})
DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


@dataclass(frozen=True, slots=True)
class Domain:
    """Where packets are routed: a network namespace ("" is our own), and the VRF device in it ("" is its main routing
    table)."""

    namespace: str = ""
    vrf_device: str = ""


Domains: TypeAlias = Mapping[tuple[str, str], Domain]
"""By context and VRF of it, "" being the context's own routing table."""

HOME = Domain()


@dataclass(frozen=True, slots=True)
class Settings:
    """``helper`` is the socket of the privileged helper, ``None`` to do everything in this process (which then needs
    CAP_NET_ADMIN). ``reqids`` is the range of request ids that are ours, both ends included: SAs and policies outside
    it are never touched. ``mark_shift``, ``table`` and ``priority_major`` keep marks, nftables and tc apart alike.
    ``vrf_devices`` are those of each namespace, in the order in which they are numbered from 1."""

    helper: str | None = None
    domains: Domains = field(default_factory=dict)
    vrf_devices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
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
        contexts = _contexts(values.pop("contexts", {}))
        domains = contexts | _vrfs(values.pop("vrfs", ()), contexts)
        made = cls(domains=domains, vrf_devices=_vrf_devices(domains))
        made = replace(made, devices=_devices(values.pop("devices", ()), made))
        made = replace(made, **{name: _READERS[name](name, value) for name, value in values.items()})
        if made.vrf_devices and made.mark_shift > MOST_SHIFT - VRF_WIDTH:
            raise SettingsFault(f"linux setting mark_shift must be at most {MOST_SHIFT - VRF_WIDTH} with VRF devices")
        return made

    @property
    def marks(self) -> Marks:
        return Marks(self.mark_shift)

    def domain(self, context: str, vrf: str | None = None) -> Domain:
        """Where a context, or a VRF of it, lives."""
        return self.domains.get((context, vrf or "")) or self.domains.get((context, ""), HOME)

    def vrf_mark(self, domain: Domain) -> VrfMark:
        """What SAs and policies there look at. Where there are no VRF devices, at nothing."""
        devices = self.vrf_devices.get(domain.namespace)
        if not devices:
            return NO_VRF
        number = devices.index(domain.vrf_device) + 1 if domain.vrf_device else 0
        return self.marks.vrf(number), self.marks.vrf_mask

    def vrfs(self, namespace: str) -> tuple[tuple[int, str], ...]:
        """The VRF devices there with their numbers."""
        return tuple(enumerate(self.vrf_devices.get(namespace, ()), 1))

    @property
    def all_namespaces(self) -> tuple[str, ...]:
        """Every namespace that a context can live in; our own always can."""
        return tuple(sorted({"", *(domain.namespace for domain in self.domains.values())}))


def _contexts(value: object) -> dict[tuple[str, str], Domain]:
    return {
        (context, ""): _domain(f"contexts.{context}", _table(f"contexts.{context}", content, optional=PLACE), HOME)
        for context, content in _table("contexts", value).items()
    }


def _vrfs(value: object, contexts: Domains) -> dict[tuple[str, str], Domain]:
    found = {}
    for item in _list("vrfs", value):
        content = _table("vrfs", item, {"context", "vrf"}, PLACE)
        context, vrf = (_text(f"vrfs.{name}", content[name]) for name in ("context", "vrf"))
        found[context, vrf] = _domain("vrfs", content, contexts.get((context, ""), HOME))
    return found


def _domain(name: str, content: Mapping[str, object], around: Domain) -> Domain:
    """``around`` is where it lives as far as ``content`` does not say."""
    if not PLACE & content.keys():
        raise SettingsFault(f"linux setting {name}: namespace or vrf-device is missing")
    namespace, device = (content.get(key) for key in ("namespace", "vrf-device"))
    return Domain(
        around.namespace if namespace is None else _text(f"{name}.namespace", namespace),
        "" if device is None else _device_name(f"{name}.vrf-device", device),
    )


def _vrf_devices(domains: Domains) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for domain in domains.values():
        if domain.vrf_device:
            found.setdefault(domain.namespace, {})[domain.vrf_device] = None
    if any(len(devices) > MOST_VRFS for devices in found.values()):
        raise SettingsFault(f"linux setting vrfs: at most {MOST_VRFS} VRF devices of a namespace can be told apart")
    return {namespace: tuple(devices) for namespace, devices in found.items()}


def _devices(value: object, places: Settings) -> tuple[Egress, ...]:
    return tuple([_device(item, places) for item in _list("devices", value)])


def _device(value: object, places: Settings) -> Egress:
    content = _table("devices", value, {"context", "device"}, {"vrf", "mpls-label"})
    context = _text("devices.context", content["context"])
    vrf, label = content.get("vrf"), content.get("mpls-label")
    vrf = None if vrf is None else _text("devices.vrf", vrf)
    return Egress(
        _text("devices.device", content["device"]),
        context,
        places.domain(context, vrf).namespace,
        vrf,
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
    if required or optional:
        wrong = sorted(required - content.keys()) or sorted(content.keys() - required - optional)
        if wrong:
            raise SettingsFault(f"linux setting {name}: {wrong[0]} is missing or unknown")
    return content


def _list(name: str, value: object) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise SettingsFault(f"linux setting {name} must be a list of tables")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise SettingsFault(f"linux setting {name} must be a text")
    return value


def _word(name: str, value: object) -> str:
    text = _text(name, value)
    if not text.replace("-", "").replace("_", "").isalnum():
        raise SettingsFault(f"linux setting {name} must be letters, digits, - and _ only")
    return text


def _device_name(name: str, value: object) -> str:
    text = _text(name, value)
    if not DEVICE.fullmatch(text):
        raise SettingsFault(f"linux setting {name} must be the name of a network device")
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
    "vrfs": lambda name, value: value,
    "devices": lambda name, value: value,
    "reqids": _range,
    "mark_shift": lambda name, value: _integer(name, value, 0, MOST_SHIFT),
    "table": _word,
    "priority_major": lambda name, value: _integer(name, value, 1, 0x7FFF),
    "policy_priority": lambda name, value: _integer(name, value, 0, 0x7FFFFFFF),
}
