"""history and rollback: who committed what, what differs, and the way back."""

from __future__ import annotations

import click

from cryptomap.client import Client, operations
from cryptomap.daemon.commands.connecting import Connection, connection, end
from cryptomap.shell.render import FORMS, commit_lines, difference_text, plan_lines

__all__ = ["history_command", "rollback_command"]


class CommitId(click.ParamType[int | None]):
    """The number of a commit; ``None`` for the word running."""

    name = "commit"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        text = str(value)
        if text == "running":
            return None
        if not text.isdecimal():
            self.fail(f"'{text}' is neither the number of a commit nor 'running'", param, ctx)
        return int(text)


@click.command("history")
@connection
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to list.")
@click.option("--before", type=click.IntRange(1), help="Only commits below that number.")
@click.option("--as", "form", type=click.Choice(FORMS), default="tree", show_default=True, help="How to tell changes.")
@click.argument("commits", nargs=-1, type=CommitId(), metavar="[ID [ID|running]]")
def history_command(
    server: Connection, limit: int, before: int | None, form: str, commits: tuple[int | None, ...]
) -> None:
    """List the commits: who, when, how much, and why. With one number: what that commit changed; with two: what
    differs between the configurations after them."""
    if not commits:
        listed = server.run(lambda client: operations.commits(client, limit, before))
        click.echo("\n".join(commit_lines(listed)))
        return
    click.echo(server.run(lambda client: _difference(client, form, commits)), nl=False)


async def _difference(client: Client, form: str, commits: tuple[int | None, ...]) -> str:
    first, *others = commits
    if first is None or len(others) > 1:
        raise click.UsageError("give the number of one commit, or of two; the second may be 'running'")
    old, new = (first, others[0]) if others else (first - 1, first)
    return difference_text(await operations.compare_commits(client, old, new, staros=form == "staros"), form)


@click.command("rollback")
@connection
@click.option("--message", default="", help="A remark that the history keeps.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("commit", type=click.IntRange(0))
def rollback_command(server: Connection, message: str, yes: bool, commit: int) -> None:
    """Make the configuration as it was after a commit running again. Shows the plan first, and asks."""
    made = server.run(lambda client: _rollback(client, commit, message, yes))
    click.echo(f"done, as commit {made}" if made else "nothing was to be done")


async def _rollback(client: Client, commit: int, message: str, yes: bool) -> int | None:
    plan = await operations.plan(client, commit)
    click.echo("\n".join(plan_lines(plan)))
    if not plan.accepted:
        end(1, [f"a rollback to commit {commit} would be refused"])
    if not plan.tree:
        return None
    if not yes and not click.confirm("Go back?"):
        end(1, ["nothing was done"])
    return await operations.rollback_to(client, commit, message)
