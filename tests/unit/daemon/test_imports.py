"""What a start imports, and what it leaves to those who ask for it."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from cryptomap.daemon import daemon
from cryptomap.daemon.cli import main
from cryptomap.daemon.commands import COMMANDS, load_command

LATER = (
    "cryptomap.client",
    "cryptomap.shell",
    "cryptomap.staros",
    "cryptomap.restconf",
    "pyang",
    "starlette",
    "uvicorn",
)


def test_a_server_starts_without_clients_compiler_and_web() -> None:
    program = (
        f"import sys, cryptomap.daemon.cli, cryptomap.daemon.daemon; print(*[m for m in {LATER} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_nothing_is_collected_while_a_server_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []
    monkeypatch.setattr(daemon, "run", lambda settings: seen.append(gc.isenabled()))
    with pytest.raises(SystemExit):
        main(["serve", "--state-dir", str(tmp_path)])
    assert seen == [False]
    assert gc.isenabled()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_found_where_the_table_says(name: str) -> None:
    assert load_command(name).name == name


def test_help_lists_all_commands() -> None:
    with main.make_context("cryptomapd", ["serve"], resilient_parsing=True) as context:
        assert set(main.list_commands(context)) == {*COMMANDS, "serve", "subsystem"}
