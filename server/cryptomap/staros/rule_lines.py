"""The line of a rule of an access list, both ways: ``{permit|deny} [log] PROTOCOL SOURCE [PORTS] DESTINATION [PORTS]``
and its shorter forms.

An address with a wildcard is a prefix, because the one bits of a legal wildcard stand at its end. ``gt N`` is the YANG
operator gte with N+1, ``lt N`` is lte with N-1.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cryptomap.data.tree import Node
from cryptomap.staros.paths import text_at
from cryptomap.staros.text import Refusal, Tokens, complete, listed

__all__ = ["LEAFS", "PROTOCOLS", "Fields", "one_of", "read_rule", "rule_text"]

Fields = dict[str, str]
"""What a rule says: relative path of a leaf -> canonical value."""

PORT_MAX = 65535
OCTET_MAX = 255
OPERATORS = ("eq", "neq", "gt", "lt", "range")
PROTOCOLS = ("any", "host", "ip", "icmp", "tcp", "udp")
WITH_PORTS = {"tcp": "tcp", "udp": "udp", "6": "tcp", "17": "udp"}
ICMP_NUMBER = {"ipv4": "1", "ipv6": "58"}
ADDRESS_BITS = {"ipv4": 32, "ipv6": 128}
ALL_PORTS = f"range 0 {PORT_MAX}"
END_LEAFS = ("prefix", "operator", "port", "lower-port", "upper-port")
LEAFS = (
    *("action", "log", "protocol", "icmp/type", "icmp/code"),
    *(f"{end}/{leaf}" for end in ("source", "destination") for leaf in END_LEAFS),
)
"""What the text of a rule can say."""


# ===== reading =====


def read_rule(action: str, tokens: Tokens, family: str) -> Fields:
    """The leafs of a rule after its ``permit`` or ``deny``. Raises Refusal."""
    fields: Fields = {"action": action}
    if tokens.skip("log"):
        fields["log"] = "true"
    token = tokens.peek()
    if token is None:
        raise Refusal("the line ends where a protocol or an address is expected", tokens.at)
    if _is_address(token):
        fields |= {"protocol": "ip"} | _end("source", tokens, family)
    else:
        fields |= _by_protocol(tokens, family)
    if not tokens.is_done:
        raise Refusal(f"'{tokens.peek()}' is not expected here", tokens.at)
    return fields


def _by_protocol(tokens: Tokens, family: str) -> Fields:
    word = one_of(tokens, PROTOCOLS, "a protocol or an address")
    if word == "any":
        return {"protocol": "ip"}
    if word == "host":
        tokens.at -= 1
        return {"protocol": "ip"} | _end("source", tokens, family)
    fields = {"protocol": word}
    for end in ("source", "destination"):
        fields |= _end(end, tokens, family)
        if word in WITH_PORTS:
            fields |= _ports(end, tokens)
    if word == "icmp":
        for leaf in ("type", "code"):
            if not tokens.is_done:
                fields[f"icmp/{leaf}"] = str(_number(tokens, f"the ICMP {leaf}", OCTET_MAX))
    if word == "ip" and tokens.skip("protocol"):
        fields["protocol"] = str(_number(tokens, "a protocol number", OCTET_MAX))
    return fields


def _end(end: str, tokens: Tokens, family: str) -> Fields:
    """One end of a rule: ``any``, ``host ADDRESS``, ``ADDRESS WILDCARD`` or ``ADDRESS/LENGTH``."""
    position = tokens.at
    token = tokens.take(f"the {end}")
    if _is_address(token):
        return {f"{end}/prefix": _prefix(token, tokens, family, position)}
    words = complete(token, ["any", "host"])
    if words == ["any"]:
        return {}
    if words != ["host"]:
        raise Refusal(f"'{token}' is not an address, 'any' or 'host'", position)
    position = tokens.at
    address = _address(tokens.take("an address"), family, position)
    return {f"{end}/prefix": f"{address}/{ADDRESS_BITS[family]}"}


def _is_address(token: str) -> bool:
    try:
        ip_address(token.partition("/")[0])
    except ValueError:
        return False
    return True


def _address(token: str, family: str, position: int) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(token)
    except ValueError:
        raise Refusal(f"'{token}' is not an IP address", position) from None
    if f"ipv{address.version}" != family:
        raise Refusal(f"{token} is not an {family} address, but the access list is {family}", position)
    return address


def _prefix(token: str, tokens: Tokens, family: str, position: int) -> str:
    bits = ADDRESS_BITS[family]
    address, slash, length = token.partition("/")
    base = _address(address, family, position)
    if slash:
        if not _is_number(length, bits):
            raise Refusal(f"'{length}' is not a prefix length", position)
        return str(_network(base, int(length)))
    wildcard = _address(tokens.take("a wildcard"), family, position + 1)
    ones = int(wildcard)
    if ones & (ones + 1):
        reason = f"the one bits of wildcard {wildcard} are not all at its end, so that no prefix stands for it"
        raise Refusal(reason, position + 1)
    return str(_network(base, bits - ones.bit_length()))


def _network(base: IPv4Address | IPv6Address, length: int) -> IPv4Network | IPv6Network:
    return ip_network(f"{base}/{length}", strict=False)


def _ports(end: str, tokens: Tokens) -> Fields:
    """The port operator of one end, if there is one."""
    token = tokens.peek()
    words = [] if token is None else complete(token, OPERATORS)
    if not words:
        return {}
    if len(words) > 1:
        raise Refusal(f"'{token}' can be {listed(words)}: write more of it", tokens.at)
    tokens.at += 1
    position = tokens.at
    number = _number(tokens, "a port number", PORT_MAX)
    if words[0] == "range":
        upper = _number(tokens, "a port number", PORT_MAX)
        if upper < number:
            raise Refusal(f"the port range ends at {upper}, before it begins", position)
        return {f"{end}/lower-port": str(number), f"{end}/upper-port": str(upper)}
    operator, port = _compared(words[0], number, position)
    return {f"{end}/operator": operator, f"{end}/port": str(port)}


def _compared(word: str, number: int, position: int) -> tuple[str, int]:
    if (word, number) in (("gt", PORT_MAX), ("lt", 0)):
        raise Refusal(f"no port is {word} {number}: the rule would match nothing", position)
    return {"gt": ("gte", number + 1), "lt": ("lte", number - 1)}.get(word, (word, number))


def _number(tokens: Tokens, what: str, maximum: int) -> int:
    position = tokens.at
    token = tokens.take(what)
    if not _is_number(token, maximum):
        raise Refusal(f"'{token}' is not {what} from 0 to {maximum}", position)
    return int(token)


def _is_number(token: str, maximum: int) -> bool:
    return token.isascii() and token.isdecimal() and int(token) <= maximum


def one_of(tokens: Tokens, words: tuple[str, ...], what: str) -> str:
    position = tokens.at
    token = tokens.take(what)
    found = complete(token, words)
    if len(found) > 1:
        raise Refusal(f"'{token}' can be {listed(found)}: write more of it", position)
    if not found:
        raise Refusal(f"'{token}' is not {what}: {listed(words)}", position)
    return found[0]


# ===== writing =====


def rule_text(rule: Node, family: str) -> str | None:
    """The rule as StarOS writes it; ``None`` if StarOS cannot say it. ``family`` is that of the access list: ``ipv4``
    or ``ipv6``. The text never says less than the rule."""
    protocol = text_at(rule, "protocol") or "ip"
    icmp = _icmp(rule, protocol, family)
    ends = [_end_text(rule, end, family) for end in ("source", "destination")]
    ports = [_ports_text(rule, end) for end in ("source", "destination")]
    if icmp is None or None in ends or None in ports:
        return None
    word, tail = _protocol_text(protocol, has_ports=any(ports), has_icmp=bool(icmp))
    if word is None:
        return None
    log = "log" if text_at(rule, "log") == "true" else ""
    parts = [text_at(rule, "action"), log, word, ends[0], ports[0], ends[1], ports[1], tail, icmp]
    return " ".join([part for part in parts if part])


def _protocol_text(protocol: str, *, has_ports: bool, has_icmp: bool) -> tuple[str | None, str]:
    """The word of the protocol, and what follows the ends of a rule for protocols that have no word."""
    if has_icmp:
        return None if has_ports else "icmp", ""
    if has_ports:
        return WITH_PORTS.get(protocol), ""
    return (protocol, "") if protocol in PROTOCOLS else ("ip", f"protocol {protocol}")


def _icmp(rule: Node, protocol: str, family: str) -> str | None:
    kind, code = text_at(rule, "icmp/type"), text_at(rule, "icmp/code")
    if kind is None and code is None:
        return ""
    if kind is None or protocol not in ("icmp", ICMP_NUMBER[family]):
        return None
    return kind if code is None else f"{kind} {code}"


def _end_text(rule: Node, end: str, family: str) -> str | None:
    prefix = text_at(rule, f"{end}/prefix")
    if prefix is None:
        return "any"
    network = ip_network(prefix, strict=False)
    if f"ipv{network.version}" != family:
        return None
    return f"{network.network_address} {network.hostmask}"


def _ports_text(rule: Node, end: str) -> str | None:
    lower, upper = text_at(rule, f"{end}/lower-port"), text_at(rule, f"{end}/upper-port")
    port = text_at(rule, f"{end}/port")
    if lower is not None:
        return f"range {lower} {upper or lower}" if int(lower) <= int(upper or lower) else None
    if upper is not None:
        return None
    if port is None:
        return ""
    return _operator_text(text_at(rule, f"{end}/operator") or "eq", int(port))


def _operator_text(operator: str, port: int) -> str:
    if operator == "gte":
        return f"gt {port - 1}" if port else ALL_PORTS
    if operator == "lte":
        return f"lt {port + 1}" if port < PORT_MAX else ALL_PORTS
    return f"{operator} {port}"
