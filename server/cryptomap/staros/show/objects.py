"""Show commands for transform sets, templates, managers and statistics.

How StarOS lays these out is not documented, only that transform sets and templates show ``ESN: Enabled``; the fields
are those of ``show crypto map``, which the seed prints."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cryptomap.data.tree import Node
from cryptomap.staros.paths import entries_at, values_at
from cryptomap.staros.show.fields import UNKNOWN, capital, dscp, enabled, option, value

__all__ = ["show_ike_sets", "show_ipsec_sets", "show_managers", "show_statistics", "show_templates"]

IPSEC = "cryptomap-ipsec"
COUNTERS = (
    ("Input Packets", "input-packets"),
    ("Input Bytes", "input-bytes"),
    ("Output Packets", "output-packets"),
    ("Output Bytes", "output-bytes"),
    ("Rekeys", "rekeys"),
    ("Replay Failures", "replay-failures"),
    ("Integrity Failures", "integrity-failures"),
    ("Encryption Failures", "encryption-failures"),
)


def show_ipsec_sets(contexts: Node | None, name: str | None = None) -> str:
    """The ipsec transform sets of all contexts."""
    return _blocks(contexts, f"{IPSEC}:ipsec-transform-set", name, _ipsec_set)


def show_ike_sets(contexts: Node | None, name: str | None = None) -> str:
    """The ikev2-ikesa transform sets of all contexts."""
    return _blocks(contexts, f"{IPSEC}:ikev2-ikesa-transform-set", name, _ike_set)


def show_templates(contexts: Node | None, name: str | None = None) -> str:
    """The crypto templates of all contexts, or the one of that name."""
    return _blocks(contexts, f"{IPSEC}:crypto-template", name, _template)


def _blocks(contexts: Node | None, at: str, name: str | None, block: Callable[[Node, Node], Iterator[str]]) -> str:
    found = [
        list(block(context, node))
        for context in _contexts(contexts)
        for node in entries_at(context, at).nodes()
        if name in (None, value(node, "name"))
    ]
    return "\n".join(["\n".join(lines) + "\n" for lines in found])


def _contexts(contexts: Node | None) -> Iterable[Node]:
    return [] if contexts is None else entries_at(contexts, "context").nodes()


def _ipsec_set(context: Node, node: Node) -> Iterator[str]:
    yield f"Transform-Set: {value(node, 'name')}"
    yield f"  Context: {value(context, 'name')}"
    protocol = value(node, "protocol")
    yield f"  Protocol: {protocol}"
    if protocol != "ah":
        yield f"  Encryption Cipher: {value(node, 'encryption')}"
    yield f"  Hashed Message Authentication Code: {value(node, 'hmac-in-use', value(node, 'hmac'))}"
    yield f"  Diffie-Hellman Group: {value(node, 'group')}"
    yield f"  Mode: {capital(value(node, 'mode'))}"
    yield f"  ESN: {enabled(node, 'esn')}"
    yield f"  Dscp: {dscp(node, 'dscp')}"


def _ike_set(context: Node, node: Node) -> Iterator[str]:
    yield f"Transform-Set: {value(node, 'name')}"
    yield f"  Context: {value(context, 'name')}"
    yield f"  Encryption Cipher: {value(node, 'encryption')}"
    yield f"  Pseudo Random Function: {value(node, 'prf')}"
    yield f"  Hashed Message Authentication Code: {value(node, 'hmac')}"
    yield f"  Diffie-Hellman Group: {value(node, 'group')}"
    yield f"  Lifetime: {value(node, 'lifetime')} Sec"


def _template(context: Node, node: Node) -> Iterator[str]:
    yield f"Map Name: {value(node, 'name')}"
    yield "====="
    yield f"  Context: {value(context, 'name')}"
    yield f"  Map status: {capital(value(node, 'state/status'))}"
    yield "  Crypto Map Type: IPSEC IKEv2 Template"
    yield f"  Services: {', '.join(values_at(node, 'state/service')) or 'None'}"
    yield f"  IKE SA Transforms: {', '.join(values_at(node, 'ikev2/ikev2-ikesa/transform-set')) or 'None'}"
    yield f"  IKE SA DSCP Value: {dscp(node, 'ikev2/ikev2-ikesa/dscp', '0x00')}"
    yield f"  Max Child SAs: {value(node, 'max-childsa/maximum')}"
    payloads = list(entries_at(node, "ikev2/payload").nodes())
    sets = {value(entry, "name"): entry for entry in entries_at(context, f"{IPSEC}:ipsec-transform-set").nodes()}
    for position, payload in enumerate(payloads, 1):
        yield f"  IPSec SA Payload {position}/{len(payloads)}"
        yield f"    Name : {value(payload, 'name')}"
        for name in values_at(payload, "transform-set"):
            yield f"    Transform Set: {name}"
            yield f"      ESN: {enabled(sets.get(name), 'esn')}"
            yield f"      Dscp: {dscp(sets.get(name), 'dscp')}"


def show_managers(contexts: Node | None) -> str:
    """Which IPSec manager has which crypto maps."""
    owned: dict[str, list[str]] = {}
    for context in _contexts(contexts):
        for node in entries_at(context, f"{IPSEC}:crypto-map").nodes():
            owned.setdefault(value(node, "state/manager"), []).append(f"{value(context, 'name')}/{value(node, 'name')}")
    lines = [f"{number:<16}{', '.join(sorted(owned[number]))}" for number in sorted(owned, key=_by_number)]
    return "\n".join([f"{'IPSec Manager':<16}Crypto Maps", *lines]) + "\n"


def _by_number(number: str) -> tuple[bool, int]:
    return number == UNKNOWN, int(number) if number.isdecimal() else 0


def show_statistics(contexts: Node | None, tag: str | None = None) -> str:
    """What the tunnels of all crypto maps, or of one, have counted since their bind."""
    lines: list[str] = []
    for context in _contexts(contexts):
        for interface in entries_at(context, "interface").nodes():
            for tunnel in entries_at(interface, f"{IPSEC}:crypto-map").nodes():
                if tag in (None, value(tunnel, "name")):
                    lines += [*_statistics(context, interface, tunnel), ""]
    return "\n".join(lines) or "there is no tunnel\n"


def _statistics(context: Node, interface: Node, tunnel: Node) -> Iterator[str]:
    yield f"Crypto Map: {value(tunnel, 'name')}"
    yield f"  Context: {value(context, 'name')}"
    yield f"  Interface: {value(interface, 'name')}"
    yield f"  Status: {capital(value(tunnel, 'state/status'))}"
    for label, leaf in COUNTERS:
        yield f"  {label}: {option(tunnel, f'state/statistics/{leaf}') or '0'}"
