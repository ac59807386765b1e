"""The commands that work on a state directory: backup, restore, rotate-key. Only backup may be used beside a server."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import click

from cryptomap.audit import AuditFault, Deed
from cryptomap.daemon import settings as files
from cryptomap.daemon.audited import maintenance
from cryptomap.daemon.commands.connecting import end
from cryptomap.daemon.schema import load_schema
from cryptomap.daemon.settings import Settings, SettingsFault
from cryptomap.datastore.backup import back_up, restore
from cryptomap.datastore.rotation import rotate
from cryptomap.datastore.statedir import StateDirectory, StateFault, keep_owner
from cryptomap.schema.faults import SchemaFault

__all__ = ["backup_command", "restore_command", "rotate_key_command", "stored"]


def stored(command: Callable[..., None]) -> Callable[..., None]:
    """The options that tell which state directory; they arrive as ``settings``. A fault ends the program."""

    @wraps(command)
    def run(config: Path | None, state_dir: Path | None, **given: Any) -> None:
        with _faults():
            command(settings=files.load(config).with_state_dir(state_dir), **given)

    path = click.Path(path_type=Path)
    for option in (
        click.option("--state-dir", type=path, help="The state directory (default: that of the settings)."),
        click.option("--config", type=path, help=f"Settings file (default {files.DEFAULT_FILE})."),
    ):
        run = option(run)
    return run


@contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except (SettingsFault, StateFault, SchemaFault, AuditFault) as fault:
        end(2, [str(fault)])
    except OSError as fault:
        end(2, [f"{fault.filename or 'state directory'}: {fault.strerror}"])
    except sqlite3.Error as fault:
        end(2, [f"journal: {fault}"])


@contextmanager
def _opened(settings: Settings) -> Iterator[StateDirectory]:
    """The state directory for ourselves. Root leaves it as its owner would."""
    state = StateDirectory(settings.server.state_dir)
    try:
        yield state
    finally:
        state.close()
        keep_owner(state.path)


@click.command("backup")
@stored
@click.option("--with-keys", is_flag=True, help="The master key and the host key too: keep the file as safe as them.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup_command(settings: Settings, with_keys: bool, file: Path) -> None:
    """Copy what the server has stored to one FILE; it may go on serving meanwhile."""
    manifest = back_up(settings.server.state_dir, file, keys=with_keys)
    click.echo(f"{file}: the configuration after commit {manifest.head}, and all commits before it")
    if not manifest.has_keys:
        click.echo("the keys are not in it: keep a copy of secrets.key elsewhere, or use --with-keys", err=True)


@click.command("restore")
@stored
@click.option("--key-file", type=click.Path(path_type=Path, dir_okay=False), help="The secrets.key of the backup.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore_command(settings: Settings, key_file: Path | None, file: Path) -> None:
    """Put a backup in the place of what is stored. The server must not run; it starts with the backup next time."""
    with _opened(settings) as state, maintenance(state, "restore") as deeds:
        manifest, aside = restore(file, state, key_file)
        detail = f"{file}, of {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(manifest.time))}"
        deeds.append(Deed("maintenance", "restore", detail=detail, commit=manifest.head, digest=manifest.digest))
    click.echo(f"{state.path}: the configuration after commit {manifest.head} is restored")
    click.echo(f"what was there before is in {aside}")


@click.command("rotate-key")
@stored
def rotate_key_command(settings: Settings) -> None:
    """Make a new master key and seal all stored secrets with it. The server must not run; tunnels stay as they are."""
    with _opened(settings) as state:
        if state.is_new:
            raise StateFault(f"state directory {state.path}: there is no journal")
        with maintenance(state, "rotate-key") as deeds:
            rotated = rotate(state, load_schema(settings, state))
            detail = f"the chain of the journal ended with {rotated.before} before"
            deeds.append(Deed("maintenance", "rotate-key", detail=detail, commit=rotated.head, digest=rotated.after))
    click.echo(f"{rotated.secrets} sealed values in {rotated.commits} commits are sealed with the new master key")
    if rotated.left:
        click.echo(f"{rotated.left} belong to modules that are gone: the old key stays in {state.key_file}", err=True)
    else:
        click.echo("the old key is forgotten; backups made before need it")
