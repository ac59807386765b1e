"""What differs between two trees, and the edit-config that makes one out of the other.

Both trees share what an edit did not touch, so a diff costs the change: it looks only at what is not the same object.

The document is what the journal keeps and history shows. Below each parent, what goes is removed before anything is
created, so that a choice that changes its case needs no special order; what the user orders gets ``yang:insert`` where
it would otherwise stand elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from cryptomap.data.path import predicates
from cryptomap.data.tree import (
    AnyValue,
    Entries,
    Key,
    LazyEntries,
    Node,
    Path,
    SortedEntries,
    Step,
    UserEntries,
    Value,
    key_text,
)
from cryptomap.data.xml.attributes import NETCONF_NAMESPACE, YANG_NAMESPACE
from cryptomap.data.xml.writer import Printer, WriteOptions, escape, printer
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList, ListNode, Schema

__all__ = ["Change", "diff", "edit_document", "entries_that_differ", "entry_moves", "value_moves"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. What was created has ``old`` None and what was deleted ``new`` None, once at the top of the
    subtree: a container or a list entry. A leaf and a leaf-list (as a whole) have both values.

    Where entries of a list ordered by the user changed places, the path ends with the list and no key, and the values
    are its entries; created, deleted and changed entries have changes of their own as well."""

    path: Path
    old: Value | None
    new: Value | None


def diff(old: Node, new: Node) -> list[Change]:
    """The changes from one tree to another of the same schema, parents before children, in schema order."""
    return list(_changes(old, new, ()))


def _changes(old: Node, new: Node, path: Path) -> Iterator[Change]:
    if old is new:
        return
    for child, before, after in zip(old.schema.children, old.slots, new.slots, strict=True):
        if before is after:
            continue
        if isinstance(child, ListNode):
            yield from _list_changes(child, before, after, path)  # type: ignore[arg-type]
        elif isinstance(before, Node) and isinstance(after, Node):
            yield from _changes(before, after, (*path, (child, None)))
        elif before != after:
            yield Change((*path, (child, None)), before, after)


def _list_changes(child: ListNode, old: Entries | None, new: Entries | None, path: Path) -> Iterator[Change]:
    for key, before, after in entries_that_differ(old, new):
        here = (*path, (child, key))
        if before is not None and after is not None:
            yield from _changes(before, after, here)
        else:
            yield Change(here, before, after)
    if isinstance(old, UserEntries) and isinstance(new, UserEntries) and _is_reordered(old, new):
        yield Change((*path, (child, None)), old, new)


def entries_that_differ(old: Entries | None, new: Entries | None) -> Iterable[tuple[Key, Node | None, Node | None]]:
    """(key, old entry, new entry) for each entry of a keyed list that is not the same object in both."""
    if isinstance(old, SortedEntries) and isinstance(new, SortedEntries):
        yield from old.differences(new)
        return
    before, after = _mapping(old), _mapping(new)
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) is not after.get(key):
            yield key, before.get(key), after.get(key)


def _mapping(entries: Entries | None) -> dict[Key, Node]:
    assert not isinstance(entries, LazyEntries), "a stored tree holds no lazily made entries"
    return {} if entries is None else dict(entries.items())


def _is_reordered(old: UserEntries, new: UserEntries) -> bool:
    return _plain_order(old, new) != new.keys()


def _plain_order(old: UserEntries, new: UserEntries) -> tuple[Key, ...]:
    """The keys of ``new`` in the order they get without any insert: old entries as they stood, then the new ones."""
    kept = [key for key, _ in old.items() if key in new]
    return (*kept, *[key for key, _ in new.items() if key not in old])


def entry_moves(old: UserEntries, new: UserEntries) -> Iterator[tuple[Key, Key | None]]:
    """(key, the key it goes after or None for the first place) that turn the order ``new`` has once its entries are
    added and removed into its own."""
    return _moves(_plain_order(old, new), new.keys())


