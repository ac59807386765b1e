"""The interactive shell on a pipe for a terminal, against a live server."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pexpect
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from cryptomap.client import Client, connect
from cryptomap.shell import shell
from cryptomap.shell.commands import Mode
from cryptomap.shell.completer import ShellCompleter
from cryptomap.shell.library import server_schema
from cryptomap.shell.progress import Silent
from cryptomap.shell.session import Session
from support.commands import environment, seeded
from support.server import PATIENCE, Daemon


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Daemon]:
    daemon = seeded(tmp_path_factory.mktemp("shell"), schema_cache)
    yield daemon
    daemon.stop()


@asynccontextmanager
async def client_of(server: Daemon) -> AsyncIterator[Client]:
    known_hosts = server.directory / "known_hosts"
    async with connect(
        server.host, server.port, user=server.user, identity=server.key, known_hosts=known_hosts
    ) as client:
        yield client


@pytest.fixture
def cache(schema_cache: Path) -> Path:
    return schema_cache


async def typed(server: Daemon, cache: Path, capsys: pytest.CaptureFixture[str], *lines: str) -> str:
    """What the shell prints while these lines are typed, and quit after them."""
    capsys.readouterr()
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text("".join([f"{line}\r" for line in (*lines, "quit")]))
        async with client_of(server) as client:
            await shell.run(client, "admin@gw", cache)
    return capsys.readouterr().out


async def test_the_candidate_is_edited_compared_and_discarded(
    server: Daemon, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = await typed(
        server,
        cache,
        capsys,
        "configure",
        "edit contexts context ipsec-d",
        "set ipsec-transform-set A-foo dscp 0x2e",
        "show ipsec-transform-set A-foo",
        "up",
        "top",
        "show | compare",
        "validate",
        "delete contexts context ipsec-d ipsec-transform-set A-foo dscp",
        "compare",
        "discard",
        "compare",
    )
    assert out == (
        "dscp 46\n"
        "  contexts\n    context ipsec-d\n      ipsec-transform-set A-foo\n-       dscp 40\n+       dscp 46\n"
        "the candidate is valid\n"
        "  contexts\n    context ipsec-d\n      ipsec-transform-set A-foo\n-       dscp 40\n"
    )


async def test_plan_commit_history_and_rollback(
    server: Daemon, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = await typed(
        server,
        cache,
        capsys,
        "configure exclusive",
        "set contexts context ipsec-d crypto-map foo0 peer 209.165.201.9",
        "plan",
        'commit message "another peer"',
        "exit",
        "history limit 1",
        "history 1 running as staros",
        "rollback 1",
        "n",
        "rollback 1 message back",
        "y",
    )
    assert "tunnels: 1 torn down and negotiated anew; 1 established SA drops" in out
    assert "committed\n" in out
    assert "another peer" in out
    assert "@@ context ipsec-d / crypto map foo0 ikev2-ipv4 @@" in out
    assert "nothing was done\n" in out
    assert "done, as commit " in out


async def test_a_confirmed_commit_is_confirmed_or_goes_with_the_session(
    server: Daemon, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change = "set contexts context ipsec-d ipsec-transform-set A-foo dscp 10"
    out = await typed(server, cache, capsys, "configure", change, "commit confirmed 600", "cancel")
    assert out == ("committed for 600 s: confirm it, or it goes back\ncancelled: running is what it was before\n")
    await typed(server, cache, capsys, "configure", "discard", change, "commit confirmed 600")
    out = await typed(
        server, cache, capsys, "configure", "show contexts context ipsec-d ipsec-transform-set A-foo dscp"
    )
    assert out == "40\n"
    out = await typed(server, cache, capsys, "configure", change, "commit confirmed 600", "confirm", "rollback 1", "y")
    assert "confirmed\n" in out


async def test_staros_shows_trace_and_reapply(server: Daemon, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = await typed(
        server,
        cache,
        capsys,
        "show crypto map tag foo0",
        "show qos l2-mapping-table name l2Marktable",
        "show configuration",
        "trace-packet ipsec-d 209.165.200.225 209.165.200.245 destination-port 6002",
        "reapply ipsec-d saegw-l1l-loopback-ipv4 foo0",
        "configure",
        "do show crypto ipsec security-associations",
    )
    for part in (
        "Map Name: foo0\n",
        "Table: l2Marktable\n",
        "  context ipsec-d\n",
        "outer-dscp            the application sets none, so that the SA's DSCP 0x28 counts\n",
        "foo0 on saegw-l1l-loopback-ipv4: unchanged\n",
        "Total IPSec SAs: 2\n",
    ):
        assert part in out
    assert "foo0key" not in out


async def test_staros_text_is_loaded_into_the_candidate(
    server: Daemon, cache: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    text = tmp_path / "more.cfg"
    text.write_text(
        "context ipsec-d\n  ipsec transform-set B\n  #exit\n  interface saegw-l1l-loopback-ipv4 loopback\n"
        "    no crypto-map foo1\n  #exit\n#exit\n"
    )
    bad = tmp_path / "bad.cfg"
    bad.write_text("context ipsec-d\n  teleport\n")
    out = await typed(
        server, cache, capsys, "configure", f"load staros {bad}", f"load staros {text}", "plan", "discard"
    )
    assert f"{bad}:2: not taken: teleport:" in out
    assert "nothing was loaded; mend these lines, or add: partial\n" in out
    assert "loaded: 2 changes in the candidate\n" in out
    assert "tunnels: 1 torn down; 1 established SA drops" in out


async def test_faults_are_told_and_the_shell_goes_on(
    server: Daemon, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = await typed(
        server,
        cache,
        capsys,
        "teleport",
        "configure",
        "delete contexts context nowhere",
        "set contexts context ipsec-d crypto-map foo0 match-address nothing",
        "commit",
        "discard",
        "load staros /nonexistent",
        "show contexts context ipsec-d crypto-map foo0 peer",
    )
    assert out.startswith("there is no command 'teleport'\n")
    assert "data-missing" in out
    assert "nothing" in out
    assert "cannot read /nonexistent" in out
    assert out.endswith("209.165.201.1\n")


async def test_a_question_mark_tells_what_can_follow(
    server: Daemon, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest is typed when the help has been printed."""
    printed: list[str] = []
    erase_line = "\x15"
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):

        def write(text: str) -> None:
            printed.append(text)
            pipe.send_text(f"{erase_line}quit\r")

        monkeypatch.setattr(shell, "_write", write)
        pipe.send_text("configure\rset contexts context ipsec-d crypto-map f?")
        async with client_of(server) as client:
            await shell.run(client, "admin@gw", cache)
    [text] = printed
    assert [line.split()[0] for line in text.splitlines()] == ["foo0", "foo1", "<text"]


