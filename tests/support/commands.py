"""The client commands of ``cryptomapd``, as an operator types them: in this process, against a server of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from cryptomap.daemon.cli import main
from support.server import SAMPLES, Daemon

__all__ = ["Done", "environment", "run", "seeded"]


def seeded(directory: Path, schema_cache: Path) -> Daemon:
    """A started server with the seed's sample as its first configuration, and its host key in ``known_hosts``."""
    options = ["--startup", str(SAMPLES / "seed.xml")]
    daemon = Daemon(directory, options=options, schema_cache=schema_cache).start()
    (directory / "cache").mkdir()
    (directory / "cache" / "cryptomap").symlink_to(schema_cache)  # what commands compile, servers have compiled
    host_key = (daemon.state / "ssh_host_ed25519_key.pub").read_text()
    (daemon.directory / "known_hosts").write_text(f"[{daemon.host}]:{daemon.port} {host_key}")
    return daemon


def environment(server: Daemon, known_hosts: str = "known_hosts") -> dict[str, str]:
    """What tells a command which server to ask, and as whom."""
    return {
        "CRYPTOMAP_CONNECT": f"{server.host}:{server.port}",
        "CRYPTOMAP_USER": server.user,
        "CRYPTOMAP_IDENTITY": str(server.key),
        "CRYPTOMAP_KNOWN_HOSTS": str(server.directory / known_hosts),
        "XDG_CACHE_HOME": str(server.directory / "cache"),
    }


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(server: Daemon, *words: str, known_hosts: str = "known_hosts", answer: str = "") -> Done:
    """A command with its arguments; ``answer`` is what is typed when it asks."""
    result = CliRunner(env=environment(server, known_hosts)).invoke(main, list(words), input=answer)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)
