"""How the kernel differs from what it shall hold, object by object and in terms of tunnels. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from cryptomap_backend.intent import TunnelId
from cryptomap_backend.linux.objects import Add, Object, Operation, Policy, Remove, Sa, SaKey, SeenSa, Update
from cryptomap_backend.linux.translate import Place

__all__ = ["Comparison", "Seen", "compare"]

Seen = SeenSa | Policy


@dataclass(slots=True)
class Comparison:
    """``operations`` mend it. Tunnels by what is wrong with them; ``replaced`` lists SAs that start anew."""

    operations: tuple[Operation, ...] = ()
    present: set[TunnelId] = field(default_factory=set)
    missing: set[TunnelId] = field(default_factory=set)
    different: set[TunnelId] = field(default_factory=set)
    unexpected: set[TunnelId] = field(default_factory=set)


def compare(
    wanted: Mapping[TunnelId, Mapping[Place, Object]],
    seen: Mapping[Place, Seen],
    owner: Callable[[int], TunnelId | None],
) -> Comparison:
    """``seen`` is everything of ours in the kernel. ``owner`` knows request ids of tunnels held before."""
    result = Comparison()
    made: list[Operation] = []
    for tunnel, items in wanted.items():
        for place, item in items.items():
            found = seen.get(place)
            mending = tuple(_mended(place, item, found))
            (result.missing if found is None else result.present).add(tunnel)
            if found is not None and mending:
                result.different.add(tunnel)
            made += mending
    ours = {place for items in wanted.values() for place in items}
    gone = [place for place in seen if place not in ours]
    for place in gone:
        tunnel = owner(seen[place].reqid) or TunnelId(place[0], f"unknown map, request id {seen[place].reqid}", "")
        (result.different if tunnel in wanted else result.unexpected).add(tunnel)
    result.operations = (*sorted(made, key=_is_policy), *_removals(gone))
    _settle(result)
    return result


def _settle(result: Comparison) -> None:
    """A tunnel of which something is there and something not is different, not missing."""
    result.different |= result.missing & result.present
    result.missing -= result.present


def _mended(place: Place, item: Object, found: Seen | None) -> Iterator[Operation]:
    namespace, key = place
    if found is None:
        yield Add(namespace, item)
    elif isinstance(item, Sa):
        assert isinstance(found, SeenSa)
        if found.fingerprint != item.fingerprint or (found.mark != item.mark and not item.mask):
            yield from (Remove(namespace, key), Add(namespace, item))
        elif found.mark != item.mark:
            yield Update(namespace, item)
    elif found != item:
        yield Update(namespace, item)


def _removals(places: Iterable[Place]) -> Iterator[Operation]:
    """Policies go before their SAs."""
    return (Remove(*place) for place in sorted(places, key=lambda place: isinstance(place[1], SaKey)))


def _is_policy(operation: Operation) -> bool:
    key = operation.key if isinstance(operation, Remove) else operation.item.key
    return not isinstance(key, SaKey)
