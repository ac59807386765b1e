"""What must be there: mandatory nodes and choices, min-elements and max-elements (RFC 7950 sections 7.6.5, 7.7.5,
7.7.6, 7.9.4). These depend only on the children of one instance, so they are checked on each instance touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from cryptomap.data.tree import KeylessEntries, Node, SortedEntries, UserEntries, Value
from cryptomap.data.xpath import Cursor, Env, to_boolean
from cryptomap.schema.nodes import Any_, Case, Choice, Container, DataNode, InnerNode, Leaf, LeafList, ListNode

__all__ = ["Missing", "Quick", "Requirement", "missing", "quick_test", "requirements_of"]


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


Quick: TypeAlias = Callable[[tuple["Value | None", ...]], bool]


def quick_test(requirements: tuple[Requirement, ...]) -> Quick | None:
    """A test on an instance's slots that says for certain that nothing is missing; ``None`` if nothing is required. If
    it fails, :func:`missing` has to look closer (at whens, for example)."""
    if not requirements:
        return None
    leafs = tuple([found.node.slot for found in requirements if found.node and _is_plain(found)])
    others = [_quick(found) for found in requirements if not _is_plain(found)]

    def test(slots: tuple[Value | None, ...]) -> bool:
        for slot in leafs:
            if slots[slot] is None:
                return False
        return all(other(slots) for other in others) if others else True

    return test


def _is_plain(requirement: Requirement) -> bool:
    return requirement.within is None and not isinstance(requirement.node, (ListNode, LeafList, type(None)))


def _quick(requirement: Requirement) -> Quick:
    node, choice, within = requirement.node, requirement.choice, requirement.within or ()
    if choice is not None:
        wanted: tuple[int, ...] = tuple([slot for case in choice.cases for slot in case.all_slots()])
    else:
        assert node is not None
        wanted = (node.slot,)

    def test(slots: tuple[Value | None, ...]) -> bool:
        if within and all(slots[slot] is None for slot in within):
            return True
        if isinstance(node, (ListNode, LeafList)):
            return _count_is_right(node, slots[node.slot])
        return any(slots[slot] is not None for slot in wanted)

    return test


def _count_is_right(node: ListNode | LeafList, value: Value | None) -> bool:
    count = 0 if value is None else len(value)  # type: ignore[arg-type]
    return node.min_elements <= count and (node.max_elements is None or count <= node.max_elements)


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
    if not present and all(to_boolean(env.run(when.expr, at)) for when in choice.whens):
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
    return not child.whens or env.exists_under_when(at, child)
