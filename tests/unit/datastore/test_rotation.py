"""Another master key: what is sealed anew, what stays the same, and what an end in the middle leaves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.history import History
from cryptomap.datastore.rotation import RotationStep, rotate
from cryptomap.datastore.secrets import PREFIX, KeyFile, Vault
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.schema.nodes import Schema
from support.stores import ALICE, Clock, commit_mtu, interface, mtu, put, schema_of

PATH = "/net:net/interface/psk"
OLD = KeyFile((bytes(range(64)),), bytes(32))


def open_again(directory: Path, schema: Schema, **options: object) -> Datastores:
    state = StateDirectory(directory)
    vault = Vault.open(state.key_file, create=False)
    return Datastores(schema, state, vault, clock=Clock(), background=lambda work: work(), **options)  # type: ignore[arg-type]


@pytest.fixture
def stored(tmp_path: Path, schema: Schema) -> Path:
    """Three commits with secrets, one of which is in the past only, and a startup datastore with one of its own."""
    directory = tmp_path / "state"
    StateDirectory(directory).close()
    OLD.write(directory / "secrets.key")
    datastores = open_again(directory, schema, startup_enabled=True)
    put(datastores, interface("eth0", "<psk>first</psk>") + interface("eth1", "<psk>other</psk>"))
    datastores.commit(ALICE)
    datastores.copy(ALICE, "startup", "running")
    put(datastores, interface("eth0", "<psk>second</psk>"))
    datastores.commit(ALICE)
    commit_mtu(datastores, 1500)
    datastores.close()
    return directory


def secrets_of(datastores: Datastores, vault: Vault, commit: int | None = None) -> dict[str, str]:
    root = datastores.running.root if commit is None else datastores.root_at(commit)
    entries = root.node("net:net").entries("interface").items()  # type: ignore[union-attr]
    return {str(name): vault.reveal(PATH, entry.text("psk") or "").decode() for name, entry in entries}


def rotated(directory: Path, schema: Schema) -> Vault:
    """The vault of the new key alone."""
    state = StateDirectory(directory)
    rotate(state, schema)
    state.close()
    key_file = KeyFile.read(directory / "secrets.key")
    assert len(key_file.keys) == 1
    assert key_file.keys != OLD.keys
    return key_file.vault()


def test_the_new_key_opens_running_history_and_startup(stored: Path, schema: Schema) -> None:
    vault = rotated(stored, schema)
    datastores = open_again(stored, schema)
    assert secrets_of(datastores, vault) == {"eth0": "second", "eth1": "other"}
    assert secrets_of(datastores, vault, 1) == {"eth0": "first", "eth1": "other"}
    assert mtu(datastores.running.root) == "1500"
    assert datastores.head == 3
    datastores.close()
    with_startup = open_again(stored, schema, startup_enabled=True)
    assert secrets_of(with_startup, vault) == {"eth0": "first", "eth1": "other"}
    with_startup.close()


def test_nothing_the_old_key_opens_is_left(stored: Path, schema: Schema) -> None:
    old = OLD.vault()
    sealed = [old.seal(PATH, clear)[len(PREFIX) :].encode() for clear in ("first", "second", "other")]

    def places() -> list[str]:
        files = [path for path in stored.rglob("*") if path.is_file()]
        return [path.name for path in files if any(text in path.read_bytes() for text in sealed)]

    assert places() == ["journal.sqlite"]
    rotated(stored, schema)
    assert places() == []


def test_a_fingerprint_does_not_depend_on_the_master_key(stored: Path, schema: Schema) -> None:
    old, new = OLD.vault(), rotated(stored, schema)
    fingerprint = old.fingerprint(PATH, old.seal(PATH, "secret"))
    assert new.fingerprint(PATH, new.seal(PATH, "secret")) == fingerprint
    assert new.fingerprint(PATH, new.seal(PATH, "secre7")) != fingerprint
    other = f"{PATH}s"
    assert new.fingerprint(other, new.seal(other, "secret")) != fingerprint


def test_a_key_file_without_a_comparison_key_keeps_its_fingerprints(tmp_path: Path) -> None:
    plain = Vault(OLD.keys)
    path = tmp_path / "key"
    path.touch(0o600)
    path.write_bytes(b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==\n")
    key_file = KeyFile.read(path)
    assert key_file.keys == OLD.keys
    key_file.rotated().newest().write(path)
    sealed = Vault.open(path, create=False).seal(PATH, "secret")
    fingerprint = Vault.open(path, create=False).fingerprint(PATH, sealed)
    assert fingerprint == plain.fingerprint(PATH, plain.seal(PATH, "secret"))


def test_the_chain_of_digests_holds_again(stored: Path, schema: Schema) -> None:
    before = [entry.record.digest for entry in History(stored / "journal.sqlite").entries(0)]
    rotated(stored, schema)
    after = [entry.record.digest for entry in History(stored / "journal.sqlite").entries(0)]
    assert len(after) == len(before)
    assert set(after).isdisjoint(before)


def test_recovery_begins_at_the_checkpoint_of_the_rotation(
    stored: Path, schema: Schema, caplog: pytest.LogCaptureFixture
) -> None:
    rotated(stored, schema)
    with caplog.at_level("INFO"):
        open_again(stored, schema).close()
    assert "replaying commits 1 to 3" not in caplog.text
    assert "another journal" not in caplog.text


def test_secrets_of_a_module_that_is_gone_keep_their_key(stored: Path, schema: Schema) -> None:
    bare = schema_of('module net { namespace "urn:other"; prefix o; leaf x { type string; } }')
    open_again(stored, bare).close()  # sets the data aside, writes a checkpoint
    state = StateDirectory(stored)
    assert rotate(state, bare).left == 3
    state.close()
    assert KeyFile.read(stored / "secrets.key").keys[1:] == OLD.keys


def test_a_configuration_of_other_modules_is_taken_over_first(stored: Path, newer_schema: Schema) -> None:
    state = StateDirectory(stored)
    with pytest.raises(StateFault, match="start the server once"):
        rotate(state, newer_schema)
    state.close()
    assert KeyFile.read(stored / "secrets.key") == OLD


def test_an_empty_journal_is_rotated_too(tmp_path: Path, schema: Schema) -> None:
    directory = tmp_path / "state"
    StateDirectory(directory).close()
    OLD.write(directory / "secrets.key")
    open_again(directory, schema).close()
    rotated(directory, schema)
    open_again(directory, schema).close()


KILLING = """
import json, os, signal, sys
from pathlib import Path
from shutil import copytree
from support.stores import YANG, schema_of
from cryptomap.datastore.rotation import RotationStep, rotate
from cryptomap.datastore.statedir import StateDirectory

