"""From one intent to the next, as small as the difference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from immutables import Map

from cryptomap_backend.intent import Intent, L2Marking, Responder, ResponderId, Tunnel, TunnelId
from cryptomap_backend.state import Drift

__all__ = ["Change", "Replacement", "between", "change_of", "drift_of", "with_reapplied"]

Key = TypeVar("Key", TunnelId, ResponderId)
Item = TypeVar("Item", Tunnel, Responder)


@dataclass(frozen=True, slots=True)
class Replacement(Generic[Item]):
    """One object before and after; ``old`` is ``None`` when it is created, ``new`` when it is deleted."""

    old: Item | None
    new: Item | None

    @property
    def some(self) -> Item:
        item = self.new if self.new is not None else self.old
        if item is None:
            raise ValueError("a replacement of nothing by nothing")
        return item

    def inverse(self) -> Replacement[Item]:
        return Replacement(self.new, self.old)


@dataclass(frozen=True, slots=True)
class Change:
    """What turns intent ``old`` into ``new``. Its size is what differs, never the size of the intent."""

    old: Intent
    new: Intent
    tunnels: tuple[Replacement[Tunnel], ...] = ()
    responders: tuple[Replacement[Responder], ...] = ()

    @property
    def created(self) -> Iterator[Tunnel]:
        return (item.new for item in self.tunnels if item.old is None and item.new is not None)

    @property
    def deleted(self) -> Iterator[Tunnel]:
        return (item.old for item in self.tunnels if item.new is None and item.old is not None)

    @property
    def updated(self) -> Iterator[tuple[Tunnel, Tunnel]]:
        return ((item.old, item.new) for item in self.tunnels if item.old is not None and item.new is not None)

    @property
    def l2_changed(self) -> bool:
        return self.old.l2 is not self.new.l2 and self.old.l2 != self.new.l2

    @property
    def is_empty(self) -> bool:
        return not (self.tunnels or self.responders or self.l2_changed)

    def inverse(self) -> Change:
        """The change that undoes this one."""
        return Change(
            self.new,
            self.old,
            tuple([item.inverse() for item in self.tunnels]),
            tuple([item.inverse() for item in self.responders]),
        )


def change_of(
    old: Intent,
    tunnels: Mapping[TunnelId, Tunnel | None] | None = None,
    responders: Mapping[ResponderId, Responder | None] | None = None,
    l2: L2Marking | None = None,
) -> Change:
    """The change that sets (or with ``None`` deletes) the given objects. Costs those objects, not the intent.

    What is equal to what ``old`` holds, and the deletion of what it does not hold, is left out.
    """
    new_tunnels, tunnel_changes = _replaced(old.tunnels, tunnels or {})
    new_responders, responder_changes = _replaced(old.responders, responders or {})
    new = Intent(new_tunnels, new_responders, old.l2 if l2 is None else l2)
    return Change(old, new, tunnel_changes, responder_changes)


def between(old: Intent, new: Intent) -> Change:
    """The change between two whole intents: compares every object, so it is for start-up and reconcile."""
    return Change(old, new, _differences(old.tunnels, new.tunnels), _differences(old.responders, new.responders))


def drift_of(mending: Change) -> Drift:
    """How the world differed, given the change that mends it."""
    return Drift(
        missing=tuple([tunnel.id for tunnel in mending.created]),
        unexpected=tuple([tunnel.id for tunnel in mending.deleted]),
        different=tuple([new.id for _, new in mending.updated]),
        responders=tuple([item.some.id for item in mending.responders]),
        l2=mending.l2_changed,
    )


def with_reapplied(intent: Intent, tunnel: TunnelId) -> Change:
    """The change a ``reapply`` of that tunnel is: its configured DSCPs become the applied ones. KeyError if unknown."""
    old = intent.tunnels[tunnel]
    return change_of(intent, {tunnel: replace(old, applied=old.configured)})


def _replaced(
    items: Map[Key, Item], replacements: Mapping[Key, Item | None]
) -> tuple[Map[Key, Item], tuple[Replacement[Item], ...]]:
    changes: list[Replacement[Item]] = []
    mutation = items.mutate()
    for key in sorted(replacements):
        old, new = items.get(key), replacements[key]
        if old == new:
            continue
        changes.append(Replacement(old, new))
        if new is None:
            del mutation[key]
        else:
            mutation[key] = new
    return mutation.finish(), tuple(changes)


def _differences(old: Map[Key, Item], new: Map[Key, Item]) -> tuple[Replacement[Item], ...]:
    changes = []
    for key in sorted({*old.keys(), *new.keys()}):
        before, after = old.get(key), new.get(key)
        if before is not after and before != after:
            changes.append(Replacement(before, after))
    return tuple(changes)
