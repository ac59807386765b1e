"""plan: what a commit would do to which tunnel, before it does."""

from __future__ import annotations

import sys

import click

from cryptomap.client import operations
from cryptomap.daemon.commands.connecting import Connection, connection
from cryptomap.shell.render import plan_lines

__all__ = ["plan_command"]


@click.command("plan")
@connection
@click.option("--rollback", type=click.IntRange(0), metavar="ID", help="Of a rollback to that commit.")
def plan_command(server: Connection, rollback: int | None) -> None:
    """What committing the candidate would do: which tunnels flap, how many SAs drop, and what is warned of.

    The exit code is 1 if the commit would be refused."""
    plan = server.run(lambda client: operations.plan(client, rollback))
    click.echo("\n".join(plan_lines(plan)))
    sys.exit(0 if plan.accepted else 1)
