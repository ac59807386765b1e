"""Where does a value stand? The value index of a tree.

For every leaf that a cross-reference starts from (leafrefs, and leafs that key predicates compare with) the index maps
its values to their holders, so that "who refers to this?" is one look-up. Unique statements use the same map: a value
with two holders is a violation.

The index belongs to one tree and is as immutable as that tree: a commit derives the next one from it
(:class:`ReferencesEdit`), sharing all that did not change, and a refused commit just drops it: nothing to undo.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import TypeAlias

from immutables import Map

from cryptomap.data.tree import Key

__all__ = ["Keys", "References", "ReferencesEdit"]

Keys: TypeAlias = tuple[Key, ...]
"""The keys along the path of an instance; with its schema node they identify it."""

_Holders: TypeAlias = Keys | Map[Keys, None]


class References:
    """Immutable. ``token`` is the leaf (or unique statement) whose values are indexed."""

    __slots__ = ("_maps",)

    def __init__(self, maps: Mapping[object, Map[Hashable, _Holders]] | None = None) -> None:
        self._maps = dict(maps or {})

    def holders(self, token: object, value: Hashable) -> list[Keys]:
        """The instances of that leaf with that value, in key order."""
        found = self._maps.get(token, _EMPTY).get(value)
        if found is None:
            return []
        return [found] if isinstance(found, tuple) else sorted(found, key=_sortable)

    def count(self, token: object, value: Hashable) -> int:
        """How many instances have that value."""
        found = self._maps.get(token, _EMPTY).get(value)
        if found is None:
            return 0
        return 1 if isinstance(found, tuple) else len(found)

    def edit(self) -> ReferencesEdit:
        return ReferencesEdit(self._maps)

    def __iter__(self) -> Iterator[tuple[object, Hashable, Keys]]:
        """Everything in the index, for comparison in tests."""
        for token, values in self._maps.items():
            for value in values:
                for keys in self.holders(token, value):
                    yield token, value, keys


_EMPTY: Map[Hashable, _Holders] = Map()


def _sortable(keys: Keys) -> tuple[tuple[str, object], ...]:
    return tuple([(type(key).__name__, key) for key in keys])


class ReferencesEdit:
    """The next index in the making; single use, single thread."""

    __slots__ = ("_maps", "_open")

    def __init__(self, maps: Mapping[object, Map[Hashable, _Holders]]) -> None:
        self._maps = dict(maps)
        self._open: dict[object, object] = {}

    def add(self, token: object, value: Hashable, keys: Keys) -> None:
        values = self._mutable(token)
        found = values.get(value)
        if found is None:
            values[value] = keys
        elif isinstance(found, tuple):
            if found != keys:
                values[value] = Map({found: None, keys: None})
        else:
            values[value] = found.set(keys, None)

    def remove(self, token: object, value: Hashable, keys: Keys) -> None:
        values = self._mutable(token)
        found = values.get(value)
        if isinstance(found, tuple):
            if found == keys:
                del values[value]
        elif found is not None and keys in found:
            left = found.delete(keys)
            values[value] = next(iter(left)) if len(left) == 1 else left

    def holders(self, token: object, value: Hashable) -> list[Keys]:
        found = self._mutable(token).get(value) if token in self._maps or token in self._open else None
        if found is None:
            return []
        return [found] if isinstance(found, tuple) else list(found)

    def finish(self) -> References:
        for token, mutation in self._open.items():
            self._maps[token] = mutation.finish()  # type: ignore[attr-defined]
        self._open = {}
        return References(self._maps)

    def _mutable(self, token: object):  # type: ignore[no-untyped-def]  # immutables does not name the type
        mutation = self._open.get(token)
        if mutation is None:
            mutation = self._open[token] = self._maps.get(token, _EMPTY).mutate()
        return mutation
