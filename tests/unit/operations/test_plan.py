"""plan of module cryptomap-server: what a commit would do, and why it would be refused; nothing is done."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable

from lxml import etree

from cryptomap.data.path import parse_instance_identifier
from cryptomap.data.xml import read_inner
from cryptomap.datastore.outlook import Effect, Limit, Outlook
from support.lab import BASE, Client, Lab, door, door_schema, tags
from support.nacm import nacm, rule, set_rules

OpenLab = Callable[..., Awaitable[Lab]]

CMS = "urn:cryptomap:yang:cryptomap-server"
FRONT = "/d:doors/d:door[d:name='front']"


async def plan(client: Client, content: str = "") -> str:
    return await client.rpc(f'<plan xmlns="{CMS}">{content}</plan>')


def values(reply: str, leaf: str) -> list[str]:
    return [html.unescape(text) for text in re.findall(rf"<{leaf}[^>]*>([^<]*)</{leaf}>", reply)]


class Carpenter:
    """Says nothing but what it was asked."""

    name = "carpenter"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def prepare(self, transition: object) -> str:
        self.calls.append("prepare")
        return "hammer"

    def apply(self, prepared: str) -> None:
        self.calls.append("apply")

    def abort(self, prepared: str) -> None:
        self.calls.append("abort")

    def revert(self, prepared: str) -> None:
        self.calls.append("revert")


def effects(prepared: object) -> Outlook:
    def path(name: str) -> str:
        return f"/doors:doors/door[name='{name}']"

    def effect(name: str, kind: str, drops: int, pending: bool) -> Effect:
        names = {"context": "c", "crypto-map": name, "interface": "i"}
        where = parse_instance_identifier(door_schema(), path(name))
        return Effect("tunnel", names, where, kind, ("wood",), drops, pending)

    limits = Limit("no glue"), Limit("back: no nails", parse_instance_identifier(door_schema(), path("back")))
    return Outlook((effect("front", "re-establish", 2, False), effect("back", "reapply-pending", 0, True)), limits)


async def test_plan_tells_what_the_candidate_changes_and_does_nothing(start: OpenLab) -> None:
    carpenter = Carpenter()
    lab = await start(datastore={"participants": [carpenter]}, outlook=effects)
    carpenter.calls.clear()
    alice = await lab.connect()
    await alice.edit(door("front", "<width>90</width>"))
    reply = await plan(alice)
    assert values(reply, "accepted") == ["true"]
    assert values(reply, "tree") == ["+ doors\n+   door front\n+     width 90"]
    assert values(reply, "crypto-map") == ["front", "back"]
    assert values(reply, "effect") == ["re-establish", "reapply-pending"]
    assert values(reply, "dropped-sas") == ["2", "2", "0"]  # in all, and each
    assert values(reply, "limit") == ["no glue", "back: no nails"]
    assert carpenter.calls == ["prepare", "abort"]
    assert lab.datastores.head == 0


async def test_plan_of_a_candidate_that_would_be_refused_says_why(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front", "<neighbour>front</neighbour>"))
    reply = await plan(alice)
    assert values(reply, "accepted") == ["false"]
    assert values(reply, "rule") == ["own-neighbour"]
    assert values(reply, "path") == [FRONT]
    assert values(reply, "message") == ["A door is not next to itself."]
    assert values(reply, "tree") == ["+ doors\n+   door front\n+     neighbour front"]
    assert values(reply, "effect") == []


async def test_plan_of_a_commit_there_is_not(lab: Lab) -> None:
    assert tags(await plan(await lab.connect(), "<commit>9</commit>")) == ["invalid-value"]


async def test_plan_of_an_earlier_commit_is_that_of_its_rollback(lab: Lab) -> None:
    alice = await lab.connect()
    for width in (90, 91):
        await alice.edit(door("front", f"<width>{width}</width>"))
        await alice.rpc("<commit/>")
    reply = await plan(alice, "<commit>1</commit>")
    assert values(reply, "tree") == ["  doors\n    door front\n-     width 91\n+     width 90"]


async def test_plan_says_that_a_commit_is_not_permitted(start: OpenLab) -> None:
    lab = await start(strict=True)
    await set_rules(lab, nacm(rule("f", "permit", path=FRONT)), door("front", "<width>90</width>"))
    alice = await lab.connect()
    await alice.edit(door("front", "<width>91</width>"))
    assert values(await plan(alice), "accepted") == ["true"]
    root = await lab.connect("root")
    await root.edit(door("back"))
    reply = await plan(alice)
    assert (values(reply, "accepted"), values(reply, "error-tag")) == (["false"], ["access-denied"])


async def test_plan_shows_only_what_its_reader_may_read(start: OpenLab) -> None:
    lab = await start(datastore={"participants": [Carpenter()]}, outlook=effects)
    hidden = rule("b", "deny", path="/d:doors/d:door[d:name='back']", access_operations="read")
    writes = rule("w", "permit", path="/d:doors", access_operations="create update delete")
    await set_rules(lab, nacm(hidden + writes))
    root = await lab.connect("root")
    await root.edit(door("front") + door("back"))
    assert values(await plan(root), "crypto-map") == ["front", "back"]
    seen = await plan(await lab.connect())
    assert values(seen, "crypto-map") == ["front"]
    assert values(seen, "limit") == ["no glue"]
    assert "back" not in seen


async def test_the_answer_fits_the_module(start: OpenLab) -> None:
    lab = await start(datastore={"participants": [Carpenter()]}, outlook=effects)
    alice = await lab.connect()
    await alice.edit(door("front", "<width>90</width>"))
    element = etree.fromstring(f'<output xmlns="{BASE}">{await plan(alice)}</output>')
    output = read_inner(door_schema(), door_schema().operations[f"{{{CMS}}}plan"].output, element)
    assert output.text("accepted") == "true"
