"""What the tables of commands are made of. A command knows both ways: how its line is read and how it is written, so
that there is one place per command.

A :class:`Mode` is a table of commands. A :class:`Command` begins with fixed words and has arguments; it sets leafs of
the node that the mode is about, or (``at``) makes an entry of a list or fills a container below it, which may open a
mode of its own. All paths are relative to the node they set (``staros.paths``).

Reading happens in two steps, so that a refused line changes nothing: the arguments go into a :class:`Found`, and only a
whole line is applied to the :class:`Draft`. Writing goes through a :class:`Source`, which keeps book of what has been
said; what nobody has said in the end is reported by the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

from cryptomap.data.tree import Node
from cryptomap.data.xml import Sealer
from cryptomap.schema.nodes import InnerNode, Leaf, LeafList
from cryptomap.staros.draft import Draft
from cryptomap.staros.forms import PLAIN, Form
from cryptomap.staros.paths import explicit, leaf_at, leaf_schema, parent_at
from cryptomap.staros.text import Refusal, Tokens

__all__ = [
    "Argument",
    "Deed",
    "Found",
    "Mode",
    "Said",
    "Source",
    "Statement",
    "Undo",
    "Written",
]

CONTEXT = "cryptomap-context:context"
Setting = str | tuple[str, ...]


class Found:
    """What the arguments of a line say about the node with that schema, before any of it is applied."""

    def __init__(self, inner: InnerNode, seal: Sealer | None = None) -> None:
        self.inner = inner
        self.seal = seal
        self.values: dict[str, Setting] = {}
        self.notes: list[str] = []

    def leaf(self, path: str) -> Leaf | LeafList:
        return leaf_schema(self.inner, path)

    def read(self, path: str, token: str, form: Form = PLAIN, position: int = 0) -> str:
        """The canonical value of a token for that leaf. Raises Refusal."""
        try:
            return form.read(self.leaf(path), token)
        except Refusal as refusal:
            raise Refusal(refusal.reason, position) from None


class Said:
    """Which slots of which nodes the text says, and which list entries and containers it names."""

    def __init__(self) -> None:
        self._slots: set[tuple[int, int]] = set()
        self._nodes: set[int] = set()

    def slot(self, node: Node, slot: int) -> None:
        self._slots.add((id(node), slot))

    def node(self, node: Node) -> None:
        self._nodes.add(id(node))

    def has_slot(self, node: Node, slot: int) -> bool:
        return (id(node), slot) in self._slots

    def has_node(self, node: Node) -> bool:
        return id(node) in self._nodes


@dataclass(frozen=True, slots=True)
class Source:
    """A node to be written. ``context`` is the context around it, for what depends on its other objects."""

    node: Node
    said: Said
    context: Node | None = None

    def below(self, node: Node) -> Source:
        """The same for an entry or container of the node."""
        return Source(node, self.said, node if node.schema.qname == CONTEXT else self.context)

    def explicit(self, path: str) -> Setting | None:
        return explicit(self.node, path)

    def effective(self, path: str) -> Setting | None:
        return leaf_at(self.node, path)

    def token(self, path: str, form: Form = PLAIN) -> str | None:
        """The value in effect as a token; ``None`` if there is none or StarOS cannot say it."""
        value = self.effective(path)
        return form.write(leaf_schema(self.node.schema, path), value) if isinstance(value, str) else None

    def say(self, path: str) -> None:
        """Note that the text says that leaf, leaf-list or container."""
        parent, child = parent_at(self.node, path)
        if parent is not None:
            self.said.slot(parent, child.slot)
            value = parent.slots[child.slot]
            if isinstance(value, Node):
                self.said.node(value)


class Argument(Protocol):
    """A part of a line after the words of its command. ``word`` introduces it (several words: separated by blanks).
    An optional argument may stand in any place among the optional ones."""

    @property
    def word(self) -> str: ...
    @property
    def optional(self) -> bool: ...
    @property
    def paths(self) -> tuple[str, ...]:
        """The leafs it sets."""
        ...

    def read(self, tokens: Tokens, found: Found) -> None:
        """Read what follows the word. Raises Refusal."""
        ...

    def write(self, source: Source) -> str | None:
        """Its text including the word, or ``None`` if there is nothing to say or no way to say it."""
        ...


class Statement(Protocol):
    """A command of a mode."""

    @property
    def words(self) -> str:
        """The fixed words it begins with."""
        ...

    @property
    def undo(self) -> str:
        """The words it begins with after ``no`` and ``default``."""
        ...

    @property
    def mode(self) -> Mode | None:
        """The mode it opens."""
        ...

    def parse(self, tokens: Tokens, draft: Draft, seal: Sealer | None) -> Deed:
        """Read the arguments. Raises Refusal; changes nothing."""
        ...

    def parse_undo(self, tokens: Tokens, draft: Draft, verb: str) -> Undo:
        """Read the arguments of its ``no`` or ``default`` form. Raises Refusal; changes nothing."""
        ...

    def write(self, source: Source) -> Iterator[Written]:
        """The lines that say what is in the node, and what stands below each of them."""
        ...


@dataclass(frozen=True, slots=True)
class Deed:
    """A line that has been read. ``do`` applies it and gives the draft that the mode it opens is about."""

    do: Callable[[], Draft]
    notes: tuple[str, ...] = ()


Undo = Callable[[], bool]
"""Applies a ``no`` or ``default`` line; false if there was nothing to remove."""


@dataclass(frozen=True, slots=True)
class Written:
    """A line, and the node and mode of the block below it."""

    line: str
    mode: Mode | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """A table of commands, in the order in which they are written.

    ``foreign`` names commands that open modes of StarOS this server has nothing for, and why; their blocks are reported
    line by line."""

    name: str
    statements: tuple[Statement, ...]
    foreign: Mapping[str, str] = field(default_factory=dict)

    @property
    def first_words(self) -> frozenset[str]:
        """The words a line of this mode can begin with."""
        return _first_words(self)

    def named(self, *, undo: bool) -> tuple[tuple[tuple[str, ...], Statement], ...]:
        """The commands with their words, or (``undo``) with those of their ``no`` forms."""
        return _named(self, undo)


@cache
def _first_words(mode: Mode) -> frozenset[str]:
    return frozenset([statement.words.split()[0] for statement in mode.statements])


@cache
def _named(mode: Mode, undo: bool) -> tuple[tuple[tuple[str, ...], Statement], ...]:
    pairs = [((undo and statement.undo) or statement.words, statement) for statement in mode.statements]
    return tuple([(tuple(words.split()), statement) for words, statement in pairs])
