"""StarOS text: show and export from the server, import to it; and check, which needs none."""

from __future__ import annotations

from pathlib import Path

import click
from lxml import etree

from cryptomap.client import Client
from cryptomap.daemon.commands.connecting import Connection, connection, end, load_schema, schema_of
from cryptomap.data.path import text_of
from cryptomap.data.tree import Node
from cryptomap.data.validation import validate
from cryptomap.data.xml import read_config, read_inner, write
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.schema.nodes import Schema
from cryptomap.shell.load import load_staros, remarks
from cryptomap.shell.progress import on_terminal
from cryptomap.staros import Exported, Imported, export_text, import_text
from cryptomap.staros.show import ShowFault, filter_of, show

__all__ = ["check_command", "export_command", "import_command", "show_command"]

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as fault:
        end(2, [f"cannot read {file}: {fault}"])


def _config(schema: Schema, root: Node) -> bytes:
    return b'<config xmlns="%s">%s</config>' % (NC.encode(), b"".join(write(schema, root)))


# ===== show, export: from the server to StarOS text =====


@click.command("show", context_settings={"ignore_unknown_options": True})
@connection
@click.argument("words", nargs=-1, required=True)
def show_command(server: Connection, words: tuple[str, ...]) -> None:
    """Show what StarOS shows: crypto map [tag NAME], qos l2-mapping-table name NAME, configuration ..."""
    schema = load_schema()
    try:
        wanted = filter_of(words)
        root = server.run(lambda client: _get(client, schema, wanted))
        click.echo(show(schema, root, words), nl=False)
    except ShowFault as fault:
        end(2, [str(fault)])


@click.command("export")
@connection
def export_command(server: Connection) -> None:
    """The running configuration as StarOS text; what that cannot say is listed on standard error."""
    exported = server.run(_exported)
    click.echo(exported.text, nl=False)
    for path in exported.unsaid:
        click.echo(f"not said in StarOS text: {text_of(path)}", err=True)


async def _get(client: Client, schema: Schema, filter_: str) -> Node:
    data = await client.get(filter_)
    return read_inner(schema, schema.root, data)


async def _exported(client: Client) -> Exported:
    schema = await schema_of(client)
    return export_text(schema, read_config(schema, await client.get_config("running")))


# ===== import, check: files =====


@click.command("import")
@connection
@click.option("--to", "target", type=click.Choice(["candidate", "xml"]), default="xml", show_default=True)
@click.option("--partial", is_flag=True, help="Take what can be taken.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def import_command(server: Connection, target: str, partial: bool, file: Path) -> None:
    """Read StarOS configuration text. Nothing is taken if a line is not, unless --partial."""
    text = _read(file)
    if target == "candidate":
        imported = server.run(lambda client: _loaded(client, text, partial))
    else:
        schema = load_schema()
        imported = import_text(schema, text)
    for line in remarks(str(file), imported):
        click.echo(line, err=True)
    if imported.rejects and not partial:
        end(1, ["nothing was imported; mend these lines, or use --partial"])
    if target == "candidate":
        click.echo("the candidate holds the configuration: see it with plan, then commit it")
        return
    config = etree.fromstring(_config(schema, imported.root))
    click.echo(etree.tostring(config, pretty_print=True, encoding="unicode"), nl=False)


async def _loaded(client: Client, text: str, partial: bool) -> Imported:
    loaded = await load_staros(client, await schema_of(client), text, on_terminal(), partial=partial)
    return loaded.imported


@click.command("check")
@click.option("--yang-dir", "yang_dirs", type=click.Path(path_type=Path), multiple=True, help="More YANG modules.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def check_command(yang_dirs: tuple[Path, ...], file: Path) -> None:
    """Validate a configuration file (XML, a <config>, or StarOS text) against the modules, without a server."""
    schema, text = load_schema(yang_dirs), _read(file)
    try:
        root = _root_of(schema, text) if text.lstrip().startswith("<") else _root_of_staros(schema, file, text)
        validate(schema, root, None)
    except etree.XMLSyntaxError as fault:
        end(2, [f"{file} is not XML: {fault}"])
    except (RpcErrors, RpcError) as faults:
        errors = faults.errors if isinstance(faults, RpcErrors) else (faults,)
        end(1, [f"{file}: {error}" for error in errors])
    click.echo(f"{file}: valid")


def _root_of(schema: Schema, text: str) -> Node:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return read_config(schema, etree.fromstring(text.encode(), parser))


def _root_of_staros(schema: Schema, file: Path, text: str) -> Node:
    imported = import_text(schema, text)
    said = list(remarks(str(file), imported))
    if imported.rejects:
        end(1, said)
    for line in said:
        click.echo(line, err=True)
    return imported.root
