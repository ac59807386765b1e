"""For tests of the operations: a server on a fresh state directory, and clients that speak to it in literal XML.

Nothing of the server's own protocol code is used on the client's side: framing and parsing are done here, simply.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from lxml import etree

from cryptomap.data.build import build
from cryptomap.data.tree import Node
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.statedir import StateDirectory
from cryptomap.datastore.writer import Writer
from cryptomap.operations import Nacm, Server, serve
from cryptomap.schema.modules import load_sources
from cryptomap.schema.nodes import InnerNode, Schema
from cryptomap.schema.sources import Source, find_sources
from support.stores import VAULT

DOORS = """
module doors {
  yang-version 1.1; namespace "urn:doors"; prefix d;
  import cryptomap-types { prefix t; }
  import ietf-netconf-acm { prefix nacm; }
  include doors-parts;
  container doors {
    list door {
      key name;
      leaf name { type string; }
      leaf colour { type enumeration { enum red; enum green; } }
      leaf width { type uint16 { range "10..300"; } }
      leaf neighbour { type leafref { path "../../door/name"; } }
      leaf code { type string; t:secret; nacm:default-deny-all; }
      leaf owner { type string; nacm:default-deny-write; }
      leaf opened { type uint32; config false; }
      must "not(neighbour = name)" { error-message "A door is not next to itself."; error-app-tag "own-neighbour"; }
      action open {
        input {
          leaf angle { type uint8 { range "1..90"; } mandatory true; }
          leaf into { type leafref { path "/doors/door/name"; } }
          leaf gently { type empty; }
          leaf speed { type uint8; when "not(../gently)"; }
          leaf softly { type empty; }
          leaf cushion { type string; when "../softly"; mandatory true; }
        }
        output { leaf creaks { type boolean; } }
      }
      action seal { nacm:default-deny-all; }
      notification slammed { leaf force { type uint8; } }
    }
  }
  rpc ring {
    input { leaf times { type uint8; mandatory true; must ". < 10" { error-message "Nobody rings that often."; } } }
    output { leaf heard { type boolean; } }
  }
  rpc furnish {
    input {
      choice floor {
        mandatory true;
        leaf carpet { type string; }
        case wood { leaf plank { type string; } leaf oil { type string; mandatory true; } }
      }
      leaf-list lamp { type string; min-elements 1; max-elements 2; }
      container wall { leaf paint { type string; mandatory true; } }
      container roof { presence "has one"; leaf slate { type string; mandatory true; } }
      list chair { key leg; leaf leg { type uint8; must ". > 2"; } leaf seat { type string; mandatory true; } }
    }
  }
  rpc burn { nacm:default-deny-all; }
  rpc paint;
  notification storm { leaf wind { type uint8; } leaf secret { type string; nacm:default-deny-all; } }
}
"""

PARTS = """
submodule doors-parts { yang-version 1.1; belongs-to doors { prefix d; } revision 2026-11-23; container parts {
  leaf-list hinge { type string; } leaf lock { type string; default "none"; }
  list screw { key name; ordered-by user; leaf name { type string; } }
  leaf-list coat { type string; ordered-by user; } } }
