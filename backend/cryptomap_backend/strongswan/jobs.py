"""What :mod:`.monitor` finds to be done and :mod:`.keeper` has charon do."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Close", "Initiate", "Job", "Look"]


@dataclass(frozen=True, slots=True)
class Initiate:
    """Negotiate that child of that connection."""

    connection: str
    child: str


@dataclass(frozen=True, slots=True)
class Close:
    """End an IKE SA, or only one child of it. ``forced`` does not wait for the peer's answer."""

    ike: int | None
    child: int | None = None
    forced: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """Read the counters of a connection now: of an SA that a rekey replaces charon tells only what was asked for while
    it was there."""

    connection: str


Job = Initiate | Close | Look
