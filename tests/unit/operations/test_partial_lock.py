"""RFC 5717: locks on parts of running."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.lab import Client, Error, Lab, door, errors, tags
from support.nacm import nacm, rule, set_rules

OpenLab = Callable[..., Awaitable[Lab]]

PL = "urn:ietf:params:xml:ns:netconf:partial-lock:1.0"
FRONT = "/d:doors/d:door[d:name='front']"
TWO = door("back", "<width>80</width>") + door("front", "<width>90</width>")


def lock(*select: str) -> str:
    inner = "".join(f"<select>{text}</select>" for text in select)
    return f'<partial-lock xmlns="{PL}" xmlns:d="urn:doors">{inner}</partial-lock>'


def unlock(lock_id: int) -> str:
    return f'<partial-unlock xmlns="{PL}"><lock-id>{lock_id}</lock-id></partial-unlock>'


async def with_doors(lab: Lab) -> tuple[Client, Client]:
    alice, bob = await lab.connect("alice"), await lab.connect("bob")
    assert await alice.edit(TWO) == "<ok/>"
    assert await alice.rpc("<commit/>") == "<ok/>"
    return alice, bob


async def test_section_1_it_is_announced(lab: Lab) -> None:
    assert "<capability>urn:ietf:params:netconf:capability:partial-lock:1.0</capability>" in (await lab.connect()).hello


async def test_section_2_4_1_what_was_locked_is_told(lab: Lab) -> None:
    alice, _ = await with_doors(lab)
    assert await alice.rpc(lock(FRONT)) == (
        f'<lock-id xmlns="{PL}">1</lock-id><locked-node xmlns="{PL}" xmlns:d="urn:doors">{FRONT}</locked-node>'
    )
    assert "<lock-id xmlns" in await alice.rpc(lock(FRONT))  # the same session may hold several


async def test_section_2_1_nobody_else_changes_what_is_locked(lab: Lab) -> None:
    alice, bob = await with_doors(lab)
    await alice.rpc(lock(FRONT))
    assert await bob.edit(door("front", "<width>91</width>")) == "<ok/>"  # the candidate is not locked
    assert errors(await bob.rpc("<commit/>")) == [
        Error(
            "in-use",
            "session 1 has locked this part of running (partial lock 1)",
            path=f"{FRONT}/d:width",
            info={"session-id": "1"},
        )
    ]
    assert await alice.rpc("<commit/>") == "<ok/>"
    assert "<width>91</width>" in await bob.doors()


@pytest.mark.parametrize(
    ("select", "edit", "answer"),
    [
        (FRONT, door("back", "<width>81</width>"), "<ok/>"),
        (FRONT, door("side"), "<ok/>"),
        (FRONT, '<door nc:operation="delete"><name>front</name></door>', "in-use"),
        (FRONT, door("front", "<colour>red</colour>"), "in-use"),
        (f"{FRONT}/d:width", '<door nc:operation="delete"><name>front</name></door>', "in-use"),
        (f"{FRONT}/d:width", door("front", "<colour>red</colour>"), "<ok/>"),
        ("//d:door[d:width > 85]", door("front", "<width>91</width>"), "in-use"),
        ("//d:door[d:width > 85]", door("back", "<width>99</width>"), "<ok/>"),  # evaluated once
        ("/d:doors", door("side"), "in-use"),
    ],
)
async def test_section_2_1_scope(lab: Lab, select: str, edit: str, answer: str) -> None:
    alice, bob = await with_doors(lab)
    assert "lock-id" in await alice.rpc(lock(select))
    assert await bob.edit(edit) == "<ok/>"
    reply = await bob.rpc("<commit/>")
    assert (reply if reply == "<ok/>" else tags(reply)[0]) == answer


async def test_section_2_1_values_of_a_leaf_list(lab: Lab) -> None:
    alice, bob = await with_doors(lab)
    edit = (
        '<edit-config><target><candidate/></target><config xmlns:nc="urn:ietf:params:xml:ns:netconf:base:1.0">'
        '<parts xmlns="urn:doors">{}</parts></config></edit-config>'
    )
    await alice.rpc(edit.format("<hinge>left</hinge><hinge>right</hinge>"))
    await alice.rpc("<commit/>")
    assert "lock-id" in await alice.rpc(lock("/d:parts/d:hinge[.='left']"))
    await bob.rpc(edit.format('<hinge nc:operation="delete">right</hinge>'))
    assert await bob.rpc("<commit/>") == "<ok/>"
    await bob.rpc(edit.format('<hinge nc:operation="delete">left</hinge>'))
    assert tags(await bob.rpc("<commit/>")) == ["in-use"]


async def test_section_2_1_writable_running_and_rollbacks(start: OpenLab) -> None:
    lab = await start(datastore={"writable_running": True})
    alice, bob = await with_doors(lab)
    await alice.rpc(lock(FRONT))
    assert tags(await bob.edit(door("front", "<width>91</width>"), target="running")) == ["in-use"]
    assert await alice.edit(door("front", "<width>91</width>"), target="running") == "<ok/>"


@pytest.mark.parametrize("select", [FRONT, "/d:doors", f"{FRONT}/d:width"])
async def test_section_2_4_1_overlapping_locks_are_denied(lab: Lab, select: str) -> None:
    alice, bob = await with_doors(lab)
    await alice.rpc(lock(FRONT))
    [error] = errors(await bob.rpc(lock(select)))
    assert (error.tag, error.info) == ("lock-denied", {"session-id": "1"})
    assert "lock-id" in await bob.rpc(lock("/d:doors/d:door[d:name='back']"))


async def test_section_2_4_1_a_lock_of_all_of_running_is_in_the_way_and_the_other_way_round(lab: Lab) -> None:
    alice, bob = await with_doors(lab)
    whole = "<lock><target><running/></target></lock>"
    await alice.rpc(lock(FRONT))
    assert tags(await bob.rpc(whole)) == ["lock-denied"]
    await alice.rpc(unlock(1))
    assert await bob.rpc(whole) == "<ok/>"
    assert tags(await alice.rpc(lock(FRONT))) == ["lock-denied"]


async def test_section_2_4_1_nor_while_a_confirmed_commit_of_another_session_waits(lab: Lab) -> None:
    alice, bob = await with_doors(lab)
    await bob.edit(door("side"))
    await bob.rpc("<commit><confirmed/></commit>")
    assert tags(await alice.rpc(lock(FRONT))) == ["lock-denied"]


@pytest.mark.parametrize(
    ("select", "tag", "app_tag"),
    [
        ("/d:doors/d:door[d:name='none']", "operation-failed", "no-matches"),
        ("count(//d:door)", "invalid-value", "not-a-node-set"),
        ("///", "invalid-value", None),
        ("/", "invalid-value", None),
    ],
)
async def test_section_2_4_1_expressions_that_lock_nothing(
    lab: Lab, select: str, tag: str, app_tag: str | None
) -> None:
    alice, _ = await with_doors(lab)
    [error] = errors(await alice.rpc(lock(select)))
    assert (error.tag, error.app_tag) == (tag, app_tag)
    assert error.info == ({} if app_tag == "no-matches" else {"bad-element": "select"})


async def test_section_2_4_1_what_cannot_be_read_cannot_be_locked(start: OpenLab) -> None:
    lab = await start()
    await set_rules(lab, nacm(rule("f", "deny", path=FRONT)), TWO)
    [error] = errors(await (await lab.connect()).rpc(lock(FRONT)))
    assert error.app_tag == "no-matches"


async def test_section_2_4_2_unlocking(lab: Lab) -> None:
    alice, bob = await with_doors(lab)
    await alice.rpc(lock(FRONT))
    assert tags(await bob.rpc(unlock(1))) == ["invalid-value"]
    assert await alice.rpc(unlock(1)) == "<ok/>"
    assert tags(await alice.rpc(unlock(1))) == ["invalid-value"]
    assert "lock-id" in await bob.rpc(lock(FRONT))


async def test_section_2_4_1_a_session_that_ends_leaves_no_lock(lab: Lab) -> None:
    alice, bob = await with_doors(lab)
    await alice.rpc(lock(FRONT))
    await alice.rpc("<close-session/>")
    await alice.closed()
    assert "lock-id" in await bob.rpc(lock(FRONT))


@pytest.mark.parametrize(
    ("operation", "tag"),
    [
        (f'<partial-lock xmlns="{PL}"/>', "missing-element"),
        (f'<partial-lock xmlns="{PL}"><target/></partial-lock>', "bad-element"),
        (f'<partial-unlock xmlns="{PL}"/>', "missing-element"),
        (f'<partial-unlock xmlns="{PL}"><lock-id>x</lock-id></partial-unlock>', "invalid-value"),
    ],
)
async def test_bad_parameters(lab: Lab, operation: str, tag: str) -> None:
    assert tags(await (await lab.connect()).rpc(operation)) == [tag]


async def test_rfc_6022_section_2_1_2_partial_locks_are_shown(lab: Lab) -> None:
    alice, _ = await with_doors(lab)
    await alice.rpc(lock(FRONT))
    monitoring = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
    wanted = f'<netconf-state xmlns="{monitoring}"><datastores/></netconf-state>'
    shown = await alice.rpc(f"<get><filter>{wanted}</filter></get>")
    assert "<partial-lock><lock-id>1</lock-id>" in shown
    assert f'<select xmlns:d="urn:doors">{FRONT}</select>' in shown
    assert f'<locked-node xmlns:d="urn:doors">{FRONT}</locked-node>' in shown
