"""Defaults in use (RFC 7950 sections 7.6.1 and 7.7.2). Trees store explicit values only; this says what holds besides.

A default inside a choice is in use only while its case is: when the case has other data, or when it is the default case
and no other case has any (at every choice from the leaf up to its parent node). ``when`` conditions need the place in
the tree and are looked at by whoever knows it (``data.xpath``, ``data.view``).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from cryptomap.data.tree import Node, Value
from cryptomap.schema.nodes import Case, Choice, InnerNode, Leaf, LeafList

__all__ = ["Default", "case_in_use", "effective", "implied", "value"]


class Default(str):
    """A value that nobody set: what :func:`implied` gives, so that a reply can tell it apart (RFC 6243 section 6)."""

    __slots__ = ()


def effective(node: Node | None, child: Leaf | LeafList) -> str | tuple[str, ...] | None:
    """The value of a leaf or leaf-list below ``node``: the explicit one, else its default if that is in use.

    ``node`` is ``None`` for an absent non-presence container."""
    explicit = None if node is None else node.slots[child.slot]
    if explicit is not None:
        assert isinstance(explicit, str | tuple)
        return explicit
    default: str | tuple[str, ...] | None
    default = child.default if isinstance(child, Leaf) else child.defaults or None
    if default is None or not case_in_use(node, child.parent, child.slot):
        return None
    return default


def implied(node: Node, child: Leaf | LeafList) -> Value | None:
    """The default in use where nothing is set, marked as :class:`Default`."""
    if node.slots[child.slot] is not None:
        return None
    found = effective(node, child)
    if isinstance(found, tuple):
        return tuple([Default(item) for item in found])
    return None if found is None else Default(found)


def value(node: Node, name: str) -> str | tuple[str, ...] | None:
    """:func:`effective` by name, in the node's module unless the name is ``module:name``."""
    schema = node.schema
    child = schema.by_qname.get(name) or schema.by_qname[f"{schema.module}:{name}"]
    if not isinstance(child, Leaf | LeafList):
        raise KeyError(f"{child.path} is not a leaf")
    return effective(node, child)


def case_in_use(node: Node | None, schema: InnerNode | None, slot: int) -> bool:
    """Whether every case around that slot is the one in use (always true outside choices)."""
    if schema is None or not schema.choices:
        return True
    enclosing = _enclosing(schema).get(slot, ())
    if node is None:
        return all(case.name == choice.default for choice, case in enclosing)
    return all(_in_use(node, choice, case) for choice, case in enclosing)


def _in_use(node: Node, choice: Choice, case: Case) -> bool:
    slots = node.slots
    if any(slots[slot] is not None for slot in case.all_slots()):
        return True
    if case.name != choice.default:
        return False
    return not any(slots[slot] is not None for other in choice.cases for slot in other.all_slots())


@lru_cache(maxsize=1024)
def _enclosing(schema: InnerNode) -> dict[int, tuple[tuple[Choice, Case], ...]]:
    """For each slot inside a choice: the (choice, case) pairs around it, outermost first."""
    return dict(_walk(schema.choices, ()))


def _walk(
    choices: tuple[Choice, ...], around: tuple[tuple[Choice, Case], ...]
) -> Iterator[tuple[int, tuple[tuple[Choice, Case], ...]]]:
    for choice in choices:
        for case in choice.cases:
            here = (*around, (choice, case))
            for slot in case.slots:
                yield slot, here
            yield from _walk(case.choices, here)
