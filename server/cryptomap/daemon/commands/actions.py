"""The actions: reapply and trace-packet."""

from __future__ import annotations

from typing import Any

import click

from cryptomap.client import operations
from cryptomap.daemon.commands.connecting import Connection, connection
from cryptomap.shell.render import trace_lines

__all__ = ["reapply_command", "trace_command"]


@click.command("reapply")
@connection
@click.argument("context")
@click.argument("interface")
@click.argument("crypto_map")
def reapply_command(server: Connection, context: str, interface: str, crypto_map: str) -> None:
    """Make the configured DSCPs of a bound crypto map the ones its SAs are marked with."""
    result = server.run(lambda client: operations.reapply(client, context, interface, crypto_map))
    click.echo(f"{crypto_map} on {interface}: {result}")


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
    packet = {"source-address": source, "destination-address": destination}
    packet |= {name.replace("_", "-"): value for name, value in given.items()}
    trace = server.run(lambda client: operations.trace_packet(client, context, packet))
    click.echo("\n".join(trace_lines(trace)))
