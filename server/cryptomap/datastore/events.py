"""What the datastore announces. Listeners are called on the writer's thread, after the fact, and cannot refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cryptomap.data.tree import Node
from cryptomap.datastore.history import Record
from cryptomap.datastore.transaction import Origin, Transition, Warnings

__all__ = ["Committed", "ConfirmedCommit", "Event", "Listener", "StartupStored", "SyncChanged"]


@dataclass(frozen=True, slots=True)
class Committed:
    """Running has changed, durably."""

    record: Record
    transition: Transition
    warnings: Warnings


@dataclass(frozen=True, slots=True)
class StartupStored:
    """The startup datastore has been replaced, durably."""

    old: Node
    new: Node
    origin: Origin


@dataclass(frozen=True, slots=True)
class ConfirmedCommit:
    """A confirmed commit went on (RFC 6470, netconf-confirmed-commit): "start", "extend", "complete", "cancel" or
    "timeout". ``timeout``: seconds until it is rolled back, with start and extend."""

    event: str
    origin: Origin
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class SyncChanged:
    """Which participants are out of sync with running, and why. Empty: none."""

    out_of_sync: Mapping[str, str]


Event: TypeAlias = Committed | StartupStored | ConfirmedCommit | SyncChanged
Listener: TypeAlias = Callable[[Event], None]
