"""``ip address A MASK`` and ``ipv6 address A/LENGTH`` of an interface. The mask of a single host is how StarOS writes
that there is no prefix length to speak of, and how the model does without one."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, ip_address, ip_network

from cryptomap.staros.grammar import Found, Source
from cryptomap.staros.text import Refusal, Tokens

__all__ = ["InterfaceAddress"]

BITS = {"ipv4": 32, "ipv6": 128}


@dataclass(frozen=True, slots=True)
class InterfaceAddress:
    """The address of one family."""

    family: str
    word: str = ""
    optional: bool = False

    @property
    def paths(self) -> tuple[str, ...]:
        return (f"{self.family}/address", f"{self.family}/prefix-length")

    def read(self, tokens: Tokens, found: Found) -> None:
        address_path, length_path = self.paths
        position = tokens.at
        address, slash, length = tokens.take("an address").partition("/")
        found.values[address_path] = found.read(address_path, address, position=position)
        if not slash and self.family == "ipv4":
            length = _mask_length(tokens.take("a mask"), position + 1)
        elif not slash:
            raise Refusal(f"'{address}' lacks its /prefix-length", position)
        value = found.read(length_path, length, position=position)
        if int(value) != BITS[self.family]:
            found.values[length_path] = value

    def write(self, source: Source) -> str | None:
        address_path, length_path = self.paths
        address, length = source.explicit(address_path), source.explicit(length_path)
        if not isinstance(address, str):
            return None
        bits = BITS[self.family] if length is None else int(str(length))
        if self.family == "ipv6":
            return f"{address}/{bits}"
        return f"{address} {IPv4Network((0, bits)).netmask}"


def _mask_length(mask: str, position: int) -> str:
    if mask.startswith("/"):
        return mask[1:]
    try:
        network = ip_network(f"0.0.0.0/{ip_address(mask)}")
    except ValueError:
        raise Refusal(f"'{mask}' is not a mask", position) from None
    if str(network.netmask) != mask:
        raise Refusal(f"'{mask}' is not a mask", position)
    return str(network.prefixlen)