def value_moves(old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    """The same for the values of a leaf-list without those that go; values that come are put in their place."""
    return _moves([value for value in old if value in new], new)


# ===== changes as a document =====

PIECE = 16384
"""Texts that are put together in one go: some 300 KiB."""

_NC, _YANG = "\0", "\1"
"""Stand for the prefixes of attributes until all texts are known: no XML can hold these characters."""

_REMOVE, _CREATE = (f' {_NC}:operation="{operation}"' for operation in ("remove", "create"))
_FIRST, _AFTER = (f' {_YANG}:insert="{place}"' for place in ("first", "after"))


def edit_document(schema: Schema, changes: Iterable[Change]) -> bytes:
    """The changes as a ``<config>`` element (UTF-8) for ``edit`` with default-operation merge: applied to the old tree
    it gives exactly the new one."""
    top = _Place()
    for change in changes:
        place = top
        for step in change.path:
            place = place.below.setdefault(step, _Place())
        place.change = change
    document = _Document(schema)
    document.children(top, schema.root)
    return document.finish()


@dataclass(slots=True)
class _Place:
    """The change of one instance, if it has one itself, and those below it."""

    change: Change | None = None
    below: dict[Step, _Place] = field(default_factory=dict)


class _Document:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._printer: Printer = printer(schema, WriteOptions())
        self._texts: list[str] = []

    def finish(self) -> bytes:
        """In pieces, because one call for the texts of ten thousand crypto maps keeps the interpreter for 20 ms."""
        pieces = ["".join(self._texts[start : start + PIECE]) for start in range(0, len(self._texts), PIECE)]
        declared = f'xmlns="{NETCONF_NAMESPACE}"'
        for mark, name, namespace in ((_NC, "nc", NETCONF_NAMESPACE), (_YANG, "yang", YANG_NAMESPACE)):
            if any(mark in piece for piece in pieces):
                prefix = _free_prefix(name, pieces)
                pieces = [piece.replace(mark, prefix) for piece in pieces]
                declared += f' xmlns:{prefix}="{namespace}"'
        return b"".join([f"<config {declared}>".encode(), *[piece.encode() for piece in pieces], b"</config>"])

    def children(self, place: _Place, parent: InnerNode) -> None:
        for (child, key), inside in place.below.items():
            if inside.change is not None and inside.change.new is None:
                self._remove(child, key, inside.change)
        for (child, key), inside in place.below.items():
            change = inside.change
            if change is None or (isinstance(child, ListNode) and key is None):
                self._inside(child, key, inside)
            elif change.new is not None:
                self._set(child, key, change)
        for (child, key), inside in place.below.items():
            if isinstance(child, ListNode) and key is None and inside.change is not None:
                self._reorder(child, cast(UserEntries, inside.change.old), cast(UserEntries, inside.change.new))

    def _inside(self, child: DataNode, key: Key | None, place: _Place) -> None:
        if not place.below:
            return
        assert isinstance(child, InnerNode)
        end = self._open(child, "")
        if isinstance(child, ListNode):
            self._keys(child, key)
        self.children(place, child)
        self._texts.append(end)

    def _remove(self, child: DataNode, key: Key | None, change: Change) -> None:
        if isinstance(child, LeafList):
            self._values(child, cast("tuple[str, ...]", change.old), ())
            return
        end = self._open(child, _REMOVE)
        if isinstance(child, ListNode):
            self._keys(child, key)
        self._texts.append(end)

    def _set(self, child: DataNode, key: Key | None, change: Change) -> None:
        new = change.new
        if isinstance(child, LeafList):
            self._values(child, cast("tuple[str, ...]", change.old or ()), cast("tuple[str, ...]", new))
        elif isinstance(new, Node):
            end = self._open(child, _CREATE)
            self._printer.content(new, self._texts)
            self._texts.append(end)
        elif isinstance(child, Leaf):
            self._leaf(child, cast(str, new))
        else:
            self._texts.append(cast(AnyValue, new).xml.decode())

    def _keys(self, child: ListNode, key: Key | None) -> None:
        assert key is not None
        for leaf, text in zip(child.keys, key_text(key), strict=True):
            self._leaf(leaf, text)

    def _leaf(self, child: Leaf | LeafList, value: str, attributes: str = "") -> None:
        text, namespaces = self._printer.lexical(child.type, value)
        end = self._open(child, namespaces + attributes)
        self._texts += (text, end)

    def _open(self, child: DataNode, attributes: str) -> str:
        item = self._printer.item(child, top=False)
        self._texts.append(f"{item.start[:-1]}{attributes}>")
        return item.end

    def _values(self, child: LeafList, old: tuple[str, ...], new: tuple[str, ...]) -> None:
        for value in old:
            if value not in new:
                self._leaf(child, value, _REMOVE)
        if not child.user_ordered:
            for value in new:
                if value not in old:
                    self._leaf(child, value, _CREATE)
            return
        for value, before in _moves([value for value in old if value in new], new):
            operation = "" if value in old else _CREATE
            self._leaf(child, value, operation + self._value_place(child, before))

    def _value_place(self, child: LeafList, before: str | None) -> str:
        if before is None:
            return _FIRST
        text, namespaces = self._printer.lexical(child.type, before)
        return f'{_AFTER} {_YANG}:value="{_in_attribute(text)}"{namespaces}'

    def _reorder(self, child: ListNode, old: UserEntries, new: UserEntries) -> None:
        for key, before in _moves(_plain_order(old, new), new.keys()):
            end = self._open(child, self._entry_place(child, before))
            self._keys(child, key)
            self._texts.append(end)

    def _entry_place(self, child: ListNode, before: Key | None) -> str:
        if before is None:
            return _FIRST
        used: dict[str, str] = {}

        def prefix_of(module: str) -> str:
            prefix = self._schema.prefix_of_module[module]
            used[prefix] = self._schema.namespace_of_module[module]
            return prefix

        anchor = _in_attribute(escape(predicates(child, before, prefix_of)))
        namespaces = "".join([f' xmlns:{prefix}="{escape(uri)}"' for prefix, uri in used.items()])
        return f'{namespaces}{_AFTER} {_YANG}:key="{anchor}"'


def _in_attribute(escaped: str) -> str:
    """A reader makes spaces of tabs and line ends in attributes but for references (XML 1.0 section 3.3.3)."""
    return escaped.replace("\n", "&#10;").replace("\t", "&#9;")


def _free_prefix(name: str, pieces: Sequence[str]) -> str:
    """The first of name, name1, ... that no text has before a colon: anydata that has would be read as if it held a
    qualified name, and with the declaration of that prefix."""
    names = itertools.chain([name], map(f"{name}{{}}".format, itertools.count(1)))
    return next(prefix for prefix in names if not any(f"{prefix}:" in piece for piece in pieces))


def _moves(there: Sequence[T], wanted: Sequence[T]) -> Iterator[tuple[T, T | None]]:
    """(item, the item it goes after or None for the first place), one by one, that turn one order into the other. What
    is not there yet is put in its place in the same way."""
    order = list(there)
    for at, item in enumerate(wanted):
        if at < len(order) and order[at] == item:
            continue
        if item in order:
            order.remove(item)
        order.insert(at, item)
        yield item, wanted[at - 1] if at else None