"""

OLD = """
module old {
  namespace "urn:old"; prefix o; revision 2020-02-02; feature rust; feature moss { } leaf age { type uint8; }
}
"""

MODULES = (
    "ietf-netconf",
    "ietf-netconf-acm",
    "ietf-netconf-monitoring",
    "ietf-netconf-notifications",
    "ietf-datastores",
    "ietf-yang-library",
    "cryptomap-server",
    "nc-notifications",
    "notifications",
    "ietf-origin",
    "ietf-netconf-nmda",
    "ietf-netconf-partial-lock",
    "ietf-netconf-private-candidate",
    "ietf-nmda-compare",
    "ietf-subscribed-notifications",
    "ietf-yang-push",
    "cryptomap-deviations",
    "ietf-restconf",
    "ietf-restconf-monitoring",
    "ietf-yang-patch",
)


@lru_cache(maxsize=1)
def door_schema() -> Schema:
    """The modules above and what NETCONF itself needs."""
    texts = {"doors": DOORS, "doors-parts": PARTS, "old": OLD}
    users = [Source(name, _revision(text), "yang", Path(f"{name}.yang"), text) for name, text in texts.items()]
    ours, installed = find_sources()
    return load_sources(MODULES, users, [*ours, *installed])


def _revision(text: str) -> str | None:
    found = re.search(r"revision (\d{4}-\d\d-\d\d)", text)
    return found[1] if found else None


BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
HELLO = f"""<hello xmlns="{BASE}">
<capabilities><capability>urn:ietf:params:netconf:base:%s</capability></capabilities></hello>"""
PRIVATE_CANDIDATE = "<capability>urn:ietf:params:netconf:capability:private-candidate:1.0</capability>"
PATIENCE = 10.0  # seconds until a test that waits in vain fails


class Peer:
    """A client's connection, as a transport would hand it to the server."""

    def __init__(self, user: str = "alice", address: str = "192.0.2.1", transport: str = "netconf-ssh") -> None:
        self.user = user
        self.address = address
        self.transport = transport
        self.closed_because: str | None = None
        self.is_broken = False
        self.reading = asyncio.Event()  # cleared: the client takes nothing
        self.reading.set()
        self.is_waited_for = asyncio.Event()  # the server has something for a client that takes nothing
        self._to_server: asyncio.Queue[bytes] = asyncio.Queue()
        self._to_client = bytearray()
        self._news = asyncio.Event()

    # ----- the server's side -----

    async def read(self) -> bytes:
        return await self._to_server.get()

    async def write(self, data: bytes) -> None:
        if not self.reading.is_set():
            self.is_waited_for.set()
        await self.reading.wait()
        if self.is_broken:
            raise ConnectionResetError("gone")
        self._to_client += data
        self._news.set()

    async def close(self, reason: str) -> None:
        self.closed_because = reason
        self._news.set()

    # ----- the client's side -----

    def put(self, data: bytes) -> None:
        """Send bytes; ``b""`` ends the stream."""
        self._to_server.put_nowait(data)

    async def until(self, pattern: bytes) -> re.Match[bytes]:
        """Wait for what matches at the beginning of what arrived, and take it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                match = re.match(pattern, self._to_client, re.DOTALL)
                if match:
                    match = re.match(pattern, bytes(self._to_client), re.DOTALL)
                    assert match
                    del self._to_client[: match.end()]
                    return match
                if self.closed_because is not None:
                    raise EOFError(f"closed: {self.closed_because}; left: {bytes(self._to_client)!r}")
                self._news.clear()
                await self._news.wait()

    @property
    def unread(self) -> bytes:
        return bytes(self._to_client)


class Client:
    """A NETCONF client that says what a test says."""

    def __init__(self, peer: Peer, task: asyncio.Task[None]) -> None:
        self.peer = peer
        self.task = task
        self.base = "1.1"
        self.hello = ""
        self._ids = 0

    @property
    def session_id(self) -> int:
        found = re.search(r"<session-id>(\d+)</session-id>", self.hello)
        assert found
        return int(found[1])

    async def greet(self, base: str = "1.1", more: str = "") -> None:
        """Exchange the hellos; ``more``: capabilities of the client besides the base."""
        self.base = base
        self.peer.put((HELLO % base).replace("</capabilities>", f"{more}</capabilities>").encode() + b"]]>]]>")
        self.hello = (await self.peer.until(rb"(.*?)\]\]>\]\]>"))[1].decode()

    def send(self, message: str | bytes) -> None:
        """Send one message, framed."""
        data = message if isinstance(message, bytes) else message.encode()
        self.peer.put(b"\n#%d\n%b\n##\n" % (len(data), data) if self.base == "1.1" else data + b"]]>]]>")

    async def receive(self) -> str:
        """The next message, unframed."""
        if self.base == "1.0":
            return (await self.peer.until(rb"(.*?)\]\]>\]\]>"))[1].decode()
        text = b""
        while True:
            header = await self.peer.until(rb"\n#(\d+|#)\n")
            if header[1] == b"#":
                return text.decode()
            text += (await self.peer.until(rb"(.{%d})" % int(header[1])))[1]

    def ask(self, operation: str) -> None:
        """Send an rpc and do not wait."""
        self._ids += 1
        self.send(f'<rpc message-id="{self._ids}" xmlns="{BASE}">{operation}</rpc>')

    async def rpc(self, operation: str) -> str:
        """Send an rpc; what its reply holds. The reply must mirror the message-id."""
        self.ask(operation)
        return self.inside(await self.receive())

    def inside(self, reply: str) -> str:
        start = f'<rpc-reply xmlns="{BASE}" message-id="{self._ids}">'
        assert reply.startswith(start), reply
        assert reply.endswith("</rpc-reply>"), reply
        return reply[len(start) : -len("</rpc-reply>")]

    async def closed(self) -> str:
        """Wait for the server to end the session; the reason it gave the transport."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.shield(self.task)
        assert self.peer.closed_because is not None
        return self.peer.closed_because

    async def edit(self, config: str, more: str = "", target: str = "candidate") -> str:
        """edit-config with the content of ``doors``."""
        return await self.rpc(
            f'<edit-config><target><{target}/></target>{more}<config xmlns:nc="{BASE}">'
            f'<doors xmlns="urn:doors">{config}</doors></config></edit-config>'
        )

    async def doors(self, source: str = "running") -> str:
        """The content of ``doors`` in a datastore."""
        reply = await self.rpc(f"<get-config><source><{source}/></source></get-config>")
        found = re.fullmatch(
            rf'<data xmlns="{BASE}">(?:<doors xmlns="urn:doors">(.*)</doors>)?</data>', reply, re.DOTALL
        )
        assert found, reply
        return found[1] or ""


