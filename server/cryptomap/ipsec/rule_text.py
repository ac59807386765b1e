"""A rule of an access list as StarOS writes it: addresses with wildcards, ports with ``eq`` and the like."""

from __future__ import annotations

from ipaddress import ip_network

from cryptomap.data import values
from cryptomap.data.tree import Node

__all__ = ["rule_text"]

PORT_MAX = 65535


def rule_text(rule: Node) -> str:
    """For example ``permit tcp 192.0.2.1 0.0.0.0 198.51.100.0 0.0.0.255 eq 6002``. StarOS has no ``lte`` and ``gte``:
    they become ``lt`` and ``gt`` of the next port."""
    words = [values.required(rule, "action"), *(("log",) if values.flag(rule, "log") else ())]
    words.append(values.required(rule, "protocol"))
    for end in ("source", "destination"):
        words += [_address(rule, end), *_ports(rule, end)]
    icmp = (values.number(rule, "icmp/type"), values.number(rule, "icmp/code"))
    words += [str(code) for code in icmp if code is not None]
    return " ".join(words)


def _address(rule: Node, end: str) -> str:
    prefix = values.leaf(rule, f"{end}/prefix")
    if prefix is None:
        return "any"
    network = ip_network(prefix)
    return "any" if network.prefixlen == 0 else f"{network.network_address} {network.hostmask}"


def _ports(rule: Node, end: str) -> list[str]:
    lower, upper = values.number(rule, f"{end}/lower-port"), values.number(rule, f"{end}/upper-port")
    if lower is not None:
        return ["eq", str(lower)] if upper in (None, lower) else ["range", str(lower), str(upper)]
    port = values.number(rule, f"{end}/port")
    if port is None:
        return []
    operator = values.required(rule, f"{end}/operator")
    if operator in ("eq", "neq"):
        return [operator, str(port)]
    if operator == "lte":
        return ["lt", str(port + 1)] if port < PORT_MAX else []
    return ["gt", str(port - 1)] if port > 0 else []
