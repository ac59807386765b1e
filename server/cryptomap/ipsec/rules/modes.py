"""What works in tunnel mode only."""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.errors import OperationFailed, RpcError
from cryptomap.ipsec.keywords import keyword
from cryptomap.ipsec.names import Kind, Named
from cryptomap.ipsec.scope import Scope, protector
from cryptomap_backend.intent import Mode

__all__ = ["icsr_tunnel_mode", "sx_tunnel_mode"]


def icsr_tunnel_mode(scope: Scope) -> Iterator[RpcError]:
    """ "The UP:UP ICSR over IPSec works only with Tunnel Mode." (IPSec in CUPS, IPSec Transport and Tunnel Mode)"""
    for item, node in scope.nodes(Kind.APPLICATION, scope.affected.applications):
        if values.leaf(node, "icsr") == "up-up":
            yield from _in_transport_mode(scope, item, node, "UP:UP ICSR", "icsr-tunnel-mode")


def sx_tunnel_mode(scope: Scope) -> Iterator[RpcError]:
    """Sx over IPsec is documented for tunnel mode only (StarOS, Sx over IPSec, 21.28)."""
    for item, node in scope.nodes(Kind.APPLICATION, scope.affected.applications):
        if keyword(values.required(node, "type")) == "sx":
            yield from _in_transport_mode(scope, item, node, "Sx", "sx-tunnel-mode")


def _in_transport_mode(scope: Scope, item: Named, node: Node, what: str, app_tag: str) -> Iterator[RpcError]:
    crypto_map = protector(node)
    found = None if crypto_map is None else scope.after.crypto_map(crypto_map)
    if crypto_map is None or found is None:
        return
    proposals = [esp for child in found.children for esp in child.proposals]
    for name in dict.fromkeys(esp.name for esp in proposals if esp.mode is Mode.TRANSPORT):
        yield OperationFailed(
            f"{what} over IPsec works in tunnel mode only, but transform set {name} of crypto map {crypto_map.name}, "
            f"which protects application {item.name} of context {item.context}, is in transport mode: set its mode to "
            "tunnel, or list another transform set",
            app_tag=app_tag,
            path=scope.at(f"{Kind.IPSEC_SET}/mode", crypto_map.context, name),
            mentions=[scope.at(Kind.APPLICATION, *item), scope.at(Kind.MAP, *crypto_map)],
        )
