"""Access control by rules: NACM (RFC 8341).

The rules are those of running's /nacm, compiled when that container is another object than before, so that they cost
nothing while they do not change. Recovery users are not bound. When the rules cannot be read nobody else may do
anything: better nobody than everybody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, TypeAlias

from cryptomap.data.diff import diff
from cryptomap.data.path import text_of, to_xpath
from cryptomap.data.tree import Node, Path, Value
from cryptomap.data.view import Provider
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import AccessDenied, ErrorPath, RpcErrors
from cryptomap.netconf.messages import BASE, NOTIFICATION
from cryptomap.operations.access import EVERYTHING, Hide, Reader
from cryptomap.operations.nacm.policy import Denial, Policy, Verdict
from cryptomap.operations.nacm.prune import Pruner
from cryptomap.operations.nacm.rules import NACM, Rule, Rules, nacm_of, read_rules
from cryptomap.schema.nodes import InnerNode, Notification, Schema

__all__ = ["Groups", "Nacm", "no_groups", "providers"]

log = logging.getLogger(__name__)

Groups: TypeAlias = Callable[[str], Collection[str]]
"""The groups that a user has from where it logged in, by the user's name (section 3.4: transport groups)."""

MAX_DENIALS: Final = 100
MAX_POLICIES: Final = 1024
_CLOSE_SESSION: Final = f"{{{BASE}}}close-session"
_ACTION: Final = "{urn:ietf:params:xml:ns:yang:1}action"  # permitted by the rules for the action inside it
_ALWAYS: Final = frozenset({_CLOSE_SESSION, _ACTION})
_DENIED: Final = frozenset({f"{{{BASE}}}delete-config", f"{{{BASE}}}kill-session"})
"""Denied unless a rule permits them, although their module does not mark them (section 3.4.4, step 10)."""
_BUILT_IN: Final = {BASE: "ietf-netconf", NOTIFICATION: "notifications"}
_NOTHING: Final = Rules(read=False, write=False, execute=False)


def no_groups(user: str) -> Collection[str]:
    """Nobody has groups besides those configured."""
    return ()


class Nacm:
    """``running`` answers the tree the rules are in. ``recovery``: the users they do not bind."""

    def __init__(
        self,
        schema: Schema,
        running: Callable[[], Node],
        recovery: Collection[str] = (),
        external: Groups = no_groups,
    ) -> None:
        self._schema = schema
        self._running = running
        self._recovery = frozenset(recovery)
        self._external = external
        self._notifications = frozenset(_notifications(schema))
        self._compiled: tuple[Node | None, Rules] = (None, Rules())
        self._readers: dict[tuple[tuple[Rule, ...], str], _User] = {}
        self.denied_operations = 0
        self.denied_data_writes = 0
        self.denied_notifications = 0

    # ---- what the operations ask -------------------------------------------------------------------------------

    def execute(self, user: str, tag: str, path: Path = ()) -> None:
        """Raises AccessDenied unless the user may perform that operation, or the action at the end of ``path``."""
        found = self._user(user)
        if found is None or (tag in _ALWAYS and not path):
            return
        verdict = found.action(path) if path else self._rpc(found.policy, tag)
        if not verdict.permit:
            self.denied_operations += 1
            name = tag.rpartition("}")[2]
            where = f"with path {text_of(path)}" if path else f"with rpc-name {name}"
            message = f"{user} may not perform {name}: {self._why(user, verdict, where, 'exec')}"
            raise AccessDenied(message, error_type="application" if path else "protocol", path=self._shown(path))

    def reader(self, user: str) -> Reader:
        return self._user(user) or EVERYTHING

    def write(self, origin: Origin, old: Node, new: Node) -> None:
        """What the server does by itself (session 0) is permitted: a confirmed commit that times out brings back what
        its user could not have written."""
        found = None if origin.session_id == 0 else self._user(origin.user)
        if found is None or old is new:
            return
        errors = []
        is_hidden = False
        for denial in found.policy.denials(diff(old, new)):
            if denial.access == "delete" and not found.sees(denial.path):
                is_hidden = (
                    True  # it need not be named by its user: a copy or a roll-back deletes what it does not hold
                )
            else:
                errors.append(self._denial(origin.user, denial))
            if len(errors) == MAX_DENIALS:
                break
        if is_hidden:
            message = f"{origin.user} may not delete what {origin.user} may not read; ask a user who may"
            errors.append(AccessDenied(message))
        if errors:
            self.denied_data_writes += 1
            raise RpcErrors(errors)

    def dropped(self) -> None:
        self.denied_notifications += 1

    # ===== who is who =====

    def _user(self, user: str) -> _User | None:
        """What binds a user, ``None`` if nothing does."""
        if user in self._recovery:
            return None
        rules = self._rules()
        if not rules.enabled:
            return None
        groups = self._groups(rules, user)
        # Section 3.4: without a group there are no rules, also not those for all groups.
        lists = [item for item in rules.lists if groups and (item.groups is None or item.groups & groups)]
        applicable = tuple([rule for item in lists for rule in item.rules])
        name = user if any(rule.names_user for rule in applicable) else ""
        key = (applicable, name)
        found = self._readers.get(key)
        if found is None:
            if len(self._readers) >= MAX_POLICIES:
                self._readers.clear()
            policy = Policy(rules, applicable, name, self._notifications)
            found = self._readers[key] = _User(self._schema, policy, name)
        return found

    def _groups(self, rules: Rules, user: str) -> frozenset[str]:
        external = frozenset(self._external(user)) if rules.external else frozenset()
        return rules.groups.get(user, frozenset()) | external

    def _rules(self) -> Rules:
        nacm = nacm_of(self._schema, self._running())
        known, rules = self._compiled
        if nacm is not known:
            try:
                rules = read_rules(self._schema, nacm)
            except Exception:
                log.exception("the rules of access control cannot be read: only recovery users may do anything")
                rules = _NOTHING
            self._readers.clear()
            self._compiled = (nacm, rules)
        return rules

    def _rpc(self, policy: Policy, tag: str) -> Verdict:
        operation = self._schema.operations.get(tag)
        namespace, _, name = tag[1:].partition("}")
        module = operation.module if operation is not None else _BUILT_IN.get(namespace, namespace)
        is_marked = tag in _DENIED or (operation is not None and operation.deny == "read")
        return policy.operation(module, name, is_marked=is_marked)

    # ===== telling them =====

    def _denial(self, user: str, denial: Denial) -> AccessDenied:
        name = denial.path[-1][0].name
        why = self._why(user, denial.verdict, f"with path {text_of(denial.path)}", denial.access)
        return AccessDenied(f"{user} may not {denial.access} {name}: {why}", path=self._shown(denial.path))

    def _shown(self, path: Path) -> ErrorPath | None:
        return to_xpath(self._schema, path) if path else None

    def _why(self, user: str, verdict: Verdict, where: str, access: str) -> str:
        """Why something is denied, and what would permit it."""
        groups = sorted(self._groups(self._rules(), user))
        if verdict.rule is not None:
            rule = verdict.rule
            return f"rule '{rule.name}' of rule-list '{rule.list_name}' denies it; a rule before it could permit it"
        if groups:
            whose = f"group {groups[0]}" if len(groups) == 1 else f"one of the groups {', '.join(groups)}"
        else:
            whose = f"a group that has {user} as user-name ({user} is in none)"
        return (
            f"{verdict.reason}; to grant it, a recovery user adds to /nacm, in a rule-list for {whose}, "
            f"a rule {where}, access-operations {access}, action permit"
        )


