"""What comes back after a restart: from checkpoints good and bad, from the journal, under another schema."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptomap.datastore.checkpoint import Checkpoint, decode
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.salvage import valid_part
from cryptomap.datastore.secrets import Vault
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.schema.nodes import Schema
from support.stores import ALICE, VAULT, YANG, Clock, Open, commit_mtu, interface, mtu, put, schema_of, tree, xml

MANY = "".join(interface(f"i{n}", "<mtu>1500</mtu>") for n in range(20_000))
"""Enough to make a checkpoint due."""


def checkpoints(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "state" / "checkpoints").glob("*.checkpoint"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is due after each commit."""
    monkeypatch.setattr("cryptomap.datastore.checkpoints.MINIMUM_WEIGHT", 1)


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_was_committed_is_there_and_what_was_not_is_not(open_datastores: Open) -> None:
    datastores = open_datastores()
    commit_mtu(datastores, 1500)
    committed = datastores.running.root
    put(datastores, interface("eth0", "<mtu>9000</mtu>"))
    again = open_datastores()
    assert again.running.root == committed
    assert not again.modified
    assert again.head == 1


def test_references_are_there_again(open_datastores: Open) -> None:
    datastores = open_datastores()
    put(datastores, interface("eth0") + interface("eth1", "<peer>eth0</peer>"))
    datastores.commit(ALICE)
    again = open_datastores()
    put(again, interface("eth0", operation="delete"))
    with pytest.raises(Exception, match="eth0"):
        again.commit(ALICE)


SMALL = st.integers(0, 5)
EDITS = st.lists(
    st.lists(
        st.one_of(
            st.builds(lambda n, m: interface(f"e{n}", f"<mtu>{m}</mtu>"), SMALL, st.integers(68, 9000)),
            st.builds(lambda n: interface(f"e{n}", operation="remove"), SMALL),
            st.builds(lambda n, v: interface(f"e{n}", f"<vlan><id>{v}</id></vlan>"), SMALL, SMALL),
            st.builds(lambda s: f'<rule nc:operation="remove"><seq>{s}</seq></rule>', SMALL),
            st.builds(
                lambda s, a: f'<rule xmlns:y="urn:ietf:params:xml:ns:yang:1" y:insert="{a}"><seq>{s}</seq></rule>',
                SMALL,
                st.sampled_from(["first", "last"]),
            ),
        ),
        max_size=4,
    ),
    max_size=8,
)


