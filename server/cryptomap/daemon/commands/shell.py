"""cli: the interactive shell."""

from __future__ import annotations

import click

from cryptomap.client import Client
from cryptomap.daemon.commands.connecting import Connection, cache_directory, connection, end

__all__ = ["cli_command"]


@click.command("cli")
@connection
def cli_command(server: Connection) -> None:
    """An interactive shell: completion, ? for help, candidate editing, plan, commit, history, StarOS show commands."""
    from cryptomap.shell import shell  # what the other commands do not need to load
    from cryptomap.shell.faults import Fault

    async def talk(client: Client) -> None:
        try:
            await shell.run(client, f"{server.user}@{server.host}", cache_directory())
        except Fault as fault:
            end(2, [str(fault)])

    server.run(talk)
