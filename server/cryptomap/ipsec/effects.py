"""What a plan of the backend does to tunnels and services, as the rest of the server tells it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryptomap.data.tree import Path
from cryptomap.data.validation.violations import path_at
from cryptomap.datastore.outlook import Effect, Limit, Outlook
from cryptomap.ipsec.hooks import Planned
from cryptomap.ipsec.names import CONTEXTS, Kind
from cryptomap.schema.nodes import Schema
from cryptomap_backend.intent import ResponderId, TunnelId
from cryptomap_backend.plan import Plan

__all__ = ["outlook_of"]


def outlook_of(schema: Schema) -> Callable[[object], Outlook]:
    """What becomes of a prepared commit; nothing for what is no plan of one."""
    tunnel, service = f"{CONTEXTS}/{Kind.INTERFACE}/{Kind.MAP}", f"{CONTEXTS}/{Kind.SERVICE}"

    def path_of(item: TunnelId | ResponderId) -> Path:
        if isinstance(item, TunnelId):
            return path_at(schema.find(tunnel), (item.context, item.interface, item.crypto_map))
        return path_at(schema.find(service), tuple(item))

    def outlook(prepared: object) -> Outlook:
        if not isinstance(prepared, Planned):
            return Outlook()
        plan = prepared.plan
        return Outlook(tuple(_effects(plan, path_of)), tuple(_limits(plan, path_of)), plan.change.l2_changed)

    return outlook


def _effects(plan: Plan, path_of: Callable[[TunnelId | ResponderId], Path]) -> Iterator[Effect]:
    for one in plan.effects:
        item = one.tunnel
        names = {"context": item.context, "crypto-map": item.crypto_map, "interface": item.interface}
        yield Effect("tunnel", names, path_of(item), one.kind, one.reasons, one.drops, one.reapply_pending)
    for other in plan.responders:
        service = other.responder
        names = {"context": service.context, "name": service.service}
        yield Effect("service", names, path_of(service), other.kind, other.reasons, other.drops)


def _limits(plan: Plan, path_of: Callable[[TunnelId | ResponderId], Path]) -> Iterator[Limit]:
    items: list[TunnelId | ResponderId] = [item.some.id for item in plan.change.tunnels]
    items += [item.some.id for item in plan.change.responders]
    named = {str(item): item for item in items}
    for text in plan.warnings:
        item = named.get(text.partition(": ")[0])
        yield Limit(text, () if item is None else path_of(item))
