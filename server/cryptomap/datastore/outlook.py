"""What a transition will do to the world, as the participants' plans have it, for people and clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptomap.data.tree import Path

__all__ = ["Effect", "Limit", "Outlook"]


@dataclass(frozen=True, slots=True)
class Effect:
    """What becomes of one object of the world.

    ``what`` is "tunnel" or "service", ``names`` says which one, ``path`` is the configuration it comes from. ``kind``
    is one of create, teardown, re-establish, rekey, update-in-place and reapply-pending; ``reasons`` are phrases;
    ``drops`` counts established SAs that go without a successor; ``reapply_pending`` holds after the commit."""

    what: str
    names: Mapping[str, str]
    path: Path
    kind: str
    reasons: tuple[str, ...] = ()
    drops: int = 0
    reapply_pending: bool = False


@dataclass(frozen=True, slots=True)
class Limit:
    """What a participant cannot do and carries on without; ``path`` is empty if it is about no single object."""

    text: str
    path: Path = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """All effects of one plan. ``marking``: the QoS maps change."""

    effects: tuple[Effect, ...] = ()
    limits: tuple[Limit, ...] = ()
    marking: bool = False
