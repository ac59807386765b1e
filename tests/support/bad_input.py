"""For tests of what clients do wrong: edits in short, and the limits of the server they do it to."""

from __future__ import annotations

from support.state import NS
from support.wire import BASE, Wire

CTX, IPS, ACL = NS["ctx"], NS["ips"], NS["acl"]
MESSAGE_SIZE = 32 * 2**20
"""What the server takes in one message, in bytes."""


async def still_served(wire: Wire) -> None:
    await wire.do("<discard-changes/>")


def in_context(inner: str) -> str:
    return f'<contexts xmlns="{CTX}"><context><name>ipsec-d</name>{inner}</context></contexts>'


def crypto_map(name: str, inner: str) -> str:
    return in_context(f'<crypto-map xmlns="{IPS}"><name>{name}</name>{inner}</crypto-map>')


def mapping(operation: str) -> str:
    """An edit that the gateway takes part in and that touches no SA: DSCP 10 has internal priority 3."""
    return (
        f'<qos xmlns="{NS["qos"]}" xmlns:nc="{BASE}"><ip-dscp-iphb-mapping nc:operation="{operation}"><dscp>10</dscp>'
        "<cos>3</cos></ip-dscp-iphb-mapping></qos>"
    )
