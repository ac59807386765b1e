"""Edits that are refused, at once or at their commit: each with the rpc-error of the standard, nothing changed."""

from __future__ import annotations

import pytest

from cryptomap_backend.simulator import Faults
from support.bad_input import ACL, CTX, IPS, crypto_map, in_context, mapping
from support.state import NS
from support.wire import BASE, Error, Wire, errors
from support.world import WorldProcess

# ===== an edit that is refused =====

CONTEXT = "/cmc:contexts/cmc:context[cmc:name='ipsec-d']"
SET = f"{CONTEXT}/cmi:ipsec-transform-set[cmi:name='A-foo']"


def transform_set(inner: str) -> str:
    return in_context(f'<ipsec-transform-set xmlns="{IPS}">{inner}</ipsec-transform-set>')


def whole_context(operation: str, name: str) -> str:
    return (
        f'<contexts xmlns="{CTX}"><context xmlns:nc="{BASE}" nc:operation="{operation}"><name>{name}</name></context>'
        "</contexts>"
    )


EDITS: dict[str, tuple[str, Error]] = {
    "unknown namespace": (
        '<x xmlns="urn:nowhere"/>',
        Error(
            "unknown-namespace",
            "namespace 'urn:nowhere' of element x is not known to this server",
            path="/",
            info={"bad-element": "x", "bad-namespace": "urn:nowhere"},
        ),
    ),
    "unknown element": (
        in_context("<colour>red</colour>"),
        Error(
            "unknown-element",
            f"there is no element colour below context in namespace {CTX}",
            path=CONTEXT,
            info={"bad-element": "colour"},
        ),
    ),
    "unknown attribute": (
        in_context('<description size="1">x</description>'),
        Error(
            "unknown-attribute",
            "attribute 'size' is not expected on description",
            path=f"{CONTEXT}/cmc:description",
            info={"bad-attribute": "size", "bad-element": "description"},
        ),
    ),
    "wrong type": (
        transform_set("<name>A-foo</name><dscp>x</dscp>"),
        Error(
            "invalid-value",
            "'x' is not an integer in the range 0..63",
            path=f"{SET}/cmi:dscp",
            info={"bad-element": "dscp"},
        ),
    ),
    "unknown identity": (
        transform_set("<name>A-foo</name><encryption>rot13</encryption>"),
        Error(
            "invalid-value",
            "'rot13' is not an identity derived from cryptomap-types:esp-encryption",
            path=f"{SET}/cmi:encryption",
            info={"bad-element": "encryption"},
        ),
    ),
    "missing key": (
        transform_set("<dscp>1</dscp>"),
        Error(
            "missing-element",
            "an entry of list ipsec-transform-set needs its key name",
            path=f"{CONTEXT}/cmi:ipsec-transform-set",
            info={"bad-element": "name"},
        ),
    ),
    "the same leaf twice": (
        in_context("<description>a</description><description>b</description>"),
        Error(
            "bad-element",
            "element description is here twice",
            path=f"{CONTEXT}/cmc:description",
            info={"bad-element": "description"},
        ),
    ),
    "an entry that is created twice": (
        f'<contexts xmlns="{CTX}" xmlns:nc="{BASE}"><context nc:operation="create"><name>a</name></context>'
        '<context nc:operation="create"><name>a</name></context></contexts>',
        Error("data-exists", "context exists already", path="/cmc:contexts/cmc:context[cmc:name='a']"),
    ),
    "an entry that exists is created": (
        whole_context("create", "ipsec-d"),
        Error("data-exists", "context exists already", path=CONTEXT),
    ),
    "an entry that does not exist is deleted": (
        whole_context("delete", "zz"),
        Error("data-missing", "context does not exist", path="/cmc:contexts/cmc:context[cmc:name='zz']"),
    ),
    "unknown operation": (
        whole_context("explode", "ipsec-d"),
        Error(
            "bad-attribute",
            "operation 'explode' is none of create, delete, merge, remove, replace",
            path=CONTEXT,
            info={"bad-attribute": "operation", "bad-element": "context"},
        ),
    ),
    "two cases of a choice": (
        in_context(
            f'<associate-l2-mapping-table xmlns="{NS["qos"]}"><name>l2Marktable</name><system-default/>'
            "</associate-l2-mapping-table>"
        ),
        Error(
            "bad-element",
            "choice table allows one of its cases, not both name and system-default",
            path=f"{CONTEXT}/cmq:associate-l2-mapping-table/cmq:system-default",
            info={"bad-element": "system-default"},
        ),
    ),
    "state": (
        f'<platform xmlns="{NS["plat"]}"><role>user-plane</role></platform>',
        Error(
            "unknown-element",
            "platform is state data and cannot be configured",
            path="/cmp:platform",
            info={"bad-element": "platform"},
        ),
    ),
    "text between elements": (
        in_context("text"),
        Error(
            "bad-element",
            "context holds elements, but there is text between them",
            path=CONTEXT,
            info={"bad-element": "context"},
        ),
    ),
    "elements in a leaf": (
        in_context("<description><b/></description>"),
        Error(
            "unknown-element",
            "description has no children",
            path=f"{CONTEXT}/cmc:description",
            info={"bad-element": "b"},
        ),
    ),
}


