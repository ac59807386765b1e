"""Rules about crypto maps and their binding."""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.data import values
from cryptomap.errors import InvalidValue, OperationFailed, RpcError
from cryptomap.ipsec import nouns
from cryptomap.ipsec.names import Kind, Named
from cryptomap.ipsec.read import MapReading
from cryptomap.ipsec.scope import Scope
from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.intent import ManualSa, TunnelKind

__all__ = ["address_family", "manual_key_size", "map_on_several_interfaces", "map_type_immutable"]


def map_type_immutable(scope: Scope) -> Iterator[RpcError]:
    """The type of a crypto map does not change; delete and create in one commit is a change too."""
    for item, node in scope.touched_maps:
        old = scope.old.find(Kind.MAP, item)
        if old is None:
            continue
        before, after = values.required(old, "type"), values.required(node, "type")
        if before != after:
            yield InvalidValue(
                f"crypto map {item.name} is of type {before}, which cannot become {after}: delete the map, commit, and "
                "create it in a second commit, or use another name",
                app_tag="map-type-immutable",
                path=scope.at(f"{Kind.MAP}/type", *item),
            )


def address_family(scope: Scope) -> Iterator[RpcError]:
    """A manual map and the interface it is bound to speak the same IP. (For IKEv2 maps YANG says it.)"""
    for tunnel in sorted(scope.affected.bindings):
        crypto_map = scope.after.crypto_map(Named(tunnel.context, tunnel.crypto_map))
        if crypto_map is None or crypto_map.kind is not TunnelKind.MANUAL:
            continue
        interface = scope.new.find(Kind.INTERFACE, Named(tunnel.context, tunnel.interface))
        peer = crypto_map.remote
        if peer is None or interface is None or nouns.interface_address(interface, peer.version):
            continue
        if nouns.interface_address(interface, 10 - peer.version):
            yield OperationFailed(
                f"crypto map {tunnel.crypto_map} has an IPv{peer.version} peer, but interface {tunnel.interface} has "
                f"an address of the other family only: give it an IPv{peer.version} address, or bind the map elsewhere",
                app_tag="address-family",
                path=scope.at(f"{Kind.INTERFACE}/{Kind.MAP}", tunnel.context, tunnel.interface, tunnel.crypto_map),
                mentions=[scope.at(Kind.MAP, tunnel.context, tunnel.crypto_map)],
            )


def manual_key_size(scope: Scope) -> Iterator[RpcError]:
    """Static keys have the length their algorithms ask for (RFC 4303, and the RFCs of the algorithms)."""
    for item, node in scope.affected_maps:
        found = scope.after.crypto_map(item) if values.required(node, "type") == "manual" else None
        if found is None or found.manual is None:
            continue
        for direction, keys in (("inbound", found.manual.inbound), ("outbound", found.manual.outbound)):
            for name, size, wanted in _sizes(found, keys):
                yield InvalidValue(
                    f"{name} has {size} octets, but the algorithm of transform set "
                    f"{found.children[0].proposals[0].name} takes {wanted}: give a key of that length",
                    app_tag="manual-key-size",
                    path=scope.at(f"{Kind.MAP}/manual/session-key/{direction}/{name}", *item),
                )


def _sizes(found: MapReading, keys: ManualSa) -> Iterator[tuple[str, int, int]]:
    """(leaf, octets it has, octets it should have) of each key that does not fit. An unused key may have any."""
    proposal = found.children[0].proposals[0]
    cipher, integrity = ENCRYPTION.get(proposal.encryption), INTEGRITY.get(proposal.integrity)
    for name, key, wanted in (
        ("cipher-key", keys.cipher_key, cipher.key if cipher else 0),
        ("authenticator-key", keys.auth_key, integrity.key if integrity else 0),
    ):
        size = len(key.reveal()) if key and wanted else 0
        if size != wanted:
            yield name, size, wanted


def map_on_several_interfaces(scope: Scope) -> Iterator[RpcError]:
    """One map on several interfaces makes one tunnel each; that is seldom meant."""
    for item in sorted({Named(found.context, found.crypto_map) for found in scope.touched.bindings}):
        interfaces = scope.interfaces_of(item)
        if len(interfaces) > 1:
            yield OperationFailed(
                f"crypto map {item.name} is bound to {len(interfaces)} interfaces ({', '.join(interfaces[:5])}), and "
                "makes a tunnel on each: unbind it where it is not wanted",
                app_tag="map-on-several-interfaces",
                path=scope.at(Kind.MAP, *item),
                severity="warning",
                mentions=[scope.at(Kind.INTERFACE, item.context, interface) for interface in interfaces[:5]],
            )
