"""What a client can do wrong, byte by byte: each gets the rpc-error of the standard or a closed session, the server
goes on, and running, candidate and gateway stay as they were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from cryptomap_backend.simulator import Faults
from support.server import PATIENCE, SAMPLES, Daemon
from support.state import NS
from support.wire import BASE, END, HELLO, Error, Wire, errors, open_wire, session
from support.world import Gatekeeper, Hold, WorldProcess

CTX, IPS, ACL = NS["ctx"], NS["ips"], NS["acl"]
MESSAGE_SIZE = 32 * 2**20


@pytest.fixture(scope="module")
def keeper(world: WorldProcess) -> Iterator[Gatekeeper]:
    keeper = Gatekeeper(world)
    yield keeper
    keeper.close()


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], keeper: Gatekeeper) -> Daemon:
    """With the seed's configuration, and a limit on messages that a test can reach."""
    limits = f"[limits]\nmessage-size = {MESSAGE_SIZE}\nhello-timeout = 2\nslow-reader-timeout = 2\n"
    return make_daemon(
        settings=f"{limits}{keeper.settings}",
        options=["--startup", str(SAMPLES / "seed.xml")],
    ).start()


@dataclass(frozen=True)
class Everything:
    """All that must not change."""

    running: str
    candidate: str
    programmed: object
    sas: object

    @classmethod
    async def of(cls, server: Daemon, world: WorldProcess) -> Everything:
        """Seen by a session of its own, which shows that the server goes on. A request that passes the writer's thread
        comes first, so that whatever was begun has ended."""
        async with session(server) as wire:
            await wire.rpc("<validate><source><running/></source></validate>")
            running, candidate = await wire.get_config(), await wire.get_config("candidate")
        return cls(running, candidate, await asyncio.to_thread(world.remote.held), await asyncio.to_thread(world.spis))


@pytest_asyncio.fixture(autouse=True)
async def _nothing_changes(server: Daemon, world: WorldProcess) -> AsyncIterator[None]:
    async with session(server) as wire:
        await wire.do("<discard-changes/>")  # so that the failure of one test is not that of all others
    before = await Everything.of(server, world)
    assert before.running == before.candidate
    assert before.sas
    yield
    assert await Everything.of(server, world) == before
    assert "Traceback" not in server.log.read_text()


@pytest_asyncio.fixture
async def wire(server: Daemon) -> AsyncIterator[Wire]:
    async with session(server) as wire:
        yield wire


async def still_served(wire: Wire) -> None:
    await wire.do("<discard-changes/>")


def in_context(inner: str) -> str:
    return f'<contexts xmlns="{CTX}"><context><name>ipsec-d</name>{inner}</context></contexts>'


def crypto_map(name: str, inner: str) -> str:
    return in_context(f'<crypto-map xmlns="{IPS}"><name>{name}</name>{inner}</crypto-map>')


def mapping(operation: str) -> str:
    """An edit that the gateway takes part in and that touches no SA: DSCP 10 has internal priority 3."""
    return (
        f'<qos xmlns="{NS["qos"]}" xmlns:nc="{BASE}"><ip-dscp-iphb-mapping nc:operation="{operation}"><dscp>10</dscp>'
        "<cos>3</cos></ip-dscp-iphb-mapping></qos>"
    )


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


# ===== messages that are no rpc =====

