"""RFC 8341 sections 3.2 and 3.4 without rules: nodes and operations that modules deny unless a rule permits them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from lxml import etree

from cryptomap.data.tree import Node
from cryptomap.data.xml import read_config
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import AccessDenied, RpcErrors
from cryptomap.operations import Nacm
from cryptomap.operations.access import EVERYTHING, Reader
from support.lab import BASE, Error, Lab, door, door_schema, errors, tags
from support.stores import VAULT

FRONT = "/d:doors/d:door[d:name='front']"
MARKED = "the module denies it unless a rule permits it"
GRANT = (
    "to grant it, a recovery user adds to /nacm, in a rule-list for a group that has alice as user-name (alice is in "
    "none), a rule {}, action permit"
)


async def test_hidden_nodes_are_not_read(lab: Lab) -> None:
    root, alice = await lab.connect("root"), await lab.connect()
    await root.edit(door("front", "<code>1234</code>", "<owner>bob</owner>"))
    await root.rpc("<commit/>")
    assert await alice.doors() == "<door><name>front</name><owner>bob</owner></door>"
    shown = await root.doors()
    assert "<code>$cm1$" in shown
    assert "1234" not in shown


FILTERS = [
    '<filter><doors xmlns="urn:doors"><door><code>{sealed}</code></door></doors></filter>',
    '<filter><doors xmlns="urn:doors"><door><code>1234</code></door></doors></filter>',
    '<filter><doors xmlns="urn:doors"><door><code/></door></doors></filter>',
    '<filter type="xpath" select="//code"/>',
    '<filter type="xpath" select="//door[code=\'{sealed}\']"/>',
    '<filter type="xpath" select="//door[starts-with(code, \'$\')]"/>',
    '<filter type="xpath" select="//door[count(*) = 2]"/>',
]


@pytest.mark.parametrize("operation", ["get", "get-config"])
@pytest.mark.parametrize("filter_text", FILTERS)
async def test_filters_do_not_find_what_is_hidden(lab: Lab, filter_text: str, operation: str) -> None:
    root, alice = await lab.connect("root"), await lab.connect()
    await root.edit(door("front", "<code>1234</code>"))
    await root.rpc("<commit/>")
    sealed = (await root.doors()).partition("<code>")[2].partition("</code>")[0]
    source = "" if operation == "get" else "<source><running/></source>"
    request = f"<{operation}>{source}{filter_text.format(sealed=sealed)}</{operation}>"
    assert f"<code>{sealed}</code>" in await root.rpc(request) or "1234" in filter_text or "count" in filter_text
    found = await alice.rpc(request)
    assert "code" not in found
    if "<code/>" not in filter_text:
        assert found == f'<data xmlns="{BASE}"></data>'


@pytest.mark.parametrize("leaf", ["<code>1234</code>", "<owner>bob</owner>"])
async def test_marked_nodes_are_not_written(lab: Lab, leaf: str) -> None:
    alice = await lab.connect()
    name = leaf[1:].partition(">")[0]
    where = f"/doors:doors/door[name='front']/{name}"
    assert errors(await alice.edit(door("front", "<width>90</width>", leaf))) == [
        Error(
            "access-denied",
            f"alice may not create {name}: {MARKED}; {GRANT.format(f'with path {where}, access-operations create')}",
            path=f"{FRONT}/d:{name}",
        )
    ]
    assert await alice.doors("candidate") == ""


async def test_nor_copied_nor_deleted_with_what_is_around_them(lab: Lab) -> None:
    root, alice = await lab.connect("root"), await lab.connect()
    await root.edit(door("front", "<code>1234</code>"))
    await root.rpc("<commit/>")
    assert tags(await alice.edit('<door nc:operation="delete"><name>front</name></door>')) == ["access-denied"]
    empty = "<copy-config><target><candidate/></target><source><config/></source></copy-config>"
    assert tags(await alice.rpc(empty)) == ["access-denied"]
    assert await alice.edit(door("front", "<width>90</width>")) == "<ok/>"
    assert await alice.rpc("<commit/>") == "<ok/>"
    assert "<code>$cm1$" in await root.doors()


async def test_nor_committed_for_somebody_else(lab: Lab) -> None:
    root, alice = await lab.connect("root"), await lab.connect()
    await root.edit(door("front", "<code>1234</code>"))
    assert tags(await alice.rpc("<commit/>")) == ["access-denied"]
    assert await root.rpc("<commit/>") == "<ok/>"


async def test_the_same_key_again_is_no_change(lab: Lab) -> None:
    root = await lab.connect("root")
    await root.edit(door("front", "<code>1234</code>"))
    await root.rpc("<commit/>")
    head = lab.datastores.head
    await root.edit(door("front", "<code>1234</code>"))
    assert await root.rpc("<commit/>") == "<ok/>"
    assert lab.datastores.head == head


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ("<kill-session><session-id>1</session-id></kill-session>", "kill-session"),
        ("<delete-config><target><startup/></target></delete-config>", "delete-config"),
        ('<burn xmlns="urn:doors"/>', "burn"),
    ],
)
async def test_operations_that_are_denied(lab: Lab, operation: str, name: str) -> None:
    alice = await lab.connect()
    assert errors(await alice.rpc(operation)) == [
        Error(
            "access-denied",
            f"alice may not perform {name}: it is denied unless a rule permits it; "
            f"{GRANT.format(f'with rpc-name {name}, access-operations exec')}",
            "protocol",
        )
    ]


async def test_actions_that_are_denied(start: Callable[..., Awaitable[Lab]]) -> None:
    lab = await start(handlers={"/doors:doors/door/seal": lambda path, given, origin: None})
    root, alice = await lab.connect("root"), await lab.connect()
    await root.edit(door("front"))
    await root.rpc("<commit/>")
    action = (
        '<action xmlns="urn:ietf:params:xml:ns:yang:1"><doors xmlns="urn:doors"><door><name>front</name><seal/></door>'
        "</doors></action>"
    )
    assert tags(await alice.rpc(action)) == ["access-denied"]
    assert await root.rpc(action) == "<ok/>"


async def test_another_access_control_can_take_the_place(start: Callable[..., Awaitable[Lab]]) -> None:
    class Closed:
        def execute(self, user: str, tag: str, path: object = ()) -> None:
            raise AccessDenied("closed today")

        def reader(self, user: str) -> Reader:
            return EVERYTHING

        def write(self, origin: object, old: object, new: object) -> None: ...

        def dropped(self) -> None: ...

    lab = await start(access=Closed())
    assert errors(await (await lab.connect()).rpc("<get/>")) == [Error("access-denied", "closed today")]


def test_what_the_server_does_by_itself_is_permitted() -> None:
    """A confirmed commit that times out brings back what its user could not have written."""
    access = Nacm(door_schema(), lambda: Node.empty(door_schema().root), ["root"])
    config = etree.fromstring(f'<config><doors xmlns="urn:doors">{door("front", "<code>1234</code>")}</doors></config>')
    old, new = read_config(door_schema(), etree.Element("config")), read_config(door_schema(), config, VAULT)
    access.write(Origin("cryptomapd"), old, new)
    access.write(Origin("root", 1), old, new)
    with pytest.raises(RpcErrors):
        access.write(Origin("alice", 1), old, new)
