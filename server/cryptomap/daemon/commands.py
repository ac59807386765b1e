"""The commands that talk to a running server as any NETCONF client does, and those that need no server at all.

They share the options of :func:`connection`. What the server refuses is printed error by error and ends with exit code
1; what cannot even be asked (no connection, a file that cannot be read) with exit code 2.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from lxml import etree

from cryptomap.client import Client, ClientError, connect
from cryptomap.daemon.settings import SettingsFault, parse_listen
from cryptomap.data.path import literal, text_of
from cryptomap.data.tree import Node
from cryptomap.data.validation import validate
from cryptomap.data.xml import read_config, read_inner, write
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.schema import modules
from cryptomap.schema.cache import load_cached
from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.nodes import Schema
from cryptomap.staros import Imported, export_text, import_text
from cryptomap.staros.show import ShowFault, show, what_it_reads

__all__ = ["COMMANDS"]

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a command finds its server, and who it is there."""

    host: str
    port: int
    user: str
    identity: Path | None
    known_hosts: Path | None

    def run(self, talk: Callable[[Client], Awaitable[T]]) -> T:
        """Hold a session; end the program with a line for each error."""

        async def session() -> T:
            async with connect(
                self.host, self.port, user=self.user, identity=self.identity, known_hosts=self.known_hosts
            ) as client:
                return await talk(client)

        try:
            return asyncio.run(session())
        except ClientError as fault:
            _end(2, [str(fault)])
        except RpcErrors as faults:
            _end(1, [str(fault) for fault in faults.errors])
        except RpcError as fault:
            _end(1, [str(fault)])
        raise AssertionError("unreachable")


def _end(code: int, lines: list[str]) -> None:
    for line in lines:
        click.echo(f"cryptomapd: {line}", err=True)
    sys.exit(code)


def connection(command: Callable[..., None]) -> Callable[..., None]:
    """The options every client command has; they arrive as one ``server`` argument."""

    @wraps(command)
    def run(connect: str, user: str, identity: Path | None, known_hosts: Path | None, **given: Any) -> None:
        try:
            host, port = parse_listen(connect)
        except SettingsFault as fault:
            raise click.BadParameter(str(fault), param_hint="--connect") from None
        command(server=Connection(host, port, user, identity, known_hosts), **given)

    path = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option("--known-hosts", type=path, help="Host keys to trust (default: your own known_hosts)."),
        click.option("--identity", type=path, help="Private key (default: your agent and own keys)."),
        click.option("--user", envvar="USER", show_envvar=True, default="admin", help="User at the server."),
        click.option("--connect", metavar="ADDR:PORT", default="127.0.0.1:830", show_default=True, help="The server."),
    ):
        run = option(run)
    return run


def _schema(yang_dirs: tuple[Path, ...] = ()) -> Schema:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cryptomap"
    try:
        return load_cached(cache, modules.default_module_names(), yang_dirs)
    except SchemaFault as fault:
        _end(2, [str(fault)])
        raise


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as fault:
        _end(2, [f"cannot read {file}: {fault}"])
        raise


def _config(schema: Schema, root: Node) -> bytes:
    return b'<config xmlns="%s">%s</config>' % (NC.encode(), b"".join(write(schema, root)))


# ===== show, export: from the server to StarOS text =====


@click.command("show", context_settings={"ignore_unknown_options": True})
@connection
@click.argument("words", nargs=-1, required=True)
def show_command(server: Connection, words: tuple[str, ...]) -> None:
    """Show what StarOS shows: crypto map [tag NAME], qos l2-mapping-table name NAME, configuration ..."""
    schema = _schema()
    try:
        filters = [_top_level(schema, name) for name in what_it_reads(words)]
        root = server.run(lambda client: _get(client, schema, "".join(filters)))
        click.echo(show(schema, root, words), nl=False)
    except ShowFault as fault:
        _end(2, [str(fault)])


@click.command("export")
@connection
def export_command(server: Connection) -> None:
    """The running configuration as StarOS text; what that cannot say is listed on standard error."""
    schema = _schema()
    root = server.run(lambda client: _get_config(client, schema))
    exported = export_text(schema, root)
    click.echo(exported.text, nl=False)
    for path in exported.unsaid:
        click.echo(f"not said in StarOS text: {text_of(path)}", err=True)


def _top_level(schema: Schema, name: str) -> str:
    module, _, local = name.partition(":")
    return f'<{local} xmlns="{schema.namespace_of_module[module]}"/>'


async def _get(client: Client, schema: Schema, filter_: str) -> Node:
    data = await client.get(filter_)
    return read_inner(schema, schema.root, data)


async def _get_config(client: Client, schema: Schema) -> Node:
    return read_config(schema, await client.get_config("running"))


# ===== import, check: files =====


@click.command("import")
@connection
@click.option("--to", "target", type=click.Choice(["candidate", "xml"]), default="xml", show_default=True)
@click.option("--partial", is_flag=True, help="Take what can be taken.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def import_command(server: Connection, target: str, partial: bool, file: Path) -> None:
    """Read StarOS configuration text. Nothing is taken if a line is not, unless --partial."""
    schema = _schema()
    imported = import_text(schema, _read(file))
    _tell(file, imported)
    if imported.rejects and not partial:
        _end(1, ["nothing was imported; mend these lines, or use --partial"])
    config = _config(schema, imported.root)
    if target == "xml":
        click.echo(etree.tostring(etree.fromstring(config), pretty_print=True, encoding="unicode"), nl=False)
        return
    server.run(lambda client: client.edit_config(config))
    click.echo("the candidate holds the configuration; look at it, validate it and commit it")


def _tell(file: Path, imported: Imported) -> None:
    for note in imported.notes:
        click.echo(f"{file}:{note.line_number}: {note.text}", err=True)
    for reject in imported.rejects:
        click.echo(f"{file}:{reject.line_number}: not taken: {reject.line.strip()}: {reject.reason}", err=True)


@click.command("check")
@click.option("--yang-dir", "yang_dirs", type=click.Path(path_type=Path), multiple=True, help="More YANG modules.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def check_command(yang_dirs: tuple[Path, ...], file: Path) -> None:
    """Validate a configuration file (XML, a <config>) against the modules, without a server."""
    schema = _schema(yang_dirs)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = read_config(schema, etree.fromstring(_read(file).encode(), parser))
        validate(schema, root, None)
    except etree.XMLSyntaxError as fault:
        _end(2, [f"{file} is not XML: {fault}"])
    except (RpcErrors, RpcError) as faults:
        errors = faults.errors if isinstance(faults, RpcErrors) else (faults,)
        _end(1, [f"{file}: {error}" for error in errors])
    click.echo(f"{file}: valid")


# ===== actions =====


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


CONTEXTS = "urn:cryptomap:yang:cryptomap-context"
IPSEC = "urn:cryptomap:yang:cryptomap-ipsec"
TRACE = "urn:cryptomap:yang:cryptomap-trace"


def _action(context: str, inner: str) -> str:
    entry = _keyed("context", context, inner)
    return f'<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{CONTEXTS}">{entry}</contexts></action>'


def _keyed(tag: str, name: str, inner: str) -> str:
    return f"<{tag}><name>{_escaped(name)}</name>{inner}</{tag.partition(' ')[0]}>"


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


COMMANDS = (show_command, export_command, import_command, check_command, reapply_command, trace_command)
