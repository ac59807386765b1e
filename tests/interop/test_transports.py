"""The other ways in, with foreign clients: TLS (ncclient, openssl), call home (ncclient, asyncssh), OpenSSH's sshd."""

from __future__ import annotations

import asyncio
import getpass
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest
from ncclient import manager
from ncclient.transport.errors import TransportError

from cryptomap.transport.certificates import fingerprint
from support.certificates import Issued, issue
from support.server import PATIENCE, Daemon, make_key, require
from support.state import NS, text, texts
from support.wire import Wire

MONITORING = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"
CALL_HOME = {"c": "urn:cryptomap:yang:cryptomap-call-home"}
HELLO = (
    b'<hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"><capabilities>'
    b"<capability>urn:ietf:params:netconf:base:1.0</capability></capabilities></hello>]]>]]>"
)
SERVER = "urn:cryptomap:yang:cryptomap-server"
CLOSE = b'<rpc xmlns="urn:ietf:params:xml:ns:netconf:base:1.0" message-id="1"><close-session/></rpc>]]>]]>'
DAY1 = (
    f'<config xmlns="{NS["nc"]}"><contexts xmlns="{NS["ctx"]}"><day1-complete>false</day1-complete></contexts></config>'
)


def transport_of(session: manager.Manager) -> tuple[str, str, str]:
    """What the server's monitoring says of a session: transport, user and where it comes from."""
    data = session.get(("subtree", f'<netconf-state xmlns="{MONITORING}"><sessions/></netconf-state>')).data_ele
    [entry] = data.xpath(f"//m:session[m:session-id={session.session_id}]", namespaces={"m": MONITORING})
    found = [entry.findtext(f"{{{MONITORING}}}{name}", "") for name in ("transport", "username", "source-host")]
    return found[0].rpartition(":")[2], found[1], found[2]


def listeners_of(session: manager.Manager) -> dict[str, str]:
    """Where the server says it waits for clients: transport -> ADDRESS:PORT, or the path of a socket."""
    data = session.get(("subtree", f'<listeners xmlns="{SERVER}"/>')).data_ele
    found = {}
    for entry in data.iter(f"{{{SERVER}}}listener"):
        said = {name: entry.findtext(f"{{{SERVER}}}{name}") for name in ("transport", "address", "port", "path")}
        found[said["transport"] or ""] = said["path"] or f"{said['address']}:{said['port']}"
    return found


# ===== TLS =====


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("ca"), "ca", is_ca=True)


def tls_settings(ca: Issued, directory: Path, more: str = "") -> str:
    server = issue(directory, "server", by=ca, alternatives=["127.0.0.1"])
    return f"""
[tls]
listen = "127.0.0.1:0"
certificate = "{server.certificate_file}"
key = "{server.key_file}"
client-ca = "{ca.certificate_file}"
cert-to-name = [
    {{ map-type = "san-rfc822-name", fingerprint = "{fingerprint(ca.certificate)}" }},
    {{ map-type = "common-name" }},
]
[users."ann@example.net"]
recovery = true
[users.bob]
{more}
"""


@pytest.fixture(scope="module")
def over_tls(make_daemon: Callable[..., Daemon], ca: Issued, tmp_path_factory: pytest.TempPathFactory) -> Daemon:
    return make_daemon(settings=tls_settings(ca, tmp_path_factory.mktemp("server"))).start()


def tls_port(daemon: Daemon) -> int:
    found = re.search(r"listening for TLS on 127\.0\.0\.1:(\d+), certificate 04:", daemon.log.read_text())
    assert found is not None
    return int(found[1])


def connect_tls(daemon: Daemon, ca: Issued, client: Issued) -> manager.Manager:
    return manager.connect_tls(
        host="127.0.0.1",
        port=tls_port(daemon),
        certfile=str(client.certificate_file),
        keyfile=str(client.key_file),
        ca_certs=str(ca.certificate_file),
        protocol=ssl.PROTOCOL_TLS_CLIENT,
        timeout=PATIENCE,
    )


def test_ncclient_over_tls(over_tls: Daemon, ca: Issued, tmp_path: Path) -> None:
    client = issue(tmp_path, "whoever", by=ca, alternatives=["ann@Example.NET"])
    with connect_tls(over_tls, ca, client) as session:
        assert transport_of(session) == ("netconf-tls", "ann@example.net", "127.0.0.1")
        session.edit_config(target="candidate", config=DAY1)
        session.commit()
        with over_tls.connect() as other:
            assert transport_of(other) == ("netconf-ssh", "admin", "127.0.0.1")
            open_ones = {"ssh": f"127.0.0.1:{over_tls.port}", "tls": f"127.0.0.1:{tls_port(over_tls)}"}
            assert listeners_of(session) == listeners_of(other) == open_ones


