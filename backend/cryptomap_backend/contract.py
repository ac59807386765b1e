"""The backend contract: what an IPsec backend must offer, and how it fails.

Life of a commit: ``prepare(change)`` is a dry run and may refuse; ``apply(plan)`` does it, all or nothing; ``revert``
restores what was there before. ``reconcile(intent)`` is the answer to every doubt: after a restart on either side and
after an unknown outcome it brings the world to the committed intent and reports how it differed.

Threads. A backend may block and need not be thread-safe within a lane: prepare, apply, revert, reconcile are called one
at a time (commands), observe, capabilities and health one at a time (reads), events from a thread of its own. Only
``interrupt`` and ``close`` come from any thread at any time. :class:`~cryptomap_backend.supervised.Supervised` keeps
the lanes and the deadlines.

Cost follows the change. A one-tunnel change touches that tunnel only; ``observe(only=...)`` costs that tunnel only.
A backend must refuse in prepare what it cannot do, or list it among the plan's warnings; it never drops it silently.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol, runtime_checkable

from cryptomap_backend.capabilities import Capabilities, Complaint
from cryptomap_backend.change import Change
from cryptomap_backend.intent import Intent, L2Marking, TunnelId
from cryptomap_backend.plan import Plan
from cryptomap_backend.state import Drift, Event, Health, Observation

__all__ = [
    "ApplyFailed",
    "Backend",
    "BackendError",
    "Lane",
    "Marker",
    "OutcomeUnknown",
    "Refused",
    "Unavailable",
    "Unsupported",
]


class Lane(StrEnum):
    """Calls of one lane never overlap; calls of different lanes may."""

    COMMANDS = "commands"
    READS = "reads"


class BackendError(Exception):
    """Everything a backend may raise; the text is for an operator and holds no key. Anything else is a bug."""


class Refused(BackendError):
    """From prepare: no, and nothing was touched."""


class Unsupported(Refused):
    """From prepare: the backend cannot do this; ``complaints`` says what, per object (a tunnel, a responder, ``None``
    for the QoS maps)."""

    def __init__(self, complaints: Iterable[tuple[TunnelId | tuple[str, str] | None, Complaint]]) -> None:
        self.complaints = tuple(complaints)
        super().__init__(
            "; ".join(f"{item}: {found.message}" if item else found.message for item, found in self.complaints)
        )


class ApplyFailed(BackendError):
    """From apply, revert or reconcile: it failed and everything is as it was before the call."""


class Unavailable(BackendError):
    """From any call: the backend cannot be reached, is busy beyond its deadline, or must be reconciled first. Nothing
    was touched."""


class OutcomeUnknown(BackendError):
    """From apply, revert or reconcile: past the deadline, or the connection was lost while it was being done. No
    further apply is taken before a successful reconcile."""


@runtime_checkable
class Backend(Protocol):
    """An IPsec backend. Starts with whatever its world holds: ``reconcile`` is the first command it gets."""

    @property
    def name(self) -> str: ...

    def capabilities(self) -> Capabilities:
        """What this backend can do, here and now. Raises Unavailable."""

    def prepare(self, change: Change) -> Plan:
        """A dry run: what apply would do. Raises Refused, Unsupported, Unavailable; never changes anything."""

    def apply(self, plan: Plan) -> None:
        """Do it, all or nothing. A plan whose change does not start from what the backend holds is refused with
        ApplyFailed. Raises ApplyFailed, Unavailable, OutcomeUnknown."""

    def revert(self, plan: Plan) -> None:
        """Undo an applied plan; SAs the plan did not touch are not touched either. Raises like apply."""

    def observe(self, only: TunnelId | None = None) -> Observation:
        """The state of everything, or of one tunnel at the cost of one. An unknown tunnel is simply not in the
        answer. Bounded in time: parts that cannot be read are left out, ``complete`` is False. Raises Unavailable."""

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        """What happened since the last call, in order; blocks up to ``wait`` seconds for the first. Bounded: when
        events had to be dropped, the first one is EVENTS_LOST. Never raises for a lost connection: that is an event."""

    def reconcile(self, intent: Intent) -> Drift:
        """Bring the world to exactly this intent, leaving alone what already fits (SAs stay up), and say how it
        differed. Raises ApplyFailed, Unavailable, OutcomeUnknown."""

    def health(self) -> Health:
        """Connected or not, versions, last error. Never raises, never blocks long."""

    def interrupt(self, lane: Lane) -> None:
        """Break off the call in progress in that lane, if any: it ends soon with Unavailable or OutcomeUnknown."""

    def close(self) -> None:
        """Let go of the world without changing it. Idempotent."""


class Marker(Protocol):
    """The L2 side of a backend (DSCP -> cos -> 802.1p and MPLS TC), apart because several backends share one."""

    def program(self, marking: L2Marking) -> None:
        """Replace all QoS maps by these, all or nothing. Raises ApplyFailed, Unavailable, OutcomeUnknown."""

    def observe(self) -> L2Marking | None:
        """What is programmed, ``None`` if nothing of ours is there. Raises Unavailable."""
