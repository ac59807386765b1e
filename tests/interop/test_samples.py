"""Every script and every document of samples/, run as a person would run it, and what it prints."""

from __future__ import annotations

import csv
import io
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree
from ncclient import manager
from ncclient.operations import RPCError

from cryptomap_backend.intent import TunnelId
from support.foreign.playbook import play
from support.https import ask, basic
from support.server import PATIENCE, ROOT, SAMPLES, Daemon, require, sample
from support.state import INTERFACE, NS, assert_seed_is_up, text, texts
from support.world import WorldProcess

PSK = "a-key-of-the-samples"


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script of samples/."""
    script, *rest = map(str, arguments)
    return subprocess.run(
        [sys.executable, str(SAMPLES / script), *rest],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def server(make_daemon: Callable[..., Daemon], world: WorldProcess) -> Daemon:
    """Started with the seed's sample as its first configuration."""
    return make_daemon(settings=world.settings, options=["--startup", str(SAMPLES / "seed.xml")]).start()


@pytest.fixture(scope="module")
def login(server: Daemon) -> list[str]:
    return ["--host", server.host, "--port", str(server.port), "--key", str(server.key)]


@pytest.fixture
def session(server: Daemon) -> Iterator[manager.Manager]:
    with server.connect() as session:
        yield session


# ===== documents =====


def test_the_seed_as_first_configuration(session: manager.Manager) -> None:
    assert_seed_is_up(session.get().data_ele)


def test_every_document_is_executed_by_a_test_here() -> None:
    assert {path.name for path in SAMPLES.glob("*.xml")} == {
        "seed.xml",
        "seed-ipsec.xml",
        "seed-qos.xml",
        "day1-violation.xml",
    }


def test_the_two_halves_of_the_seed_make_the_whole(daemon: Daemon) -> None:
    daemon.start()
    with daemon.connect() as session:
        for name in ("seed-ipsec.xml", "seed-qos.xml"):
            session.edit_config(target="candidate", config=sample(name))
            session.commit()
        assert_seed_is_up(session.get().data_ele)
        session.edit_config(target="candidate", config=sample("seed.xml"), default_operation="replace")
        session.commit()
        halves = session.get_config("running").data_xml
        session.edit_config(target="candidate", config=sample("seed.xml"))
        session.commit()
        assert session.get_config("running").data_xml == halves


def test_the_day1_violation_is_refused(session: manager.Manager) -> None:
    session.edit_config(target="candidate", config=sample("day1-violation.xml"))
    with pytest.raises(RPCError) as caught:
        session.commit()
    session.discard_changes()
    assert caught.value.app_tag == "day1-context"


# ===== traces =====

TRACE = f"""
<action xmlns="urn:ietf:params:xml:ns:yang:1"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>
  <trace-packet xmlns="{NS["trace"]}">
    <source-address>209.165.200.225</source-address><destination-address>209.165.200.245</destination-address>
    <protocol>6</protocol><source-port>40000</source-port><destination-port>6002</destination-port><tos>%s</tos>
  </trace-packet></context></contexts></action>"""
ASSOCIATION = f"""
<config xmlns="{NS["nc"]}" xmlns:nc="{NS["nc"]}"><contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>
  <associate-l2-mapping-table xmlns="{NS["qos"]}" nc:operation="%s"><name>l2Marktable</name>
  </associate-l2-mapping-table>
</context></contexts></config>"""


def trace(session: manager.Manager, tos: int = 0) -> dict[str, str]:
    reply = etree.fromstring(session.dispatch(etree.fromstring(TRACE % tos)).xml.encode())
    names = ("outer-dscp", "cos", "l2-mapping-table", "dot1p-value", "pcp", "dei", "mpls-tc", "crypto-map")
    return {name: text(reply, f"/nc:rpc-reply/trace:{name}") for name in names}


MARKED = {
    "outer-dscp": "40",
    "cos": "1",
    "l2-mapping-table": "l2Marktable",
    "dot1p-value": "4",
    "pcp": "2",
    "dei": "false",
    "mpls-tc": "6",
    "crypto-map": "foo0",
}


