"""How a command finds its server: the options all client commands share, and how they end when it says no."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from cryptomap.client import Client, ClientError, connect
from cryptomap.daemon.settings import SettingsFault, parse_listen
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.schema import modules
from cryptomap.schema.cache import load_cached
from cryptomap.schema.faults import SchemaFault
from cryptomap.schema.nodes import Schema
from cryptomap.shell.faults import Fault
from cryptomap.shell.library import server_schema
from cryptomap.shell.progress import on_terminal

__all__ = ["Connection", "cache_directory", "connection", "end", "load_schema", "schema_of"]

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
            end(2, [str(fault)])
        except RpcErrors as faults:
            end(1, [str(fault) for fault in faults.errors])
        except RpcError as fault:
            end(1, [str(fault)])


def end(code: int, lines: list[str]) -> NoReturn:
    """Leave the program, with a line on standard error for each fault."""
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
        click.option(
            "--known-hosts",
            type=path,
            envvar="CRYPTOMAP_KNOWN_HOSTS",
            help="Host keys to trust (default: your own known_hosts).",
        ),
        click.option(
            "--identity", type=path, envvar="CRYPTOMAP_IDENTITY", help="Private key (default: your agent and own keys)."
        ),
        click.option(
            "--user", envvar=["CRYPTOMAP_USER", "USER"], show_envvar=True, default="admin", help="User at the server."
        ),
        click.option(
            "--connect",
            metavar="ADDR:PORT",
            envvar="CRYPTOMAP_CONNECT",
            show_envvar=True,
            default="127.0.0.1:830",
            show_default=True,
            help="The server.",
        ),
    ):
        run = option(run)
    return run


def load_schema(yang_dirs: tuple[Path, ...] = ()) -> Schema:
    """The schema of this installation, and of the modules in ``yang_dirs``."""
    try:
        return load_cached(cache_directory(), modules.default_module_names(), yang_dirs)
    except SchemaFault as fault:
        end(2, [str(fault)])


async def schema_of(client: Client) -> Schema:
    """The schema of the server, which may have other modules than this installation. Raises ClientError."""
    try:
        return await server_schema(client, cache_directory(), on_terminal())
    except (Fault, SchemaFault) as fault:
        raise ClientError(str(fault)) from fault


def cache_directory() -> Path:
    """Where commands keep compiled schemas."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cryptomap"
