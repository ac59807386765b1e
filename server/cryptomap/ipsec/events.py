"""What the backend reports and what commits bring about -> YANG notifications, each a node of its schema.

Warnings of commits are announced by whoever announces commits; what is said here is about tunnels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cryptomap.data.build import Plain, build
from cryptomap.data.tree import Node
from cryptomap.ipsec import reapply
from cryptomap.schema.nodes import Schema
from cryptomap_backend.change import Change
from cryptomap_backend.intent import Intent, Tunnel, TunnelId
from cryptomap_backend.state import Event, EventKind, TunnelState

__all__ = ["RESYNCHRONIZE", "SA_CHANGES", "STATUS_CHANGES", "Notifications"]

DOWN = frozenset({EventKind.TUNNEL_DOWN, EventKind.TUNNEL_ERROR})
STATUS_CHANGES = DOWN | {EventKind.TUNNEL_UP}
SA_CHANGES = frozenset({EventKind.TUNNEL_UP, EventKind.TUNNEL_DOWN, EventKind.CHILD_REKEYED})
REKEYED = {EventKind.CHILD_REKEYED: "child-sa", EventKind.IKE_REKEYED: "ike-sa"}
RESYNCHRONIZE = frozenset({EventKind.BACKEND_BACK})
"""After these the world may hold something else than running asks for."""

NAMESPACE = "urn:cryptomap:yang:cryptomap-ipsec"


class Notifications:
    """Makes notifications. ``observe`` may answer ``None``; then what it would have told is left out."""

    def __init__(
        self, schema: Schema, intent: Callable[[], Intent], observe: Callable[[TunnelId], TunnelState | None]
    ) -> None:
        self._schema = schema
        self._intent = intent
        self._observe = observe
        self._last: Event | None = None

    def of_event(self, event: Event) -> Iterator[Node]:
        """What to announce about an event of the backend. That a re-apply is needed is told by the commit that makes
        it so, for every backend alike."""
        before, self._last = self._last, event
        if event.tunnel is None:
            return
        if event.kind is EventKind.TUNNEL_UP:
            yield self._made("tunnel-up", {**self._identity(event), **self._sa(event.tunnel)})
        elif event.kind in REKEYED:
            content = {**self._identity(event), "sa": REKEYED[event.kind], **self._sa(event.tunnel)}
            yield self._made("tunnel-rekeyed", content)
        elif event.kind is EventKind.TUNNEL_DOWN or (event.kind in DOWN and not _says_it_went(before, event)):
            yield self._made("tunnel-down", {**self._identity(event), "reason": event.reason or None})

    def of_change(self, change: Change) -> Iterator[Node]:
        """What to announce about a commit: the tunnels that wait for a re-apply because of it."""
        for tunnel in reapply.newly_pending(change):
            yield self._made("crypto-map-reapply-pending", _pending(tunnel))

    def _identity(self, event: Event) -> Plain:
        assert event.tunnel is not None
        tunnel = self._intent().tunnels.get(event.tunnel)
        return {
            **_names(event.tunnel),
            "local-gateway": event.local or (tunnel.local if tunnel else None),
            "remote-gateway": event.remote or (tunnel.remote if tunnel else None),
        }

    def _sa(self, item: TunnelId) -> Plain:
        state = self._observe(item)
        if state is None or not state.children:
            return {}
        first = state.children[0]
        return {"inbound-spi": first.spi_in, "outbound-spi": first.spi_out, "applied-dscp": first.applied_dscp}

    def _made(self, name: str, content: Plain) -> Node:
        return build(self._schema.notifications[f"{{{NAMESPACE}}}{name}"], content)


def _says_it_went(before: Event | None, event: Event) -> bool:
    """Whether the event before told that this tunnel went, so that its error needs no second notification."""
    return before is not None and (before.kind, before.tunnel) == (EventKind.TUNNEL_DOWN, event.tunnel)


def _names(item: TunnelId) -> Plain:
    return {"context": item.context, "interface": item.interface, "crypto-map": item.crypto_map}


def _pending(tunnel: Tunnel) -> Plain:
    return {
        **_names(tunnel.id),
        "local-gateway": tunnel.local,
        "remote-gateway": tunnel.remote,
        "applied": [
            {"transform-set": item.transform_set, "applied-dscp": item.applied, "configured-dscp": item.configured}
            for item in reapply.pending(tunnel)
        ],
    }
