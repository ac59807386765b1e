"""The Day-1 rules of a user plane: where a DSCP has to be configured, and when.

"DSCP value configuration in the crypto map CLI command must be added in the same context where the application is
configured as Day-1 configuration on the UP" (IPSec in CUPS, Limitations and Restrictions).
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.errors import AccessDenied, OperationFailed, RpcError
from cryptomap.ipsec.keywords import keyword
from cryptomap.ipsec.names import Kind, Named, where
from cryptomap.ipsec.neighbours import application_address
from cryptomap.ipsec.read import Reader
from cryptomap.ipsec.scope import Scope, protector

__all__ = ["day1_complete", "day1_context", "day1_foreign_selector", "day1_late"]

BOUND = frozenset({"srp", "sx", "rcm", "li", "tacacs"})
"""The applications the seed names."""


def day1_context(scope: Scope) -> Iterator[RpcError]:
    """A marked transform set that protects an application sits in the context of that application."""
    for item, node in _bound_applications(scope):
        crypto_map = protector(node)
        if crypto_map is None or crypto_map.context == item.context:
            continue
        marked = _marked(scope.after, crypto_map)
        if marked:
            yield OperationFailed(
                f"application {item.name} is configured in context {item.context}, but transform set {marked[0]} with "
                f"a DSCP, which protects it through crypto map {crypto_map.name}, is of context {crypto_map.context}: "
                f"protect the application with a crypto map of {item.context}, or remove the dscp",
                app_tag="day1-context",
                path=scope.at(f"{Kind.APPLICATION}/protected-by", *item),
                mentions=[
                    scope.at(Kind.MAP, *crypto_map),
                    scope.at(f"{Kind.IPSEC_SET}/dscp", crypto_map.context, marked[0]),
                ],
            )


def day1_late(scope: Scope) -> Iterator[RpcError]:
    """The first DSCP for an application that runs already comes too late once Day-1 is complete."""
    if not scope.old.day1_complete:
        return
    for item, node in _bound_applications(scope):
        crypto_map = protector(node)
        if crypto_map is None or scope.old.find(Kind.APPLICATION, item) is None:
            continue
        marked = _marked(scope.after, crypto_map)
        if marked and not _was_marked(scope, item):
            yield _late(scope, item, crypto_map, marked[0])


def _late(scope: Scope, item: Named, crypto_map: Named, transform_set: str) -> RpcError:
    refused = scope.policy.day1 == "enforce"
    advice = (
        "configure it before day1-complete is set, or have a recovery user clear that leaf"
        if refused
        else f"live SAs stay unmarked until crypto map {crypto_map.name} is applied again (action reapply)"
    )
    return OperationFailed(
        f"transform set {transform_set} gives application {item.name} of context {item.context} its first DSCP after "
        f"Day-1: {advice}",
        app_tag="day1-late",
        path=scope.at(f"{Kind.IPSEC_SET}/dscp", crypto_map.context, transform_set),
        severity="error" if refused else "warning",
        mentions=[scope.at(Kind.APPLICATION, *item), scope.at(Kind.MAP, *crypto_map)],
    )


def day1_complete(scope: Scope) -> Iterator[RpcError]:
    """Day-1 is completed once; only a recovery user takes that back."""
    if not scope.old.day1_complete or scope.new.day1_complete:
        return
    if not scope.policy.is_recovery_user(scope.origin.user):
        yield AccessDenied(
            "day1-complete is set once and not cleared: leave it true, or ask a recovery user to clear it",
            app_tag="day1-complete",
            path=where(scope.schema, "cryptomap-context:contexts/day1-complete"),
        )


def day1_foreign_selector(scope: Scope) -> Iterator[RpcError]:
    """A crypto map of another context that selects an application's address is odd: a warning."""
    pairs = {(item, acl) for item in scope.affected.applications for acl in _acls_selecting(scope, item)}
    if scope.neighbours.has_applications:
        for acl in scope.affected.acls | _acls_of(scope):
            pairs |= {(item, acl) for item in scope.neighbours.applications_of(acl)}
    for item, acl in sorted(pairs):
        node = scope.new.find(Kind.APPLICATION, item)
        if node is None or acl.context == item.context:
            continue
        for crypto_map in scope.maps_with_acl(acl):
            if crypto_map != protector(node):
                yield _foreign(scope, item, crypto_map)


def _foreign(scope: Scope, item: Named, crypto_map: Named) -> RpcError:
    return OperationFailed(
        f"crypto map {crypto_map.name} of context {crypto_map.context} selects the address of application {item.name} "
        f"of context {item.context}: an application is protected, and marked, by a crypto map of its own context",
        app_tag="day1-foreign-selector",
        path=scope.at(f"{Kind.MAP}/match-address", *crypto_map),
        severity="warning",
        mentions=[scope.at(Kind.APPLICATION, *item)],
    )


# ===== helpers =====


def _bound_applications(scope: Scope) -> Iterator[tuple[Named, Node]]:
    """The affected applications that the Day-1 rules bind."""
    if not scope.facts.is_user_plane:
        return
    for item, node in scope.nodes(Kind.APPLICATION, scope.affected.applications):
        if keyword(values.required(node, "type")) in BOUND:
            yield item, node


def _marked(reader: Reader, crypto_map: Named) -> list[str]:
    """The transform sets of a map that have a DSCP."""
    found = reader.crypto_map(crypto_map)
    if found is None:
        return []
    return [esp.name for child in found.children for esp in child.proposals if esp.dscp is not None]


def _was_marked(scope: Scope, application: Named) -> bool:
    """Whether the application had a marked transform set before the change."""
    node = scope.old.find(Kind.APPLICATION, application)
    crypto_map = None if node is None else protector(node)
    return crypto_map is not None and bool(_marked(scope.before, crypto_map))


def _acls_selecting(scope: Scope, application: Named) -> Iterator[Named]:
    context, node = scope.new.context(application.context), scope.new.find(Kind.APPLICATION, application)
    address = None if context is None or node is None else application_address(context, node)
    return iter(()) if address is None else scope.neighbours.acls_selecting(address)


def _acls_of(scope: Scope) -> set[Named]:
    """The access lists that the affected maps match."""
    names = [(item.context, values.leaf(node, "match-address")) for item, node in scope.affected_maps]
    return {Named(context, name) for context, name in names if name is not None}
