"""Entries that look alike are read by one regular expression.

The entries of a bulk load have the same few shapes: the same elements in the same order, with other texts. The shape of
an entry that was read is kept as an expression over its serialised form, with a group for each text, and as the steps
that make nodes of the groups. An entry of that shape then costs one match and one step for each node, where walking it
costs several calls for each element.

A shape only ever gives what the walk would give. What it cannot express (comments, references in a text, faults of any
kind) makes it give nothing, and the entry is walked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias, cast

from lxml import etree

from cryptomap.data.tree import Key, Node, Value, entries_of, key_of, values_of
from cryptomap.data.xml.faults import names_in
from cryptomap.data.xml.seal import Sealer
from cryptomap.schema.nodes import Choice, Container, InnerNode, Leaf, LeafList, ListNode, Schema
from cryptomap.schema.type_base import MEMO_ENTRIES, MEMO_TEXT
from cryptomap.schema.types import Names, TypeFault

__all__ = ["Shapes"]

WALKED_FIRST = 64  # entries of a list, before shapes are worth their making
SHAPES_MAX = 8  # of a list; entries of any further shape are walked
LARGEST = 8192  # characters of an entry that may have a shape: making one takes milliseconds for each thousand

Values: TypeAlias = list[Any]
"""The texts as values, then ``None``, then what the steps have made so far."""

Parsing: TypeAlias = tuple[Callable[[str], str | None], Callable[[str], str]]
"""What is known of texts seen before, and what makes a value of any other."""

_TAG = re.compile("<([^>]*)>")


class _Unlike(Exception):
    """The walk has to look at this entry."""


class Shapes:
    """The shapes met so far of the entries of one list. ``config_only``: state data is a fault."""

    def __init__(self, schema: ListNode, config_only: bool) -> None:
        self._list = schema
        self._config_only = config_only
        self._walked = 0
        self._shapes: list[_Shape] = []

    def read(self, schema: Schema, element: etree._Element, seal: Sealer | None) -> Node | None:
        """The entry, or ``None`` if it has to be walked."""
        if self._walked < WALKED_FIRST:
            self._walked += 1
            return None
        text = etree.tostring(element, encoding="unicode", with_tail=False)
        if "&" in text or len(text) > LARGEST:
            return None
        for shape in self._shapes:
            match = shape.match(text)
            if match:
                return shape.node(match.groups(), seal)
        if len(self._shapes) < SHAPES_MAX:
            self._shapes.append(_Shape(schema, self._list, element, text, config_only=self._config_only))
        return None


class _Shape:
    """One shape, made from the first entry that has it."""

    def __init__(
        self, schema: Schema, entries: ListNode, element: etree._Element, text: str, config_only: bool
    ) -> None:
        self._schema = schema
        self._config_only = config_only
        self._leafs: list[Parsing] = []
        self._secrets: list[tuple[int, Leaf | LeafList]] = []
        self._steps: list[Callable[[Values], Value | None]] = []
        pattern = "".join(_pattern(_TAG.split(text)[1::2]))
        self.match = re.compile(pattern).fullmatch
        self._nothing = pattern.count(_TEXT)
        try:
            self._inner(entries, element)
            self._is_readable = len(self._leafs) == self._nothing
        except (TypeFault, _Unlike):
            self._is_readable = False

    def node(self, texts: Sequence[str], seal: Sealer | None) -> Node | None:
        """The entry with these texts; ``None`` if anything about them is unusual."""
        if not self._is_readable:
            return None
        try:
            values: Values = [
                known(text) or parse(text) for text, (known, parse) in zip(texts, self._leafs, strict=True)
            ]
            for at, leaf in self._secrets:
                values[at] = _sealed(leaf, values[at], seal)
            values.append(None)
            for step in self._steps:
                values.append(step(values))
        except (TypeFault, _Unlike):
            return None
        return cast(Node, values[-1])

    # ===== the steps: each method gives the place of what it makes among the values =====

    def _step(self, step: Callable[[Values], Value | None]) -> int:
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
        return self._step(_node(inner, places))

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
            value = kind.parse("")
            return self._step(lambda values: value)
        place = len(self._leafs)
        if leaf.secret:
            self._secrets.append((place, leaf))
            self._leafs.append((str, str))
        elif kind.qualified:
            self._leafs.append(_remembering(kind.parse, names_in(self._schema, element)))
        else:
            self._leafs.append((kind.plain().known, kind.plain().parse))
        return place

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


def _node(inner: InnerNode, places: list[int]) -> Callable[[Values], Node]:
    if len(places) < 2:  # of which an itemgetter makes no tuple
        return lambda values: Node(inner, tuple([values[place] for place in places]))
    slots_of = itemgetter(*places)
    return lambda values: Node(inner, slots_of(values))


def _entries(schema: ListNode, places: list[int]) -> Callable[[Values], Value | None]:
    def make(values: Values) -> Value | None:
        entries: dict[Key, Node] = {key_of(values[place]): values[place] for place in places}
        if len(entries) < len(places):
            raise _Unlike
        return entries_of(schema, entries)

    return make


def _values(schema: LeafList, places: list[int]) -> Callable[[Values], Value | None]:
    def make(values: Values) -> Value | None:
        found = dict.fromkeys([values[place] for place in places])
        if schema.config and len(found) < len(places):
            raise _Unlike
        return values_of(schema, found)

    return make


def _require_one_case(choices: Iterable[Choice], slots: Iterable[int]) -> None:
    for choice in choices:
        cases = [case for case in choice.cases if not set(slots).isdisjoint(case.all_slots())]
        if len(cases) > 1:
            raise _Unlike
        for case in cases:
            _require_one_case(case.choices, slots)


def _remembering(
    parse: Callable[[str, Names | None], str], names: Names
) -> tuple[Callable[[str], str | None], Callable[[str], str]]:
    """The same for a type that remembers nothing, because what a text means depends on the prefixes declared."""
    memo: dict[str, str] = {}

    def parse_once(text: str) -> str:
        value = parse(text, names)
        if len(memo) < MEMO_ENTRIES and len(text) <= MEMO_TEXT:
            memo[text] = value
        return value

    return memo.get, parse_once


def _sealed(leaf: Leaf | LeafList, text: str, seal: Sealer | None) -> str:
    if seal is None:
        return leaf.type.parse(text)
    stripped = text.strip()
    return stripped if seal.is_sealed(leaf.path, stripped) else seal.seal(leaf.path, leaf.type.parse(text))
