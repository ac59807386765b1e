"""DSCP fallback and L2 marking of IPsec packets in the kernel: what backends ``linux`` and ``strongswan`` share.

Use: ``marker = LinuxMarker(settings, kernel)``; give each outbound SA the mark ``marker.marks.value(dscp)`` with
``marker.marks.mask`` (strongSwan: ``set_mark_out = marker.marks.text(dscp)`` and ``copy_dscp = out``); call ``program``
with the QoS maps at every commit that changes them and at start-up. The fallback is part of what ``program`` installs
and is the same for all SAs, so that a new SA costs nothing here.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap_backend.contract import ApplyFailed
from cryptomap_backend.intent import L2Marking
from cryptomap_backend.linux.egress import BANKS, Egress, Marked, Priorities
from cryptomap_backend.linux.kernel import Kernel
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.marking import l2_table

__all__ = ["LinuxMarker"]


class LinuxMarker:
    """See :class:`~cryptomap_backend.contract.Marker`. Not thread-safe; the kernel it is given is its owner's."""

    def __init__(self, settings: Settings, kernel: Kernel) -> None:
        self._settings = settings
        self._kernel = kernel
        self._held: L2Marking | None = None
        self._bank = 0

    @property
    def marks(self) -> Marks:
        """How a DSCP becomes the mark of an SA."""
        return self._settings.marks

    @property
    def held(self) -> L2Marking | None:
        """The maps last programmed by this process."""
        return self._held

    def program(self, marking: L2Marking) -> None:
        """Fallback and QoS maps, in every namespace, all or nothing, by the bank of priorities that is not in use.
        Raises ApplyFailed, Unavailable, OutcomeUnknown."""
        before, bank = self._held, (self._bank + 1) % len(BANKS)
        try:
            self._install(marking, self._priorities(bank))
        except ApplyFailed:
            if before is not None:
                self._install(before, self._priorities(self._bank))
            raise
        self._held, self._bank = marking, bank

    def adopt(self, marking: L2Marking) -> None:
        """The kernel has these maps already, see :meth:`fits`."""
        self._held = marking

    def observe(self) -> L2Marking | None:
        """The maps last programmed if the kernel still has them, else ``None``. Raises Unavailable."""
        held = self._held
        return held if held is not None and self.fits(held) else None

    def fits(self, marking: L2Marking) -> bool:
        """True if the kernel has exactly these maps, whoever put them there. Raises Unavailable."""
        for bank in BANKS:
            if self._fit(marking, self._priorities(bank)):
                self._bank = bank
                return True
        return False

    def _fit(self, marking: L2Marking, priorities: Priorities) -> bool:
        return all(
            self._kernel.program_digest(namespace, self._settings.table) == program.digest
            for namespace, program in self._programs(marking, priorities)
        ) and all(self._kernel.egress(device, priorities) == wanted for device, wanted in self._egresses(marking))

    def remove(self) -> None:
        """Take our tables away, in every namespace; the devices keep their maps, which nothing refers to any more."""
        for namespace in self._settings.all_namespaces:
            self._kernel.remove_program(namespace, self._settings.table)
        self._held = None

    def _priorities(self, bank: int) -> Priorities:
        return Priorities(self._settings.priority_major, bank)

    def _install(self, marking: L2Marking, priorities: Priorities) -> None:
        for device, wanted in self._egresses(marking):
            self._kernel.set_egress(device, priorities, wanted)
        for namespace, program in self._programs(marking, priorities):
            self._kernel.load_program(namespace, program)

    def _programs(self, marking: L2Marking, priorities: Priorities) -> Iterator[tuple[str, Program]]:
        settings = self._settings
        for namespace in settings.all_namespaces:
            devices = tuple([egress.device for egress in settings.devices if egress.namespace == namespace])
            yield (
                namespace,
                Program(
                    settings.table,
                    settings.marks,
                    marking.dscp_to_cos,
                    devices,
                    priorities,
                    settings.vrfs(namespace),
                ),
            )

    def _egresses(self, marking: L2Marking) -> Iterator[tuple[Egress, Marked]]:
        for egress in self._settings.devices:
            yield egress, Marked.by(l2_table(marking, egress.context, egress.vrf)[2], egress.label)
