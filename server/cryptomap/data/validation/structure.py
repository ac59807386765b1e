"""What must be there: mandatory nodes and choices, min-elements and max-elements (RFC 7950 sections 7.6.5, 7.7.5,
7.7.6, 7.9.4). These depend only on the children of one instance, so they are checked on each instance touched."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from cryptomap.data.tree import KeylessEntries, Node, SortedEntries, UserEntries, Value
from cryptomap.data.xpath import Cursor, Env, compile_cached
from cryptomap.schema.nodes import Any_, Case, Choice, Container, DataNode, InnerNode, Leaf, LeafList, ListNode

__all__ = ["Missing", "Requirement", "missing", "requirements_of"]


@dataclass(frozen=True, eq=False, slots=True)
class Requirement:
    """A child (or choice) an instance needs. ``within``: only if a node of that case exists (slots of the case)."""

    node: DataNode | None
    choice: Choice | None = None
    within: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """A requirement that is not met at ``at``; ``what`` is missing | too-few | too-many | choice."""

    at: Cursor
    what: str
    node: DataNode | None
    choice: Choice | None = None
    value: Value | None = None


@lru_cache(maxsize=65_536)
def requirements_of(node: InnerNode) -> tuple[Requirement, ...]:
    """What instances of a node need, including the needs of its non-presence containers while these are absent."""
    case_of = {slot: case for choice in node.choices for case in choice.cases for slot in case.all_slots()}
    found: list[Requirement] = []
    for child in node.children:
        if child.config and _requires(child):
            case = _innermost(node, child.slot) if child.slot in case_of else None
            found.append(Requirement(child, within=tuple(case.all_slots()) if case else None))
    for choice in node.choices:
        found += _choice_requirements(node, choice, None)
    return tuple(found)


def _choice_requirements(node: InnerNode, choice: Choice, within: Case | None) -> Iterator[Requirement]:
    if choice.mandatory and any(node.children[slot].config for case in choice.cases for slot in case.all_slots()):
        yield Requirement(None, choice, tuple(within.all_slots()) if within else None)
    for case in choice.cases:
        for inner in case.choices:
            yield from _choice_requirements(node, inner, case)


def _innermost(node: InnerNode, slot: int) -> Case | None:
    choices = list(node.choices)
    found: Case | None = None
    while choices:
        choice = choices.pop()
        for case in choice.cases:
            if slot in case.all_slots():
                found = case
                choices = list(case.choices)
                if slot in case.slots:
                    return case
                break
    return found


def _requires(child: DataNode) -> bool:
    if isinstance(child, (Leaf, Any_)):
        return child.mandatory
    if isinstance(child, (ListNode, LeafList)):
        return child.min_elements > 0 or child.max_elements is not None
    return isinstance(child, Container) and not child.presence and bool(requirements_of(child))


def missing(env: Env, at: Cursor, requirements: tuple[Requirement, ...]) -> Iterator[Missing]:
    """The requirements an instance does not meet."""
    node = at.value
    assert isinstance(node, Node)
    for requirement in requirements:
        if requirement.within is not None and not any(node.slots[slot] is not None for slot in requirement.within):
            continue
        if requirement.choice is not None:
            yield from _missing_choice(env, at, node, requirement.choice)
        elif requirement.node is not None:
            yield from _missing_child(env, at, node, requirement.node)


def _missing_choice(env: Env, at: Cursor, node: Node, choice: Choice) -> Iterator[Missing]:
    present = any(node.slots[slot] is not None for case in choice.cases for slot in case.all_slots())
    if not present and all(env.holds(compile_cached(when.expr), at) for when in choice.whens):
        yield Missing(at, "choice", None, choice)


def _missing_child(env: Env, at: Cursor, node: Node, child: DataNode) -> Iterator[Missing]:
    value = node.slots[child.slot]
    if isinstance(child, (ListNode, LeafList)):
        count = len(value) if isinstance(value, (tuple, SortedEntries, UserEntries, KeylessEntries)) else 0
        if child.max_elements is not None and count > child.max_elements:
            yield Missing(at, "too-many", child, value=value)
        if count < child.min_elements and _wanted(env, at, child):
            yield Missing(at, "too-few", child)
    elif value is None and _wanted(env, at, child):
        if isinstance(child, InnerNode):
            yield from missing(env, Cursor(at, child, Node.empty(child)), requirements_of(child))
        else:
            yield Missing(at, "missing", child)


def _wanted(env: Env, at: Cursor, child: DataNode) -> bool:
    """Nothing is asked for while a when of the child is false."""
    if not child.whens:
        return True
    placeholder: Value = Node.empty(child) if isinstance(child, InnerNode) else ""
    return env.exists_under_when(at, child, placeholder)
