"""list-commits, get-commit and rollback-to of module cryptomap-server: who changed what, and the way back."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable

import pytest
from lxml import etree

from cryptomap.data.xml import read_inner
from cryptomap.datastore.outlook import Limit, Outlook
from support.lab import BASE, Client, Lab, door, door_schema, errors, tags
from support.nacm import nacm, rule, set_rules

OpenLab = Callable[..., Awaitable[Lab]]

CMS = "urn:cryptomap:yang:cryptomap-server"
FRONT = "/d:doors/d:door[d:name='front']"


def rpc(name: str, content: str = "") -> str:
    return f'<{name} xmlns="{CMS}">{content}</{name}>'


def values(reply: str, leaf: str) -> list[str]:
    return [html.unescape(text) for text in re.findall(rf"<{leaf}[^>]*>([^<]*)</{leaf}>", reply)]


async def committed(client: Client, edit: str) -> None:
    assert await client.edit(edit) == "<ok/>"
    assert await client.rpc("<commit/>") == "<ok/>"


async def three(lab: Lab) -> Client:
    alice = await lab.connect()
    await committed(alice, door("front", "<width>90</width>"))
    await committed(alice, door("front", "<width>91</width>") + door("back"))
    await committed(alice, '<door nc:operation="delete"><name>back</name></door>')
    return alice


async def test_commits_are_listed_newest_first(lab: Lab) -> None:
    alice = await three(lab)
    reply = await alice.rpc(rpc("list-commits"))
    assert values(reply, "id") == ["3", "2", "1"]
    assert values(reply, "username") == ["alice"] * 3
    assert values(reply, "source") == ["192.0.2.1"] * 3
    assert values(reply, "kind") == ["commit"] * 3
    assert [values(reply, leaf) for leaf in ("created", "modified", "deleted")] == [
        ["0", "1", "1"],
        ["0", "1", "0"],
        ["1", "0", "0"],
    ]


@pytest.mark.parametrize(
    ("parameters", "ids"),
    [
        ("<limit>1</limit>", ["3"]),
        ("<before>3</before>", ["2", "1"]),
        ("<limit>1</limit><before>2</before>", ["1"]),
        ("<before>1</before>", []),
    ],
)
async def test_a_long_list_is_read_in_parts(lab: Lab, parameters: str, ids: list[str]) -> None:
    alice = await three(lab)
    assert values(await alice.rpc(rpc("list-commits", parameters)), "id") == ids


async def test_a_commit_shows_what_it_changed(lab: Lab) -> None:
    alice = await three(lab)
    reply = await alice.rpc(rpc("get-commit", "<commit>2</commit>"))
    assert values(reply, "id") == ["2"]
    assert values(reply, "diff") == [
        "+ /doors:doors/door[name='back']\n"
        "- /doors:doors/door[name='front']/width 90\n"
        "+ /doors:doors/door[name='front']/width 91"
    ]


async def test_the_change_of_a_commit_can_be_sent_as_an_edit(lab: Lab) -> None:
    alice = await three(lab)
    reply = await alice.rpc(rpc("get-commit", "<commit>2</commit>"))
    config = reply.partition("<change")[2].partition(">")[2].partition("</change>")[0]
    await committed(alice, '<door nc:operation="delete"><name>front</name></door>')
    await committed(alice, door("front", "<width>90</width>"))
    assert await alice.rpc(f"<edit-config><target><candidate/></target>{config}</edit-config>") == "<ok/>"
    assert await alice.doors("candidate") == door("back") + door("front", "<width>91</width>")


async def test_secrets_of_a_commit_are_not_shown(lab: Lab) -> None:
    root = await lab.connect("root")
    await committed(root, door("front", "<code>1234</code>"))
    reply = await root.rpc(rpc("get-commit", "<commit>1</commit>"))
    assert "/doors:doors/door[name='front']/code (not shown)" in values(reply, "diff")[0]
    assert "<code>$cm1$" in reply  # sealed, as get-config shows it
    assert "1234" not in reply
    await committed(root, '<door nc:operation="delete"><name>front</name></door>')
    assert "$cm1$" not in values(await root.rpc(rpc("rollback-to", "<commit>1</commit><rehearse/>")), "diff")[0]


async def test_a_commit_shows_only_what_its_reader_may_read(start: OpenLab) -> None:
    lab = await start()
    rules = rule("w", "deny", path=f"{FRONT}/d:width", access_operations="read")
    await set_rules(lab, nacm(rules), door("front", "<width>90</width>", "<owner>bob</owner>", "<code>1</code>"))
    reply = await (await lab.connect()).rpc(rpc("get-commit", "<commit>1</commit>"))
    assert values(reply, "diff") == [
        "+ /doors:doors\n+ /doors:doors/door[name='front']\n+ /doors:doors/door[name='front']/owner bob"
    ]
    for hidden in ("width", "nacm", "code"):
        assert hidden not in reply
    assert "width" in await (await lab.connect("root")).rpc(rpc("get-commit", "<commit>1</commit>"))


async def test_back_to_an_earlier_commit(lab: Lab) -> None:
    alice = await three(lab)
    await alice.edit(door("side"))
    reply = await alice.rpc(rpc("rollback-to", "<commit>2</commit>"))
    assert values(reply, "commit") == ["4"]
    assert values(reply, "diff") == ["+ /doors:doors/door[name='back']"]
    assert await alice.doors() == door("back") + door("front", "<width>91</width>")
    assert "side" in await alice.doors("candidate")  # left alone
    assert values(await alice.rpc(rpc("list-commits", "<limit>1</limit>")), "kind") == ["rollback"]
    assert await alice.rpc(rpc("rollback-to", "<commit>4</commit>")) == "<ok/>"  # nothing to do
    assert values(await alice.rpc(rpc("rollback-to", "<commit>0</commit>")), "commit") == ["5"]
    assert await alice.doors() == ""


async def test_a_rehearsal_changes_nothing(lab: Lab) -> None:
    alice = await three(lab)
    reply = await alice.rpc(rpc("rollback-to", "<commit>1</commit><rehearse/>"))
    assert values(reply, "commit") == []
    assert values(reply, "diff") == [
        "- /doors:doors/door[name='front']/width 91\n+ /doors:doors/door[name='front']/width 90"
    ]
    assert lab.datastores.head == 3


async def test_a_rehearsal_tells_effects_and_warnings(start: OpenLab) -> None:
    class Carpenter:
        name = "carpenter"

        def prepare(self, transition: object) -> str:
            return "hammer"

        def apply(self, prepared: str) -> None: ...

        def abort(self, prepared: str) -> None: ...

        def revert(self, prepared: str) -> None: ...

    lab = await start(
        datastore={"participants": [Carpenter()]}, outlook=lambda plan: Outlook(limits=(Limit(f"{plan} is needed"),))
    )
    alice = await three(lab)
    reply = await alice.rpc(rpc("rollback-to", "<commit>1</commit><rehearse/>"))
    assert values(reply, "limit") == ["hammer is needed"]


async def test_access_control_is_asked_for_each_node_that_changes(start: OpenLab) -> None:
    lab = await start(strict=True)
    root = await set_rules(lab, nacm(rule("f", "permit", path=FRONT)), door("front", "<width>90</width>"))
    await committed(root, door("front", "<width>91</width>"))
    await committed(root, door("back"))
    alice = await lab.connect()
    for more in ("", "<rehearse/>"):
        [denial] = errors(await alice.rpc(rpc("rollback-to", f"<commit>2</commit>{more}")))
        assert (denial.tag, denial.path) == ("access-denied", "/d:doors/d:door[d:name='back']")
    await root.rpc(rpc("rollback-to", "<commit>2</commit>"))
    assert values(await alice.rpc(rpc("rollback-to", "<commit>1</commit>")), "commit") == ["5"]


@pytest.mark.parametrize("more", ["", "<rehearse/>"])
async def test_commits_there_are_not(lab: Lab, more: str) -> None:
    alice = await three(lab)
    [error] = errors(await alice.rpc(rpc("rollback-to", f"<commit>9</commit>{more}")))
    assert (error.tag, error.message) == ("invalid-value", "there is no commit 9; list-commits shows those there are")
    assert tags(await alice.rpc(rpc("get-commit", "<commit>9</commit>"))) == ["invalid-value"]
    assert tags(await alice.rpc(rpc("get-commit", "<commit>0</commit>"))) == ["invalid-value"]


async def test_a_lock_of_another_session_is_in_the_way(lab: Lab) -> None:
    alice = await three(lab)
    bob = await lab.connect("bob")
    await bob.rpc("<lock><target><running/></target></lock>")
    assert tags(await alice.rpc(rpc("rollback-to", "<commit>1</commit>"))) == ["in-use"]


async def test_replies_fit_the_module(lab: Lab) -> None:
    alice = await three(lab)
    for name, content in (("list-commits", ""), ("get-commit", "<commit>2</commit>")):
        reply = await alice.rpc(rpc(name, content))
        element = etree.fromstring(f'<output xmlns="{BASE}">{reply}</output>')
        read_inner(door_schema(), door_schema().operations[f"{{{CMS}}}{name}"].output, element)
