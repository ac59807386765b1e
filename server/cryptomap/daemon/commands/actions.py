"""The actions: reapply and trace-packet."""

from __future__ import annotations

from typing import Any

import click

from cryptomap.daemon.commands.connecting import Connection, connection
from cryptomap.data.path import literal

__all__ = ["reapply_command", "trace_command"]

CONTEXTS = "urn:cryptomap:yang:cryptomap-context"
IPSEC = "urn:cryptomap:yang:cryptomap-ipsec"
TRACE = "urn:cryptomap:yang:cryptomap-trace"


@click.command("reapply")
@connection
@click.argument("context")
@click.argument("interface")
@click.argument("crypto_map")
def reapply_command(server: Connection, context: str, interface: str, crypto_map: str) -> None:
    """Make the configured DSCPs of a bound crypto map the ones its SAs are marked with."""
    inner = _keyed("interface", interface, _keyed(f"crypto-map xmlns={literal(IPSEC)}", crypto_map, "<reapply/>"))
    reply = server.run(lambda client: client.rpc(_action(context, inner)))
    click.echo(f"{crypto_map} on {interface}: {reply.findtext(f'.//{{{IPSEC}}}result')}")


@click.command("trace-packet")
@connection
@click.argument("context")
@click.argument("source")
@click.argument("destination")
@click.option("--protocol", default="tcp", show_default=True, help="tcp, udp, icmp or a number.")
@click.option("--source-port", type=click.IntRange(0, 65535))
@click.option("--destination-port", type=click.IntRange(0, 65535))
@click.option("--tos", type=click.IntRange(0, 255), default=0, show_default=True, help="ToS byte of the application.")
@click.option("--vrf", help="VRF the packet is in.")
def trace_command(server: Connection, context: str, source: str, destination: str, **given: Any) -> None:
    """The way of a packet: ACL, crypto map, SA, outer DSCP, cos, 802.1p and MPLS TC, and what decided each step."""
    values = {"source-address": source, "destination-address": destination}
    values |= {name.replace("_", "-"): str(value) for name, value in given.items() if value is not None}
    leafs = "".join(f"<{name}>{_escaped(value)}</{name}>" for name, value in values.items())
    action = _action(context, f"<trace-packet xmlns={literal(TRACE)}>{leafs}</trace-packet>")
    reply = server.run(lambda client: client.rpc(action))
    for step in reply.iterfind(f".//{{{TRACE}}}step"):
        name, result = (step.findtext(f"{{{TRACE}}}{leaf}", "") for leaf in ("name", "result"))
        click.echo(f"{name:<22}{result}")
        if decided := step.findtext(f"{{{TRACE}}}decided-by"):
            click.echo(f"{'':<22}by {decided}")
    if reply.findtext(f".//{{{TRACE}}}protected") != "true":
        click.echo(f"not protected: {reply.findtext(f'.//{{{TRACE}}}reason')}")


def _action(context: str, inner: str) -> str:
    entry = _keyed("context", context, inner)
    return f'<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{CONTEXTS}">{entry}</contexts></action>'


def _keyed(tag: str, name: str, inner: str) -> str:
    return f"<{tag}><name>{_escaped(name)}</name>{inner}</{tag.partition(' ')[0]}>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
