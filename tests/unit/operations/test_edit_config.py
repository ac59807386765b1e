"""edit-config, copy-config and delete-config through a session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from support.lab import BASE, Error, Lab, door, errors, tags

FRONT = "/d:doors/d:door[d:name='front']"


async def test_a_merge_into_the_candidate(lab: Lab) -> None:
    alice = await lab.connect()
    assert await alice.edit(door("front", "<width>90</width>")) == "<ok/>"
    assert await alice.doors("candidate") == "<door><name>front</name><width>90</width></door>"
    assert await alice.doors("running") == ""


async def test_the_operations_of_elements(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front", "<width>90</width><colour>red</colour>") + door("back"))
    assert await alice.edit(door("front", '<width nc:operation="delete"/>')) == "<ok/>"
    assert await alice.edit('<door nc:operation="remove"><name>side</name></door>') == "<ok/>"
    assert await alice.edit('<door nc:operation="replace"><name>back</name><width>70</width></door>') == "<ok/>"
    assert await alice.doors("candidate") == (
        "<door><name>back</name><width>70</width></door><door><name>front</name><colour>red</colour></door>"
    )


async def test_what_exists_or_does_not(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    created = await alice.edit('<door nc:operation="create"><name>front</name></door>')
    deleted = await alice.edit('<door nc:operation="delete"><name>side</name></door>')
    assert [(error.tag, error.path) for error in errors(created)] == [("data-exists", FRONT)]
    assert tags(deleted) == ["data-missing"]


@pytest.mark.parametrize("attribute", ['nc:operation="delete"', 'nc:operation="replace"', 'operation="delete"'])
async def test_an_operation_on_config_itself_is_refused(lab: Lab, attribute: str) -> None:
    """It stands on no node, and what it asks for must not silently become a merge."""
    alice = await lab.connect()
    await alice.edit(door("front"))
    reply = await alice.rpc(
        f'<edit-config><target><candidate/></target><config xmlns:nc="{BASE}" {attribute}>'
        '<doors xmlns="urn:doors"><door><name>back</name></door></doors></config></edit-config>'
    )
    (error,) = errors(reply)
    assert (error.tag, error.info) == ("unknown-attribute", {"bad-attribute": "operation", "bad-element": "config"})
    assert "default-operation" in error.message
    assert await alice.doors("candidate") == "<door><name>front</name></door>"


async def test_default_operation_none_needs_what_it_walks_through(lab: Lab) -> None:
    alice = await lab.connect()
    none = "<default-operation>none</default-operation>"
    assert tags(await alice.edit(door("front", '<width nc:operation="create">90</width>'), none)) == ["data-missing"]
    await alice.edit(door("front"))
    assert await alice.edit(door("front", '<width nc:operation="create">90</width>'), none) == "<ok/>"
    assert await alice.doors("candidate") == "<door><name>front</name><width>90</width></door>"


async def test_default_operation_replace(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    assert await alice.edit(door("back"), "<default-operation>replace</default-operation>") == "<ok/>"
    assert await alice.doors("candidate") == "<door><name>back</name></door>"


async def test_all_faults_of_an_edit_come_in_one_reply_and_nothing_is_taken(lab: Lab) -> None:
    alice = await lab.connect()
    reply = await alice.edit(
        door("front", "<width>9</width>", "<colour>blue</colour>", "<handle/>")
        + '<window xmlns="urn:windows"/>'
        + "<door><width>90</width></door>"
    )
    found = errors(reply)
    assert [error.tag for error in found] == [
        "invalid-value",
        "invalid-value",
        "unknown-element",
        "unknown-namespace",
        "missing-element",
    ]
    assert [error.path for error in found[:3]] == [f"{FRONT}/d:width", f"{FRONT}/d:colour", FRONT]
    assert await alice.doors("candidate") == ""


async def test_continue_on_error_takes_the_rest(lab: Lab) -> None:
    alice = await lab.connect()
    reply = await alice.edit(
        door("front", "<width>9</width><colour>red</colour>"), "<error-option>continue-on-error</error-option>"
    )
    assert tags(reply) == ["invalid-value"]
    assert await alice.doors("candidate") == "<door><name>front</name><colour>red</colour></door>"


@pytest.mark.parametrize("option", ["stop-on-error", "rollback-on-error"])
async def test_other_error_options_take_nothing(lab: Lab, option: str) -> None:
    alice = await lab.connect()
    bad = door("front", "<colour>red</colour><width>9</width>")
    assert tags(await alice.edit(bad, f"<error-option>{option}</error-option>")) == ["invalid-value"]
    assert await alice.doors("candidate") == ""


DANGLING = door("front", "<neighbour>back</neighbour>")


async def test_a_candidate_may_be_invalid_until_it_is_committed(lab: Lab) -> None:
    alice = await lab.connect()
    assert await alice.edit(DANGLING) == "<ok/>"


async def test_test_then_set_refuses_what_would_not_commit(lab: Lab) -> None:
    alice = await lab.connect()
    reply = await alice.edit(DANGLING, "<test-option>test-then-set</test-option>")
    assert [(error.tag, error.app_tag, error.path) for error in errors(reply)] == [
        ("data-missing", "instance-required", f"{FRONT}/d:neighbour")
    ]
    assert await alice.doors("candidate") == ""


async def test_test_only_changes_nothing(lab: Lab) -> None:
    alice = await lab.connect()
    assert await alice.edit(door("front"), "<test-option>test-only</test-option>") == "<ok/>"
    assert await alice.doors("candidate") == ""


PARAMETER_FAULTS = {
    "<edit-config><config/></edit-config>": Error(
        "missing-element", "edit-config needs the parameter target", "protocol", info={"bad-element": "target"}
    ),
    "<edit-config><target/><config/></edit-config>": Error(
        "missing-element", "target must name a datastore", "protocol", info={"bad-element": "target"}
    ),
    "<edit-config><target><candidate/></target></edit-config>": Error(
        "missing-element", "edit-config needs the parameter config", "protocol", info={"bad-element": "config"}
    ),
    "<edit-config><target><attic/></target><config/></edit-config>": Error(
        "unknown-element", "target: there is no datastore attic", "protocol", info={"bad-element": "attic"}
    ),
    "<edit-config><target><candidate/><running/></target><config/></edit-config>": Error(
        "bad-element", "target must name one datastore", "protocol", info={"bad-element": "running"}
    ),
    "<edit-config><target><candidate/></target><target><candidate/></target><config/></edit-config>": Error(
        "bad-element", "target is given twice", "protocol", info={"bad-element": "target"}
    ),
    "<edit-config><target><candidate/></target><colour/><config/></edit-config>": Error(
        "unknown-element", "edit-config has no parameter colour", "protocol", info={"bad-element": "colour"}
    ),
    '<edit-config><target><candidate/></target><target xmlns="urn:x"/><config/></edit-config>': Error(
        "unknown-namespace",
        "edit-config has no parameter target in namespace 'urn:x'",
        "protocol",
        info={"bad-element": "target", "bad-namespace": "urn:x"},
    ),
    "<edit-config><target><candidate/></target><default-operation>create</default-operation><config/></edit-config>": (
        Error(
            "invalid-value",
            "default-operation is 'create', which is none of merge, replace, none",
            "protocol",
            info={"bad-element": "default-operation"},
        )
    ),
    "<edit-config><target><candidate/></target><url>file:x</url></edit-config>": Error(
        "operation-not-supported",
        "a url is not supported: the capability :url is not announced",
        "protocol",
        info={"bad-element": "url"},
    ),
    "<edit-config><target><url>file:x</url></target><config/></edit-config>": Error(
        "operation-not-supported",
        "target must be a datastore here, not <url>",
        "protocol",
        info={"bad-element": "url"},
    ),
    "<edit-config><target><running/></target><config/></edit-config>": Error(
        "operation-not-supported",
        "running is changed by committing the candidate; writable-running is off",
        "protocol",
    ),
}


@pytest.mark.parametrize("operation", PARAMETER_FAULTS)
async def test_bad_parameters(lab: Lab, operation: str) -> None:
    alice = await lab.connect()
    assert errors(await alice.rpc(operation)) == [PARAMETER_FAULTS[operation]]


async def test_running_can_be_edited_where_that_is_switched_on(start: Callable[..., Awaitable[Lab]]) -> None:
    lab = await start(datastore={"writable_running": True})
    alice = await lab.connect()
    assert "urn:ietf:params:netconf:capability:writable-running:1.0" in alice.hello
    assert await alice.edit(door("front"), target="running") == "<ok/>"
    assert await alice.doors("running") == "<door><name>front</name></door>"


# ===== copy-config =====


async def test_copy_an_inline_configuration(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("back"))
    inline = f'<config><doors xmlns="urn:doors">{door("front")}</doors></config>'
    copy = f"<copy-config><target><candidate/></target><source>{inline}</source></copy-config>"
    assert await alice.rpc(copy) == "<ok/>"
    assert await alice.doors("candidate") == "<door><name>front</name></door>"


async def test_copy_running_over_the_candidate(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("back"))
    copy = "<copy-config><target><candidate/></target><source><running/></source></copy-config>"
    assert await alice.rpc(copy) == "<ok/>"
    assert await alice.doors("candidate") == ""


async def test_copy_with_faults_in_the_configuration(lab: Lab) -> None:
    alice = await lab.connect()
    inline = f'<config><doors xmlns="urn:doors">{door("front", "<width>9</width>")}</doors></config>'
    copy = f"<copy-config><target><candidate/></target><source>{inline}</source></copy-config>"
    assert [(e.tag, e.path) for e in errors(await alice.rpc(copy))] == [("invalid-value", f"{FRONT}/d:width")]


async def test_copy_onto_itself(lab: Lab) -> None:
    alice = await lab.connect()
    copy = "<copy-config><target><candidate/></target><source><candidate/></source></copy-config>"
    assert [(e.tag, e.message) for e in errors(await alice.rpc(copy))] == [
        ("invalid-value", "source and target are both candidate")
    ]


async def test_startup_where_it_is_switched_on(start: Callable[..., Awaitable[Lab]]) -> None:
    lab = await start(datastore={"startup_enabled": True})
    root = await lab.connect("root")
    assert "urn:ietf:params:netconf:capability:startup:1.0" in root.hello
    await root.edit(door("front"))
    await root.rpc("<commit/>")
    copy = "<copy-config><target><startup/></target><source><running/></source></copy-config>"
    assert await root.rpc(copy) == "<ok/>"
    assert await root.doors("startup") == "<door><name>front</name></door>"
    assert await root.rpc("<delete-config><target><startup/></target></delete-config>") == "<ok/>"
    assert await root.doors("startup") == ""


# ===== delete-config =====


@pytest.mark.parametrize("target", ["running", "candidate"])
async def test_running_and_candidate_cannot_be_deleted(lab: Lab, target: str) -> None:
    root = await lab.connect("root")
    reply = await root.rpc(f"<delete-config><target><{target}/></target></delete-config>")
    assert [(e.tag, e.type) for e in errors(reply)] == [("invalid-value", "protocol")]


async def test_startup_is_not_there_unless_switched_on(lab: Lab) -> None:
    root = await lab.connect("root")
    reply = await root.rpc("<delete-config><target><startup/></target></delete-config>")
    assert tags(reply) == ["operation-not-supported"]


async def test_an_edit_with_prefixes_of_the_clients_choice(lab: Lab) -> None:
    alice = await lab.connect()
    alice.send(
        f'<?xml version="1.0" encoding="UTF-8"?><!-- an edit --><x:rpc xmlns:x="{BASE}" xmlns:q="urn:doors" '
        'message-id="a&amp;b" q:note="&lt;1&gt;"><x:edit-config><?target here?><x:target><!-- the -->'
        "<x:candidate/></x:target><x:config><q:doors><q:door><q:name>fr<!-- a comment -->ont</q:name>"
        "<q:width><![CDATA[90]]></q:width></q:door></q:doors></x:config></x:edit-config></x:rpc>"
    )
    assert await alice.receive() == (
        f'<x:rpc-reply xmlns:x="{BASE}" xmlns:q="urn:doors" message-id="a&amp;b" q:note="&lt;1&gt;">'
        f'<ok xmlns="{BASE}"/></x:rpc-reply>'
    )
    assert await alice.doors("candidate") == "<door><name>front</name><width>90</width></door>"