async def test_completion_knows_the_schema_and_what_the_server_has(server: Daemon, cache: Path) -> None:
    async with client_of(server) as client:
        session = Session(client, await server_schema(client, cache, Silent()), print, _never, mode=Mode.EDIT)
        completer = ShellCompleter(session)

        async def completed(text: str) -> list[tuple[str, str]]:
            event = CompleteEvent(completion_requested=True)
            found = completer.get_completions_async(Document(text), event)
            return [(one.text, one.display_meta_text) async for one in found]

        assert [text for text, _ in await completed("set contexts context ipsec-d crypto-map ")] == ["foo0", "foo1"]
        assert [text for text, _ in await completed("set contexts context ipsec-d")] == ["ipsec-d"]
        assert [
            text for text, _ in await completed("set contexts context ipsec-d crypto-map foo0 match-address f")
        ] == [
            "foo0",
            "foo1",
        ]
        [(text, meta)] = await completed("set contexts context ipsec-d ipsec-transform-set A-foo ds")
        assert text == "dscp"
        assert meta.startswith("The DSCP that ESP packets take")
        await session.perform("set contexts context red")
        assert ("red", "") in await completed("set contexts context ")
        await session.perform("discard")


async def _never(question: str) -> bool:
    raise AssertionError(question)


async def test_modules_that_only_the_server_has_are_fetched(
    tmp_path: Path, schema_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    modules = tmp_path / "yang"
    modules.mkdir()
    (modules / "lamp.yang").write_text(
        'module lamp { namespace "urn:lamp"; prefix l; container lamp { description "A lamp. It shines."; '
        "leaf watts { type uint8 { range 1..60; } } } }"
    )
    daemon = Daemon(tmp_path, options=["--yang-dir", str(modules)]).start()
    try:
        host_key = (daemon.state / "ssh_host_ed25519_key.pub").read_text()
        (tmp_path / "known_hosts").write_text(f"[{daemon.host}]:{daemon.port} {host_key}")
        lines = "configure", "set lamp watts 61", "set lamp watts 60", "commit", "show lamp"
        out = await typed(daemon, tmp_path / "cache", capsys, *lines)
    finally:
        daemon.stop()
    assert out == "watts: '61' is not in the range 1..60\ncommitted\nwatts 60\n"


def test_the_shell_on_a_real_terminal(server: Daemon) -> None:
    """``cryptomapd cli`` on a pseudo-terminal: prompt, completion with Tab, a mode, and the end of it."""
    variables = {**os.environ, **environment(server), "TERM": "vt100"}
    variables["PROMPT_TOOLKIT_NO_CPR"] = "1"  # nobody answers where the cursor is
    command = [sys.executable, "-m", "cryptomap.daemon", "cli"]
    child = pexpect.spawn(
        command[0], command[1:], env=variables, timeout=PATIENCE, encoding="utf-8", dimensions=(40, 120)
    )
    child.delaybeforesend = None
    try:
        child.expect("admin@127.0.0.1>")
        child.send("config\t")
        child.expect("ure")
        child.send("\r")
        child.expect(r"\[/\]#")
        child.send("show contexts context ipsec-d crypto-map foo0 peer\r")
        child.expect("209.165.201.1")
        child.send("exit\r")
        child.expect("admin@127.0.0.1>")
        child.send("quit\r")
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == 0
    finally:
        child.close(force=True)
