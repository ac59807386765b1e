"""The record of a live server: who did what from where, also what was denied and what failed, and nothing secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import asyncssh
import pytest

from cryptomap.audit import Deed, entries, verify
from cryptomap.datastore.backup import back_up
from cryptomap.datastore.history import History
from support.server import SAMPLES, Daemon, make_key
from support.state import NS
from support.wire import session

CANARY = "canary-of-the-audit"
NOBODY = '[users.alice]\nauthorized-keys = "alice.pub"\n'


@pytest.fixture
def seeded(daemon: Daemon) -> Daemon:
    make_key(daemon.directory / "alice")
    daemon.settings = NOBODY
    daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    return daemon.start()


def audit(daemon: Daemon, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cryptomap.daemon", "audit", *words, "--state-dir", str(daemon.state)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def shown(daemon: Daemon, **fields: str) -> list[Deed]:
    """The deeds on record in which these fields have these values."""
    deeds = [entry.deed for entry in entries(daemon.state / "audit")]
    return [deed for deed in deeds if all(getattr(deed, name) == value for name, value in fields.items())]


def key_of_foo0(secret: str) -> str:
    local = f"<local><pre-shared-key>{secret}</pre-shared-key></local>"
    return (
        f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name><crypto-map xmlns="{NS["ips"]}"><name>foo0</name>'
        f"<ikev2><authentication>{local}</authentication></ikev2></crypto-map></context></contexts>"
    )


async def test_what_a_session_does(seeded: Daemon) -> None:
    async with session(seeded) as wire:
        number = wire.session_id
        assert await wire.edit(key_of_foo0(CANARY)) == "<ok/>"
        await wire.do("<commit/>")
        assert "data-missing" in await wire.edit(
            key_of_foo0(CANARY)
            .replace("foo0</", "nothing</")
            .replace(
                "<crypto-map ", '<crypto-map xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0" nc:operation="delete" '
            )
        )
        await wire.get_config()
        await wire.do("<close-session/>")
        await wire.closed()
    deeds = shown(seeded, user="admin")
    assert {deed.source for deed in deeds} == {"127.0.0.1"}
    assert {deed.session for deed in deeds if deed.kind != "login"} == {number}
    told = [(deed.kind, deed.operation, deed.outcome) for deed in deeds]
    assert told == [
        ("login", "netconf-ssh", "ok"),
        ("session", "begin", "ok"),
        ("rpc", "edit-config", "ok"),
        ("commit", "commit", "ok"),
        ("rpc", "commit", "ok"),
        ("rpc", "edit-config", "failed"),
        ("session", "end", "ok"),
    ]
    commit = deeds[3]
    assert (commit.commit, commit.digest) == (2, History(seeded.state / "journal.sqlite").digest(2))
    assert CANARY not in str(deeds)
    done = audit(seeded, "show", "--kind", "commit", "--user", "admin")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        rf"\d+ \S+Z admin from 127.0.0.1 session {number}: commit commit ok: 0 created, 1 modified, 0 deleted "
        rf"\(commit 2 {commit.digest[:12]}\)\n",
        done.stdout,
    )


async def test_what_is_denied_and_who_does_not_get_in(seeded: Daemon, tmp_path: Path) -> None:
    async with session(seeded, "alice", seeded.directory / "alice") as wire:
        assert "access-denied" in await wire.edit(key_of_foo0(CANARY))
    stranger = make_key(tmp_path / "stranger")
    with pytest.raises(asyncssh.PermissionDenied):
        await asyncssh.connect(
            seeded.host,
            seeded.port,
            username="mallory",
            client_keys=[str(stranger)],
            known_hosts=None,
            config=None,
            agent_path=None,
        )
    seeded.stop()
    told = [(deed.user, deed.kind, deed.operation, deed.outcome) for deed in shown(seeded)]
    assert ("alice", "rpc", "edit-config", "denied") in told
    assert ("mallory", "login", "netconf-ssh", "denied") in told
    assert told[-1] == ("", "server", "stop", "ok")


async def test_a_killed_server_leaves_a_whole_record_with_every_commit(seeded: Daemon) -> None:
    async with session(seeded) as wire:
        for number in range(3):
            assert await wire.edit(key_of_foo0(f"{CANARY}{number}")) == "<ok/>"
            await wire.do("<commit/>")
    seeded.kill()
    done = audit(seeded, "verify")
    assert done.returncode == 0, done.stderr
    noted = done.stdout.strip()
    assert re.fullmatch(r"\d+:[0-9a-f]{64}", noted)

    [path] = (seeded.state / "audit").glob("audit-*.log")  # as a power cut may leave it: the last commits are not there
    lines = path.read_bytes().splitlines(keepends=True)
    kept = next(number for number, line in enumerate(lines) if b'"commit":2,' in line)
    path.write_bytes(b"".join(lines[: kept + 1]))
    assert audit(seeded, "verify", "--expect", noted).returncode == 1
    seeded.start()
    late = [deed for deed in shown(seeded, kind="commit") if "recorded at the next start" in deed.detail]
    assert [deed.commit for deed in late] == [3, 4]
    assert [deed.user for deed in late] == ["admin", "admin"]
    assert verify(seeded.state / "audit").faults == []


def test_what_is_done_to_the_state_directory(seeded: Daemon, tmp_path: Path) -> None:
    seeded.stop()
    back_up(seeded.state, tmp_path / "backup", keys=False)
    for words, code in ((["rotate-key"], 0), (["restore", str(tmp_path / "backup")], 2)):  # the old key is gone
        command = [sys.executable, "-m", "cryptomap.daemon", *words, "--state-dir", str(seeded.state)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
    maintenance = shown(seeded, kind="maintenance")
    assert [(deed.operation, deed.outcome) for deed in maintenance] == [
        ("rotate-key", "ok"),
        ("restore", "failed"),
    ]
    assert maintenance[0].digest == History(seeded.state / "journal.sqlite").digest(1)
    seeded.start()
    assert [deed.operation for deed in shown(seeded, kind="server")] == ["start", "stop", "start"]


async def test_a_journal_that_has_lost_its_last_pages_is_noticed(seeded: Daemon) -> None:
    """SQLite takes a write-ahead log only as far as it is whole, without a word; the record knows better."""
    async with session(seeded) as wire:
        assert await wire.edit(key_of_foo0(CANARY)) == "<ok/>"
        await wire.do("<commit/>")
    seeded.kill()
    log = seeded.state / "journal.sqlite-wal"
    data = bytearray(log.read_bytes())
    at = data.rindex(b"<config")
    data[at : at + 100] = bytes(100)
    log.write_bytes(data)
    seeded.start()
    said = "the journal has lost commit 2, which was recorded last, or is another one"
    assert said in seeded.log.read_text()
    assert [deed.detail for deed in shown(seeded, kind="server") if deed.operation == "journal"] == [said]
    async with session(seeded) as wire:
        assert "<contexts" in await wire.get_config()


def test_without_a_record(tmp_path: Path) -> None:
    done = audit(Daemon(tmp_path), "verify")
    assert (done.returncode, "there is no record" in done.stderr) == (2, True)
