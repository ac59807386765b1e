"""show of module cryptomap-server: text made of what its user may read, by whoever knows StarOS."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from cryptomap.data.tree import EntriesTypes, Node
from cryptomap.data.xml import write
from cryptomap.schema.nodes import Schema
from support.lab import Client, Lab, door, errors
from support.nacm import nacm, rule, set_rules

OpenLab = Callable[..., Awaitable[Lab]]

CMS = "urn:cryptomap:yang:cryptomap-server"


class Doorman:
    """Knows one command, ``doors``, and tells what differs as XML."""

    def filter_of(self, words: Sequence[str]) -> str:
        if list(words) != ["doors"]:
            raise ValueError("show commands are: doors")
        return '<doors xmlns="urn:doors"/>'

    def show(self, schema: Schema, root: Node, words: Sequence[str]) -> str:
        doors = root["doors:doors"]
        entries = doors["door"] if isinstance(doors, Node) else None
        return "".join(
            [f"{entry.text('name')}\n" for entry in entries.nodes()] if isinstance(entries, EntriesTypes) else []
        )

    def difference(self, schema: Schema, old: Node, new: Node) -> str:
        return f"{self._xml(schema, old)} -> {self._xml(schema, new)}"

    def _xml(self, schema: Schema, root: Node) -> str:
        return b"".join(write(schema, root)).decode()


async def show(client: Client, command: str) -> str:
    return await client.rpc(f'<show xmlns="{CMS}"><command>{command}</command></show>')


async def commit(client: Client, edit: str, message: str = "") -> None:
    assert await client.edit(edit) == "<ok/>"
    remark = f'<message xmlns="{CMS}">{message}</message>' if message else ""
    assert await client.rpc(f"<commit>{remark}</commit>") == "<ok/>"


async def test_show_prints_what_its_user_may_read(start: OpenLab) -> None:
    lab = await start(staros=Doorman())
    hidden = rule("b", "deny", path="/d:doors/d:door[d:name='back']", access_operations="read")
    root = await set_rules(lab, nacm(hidden), door("front"))
    await commit(root, door("back"))
    assert await show(root, "doors") == f'<text xmlns="{CMS}">back\nfront\n</text>'
    assert await show(await lab.connect(), "doors") == f'<text xmlns="{CMS}">front\n</text>'


async def test_show_of_what_there_is_not_says_what_there_is(start: OpenLab) -> None:
    lab = await start(staros=Doorman())
    [error] = errors(await show(await lab.connect(), "windows"))
    assert (error.tag, error.message) == ("invalid-value", "show commands are: doors")


async def test_compare_commits_tells_any_two_in_three_ways(start: OpenLab) -> None:
    lab = await start(staros=Doorman())
    alice = await lab.connect()
    for width in (90, 91, 92):
        await commit(alice, door("front", f"<width>{width}</width>"))
    reply = await alice.rpc(f'<compare-commits xmlns="{CMS}"><from>1</from><to>2</to><staros/></compare-commits>')
    assert "- /doors:doors/door[name='front']/width 90" in reply.replace("&#39;", "'").replace("&apos;", "'")
    assert "<width>91</width>" in reply
    assert "  doors\n    door front\n-     width 90\n+     width 91" in reply
    assert "-&gt;" in reply
    running = await alice.rpc(f'<compare-commits xmlns="{CMS}"><from>1</from></compare-commits>')
    assert "+     width 92" in running
    back = await alice.rpc(f'<compare-commits xmlns="{CMS}"><from>3</from><to>0</to></compare-commits>')
    assert "- doors\n-   door front\n-     width 92" in back


async def test_compare_commits_hides_what_its_user_may_not_read(start: OpenLab) -> None:
    lab = await start(staros=Doorman())
    hidden = rule("b", "deny", path="/d:doors/d:door[d:name='back']", access_operations="read")
    root = await set_rules(lab, nacm(hidden), door("front"))
    await commit(root, door("back") + door("front", "<code>1234</code>"))
    request = f'<compare-commits xmlns="{CMS}"><from>1</from><to>2</to><staros/></compare-commits>'
    assert "back" in await root.rpc(request)
    reply = await (await lab.connect()).rpc(request)
    for secret in ("back", "1234", "$cm1$"):
        assert secret not in reply


async def test_a_commit_message_is_kept_in_the_history(start: OpenLab) -> None:
    lab = await start()
    alice = await lab.connect()
    await commit(alice, door("front"), "ticket 4711: a front door")
    assert "<message>ticket 4711: a front door</message>" in await alice.rpc(f'<list-commits xmlns="{CMS}"/>')
    await commit(alice, door("back"))
    remark = "<message>no back door</message>"
    await alice.rpc(f'<rollback-to xmlns="{CMS}"><commit>1</commit>{remark}</rollback-to>')
    assert remark in await alice.rpc(f'<list-commits xmlns="{CMS}"/>')


async def test_a_commit_message_is_not_empty_and_not_a_book(start: OpenLab) -> None:
    lab = await start()
    alice = await lab.connect()
    await alice.edit(door("front"))
    for text in ("", "x" * 1001):
        [error] = errors(await alice.rpc(f'<commit><message xmlns="{CMS}">{text}</message></commit>'))
        assert error.tag == "invalid-value"