MALFORMED: dict[str, bytes] = {
    "tags that do not match": b'<rpc message-id="1" xmlns="%s"><get></rpc>' % BASE.encode(),
    "not XML": b"hello?",
    "empty": b" ",
    "half a message": b'<rpc message-id="1" xmlns="%s"><get/>' % BASE.encode(),
    "two messages in one": b'<rpc message-id="1" xmlns="%b"><get/></rpc><rpc message-id="2" xmlns="%b"/>'
    % (BASE.encode(), BASE.encode()),
    "unbound prefix": b'<nc:rpc message-id="1"><nc:get/></nc:rpc>',
    "undeclared entity": b'<rpc message-id="1" xmlns="%s"><get>&secret;</get></rpc>' % BASE.encode(),
    "a control character": b'<rpc message-id="1" xmlns="%s"><get>\x01</get></rpc>' % BASE.encode(),
    "a document type": b'<!DOCTYPE rpc><rpc message-id="1" xmlns="%s"><get/></rpc>' % BASE.encode(),
    "an entity of a file": b'<!DOCTYPE rpc [<!ENTITY x SYSTEM "file:///etc/passwd">]><rpc message-id="1" xmlns="%s">'
    b"<edit-config>&x;</edit-config></rpc>" % BASE.encode(),
    "a billion laughs": b'<!DOCTYPE rpc [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><rpc message-id="1" xmlns="%s"><x>&c;</x></rpc>' % BASE.encode(),
    "invalid UTF-8": b'<rpc message-id="1" xmlns="%s"><get><x>\xff\xfe</x></get></rpc>' % BASE.encode(),
    "an overlong sequence": b'<rpc message-id="1" xmlns="%s"><get><x>\xc0\xaf</x></get></rpc>' % BASE.encode(),
    "UTF-16": f'<?xml version="1.0" encoding="UTF-16"?><rpc message-id="1" xmlns="{BASE}"><get/></rpc>'.encode(
        "utf-16"
    ),
    "declared as Latin-1": b'<?xml version="1.0" encoding="ISO-8859-1"?>'
    b'<rpc message-id="1" xmlns="%s"><x>\xe9</x></rpc>' % BASE.encode(),
}


@pytest.mark.parametrize("message", MALFORMED.values(), ids=list(MALFORMED))
async def test_a_malformed_message(wire: Wire, message: bytes) -> None:
    """RFC 6241 appendix A: malformed-message in a session of base:1.1, which goes on."""
    await wire.send(message)
    reply = await wire.receive()
    [error] = errors(reply)
    assert (error.tag, error.type) == ("malformed-message", "rpc")
    assert "passwd" not in reply
    assert "root:" not in reply
    await still_served(wire)


async def test_a_malformed_message_ends_a_session_of_base_1_0(server: Daemon) -> None:
    """That version has no error for it."""
    async with open_wire(server) as wire:
        await wire.greet("1.0")
        await wire.send(MALFORMED["tags that do not match"])
        assert await wire.closed() == b""


RPCS: dict[str, tuple[str, Error]] = {
    "no message-id": (
        f'<rpc xmlns="{BASE}"><get/></rpc>',
        Error(
            "missing-attribute",
            "the rpc has no message-id",
            "rpc",
            info={"bad-attribute": "message-id", "bad-element": "rpc"},
        ),
    ),
    "no operation": (
        f'<rpc xmlns="{BASE}" message-id="1"/>',
        Error("missing-element", "the rpc contains no operation", "protocol", info={"bad-element": "rpc"}),
    ),
    "two operations": (
        f'<rpc xmlns="{BASE}" message-id="1"><get/><commit/></rpc>',
        Error("bad-element", "the rpc contains more than one operation", "protocol", info={"bad-element": "commit"}),
    ),
    "unknown operation": (
        f'<rpc xmlns="{BASE}" message-id="1"><reboot/></rpc>',
        Error(
            "operation-not-supported",
            f"there is no operation {{{BASE}}}reboot",
            "protocol",
            info={"bad-element": "reboot"},
        ),
    ),
    "a second hello": (
        HELLO % "1.1",
        Error("malformed-message", f"<{{{BASE}}}hello> is no NETCONF message", "rpc"),
    ),
    "no message of NETCONF": (
        "<html/>",
        Error("malformed-message", "<html> is no NETCONF message", "rpc"),
    ),
}


@pytest.mark.parametrize(("message", "wanted"), RPCS.values(), ids=list(RPCS))
async def test_an_rpc_that_is_none(wire: Wire, message: str, wanted: Error) -> None:
    await wire.send(message)
    assert errors(await wire.receive()) == [wanted]
    await still_served(wire)


# ===== framing =====

BAD_FRAMES = {
    "size zero": b"\n#0\n\n##\n",
    "leading zero": b"\n#04\nabcd\n##\n",
    "negative": b"\n#-4\nabcd\n##\n",
    "no number": b"\n#four\nabcd\n##\n",
    "above the limit": b"\n#4294967296\n",
    "a long number": b"\n#" + b"9" * 10_000 + b"\n",
    "no header": b"<rpc/>",
    "carriage returns": b"\r\n#4\r\nabcd\r\n##\r\n",
    "a chunk longer than said": b"\n#4\nabcdefgh\n##\n",
    "end without a chunk": b"\n##\n",
    "end-of-message of base:1.0": b'<rpc xmlns="%b" message-id="1"><get/></rpc>]]>]]>' % BASE.encode(),
}


