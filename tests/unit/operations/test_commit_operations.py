"""commit, confirmed commit, cancel-commit, discard-changes and validate."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import pytest

from cryptomap.datastore.transaction import Transition
from cryptomap.errors import InvalidValue, RpcError
from support.lab import Error, Lab, door, errors, tags
from support.stores import Clock

OpenLab = Callable[..., Awaitable[Lab]]

FRONT = "/d:doors/d:door[d:name='front']"


async def test_commit(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    assert await alice.rpc("<commit/>") == "<ok/>"
    assert await alice.doors() == "<door><name>front</name></door>"


async def test_commit_without_changes(lab: Lab) -> None:
    assert await (await lab.connect()).rpc("<commit/>") == "<ok/>"


async def test_all_violations_come_in_one_reply_and_running_stays(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("back", "<neighbour>side</neighbour>") + door("front", "<neighbour>front</neighbour>"))
    assert errors(await alice.rpc("<commit/>")) == [
        Error(
            "data-missing",
            "neighbour names 'side', but there is no door with name 'side': create it, or name another",
            app_tag="instance-required",
            path="/d:doors/d:door[d:name='back']/d:neighbour",
        ),
        Error("operation-failed", "A door is not next to itself.", app_tag="own-neighbour", path=FRONT),
    ]
    assert await alice.doors() == ""


async def test_discard_changes(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    assert await alice.rpc("<discard-changes/>") == "<ok/>"
    assert await alice.doors("candidate") == ""


async def test_discard_changes_of_a_candidate_that_somebody_locked(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.rpc("<lock><target><candidate/></target></lock>")
    await alice.edit(door("front"))
    assert tags(await bob.rpc("<discard-changes/>")) == ["in-use"]
    assert await alice.doors("candidate") == "<door><name>front</name></door>"


# ===== commit rules =====


def no_red(transition: Transition) -> Iterator[RpcError]:
    """A commit rule: red doors are refused, green ones frowned at."""
    doors = transition.new.root.node("doors:doors")
    for entry in doors.entries("door").nodes() if doors else ():
        if entry.text("colour") == "red":
            yield InvalidValue("red is for fire exits; choose green", app_tag="no-red")
        if entry.text("colour") == "green":
            yield InvalidValue("green is out of fashion", app_tag="odd-colour", severity="warning")


async def test_a_rule_refuses_a_commit(start: OpenLab) -> None:
    lab = await start(datastore={"checks": [no_red]})
    alice = await lab.connect()
    await alice.edit(door("front", "<colour>red</colour>"))
    refused = [Error("invalid-value", "red is for fire exits; choose green", app_tag="no-red")]
    assert errors(await alice.rpc("<validate><source><candidate/></source></validate>")) == refused
    assert errors(await alice.rpc("<commit/>")) == refused


async def test_a_warning_does_not_fail_a_commit_and_is_logged(start: OpenLab, caplog: pytest.LogCaptureFixture) -> None:
    lab = await start(datastore={"checks": [no_red]})
    alice = await lab.connect()
    await alice.edit(door("front", "<colour>green</colour>"))
    assert await alice.rpc("<validate><source><candidate/></source></validate>") == "<ok/>"
    assert await alice.rpc("<commit/>") == "<ok/>"
    assert caplog.text.count("green is out of fashion") == 2


# ===== validate =====


async def test_validate_running(lab: Lab) -> None:
    assert await (await lab.connect()).rpc("<validate><source><running/></source></validate>") == "<ok/>"


async def test_validate_a_configuration_in_the_message(lab: Lab) -> None:
    alice = await lab.connect()

    def validate(config: str) -> str:
        inline = f'<config><doors xmlns="urn:doors">{config}</doors></config>'
        return f"<validate><source>{inline}</source></validate>"

    assert await alice.rpc(validate(door("front"))) == "<ok/>"
    dangling = errors(await alice.rpc(validate(door("front", "<neighbour>back</neighbour>"))))
    assert [(e.tag, e.path) for e in dangling] == [("data-missing", f"{FRONT}/d:neighbour")]
    wrong = errors(await alice.rpc(validate(door("front", "<width>one</width>"))))
    assert [(e.tag, e.path) for e in wrong] == [("invalid-value", f"{FRONT}/d:width")]
    assert await alice.doors("candidate") == ""


# ===== confirmed commit =====


async def test_a_confirmed_commit_that_is_confirmed(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    assert await alice.rpc("<commit><confirmed/><confirm-timeout>60</confirm-timeout></commit>") == "<ok/>"
    assert lab.datastores.pending
    assert lab.datastores.pending.timeout == 60
    assert await alice.rpc("<commit/>") == "<ok/>"
    assert lab.datastores.pending is None
    assert await alice.doors() == "<door><name>front</name></door>"


async def test_ten_minutes_is_the_default(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/></commit>")
    assert lab.datastores.pending
    assert lab.datastores.pending.timeout == 600


async def test_a_confirmed_commit_that_times_out(start: OpenLab) -> None:
    clock = Clock()
    lab = await start(datastore={"clock": clock})
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/><confirm-timeout>60</confirm-timeout></commit>")
    clock.advance(61)
    await lab.writer.run(lab.datastores.tick)
    assert await alice.doors() == ""


async def test_cancel_commit(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/></commit>")
    assert await alice.rpc("<cancel-commit/>") == "<ok/>"
    assert await alice.doors() == ""


async def test_the_end_of_its_session_cancels_it(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/></commit>")
    assert await bob.doors() == "<door><name>front</name></door>"
    await alice.rpc("<close-session/>")
    await alice.closed()
    assert await bob.doors() == ""


async def test_a_persistent_one_is_confirmed_by_another_session(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/><persist>blue moon</persist></commit>")
    await alice.rpc("<close-session/>")
    await alice.closed()
    assert tags(await bob.rpc("<commit/>")) == ["in-use"]
    assert tags(await bob.rpc("<commit><persist-id>full moon</persist-id></commit>")) == ["invalid-value"]
    assert await bob.rpc("<commit><persist-id>blue moon</persist-id></commit>") == "<ok/>"
    assert await bob.doors() == "<door><name>front</name></door>"


async def test_a_follow_up_sets_the_time_anew_and_all_of_it_is_rolled_back(start: OpenLab) -> None:
    clock = Clock()
    lab = await start(datastore={"clock": clock})
    alice = await lab.connect()
    again = "<commit><confirmed/><confirm-timeout>60</confirm-timeout></commit>"
    for name in ("front", "back"):
        await alice.edit(door(name))
        assert await alice.rpc(again) == "<ok/>"
        clock.advance(50)
    assert await alice.rpc(again) == "<ok/>"  # without a change it only buys time
    clock.advance(50)
    await lab.writer.run(lab.datastores.tick)
    assert await alice.doors() == "<door><name>back</name></door><door><name>front</name></door>"
    clock.advance(11)
    await lab.writer.run(lab.datastores.tick)
    assert await alice.doors() == ""


@pytest.mark.parametrize(
    ("persist", "after"), [("", ""), ("<persist>blue moon</persist>", "<door><name>front</name></door>")]
)
async def test_a_restart_inside_the_window_keeps_only_what_somebody_can_confirm(
    start: OpenLab, persist: str, after: str
) -> None:
    first = await start()
    alice = await first.connect()
    await alice.edit(door("front"))
    await alice.rpc(f"<commit><confirmed/>{persist}</commit>")
    await first.stop()
    lab = await start()
    bob = await lab.connect("bob")
    assert await bob.doors() == after
    confirmed = await bob.rpc("<commit><persist-id>blue moon</persist-id></commit>")
    assert (confirmed == "<ok/>") is bool(persist)


async def test_a_persistent_one_is_cancelled_by_another_session(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await alice.edit(door("front"))
    await alice.rpc("<commit><confirmed/><persist>blue moon</persist></commit>")
    assert await bob.rpc("<cancel-commit><persist-id>blue moon</persist-id></cancel-commit>") == "<ok/>"
    assert await bob.doors() == ""


@pytest.mark.parametrize(
    ("operation", "tag", "element"),
    [
        ("<commit><confirm-timeout>60</confirm-timeout></commit>", "missing-element", "confirmed"),
        ("<commit><persist>x</persist></commit>", "missing-element", "confirmed"),
        ("<commit><confirmed/><confirm-timeout>0</confirm-timeout></commit>", "invalid-value", "confirm-timeout"),
        ("<commit><confirmed/><confirm-timeout>soon</confirm-timeout></commit>", "invalid-value", "confirm-timeout"),
        (
            "<commit><confirmed/><confirm-timeout>4294967296</confirm-timeout></commit>",
            "invalid-value",
            "confirm-timeout",
        ),
        ("<commit><confirmed/><persist/></commit>", "invalid-value", "persist"),
        ("<commit><persist-id><x/></persist-id></commit>", "bad-element", "persist-id"),
        ("<commit><now/></commit>", "unknown-element", "now"),
        ("<discard-changes><all/></discard-changes>", "unknown-element", "all"),
        ("<validate/>", "missing-element", "source"),
    ],
)
async def test_bad_parameters(lab: Lab, operation: str, tag: str, element: str) -> None:
    found = errors(await (await lab.connect()).rpc(operation))
    assert [(e.tag, e.type, e.info) for e in found] == [(tag, "protocol", {"bad-element": element})]


async def test_nothing_to_cancel(lab: Lab) -> None:
    assert len(tags(await (await lab.connect()).rpc("<cancel-commit/>"))) == 1
