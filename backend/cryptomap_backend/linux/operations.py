"""From the objects there are to the objects there shall be: the fewest operations, make before break. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from cryptomap_backend.linux.objects import Add, Object, Operation, Remove, Sa, SaKey, Update
from cryptomap_backend.linux.translate import Place

__all__ = ["operations"]


def operations(old: Mapping[Place, Object], new: Mapping[Place, Object]) -> tuple[Operation, ...]:
    """What turns one into the other, by namespace and in an order in which no packet meets a policy without its SA:
    SAs come first and go last. An object that no update can change goes just before its successor comes."""
    made = sorted(new, key=_order)
    gone = sorted((place for place in old if place not in new), key=_order, reverse=True)
    return (
        *(operation for place in made for operation in _made(place, old.get(place), new[place])),
        *(Remove(*place) for place in gone),
    )


def _order(place: Place) -> tuple[bool, str]:
    return not _is_sa(place), place[0]


def _is_sa(place: Place) -> bool:
    return isinstance(place[1], SaKey)


def _made(place: Place, old: Object | None, new: Object) -> Iterator[Operation]:
    namespace, key = place
    if old is None:
        yield Add(namespace, new)
    elif old != new and updatable(old, new):
        yield Update(namespace, new)
    elif old != new:
        yield from (Remove(namespace, key), Add(namespace, new))


def updatable(old: Object, new: Object) -> bool:
    """True if the kernel can change one into the other in place: a policy always, an SA if only its mark differs."""
    if isinstance(old, Sa) and isinstance(new, Sa):
        return old.mask != 0 and new.mask != 0 and replace(old, mark=new.mark, mask=new.mask) == new
    return True