class _User:
    """What one policy shows."""

    def __init__(self, schema: Schema, policy: Policy, user: str) -> None:
        self.policy = policy
        self._schema = schema
        self._pruner = Pruner(policy, user)
        self._is_conditional = any(policy.is_conditional(child) for child in schema.root.children)
        self.hide: Hide | None = policy.hides if _hides_any(schema, policy) else None
        self._pruned: tuple[Node, Node] | None = None

    def prune(self, node: Node, path: Path = ()) -> Node:
        if not self._is_conditional:
            return node
        if path:
            return self._pruner.node(node, path)
        known = self._pruned
        if known is None or known[0] is not node:
            self._pruned = known = (node, self._pruner.node(node, ()))
        return known[1]

    def providers(self, providers: Mapping[str, Provider]) -> Mapping[str, Provider]:
        if not self._is_conditional:
            return providers
        return {path: self._pruned_provider(path, provider) for path, provider in providers.items()}

    def _pruned_provider(self, path: str, provider: Provider) -> Provider:
        node = self._schema.find(path)
        if not self.policy.is_conditional(node):
            return provider

        def pruned(at: Path) -> Value | None:
            value = provider(at) if self.policy.sees(at[:-1]) else None
            return None if value is None else self._pruner.value(node, value, at[:-1])

        return pruned

    def sees(self, path: Path) -> bool:
        return self.policy.sees(path)

    def receives(self, notification: Notification, path: Path) -> bool:
        return (not path or self.policy.sees(path)) and self.policy.receives(notification, path)

    def action(self, path: Path) -> Verdict:
        """Performing an action takes exec access to it and read access to what it stands in (section 3.1.3)."""
        for length in range(1, len(path)):
            verdict = self.policy.decide(path[:length], "read")
            if not verdict.permit:
                return verdict
        return self.policy.decide(path, "exec")


def _hides_any(schema: Schema, policy: Policy) -> bool:
    """Whether there is a node, also in a notification, that the policy hides."""

    def inside(inner: InnerNode) -> bool:
        tied = any(inside(notification) for notification in inner.notifications.values())
        return tied or any(policy.hides(c) or (isinstance(c, InnerNode) and inside(c)) for c in inner.children)

    return inside(schema.root) or any(inside(notification) for notification in schema.notifications.values())


def _notifications(schema: Schema) -> Iterator[str]:
    def inside(inner: InnerNode) -> Iterator[str]:
        yield from [notification.path for notification in inner.notifications.values()]
        for child in inner.children:
            if isinstance(child, InnerNode):
                yield from inside(child)

    yield from [notification.path for notification in schema.notifications.values()]
    yield from inside(schema.root)


# ===== state =====


def providers(schema: Schema, access: object) -> Mapping[str, Provider]:
    """The counters of denials by schema path; empty if the module or rules are not there."""
    if not isinstance(access, Nacm) or NACM not in schema.root.by_qname:
        return {}
    nacm = access
    counts: Mapping[str, Callable[[], int]] = {
        "denied-operations": lambda: nacm.denied_operations,
        "denied-data-writes": lambda: nacm.denied_data_writes,
        "denied-notifications": lambda: nacm.denied_notifications,
    }
    return {f"/{NACM}/{name}": _counter(count) for name, count in counts.items()}


def _counter(count: Callable[[], int]) -> Provider:
    def provider(path: Path) -> Value | None:
        return str(count() % 2**32)

    return provider