@dataclass(frozen=True)
class Error:
    """What a test looks at in an rpc-error."""

    tag: str
    message: str
    type: str = "application"
    app_tag: str | None = None
    path: str | None = None
    info: dict[str, str] = field(default_factory=dict)


def errors(reply: str) -> list[Error]:
    """All rpc-errors of a reply."""
    root = etree.fromstring(f'<r xmlns="{BASE}">{reply}</r>')
    found = []
    for element in root.findall(f"{{{BASE}}}rpc-error"):
        text = {etree.QName(child).localname: child.text for child in element}
        info = {etree.QName(child).localname: child.text or "" for child in element.iterfind("{*}error-info/*")}
        found.append(
            Error(
                text["error-tag"] or "",
                text["error-message"] or "",
                text["error-type"] or "",
                text.get("error-app-tag"),
                text.get("error-path"),
                info,
            )
        )
    assert len(found) == len(root), reply
    return found


def tags(reply: str) -> list[str]:
    return [error.tag for error in errors(reply)]


class Lab:
    """A server and its clients."""

    def __init__(self, server: Server, datastores: Datastores, writer: Writer) -> None:
        self.server = server
        self.datastores = datastores
        self.writer = writer
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopped = False

    def dial(self, user: str = "alice", address: str = "192.0.2.1") -> Client:
        """A connection on which nothing has been said."""
        peer = Peer(user, address)
        task = asyncio.create_task(serve(self.server, peer))
        self._tasks.append(task)
        return Client(peer, task)

    async def connect(self, user: str = "alice", base: str = "1.1", more: str = "") -> Client:
        client = self.dial(user)
        await client.greet(base, more)
        return client

    async def stop(self) -> None:
        if self._is_stopped:
            return
        self._is_stopped = True
        async with asyncio.timeout(PATIENCE):
            await self.server.stop()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self.writer.run(self.datastores.close)
        self.writer.stop()


async def open_lab(
    directory: Path, *, datastore: dict[str, Any] | None = None, strict: bool = False, **options: Any
) -> Lab:
    """Options of Server, and of Datastores. ``recovery`` is root unless given. As long as a test configures no rules,
    everybody may write what no module marks; ``strict`` leaves it at what RFC 8341 says."""
    writer = Writer()

    def recovered() -> Datastores:
        state = StateDirectory(directory)
        datastores = Datastores(door_schema(), state, VAULT, background=lambda work: work(), **(datastore or {}))
        datastores.start()
        return datastores

    datastores = await writer.run(recovered)
    writer.on_tick(datastores.tick)
    options = {"seal": VAULT, "recovery": ["root"], **options}
    if not strict and "access" not in options:
        options["access"] = Nacm(door_schema(), lambda: _opened(datastores.running.root), options["recovery"])
    server = Server(datastores, writer, **options)
    return Lab(server, datastores, writer)


def _opened(root: Node) -> Node:
    nacm = door_schema().root.by_qname["ietf-netconf-acm:nacm"]
    return root if root.get(nacm) is not None else root.with_slot(nacm.slot, _write_permitted())


@lru_cache(maxsize=1)
def _write_permitted() -> Node:
    nacm = door_schema().root.by_qname["ietf-netconf-acm:nacm"]
    assert isinstance(nacm, InnerNode)
    return build(nacm, {"write-default": "permit"})


def door(name: str, *inner: str) -> str:
    return f"<door><name>{name}</name>{''.join(inner)}</door>"