@pytest.mark.parametrize("data", BAD_FRAMES.values(), ids=list(BAD_FRAMES))
async def test_wrong_framing_ends_the_session_without_a_word(wire: Wire, data: bytes) -> None:
    """RFC 6242 section 4.2."""
    await wire.send_bytes(data)
    assert await wire.closed() == b""


# ===== too big =====


async def too_big(server: Daemon, message: AsyncIterator[bytes]) -> Error:
    """The one error that answers a message, after which the session must be closed, however much is still sent."""
    async with open_wire(server) as wire:
        await wire.greet()

        async def send() -> None:
            async for piece in message:
                await wire.send_bytes(b"\n#%d\n%b" % (len(piece), piece))
            await wire.send_bytes(b"\n##\n")

        sending = asyncio.create_task(send())
        [error] = errors(await wire.receive())
        assert await wire.closed() == b""
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return error


async def edit_with(*pieces: tuple[bytes, int]) -> AsyncIterator[bytes]:
    """An edit-config with these pieces inside a description, each so many times."""
    start = f'<rpc xmlns="{BASE}" message-id="7"><edit-config><target><candidate/></target><config>'
    yield f'{start}<contexts xmlns="{CTX}"><context><name>ipsec-d</name><description>'.encode()
    for piece, times in pieces:
        for _ in range(times):
            yield piece
    yield b"</description></context></contexts></config></edit-config></rpc>"


async def test_a_leaf_of_100_megabytes(server: Daemon) -> None:
    error = await too_big(server, edit_with((b"x" * 1_000_000, 100)))
    assert (error.tag, error.type) == ("too-big", "rpc")
    assert "above a limit" in error.message


async def test_a_message_above_the_configured_size(server: Daemon) -> None:
    error = await too_big(server, edit_with((b"<!-- nothing -->" * 65536, 40)))
    assert (error.tag, error.type) == ("too-big", "rpc")
    assert error.message == f"the message is larger than {MESSAGE_SIZE} bytes"


async def test_a_message_nested_too_deeply(server: Daemon) -> None:
    error = await too_big(server, edit_with((b"<x>", 300)))
    assert (error.tag, error.type) == ("too-big", "rpc")


async def test_a_message_below_the_limits_is_taken(wire: Wire) -> None:
    """Large is not too large: 9 MB of text in one leaf, refused by its type and not by the parser."""
    await wire.ask(
        "<edit-config><target><candidate/></target><config>"
        + in_context(f"<description>{'x' * 9_000_000}</description>")
        + "</config></edit-config>"
    )
    reply = await wire.receive()
    assert len(reply) < 10_000, reply[:1000]
    await still_served(wire)


# ===== sessions that behave oddly =====


async def test_an_rpc_before_the_hello_ends_the_session(server: Daemon) -> None:
    async with open_wire(server) as wire:
        await wire.send(f'<rpc xmlns="{BASE}" message-id="1"><get/></rpc>')
        assert b"rpc-reply" not in await wire.closed()


async def test_no_hello_at_all_ends_the_session(server: Daemon) -> None:
    async with open_wire(server) as wire:
        assert (await wire.closed()).endswith(END)
    assert "no hello within 2 s" in server.log.read_text()


@pytest.mark.parametrize(
    "hello",
    [
        HELLO % "3.0",
        f'<hello xmlns="{BASE}"/>',
        "<hello/>",
        (HELLO % "1.1").replace("</hello>", "<session-id>4</session-id></hello>"),
        "<!DOCTYPE hello>" + HELLO % "1.1",
    ],
    ids=["no common base", "no capabilities", "no namespace", "with a session-id", "with a document type"],
)
async def test_a_bad_hello_ends_the_session(server: Daemon, hello: str) -> None:
    async with open_wire(server) as wire:
        await wire.send(hello)
        assert b"rpc-reply" not in await wire.closed()


