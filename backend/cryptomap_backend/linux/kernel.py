"""The kernel as the backend sees it: a fixed list of typed verbs, done in this process or by the privileged helper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from cryptomap_backend.linux.egress import Egress, Marked, Priorities
from cryptomap_backend.linux.nft import Program
from cryptomap_backend.linux.objects import Algorithms, Operation, Policy, SaKey, SeenSa

__all__ = ["Kernel"]


class Kernel(Protocol):
    """Not thread-safe: one for each lane. All verbs raise Unavailable if nothing was touched because the kernel (or the
    helper) cannot be reached or refuses the question; those that change something also ApplyFailed (nothing is changed)
    and OutcomeUnknown. A namespace is a name of ``ip netns``, "" the one of the process that does it."""

    def versions(self) -> Mapping[str, str]:
        """Kernel release and versions of the programs in use."""

    def algorithms(self) -> Algorithms:
        """What this kernel can do, tried out on throw-away SAs in a namespace of their own."""

    def transact(self, operations: Sequence[Operation]) -> int:
        """All of them in order, or none. Objects whose request id is not in our range are refused. Answers how many
        messages it took."""

    def sas(self, namespace: str) -> tuple[SeenSa, ...]:
        """Our SAs of a namespace."""

    def find_sas(self, namespace: str, keys: Sequence[SaKey]) -> tuple[SeenSa, ...]:
        """Those of these SAs that are there and ours."""

    def policies(self, namespace: str) -> tuple[Policy, ...]:
        """Our policies of a namespace."""

    def load_program(self, namespace: str, program: Program) -> None:
        """Replace our nftables table by this one, in one transaction."""

    def program_digest(self, namespace: str, table: str) -> str | None:
        """The digest of the program that our table was made from, ``None`` if there is no such table."""

    def remove_program(self, namespace: str, table: str) -> None:
        """Our table goes; no error if it is not there."""

    def set_egress(self, egress: Egress, priorities: Priorities, marked: Marked) -> None:
        """Egress map of a VLAN device and our tc filters on it, for these priorities."""

    def egress(self, egress: Egress, priorities: Priorities) -> Marked:
        """What a device does with these priorities now."""

    def interrupt(self) -> None:
        """From another thread: end the verb in progress soon."""

    def close(self) -> None:
        """Let go; nothing is changed in the kernel."""
