"""What the helper's settings allow. The server may be taken over; its requests must not reach beyond IPsec then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.linux.egress import BANKS, Egress, Marked, Priorities
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.objects import Add, Policy, PolicyKey, Remove, Sa, SaKey, Update, VrfMark
from cryptomap_backend.linux.settings import DEVICE, Domain, Settings

__all__ = ["Forbidden", "Guard"]

SMALLEST_SPI = 256
"""Smaller ones are reserved (RFC 4303 section 2.1)."""


class Forbidden(Exception):
    """A request goes beyond the settings; the text says in what."""


class Guard:
    """One check for each verb that has arguments, by its name. All raise Forbidden."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._namespaces = frozenset(settings.all_namespaces)
        self._vrfs = {vrf for namespace in self._namespaces for vrf in settings.vrfs(namespace)}
        self._vrf_marks = {namespace: frozenset(_vrf_marks(settings, namespace)) for namespace in self._namespaces}

    def check(self, verb: str, arguments: Iterable[Any]) -> None:
        for argument in arguments:
            self._check(argument)

    def _check(self, item: Any) -> None:
        """By type: a text is a namespace or our table."""
        settings = self._settings
        if isinstance(item, str):
            self._demand(item in self._namespaces or item == settings.table, "a namespace or table that is not ours")
        elif isinstance(item, Priorities):
            self._priorities(item)
        elif isinstance(item, Program):
            self._program(item)
        elif isinstance(item, Egress):
            self._demand(item in settings.devices, "a device that is not in the settings")
        elif isinstance(item, Marked):
            self._marked(item)
        elif isinstance(item, (Add, Update, Remove)):
            self._operation(item)
        elif isinstance(item, tuple) and not isinstance(item, (SaKey, PolicyKey)):
            for part in item:
                self._check(part)

    def _program(self, item: Program) -> None:
        settings = self._settings
        ours = (settings.table, settings.marks)
        self._demand((item.table, item.marks) == ours, "a table or marks that are not ours")
        self._priorities(item.priorities)
        known = {egress.device for egress in settings.devices}
        self._demand(set(item.vrfs) <= self._vrfs, "a VRF device that is not in the settings")
        self._demand(set(item.devices) <= known, "a device that is not in the settings")
        self._demand(all(DEVICE.fullmatch(device) for device in item.devices), "a strange device name")
        self._demand(len(item.dscp_to_cos) == 64 and _all_in(item.dscp_to_cos, 8), "strange priorities")

    def _priorities(self, item: Priorities) -> None:
        ours = item.major == self._settings.priority_major and item.bank in BANKS
        self._demand(ours, "packet priorities that are not ours")

    def _marked(self, item: Marked) -> None:
        self._demand(len(item.pcps) == 8 and _all_in(item.pcps, 8), "strange PCPs")
        self._demand(len(item.traffic_classes) in (0, 8) and _all_in(item.traffic_classes, 8), "strange MPLS TCs")
        self._demand(item.label is None or 16 <= item.label < 1 << 20, "a strange MPLS label")

    def _operation(self, item: Add | Update | Remove) -> None:
        self._demand(item.namespace in self._namespaces, "a namespace that is not ours")
        if isinstance(item, Remove):
            return  # the kernel's side refuses to remove what is not ours
        first, last = self._settings.reqids
        self._demand(first <= item.item.reqid <= last, "a request id that is not ours")
        known = item.item.key.vrf_mark in self._vrf_marks[item.namespace]
        self._demand(known, "the mark of a VRF that is not in the settings")
        if isinstance(item.item, Sa):
            self._sa(item.item)
        else:
            self._policy(item.item)

    def _sa(self, item: Sa) -> None:
        marks = self._settings.marks
        self._demand(item.mask in (0, marks.mask) and item.mark & ~marks.mask == 0, "marks that are not ours")
        self._demand(item.protocol in ("esp", "ah") and item.spi >= SMALLEST_SPI, "a strange SA")
        self._demand(item.encryption in ENCRYPTION and item.integrity in INTEGRITY, "a strange algorithm")

    def _policy(self, item: Policy) -> None:
        self._demand(item.protocol in ("esp", "ah") and 0 <= item.key.protocol < 256, "a strange policy")

    @staticmethod
    def _demand(fine: bool, what: str) -> None:
        if not fine:
            raise Forbidden(f"the helper's settings do not allow {what}")


def _vrf_marks(settings: Settings, namespace: str) -> Iterator[VrfMark]:
    """Those of a namespace: of its main routing table and of its VRF devices."""
    for device in ("", *dict(settings.vrfs(namespace)).values()):
        yield settings.vrf_mark(Domain(namespace, device))


def _all_in(values: Iterable[int], limit: int) -> bool:
    return all(0 <= value < limit for value in values)
