"""lock, unlock, close-session and kill-session."""

from __future__ import annotations

import asyncio

import pytest

from cryptomap.operations.sessions import Ended, Session
from support.lab import Error, Lab, door, errors, tags


def lock(target: str) -> str:
    return f"<lock><target><{target}/></target></lock>"


def unlock(target: str) -> str:
    return f"<unlock><target><{target}/></target></unlock>"


async def test_a_lock_keeps_others_out_until_it_is_released(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    assert await alice.rpc(lock("candidate")) == "<ok/>"
    assert errors(await bob.rpc(lock("candidate"))) == [
        Error("lock-denied", "candidate is locked by session 1", "protocol", info={"session-id": "1"})
    ]
    assert tags(await bob.edit(door("front"))) == ["in-use"]
    assert tags(await bob.rpc("<commit/>")) == ["in-use"]
    assert await alice.rpc(unlock("candidate")) == "<ok/>"
    assert await bob.edit(door("front")) == "<ok/>"


async def test_the_holder_cannot_lock_again(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(lock("running"))
    assert tags(await alice.rpc(lock("running"))) == ["lock-denied"]


async def test_a_modified_candidate_cannot_be_locked(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.edit(door("front"))
    assert [(e.tag, e.info) for e in errors(await bob.rpc(lock("candidate")))] == [("lock-denied", {"session-id": "0"})]


async def test_a_lock_on_running_stops_commits_of_others(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.rpc(lock("running"))
    await bob.edit(door("front"))
    assert tags(await bob.rpc("<commit/>")) == ["in-use"]


async def test_unlock_discards_the_changes_of_the_candidate(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.rpc(lock("candidate"))
    await alice.edit(door("front"))
    await alice.rpc(unlock("candidate"))
    assert await alice.doors("candidate") == ""


@pytest.mark.parametrize("target", ["running", "candidate"])
async def test_only_the_holder_can_unlock(lab: Lab, target: str) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    assert tags(await bob.rpc(unlock(target))) == ["operation-failed"]
    await alice.rpc(lock(target))
    assert tags(await bob.rpc(unlock(target))) == ["operation-failed"]


@pytest.mark.parametrize("operation", [lock("startup"), unlock("startup")])
async def test_a_datastore_that_is_not_there(lab: Lab, operation: str) -> None:
    assert tags(await (await lab.connect()).rpc(operation)) == ["operation-not-supported"]


# ===== close-session =====


async def test_close_session(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.rpc(lock("running"))
    assert await alice.rpc("<close-session/>") == "<ok/>"
    assert await alice.closed() == "closed"
    assert await bob.rpc(lock("running")) == "<ok/>"
    assert lab.server.sessions.statistics.dropped_sessions == 0


async def test_the_locks_of_a_session_are_free_when_its_close_is_answered(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not a moment later: the very next request of another session gets them."""
    alice, bob = await lab.connect(), await lab.connect("bob")
    goes_on, close_session = asyncio.Event(), lab.server.close_session

    async def late(session: Session, ended: Ended) -> None:
        await goes_on.wait()
        await close_session(session, ended)

    monkeypatch.setattr(lab.server, "close_session", late)
    for target in ("candidate", "running"):
        assert await alice.rpc(lock(target)) == "<ok/>"
    assert await alice.rpc("<close-session/>") == "<ok/>"
    for target in ("candidate", "running"):
        assert await bob.rpc(lock(target)) == "<ok/>"
    goes_on.set()


async def test_what_follows_close_session_is_not_performed(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    alice.ask("<close-session/>")
    alice.ask(
        '<edit-config><target><candidate/></target><config><doors xmlns="urn:doors"><door><name>front</name></door>'
        "</doors></config></edit-config>"
    )
    await alice.closed()
    assert await bob.doors("candidate") == ""


# ===== kill-session =====


async def test_kill_session(lab: Lab) -> None:
    root, alice = await lab.connect("root"), await lab.connect()
    await alice.rpc(lock("candidate"))
    await alice.edit(door("front"))
    assert await root.rpc(f"<kill-session><session-id>{alice.session_id}</session-id></kill-session>") == "<ok/>"
    assert await alice.closed() == "killed by session 1"
    assert await root.doors("candidate") == ""
    assert await root.rpc(lock("candidate")) == "<ok/>"


@pytest.mark.parametrize(
    ("parameter", "tag"),
    [
        ("<session-id>1</session-id>", "invalid-value"),  # its own
        ("<session-id>99</session-id>", "invalid-value"),
        ("<session-id>0</session-id>", "invalid-value"),
        ("<session-id>x</session-id>", "invalid-value"),
        ("", "missing-element"),
    ],
)
async def test_kill_session_of_nobody(lab: Lab, parameter: str, tag: str) -> None:
    root = await lab.connect("root")
    found = errors(await root.rpc(f"<kill-session>{parameter}</kill-session>"))
    assert [(e.tag, e.info) for e in found] == [(tag, {"bad-element": "session-id"})]


async def test_sessions_that_kill_each_other_both_end(lab: Lab) -> None:
    one, two = await lab.connect("root"), await lab.connect("root")
    one.ask(f"<kill-session><session-id>{two.session_id}</session-id></kill-session>")
    two.ask(f"<kill-session><session-id>{one.session_id}</session-id></kill-session>")
    await one.closed()
    await two.closed()
    assert len(lab.server.sessions) == 0
