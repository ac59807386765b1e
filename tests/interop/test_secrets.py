"""Keys go in and never come out: nothing the server writes or sends holds a pre-shared or manual key in clear."""

from __future__ import annotations

import asyncio
import base64
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from cryptomap.transport.passwords import hash_password
from cryptomap_backend.simulator.faults import Faults
from support.commands import environment
from support.https import basic, connection
from support.server import PATIENCE, Daemon, make_key, sample
from support.state import INTERFACE, NS
from support.wire import BASE, Wire, errors, session
from support.world import WorldProcess

CANARY = "Kanarienvogel-7c1f"
"""A pre-shared key that stands nowhere else."""

CIPHER_KEY = "de:ad:be:ef:ca:fe:f0:0d:de:ad:be:ef:ca:fe:f0:0d"
AUTH_KEY = "c0:ff:ee:c0:ff:ee:c0:ff:ee:c0:ff:ee:c0:ff:ee:c0:ff:ee:c0:ff"
"""Keys of a manual map."""


def shapes(clear: bytes) -> set[bytes]:
    """The forms in which a key might be seen: as it is, in base64 at any offset, in hexadecimal, reversed."""
    encoded = {base64.b64encode(b"\0" * pad + clear)[pad + 1 : -4] for pad in range(3)}
    return {clear, clear[::-1], clear.hex().encode(), clear.hex().upper().encode(), clear.hex(":").encode(), *encoded}


FORBIDDEN = {
    shape
    for clear in (
        CANARY.encode(),
        bytes.fromhex(CIPHER_KEY.replace(":", "")),
        bytes.fromhex(AUTH_KEY.replace(":", "")),
    )
    for shape in shapes(clear)
} | {CIPHER_KEY[3:].encode()}  # the rest of a key that has a mistake in its first octet


def leaks(content: str | bytes) -> set[bytes]:
    data = content.encode() if isinstance(content, str) else content
    return {shape for shape in FORBIDDEN if shape in data}


def test_this_test_would_find_a_key() -> None:
    for pad in (b"", b"x", b"xy"):
        assert leaks(b"... " + base64.b64encode(pad + CANARY.encode()) + b" ...")
    assert leaks(f"<psk>{CANARY}</psk>")
    assert leaks(CIPHER_KEY)
    assert not leaks("$cm1$AAAA")


PSK = sample("seed.xml").replace("foo0key", CANARY)

MANUAL = f"""
<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>
  <access-list xmlns="{NS["acl"]}"><name>m</name><rule><name>r</name><action>permit</action><protocol>udp</protocol>
    <source><prefix>192.0.2.1/32</prefix></source><destination><prefix>192.0.2.2/32</prefix></destination></rule></access-list>
  <ipsec-transform-set xmlns="{NS["ips"]}"><name>M</name></ipsec-transform-set>
  <crypto-map xmlns="{NS["ips"]}"><name>m</name><type>manual</type><match-address>m</match-address>
    <peer>209.165.201.7</peer><manual><transform-set>M</transform-set><session-key>
      <inbound><spi>300</spi><cipher-key>{CIPHER_KEY}</cipher-key><authenticator-key>{AUTH_KEY}</authenticator-key></inbound>
      <outbound><spi>301</spi><cipher-key>{CIPHER_KEY}</cipher-key><authenticator-key>{AUTH_KEY}</authenticator-key>
      </outbound></session-key></manual></crypto-map>
  <interface><name>{INTERFACE}</name><crypto-map xmlns="{NS["ips"]}"><name>m</name></crypto-map></interface>
</context></contexts>"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_key(tmp_path_factory.mktemp("keys") / "alice")


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], world: WorldProcess, keys: Path) -> Daemon:
    """At the most talkative level of its log, with an ordinary user alice, and a recovery user for RESTCONF."""
    settings = f"""{world.settings}
