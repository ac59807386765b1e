"""draft-ietf-netconf-privcand: a candidate of its own for each session that wants one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.lab import PRIVATE_CANDIDATE, Client, Error, Lab, door, errors
from support.nacm import nacm, rule, set_rules
from support.stores import Clock

OpenLab = Callable[..., Awaitable[Lab]]

PC = "urn:ietf:params:xml:ns:yang:ietf-netconf-private-candidate"
FRONT = "/d:doors/d:door[d:name='front']"
NMDA = 'xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"'


async def private(lab: Lab, user: str = "alice") -> Client:
    return await lab.connect(user, more=PRIVATE_CANDIDATE)


async def two(lab: Lab) -> tuple[Client, Client]:
    """Two sessions with candidates of their own, on a running with two doors."""
    alice, bob = await private(lab), await private(lab, "bob")
    await do(alice.edit(door("back", "<width>80</width>") + door("front", "<width>90</width>")))
    await do(alice.rpc("<commit/>"))
    return alice, bob


async def do(answer: Awaitable[str]) -> None:
    assert await answer == "<ok/>"


def update(mode: str = "") -> str:
    inner = f"<resolution-mode>{mode}</resolution-mode>" if mode else ""
    return f'<update xmlns="{PC}">{inner}</update>'


async def test_section_4_5_the_session_says_in_its_hello_what_it_wants(lab: Lab) -> None:
    alice, bob, carol = await private(lab), await lab.connect("bob"), await lab.connect("carol")
    assert PRIVATE_CANDIDATE in alice.hello
    await do(alice.edit(door("mine")))
    await do(bob.edit(door("ours")))
    assert await alice.doors("candidate") == "<door><name>mine</name></door>"
    assert await bob.doors("candidate") == await carol.doors("candidate") == "<door><name>ours</name></door>"


async def test_section_4_6_what_others_commit_comes_with_an_update_only(lab: Lab) -> None:
    alice, bob = await two(lab)
    await do(bob.edit(door("front", "<colour>red</colour>")))
    await do(alice.edit(door("back", "<width>81</width>")))
    await do(alice.rpc("<commit/>"))
    assert "<width>80</width>" in await bob.doors("candidate")
    await do(bob.rpc(update()))
    assert await bob.doors("candidate") == (
        "<door><name>back</name><width>81</width></door>"
        "<door><name>front</name><colour>red</colour><width>90</width></door>"
    )


async def test_section_4_6_a_candidate_is_branched_when_it_is_first_looked_at(lab: Lab) -> None:
    _, bob = await two(lab)
    assert "<width>80</width>" in await bob.doors("candidate")  # bob had connected before that was committed


async def test_section_4_8_a_commit_updates_first_and_takes_only_ones_own_changes(lab: Lab) -> None:
    alice, bob = await two(lab)
    await do(alice.edit(door("front", "<width>91</width>")))
    await do(bob.edit(door("back", "<width>81</width>")))
    await do(alice.rpc("<commit/>"))
    await do(bob.rpc("<commit/>"))
    assert await bob.doors() == (
        "<door><name>back</name><width>81</width></door><door><name>front</name><width>91</width></door>"
    )
    assert await bob.doors("candidate") == await bob.doors()


@pytest.mark.parametrize("operation", ["<commit/>", update(), update("revert-on-conflict")])
async def test_section_4_7_what_both_have_changed_is_a_conflict_told_with_its_place(lab: Lab, operation: str) -> None:
    alice, bob = await two(lab)
    await do(bob.edit(door("front", "<width>92</width>") + door("side")))
    await do(alice.edit(door("front", "<width>91</width>") + door("side", "<width>70</width>")))
    await do(alice.rpc("<commit/>"))
    advice = "change the candidate, or update it with prefer-candidate or prefer-running"
    assert errors(await bob.rpc(operation)) == [
        Error(
            "operation-failed",
            f"running has changed here as well: '91' there, '92' in this candidate; {advice}",
            app_tag="conflict",
            path=f"{FRONT}/d:width",
        ),
        Error(
            "operation-failed",
            f"running has changed here as well: something else there, something else in this candidate; {advice}",
            app_tag="conflict",
            path="/d:doors/d:door[d:name='side']",
        ),
    ]
    assert "<width>92</width>" in await bob.doors("candidate")  # as it was
    assert "<width>91</width>" in await bob.doors()


@pytest.mark.parametrize(
    ("mode", "front"),
    [
        ("prefer-candidate", "<colour>red</colour><width>92</width>"),
        ("prefer-running", "<colour>red</colour><width>91</width>"),
    ],
)
async def test_section_4_7_3_the_client_says_which_side_it_prefers(lab: Lab, mode: str, front: str) -> None:
    alice, bob = await two(lab)
    await do(bob.edit(door("front", "<colour>red</colour><width>92</width>")))
    await do(alice.edit(door("front", "<width>91</width>")))
    await do(alice.rpc("<commit/>"))
    await do(bob.rpc(update(mode)))
    await do(bob.rpc("<commit/>"))
    assert f"<door><name>front</name>{front}</door>" in await bob.doors()


async def test_section_4_7_3_what_running_has_deleted_comes_back_whole_with_the_candidate(lab: Lab) -> None:
    alice, bob = await two(lab)
    await do(bob.edit(door("front", "<colour>red</colour>")))
    await do(alice.edit('<door nc:operation="delete"><name>front</name></door>'))
    await do(alice.rpc("<commit/>"))
    assert [error.path for error in errors(await bob.rpc("<commit/>"))] == [FRONT]
    await do(bob.rpc(update("prefer-candidate")))
    await do(bob.rpc("<commit/>"))
    assert "<door><name>front</name><colour>red</colour><width>90</width></door>" in await bob.doors()


async def test_section_4_8_1_other_modes_are_refused(lab: Lab) -> None:
    alice = await private(lab)
    assert errors(await alice.rpc(update("overwrite"))) == [
        Error(
            "invalid-value",
            "resolution-mode is 'overwrite', which is none of revert-on-conflict, prefer-candidate, prefer-running",
            type="protocol",
            info={"bad-element": "resolution-mode"},
        )
    ]


async def test_section_4_8_1_the_shared_candidate_is_not_updated(lab: Lab) -> None:
    bob = await lab.connect("bob")
    assert errors(await bob.rpc(update())) == [
        Error(
            "operation-not-supported",
            "this session works on the shared candidate: a client that wants its own says so in its hello",
            type="protocol",
            info={"bad-element": "update"},
        )
    ]


async def test_section_4_8_2_discard_changes_goes_back_to_the_last_update(lab: Lab) -> None:
    alice, bob = await two(lab)
    await do(bob.edit(door("side")))
    await do(alice.edit(door("front", "<width>91</width>")))
    await do(alice.rpc("<commit/>"))
    await do(bob.rpc("<discard-changes/>"))
    assert await bob.doors("candidate") == (
        "<door><name>back</name><width>80</width></door><door><name>front</name><width>90</width></door>"
    )
    await do(bob.rpc(update()))
    assert await bob.doors("candidate") == await bob.doors()


async def test_section_4_8_2_a_lock_keeps_nobody_out_and_its_end_keeps_the_changes(lab: Lab) -> None:
    alice, bob = await two(lab)
    await do(alice.edit(door("mine")))
    lock, unlock = (f"<{verb}><target><candidate/></target></{verb}>" for verb in ("lock", "unlock"))
    await do(alice.rpc(lock))
    await do(bob.rpc(lock))
    await do(bob.edit(door("side")))
    await do(bob.rpc("<commit/>"))
    assert [error.tag for error in errors(await alice.rpc(lock))] == ["lock-denied"]
    await do(alice.rpc(unlock))
    assert "mine" in await alice.doors("candidate")


async def test_section_4_8_2_a_lock_of_running_keeps_commits_out(lab: Lab) -> None:
    alice, bob = await two(lab)
    await do(alice.rpc("<lock><target><running/></target></lock>"))
    await do(bob.edit(door("side")))
    assert [error.tag for error in errors(await bob.rpc("<commit/>"))] == ["in-use"]
    await do(alice.rpc("<unlock><target><running/></target></unlock>"))
    await do(bob.rpc("<commit/>"))


async def test_section_4_8_2_every_operation_means_the_candidate_of_its_session(lab: Lab) -> None:
    alice, bob = await two(lab)
    await do(alice.edit(door("mine", "<neighbour>nobody</neighbour>")))
    assert [error.tag for error in errors(await alice.rpc("<validate><source><candidate/></source></validate>"))] == [
        "data-missing"
    ]
    await do(bob.rpc("<validate><source><candidate/></source></validate>"))
    got = await alice.rpc(f"<get-data {NMDA}><datastore>ds:candidate</datastore></get-data>")
    assert "mine" in got
    compare = (
        '<compare xmlns="urn:ietf:params:xml:ns:yang:ietf-nmda-compare" '
        'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
        "<source>ds:running</source><target>ds:candidate</target></compare>"
    )
    assert "mine" in await alice.rpc(compare)
    assert "mine" not in await bob.rpc(compare)
    await do(bob.rpc("<copy-config><target><candidate/></target><source><running/></source></copy-config>"))
    assert "mine" in await alice.doors("candidate")


async def test_section_4_4_it_goes_with_its_session(lab: Lab) -> None:
    alice, _ = await two(lab)
    await do(alice.edit(door("mine")))
    alice.peer.put(b"")
    await alice.closed()
    again = await private(lab)
    assert "mine" not in await again.doors("candidate")


async def test_confirmed_commits_that_are_cancelled_bring_the_changes_back(lab: Lab) -> None:
    alice, _ = await two(lab)
    await do(alice.edit(door("front", "<width>91</width>")))
    await do(alice.rpc("<commit><confirmed/></commit>"))
    await do(alice.edit(door("later")))
    await do(alice.rpc("<cancel-commit/>"))
    assert "<width>90</width>" in await alice.doors()
    assert await alice.doors("candidate") == (
        "<door><name>back</name><width>80</width></door>"
        "<door><name>front</name><width>91</width></door><door><name>later</name></door>"
    )
    await do(alice.rpc("<commit/>"))
    assert await alice.doors() == await alice.doors("candidate")


async def test_confirmed_commits_that_time_out_bring_the_changes_back(start: OpenLab) -> None:
    clock = Clock()
    lab = await start(datastore={"clock": clock})
    alice, bob = await two(lab)
    await do(alice.edit(door("front", "<width>91</width>")))
    await do(alice.rpc("<commit><confirmed/><confirm-timeout>5</confirm-timeout></commit>"))
    clock.advance(6)
    for _ in range(2):  # the tick between two functions finds that the time is over
        await lab.writer.run(lambda: None)
    assert "<width>90</width>" in await alice.doors()
    assert "<width>91</width>" in await alice.doors("candidate")
    assert "<width>90</width>" in await bob.doors("candidate")


async def test_access_control_is_asked_for_ones_own_changes_only(start: OpenLab) -> None:
    """What others committed and an update brought in takes no right of this user (RFC 8341 section 3.2.8)."""
    lab = await start()
    root, bob = await private(lab, "root"), await private(lab, "bob")
    await do(bob.edit(door("side")))
    await do(root.edit(door("front", "<owner>carol</owner>")))
    await do(root.rpc("<commit/>"))
    await do(bob.rpc("<commit/>"))
    assert "carol" in await bob.doors()


async def test_conflicts_do_not_tell_secrets(lab: Lab) -> None:
    first, second = await private(lab, "root"), await private(lab, "root")
    await do(first.edit(door("front")))
    await do(first.rpc("<commit/>"))
    await do(second.edit(door("front", "<code>2</code>")))
    await do(first.edit(door("front", "<code>1</code>")))
    await do(first.rpc("<commit/>"))
    (error,) = errors(await second.rpc("<commit/>"))
    assert error.path == f"{FRONT}/d:code"
    assert "something else there, something else in this candidate" in error.message


async def test_conflicts_do_not_tell_what_must_not_be_read(start: OpenLab) -> None:
    lab = await start(strict=True)
    hidden = rule("no-width", "deny", path="/d:doors/d:door/d:width", access_operations="read")
    await set_rules(lab, nacm(hidden, rule("all", "permit", path="/"), users="bob"))
    root, bob = await private(lab, "root"), await private(lab, "bob")
    await do(bob.edit(door("front", "<width>91</width>")))
    await do(root.edit(door("front")))
    await do(root.rpc("<commit/>"))
    await do(bob.rpc(update("prefer-candidate")))
    await do(root.edit(door("front", "<width>92</width>")))
    await do(root.rpc("<commit/>"))
    assert errors(await bob.rpc("<commit/>")) == [
        Error("operation-failed", "something is wrong that you may not read; ask a user who may")
    ]
