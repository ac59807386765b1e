"""What the rules mean for one user: the enforcement procedure of RFC 8341 section 3.4.

For each schema node and kind of access the rules that can apply are picked once (a *plan*). Mostly the first of them
applies to all instances, and the decision is a look-up; a rule with predicates is tried on the keys in the path.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from cryptomap.data.diff import Change
from cryptomap.data.tree import EntriesTypes, Node, Path, UserEntries, Value
from cryptomap.operations.nacm.rules import Rule, Rules
from cryptomap.schema.nodes import Container, DataNode, InnerNode, LeafList, ListNode, Notification

__all__ = ["Denial", "Plan", "Policy", "Verdict"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and the rule it comes from; without one it is what holds where no rule matches, for ``reason``."""

    permit: bool
    rule: Rule | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rules with predicates to try, in order, and what holds when none of them matches."""

    conditional: tuple[Rule, ...]
    otherwise: Verdict


@dataclass(frozen=True, slots=True)
class Denial:
    """What a user must not change, and how."""

    path: Path
    access: str
    verdict: Verdict


class Policy:
    """The rules for one user (or for all with the same groups, if no rule names its user). ``notifications`` are the
    schema paths of all notifications."""

    def __init__(
        self, rules: Rules, applicable: tuple[Rule, ...], user: str = "", notifications: Collection[str] = ()
    ) -> None:
        self.rules = applicable
        self._notifications = notifications
        self._defaults = {"read": rules.read, "exec": rules.execute}
        self._write_default = rules.write
        self._user = user
        self._plans: dict[tuple[str, str], Plan] = {}
        self._conditional_below: dict[str, bool] = {}
        self._permitted_below: dict[tuple[str, str], bool] = {}

    # ===== protocol operations and notifications (sections 3.4.4 and 3.4.6) =====

    def operation(self, module: str, name: str, *, is_marked: bool) -> Verdict:
        """An rpc. ``is_marked``: nobody may perform it unless a rule says so."""
        for rule in self.rules:
            if "exec" in rule.accesses and _is_for(rule, "protocol-operation", module, name):
                return Verdict(rule.permit, rule)
        if is_marked:
            return Verdict(False, None, "it is denied unless a rule permits it")
        return Verdict(self._defaults["exec"], None, "exec-default is deny")

    def receives(self, notification: Notification, path: Path) -> bool:
        """A notification, and its name for data-node rules if it stands inside data nodes."""
        module, name = notification.module, notification.name
        for rule in self.rules:
            if "read" not in rule.accesses:
                continue
            if _is_for(rule, "notification", module, name) or (path and self._leads_to(rule, notification, path)):
                return rule.permit
        return notification.deny != "read" and self._defaults["read"]

    def _leads_to(self, rule: Rule, notification: Notification, path: Path) -> bool:
        fits = rule.kind == "data-node" and rule.module in (None, notification.module)
        return fits and self._matches(rule, (*path, (notification, None)))

    # ===== data nodes (section 3.4.5) =====

    def decide(self, path: Path, access: str) -> Verdict:
        """Whether that access to the instance at a path is granted; whoever reads needs it on all ancestors too."""
        plan = self.plan(path[-1][0], access)
        for rule in plan.conditional:
            if self._matches(rule, path):
                return Verdict(rule.permit, rule)
        return plan.otherwise

    def _matches(self, rule: Rule, path: Path) -> bool:
        """Whether the path is the one of the rule, or below it."""
        if len(rule.steps) > len(path):
            return False
        pairs = zip(rule.steps, path, strict=False)
        return all(step.qname == node.qname and step.matches(key, self._user) for step, (node, key) in pairs)

    def plan(self, node: DataNode, access: str) -> Plan:
        """What to do for instances of a schema node."""
        plan = self._plans.get((node.path, access))
        if plan is None:
            plan = self._plans[node.path, access] = self._make_plan(node, access)
        return plan

    def _make_plan(self, node: DataNode, access: str) -> Plan:
        names = _names(node)
        conditional: list[Rule] = []
        otherwise = self._default(node, access)
        for rule in self.rules:
            if not _can_apply(rule, names, node.module, access):
                continue
            if not rule.is_conditional:
                otherwise = Verdict(rule.permit, rule)
                break
            conditional.append(rule)
        while conditional and conditional[-1].permit == otherwise.permit:
            conditional.pop()
        return Plan(tuple(conditional), otherwise)

    def _default(self, node: DataNode, access: str) -> Verdict:
        if node.deny == "read" or (node.deny == "write" and access not in ("read", "exec")):
            return Verdict(False, None, "the module denies it unless a rule permits it")
        permit = self._defaults.get(access, self._write_default)
        return Verdict(permit, None, f"{access if access in self._defaults else 'write'}-default is deny")

    # ===== reading =====

    def hides(self, node: DataNode) -> bool:
        """Whether no instance of a schema node is readable. What stands inside a notification is hidden only by a mark
        or by a rule for it: whether a notification may be read is asked for the notification as a whole."""
        plan = self.plan(node, "read")
        if plan.conditional or plan.otherwise.permit:
            return False
        around = self._notification_around(node)
        if around is None:
            return True
        rule = plan.otherwise.rule
        return around != node.path and (node.deny == "read" or (rule is not None and rule.kind == "data-node"))

    def _notification_around(self, node: DataNode) -> str | None:
        """The path of the notification that a schema node stands in, or is."""
        step: DataNode | None = node
        while step is not None and step.path not in self._notifications:
            step = step.parent
        return None if step is None else step.path

    def sees(self, path: Path) -> bool:
        """Whether the instance at a path can be read, with all that it stands in."""
        return all(self.decide(path[:length], "read").permit for length in range(1, len(path) + 1))

    def is_conditional(self, node: DataNode) -> bool:
        """Whether it takes the instance to decide about reading the node, or one below it."""
        known = self._conditional_below.get(node.path)
        if known is None:
            known = bool(self.plan(node, "read").conditional)
            if not known and isinstance(node, InnerNode):
                known = any(self.is_conditional(child) for child in node.children)
            self._conditional_below[node.path] = known
        return known

    # ===== writing =====

    def denials(self, changes: Iterable[Change]) -> Iterator[Denial]:
        """What of these changes is not granted: each node created, updated or deleted is asked for."""
        for change in changes:
            path, old, new = change.path, change.old, change.new
            node, key = path[-1]
            if isinstance(node, ListNode) and key is None:
                if isinstance(old, UserEntries) and isinstance(new, UserEntries):
                    yield from self._moved(path, old, new)
            elif isinstance(node, LeafList):
                yield from self._values(path, _items(old), _items(new))
            elif old is None and new is not None:
                yield from self._inside(path, new, "create")
            elif new is None and old is not None:
                yield from self._inside(path, old, "delete")
            else:
                yield from self._asked(path, "update")

    def _moved(self, path: Path, old: UserEntries, new: UserEntries) -> Iterator[Denial]:
        """Entries that changed places are updated."""
        before = [key for key in old.keys() if key in new]  # noqa: SIM118 - not a dict
        after = [key for key in new.keys() if key in old]  # noqa: SIM118
        for was, key in zip(before, after, strict=True):
            if was != key:
                yield from self._asked((*path[:-1], (path[-1][0], key)), "update")

    def _values(self, path: Path, old: tuple[str, ...], new: tuple[str, ...]) -> Iterator[Denial]:
        node = path[-1][0]
        gone = [(value, "delete") for value in old if value not in new]
        come = [(value, "create") for value in new if value not in old]
        moved = [(value, "update") for value in new] if not gone and not come else []
        for value, access in (*gone, *come, *moved):
            yield from self._asked((*path[:-1], (node, value)), access)

    def _inside(self, path: Path, value: Value, access: str) -> Iterator[Denial]:
        """A subtree that was created or deleted: the node and all below it. A container without presence has no
        existence of its own (RFC 7950 section 7.5.1), so that only what is in it counts."""
        node = path[-1][0]
        if self._is_permitted_below(node, access):
            return
        if not isinstance(node, Container) or node.presence:
            denial = next(self._asked(path, access), None)
            if denial is not None:
                yield denial
                return
        if isinstance(value, Node):
            for child in value.schema.children:
                yield from self._child(path, child, value.slots[child.slot], access)

    def _child(self, path: Path, child: DataNode, value: Value | None, access: str) -> Iterator[Denial]:
        if isinstance(value, EntriesTypes):
            if not self._is_permitted_below(child, access):
                for key, entry in value.items():
                    yield from self._inside((*path, (child, key)), entry, access)
        elif isinstance(value, tuple):
            for item in value:
                yield from self._asked((*path, (child, item)), access)
        elif value is not None:
            yield from self._inside((*path, (child, None)), value, access)

    def _asked(self, path: Path, access: str) -> Iterator[Denial]:
        verdict = self.decide(path, access)
        if not verdict.permit:
            yield Denial(path, access, verdict)

    def _is_permitted_below(self, node: DataNode, access: str) -> bool:
        """Whether a node and all below it are granted whatever the instance."""
        known = self._permitted_below.get((node.path, access))
        if known is None:
            plan = self.plan(node, access)
            known = plan.otherwise.permit and not plan.conditional
            if known and isinstance(node, InnerNode):
                known = all(self._is_permitted_below(child, access) for child in node.children)
            self._permitted_below[node.path, access] = known
        return known


def _is_for(rule: Rule, kind: str, module: str, name: str) -> bool:
    if rule.kind not in ("any", kind) or rule.module not in (None, module):
        return False
    return rule.target in (None, name)


def _can_apply(rule: Rule, names: tuple[str, ...], module: str, access: str) -> bool:
    """Whether the rule applies to some instance of the schema node with that way from the root."""
    if access not in rule.accesses or rule.module not in (None, module) or rule.kind not in ("any", "data-node"):
        return False
    steps = rule.steps
    return len(steps) <= len(names) and all(step.qname == name for step, name in zip(steps, names, strict=False))


def _names(node: DataNode) -> tuple[str, ...]:
    names: list[str] = []
    step: DataNode | None = node
    while step is not None and step.parent is not None:
        names.append(step.qname)
        step = step.parent
    return tuple(reversed(names))


def _items(value: Value | None) -> tuple[str, ...]:
    return value if isinstance(value, tuple) else ()