def test_trace_with_and_without_the_association_in_ipsec_d(session: manager.Manager) -> None:
    assert trace(session) == MARKED
    session.edit_config(target="candidate", config=ASSOCIATION % "delete")
    session.commit()
    by_default = {"l2-mapping-table": "system-default", "dot1p-value": "2", "pcp": "1", "mpls-tc": "1"}
    assert trace(session) == {**MARKED, **by_default}
    session.edit_config(target="candidate", config=ASSOCIATION % "create")
    session.commit()
    assert trace(session) == MARKED


def test_trace_of_a_packet_whose_application_sets_a_dscp(session: manager.Manager) -> None:
    assert trace(session, tos=0xB9)["outer-dscp"] == "46"  # DSCP 46 and ECN 1: the application's DSCP wins


# ===== scripts =====


def test_demo() -> None:
    done = run("demo.py")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    said = done.stdout
    assert re.findall(r"^(\d+)\. ", said, re.MULTILINE) == [str(number) for number in range(1, 10)]
    steps = dict(enumerate(re.split(r"^\d+\. ", said, flags=re.MULTILINE)))
    assert "error-tag operation-failed, error-app-tag day1-context" in steps[3]
    assert "protect the application with a crypto map of ipsec-s, or remove the dscp" in steps[3]
    assert "crypto map foo0: complete" in steps[5]
    spi = "0x[0-9a-f]{{8}}"
    sa = rf"foo{{n}}: tunnel up{{pending}}\n +SA in {spi} out {spi}  esp aes-cbc-128  applied DSCP {{dscp}}\n"
    for step, pending, dscp in ((5, "", "0x28"), (6, "  reapply-pending", "0x28"), (7, "", "0x2e"), (8, "", "0x28")):
        for n in (0, 1):
            assert re.search(sa.format(n=n, pending=pending, dscp=dscp), steps[step]), steps[step]
    assert "outer DSCP 0x28, cos 1, 802.1p 0x4, MPLS TC 6" in steps[9]
    assert re.search(r"a console at http://127\.0\.0\.1:\d+/console/ \(user admin, password \S+\)", said)
    assert "make serve" in said
    assert "samples/netconf-console2.md" in said


def test_commit_map(login: list[str], server: Daemon, session: manager.Manager, world: WorldProcess) -> None:
    where = ["--interface", INTERFACE, "--peer", "209.165.201.3", "--local", "209.165.200.225"]
    done = run(
        "commit_map.py", *login, "ipsec-d", "foo2", *where, "--remote", "209.165.200.246", "--dscp", "0x1a", PSK=PSK
    )
    assert (done.returncode, done.stdout) == (0, "crypto map foo2 of context ipsec-d is committed\n"), done.stderr
    states = {item.crypto_map: state for item, state in world.remote.observe().tunnels.items()}
    assert [sa.applied_dscp for sa in states["foo2"].children] == [0x1A]
    assert PSK not in session.get_config("running").data_xml
    done = run("commit_map.py", *login, "ipsec-d", "foo3", *where, "--remote", "not-an-address", PSK=PSK)
    assert done.returncode == 1
    assert re.fullmatch(r"refused: .*not-an-address.* \(invalid-value, /cmc:contexts/.*prefix\)\n", done.stderr)
    with session.locked("candidate"):  # nothing is left: no lock, no changes
        assert session.get_config("candidate").data_xml == session.get_config("running").data_xml


def test_rotate_dscp(login: list[str], session: manager.Manager) -> None:
    for dscp in ("0x2e", "0x28"):
        done = run("rotate_dscp.py", *login, "ipsec-d", "A-foo", dscp)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f"transform set A-foo: DSCP {dscp} is committed",
            f"crypto map foo0 on {INTERFACE}: updated",
            f"crypto map foo1 on {INTERFACE}: updated",
        ]
        applied = texts(session.get().data_ele, "//ips:child-sa[ips:transform-set='A-foo']/ips:applied-dscp")
        assert applied == [str(int(dscp, 0))] * 2