[users.alice]
authorized-keys = "{keys}.pub"
[users.watcher]
recovery = true
password-hash = "{hash_password("secret")}"
[restconf]
listen = "127.0.0.1:0"
insecure = true
"""
    return make_daemon(settings=settings, options=["--verbose"]).start()


@pytest_asyncio.fixture
async def admin(server: Daemon) -> AsyncIterator[Wire]:
    async with session(server) as wire:
        yield wire


@pytest_asyncio.fixture
async def alice(server: Daemon, keys: Path) -> AsyncIterator[Wire]:
    async with session(server, "alice", keys) as wire:
        yield wire


@pytest.fixture(autouse=True)
def _nothing_is_written(server: Daemon) -> Iterator[None]:
    """Looks through every file of the state directory, and the log, after each test."""
    yield
    files = [path for path in server.state.rglob("*") if path.is_file()]
    assert "journal.sqlite" in {path.name for path in files}
    found = {path.name: leaks(path.read_bytes()) for path in [*files, server.log]}
    assert {name: shapes for name, shapes in found.items() if shapes} == {}
    assert " INFO " in server.log.read_text()


async def test_keys_are_committed_and_reach_the_gateway(admin: Wire, world: WorldProcess) -> None:
    assert await admin.edit(PSK) == "<ok/>"
    assert await admin.edit(MANUAL) == "<ok/>"
    assert not leaks(await admin.get_config("candidate"))
    await admin.do("<validate><source><candidate/></source></validate>")
    await admin.do("<commit/>")
    tunnels = {item.crypto_map: tunnel for item, tunnel in world.remote.held().tunnels.items()}
    ike, manual = tunnels["foo0"].ike, tunnels["m"].manual
    assert ike is not None
    assert ike.local.secret is not None
    assert ike.local.secret.reveal() == CANARY.encode()
    assert manual is not None
    assert manual.inbound.cipher_key is not None
    assert manual.inbound.cipher_key.reveal().hex(":") == CIPHER_KEY


@pytest.mark.parametrize("operation", ["<get/>", "<get-config><source><running/></source></get-config>"])
async def test_user_need_20_nobody_reads_a_key(admin: Wire, alice: Wire, operation: str) -> None:
    to_admin, to_alice = await admin.rpc(operation), await alice.rpc(operation)
    assert not leaks(to_admin)
    assert not leaks(to_alice)
    assert "<pre-shared-key>$cm1$" in to_admin  # a recovery user sees that there is one, and could restore it
    assert "<cipher-key>$cm1$" in to_admin
    for name in ("<pre-shared-key", "<cipher-key", "<authenticator-key", "$cm1$"):
        assert name not in to_alice
    assert "<name>foo0</name>" in to_alice


@pytest.mark.parametrize(
    "filter_",
    [
        f'<filter type="xpath" xmlns:i="{NS["ips"]}" select="//i:pre-shared-key"/>',
        f'<filter type="xpath" xmlns:i="{NS["ips"]}" select="//i:crypto-map[.//i:pre-shared-key]"/>',
        f'<filter type="xpath" xmlns:i="{NS["ips"]}" select="//i:peer[starts-with(..//i:pre-shared-key, \'$\')]"/>',
        f'<filter><contexts xmlns="{NS["ctx"]}"><context><crypto-map xmlns="{NS["ips"]}"><ikev2><authentication><local>'
        "<pre-shared-key/></local></authentication></ikev2></crypto-map></context></contexts></filter>",
    ],
)
async def test_no_filter_of_an_ordinary_user_finds_a_key(alice: Wire, filter_: str) -> None:
    """Not even that there is one."""
    reply = await alice.rpc(f"<get-config><source><running/></source>{filter_}</get-config>")
    assert "pre-shared-key" not in reply
    assert "$cm1$" not in reply
    assert "<peer>" not in reply


async def test_an_ordinary_user_sets_no_key(admin: Wire, alice: Wire) -> None:
    before = await admin.get_config()
    reply = await alice.edit(PSK.replace(CANARY, CANARY + "2"))
    assert {error.tag for error in errors(reply)} == {"access-denied"}
    assert not leaks(reply)
    assert await admin.get_config() == await admin.get_config("candidate") == before


async def test_the_same_key_again_is_no_commit(server: Daemon, admin: Wire, world: WorldProcess) -> None:
    before, commits = await admin.get_config(), history(server)
    for again in (PSK, before_as_edit(before)):
        assert await admin.edit(again) == "<ok/>"
        await admin.do("<commit/>")
        assert history(server) == commits
    assert await admin.get_config() == before
    sas = world.spis()
    assert await admin.edit(PSK.replace(CANARY, "another-key")) == "<ok/>"
    await admin.do("<commit/>")
    assert history(server) == commits + 1
    assert await admin.edit(PSK) == "<ok/>"
    await admin.do("<commit/>")
    assert history(server) == commits + 2
    assert await admin.get_config() == before
    assert world.spis().keys() == sas.keys()


def history(server: Daemon) -> int:
    """How many commits the journal holds."""
    with sqlite3.connect(f"file:{server.state / 'journal.sqlite'}?mode=ro", uri=True) as journal:
        (count,) = journal.execute("select count(*) from commits").fetchone()
    journal.close()
    return int(count)


def before_as_edit(reply: str) -> str:
    """What get-config gave a recovery user, sent back as it is."""
    inner = reply.removeprefix(f'<data xmlns="{BASE}">').removesuffix("</data>")
    assert inner != reply
    return inner


WRONG = {
    "too long a key": PSK.replace(CANARY, CANARY * 100),
    "a key with children": PSK.replace(f">{CANARY}<", f">{CANARY}<x/><", 1),
    "a key twice": PSK.replace(
        f"<pre-shared-key>{CANARY}</pre-shared-key>", f"<pre-shared-key>{CANARY}</pre-shared-key>" * 2
    ),
    "a key in the wrong place": PSK.replace("<local>", f"<local>{CANARY}", 1),
    "a key in an element nobody knows": PSK.replace("<local>", f"<local><psk>{CANARY}</psk>", 1),
    "octets that are none": MANUAL.replace("<cipher-key>de", "<cipher-key>zz"),
    "a key of the wrong size": MANUAL.replace(f"{CIPHER_KEY}</cipher-key>", f"{CIPHER_KEY}:00</cipher-key>"),
    "an attribute": PSK.replace("<pre-shared-key>", f'<pre-shared-key x="{CANARY}">'),
    "malformed": PSK.replace("</pre-shared-key>", ""),
}


@pytest.mark.parametrize("config", WRONG.values(), ids=list(WRONG))
async def test_no_error_message_quotes_a_key(admin: Wire, config: str) -> None:
    reply = await admin.edit(config)
    if reply == "<ok/>":
        reply = await admin.rpc("<commit/>")
        await admin.do("<discard-changes/>")
    assert "<rpc-error>" in reply
    assert not leaks(reply)


async def test_no_notification_holds_a_key(server: Daemon, admin: Wire) -> None:
    async with session(server) as watching:
        await watching.do(f'<create-subscription xmlns="{NS["ncn"]}"/>')
        assert await admin.edit(PSK.replace(CANARY, "another-key")) == "<ok/>"
        await admin.do("<commit/>")
        assert await admin.edit(PSK) == "<ok/>"
        await admin.do("<commit/>")
        told, changes = "", 0
        while changes < 2:
            message = await watching.receive()
            told += message
            changes += "<netconf-config-change" in message
        assert not leaks(told)
        assert "$cm1$" not in told


@pytest.mark.parametrize(
    ("encoding", "change"),
    [("json", b'"ietf-netconf-notifications:netconf-config-change"'), ("xml", b"<netconf-config-change")],
)
async def test_no_event_of_a_restconf_stream_holds_a_key(
    server: Daemon, admin: Wire, encoding: str, change: bytes
) -> None:
    """Server-sent events, to a recovery user."""
    client = connection(server.url)
    client.request("GET", f"/restconf/streams/NETCONF/{encoding}", headers=basic("watcher", "secret"))
    stream = client.getresponse()
    assert stream.readline() == b": events follow\n"
    assert await admin.edit(PSK.replace(CANARY, "another-key")) == "<ok/>"
    await admin.do("<commit/>")
    assert await admin.edit(PSK) == "<ok/>"
    await admin.do("<commit/>")
    told = b""
    while told.count(change) < 2 or not told.endswith(b"\n\n"):  # the end of an event
        line = stream.readline()
        assert line, "the stream goes on"
        told += line
    client.close()
    assert b"pre-shared-key" in told, "the path of what has changed"
    assert not leaks(told)
    assert b"another-key" not in told
    assert b"$cm1$" not in told


async def test_keys_survive_a_restart_sealed(server: Daemon, world: WorldProcess) -> None:
    async with session(server) as wire:
        before = await wire.get_config()
    held = world.remote.held()
    server.kill()
    server.start()
    async with session(server) as wire:
        assert await wire.get_config() == before
    assert world.remote.held() == held
    files = {path.name: leaks(path.read_bytes()) for path in server.state.rglob("*") if path.is_file()}
    assert not any(files.values())
    assert (server.state / "secrets.key").stat().st_mode & 0o777 == 0o600


# ===== ways around =====

SERVER = NS["server"]
SN = "urn:ietf:params:xml:ns:yang:ietf-subscribed-notifications"
YP = "urn:ietf:params:xml:ns:yang:ietf-yang-push"
KEY_PATH = f'xmlns:i="{NS["ips"]}" xmlns:c="{NS["ctx"]}"'
KEY_PATHS = "/c:contexts/c:context/i:crypto-map/i:ikev2/i:authentication/i:local/i:pre-shared-key"

WAYS = {
    "get-data": '<get-data xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-nmda" '
    'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><datastore>ds:operational</datastore></get-data>',
    "candidate": "<get-config><source><candidate/></source></get-config>",
    "get-commit": f'<get-commit xmlns="{SERVER}"><commit>1</commit></get-commit>',
    "list-commits": f'<list-commits xmlns="{SERVER}"/>',
    "compare-commits": f'<compare-commits xmlns="{SERVER}"><from>0</from><to>1</to></compare-commits>',
    "rollback-to": f'<rollback-to xmlns="{SERVER}"><commit>0</commit></rollback-to>',
    "rehearsal": f'<rollback-to xmlns="{SERVER}"><commit>0</commit><rehearse/></rollback-to>',
    "plan": f'<plan xmlns="{SERVER}"/>',
    "show": f'<show xmlns="{SERVER}"><command>configuration</command></show>',
    "show crypto map": f'<show xmlns="{SERVER}"><command>crypto map</command></show>',
    "compare": '<compare xmlns="urn:ietf:params:xml:ns:yang:ietf-nmda-compare" '
    'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><source>ds:candidate</source>'
    "<target>ds:operational</target><all/></compare>",
    "partial-lock": f'<partial-lock xmlns="urn:ietf:params:xml:ns:netconf:partial-lock:1.0"><select {KEY_PATH}>'
    f"{KEY_PATHS}</select></partial-lock>",
    "copy-config": "<copy-config><target><candidate/></target><source><running/></source></copy-config>",
    "copy to a file": "<copy-config><target><url>file:///stolen.xml</url></target><source><running/></source>"
    "</copy-config>",
    "get-schema": '<get-schema xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring">'
    "<identifier>cryptomap-ipsec</identifier></get-schema>",
}


@pytest.mark.parametrize("operation", WAYS.values(), ids=list(WAYS))
async def test_no_other_operation_tells_an_ordinary_user_of_a_key(admin: Wire, alice: Wire, operation: str) -> None:
    before = await admin.get_config()
    told = await alice.rpc(operation)
    assert not leaks(told)
    assert "$cm1$" not in told
    if "get-schema" not in operation:
        assert "<pre-shared-key" not in told
    assert await admin.get_config() == before, "nothing was changed by it"
    if "<commit>0</commit></rollback-to>" not in operation:  # what a recovery user may do, without a key all the same
        assert not leaks(await admin.rpc(operation))
    await admin.do("<discard-changes/>")


@pytest.mark.parametrize("kind", ["<yp:periodic><yp:period>100</yp:period></yp:periodic>", "<yp:on-change/>"])
async def test_no_subscription_of_an_ordinary_user_tells_of_a_key(admin: Wire, alice: Wire, kind: str) -> None:
    reply = await alice.rpc(
        f'<establish-subscription xmlns="{SN}" xmlns:yp="{YP}" xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores">'
        f"<yp:datastore>ds:running</yp:datastore><yp:datastore-xpath-filter {KEY_PATH}>{KEY_PATHS}"
        f"</yp:datastore-xpath-filter>{kind}</establish-subscription>"
    )
    assert "<rpc-error>" not in reply
    assert await admin.edit(PSK.replace(CANARY, "another-key")) == "<ok/>"
    await admin.do("<commit/>")
    assert await admin.edit(PSK) == "<ok/>"
    await admin.do("<commit/>")
    await alice.ask("<get-config><source><running/></source></get-config>")
    told = ""
    while "<rpc-reply" not in told:  # what was pushed comes before it
        told += await alice.receive()
    assert "<name>foo0</name>" in told
    assert "pre-shared-key" not in told
    assert "$cm1$" not in told


async def test_what_is_pushed_to_a_recovery_user_is_sealed(server: Daemon, admin: Wire) -> None:
    """A change, and the whole at the beginning."""
    async with session(server) as watching:
        reply = await watching.rpc(
            f'<establish-subscription xmlns="{SN}" xmlns:yp="{YP}" '
            'xmlns:ds="urn:ietf:params:xml:ns:yang:ietf-datastores"><yp:datastore>ds:running</yp:datastore>'
            f"<yp:datastore-xpath-filter {KEY_PATH}>{KEY_PATHS}</yp:datastore-xpath-filter><yp:on-change/>"
            "</establish-subscription>"
        )
        assert "<rpc-error>" not in reply
        told = await watching.receive()
        assert await admin.edit(PSK.replace(CANARY, "another-key")) == "<ok/>"
        await admin.do("<commit/>")
        assert await admin.edit(PSK) == "<ok/>"
        await admin.do("<commit/>")
        while told.count("<push-change-update") < 2:
            told += await watching.receive()
    assert "<push-update" in told
    assert told.count("$cm1$") >= 3
    assert not leaks(told)
    assert "another-key" not in told


# ===== the process =====


async def test_nothing_outside_of_memory_holds_a_key(server: Daemon, admin: Wire) -> None:
    """Not what `ps` shows, nor what a child would inherit; and no core is written where the unit runs it."""
    for name in ("cmdline", "environ", "status", "comm"):
        assert not leaks(await asyncio.to_thread(Path(f"/proc/{server.pid}/{name}").read_bytes))
    assert not leaks(await admin.rpc("<get/>"))


async def test_the_export_as_staros_text_holds_no_key(server: Daemon) -> None:
    (server.directory / "known_hosts").write_text(
        f"[{server.host}]:{server.port} {(server.state / 'ssh_host_ed25519_key.pub').read_text()}"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cryptomap.daemon", "export"],
        env={**os.environ, **environment(server)},
        capture_output=True,
        timeout=PATIENCE,
    )
    assert b"crypto map foo0" in done.stdout
    assert not leaks(done.stdout + done.stderr)


@pytest.mark.parametrize("faults", [Faults(fail_step=0), Faults(fail_step=0, fail_revert=True), Faults(refuse="no")])
async def test_a_commit_that_fails_tells_no_key(
    server: Daemon, admin: Wire, world: WorldProcess, faults: Faults
) -> None:
    """Neither its reply nor the log of it, whatever the backend was about to do with the keys."""
    world.remote.set_faults(faults)
    try:
        assert await admin.edit(PSK.replace(f">{CANARY}<", f">{CANARY}-next<")) == "<ok/>"
        reply = await admin.rpc("<commit/>")
    finally:
        world.remote.set_faults(Faults())
        await admin.do("<discard-changes/>")
    assert "<rpc-error>" in reply
    assert not leaks(reply)
