"""Entries that look alike are read together, column by column.

The entries of a bulk load have the same few shapes: the same elements in the same order, with other texts. A shape is
an expression over the serialised form of an entry, with a group for each text, and the steps that make nodes of the
groups. All entries of a shape in one stretch of the document make a table: a column of texts becomes a column of
values, columns of values become a column of nodes, each in one go. An entry then costs one match, where walking it
costs several calls for each element.

A shape only ever gives what the walk would give. What it cannot express (comments, references in a text, faults of any
kind) makes it give nothing for that entry, which is walked.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, TypeAlias, cast

from lxml import etree

from cryptomap.data.tree import Key, Node, Value, entries_of, key_of, values_of
from cryptomap.data.xml.faults import names_in
from cryptomap.data.xml.seal import Sealer
from cryptomap.schema.nodes import Choice, Container, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.types import Names, Type, TypeFault

__all__ = ["Shapes"]

WALKED_FIRST = 64  # entries of a list in one document, before shapes are worth their making
SHAPES_MAX = 8  # of a list; entries of any further shape are walked
LARGEST = 8192  # characters of an entry that may have a shape: making one takes milliseconds for each thousand

Column: TypeAlias = list[Any]
"""One text, value or node of each entry."""

Table: TypeAlias = list[Column]
"""The texts as values, then a column of ``None``, then what the steps have made so far."""

_TAG = re.compile("<([^>]*)>")


class _Unlike(Exception):
    """The walk has to look at one of these entries."""


class Shapes:
    """The shapes met so far of the entries of one list in one document. ``config_only``: state data is a fault."""

    def __init__(self, schema: Schema, entries: ListNode, seal: Sealer | None, *, config_only: bool) -> None:
        self._schema = schema
        self._list = entries
        self._seal = seal
        self._config_only = config_only
        self._walked = 0
        self._shapes: list[_Shape] = []

    def read(self, elements: Sequence[etree._Element]) -> list[Node | None]:
        """Each entry, or ``None`` if it has to be walked."""
        found: list[Node | None] = [None] * len(elements)
        if self._walked + len(elements) <= WALKED_FIRST:
            self._walked += len(elements)
            return found
        places: dict[_Shape, list[int]] = {}
        rows: dict[_Shape, list[Sequence[str]]] = {}
        for place, element in enumerate(elements):
            text = etree.tostring(element, encoding="unicode", with_tail=False)
            shape, texts = self._match(element, text)
            if shape is not None:
                places.setdefault(shape, []).append(place)
                rows.setdefault(shape, []).append(texts)
        for shape, table in rows.items():
            for place, node in zip(places[shape], shape.nodes(table), strict=True):
                found[place] = node
        return found

    def _match(self, element: etree._Element, text: str) -> tuple[_Shape | None, Sequence[str]]:
        if "&" in text or len(text) > LARGEST:
            return None, ()
        for shape in self._shapes:
            match = shape.match(text)
            if match:
                return shape, match.groups()
        if len(self._shapes) == SHAPES_MAX:
            return None, ()
        shape = _Shape(self._schema, self._list, element, text, self._seal, config_only=self._config_only)
        self._shapes.append(shape)
        match = shape.match(text)
        return (shape, match.groups()) if match else (None, ())


class _Shape:
    """One shape, made from the first entry that has it."""

    def __init__(
        self,
        schema: Schema,
        entries: ListNode,
        element: etree._Element,
        text: str,
        seal: Sealer | None,
        *,
        config_only: bool,
    ) -> None:
        self._schema = schema
        self._seal = seal
        self._config_only = config_only
        self._texts: list[Callable[[Sequence[str]], Column]] = []
        self._steps: list[Callable[[Table], Column]] = []
        pattern = "".join(_pattern(_TAG.split(text)[1::2]))
        self.match = re.compile(pattern).fullmatch
        self._nothing = pattern.count(_TEXT)
        try:
            self._inner(entries, element)
            self._is_readable = len(self._texts) == self._nothing
        except (TypeFault, _Unlike):
            self._is_readable = False

    def nodes(self, rows: Sequence[Sequence[str]]) -> Sequence[Node | None]:
        """The entries with these texts; ``None`` for each that has anything unusual about it."""
        if not self._is_readable:
            return [None] * len(rows)
        try:
            return self._table(rows)[-1]
        except (TypeFault, _Unlike):
            if len(rows) == 1:
                return [None]
            half = len(rows) // 2
            return [*self.nodes(rows[:half]), *self.nodes(rows[half:])]

    def _table(self, rows: Sequence[Sequence[str]]) -> Table:
        table = [read(texts) for read, texts in zip(self._texts, zip(*rows, strict=True), strict=True)]
        table.append([None] * len(rows))
        for step in self._steps:
            table.append(step(table))
        return table

    # ===== the steps: each method gives the place in the table of the column it makes =====

    def _step(self, step: Callable[[Table], Column]) -> int:
        self._steps.append(step)
        return self._nothing + len(self._steps)

    def _inner(self, inner: InnerNode, element: etree._Element) -> int:
        found: dict[int, int | list[int]] = {}  # slot -> the place of its value, or the places of its entries or values
        for child in element:
            node = inner.by_tag.get(child.tag)
            if node is None or (self._config_only and not node.config):
                raise _Unlike
            place = self._child(node, child)
            if isinstance(node, ListNode | LeafList):
                cast("list[int]", found.setdefault(node.slot, [])).append(place)
            elif node.slot in found:
                raise _Unlike
            elif place != self._nothing:
                found[node.slot] = place
        if isinstance(inner, ListNode) and not (inner.keys and all(key.slot in found for key in inner.keys)):
            raise _Unlike
        _require_one_case(inner.choices, found)
        if not found and not (isinstance(inner, Container) and inner.presence):
            return self._nothing
        places = [self._settled(child, found.get(child.slot, self._nothing)) for child in inner.children]
        return self._step(_nodes(inner, places, self._nothing))

    def _child(self, node: object, element: etree._Element) -> int:
        if isinstance(node, InnerNode):
            return self._inner(node, element)
        if not isinstance(node, Leaf | LeafList) or len(element):
            raise _Unlike
        return self._text(node, element)

    def _text(self, leaf: Leaf | LeafList, element: etree._Element) -> int:
        kind = leaf.type
        if element.text is None:
            if leaf.secret or kind.qualified:
                raise _Unlike
            value, nothing = kind.parse(""), self._nothing
            return self._step(lambda table: [value] * len(table[nothing]))
        if leaf.secret:
            self._texts.append(_sealed(leaf, self._seal))
        elif kind.qualified:
            self._texts.append(_qualified(kind, names_in(self._schema, element)))
        else:
            self._texts.append(_plain(kind.plain()))
        return len(self._texts) - 1

    def _settled(self, child: object, places: int | list[int]) -> int:
        """The entries or values of a list as a tree holds them."""
        if isinstance(places, int):
            return places
        if isinstance(child, LeafList):
            return self._step(_values(child, places))
        assert isinstance(child, ListNode)
        return self._step(_entries(child, places))


_TEXT = "([^<]*)"


def _pattern(tags: Sequence[str]) -> Iterator[str]:
    """The expression for these tags: a group between the two tags of a leaf, white space between all others."""
    for tag, following in zip(tags, (*tags[1:], "/"), strict=True):
        yield re.escape(f"<{tag}>")
        is_leaf = following.startswith("/") and not (tag.startswith("/") or tag.endswith("/"))
        yield _TEXT if is_leaf else r"\s*"


# ===== columns of values =====


def _plain(kind: Type) -> Callable[[Sequence[str]], Column]:
    known, parse = kind.known, kind.parse

    def read(texts: Sequence[str]) -> Column:
        values = list(map(known, texts))
        if None not in values:
            return values
        return [parse(text) if value is None else value for value, text in zip(values, texts, strict=True)]

    return read


def _qualified(kind: Type, names: Names) -> Callable[[Sequence[str]], Column]:
    """What a text means depends on the prefixes declared, which are part of the shape."""

    def read(texts: Sequence[str]) -> Column:
        meanings = {text: kind.parse(text, names) for text in set(texts)}
        return [meanings[text] for text in texts]

    return read


def _sealed(leaf: Leaf | LeafList, seal: Sealer | None) -> Callable[[Sequence[str]], Column]:
    path, parse = leaf.path, leaf.type.parse

    def sealed(text: str) -> str:
        if seal is None:
            return parse(text)
        stripped = text.strip()
        return stripped if seal.is_sealed(path, stripped) else seal.seal(path, parse(text))

    return lambda texts: list(map(sealed, texts))


# ===== columns of nodes =====


def _nodes(inner: InnerNode, places: list[int], nothing: int) -> Callable[[Table], Column]:
    def make(table: Table) -> Column:
        columns = [table[place] for place in places]
        if all(map(_is_uniform, columns)):  # settings that all entries share are one object in all of them
            return [Node(inner, tuple([column[0] for column in columns]))] * len(table[nothing])
        return list(map(Node, repeat(inner), zip(*columns, strict=True)))

    return make


def _is_uniform(column: Column) -> bool:
    return all(map(operator.is_, column, repeat(column[0])))


def _entries(schema: ListNode, places: list[int]) -> Callable[[Table], Column]:
    def make(nodes: tuple[Node, ...]) -> Value | None:
        entries: dict[Key, Node] = {key_of(node): node for node in nodes}
        if len(entries) < len(nodes):
            raise _Unlike
        return entries_of(schema, entries)

    return lambda table: list(map(make, zip(*[table[place] for place in places], strict=True)))


def _values(schema: LeafList, places: list[int]) -> Callable[[Table], Column]:
    def make(values: tuple[str, ...]) -> Value | None:
        found = dict.fromkeys(values)
        if schema.config and len(found) < len(values):
            raise _Unlike
        return values_of(schema, found)

    return lambda table: list(map(make, zip(*[table[place] for place in places], strict=True)))


def _require_one_case(choices: Iterable[Choice], slots: Iterable[int]) -> None:
    for choice in choices:
        cases = [case for case in choice.cases if not set(slots).isdisjoint(case.all_slots())]
        if len(cases) > 1:
            raise _Unlike
        for case in cases:
            _require_one_case(case.choices, slots)
