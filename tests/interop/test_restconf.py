"""RESTCONF of a real server: TLS, who may log in, limits, and the same locks and history as NETCONF."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptomap.audit import entries, verify
from cryptomap.transport.certificates import fingerprint
from cryptomap.transport.passwords import hash_password
from support.certificates import Issued, issue, self_less_context
from support.https import ask, basic, connection, raw
from support.server import SAMPLES, Daemon

MAP = "/restconf/data/cryptomap-context:contexts/context=ipsec-d/cryptomap-ipsec:ipsec-transform-set=A-foo/dscp"
ADMIN = basic("admin", "secret")
EVENTS = "/restconf/streams/NETCONF/json"


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("ca"), "ca", is_ca=True)


@pytest.fixture(scope="module")
def trusting(ca: Issued) -> ssl.SSLContext:
    return self_less_context(ca)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, ca: Issued) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("restconf")
    server = issue(directory, "server", by=ca, alternatives=["127.0.0.1"])
    settings = f"""
[restconf]
listen = "127.0.0.1:0"
certificate = "{server.certificate_file}"
key = "{server.key_file}"
client-ca = "{ca.certificate_file}"
connections = 8
streams = 1
body-size = 100000
[tls]
cert-to-name = [{{ map-type = "common-name", fingerprint = "{fingerprint(ca.certificate)}" }}]
[users.admin]
recovery = true
password-hash = "{hash_password("secret")}"
"""
    found = Daemon(directory, ["--startup", str(SAMPLES / "seed.xml")], settings)
    yield found.start()
    found.close()


def test_users_log_in_with_passwords(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    assert ask(daemon.url, "GET", MAP, headers=ADMIN, context=trusting).json == {"cryptomap-ipsec:dscp": 40}
    for headers in ({}, basic("admin", "wrong"), basic("nobody", "secret"), {"Authorization": "Bearer x"}):
        refused = ask(daemon.url, "GET", MAP, headers=headers, context=trusting)
        assert (refused.status, refused.headers["www-authenticate"][:5]) == (401, "Basic")
        assert "dscp" not in refused.text


def test_where_it_listens_is_state(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    shown = ask(daemon.url, "GET", "/restconf/data/cryptomap-server:listeners", headers=ADMIN, context=trusting)
    port = int(daemon.url.rpartition(":")[2])
    assert shown.json["cryptomap-server:listeners"]["listener"] == [
        {"transport": "restconf", "address": "127.0.0.1", "port": port},
        {"transport": "ssh", "address": "127.0.0.1", "port": daemon.port},
    ]


def test_logins_and_operations_are_on_record(
    daemon: Daemon, ca: Issued, trusting: ssl.SSLContext, tmp_path: Path
) -> None:
    """Who got in, who did not, and what they did; the chain holds, also while the server runs."""
    discard = "/restconf/operations/ietf-netconf:discard-changes"
    assert ask(daemon.url, "POST", discard, headers=ADMIN, context=trusting).status == 204
    assert ask(daemon.url, "POST", discard, headers=basic("admin", "no"), context=trusting).status == 401
    certified = issue(tmp_path, "admin", by=ca).client_context(ca)
    assert ask(daemon.url, "DELETE", f"{MAP}x", context=certified).status == 404
    assert ask(daemon.url, "GET", MAP, context=issue(tmp_path, "mallory", by=ca).client_context(ca)).status == 401
    deeds = [entry.deed for entry in entries(daemon.state / "audit")]
    told = {(deed.user, deed.kind, deed.operation, str(deed.outcome)) for deed in deeds}
    assert told >= {
        ("admin", "login", "restconf", "ok"),
        ("admin", "login", "restconf", "denied"),
        ("mallory", "login", "restconf", "denied"),
        ("admin", "rpc", "discard-changes", "ok"),
        ("admin", "rpc", "restconf-delete", "failed"),
    }
    assert any("certificate of CN=admin" in deed.detail for deed in deeds)
    assert verify(daemon.state / "audit").faults == []
    assert not any("secret" in str(deed) for deed in deeds)


def test_users_log_in_with_certificates(daemon: Daemon, ca: Issued, tmp_path: Path) -> None:
    admin = issue(tmp_path, "admin", by=ca).client_context(ca)
    assert ask(daemon.url, "GET", MAP, context=admin).status == 200
    stranger = issue(tmp_path, "stranger", by=ca).client_context(ca)
    assert ask(daemon.url, "GET", MAP, context=stranger).status == 401
    forged = issue(tmp_path, "admin2", by=issue(tmp_path, "ca2", is_ca=True)).client_context(ca)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(daemon.url, "GET", MAP, context=forged)


def test_an_edit_is_a_commit_that_netconf_sees(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    assert ask(daemon.url, "PUT", MAP, {"cryptomap-ipsec:dscp": 46}, ADMIN, trusting).status == 204
    with daemon.connect() as session:
        assert "<dscp>46</dscp>" in session.get_config("running").data_xml
        with session.locked("candidate"):
            refused = ask(daemon.url, "PUT", MAP, {"cryptomap-ipsec:dscp": 40}, ADMIN, trusting)
            assert (refused.status, refused.json["ietf-restconf:errors"]["error"][0]["error-tag"]) == (409, "in-use")
    assert ask(daemon.url, "PUT", MAP, {"cryptomap-ipsec:dscp": 40}, ADMIN, trusting).status == 204
    listed = ask(daemon.url, "POST", "/restconf/operations/cryptomap-server:list-commits", None, ADMIN, trusting)
    newest = listed.json["cryptomap-server:output"]["commit"][-1]
    assert {item["username"] for item in listed.json["cryptomap-server:output"]["commit"]} >= {"admin"}
    assert newest["id"] >= 1


def test_events_arrive_while_others_ask(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    client = connection(daemon.url, trusting)
    client.request("GET", EVENTS, headers=ADMIN)
    stream = client.getresponse()
    assert stream.headers["Content-Type"] == "text/event-stream"
    assert stream.readline() == b": events follow\n"
    full = ask(daemon.url, "GET", EVENTS, headers=ADMIN, context=trusting)
    assert (full.status, "1 event streams already" in full.text) == (409, True)
    ask(daemon.url, "PUT", MAP, {"cryptomap-ipsec:dscp": 10}, ADMIN, trusting)
    while not (line := stream.readline()).startswith(b"data: "):
        assert line
    assert b"ietf-netconf-notifications:netconf-config-change" in line or b"reapply" in line
    client.close()
    ask(daemon.url, "PUT", MAP, {"cryptomap-ipsec:dscp": 40}, ADMIN, trusting)


def test_limits(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    big = ask(daemon.url, "PUT", MAP, b"x" * 100_001, ADMIN, trusting)
    assert (big.status, "too-big" in big.text) == (413, True)
    many = [raw(daemon.url) for _ in range(12)]
    assert [item.recv(1) for item in many[-4:]] == [b""] * 4
    for item in many:
        item.close()
    while not gets_in(daemon, trusting):  # until the server has seen those ends
        pass


def gets_in(daemon: Daemon, trusting: ssl.SSLContext) -> bool:
    try:
        return ask(daemon.url, "GET", MAP, headers=ADMIN, context=trusting).status == 200
    except ConnectionError:
        return False


def test_other_sites_may_not_use_a_browsers_login(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    commit = "/restconf/operations/ietf-netconf:commit"
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert ask(daemon.url, "POST", commit, None, {**ADMIN, **headers}, trusting).status == 403
    own = {**ADMIN, "Origin": daemon.url, "Sec-Fetch-Site": "same-origin"}
    assert ask(daemon.url, "POST", commit, None, own, trusting).status == 204


def test_host_meta_and_the_modules(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    meta = ask(daemon.url, "GET", "/.well-known/host-meta", context=trusting)
    assert (meta.status, "rel='restconf' href='/restconf'" in meta.text) == (200, True)
    state = "/restconf/data/ietf-restconf-monitoring:restconf-state/streams"
    found = ask(daemon.url, "GET", state, headers=ADMIN, context=trusting)
    assert f"{daemon.url}{EVENTS}" in found.text
    library = "/restconf/data/ietf-yang-library:yang-library?fields=module-set/module/name"
    assert "ietf-restconf-monitoring" in ask(daemon.url, "GET", library, headers=ADMIN, context=trusting).text


def test_metrics(daemon: Daemon, trusting: ssl.SSLContext) -> None:
    assert ask(daemon.url, "GET", "/metrics", context=trusting).status == 401
    page = ask(daemon.url, "GET", "/metrics", headers=ADMIN, context=trusting)
    assert page.headers["content-type"].startswith("text/plain; version=")
    lines = page.text.splitlines()
    assert 'cryptomap_tunnels{status="up"} 2.0' in lines
    assert any(line.startswith('cryptomap_commit_phase_seconds_count{phase="apply-backend"}') for line in lines)
    assert any(line.startswith('cryptomap_tunnel_bytes_total{context="ipsec-d",crypto_map="foo0"') for line in lines)


# ===== what cannot be =====


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('listen = "127.0.0.1:0"', "restconf needs a certificate and its key"),
        ('listen = "192.0.2.1:443"\ninsecure = true', "insecure is for loopback addresses, not for 192.0.2.1:443"),
        ('listen = "127.0.0.1"', "is not ADDR:PORT"),
        ('listen = "127.0.0.1:0"\ncertificate = "/nowhere"\nkey = "/nowhere"', "restconf: /nowhere"),
        ('listen = "127.0.0.1:0"\nunsafe = true', "unknown key 'unsafe'"),
    ],
)
def test_settings_that_are_refused(tmp_path: Path, settings: str, message: str) -> None:
    ended = Daemon(tmp_path, settings=f"[restconf]\n{settings}\n").refused()
    assert ended.returncode != 0
    assert message in ended.stderr


def test_the_server_starts_without_what_http_needs(tmp_path: Path) -> None:
    """Off by default: then nothing of the extra is imported, and asked for without it the message says what to do."""
    for name in ("starlette", "uvicorn", "prometheus_client"):
        (tmp_path / f"{name}.py").write_text(f"raise ModuleNotFoundError('no {name}', name='{name}')\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    daemon = Daemon(tmp_path / "off")
    daemon.directory.mkdir()
    daemon.launch(environment=environment)
    daemon.ready()
    assert daemon.url == ""
    assert daemon.stop() == 0
    wanting = Daemon(tmp_path / "on", settings='[restconf]\nlisten = "127.0.0.1:0"\ninsecure = true\n')
    wanting.directory.mkdir()
    wanting.launch(environment=environment)
    assert wanting.wait() != 0
    assert "pip install 'cryptomap[restconf]'" in wanting.log.read_text()