def test_ncclient_is_refused_without_the_right_certificate(over_tls: Daemon, ca: Issued, tmp_path: Path) -> None:
    other_ca = issue(tmp_path, "ca", is_ca=True)
    for client, said in (
        (issue(tmp_path, "bob", by=other_ca), "certificate verify failed"),
        (issue(tmp_path, "late", by=ca, days=-1), "certificate has expired"),
        (issue(tmp_path, "eve", by=ca), "its certificate names eve, which is no user here"),
    ):
        with pytest.raises((TransportError, OSError)):
            connect_tls(over_tls, ca, client)
        wait_for_log(over_tls, said)  # a client may learn of it before the log does


def wait_for_log(daemon: Daemon, said: str) -> None:
    """Until the server's log has that, as OpenSSL or the server writes it."""
    while said not in (log := daemon.log.read_text()) and said.replace(" ", "_").upper() not in log:
        pass


def s_client(daemon: Daemon, ca: Issued, *options: str) -> subprocess.CompletedProcess[bytes]:
    command = [require("openssl"), "s_client", "-connect", f"127.0.0.1:{tls_port(daemon)}", "-quiet", "-ign_eof"]
    command += ["-CAfile", str(ca.certificate_file), "-verify_return_error", *options]
    return subprocess.run(command, input=HELLO + CLOSE, capture_output=True, timeout=PATIENCE)


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl(over_tls: Daemon, ca: Issued, tmp_path: Path, version: str) -> None:
    bob = issue(tmp_path, "bob", by=ca)
    identity = ["-cert", str(bob.certificate_file), "-key", str(bob.key_file)]
    said = s_client(over_tls, ca, version, *identity).stdout
    assert b"<session-id>" in said
    assert b'message-id="1"><ok/></rpc-reply>]]>]]>' in said
    assert s_client(over_tls, ca, version).stdout == b""
    assert b"<hello" not in s_client(over_tls, ca, "-tls1_1", *identity).stdout


def test_an_address_it_cannot_listen_on(daemon: Daemon, ca: Issued, tmp_path: Path) -> None:
    daemon.settings = tls_settings(ca, tmp_path).replace('listen = "127.0.0.1:0"', 'listen = "192.0.2.1:0"')
    done = daemon.refused()
    assert (done.returncode, done.stdout) == (2, "")
    said = "cryptomapd: cannot listen on 192.0.2.1:0: Cannot assign requested address"
    assert done.stderr.splitlines()[-1] == said


# ===== call home =====


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def call_home(port: int, transport: str = "ssh") -> str:
    return f"""
[call-home.nms]
transport = "{transport}"
endpoints = ["127.0.0.1:{port}"]
back-off = 0.1
back-off-limit = 0.2
"""


def answer(port: int, key: Path) -> manager.Manager:
    """ncclient waits to be called."""
    return manager.call_home(
        host="127.0.0.1",
        port=port,
        username="admin",
        key_filename=str(key),
        hostkey_verify=False,
        allow_agent=False,
        look_for_keys=False,
        timeout=PATIENCE,
    )


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # ncclient's, where it listened
def test_ncclient_is_called(daemon: Daemon) -> None:
    port = unused_port()
    daemon.settings = call_home(port)
    daemon.start()  # nobody listens there yet
    with answer(port, daemon.key) as session:
        assert transport_of(session) == ("netconf-ssh", "admin", "127.0.0.1")
        data = session.get(("subtree", f'<call-home xmlns="{CALL_HOME["c"]}"/>')).data_ele
        assert data.xpath("string(//c:status)", namespaces=CALL_HOME) == "connected"
        assert data.xpath("string(//c:username)", namespaces=CALL_HOME) == "admin"
        assert data.xpath("string(//c:endpoint/c:port)", namespaces=CALL_HOME) == str(port)
        with daemon.connect() as other:  # the listener is there all the while
            assert transport_of(other)[0] == "netconf-ssh"
    assert f"call home nms: 127.0.0.1:{port}: admin logged in" in daemon.log.read_text()


async def test_asyncssh_is_called_again_when_the_link_was_lost_and_the_server_stops_in_good_order(
    daemon: Daemon,
) -> None:
    port = unused_port()
    daemon.settings = call_home(port)
    called: asyncio.Queue[asyncssh.SSHClientConnection] = asyncio.Queue()
    acceptor = await asyncssh.listen_reverse(
        "127.0.0.1",
        port,
        acceptor=called.put_nowait,
        username="admin",
        client_keys=[str(make_key(daemon.key))],
        known_hosts=None,
        config=None,
        agent_path=None,
    )
    async with acceptor:
        await asyncio.to_thread(daemon.start)
        (await called.get()).abort()
        connection = await called.get()
        writer, reader, _ = await connection.open_session(subsystem="netconf", encoding=None)
        wire = await Wire(reader, writer).greet()
        await wire.do("<discard-changes/>")
        os.kill(daemon.pid, signal.SIGTERM)
        assert await wire.closed() == b""
        assert await asyncio.to_thread(daemon.wait) == 0


def test_over_tls_the_manager_is_called(daemon: Daemon, ca: Issued, tmp_path: Path) -> None:
    bob = issue(tmp_path, "bob", by=ca)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(PATIENCE)
        port = listening.getsockname()[1]
        daemon.settings = tls_settings(ca, tmp_path, call_home(port, "tls"))
        daemon.start()
        connection, _ = listening.accept()
        with bob.client_context(ca).wrap_socket(connection, server_hostname="127.0.0.1") as session:
            session.sendall(HELLO + CLOSE)
            said = b"".join(iter(lambda: session.recv(65536), b""))
    assert b'message-id="1"><ok/></rpc-reply>]]>]]>' in said
    assert "call home nms: 127.0.0.1:" in daemon.log.read_text()


# ===== the subsystem of OpenSSH =====


@pytest.fixture
def with_socket(daemon: Daemon, tmp_path: Path) -> Path:
    """The socket of a running server whose settings know no Unix user."""
    path = tmp_path / "netconf.sock"
    daemon.settings = f'[server]\nsubsystem-socket = "{path}"\n'
    daemon.start()
    return path


def subsystem(path: Path) -> list[str]:
    return [sys.executable, "-m", "cryptomap.daemon", "subsystem", "--socket", str(path)]


def test_the_subsystem_as_a_process(with_socket: Path, daemon: Daemon) -> None:
    done = subprocess.run(subsystem(with_socket), input=HELLO + CLOSE, capture_output=True, timeout=PATIENCE)
    assert done.stderr == b""
    assert done.returncode == 0
    assert done.stdout.startswith(b"<?xml") or done.stdout.startswith(b"<hello")
    assert done.stdout.endswith(b'message-id="1"><ok/></rpc-reply>]]>]]>')
    assert f"{getpass.getuser()} logged in by the subsystem" in daemon.log.read_text()


def test_the_socket_of_the_subsystem_is_told(with_socket: Path, daemon: Daemon) -> None:
    with daemon.connect() as session:
        assert listeners_of(session) == {"ssh": f"127.0.0.1:{daemon.port}", "subsystem": str(with_socket)}


def test_the_subsystem_without_a_server(tmp_path: Path) -> None:
    path = tmp_path / "nobody"
    done = subprocess.run(subsystem(path), input=HELLO, capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode() == f"cryptomapd: no server at {path}: No such file or directory\n"


@contextmanager
def sshd(directory: Path, command: str) -> Iterator[int]:
    """OpenSSH's server on loopback, with our subsystem; it runs as who runs the test, and lets in only that user."""
    host_key, user_key = make_key(directory / "host_key"), make_key(directory / "user_key")
    shutil.copy(f"{user_key}.pub", directory / "authorized_keys")
    port = unused_port()
    (directory / "sshd_config").write_text(f"""
ListenAddress 127.0.0.1:{port}
HostKey {host_key}
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin yes
Subsystem netconf {command}
""")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (directory / "sshd.log").open("w") as log:
        process = subprocess.Popen([sshd_program(), "-D", "-e", "-f", str(directory / "sshd_config")], stderr=log)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def sshd_program() -> str:
    """It insists on being called by its whole path, which is not that of every user."""
    return shutil.which("sshd", path="/usr/sbin:/usr/local/sbin") or require("sshd")


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return


def test_ncclient_through_sshd(with_socket: Path, tmp_path: Path) -> None:
    """The owner of the socket is a recovery user: nobody has to grant the first right to write."""
    with sshd(tmp_path, " ".join(subsystem(with_socket))) as port:

        def connect(_: int) -> manager.Manager:
            return manager.connect(
                host="127.0.0.1",
                port=port,
                username=getpass.getuser(),
                key_filename=str(tmp_path / "user_key"),
                hostkey_verify=False,
                allow_agent=False,
                look_for_keys=False,
                timeout=PATIENCE,
            )

        with ThreadPoolExecutor(4) as pool:
            sessions = list(pool.map(connect, range(4)))
        assert transport_of(sessions[0]) == ("netconf-ssh", getpass.getuser(), "")
        sessions[0].edit_config(target="candidate", config=DAY1)
        sessions[0].commit()
        assert text(sessions[1].get_config("running").data_ele, "//ctx:day1-complete") == "false"
        assert len(texts(sessions[1].get_config("running").data_ele, "//ctx:contexts")) == 1
        for session in sessions:
            session.close_session()
