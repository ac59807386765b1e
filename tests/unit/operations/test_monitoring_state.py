"""netconf-state, get-schema and the YANG library, as a client sees them."""

from __future__ import annotations

import re
from html import unescape

import pytest
from lxml import etree

from cryptomap.data.xml import read_inner
from support.lab import BASE, DOORS, PARTS, Client, Error, Lab, door, door_schema, errors, tags

MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
LIBRARY = "urn:ietf:params:xml:ns:yang:ietf-yang-library"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


async def state(client: Client, part: str) -> str:
    """A part of netconf-state."""
    reply = await client.rpc(
        f'<get><filter><netconf-state xmlns="{MONITORING}"><{part}/></netconf-state></filter></get>'
    )
    start, end = f'<data xmlns="{BASE}"><netconf-state xmlns="{MONITORING}">', "</netconf-state></data>"
    assert reply.startswith(start), reply
    return reply.removeprefix(start).removesuffix(end)


# ===== netconf-state =====


async def test_capabilities_are_those_of_the_hello(lab: Lab) -> None:
    alice = await lab.connect()
    said = re.findall("<capability>.*?</capability>", alice.hello)
    assert await state(alice, "capabilities") == f"<capabilities>{''.join(said)}</capabilities>"


async def test_datastores_with_their_locks(lab: Lab) -> None:
    alice, bob = await lab.connect(), await lab.connect("bob")
    await bob.rpc("<lock><target><running/></target></lock>")
    assert re.fullmatch(
        "<datastores><datastore><name>running</name><locks><global-lock><locked-by-session>2</locked-by-session>"
        f"<locked-time>{TIME}</locked-time></global-lock></locks></datastore>"
        "<datastore><name>candidate</name></datastore></datastores>",
        await state(alice, "datastores"),
    ) or re.fullmatch(
        "<datastores><datastore><name>candidate</name></datastore><datastore><name>running</name><locks><global-lock>"
        f"<locked-by-session>2</locked-by-session><locked-time>{TIME}</locked-time></global-lock></locks></datastore>"
        "</datastores>",
        await state(alice, "datastores"),
    )


async def test_sessions_with_their_counters(lab: Lab) -> None:
    alice = await lab.connect()
    alice.send("<bad")
    await alice.receive()
    await alice.rpc("<dance/>")
    lab.dial("mallory")  # has not said hello: no session yet
    assert re.fullmatch(
        "<sessions><session><session-id>1</session-id>"
        f'<transport xmlns:ncm="{MONITORING}">ncm:netconf-ssh</transport>'
        f"<username>alice</username><source-host>192.0.2.1</source-host><login-time>{TIME}</login-time>"
        "<in-rpcs>2</in-rpcs><in-bad-rpcs>1</in-bad-rpcs><out-rpc-errors>2</out-rpc-errors>"
        "<out-notifications>0</out-notifications></session></sessions>",
        await state(alice, "sessions"),
    )


async def test_statistics_of_all_sessions(lab: Lab) -> None:
    stranger = lab.dial()
    stranger.peer.put(b"<hello/>]]>]]>")
    await stranger.closed()
    dropped = await lab.connect()
    dropped.peer.put(b"")
    await dropped.closed()
    alice = await lab.connect()
    assert re.fullmatch(
        f"<statistics><netconf-start-time>{TIME}</netconf-start-time><in-bad-hellos>1</in-bad-hellos>"
        "<in-sessions>2</in-sessions><dropped-sessions>1</dropped-sessions><in-rpcs>1</in-rpcs>"
        "<in-bad-rpcs>0</in-bad-rpcs><out-rpc-errors>0</out-rpc-errors><out-notifications>0</out-notifications>"
        "</statistics>",
        await state(alice, "statistics"),
    )


async def test_schemas_list_modules_and_submodules(lab: Lab) -> None:
    alice = await lab.connect()
    listed = await state(alice, "schemas")
    assert (
        "<schema><identifier>doors-parts</identifier><version>2026-11-23</version>"
        f'<format xmlns:ncm="{MONITORING}">ncm:yang</format><namespace>urn:doors</namespace>'
        "<location>NETCONF</location></schema>"
    ) in listed
    assert "<identifier>doors</identifier><version></version>" in listed


# ===== get-schema =====

YIN = "urn:ietf:params:xml:ns:yang:yin:1"


def get_schema(identifier: str, more: str = "") -> str:
    return f'<get-schema xmlns="{MONITORING}"><identifier>{identifier}</identifier>{more}</get-schema>'


async def test_every_listed_schema_can_be_fetched(lab: Lab) -> None:
    alice = await lab.connect()
    listed = re.findall("<identifier>(.*?)</identifier><version>(.*?)</version>", await state(alice, "schemas"))
    assert len(listed) > 10
    for identifier, version in listed:
        reply = await alice.rpc(get_schema(identifier, f"<version>{version}</version>"))
        assert re.search(rf"module\s+{identifier}\b", unescape(reply)), identifier


@pytest.mark.parametrize(("identifier", "text"), [("doors", DOORS), ("doors-parts", PARTS)])
async def test_the_text_is_the_modules_own(lab: Lab, identifier: str, text: str) -> None:
    alice = await lab.connect()
    reply = await alice.rpc(get_schema(identifier))
    element = etree.fromstring(reply)
    assert element.tag == f"{{{MONITORING}}}data"
    assert element.text == text


async def test_the_format_may_be_named(lab: Lab) -> None:
    alice = await lab.connect()
    named = '<format xmlns:m="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">m:yang</format>'
    assert "module doors" in await alice.rpc(get_schema("doors", named))
    assert "module doors" in await alice.rpc(get_schema("doors", "<format>yang</format>"))
    assert tags(await alice.rpc(get_schema("doors", "<format>xsd</format>"))) == ["invalid-value"]


async def test_modules_and_submodules_can_be_had_as_yin(lab: Lab) -> None:
    alice = await lab.connect()
    listed = re.findall(r"<identifier>(doors.*?)</identifier>.*?<format[^>]*>ncm:(.*?)<", await state(alice, "schemas"))
    assert sorted(listed) == [(name, kind) for name in ("doors", "doors-parts") for kind in ("yang", "yin")]
    (doors,) = etree.fromstring(await alice.rpc(get_schema("doors", "<format>yin</format>")))
    assert (doors.tag, doors.get("name")) == (f"{{{YIN}}}module", "doors")
    assert doors.find("y:container/y:list/y:must/y:error-message/y:value", {"y": YIN}).text is not None
    (parts,) = etree.fromstring(await alice.rpc(get_schema("doors-parts", "<format>yin</format>")))
    assert (parts.tag, parts[1].get("module")) == (f"{{{YIN}}}submodule", "doors")


async def test_a_schema_that_is_not_there(lab: Lab) -> None:
    alice = await lab.connect()
    assert errors(await alice.rpc(get_schema("windows"))) == [
        Error(
            "invalid-value",
            "there is no schema windows; netconf-state/schemas lists those there are",
            info={"bad-element": "identifier"},
        )
    ]
    assert tags(await alice.rpc(get_schema("doors-parts", "<version>1999-01-01</version>"))) == ["invalid-value"]


async def test_the_identifier_is_mandatory(lab: Lab) -> None:
    alice = await lab.connect()
    found = errors(await alice.rpc(f'<get-schema xmlns="{MONITORING}"/>'))
    assert [(e.tag, e.path) for e in found] == [("missing-element", "/ncm:get-schema/ncm:identifier")]


# ===== yang-library =====


async def library(client: Client, top: str) -> etree._Element:
    reply = await client.rpc(f'<get><filter><{top} xmlns="{LIBRARY}"/></filter></get>')
    element = etree.fromstring(reply).find(f"{{{LIBRARY}}}{top}")
    assert element is not None
    return element


def texts(element: etree._Element, path: str) -> list[str]:
    return [
        found.text or "" for found in element.iterfind("/".join(f"{{{LIBRARY}}}{step}" for step in path.split("/")))
    ]


async def test_yang_library(lab: Lab) -> None:
    alice = await lab.connect()
    found = await library(alice, "yang-library")
    assert texts(found, "content-id") == [door_schema().content_id]
    assert f"content-id={door_schema().content_id}<" in alice.hello
    assert {"doors", "old", "ietf-yang-library"} <= set(texts(found, "module-set/module/name"))
    assert {"ietf-inet-types", "ietf-yang-types"} <= set(texts(found, "module-set/import-only-module/name"))
    assert texts(found, "module-set/module/submodule/name") == ["doors-parts"]
    assert {"moss", "rust"} <= set(texts(found, "module-set/module/feature"))
    names = {name.partition(":")[2] for name in texts(found, "datastore/name")}
    assert names == {"running", "candidate", "intended", "operational"}


async def test_modules_state(lab: Lab) -> None:
    found = await library(await lab.connect(), "modules-state")
    assert texts(found, "module-set-id") == [door_schema().content_id]
    kinds = dict(zip(texts(found, "module/name"), texts(found, "module/conformance-type"), strict=True))
    assert kinds["doors"] == "implement"
    assert kinds["ietf-inet-types"] == "import"


async def test_all_state_reads_back_as_the_schema_has_it(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<commit/>")
    data = etree.fromstring(await alice.rpc("<get/>"))
    tree = read_inner(door_schema(), door_schema().root, data)
    assert {child.name for child, value in zip(tree.schema.children, tree.slots, strict=True) if value is not None} == {
        "doors",
        "netconf-state",
        "netconf",
        "streams",
        "yang-library",
        "modules-state",
    }