def test_watch_notifications(login: list[str]) -> None:
    command = [
        sys.executable,
        str(SAMPLES / "watch_notifications.py"),
        *login,
        "--timeout",
        str(PATIENCE),
        "--count",
        "4",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "watching\n"
        run("rotate_dscp.py", *login, "ipsec-d", "A-foo", "0x2e")
        lines = watching.stdout.read().splitlines()
        assert watching.wait(PATIENCE) == 0
    run("rotate_dscp.py", *login, "ipsec-d", "A-foo", "0x28")
    time, name, *leafs = lines[0].split()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", time)
    assert name == "netconf-session-start"
    assert "username=admin" in leafs
    names = [line.split()[1] for line in lines]
    assert sorted(names[1:]) == ["crypto-map-reapply-pending", "crypto-map-reapply-pending", "netconf-config-change"]


def test_watch_notifications_ends_when_nothing_comes(login: list[str]) -> None:
    done = run("watch_notifications.py", *login, "--timeout", "0.2")
    assert (done.returncode, done.stdout) == (0, "watching\n"), done.stderr


def test_export_state(login: list[str], world: WorldProcess) -> None:
    rows = list(csv.DictReader(io.StringIO(run("export_state.py", *login, "--csv").stdout)))
    [foo0] = [row for row in rows if row["crypto-map"] == "foo0"]
    (spi_in, spi_out), *_ = world.spis()[TunnelId("ipsec-d", "foo0", INTERFACE)]
    assert foo0 == {
        "context": "ipsec-d",
        "interface": INTERFACE,
        "crypto-map": "foo0",
        "status": "up",
        "spi-in": f"0x{spi_in:02x}",
        "spi-out": f"0x{spi_out:02x}",
        "dscp": "0x28",
        "pending": "false",
        "packets-out": "0",
    }
    table = run("export_state.py", *login).stdout.splitlines()
    assert table[0].split() == list(foo0)
    assert list(foo0.values()) in [line.split() for line in table[1:]]


# ===== playbooks =====

PLAYBOOKS = SAMPLES / "ansible"


def test_ansible_commits_a_map(
    server: Daemon, session: manager.Manager, world: WorldProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSK", PSK)
    tunnel = {"name": "foo4", "peer": "209.165.201.4", "remote": "209.165.200.247"}
    done = play(PLAYBOOKS / "commit_map.yml", server, tmp_path, dscp=26, **tunnel)
    assert done["Edit, validate and commit"]["changed"]
    assert PSK not in str(done)
    states = {item.crypto_map: state for item, state in world.remote.observe().tunnels.items()}
    assert [sa.applied_dscp for sa in states["foo4"].children] == [26]
    with session.locked("candidate"):  # it left no lock
        pass


def test_ansible_rotates_a_dscp(server: Daemon, login: list[str], session: manager.Manager, tmp_path: Path) -> None:
    done = play(PLAYBOOKS / "rotate_dscp.yml", server, tmp_path, transform_set="A-foo", dscp=46)
    assert [item["item"] for item in done["Re-apply"]["results"]] == ["foo0", "foo1"]
    applied = texts(session.get().data_ele, "//ips:child-sa[ips:transform-set='A-foo']/ips:applied-dscp")
    assert applied == ["46", "46"]
    assert run("rotate_dscp.py", *login, "ipsec-d", "A-foo", "0x28").returncode == 0


def test_every_playbook_is_executed_by_a_test_here() -> None:
    assert {path.name for path in PLAYBOOKS.iterdir()} == {"inventory.yml", "commit_map.yml", "rotate_dscp.yml"}


# ===== make serve and the README =====


@dataclass(frozen=True)
class Staying:
    """The server of ``make serve``: what it printed, its port and its state directory."""

    printed: list[str]
    port: int
    state: Path


@pytest.fixture(scope="module")
def staying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staying]:
    with serving(tmp_path_factory.mktemp("state")) as server:
        yield server


@contextmanager
def serving(state: Path, *more: str) -> Iterator[Staying]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(SAMPLES / "serve.py"), "--listen", f"127.0.0.1:{port}", "--state-dir", str(state)]
    command += ["--web", "127.0.0.1:0"]
    command += more
    with (
        (state / "log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,
    ):
        assert process.stdout is not None
        printed = [""]
        while not printed[-1].startswith("cryptomapd ready"):
            printed.append(process.stdout.readline())
            assert printed[-1], (state / "log").read_text()
        yield Staying(printed[1:], port, state)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_serve(staying: Staying) -> None:
    """What it prints can be typed as it stands."""
    title, *hints, console, last, ready = staying.printed
    assert "as user admin with the key" in title
    assert last == "Ctrl-C stops it; what was committed is there again at the next start.\n"
    found = re.fullmatch(
        rf"cryptomapd ready ssh 127\.0\.0\.1:{staying.port} restconf (http://127\.0\.0\.1:\d+)\n", ready
    )
    assert found
    password = console.split()[-1]
    page = ask(found[1], "GET", "/restconf/yang-library-version", headers=basic("admin", password))
    assert (page.status, ask(found[1], "GET", "/console/").status) == (200, 200)
    assert (staying.state / "admin-key").stat().st_mode & 0o777 == 0o600
    told = [shell(hint) if hint.lstrip().startswith(". ") else typed(hint) for hint in hints]
    assert all(told)
    assert "candidate:1.0" in told[0]
    assert f"{INTERFACE}  foo0" in told[1]


def test_the_five_minutes_of_the_readme(staying: Staying) -> None:
    section = (ROOT / "README.md").read_text().partition("## Five minutes")[2].partition("\n## ")[0]
    blocks = re.findall(r"^```\w*\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    commands = [line.partition("#")[0].strip() for line in lines]
    assert commands[0].startswith("make serve")
    assert len(commands) >= 5
    for command in commands[1:]:
        here = command.replace("8300", str(staying.port)).replace(".state/", f"{staying.state}/")
        assert typed(here + " --timeout 0.2" * ("watch_notifications" in command)) != ""


TOURS = {
    "StarOS": ("Map status: Complete", "interface using this crypto-map: saegw-l1l-loopback-ipv4", "Dscp: 0x28"),
    "NETCONF": ("<status>up</status>", "<applied-dscp>40</applied-dscp>", "<name>foo1</name>"),
}


@pytest.mark.parametrize("knows", TOURS)
def test_five_commands_get_the_sample_running(knows: str, tmp_path: Path, schema_cache: Path) -> None:
    """The commands of the README as they stand, but for the directory of the server."""
    tour = (ROOT / "README.md").read_text().partition(f"You know {knows}:\n")[2]
    block = re.search(r"^```\n(.*?)^```$", tour, re.MULTILINE | re.DOTALL)
    assert block is not None
    first, *others = block[1].strip().splitlines()
    assert first.startswith("make serve-empty")
    assert len(others) == 4
    if any(schema_cache.iterdir()):
        shutil.copytree(schema_cache, tmp_path / "empty" / "schema")
    with serving(tmp_path, "--empty"):
        script = "\n".join(["set -e", *others]).replace(".state/", f"{tmp_path}/")
        done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
    assert done.returncode == 0, (done.stdout, done.stderr)
    for part in TOURS[knows]:
        assert part in done.stdout


def shell(line: str) -> str:
    """The same for a line that only a shell understands."""
    done = subprocess.run(["bash", "-ec", line], capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def typed(line: str) -> str:
    """What a command line prints that uses the programs of ``.venv``."""
    program, *arguments = shlex.split(line)
    here = require(program.removeprefix(".venv/bin/"))
    done = subprocess.run([here, *arguments], capture_output=True, text=True, timeout=PATIENCE, cwd=ROOT)
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout
