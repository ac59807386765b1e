"""Reading values of a tree by relative path: explicit or in effect, typed.

A path is names with ``/`` between them, ``module:name`` where the module differs from that of the node above. Paths
lead through containers only; absent containers count as empty, so that defaults below them are found.

A commit of many objects reads millions of values, so names are turned into slots once per schema node (:class:`Route`),
and what is read of an object together is read in one go (:class:`Fields`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from operator import itemgetter
from typing import Any, Generic, TypeVar, cast

from cryptomap.data.defaults import case_in_use
from cryptomap.data.tree import Entries, EntriesTypes, Key, Node, UserEntries, Value
from cryptomap.schema.nodes import DataNode, InnerNode, Leaf, LeafList

__all__ = [
    "Fields",
    "Policy",
    "Route",
    "container",
    "entries",
    "entry",
    "explicit",
    "flag",
    "is_set",
    "keys",
    "leaf",
    "many",
    "number",
    "required",
    "resolve",
    "route",
    "value",
]


@lru_cache(maxsize=4096)
def resolve(schema: InnerNode, path: str) -> tuple[DataNode, ...]:
    """The schema nodes along a relative path. KeyError for a name the schema does not have."""
    steps: list[DataNode] = []
    here = schema
    for name in path.split("/"):
        child = here.by_qname.get(name) or here.by_qname[f"{here.module}:{name}"]
        steps.append(child)
        if isinstance(child, InnerNode):
            here = child
    return tuple(steps)


class Route:
    """A path as slots: those of the containers on the way, and that of the node it leads to. ``in_choice``: its default
    is in use only while its case is."""

    __slots__ = ("child", "default", "in_choice", "slot", "way")

    def __init__(self, steps: tuple[DataNode, ...]) -> None:
        child = self.child = steps[-1]
        self.way = tuple([step.slot for step in steps[:-1]])
        self.slot = child.slot
        self.default = _default_of(child)
        self.in_choice = self.default is not None and bool(child.parent and child.parent.choices)

    def value(self, node: Node | None) -> Value | None:
        """What stands there."""
        for slot in self.way:
            if node is None:
                return None
            node = cast("Node | None", node.slots[slot])
        return None if node is None else node.slots[self.slot]

    def effective(self, node: Node | None) -> Any:
        """The value in effect: a string, a tuple for a leaf-list, ``None`` if there is none."""
        for slot in self.way:
            if node is None:
                break
            node = cast("Node | None", node.slots[slot])
        found = None if node is None else node.slots[self.slot]
        if found is not None or self.default is None:
            return found
        if self.in_choice and not case_in_use(node, self.child.parent, self.slot):
            return None
        return self.default


def _default_of(child: DataNode) -> str | tuple[str, ...] | None:
    if isinstance(child, Leaf):
        return child.default
    return child.defaults or None if isinstance(child, LeafList) else None


@lru_cache(maxsize=4096)
def route(schema: InnerNode, path: str) -> Route:
    """The route of a relative path. KeyError for a name the schema does not have."""
    return Route(resolve(schema, path))


class Fields:
    """Two or more leafs and leaf-lists of one container or list entry, read in one go.

    >>> encryption, hmac = Fields("encryption", "hmac").of(transform_set)
    """

    __slots__ = ("_names", "_plans")

    def __init__(self, *names: str) -> None:
        self._names = names
        self._plans: dict[InnerNode, _Plan] = {}

    def of(self, node: Node) -> tuple[Any, ...]:
        """The values in effect, in the order of the names, as :meth:`Route.effective` gives them."""
        plan = self._plans.get(node.schema) or self.plan(node.schema)
        found = plan.get(node.slots)
        return plan.completed(found, node) if None in found else found

    def below(self, node: Node, path: str) -> tuple[Any, ...]:
        """The same for the container at a path, which may be absent."""
        to = route(node.schema, path)
        found = to.value(node)
        if isinstance(found, Node):
            return self.of(found)
        plan = self.plan(cast(InnerNode, to.child))
        return plan.completed(plan.nothing, None)

    def plan(self, schema: InnerNode) -> _Plan:
        """How they are read from one kind of node."""
        plan = self._plans.get(schema)
        if plan is None:
            plan = self._plans[schema] = _Plan([route(schema, name) for name in self._names])
        return plan


T = TypeVar("T")
MEMORY = 256


class Policy(Generic[T]):
    """Fields that hold the same few values in most objects, as what ``make`` makes of them, given the values in effect.
    What it made is remembered by the explicit values: an object of a known policy costs one look-up.

    >>> LIMITS = Policy(lambda mtu, count: (int(mtu), int(count)), "mtu", "maximum-child-sa")
    """

    __slots__ = ("_fields", "_known", "_make")

    def __init__(self, make: Callable[..., T], *names: str) -> None:
        self._fields = Fields(*names)
        self._make = make
        self._known: dict[InnerNode, dict[tuple[Any, ...], T]] = {}

    def of(self, node: Node) -> T:
        plan = self._fields.plan(node.schema)
        if plan.is_guarded:  # what is in effect depends on more than these fields
            return self._make(*self._fields.of(node))
        return self._remembered(node.schema, plan, plan.get(node.slots), node)

    def below(self, node: Node, path: str) -> T:
        """The same for the container at a path, which may be absent."""
        to = route(node.schema, path)
        found = to.value(node)
        if isinstance(found, Node):
            return self.of(found)
        schema = cast(InnerNode, to.child)
        plan = self._fields.plan(schema)
        return self._remembered(schema, plan, plan.nothing, None)

    def _remembered(self, schema: InnerNode, plan: _Plan, explicit: tuple[Any, ...], node: Node | None) -> T:
        known = self._known.get(schema)
        if known is None:
            known = self._known[schema] = {}
        found = known.get(explicit)
        if found is None:
            if len(known) >= MEMORY:
                known.clear()
            found = known[explicit] = self._make(*plan.completed(explicit, node))
        return found


class _Plan:
    """How fields are read from one kind of node: ``get`` takes their explicit values from its slots."""

    __slots__ = ("_defaults", "_guarded", "_has_defaults", "get", "is_guarded", "nothing")

    def __init__(self, routes: list[Route]) -> None:
        self.get: Callable[[tuple[Value | None, ...]], tuple[Any, ...]] = itemgetter(*[to.slot for to in routes])
        self._defaults = tuple([None if to.in_choice else to.default for to in routes])
        self._guarded = [(position, to) for position, to in enumerate(routes) if to.in_choice]
        self.is_guarded = bool(self._guarded)
        self.nothing = (None,) * len(routes)
        self._has_defaults = any(to.default is not None for to in routes)

    def completed(self, explicit: tuple[Any, ...], node: Node | None) -> tuple[Any, ...]:
        """The values with the defaults in use."""
        if not self._has_defaults:
            return explicit
        filled = [default if value is None else value for value, default in zip(explicit, self._defaults, strict=True)]
        for position, to in self._guarded:
            filled[position] = to.effective(node)
        return tuple(filled)


def leaf(node: Node, path: str) -> str | None:
    """The value in effect of a leaf: the explicit one, else its default, else ``None``."""
    return cast("str | None", route(node.schema, path).effective(node))


def required(node: Node, path: str) -> str:
    """The value in effect of a leaf that is mandatory or has a default."""
    found = route(node.schema, path).effective(node)
    assert found is not None, path
    return cast(str, found)


def explicit(node: Node, path: str) -> str | None:
    """The value somebody set, ``None`` if nobody did."""
    found = value(node, path)
    return found if isinstance(found, str) else None


def value(node: Node, path: str) -> Value | None:
    """Whatever stands at the path."""
    return route(node.schema, path).value(node)


def is_set(node: Node, path: str) -> bool:
    """Whether a leaf of type empty, or any other node, is there."""
    return route(node.schema, path).value(node) is not None


def number(node: Node, path: str) -> int | None:
    """The value in effect of an integer leaf."""
    found = route(node.schema, path).effective(node)
    return None if found is None else int(found)


def flag(node: Node, path: str) -> bool:
    """The value in effect of a boolean leaf; one without a value is false."""
    return bool(route(node.schema, path).effective(node) == "true")


def many(node: Node, path: str) -> tuple[str, ...]:
    """The values of a leaf-list, in order."""
    return cast("tuple[str, ...]", route(node.schema, path).effective(node) or ())


def container(node: Node, path: str) -> Node | None:
    found = value(node, path)
    return found if isinstance(found, Node) else None


def entries(node: Node, path: str) -> Iterator[Node]:
    """The entries of a list, in order."""
    found = _entries(node, path)
    return iter(()) if found is None else found.nodes()


def keys(node: Node, path: str) -> tuple[Key, ...]:
    """The keys of the entries of a list, in order."""
    found = _entries(node, path)
    if found is None:
        return ()
    return found.keys() if isinstance(found, UserEntries) else tuple([key for key, _ in found.items()])


def entry(node: Node, path: str, key: Key) -> Node | None:
    """The entry of a list with that key."""
    found = _entries(node, path)
    return None if found is None else found.get(key)


def _entries(node: Node, path: str) -> Entries | None:
    found = route(node.schema, path).value(node)
    return found if isinstance(found, EntriesTypes) else None