@pytest.mark.parametrize(("edit", "wanted"), EDITS.values(), ids=list(EDITS))
async def test_an_edit_that_is_refused(wire: Wire, edit: str, wanted: Error) -> None:
    assert errors(await wire.edit(edit)) == [wanted]


async def test_all_faults_of_an_edit_are_told(wire: Wire) -> None:
    faults = errors(await wire.edit(transform_set("<name>A-foo</name><dscp>x</dscp><mode>none</mode><zz/>")))
    assert [fault.tag for fault in faults] == ["invalid-value", "invalid-value", "unknown-element"]


async def test_a_duplicate_key_in_a_whole_configuration(wire: Wire) -> None:
    entry = f'<ipsec-transform-set xmlns="{IPS}"><name>a</name></ipsec-transform-set>'
    twice = f'<config xmlns="{BASE}">{in_context(entry * 2)}</config>'
    wanted = Error(
        "bad-element",
        "this entry of list ipsec-transform-set is here twice",
        path=f"{CONTEXT}/cmi:ipsec-transform-set[cmi:name='a']",
        info={"bad-element": "ipsec-transform-set"},
    )
    for operation in (
        f"<validate><source>{twice}</source></validate>",
        f"<copy-config><target><candidate/></target><source>{twice}</source></copy-config>",
    ):
        assert errors(await wire.rpc(operation)) == [wanted]


# ===== an edit that a commit refuses =====

COMMITS: dict[str, tuple[str, Error]] = {
    "dangling reference": (
        in_context(f'<crypto-map xmlns="{IPS}"><name>foo0</name><match-address>nowhere</match-address></crypto-map>'),
        Error(
            "data-missing",
            "match-address names 'nowhere', but there is no access-list with name 'nowhere': create it, "
            "or name another",
            app_tag="instance-required",
            path=f"{CONTEXT}/cmi:crypto-map[cmi:name='foo0']/cmi:match-address",
        ),
    ),
    "reference that an edit leaves dangling": (
        in_context(
            f'<access-list xmlns="{ACL}" xmlns:nc="{BASE}" nc:operation="delete"><name>foo1</name></access-list>'
        ),
        Error(
            "data-missing",
            "match-address names 'foo1', but there is no access-list with name 'foo1': create it, or name another",
            app_tag="instance-required",
            path=f"{CONTEXT}/cmi:crypto-map[cmi:name='foo1']/cmi:match-address",
        ),
    ),
    "missing mandatory leaf": (
        crypto_map("new", ""),
        Error(
            "data-missing",
            "type must be given for /cryptomap-context:contexts/context[name='ipsec-d']"
            "/cryptomap-ipsec:crypto-map[name='new']",
            path=f"{CONTEXT}/cmi:crypto-map[cmi:name='new']/cmi:type",
            info={"bad-element": "type"},
        ),
    ),
}


@pytest.mark.parametrize(("edit", "wanted"), COMMITS.values(), ids=list(COMMITS))
async def test_an_edit_that_validate_and_commit_refuse(wire: Wire, edit: str, wanted: Error) -> None:
    assert await wire.edit(edit) == "<ok/>"
    assert errors(await wire.rpc("<validate><source><candidate/></source></validate>")) == [wanted]
    assert errors(await wire.rpc("<commit/>")) == [wanted]
    await wire.do("<discard-changes/>")


async def test_test_then_set_changes_nothing(wire: Wire) -> None:
    edit, wanted = COMMITS["dangling reference"]
    assert errors(await wire.edit(edit, "<test-option>test-then-set</test-option>")) == [wanted]


async def test_a_gateway_that_refuses_or_fails(wire: Wire, world: WorldProcess) -> None:
    assert await wire.edit(mapping("create")) == "<ok/>"
    for faults, said in (
        (Faults(refuse="not today", times=1), "not today"),
        (Faults(fail_step=0, times=1), "simulated failure in step 0"),
    ):
        world.remote.set_faults(faults)
        [error] = errors(await wire.rpc("<commit/>"))
        assert error.tag == "operation-failed"
        assert said in error.message
    world.remote.set_faults(Faults())
    await wire.do("<discard-changes/>")