source, schema = Path(sys.argv[1]), schema_of(YANG)
for number, wanted in enumerate(RotationStep):
    directory = copytree(source, source.with_name(f"killed{number}"))
    child = os.fork()
    if not child:
        rotate(StateDirectory(directory), schema, lambda step: step == wanted and os.kill(os.getpid(), signal.SIGKILL))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(json.dumps([str(directory), os.waitstatus_to_exitcode(status)]))
"""


def test_killed_at_any_step_everything_can_be_opened_and_a_second_try_ends_well(stored: Path, schema: Schema) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", KILLING, str(stored)], env=environment, capture_output=True, text=True, check=True
    )
    killed = [json.loads(line) for line in run.stdout.splitlines()]
    assert [code for _, code in killed] == [-9] * len(RotationStep)
    for directory, _ in killed:
        vault = Vault.open(Path(directory) / "secrets.key", create=False)
        datastores = open_again(Path(directory), schema)
        assert secrets_of(datastores, vault) == {"eth0": "second", "eth1": "other"}
        assert secrets_of(datastores, vault, 1) == {"eth0": "first", "eth1": "other"}
        datastores.close()
        vault = rotated(Path(directory), schema)
        datastores = open_again(Path(directory), schema)
        assert secrets_of(datastores, vault) == {"eth0": "second", "eth1": "other"}
        datastores.close()
