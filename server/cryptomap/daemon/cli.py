"""The command line. Faults of the operator's input are one line on standard error and exit code 2."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import click

from cryptomap.daemon import settings as files
from cryptomap.daemon.commands import COMMANDS, load_command
from cryptomap.daemon.settings import Settings, SettingsFault, User
from cryptomap.transport.subsystem import DEFAULT_SOCKET, SubsystemFault, pass_through

__all__ = ["main"]


class Commands(click.Group):
    """A group that loads a command when it is asked for, and answers wrong usage with one line, as all other faults are
    answered."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *COMMANDS})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load_command(cmd_name) if cmd_name in COMMANDS else super().get_command(ctx, cmd_name)

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.UsageError as fault:
            click.echo(_line(fault), err=True)
            sys.exit(2)
        except click.Abort:
            sys.exit(130)  # as a shell has it for SIGINT
        sys.exit(code or 0)


def _line(fault: click.UsageError) -> str:
    if isinstance(fault, click.exceptions.NoArgsIsHelpError):
        return fault.format_message()
    return f"{fault.ctx.command_path if fault.ctx else 'cryptomapd'}: {fault.format_message()}"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cryptomap", prog_name="cryptomapd")
def main() -> None:
    """cryptomapd: a NETCONF/YANG server for IPsec gateways."""


def _listen(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    if text is not None:
        try:
            files.parse_listen(text)
        except SettingsFault as fault:
            raise click.BadParameter(str(fault)) from None
    return text


def _users(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[str, Path]:
    users = {}
    for text in texts:
        user, equals, path = text.partition("=")
        if not equals or not user or not path:
            raise click.BadParameter(f"{text!r} is not USER=FILE")
        users[user] = Path(path)
    return users


@main.command()
@click.option("--config", type=click.Path(path_type=Path), help=f"Settings file (default {files.DEFAULT_FILE}).")
@click.option("--listen", metavar="ADDR:PORT", callback=_listen, help="Where to listen; port 0 picks one.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Journal, checkpoints, keys.")
@click.option("--backend", metavar="NAME", help="What programs IPsec: simulator, or an installed backend.")
@click.option("--yang-dir", "yang_dirs", type=click.Path(path_type=Path), multiple=True, help="More YANG modules.")
@click.option(
    "--authorized-keys",
    metavar="USER=FILE",
    multiple=True,
    callback=_users,
    help="A recovery user and its public keys in OpenSSH's format; access control does not bind it.",
)
@click.option("--startup", type=click.Path(path_type=Path), help="First configuration of an empty state directory.")
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
def serve(
    config: Path | None,
    listen: str | None,
    state_dir: Path | None,
    backend: str | None,
    yang_dirs: tuple[Path, ...],
    authorized_keys: dict[str, Path],
    startup: Path | None,
    verbose: bool,
) -> None:
    """Serve NETCONF over SSH until SIGTERM or SIGINT."""
    gc.disable()  # what a start makes is no garbage; the daemon turns it on when it is ready
    from cryptomap.daemon import daemon

    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for noisy in ("asyncssh", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        settings = files.load(config)
        settings = _with_options(settings, listen, state_dir, backend, yang_dirs, authorized_keys, startup)
        daemon.run(settings)
    except (SettingsFault, daemon.StartFault) as fault:
        click.echo(f"cryptomapd: {fault}", err=True)
        sys.exit(2)
    finally:
        gc.enable()


def _with_options(
    settings: Settings,
    listen: str | None,
    state_dir: Path | None,
    backend: str | None,
    yang_dirs: tuple[Path, ...],
    authorized_keys: dict[str, Path],
    startup: Path | None,
) -> Settings:
    """The command line wins over the file; its users come on top, as recovery users."""
    server = settings.server
    server = replace(
        server,
        listen=listen or server.listen,
        state_dir=state_dir or server.state_dir,
        yang_dirs=(*server.yang_dirs, *yang_dirs),
    )
    users = {
        name: replace(settings.users.get(name, User()), authorized_keys=path, recovery=True)
        for name, path in authorized_keys.items()
    }
    chosen = replace(settings.backend, name=backend or settings.backend.name)
    return replace(settings, server=server, backend=chosen, users={**settings.users, **users}, startup=startup)


@main.command()
@click.option(
    "--socket",
    "path",
    type=click.Path(path_type=Path),
    default=DEFAULT_SOCKET,
    show_default=True,
    help="The server's subsystem-socket.",
)
def subsystem(path: Path) -> None:
    """A session of the running server on standard input and output: the NETCONF subsystem of OpenSSH's sshd."""
    try:
        asyncio.run(pass_through(path))
    except SubsystemFault as fault:
        click.echo(f"cryptomapd: {fault}", err=True)
        sys.exit(1)
