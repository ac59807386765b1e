"""The configuration of access control (RFC 8341, /nacm) as plain data, read once for each version of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, cast

from cryptomap.data import defaults
from cryptomap.data.path import to_xpath
from cryptomap.data.tree import EntriesTypes, Node
from cryptomap.datastore.transaction import Transition
from cryptomap.errors import InvalidValue, RpcError
from cryptomap.operations.nacm.paths import PathStep, read_path
from cryptomap.schema.nodes import Container, DataNode, InnerNode, Schema
from cryptomap.schema.types import TypeFault

__all__ = ["ACCESSES", "NACM", "Rule", "RuleList", "Rules", "check_rules", "nacm_of", "read_rules"]

log = logging.getLogger(__name__)

NACM: Final = "ietf-netconf-acm:nacm"
ACCESSES: Final = frozenset({"create", "read", "update", "delete", "exec"})
_ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``kind`` is its rule-type: "any", "protocol-operation", "notification" or "data-node". ``module`` and
    ``name`` (of the operation or notification) are ``None`` for any; ``steps`` is the path of a data-node rule."""

    name: str
    list_name: str
    module: str | None
    kind: str
    permit: bool
    accesses: frozenset[str]
    target: str | None = None
    steps: tuple[PathStep, ...] = ()

    @property
    def is_conditional(self) -> bool:
        """Whether it depends on the instance, not only on its schema node."""
        return any(step.wanted for step in self.steps)

    @property
    def names_user(self) -> bool:
        return any(value is None for step in self.steps for _, value in step.wanted)


@dataclass(frozen=True, slots=True)
class RuleList:
    """Rules for some groups; ``groups`` is ``None`` for all."""

    groups: frozenset[str] | None
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """All of /nacm. The defaults are the module's: they hold when nothing is configured."""

    enabled: bool = True
    read: bool = True
    write: bool = False
    execute: bool = True
    external: bool = True
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)  # user -> names of its groups
    lists: tuple[RuleList, ...] = ()


def nacm_of(schema: Schema, root: Node) -> Node | None:
    """The container /nacm of a tree."""
    node = schema.root.by_qname.get(NACM)
    return cast("Node | None", root.slots[node.slot]) if node is not None else None


def read_rules(schema: Schema, nacm: Node | None) -> Rules:
    """What a /nacm says. A rule whose path names no node (a module that is gone) permits nothing, and denies
    everything if it denies: what nobody understands must not open a door."""
    if nacm is None:
        return Rules()
    return Rules(
        enabled=defaults.value(nacm, "enable-nacm") == "true",
        read=defaults.value(nacm, "read-default") == "permit",
        write=defaults.value(nacm, "write-default") == "permit",
        execute=defaults.value(nacm, "exec-default") == "permit",
        external=defaults.value(nacm, "enable-external-groups") == "true",
        groups=_groups(nacm),
        lists=tuple([_rule_list(schema, entry) for entry in _entries(nacm, "rule-list")]),
    )


def _entries(node: Node, name: str) -> Iterator[Node]:
    entries = node[name]
    if isinstance(entries, EntriesTypes):
        yield from entries.nodes()


def _groups(nacm: Node) -> Mapping[str, frozenset[str]]:
    groups: dict[str, set[str]] = {}
    container = nacm.node("groups")
    for group in _entries(container, "group") if container is not None else ():
        for user in cast("tuple[str, ...]", group["user-name"] or ()):
            groups.setdefault(user, set()).add(group.text("name") or "")
    return {user: frozenset(names) for user, names in groups.items()}


def _rule_list(schema: Schema, entry: Node) -> RuleList:
    groups = frozenset(cast("tuple[str, ...]", entry["group"] or ()))
    name = entry.text("name") or ""
    rules = [rule for item in _entries(entry, "rule") if (rule := _rule(schema, item, name)) is not None]
    return RuleList(None if _ALL in groups else groups, tuple(rules))


def _rule(schema: Schema, entry: Node, list_name: str) -> Rule | None:
    module, words = entry.text("module-name"), entry.text("access-operations") or _ALL
    rule = Rule(
        name=entry.text("name") or "",
        list_name=list_name,
        module=None if module in (None, _ALL) else module,
        kind="any",
        permit=entry.text("action") == "permit",
        accesses=ACCESSES if words == _ALL else frozenset(words.split()),
    )
    for kind, leaf in (("protocol-operation", "rpc-name"), ("notification", "notification-name")):
        if (target := entry.text(leaf)) is not None:
            return replace(rule, kind=kind, target=None if target == _ALL else target)
    path = entry.text("path")
    if path is None:
        return rule
    try:
        return replace(rule, kind="data-node", steps=read_path(schema, path))
    except TypeFault as fault:
        log.error("nacm: rule %s of rule-list %s: %s", rule.name, list_name, fault.message)
        return None if rule.permit else replace(rule, kind="data-node", module=None)


# ===== the commit rule =====


def check_rules(schema: Schema) -> CheckRules:
    """A commit rule: the paths in /nacm must name nodes."""
    return CheckRules(schema)


class CheckRules:
    """Refuses rules whose path names nothing, when /nacm has changed. They would not do what their author wants."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema

    def __call__(self, transition: Transition) -> Iterator[RpcError]:
        nacm = nacm_of(self._schema, transition.new.root)
        if nacm is None or nacm is nacm_of(self._schema, transition.old.root):
            return
        top = nacm.schema
        rule_list = _inner(top, "rule-list")
        rule_node = _inner(rule_list, "rule")
        for entry in _entries(nacm, "rule-list"):
            for rule in _entries(entry, "rule"):
                message = self._fault(rule.text("path"))
                if message is not None:
                    steps = ((top, None), (rule_list, entry.text("name")), (rule_node, rule.text("name")))
                    path = to_xpath(self._schema, (*steps, (rule_node.child("path"), None)))
                    yield InvalidValue(message, app_tag="nacm-path", path=path, info=[("bad-element", "path")])

    def _fault(self, path: str | None) -> str | None:
        try:
            if path is not None:
                read_path(self._schema, path)
        except TypeFault as fault:
            return fault.message
        return None


def _inner(parent: InnerNode | Container, name: str) -> InnerNode:
    child: DataNode = parent.child(name)
    assert isinstance(child, InnerNode)
    return child