@given(EDITS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_history_is_replayed_exactly(tmp_path_factory: pytest.TempPathFactory, edits: list[list[str]]) -> None:
    path = tmp_path_factory.mktemp("state")

    def opened() -> Datastores:
        return Datastores(schema_of(YANG), StateDirectory(path), VAULT, clock=Clock())

    datastores = opened()
    roots = [datastores.running.root]
    for edit in edits:
        put(datastores, "".join(edit))
        if datastores.commit(ALICE):
            roots.append(datastores.running.root)
    datastores.close()
    again = opened()
    assert again.running.root == roots[-1]
    assert all(again.root_at(commit) == root for commit, root in enumerate(roots))
    again.close()


# ---- checkpoints ---------------------------------------------------------------------------------------------------


def test_a_checkpoint_is_due_by_the_weight_of_what_was_committed(open_datastores: Open, tmp_path: Path) -> None:
    datastores = open_datastores()
    commit_mtu(datastores, 1500)
    assert checkpoints(tmp_path) == []
    put(datastores, MANY)
    datastores.commit(ALICE)
    assert [path.stem for path in checkpoints(tmp_path)] == ["00000000000000000002"]


def test_recovery_begins_at_the_newest_checkpoint(
    open_datastores: Open, tmp_path: Path, small: None, caplog: pytest.LogCaptureFixture
) -> None:
    datastores = open_datastores()
    for value in range(100, 106):
        commit_mtu(datastores, value)
    assert len(checkpoints(tmp_path)) == 3
    again = open_datastores(background=lambda work: None)
    commit_mtu(again, 200)
    with caplog.at_level("INFO"):
        assert mtu(open_datastores().running.root) == "200"
    assert "replaying commits 7 to 7" in caplog.text
    assert mtu(open_datastores().root_at(2)) == "101"


def test_a_start_reads_one_checkpoint_once(open_datastores: Open, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    datastores = open_datastores()
    for value in (100, 101, 102):
        commit_mtu(datastores, value)
    read: list[int] = []

    def counted(data: bytes) -> Checkpoint:
        read.append(len(data))
        return decode(data)

    monkeypatch.setattr("cryptomap.datastore.checkpoints.decode", counted)
    assert mtu(open_datastores().running.root) == "102"
    assert len(read) == 1


def test_a_damaged_checkpoint_falls_back_to_an_older_one_and_says_so(
    open_datastores: Open, tmp_path: Path, small: None, caplog: pytest.LogCaptureFixture
) -> None:
    datastores = open_datastores()
    for value in (100, 101, 102):
        commit_mtu(datastores, value)
    newest = checkpoints(tmp_path)[-1]
    damage(newest)
    with caplog.at_level("INFO"):
        assert mtu(open_datastores().running.root) == "102"
    assert f"checkpoint {newest} cannot be used" in caplog.text
    assert "replaying commits 3 to 3" in caplog.text


def test_with_all_checkpoints_damaged_or_gone_the_journal_is_replayed_from_the_beginning(
    open_datastores: Open, tmp_path: Path, small: None, caplog: pytest.LogCaptureFixture
) -> None:
    datastores = open_datastores()
    for value in (100, 101, 102):
        commit_mtu(datastores, value)
    first, *others = checkpoints(tmp_path)
    first.unlink()
    for path in others:
        damage(path)
    with caplog.at_level("INFO"):
        assert mtu(open_datastores().running.root) == "102"
    assert "replaying commits 1 to 3" in caplog.text


def test_a_checkpoint_of_another_journal_is_ignored(
    open_datastores: Open, tmp_path: Path, small: None, caplog: pytest.LogCaptureFixture
) -> None:
    datastores = open_datastores()
    commit_mtu(datastores, 100)
    foreign = checkpoints(tmp_path)[0].read_bytes()
    datastores.close()
    (tmp_path / "state").rename(tmp_path / "old")
    datastores = open_datastores()
    commit_mtu(datastores, 200)
    checkpoints(tmp_path)[0].write_bytes(foreign)
    assert mtu(open_datastores().running.root) == "200"
    assert "another journal" in caplog.text


def test_a_checkpoint_never_holds_up_a_commit(open_datastores: Open, tmp_path: Path, small: None) -> None:
    waiting: list[Callable[[], None]] = []
    datastores = open_datastores(background=waiting.append)
    for value in range(100, 110):
        commit_mtu(datastores, value)
    assert len(waiting) == 1  # one at a time
    waiting.pop()()
    assert [path.stem[-2:] for path in checkpoints(tmp_path)] == ["01"]
    commit_mtu(datastores, 200)
    waiting.pop()()
    assert [path.stem[-2:] for path in checkpoints(tmp_path)] == ["01", "11"]


def test_a_checkpoint_that_cannot_be_written_fails_nothing_and_leaves_nothing(
    open_datastores: Open,
    tmp_path: Path,
    small: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    datastores = open_datastores()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("cryptomap.datastore.checkpoints.os.fsync", full)
        commit_mtu(datastores, 100)
    assert "checkpoint of commit 1 not written" in caplog.text
    assert list((tmp_path / "state" / "checkpoints").iterdir()) == []
    commit_mtu(datastores, 101)
    assert len(checkpoints(tmp_path)) == 1


def test_a_half_written_checkpoint_of_a_crash_is_swept_away(open_datastores: Open, tmp_path: Path) -> None:
    open_datastores()
    left_over = tmp_path / "state" / "checkpoints" / ".00000000000000000007.checkpoint.part"
    left_over.write_bytes(b"half")
    open_datastores()
    assert not left_over.exists()


def test_a_journal_that_lost_its_end_is_healed_from_a_checkpoint(
    open_datastores: Open, tmp_path: Path, small: None, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    datastores = open_datastores()
    commit_mtu(datastores, 100)
    datastores.close()
    earlier = (state / "journal.sqlite").read_bytes()
    datastores = open_datastores()
    commit_mtu(datastores, 101)
    commit_mtu(datastores, 102)
    datastores.close()
    for path in state.glob("journal.sqlite*"):
        path.unlink()
    (state / "journal.sqlite").write_bytes(earlier)
    datastores = open_datastores()
    assert mtu(datastores.running.root) == "102"
    assert "journal ends at commit 1, but there is a checkpoint of commit 3" in caplog.text
    assert [(record.id, record.kind) for record in datastores.history()] == [(2, "startup"), (1, "commit")]
    assert mtu(open_datastores().running.root) == "102"


def test_closing_gives_up_a_checkpoint_that_is_being_written(
    open_datastores: Open, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    datastores = open_datastores()
    datastores._running._checkpoints.stop()
    commit_mtu(datastores, 100)
    assert checkpoints(tmp_path) == []
    assert mtu(open_datastores().running.root) == "100"


def test_another_key_file_is_refused(open_datastores: Open) -> None:
    put(datastores := open_datastores(), interface("eth0", "<psk>secret</psk>"))
    datastores.commit(ALICE)
    datastores.close()
    with pytest.raises(StateFault, match="key file does not belong"):
        open_datastores(seal=Vault([bytes(64)]))


# ---- another schema ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_an_upgrade_sets_aside_what_the_new_schema_refuses(
    open_datastores: Open,
    newer_schema: Schema,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    from_checkpoint: bool,
) -> None:
    monkeypatch.setattr("cryptomap.datastore.checkpoints.MINIMUM_WEIGHT", 1 if from_checkpoint else 1 << 30)
    datastores = open_datastores()
    put(
        datastores,
        interface("eth0", "<mtu>9000</mtu><psk>secret</psk>") + "<rule><seq>1</seq><action>drop</action></rule>",
    )
    datastores.commit(ALICE)
    put(datastores, interface("eth1", "<mtu>1400</mtu><peer>eth0</peer>"))
    datastores.commit(ALICE)
    old = datastores.running.root
    again = open_datastores(newer_schema)
    assert mtu(again.running.root) is None
    assert mtu(again.running.root, "eth1") == "1400"
    kept = xml(datastores.schema, old).replace("<mtu>9000</mtu>", "").replace("<action>drop</action>", "")
    assert xml(newer_schema, again.running.root) == kept
    [aside] = (tmp_path / "state").glob("refused-*.xml")
    assert "9000" in aside.read_text()
    assert "drop" in aside.read_text()
    assert f"set aside in {aside}" in caplog.text
    put(again, interface("eth0", "<mtu>1300</mtu>"))
    again.commit(ALICE)
    assert mtu(open_datastores(newer_schema).running.root) == "1300"


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_without_its_module_all_data_of_a_module_is_set_aside(
    open_datastores: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, from_checkpoint: bool
) -> None:
    monkeypatch.setattr("cryptomap.datastore.checkpoints.MINIMUM_WEIGHT", 1 if from_checkpoint else 1 << 30)
    commit_mtu(open_datastores(), 1400)
    assert bool(checkpoints(tmp_path)) is from_checkpoint
    without = schema_of('module net { namespace "urn:other"; prefix o; leaf x { type string; } }')
    assert xml(without, open_datastores(without).running.root) == ""
    [aside] = tmp_path.rglob("refused-after-1.xml")
    assert "mtu>1400</" in aside.read_text()
    assert "urn:net" in aside.read_text()


def test_an_upgrade_that_refuses_nothing_loses_nothing(
    open_datastores: Open, newer_schema: Schema, tmp_path: Path
) -> None:
    datastores = open_datastores()
    commit_mtu(datastores, 1400)
    assert mtu(open_datastores(newer_schema).running.root) == "1400"
    assert list((tmp_path / "state").glob("refused-*")) == []


# ---- SIGKILL -------------------------------------------------------------------------------------------------------

CRASHING = """
import json, os, signal, sys
from support.stores import *
from cryptomap.datastore import checkpoints
from cryptomap.datastore.confirm import Confirm
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.secrets import Vault
from cryptomap.datastore.statedir import StateDirectory, StateFault

checkpoints.MINIMUM_WEIGHT = 1
directory, schema = sys.argv[1], schema_of(YANG)

def run(path, step):
    steps = []
    def observe(reached):
        steps.append(reached)
        if len(steps) == step:
            os.write(pipe, json.dumps(reached).encode())
            os.kill(os.getpid(), signal.SIGKILL)
    backend = Fake()
    datastores = Datastores(schema, StateDirectory(path), VAULT, participants=[backend], step=observe,
                            background=lambda work: work())
    datastores.start()
    commit_mtu(datastores, 1500)
    put(datastores, interface("eth0", "<mtu>9000</mtu>"))
    datastores.commit(ALICE, Confirm(600, persist="token"))
    os.write(pipe, b"null")

results, step = [], 0
while not results or results[-1] is not None:
    step += 1
    read, pipe = os.pipe()
    child = os.fork()
    if not child:
        run(Path(directory, str(step)), step)
        os._exit(0)
    os.waitpid(child, 0)
    os.close(pipe)
    results.append(json.loads(os.read(read, 1000)))
print(json.dumps(results))
"""


def test_killed_at_any_step_a_commit_is_wholly_there_or_wholly_absent(open_datastores: Open, tmp_path: Path) -> None:
    """The server is killed once at each step of two commits and their checkpoints, and started again."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", CRASHING, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    steps = json.loads(run.stdout)
    assert steps.count("applied journal") == 2
    assert "checkpoint written" in steps
    committed = 0
    for number, step in enumerate(steps, 1):
        committed += step == "applied journal"
        datastores = Datastores(
            schema_of(YANG), StateDirectory(tmp_path / str(number)), VAULT, background=lambda work: work()
        )
        assert datastores.head == committed, step
        assert mtu(datastores.running.root) == [None, "1500", "9000"][committed], step
        assert (datastores.pending is not None) == (committed == 2), step
        commit_mtu(datastores, 100) if committed < 2 else datastores.cancel(ALICE, "token")
        datastores.close()


def test_values_with_a_prefix_of_their_own_module_survive_that_others_are_taken_out(schema: Schema) -> None:
    """lxml drops the declaration of such a prefix when an element moves."""
    root = tree(schema, interface("eth0", "<medium>fibre</medium><peer>nobody</peer>"))
    refused: list[tuple[str, bytes]] = []
    left = valid_part(schema, root, VAULT, refused).root
    assert len(refused) == 1
    assert left == tree(schema, interface("eth0", "<medium>fibre</medium>"))
