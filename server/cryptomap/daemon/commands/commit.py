"""commit, confirm, cancel and discard: what becomes of the candidate."""

from __future__ import annotations

from secrets import token_hex

import click

from cryptomap.client import operations
from cryptomap.daemon.commands.connecting import Connection, connection

__all__ = ["cancel_command", "commit_command", "confirm_command", "discard_command"]

token = click.option("--persist-id", metavar="TOKEN", help="The token of the confirmed commit that waits.")


@click.command("commit")
@connection
@click.option("--message", default="", help="A remark that the history keeps.")
@click.option(
    "--confirmed", type=click.IntRange(1), metavar="SECONDS", help="Go back after that time unless confirmed."
)
@click.option("--persist", metavar="TOKEN", help="Who has it can confirm from any session (default: a random one).")
@token
def commit_command(
    server: Connection, message: str, confirmed: int | None, persist: str | None, persist_id: str | None
) -> None:
    """Make the candidate running, for good or until it is confirmed in time."""
    if confirmed is None and persist is not None:
        raise click.UsageError("--persist belongs to --confirmed")
    chosen = None if confirmed is None else persist or persist_id or token_hex(8)  # this session ends at once
    server.run(
        lambda client: operations.commit(
            client, message=message, confirmed=confirmed, persist=chosen, persist_id=persist_id
        )
    )
    if confirmed is None:
        click.echo("committed")
        return
    click.echo(f"committed for {confirmed} s; to keep it: cryptomapd confirm --persist-id {chosen}")


@click.command("confirm")
@connection
@token
def confirm_command(server: Connection, persist_id: str | None) -> None:
    """Keep what a confirmed commit has made running."""
    server.run(lambda client: operations.commit(client, persist_id=persist_id))
    click.echo("confirmed")


@click.command("cancel")
@connection
@token
def cancel_command(server: Connection, persist_id: str | None) -> None:
    """Go back to before the confirmed commit that waits."""
    server.run(lambda client: operations.cancel_commit(client, persist_id))
    click.echo("cancelled: running is what it was before")


@click.command("discard")
@connection
def discard_command(server: Connection) -> None:
    """Make the candidate what running is."""
    server.run(lambda client: client.discard_changes())
    click.echo("the candidate is what running is")