async def test_bytes_in_any_portions(server: Daemon) -> None:
    """Not wrong at all: every byte in a write of its own."""
    async with open_wire(server) as wire:
        for byte in (HELLO % "1.1").encode() + END:
            await wire.send_bytes(bytes([byte]))
        wire.hello = (await wire.until(rb"(.*?)\]\]>\]\]>"))[1].decode()
        wire.base = "1.1"
        for byte in wire.framed(f'<rpc xmlns="{BASE}" message-id="1"><discard-changes/></rpc>'):
            await wire.send_bytes(bytes([byte]))
        assert "<ok/>" in await wire.receive()


async def test_a_session_that_is_dropped_in_the_middle_of_a_message(server: Daemon) -> None:
    async with open_wire(server) as wire:
        await wire.greet()
        await wire.send_bytes(b"\n#1000\n<rpc ")
        wire.drop()


LOCK = "<lock><target><candidate/></target></lock>"
UNLOCK = "<unlock><target><candidate/></target></unlock>"


async def dropped_in_a_commit(server: Daemon, keeper: Gatekeeper, edit: str) -> Hold:
    """A session that goes away while the gateway applies its commit; the gateway's answer is still held."""
    async with open_wire(server) as wire:
        await wire.greet()
        await wire.do(LOCK)
        assert await wire.edit(edit) == "<ok/>"
        hold = keeper.hold("apply", after=True)
        await wire.ask("<commit/>")
        await asyncio.to_thread(hold.wait)
        wire.drop()
    return hold


async def when_free(wire: Wire) -> None:
    """Lock the candidate as soon as the server has noticed that the session that held it is gone."""
    async with asyncio.timeout(PATIENCE):
        while await wire.rpc(LOCK) != "<ok/>":
            pass


async def test_a_session_that_is_dropped_in_the_middle_of_a_commit(
    server: Daemon, keeper: Gatekeeper, world: WorldProcess
) -> None:
    """The commit is wholly done; the lock of its session is gone."""
    hold = await dropped_in_a_commit(server, keeper, mapping("create"))
    hold.release()
    async with session(server) as other:
        await when_free(other)
        assert "<dscp>10</dscp><cos>3</cos>" in await other.get_config()
        assert await other.get_config("candidate") == await other.get_config()
        assert world.remote.held().l2.dscp_to_cos[10] == 3
        assert await other.edit(mapping("delete")) == "<ok/>"
        await other.do("<commit/>")
        await other.do(UNLOCK)


async def test_a_commit_whose_session_and_gateway_are_lost(server: Daemon, keeper: Gatekeeper) -> None:
    """Nobody knows what the gateway did. It is brought to running before the next commit, and that is unchanged."""
    hold = await dropped_in_a_commit(server, keeper, mapping("create"))
    hold.drop()
    async with session(server) as other:
        await when_free(other)
        await other.do("<commit/>")
        await other.do(UNLOCK)


async def test_many_sessions_that_are_dropped(server: Daemon) -> None:
    for _ in range(20):
        async with open_wire(server) as wire:
            await wire.greet()
            await wire.ask("<get/>")
            wire.drop()


async def test_thousands_of_requests_without_reading(server: Daemon) -> None:
    """The server stops reading from a client that does not read, serves others, and goes on when the client does."""
    count = 3000
    async with open_wire(server) as wire:
        await wire.greet()

        async def send() -> None:
            for _ in range(count):
                await wire.ask("<get-config><source><running/></source></get-config>")

        sending = asyncio.create_task(send())
        async with session(server) as other:
            assert "foo0" in await other.get_config()
        for number in range(1, count + 1):
            assert f'message-id="{number}"' in (await wire.receive())[:200]
        await sending


async def test_a_client_that_never_reads_is_dropped(server: Daemon) -> None:
    async with session(server) as watching, open_wire(server) as wire:
        await watching.do(f'<create-subscription xmlns="{NS["ncn"]}"/>')
        await wire.greet()
        for _ in range(200):  # far more in replies than what a connection can hold
            await wire.ask("<get/>")
        end = f"<session-id>{wire.session_id}</session-id>"
        told = ""
        while "<netconf-session-end" not in told or end not in told:
            told = await watching.receive()
        assert "<termination-reason>dropped</termination-reason>" in told
    assert "the client did not read for 2 s" in server.log.read_text()
