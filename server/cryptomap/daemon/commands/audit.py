"""The commands that read the record of who did what. They need no server, and disturb none."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from cryptomap.audit import entries, verify
from cryptomap.audit.entry import Entry
from cryptomap.daemon.commands.connecting import end
from cryptomap.daemon.commands.storage import stored
from cryptomap.daemon.settings import Settings

__all__ = ["audit_command"]


@click.group("audit")
def audit_command() -> None:
    """The record of who did what: show it, or verify that nobody has altered it."""


@audit_command.command("show")
@stored
@click.option("--user", help="Only what this user did.")
@click.option("--kind", help="login, session, rpc, commit, server or maintenance.")
@click.option("--last", type=click.IntRange(min=1), default=100, show_default=True, help="At most so many entries.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
def show_command(settings: Settings, user: str | None, kind: str | None, last: int, as_json: bool) -> None:
    """The last entries of the record, oldest first."""
    faults: list[str] = []
    found = [
        entry
        for entry in entries(_directory(settings), faults)
        if user in (None, entry.deed.user) and kind in (None, entry.deed.kind)
    ]
    for entry in found[-last:]:
        click.echo(json.dumps(asdict(entry)) if as_json else _line(entry))
    if faults:
        end(1, ["this is not all, and perhaps not what was written:", *faults])


@audit_command.command("verify")
@stored
@click.option("--expect", metavar="NUMBER:CHAIN", help="An entry that must be there, as noted at an earlier time.")
def verify_command(settings: Settings, expect: str | None) -> None:
    """Whether the record is whole. Note what it prints elsewhere, and give it to --expect the next time."""
    expected = _expected(expect) if expect else None
    report = verify(_directory(settings), expected)
    if report.faults:
        end(1, report.faults)
    if report.first > 1:
        click.echo(f"entries before {report.first} were removed with their files", err=True)
    click.echo(f"{report.last}:{report.chain}")


def _directory(settings: Settings) -> Path:
    directory = settings.server.state_dir / "audit"
    if not directory.is_dir():
        end(2, [f"{directory}: there is no record"])
    return directory


def _expected(text: str) -> tuple[int, str]:
    number, colon, chain = text.partition(":")
    if not colon or not number.isdecimal():
        raise click.BadParameter(f"{text!r} is not NUMBER:CHAIN", param_hint="--expect")
    return int(number), chain


def _line(entry: Entry) -> str:
    deed = entry.deed
    where = f" from {deed.source}" if deed.source else ""
    session = f" session {deed.session}" if deed.session else ""
    commit = f" (commit {deed.commit} {deed.digest[:12]})" if deed.commit is not None else ""
    detail = f": {deed.detail}" if deed.detail else ""
    who = f"{deed.user or 'the server'}{where}{session}"
    return f"{entry.number} {entry.time} {who}: {deed.kind} {deed.operation} {deed.outcome}{detail}{commit}"
