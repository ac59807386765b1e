"""One validation run: from (valid base, candidate) to the next valid snapshot, or to all violations.

The order of work follows RFC 7950 section 8:

1. *Touch*: visit what the diff touches. Every created, deleted or changed instance updates the value index and becomes
   an event if some constraint looks at its schema node.
2. *Affected*: each event is led through the constraint's link to the contexts it can affect.
3. *Whens* to a fixpoint: an existing node whose when has turned false is deleted, which touches again; a node created
   under a false when is a violation.
4. *Evaluate*: structure, musts, leafrefs and unique statements of what was created, and of the affected contexts.

With no base everything is "created" and nothing needs an event. ``counters`` tell how much work was done: a test holds
them against the size of the configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptomap.data.defaults import effective
from cryptomap.data.diff import Change, diff
from cryptomap.data.tree import Key, KeylessEntries, Node, Path, SortedEntries, UserEntries, Value
from cryptomap.data.validation.constraints import Constraint, NodePlan, Plan, Unique
from cryptomap.data.validation.dependencies import Join, Link, Local, chain_of, key_count
from cryptomap.data.validation.references import Keys, References
from cryptomap.data.validation.structure import missing
from cryptomap.data.validation.violations import Violations
from cryptomap.data.xpath import Cursor, Env
from cryptomap.schema.nodes import Container, DataNode, Leaf, LeafList, ListNode

__all__ = ["Counters", "Run", "index_of"]


@dataclass(slots=True)
class Counters:
    """``constraints``: constraint instances evaluated; ``nodes``: instances XPath looked at; ``touched``: instances
    visited because the diff names them or something above them."""

    constraints: int = 0
    nodes: int = 0
    touched: int = 0


Instance = tuple[DataNode, Keys]


def instance_of(path: Path) -> Instance:
    """The identity of an instance path: its schema node and the keys along it. The key of a leaf-list as a whole, or
    of a list as a whole, is missing at the end."""
    return path[-1][0], tuple([key for _, key in path if key is not None])


def cursor_at(env: Env, node: DataNode, keys: Keys) -> Cursor | None:
    """The instance, stored or implied, or ``None``."""
    cursor = env.root
    rest = iter(keys)
    for step in chain_of(node):
        found: Cursor | None
        if isinstance(step, ListNode):
            found = env.entry(cursor, step, next(rest))
        else:
            out: list[Cursor] = []
            env.expand(cursor, step, out)
            wanted = next(rest) if isinstance(step, LeafList) else None
            found = next((item for item in out if item.key == wanted), None)
        if found is None:
            return None
        cursor = found
    return cursor


class Run:
    """See the module docstring. ``root`` is the candidate, less what false whens delete."""

    def __init__(
        self, plan: Plan, root: Node, base: Node | None, references: References, violations: Violations
    ) -> None:
        self.plan = plan
        self.root = root
        self.base = base
        self.index = references.edit()
        self.violations = violations
        self.counters = Counters()
        self._env = Env(plan.schema, root)
        self._events: list[tuple[DataNode, Keys, Value | None, Value | None]] = []
        self._created: dict[Instance, None] = {}
        self._parents: dict[Instance, None] = {}
        self._affected: dict[tuple[Constraint, Keys], None] = {}
        self._uniques: dict[tuple[Unique, Keys], None] = {}

    def run(self) -> None:
        """Do all of it; violations are collected, the index is ready to be finished."""
        self._touch_all()
        self._settle_whens()
        self._index_uniques()
        self._evaluate()
        self.counters.nodes += self._env.visited

    # ===== 1. touch =====

    def _touch_all(self) -> None:
        if self.base is None:
            self._created[self.plan.schema.root, ()] = None
            _Visit(self, created=True).inner(self.root, ())
        else:
            self._touch(diff(self.base, self.root))
        self._find_affected()

    def _touch(self, changes: list[Change]) -> None:
        for change in changes:
            node, keys = instance_of(change.path)
            if not node.config:
                continue
            self._parents[_parent_of(node, keys)] = None
            self._event(node, keys, change.old, change.new)
            if isinstance(change.old, Node):
                _Visit(self, created=False).inner(change.old, keys)
            if isinstance(change.new, Node):
                self._created[node, keys] = None
                _Visit(self, created=True).inner(change.new, keys)
            if isinstance(node, (Leaf, LeafList)):
                self._leaf(node, keys, change.old, change.new)

    def _leaf(self, node: Leaf | LeafList, keys: Keys, old: Value | None, new: Value | None) -> None:
        plan = self.plan.nodes[node]
        if plan.indexed:
            for value in _values(old):
                self.index.remove(node, value, _value_keys(node, keys, value))
            for value in _values(new):
                self.index.add(node, value, _value_keys(node, keys, value))
        for unique in plan.uniques_above:
            self._uniques[unique, keys[: key_count(unique.node)]] = None
        if new is not None or (isinstance(node, Leaf) and node.default is not None):
            self._add_own(plan, node, keys, new)

    def _add_own(self, plan: NodePlan, node: Leaf | LeafList, keys: Keys, new: Value | None) -> None:
        own = [*plan.musts, *plan.alternatives, *([plan.leafref] if plan.leafref else [])]
        for constraint in own:
            for value in _values(new) or [None]:
                self._affected[constraint, _value_keys(node, keys, value) if value is not None else keys] = None
        for constraint in plan.whens:
            for value in _values(new):
                self._affected[constraint, _value_keys(node, keys, value)] = None

    def _event(self, node: DataNode, keys: Keys, old: Value | None, new: Value | None) -> None:
        self.counters.touched += 1
        plan = self.plan.nodes[node]
        if plan.dependents:
            self._events.append((node, keys, old, new))
        for leaf in plan.also:
            above = keys[: key_count(leaf)]
            self._event_of_default(leaf, above)

    def _event_of_default(self, leaf: DataNode, keys: Keys) -> None:
        plan = self.plan.nodes[leaf]
        if plan.dependents:
            self._events.append((leaf, keys, None, None))
        if plan.musts or plan.leafref or plan.uniques_above:
            assert isinstance(leaf, (Leaf, LeafList))
            self._leaf(leaf, keys, None, None)

    # ===== 2. affected =====

    def _find_affected(self) -> None:
        events, self._events = self._events, []
        created = self._created
        for node, keys, old, new in events:
            for constraint, link in self.plan.nodes[node].dependents:
                if (
                    isinstance(link, Local)
                    and created
                    and self._is_created(link.ancestor, keys[: key_count(link.ancestor)])
                ):
                    continue  # the contexts were created with it and are evaluated anyway
                for instance in _each_value(node, keys, old, new):
                    for context in self._contexts(constraint.context, link, instance, old, new):
                        self._affected[constraint, context] = None

    def _is_created(self, node: DataNode, keys: Keys) -> bool:
        """Whether this instance lies within a created subtree."""
        at: DataNode | None = node
        while at is not None:
            if (at, keys[: key_count(at)]) in self._created:
                return True
            at = at.parent
        return False

    def _contexts(
        self, context: DataNode, link: Link, keys: Keys, old: Value | None, new: Value | None
    ) -> Iterator[Keys]:
        if isinstance(link, Local):
            yield from self._below(link.ancestor, keys, context)
            return
        if len(keys) < key_count(link.anchor) and link.part is not None:
            yield from self._below(link.outer.ancestor, keys, context)  # entries have moved: all of them
            return
        shared = keys[: key_count(link.outer.ancestor)]
        for value in self._join_values(link, keys, old, new):
            for holder in self.index.holders(link.leaf, value):
                if holder[: len(shared)] == shared:
                    yield from self._below(link.to_context.ancestor, holder, context)

    def _join_values(self, link: Join, keys: Keys, old: Value | None, new: Value | None) -> set[str]:
        if link.part is None:
            return {*_values(old), *_values(new)}
        key = keys[key_count(link.anchor) - 1]
        if isinstance(link.part, Leaf):
            entry = keys[: key_count(link.anchor)]
            found = [_stored_leaf(root, link.anchor, entry, link.part) for root in (self.base, self.root) if root]
            return {value for value in found if value is not None}
        return {str(key[link.part] if isinstance(key, tuple) else key)}

    def _below(self, ancestor: DataNode, keys: Keys, context: DataNode) -> Iterator[Keys]:
        """The instances of ``context`` below one instance of an ancestor of it (or of the context itself)."""
        while len(keys) < key_count(ancestor) and ancestor.parent is not None:
            ancestor = ancestor.parent  # an event of a leaf-list or list as a whole
        shared = keys[: key_count(ancestor)]
        if key_count(context) == len(shared):
            yield shared
            return
        top = cursor_at(self._env, ancestor, shared) if ancestor.parent is not None else self._env.root
        if top is not None:
            steps = chain_of(context)[len(chain_of(ancestor)) :]
            yield from self._instances(top, steps, shared)

    def _instances(self, at: Cursor, steps: tuple[DataNode, ...], keys: Keys) -> Iterator[Keys]:
        if not steps:
            yield keys
            return
        found: list[Cursor] = []
        self._env.expand(at, steps[0], found)
        for cursor in found:
            yield from self._instances(cursor, steps[1:], keys if cursor.key is None else (*keys, cursor.key))

    # ===== 3. whens =====

    def _settle_whens(self) -> None:
        for top, keys in list(self._created):
            if self.plan.nodes[top].has_whens_below:
                cursor = self._cursor(top, keys)
                if cursor is not None:
                    self._created_under_when(cursor)
        while pending := [item for item in self._affected if item[0].kind == "when"]:
            for constraint, keys in pending:
                del self._affected[constraint, keys]
                self._settle(constraint, keys)
            self._find_affected()

    def _created_under_when(self, cursor: Cursor) -> None:
        plan = self.plan.nodes[cursor.schema]
        for constraint in plan.whens:
            if not self._holds(constraint, cursor):
                self.violations.when(constraint, cursor)
                return
        if plan.has_whens_below and isinstance(cursor.value, Node):
            for child in cursor.value.schema.children:
                if cursor.value.slots[child.slot] is not None and self.plan.nodes[child].has_whens_below:
                    below: list[Cursor] = []
                    self._env.expand(cursor, child, below)
                    for item in below:
                        self._created_under_when(item)

    def _settle(self, constraint: Constraint, keys: Keys) -> None:
        """Evaluate a when again: where it is false, delete what existed before, refuse what is new."""
        node = constraint.node
        for instance in list(self._below(constraint.context, keys, node)):
            cursor = self._cursor(node, instance)
            if cursor is None or not self._stored(cursor) or self._holds(constraint, cursor):
                if not self._is_created(node, instance):
                    self._defaults_may_change(node, instance)
                continue
            if self._existed(node, instance):
                self._delete(cursor)
            else:
                self.violations.when(constraint, cursor)

    def _defaults_may_change(self, node: DataNode, keys: Keys) -> None:
        if isinstance(node, (Leaf, LeafList, Container)) and self.plan.nodes[node].dependents:
            self._events.append((node, keys, None, None))

    def _stored(self, cursor: Cursor) -> bool:
        parent = cursor.parent
        return parent is not None and isinstance(parent.value, Node) and parent.value.get(cursor.schema) is not None

    def _existed(self, node: DataNode, keys: Keys) -> bool:
        return self.base is not None and _find(self.base, node, keys) is not None

    def _delete(self, cursor: Cursor) -> None:
        root = _without(cursor)
        changes = diff(self.root, root)
        self.root = root
        self.counters.nodes += self._env.visited
        self._env = Env(self.plan.schema, root)
        self._touch(changes)

    # ===== 4. evaluate =====

    def _evaluate(self) -> None:
        for top, keys in self._created:
            cursor = self._cursor(top, keys)
            if cursor is not None:
                self._evaluate_created(cursor)
        for node, keys in self._parents:
            if not self._is_created(node, keys):
                cursor = self._cursor(node, keys)
                if cursor is not None:
                    self._structure(cursor)
        for constraint, keys in self._affected:
            if not self._created or not self._is_created(constraint.context, keys):
                cursor = self._cursor(constraint.context, keys)
                if cursor is not None:
                    self._check(constraint, cursor)

    def _evaluate_created(self, cursor: Cursor) -> None:
        schema, value = cursor.schema, cursor.value
        plan = self.plan.nodes[schema]
        if plan.musts or plan.leafref or plan.alternatives:
            self._check_own(plan, cursor)
        if not isinstance(value, Node):
            return
        if plan.requirements:
            self._structure(cursor)
        nodes, env = self.plan.nodes, self._env
        for child, stored in zip(value.schema.children, value.slots, strict=True):
            below = nodes[child]
            if below.busy and (stored is not None or child in plan.implied):
                found: list[Cursor] = []
                env.expand(cursor, child, found)
                for item in found:
                    self._evaluate_created(item)

    def _check_own(self, plan: NodePlan, cursor: Cursor) -> None:
        for must in plan.musts:
            self._check(must, cursor)
        if plan.leafref:
            self._check(plan.leafref, cursor)
        elif plan.alternatives:
            self._check(plan.alternatives[0], cursor)

    def _check(self, constraint: Constraint, cursor: Cursor) -> None:
        if constraint.kind == "must":
            if not self._holds(constraint, cursor):
                self.violations.must(constraint, cursor)
        elif constraint.kind == "leafref" and not self._refers(constraint, cursor):
            self.violations.dangling(constraint, cursor)

    def _refers(self, constraint: Constraint, cursor: Cursor) -> bool:
        alternatives = self.plan.nodes[constraint.node].alternatives
        if not alternatives:
            return self._holds(constraint, cursor)
        return self.violations.fits_another_member(cursor) or any(self._holds(item, cursor) for item in alternatives)

    def _holds(self, constraint: Constraint, cursor: Cursor) -> bool:
        self.counters.constraints += 1
        on_parent = constraint.kind == "when" and constraint.context is not cursor.schema
        context = cursor.parent if on_parent and cursor.parent is not None else cursor
        return self._env.holds(constraint.compiled, context)

    def _structure(self, cursor: Cursor) -> None:
        schema = cursor.schema
        for fault in missing(self._env, cursor, self.plan.nodes[schema].requirements):
            self.violations.structure(fault)

    # ===== unique =====

    def _index_uniques(self) -> None:
        """Bring the index of unique statements up to date, then name the entries that collide."""
        entries = [(unique, keys, self._unique_value(unique, keys, self.root)) for unique, keys in self._uniques]
        for unique, keys, value in entries:
            before = self._unique_value(unique, keys, self.base) if self.base is not None else None
            if before is not None:
                self.index.remove(unique, before, keys)
            if value is not None:
                self.index.add(unique, value, keys)
        reported: set[tuple[Unique, tuple[Keys, ...]]] = set()
        for unique, _, value in entries:
            holders = tuple(sorted(self.index.holders(unique, value), key=repr)) if value is not None else ()
            if len(holders) > 1 and (unique, holders) not in reported:
                reported.add((unique, holders))
                self.violations.not_unique(unique, holders)

    def _unique_value(self, unique: Unique, keys: Keys, root: Node) -> tuple[Keys, tuple[str, ...]] | None:
        """(list instance, values) if all leafs of the unique statement exist in that entry, defaults included."""
        entry = _find(root, unique.node, keys)
        if not isinstance(entry, Node):
            return None
        values = [_value_at(entry, path) for path in unique.paths]
        found = tuple([value for value in values if value is not None])
        return (keys[:-1], found) if len(found) == len(values) else None

    def _cursor(self, node: DataNode, keys: Keys) -> Cursor | None:
        return cursor_at(self._env, node, keys) if node.parent is not None else self._env.root


class _Visit:
    """Visits a created or deleted subtree: events for the constraints that look at it, updates of the value index."""

    def __init__(self, run: Run, *, created: bool) -> None:
        self._run = run
        self._created = created
        self._plans = run.plan.nodes
        self._full = run.base is None  # nothing outside could be affected

    def inner(self, node: Node, keys: Keys) -> None:
        run = self._run
        schema = node.schema
        plan = self._plans[schema]
        for unique in plan.uniques:
            run._uniques[unique, keys] = None
        for child, value in zip(schema.children, node.slots, strict=True):
            below = self._plans[child]
            if not below.busy:
                continue
            if value is not None:
                self._child(child, below, value, keys)
            elif child in plan.implied and below.dependents and not self._full:
                run._event(child, keys, None, None)

    def _child(self, child: DataNode, plan: NodePlan, value: Value, keys: Keys) -> None:
        if isinstance(value, (str, tuple)):
            self._values(child, plan, value, keys)
        elif isinstance(value, Node):
            self._instance(child, plan, value, keys)
        elif isinstance(value, (SortedEntries, UserEntries, KeylessEntries)):
            for key, entry in value.items():
                self._instance(child, plan, entry, (*keys, key))

    def _instance(self, child: DataNode, plan: NodePlan, node: Node, keys: Keys) -> None:
        if plan.dependents and not self._full:
            self._run._event(child, keys, *self._sides(node))
        self.inner(node, keys)

    def _values(self, child: DataNode, plan: NodePlan, value: str | tuple[str, ...], keys: Keys) -> None:
        run = self._run
        if plan.dependents and not self._full:
            run._event(child, keys, *self._sides(value))
        if plan.indexed:
            change = run.index.add if self._created else run.index.remove
            if isinstance(value, str):
                change(child, value, keys)
            else:
                for item in value:
                    change(child, item, (*keys, item))
        for unique in plan.uniques_above:
            run._uniques[unique, keys[: key_count(unique.node)]] = None

    def _sides(self, value: Value) -> tuple[Value | None, Value | None]:
        return (None, value) if self._created else (value, None)


def index_of(plan: Plan, root: Node) -> References:
    """The value index of a tree that is known to be valid."""
    run = Run(plan, root, None, References(), Violations(plan.schema))
    _Visit(run, created=True).inner(root, ())
    for unique, keys in run._uniques:
        value = run._unique_value(unique, keys, root)
        if value is not None:
            run.index.add(unique, value, keys)
    return run.index.finish()


# ===== small things =====


def _values(value: Value | None) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return value if isinstance(value, tuple) else ()


def _each_value(node: DataNode, keys: Keys, old: Value | None, new: Value | None) -> list[Keys]:
    """An event of a leaf-list concerns each of its values."""
    if not isinstance(node, LeafList):
        return [keys]
    return [(*keys, value) for value in dict.fromkeys((*_values(old), *_values(new)))] or [keys]


def _value_keys(node: Leaf | LeafList, keys: Keys, value: str) -> Keys:
    return (*keys, value) if isinstance(node, LeafList) else keys


def _parent_of(node: DataNode, keys: Keys) -> Instance:
    assert node.parent is not None
    return node.parent, keys[: key_count(node.parent)]


def _find(root: Node, node: DataNode, keys: Keys) -> Value | None:
    """What is stored at an instance; a leaf-list value answers its whole leaf-list."""
    value: Value | None = root
    rest = iter(keys)
    for step in chain_of(node):
        if not isinstance(value, Node):
            return None
        value = value.slots[step.slot]
        if isinstance(step, ListNode):
            key: Key = next(rest)
            value = value.get(key) if isinstance(value, (SortedEntries, UserEntries, KeylessEntries)) else None
    return value


def _stored_leaf(root: Node, anchor: DataNode, keys: Keys, leaf: Leaf) -> str | None:
    entry = _find(root, anchor, keys)
    value = effective(entry, leaf) if isinstance(entry, Node) else None
    return value if isinstance(value, str) else None


def _value_at(entry: Node, path: tuple[int, ...]) -> str | None:
    """The value in use of a leaf below an entry."""
    node: Node = entry
    for slot in path[:-1]:
        below = node.slots[slot]
        schema = node.schema.children[slot]
        if below is None and isinstance(schema, Container) and not schema.presence:
            below = Node.empty(schema)
        if not isinstance(below, Node):
            return None
        node = below
    leaf = node.schema.children[path[-1]]
    value = effective(node, leaf) if isinstance(leaf, Leaf) else None
    return value if isinstance(value, str) else None


def _without(cursor: Cursor) -> Node:
    """The root of the tree without one instance; containers that end up empty go too."""
    parent = cursor.parent
    assert parent is not None
    assert isinstance(parent.value, Node)
    value = parent.value.slots[cursor.schema.slot]
    left: Value | None = None
    if isinstance(value, (SortedEntries, UserEntries)) and cursor.key is not None:
        left = value.replace({cursor.key: None})
    elif isinstance(value, tuple) and cursor.key is not None:
        left = tuple([item for item in value if item != cursor.key]) or None
    return _put(parent, parent.value.with_slot(cursor.schema.slot, left))


def _put(cursor: Cursor, node: Node) -> Node:
    parent = cursor.parent
    if parent is None:
        return node
    assert isinstance(parent.value, Node)
    slot = cursor.schema.slot
    siblings = parent.value.slots[slot]
    value: Value | None = node
    if isinstance(siblings, (SortedEntries, UserEntries)) and cursor.key is not None:
        value = siblings.replace({cursor.key: node})
    elif isinstance(cursor.schema, Container) and not cursor.schema.presence and node.is_empty:
        value = None
    return _put(parent, parent.value.with_slot(slot, value))
