"""What cryptomapd does not start with: one line on standard error that names the culprit, exit code 2."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from support.server import SAMPLES, Daemon, make_key
from support.state import NS


def broken_module(tmp_path: Path) -> list[str]:
    (tmp_path / "yang").mkdir()
    (tmp_path / "yang/broken.yang").write_text('module broken { namespace "urn:b"; prefix b; leaf x { type nosuch; } }')
    return ["--yang-dir", str(tmp_path / "yang")]


def file_with(name: str, content: str | bytes, option: str) -> Callable[[Path], list[str]]:
    def options(tmp_path: Path) -> list[str]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return [*option.split(), f"alice={path}" if option == "--authorized-keys" else str(path)]

    return options


REFUSED_START: list[tuple[str, Callable[[Path], list[str]], str]] = [
    ("bad option", lambda _: ["--bogus"], "No such option '--bogus'"),
    ("bad address", lambda _: ["--listen", "830"], "'830' is not ADDR:PORT"),
    ("unknown host", lambda _: ["--listen", "host.invalid:0"], "cannot listen on host.invalid:0: "),
    ("foreign address", lambda _: ["--listen", "192.0.2.1:0"], "cannot listen on 192.0.2.1:0: Cannot assign requested"),
    ("missing settings", lambda _: ["--config", "/nope.toml"], "cannot read settings file /nope.toml"),
    ("bad settings", file_with("b.toml", "x = [", "--config"), "b.toml is not TOML"),
    ("unknown setting", file_with("b.toml", "[server]\nlistne = 1", "--config"), "'listne'; did you mean 'listen'?"),
    ("bad hash", file_with("b.toml", '[users.bob]\npassword-hash = "x"', "--config"), "user bob: not a password hash"),
    (
        "backend setting",
        file_with("b.toml", "[backend.simulator]\nx = 1", "--config"),
        "backend simulator: unknown simulator setting x",
    ),
    ("unknown backend", lambda _: ["--backend", "nosuch"], "no backend 'nosuch'; there are: "),
    ("missing yang dir", lambda _: ["--yang-dir", "/nope"], "/nope is not a directory"),
    ("broken module", broken_module, 'broken.yang, line 1: type "nosuch" not found'),
    ("missing keys", lambda _: ["--authorized-keys", "alice=/nope"], "cannot read /nope, the keys of user alice"),
    (
        "bad keys",
        file_with("k", "rubbish", "--authorized-keys"),
        "k: user alice: authorized key 1 is no OpenSSH public",
    ),
    ("missing startup", lambda _: ["--startup", "/nope.xml"], "startup configuration /nope.xml: No such file"),
    ("malformed startup", file_with("s.xml", "<config", "--startup"), "s.xml is not XML"),
    ("startup of something", file_with("s.xml", "<html/>", "--startup"), "s.xml must have the root <config"),
    (
        "refused startup",
        file_with("s.xml", f'<config xmlns="{NS["nc"]}"><x xmlns="urn:x"/></config>', "--startup"),
        "s.xml is refused: unknown-namespace: namespace 'urn:x'",
    ),
    ("state dir is a file", lambda path: ["--state-dir", str(path / "key.pub")], "key.pub: File exists"),
]


@pytest.mark.parametrize(
    ("options", "said"),
    [(options, said) for _, options, said in REFUSED_START],
    ids=[name for name, *_ in REFUSED_START],
)
def test_what_it_refuses_to_start_with(
    daemon: Daemon, tmp_path: Path, options: Callable[[Path], list[str]], said: str
) -> None:
    make_key(daemon.key)
    daemon.options = options(tmp_path)
    done = daemon.refused()
    assert done.returncode == 2
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if line.startswith("cryptomapd")]
    assert len(lines) == 1, done.stderr
    assert said in lines[0]
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == lines[0]


def test_a_taken_port(daemon: Daemon) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon.options = ["--listen", address]
        done = daemon.refused()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1] == f"cryptomapd: cannot listen on {address}: Address already in use"


def test_one_server_to_a_state_directory(daemon: Daemon) -> None:
    daemon.start()
    done = daemon.refused()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"cryptomapd: state directory {daemon.state}: in use by another process\n"


def test_a_refused_start_leaves_nothing_behind_that_hinders_the_next(daemon: Daemon, tmp_path: Path) -> None:
    daemon.options = file_with("s.xml", f'<config xmlns="{NS["nc"]}"><x xmlns="urn:x"/></config>', "--startup")(
        tmp_path
    )
    assert daemon.refused().returncode == 2
    daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    daemon.start()
    with daemon.connect() as client:
        assert "foo0" in client.get_config("running").data_xml
