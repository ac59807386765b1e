"""The command line: what it makes of its options; wrong usage is one line on standard error and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cryptomap.daemon import daemon
from cryptomap.daemon.cli import main
from cryptomap.daemon.settings import Settings, User


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of each server that was asked for; none is started."""
    asked: list[Settings] = []
    monkeypatch.setattr(daemon, "run", asked.append)
    return asked


def cryptomapd(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="cryptomapd")


def test_every_option(served: list[Settings], tmp_path: Path) -> None:
    config = tmp_path / "cryptomapd.toml"
    config.write_text("[server]\nlisten = '[::1]:1'\n[backend]\nname = 'other'\n[users.alice]\nkeys = ['k']\n")
    options = ["--config", config, "--listen", "127.0.0.1:0", "--state-dir", "/s", "--backend", "simulator"]
    options += ["--yang-dir", "/y1", "--yang-dir", "/y2", "--authorized-keys", "root=/k", "--startup", "/x.xml"]
    result = cryptomapd("serve", *options)
    assert (result.exit_code, result.output) == (0, "")
    [settings] = served
    assert settings.server.listen == "127.0.0.1:0"
    assert settings.server.state_dir == Path("/s")
    assert settings.server.yang_dirs == (Path("/y1"), Path("/y2"))
    assert settings.backend.name == "simulator"
    assert settings.startup == Path("/x.xml")
    assert settings.users["root"] == User(authorized_keys=Path("/k"), recovery=True)
    assert not settings.users["alice"].recovery


def test_the_file_counts_where_no_option_is_given(served: list[Settings], tmp_path: Path) -> None:
    config = tmp_path / "cryptomapd.toml"
    config.write_text("[server]\nlisten = '[::1]:1'\nyang-dirs = ['/y']\n")
    assert cryptomapd("serve", "--config", config).exit_code == 0
    [settings] = served
    assert settings.server.listen == "[::1]:1"
    assert settings.server.yang_dirs == (Path("/y"),)
    assert settings.users == {}  # nobody is there by default


USAGE = [
    (["serve", "--bogus"], "cryptomapd serve: No such option '--bogus'"),
    (["serve", "extra"], "unexpected extra argument (extra)"),
    (["serve", "--listen"], "Option '--listen' requires an argument"),
    (["serve", "--listen", "830"], "'--listen': listen address '830' is not ADDR:PORT"),
    (["serve", "--listen", "::1:x"], "'--listen': listen address '::1:x' is not ADDR:PORT"),
    (["serve", "--authorized-keys", "alice"], "'--authorized-keys': 'alice' is not USER=FILE"),
    (["serve", "--authorized-keys", "=file"], "'--authorized-keys': '=file' is not USER=FILE"),
    (["serve", "--authorized-keys", "alice="], "'--authorized-keys': 'alice=' is not USER=FILE"),
    (["serve", "--config", "/nope.toml"], "cannot read settings file /nope.toml: No such file or directory"),
    (["nope"], "cryptomapd: No such command 'nope'"),
]


@pytest.mark.parametrize(("arguments", "said"), USAGE, ids=[" ".join(arguments) for arguments, _ in USAGE])
def test_wrong_usage_is_one_line(served: list[Settings], arguments: list[str], said: str) -> None:
    result = cryptomapd(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    assert line.startswith("cryptomapd")
    assert said in line
    assert served == []


def test_help_and_version() -> None:
    result = cryptomapd("serve", "--help")
    assert result.exit_code == 0
    for option in ("config", "listen", "state-dir", "backend", "yang-dir", "authorized-keys", "startup"):
        assert f"--{option}" in result.stdout
    result = cryptomapd("--version")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("cryptomapd, version ")


def test_no_command_shows_the_help() -> None:
    result = cryptomapd()
    assert result.exit_code == 2
    assert "Usage: cryptomapd" in result.stderr
    assert "serve" in result.stderr
