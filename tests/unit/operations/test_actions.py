"""YANG 1.1 actions and the rpcs of any module."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cryptomap.data.build import build
from cryptomap.data.tree import Node, Path
from cryptomap.datastore.transaction import Origin
from cryptomap.errors import InUse
from cryptomap.schema.nodes import InnerNode
from support.lab import Error, Lab, door, door_schema, errors, tags

OpenLab = Callable[..., Awaitable[Lab]]

YANG = "urn:ietf:params:xml:ns:yang:1"


def output(path: str, **content: Any) -> Node:
    """The output of an rpc or of the action of a door."""
    door_node = door_schema().find("/doors:doors/door")
    assert isinstance(door_node, InnerNode)
    operation = door_schema().operations.get(path) or door_node.operations[path]
    return build(operation.output, content)


class Hinges:
    """Handlers that keep a diary."""

    def __init__(self) -> None:
        self.diary: list[str] = []

    def open(self, path: Path, given: Node, origin: Origin) -> Node | None:
        assert threading.current_thread() is not threading.main_thread()
        self.diary.append(f"{origin.user} opens {path[-1][1]} by {given.text('angle')}")
        if given.text("angle") == "90":
            raise InUse("somebody stands behind the door")
        return output("{urn:doors}open", creaks="true") if given.text("angle") == "45" else None

    async def ring(self, path: Path, given: Node, origin: Origin) -> Node | None:
        assert path == ()
        await asyncio.sleep(0)
        self.diary.append(f"{origin.user} rings {given.text('times')} times")
        return output("{urn:doors}ring", heard="true")


@pytest.fixture
def hinges() -> Hinges:
    return Hinges()


async def connected(start: OpenLab, hinges: Hinges) -> Any:
    lab = await start(handlers={"/doors:doors/door/open": hinges.open, "/doors:ring": hinges.ring})
    alice = await lab.connect()
    await alice.edit(door("front") + door("back"))
    await alice.rpc("<commit/>")
    return alice


def opening(name: str, inside: str) -> str:
    keys = f"<name>{name}</name>"
    return f'<action xmlns="{YANG}"><doors xmlns="urn:doors"><door>{keys}<open>{inside}</open></door></doors></action>'


async def test_an_action_without_output(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    assert await alice.rpc(opening("front", "<angle>30</angle>")) == "<ok/>"
    assert hinges.diary == ["alice opens front by 30"]


async def test_an_action_with_output(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    assert await alice.rpc(opening("front", "<angle>45</angle>")) == '<creaks xmlns="urn:doors">true</creaks>'


async def test_an_action_with_prefixes_and_comments(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    reply = await alice.rpc(
        f'<y:action xmlns:y="{YANG}" xmlns:o="urn:doors"><!-- now --><o:doors><o:door><o:open><o:angle> 30 </o:angle>'
        "</o:open><o:name><![CDATA[back]]></o:name></o:door></o:doors></y:action>"
    )
    assert reply == "<ok/>"
    assert hinges.diary == ["alice opens back by 30"]


async def test_a_handler_that_refuses(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    assert errors(await alice.rpc(opening("front", "<angle>90</angle>"))) == [
        Error("in-use", "somebody stands behind the door")
    ]


AT = "/d:doors/d:door[d:name='front']/d:open"
INPUTS = [
    ("", "missing-element", None, f"{AT}/d:angle"),
    ("<angle>0</angle>", "invalid-value", None, f"{AT}/d:angle"),
    ("<angle>30</angle><into>attic</into>", "data-missing", "instance-required", f"{AT}/d:into"),
    ("<angle>30</angle><gently/><speed>3</speed>", "unknown-element", None, f"{AT}/d:speed"),
    ("<angle>30</angle><loudly/>", "unknown-element", None, AT),
    ("<angle>30</angle><softly/>", "missing-element", None, f"{AT}/d:cushion"),
    ("<angle>30</angle><angle>31</angle>", "bad-element", None, f"{AT}/d:angle"),
]


@pytest.mark.parametrize(("inside", "tag", "app_tag", "path"), INPUTS)
async def test_bad_input(start: OpenLab, hinges: Hinges, inside: str, tag: str, app_tag: str | None, path: str) -> None:
    alice = await connected(start, hinges)
    found = errors(await alice.rpc(opening("front", inside)))
    assert [(e.tag, e.app_tag, e.path) for e in found] == [(tag, app_tag, path)]
    assert hinges.diary == []


@pytest.mark.parametrize("inside", ["<angle>30</angle><into>back</into>", "<angle>30</angle><speed>3</speed>"])
async def test_good_input(start: OpenLab, hinges: Hinges, inside: str) -> None:
    alice = await connected(start, hinges)
    assert await alice.rpc(opening("front", inside)) == "<ok/>"


async def test_several_faults_of_an_input(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    assert tags(await alice.rpc(opening("front", "<into>attic</into>"))) == ["missing-element", "data-missing"]


async def test_an_instance_that_does_not_exist(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    assert errors(await alice.rpc(opening("side", "<angle>30</angle>"))) == [
        Error("data-missing", "door does not exist, so it has no action", path="/d:doors/d:door[d:name='side']")
    ]


WRONG = [
    ("", "missing-element"),
    ('<doors xmlns="urn:doors"/>', "missing-element"),
    ('<doors xmlns="urn:doors"><door><open/></door></doors>', "missing-element"),
    ('<doors xmlns="urn:doors"><door><name>front</name><shut/></door></doors>', "unknown-element"),
    ('<doors xmlns="urn:doors"><door><name>front</name><open/><open/></door></doors>', "bad-element"),
    ('<windows xmlns="urn:x"/>', "unknown-element"),
]


@pytest.mark.parametrize(("inside", "tag"), WRONG)
async def test_an_action_element_that_leads_nowhere(start: OpenLab, hinges: Hinges, inside: str, tag: str) -> None:
    alice = await connected(start, hinges)
    assert tags(await alice.rpc(f'<action xmlns="{YANG}">{inside}</action>')) == [tag]


async def test_an_rpc(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    assert await alice.rpc('<ring xmlns="urn:doors"><times>2</times></ring>') == '<heard xmlns="urn:doors">true</heard>'
    assert hinges.diary == ["alice rings 2 times"]


async def test_bad_input_of_an_rpc(start: OpenLab, hinges: Hinges) -> None:
    alice = await connected(start, hinges)
    missing = errors(await alice.rpc('<ring xmlns="urn:doors"/>'))
    assert [(e.tag, e.path) for e in missing] == [("missing-element", "/d:ring/d:times")]
    assert errors(await alice.rpc('<ring xmlns="urn:doors"><times>11</times></ring>')) == [
        Error("operation-failed", "Nobody rings that often.", app_tag="must-violation", path="/d:ring/d:times")
    ]


FURNITURE = [
    ("<carpet>red</carpet><lamp>a</lamp><wall><paint>x</paint></wall>", []),
    ("<plank>a</plank><oil>b</oil><lamp>a</lamp><wall><paint>x</paint></wall>", []),
    ("<carpet>red</carpet><lamp>a</lamp><wall><paint>x</paint></wall><roof><slate>x</slate></roof>", []),
    ("<lamp>a</lamp><wall><paint>x</paint></wall>", [("data-missing", "missing-choice", "")]),
    ("<plank>a</plank><lamp>a</lamp><wall><paint>x</paint></wall>", [("missing-element", None, "/d:oil")]),
    ("<carpet>red</carpet><wall><paint>x</paint></wall>", [("operation-failed", "too-few-elements", "/d:lamp")]),
    (
        "<carpet>red</carpet><lamp>a</lamp><lamp>b</lamp><lamp>c</lamp><wall><paint>x</paint></wall>",
        [("operation-failed", "too-many-elements", "/d:lamp")],
    ),
    ("<carpet>red</carpet><lamp>a</lamp>", [("missing-element", None, "/d:wall/d:paint")]),
    (
        "<carpet>red</carpet><lamp>a</lamp><wall><paint>x</paint></wall><roof/>",
        [("missing-element", None, "/d:roof/d:slate")],
    ),
    (
        "<carpet>red</carpet><lamp>a</lamp><wall><paint>x</paint></wall><chair><leg>2</leg></chair>",
        [
            ("operation-failed", "must-violation", "/d:chair[d:leg='2']/d:leg"),
            ("missing-element", None, "/d:chair[d:leg='2']/d:seat"),
        ],
    ),
]


@pytest.mark.parametrize(("inside", "faults"), FURNITURE)
async def test_structure_of_an_input(start: OpenLab, inside: str, faults: list[tuple[str, str | None, str]]) -> None:
    lab = await start(handlers={"/doors:furnish": lambda path, given, origin: None})
    alice = await lab.connect()
    reply = await alice.rpc(f'<furnish xmlns="urn:doors">{inside}</furnish>')
    found = [(e.tag, e.app_tag, e.path) for e in errors(reply)] if reply != "<ok/>" else []
    assert found == [(tag, app_tag, f"/d:furnish{path}") for tag, app_tag, path in faults]


async def test_an_output_that_cannot_be_written_is_a_bug_that_is_answered(start: OpenLab) -> None:
    def wrong(path: Path, given: Node, origin: Origin) -> Node:
        return Node(output("{urn:doors}ring").schema, (5,))  # type: ignore[arg-type]

    lab = await start(handlers={"/doors:ring": wrong})
    alice = await lab.connect()
    assert tags(await alice.rpc('<ring xmlns="urn:doors"><times>2</times></ring>')) == ["operation-failed"]
    assert await alice.rpc("<discard-changes/>") == "<ok/>"


async def test_an_rpc_that_nobody_performs(lab: Lab) -> None:
    alice = await lab.connect()
    assert errors(await alice.rpc('<paint xmlns="urn:doors"/>')) == [
        Error(
            "operation-not-supported",
            "paint is defined by doors, but this server does not implement it",
            "protocol",
            info={"bad-element": "paint"},
        )
    ]
