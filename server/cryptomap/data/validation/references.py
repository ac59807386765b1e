"""Where does a value stand? The value index of a tree.

For every leaf that a cross-reference starts from or leads to (leafrefs, leafs that key predicates compare with, targets
that are no keys) the index maps its values to their holders, so that "who refers to this?" is one look-up. Unique
statements use the same map: a value with two holders is a violation.

Holders of one value are kept apart by the first keys of their paths (``depths``: how many), because most references
stay within one entry of an outer list: the crypto maps of one context refer to the access lists of the same context,
and a name that is used in a thousand contexts must not cost a thousand look-ups.

The index belongs to one tree and is as immutable as that tree: a commit derives the next one from it
(:class:`ReferencesEdit`), sharing all that did not change, and a refused commit just drops it: nothing to undo.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, TypeAlias

from immutables import Map

from cryptomap.data.tree import Key

__all__ = ["Keys", "References", "ReferencesEdit"]

Keys: TypeAlias = tuple[Key, ...]
"""The keys along the path of an instance; with its schema node they identify it."""

# The holders of a value: the only one, or by the first keys of the path. A group is one holder, or a set of them.
_Group: TypeAlias = "Keys | Map[Keys, None]"
_Holders: TypeAlias = "Keys | Map[Keys, _Group]"
_Values: TypeAlias = "Map[Hashable, _Holders]"

_EMPTY: _Values = Map()


class References:
    """Immutable. A token is the leaf (or unique statement) whose values are indexed."""

    __slots__ = ("_depths", "_maps")

    def __init__(
        self, maps: Mapping[object, _Values] | None = None, depths: Mapping[object, int] | None = None
    ) -> None:
        self._maps = dict(maps or {})
        self._depths = depths or {}

    def holders(self, token: object, value: Hashable) -> list[Keys]:
        """The instances of that leaf with that value, in key order."""
        return sorted(_all(self._maps.get(token, _EMPTY).get(value)), key=_sortable)

    def count(self, token: object, value: Hashable) -> int:
        """How many instances have that value."""
        return len(_all(self._maps.get(token, _EMPTY).get(value)))

    def edit(self, depths: Mapping[object, int]) -> ReferencesEdit:
        """The next index in the making; ``depths`` are those of the schema, the same for all indexes of it."""
        return ReferencesEdit(self._maps, depths)

    def __iter__(self) -> Iterator[tuple[object, Hashable, Keys]]:
        """Everything in the index, for comparison in tests."""
        for token, values in self._maps.items():
            for value in values:
                for keys in self.holders(token, value):
                    yield token, value, keys


def _all(holders: _Holders | None) -> list[Keys]:
    if holders is None:
        return []
    if isinstance(holders, tuple):
        return [holders]
    return [keys for group in holders.values() for keys in _members(group)]


def _members(group: _Group) -> list[Keys]:
    return [group] if isinstance(group, tuple) else list(group)


def _sortable(keys: Keys) -> tuple[tuple[str, object], ...]:
    return tuple([(type(key).__name__, key) for key in keys])


class ReferencesEdit:
    """The next index in the making; single use, single thread."""

    __slots__ = ("_depths", "_maps", "_open")

    def __init__(self, maps: Mapping[object, _Values], depths: Mapping[object, int]) -> None:
        self._maps = dict(maps)
        self._depths = depths
        self._open: dict[object, Any] = {}  # immutables does not name the type of a mutation

    def add(self, token: object, value: Hashable, keys: Keys) -> None:
        """One more instance has that value."""
        values = self._open.get(token) or self._mutable(token)
        found = values.get(value)
        if found is None:
            values[value] = keys
        elif found != keys:
            depth = self._depths[token]
            groups = Map({found[:depth]: found}) if isinstance(found, tuple) else found
            group = groups.get(keys[:depth])
            if group is None:
                group = keys
            elif not isinstance(group, tuple):
                group = group.set(keys, None)
            elif group != keys:
                group = Map({group: None, keys: None})
            values[value] = groups.set(keys[:depth], group)

    def remove(self, token: object, value: Hashable, keys: Keys) -> None:
        """One instance does not have that value any more."""
        values = self._open.get(token) or self._mutable(token)
        found = values.get(value)
        if isinstance(found, tuple):
            if found == keys:
                del values[value]
        elif found is not None:
            values[value] = _collapsed(_without(found, keys[: self._depths[token]], keys))

    def holders(self, token: object, value: Hashable, within: Keys = ()) -> list[Keys]:
        """The instances with that value whose paths begin with these keys, in no order."""
        values = self._open.get(token)
        found = (self._maps.get(token, _EMPTY) if values is None else values).get(value)
        if found is None:
            return []
        length = len(within)
        if isinstance(found, tuple):
            return [found] if found[:length] == within else []
        depth = self._depths[token]
        if length < depth:
            return [keys for keys in _all(found) if keys[:length] == within]
        members = _members(found.get(within[:depth], ()) or Map())
        return members if length == depth else [keys for keys in members if keys[:length] == within]

    def finish(self) -> References:
        """The index, once; no edit after it."""
        for token, mutation in self._open.items():
            self._maps[token] = mutation.finish()
        self._open = {}
        return References(self._maps)

    def _mutable(self, token: object) -> Any:
        mutation = self._open.get(token)
        if mutation is None:
            mutation = self._open[token] = self._maps.get(token, _EMPTY).mutate()
        return mutation


def _without(groups: Map[Keys, _Group], prefix: Keys, keys: Keys) -> Map[Keys, _Group]:
    group = groups.get(prefix)
    if group is None or (group != keys if isinstance(group, tuple) else keys not in group):
        return groups
    if isinstance(group, tuple):
        return groups.delete(prefix)
    left = group.delete(keys)
    return groups.set(prefix, next(iter(left)) if len(left) == 1 else left)


def _collapsed(groups: Map[Keys, _Group]) -> _Holders:
    """A single holder stands by itself."""
    if len(groups) == 1:
        group = next(iter(groups.values()))
        if isinstance(group, tuple):
            return group
    return groups
