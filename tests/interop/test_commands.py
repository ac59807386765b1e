"""The client commands of ``cryptomapd`` against a live server: what an operator types and sees."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import run, seeded
from support.server import SAMPLES, Daemon


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Daemon]:
    """A server with the seed's sample as its first configuration."""
    daemon = seeded(tmp_path_factory.mktemp("commands"), schema_cache)
    yield daemon
    daemon.stop()


def test_show_crypto_map(server: Daemon) -> None:
    done = run(server, "show", "crypto", "map", "tag", "foo0")
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert lines[0] == "Map Name: foo0"
    for line in (
        "Map status: Complete",
        "permit tcp 209.165.200.225 0.0.0.0 209.165.200.245 0.0.0.0",
        "Crypto Map Type: IPSEC IKEv2 over IPv4",
        "Phase 1 - Pre-Shared Key (Size = 7)",
        "Dscp: 0x28",
        "interface using this crypto-map: saegw-l1l-loopback-ipv4",
        "Local Gateway: 209.165.202.129",
        "Remote Gateway: 209.165.201.1",
    ):
        assert line in lines


def test_show_qos_table(server: Daemon) -> None:
    done = run(server, "show", "qos", "l2-mapping-table", "name", "l2Marktable")
    assert done.stdout.splitlines()[0] == "Table: l2Marktable"
    assert ["1", "0", "0x4", "6"] in [line.split() for line in done.stdout.splitlines()]


def test_show_of_what_is_not_there(server: Daemon) -> None:
    done = run(server, "show", "crypto", "map", "tag", "foo9")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "cryptomapd: there is no crypto map foo9\n"


def test_trace_packet(server: Daemon) -> None:
    done = run(server, "trace-packet", "ipsec-d", "209.165.200.225", "209.165.200.245", "--destination-port", "6002")
    steps = dict(line.split(maxsplit=1) for line in done.stdout.splitlines() if not line.startswith(" "))
    assert steps["outer-dscp"] == "the application sets none, so that the SA's DSCP 0x28 counts"
    assert steps["l2-marking"] == "802.1p value 0x4 (PCP 2, DEI 0), MPLS TC 6"


def test_trace_of_a_packet_that_is_not_protected(server: Daemon) -> None:
    done = run(server, "trace-packet", "ipsec-d", "192.0.2.1", "192.0.2.2")
    assert "not protected: " in done.stdout


def test_reapply(server: Daemon) -> None:
    done = run(server, "reapply", "ipsec-d", "saegw-l1l-loopback-ipv4", "foo0")
    assert done.stdout == "foo0 on saegw-l1l-loopback-ipv4: unchanged\n"


def test_reapply_of_what_is_not_bound(server: Daemon) -> None:
    done = run(server, "reapply", "ipsec-d", "saegw-l1l-loopback-ipv4", "foo9")
    assert done.returncode == 1
    assert "data-missing" in done.stderr


def test_export_and_import_are_one_round(server: Daemon, tmp_path: Path) -> None:
    exported = run(server, "export")
    assert exported.returncode == 0
    assert "crypto map foo0 ikev2-ipv4" in exported.stdout
    assert "foo0key" not in exported.stdout + exported.stderr
    text = tmp_path / "running.cfg"
    text.write_text(exported.stdout)
    imported = run(server, "import", "--to", "candidate", str(text))
    assert imported.returncode == 0, imported.stderr
    with server.connect() as session:
        before = session.get_config("running").data_xml
        session.commit()
        assert session.get_config("running").data_xml == before


def test_import_takes_nothing_when_a_line_is_not_taken(server: Daemon, tmp_path: Path) -> None:
    text = tmp_path / "bad.cfg"
    text.write_text("context ipsec-d\n  teleport everything\n#exit\n")
    done = run(server, "import", str(text))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{text}:2: not taken: teleport everything:" in done.stderr


def test_import_takes_what_it_can_only_if_told_so(server: Daemon, tmp_path: Path) -> None:
    text = tmp_path / "partly.cfg"
    text.write_text("context new\n  teleport everything\n  ipsec transform-set s\n    dscp 0x0a\n  #exit\n#exit\n")
    done = run(server, "import", "--partial", "--to", "xml", str(text))
    assert (done.returncode, done.stderr) == (0, f"{text}:2: not taken: teleport everything: {UNKNOWN}\n")
    assert "<dscp>10</dscp>" in done.stdout


UNKNOWN = "'teleport' is not a command of context mode, or not one this server has something for"


def test_no_forms_remove_what_the_candidate_has(server: Daemon, tmp_path: Path) -> None:
    text = tmp_path / "less.cfg"
    text.write_text("context ipsec-d\n  interface saegw-l1l-loopback-ipv4 loopback\n    no crypto-map foo1\n")
    done = run(server, "import", "--to", "candidate", str(text))
    assert done.returncode == 0, done.stderr
    assert "tunnels: 1 torn down; 1 established SA drops" in run(server, "plan").stdout
    assert run(server, "discard").returncode == 0


@pytest.mark.parametrize(
    "words",
    [
        "crypto map",
        "crypto template",
        "crypto ikev2-ikesa security-associations",
        "crypto ikev2-ikesa security-associations summary",
        "crypto ikev2-ikesa transform-set",
        "crypto ipsec security-associations tag foo0",
        "crypto ipsec security-associations summary",
        "crypto ipsec transform-set",
        "crypto managers",
        "crypto statistics ikev2",
        "qos ip-dscp-iphb-mapping",
        "qos l2-mapping-table system-default",
        "configuration",
    ],
)
def test_every_show_command_has_something_to_show(server: Daemon, words: str) -> None:
    done = run(server, "show", *words.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout or words == "crypto template"


CHECKED = [
    ("seed.xml", "<peer>209.165.201.1</peer>", "<peer>2001:db8::1</peer>", "crypto-map"),
    ("seed.cfg", "match address foo1", "match address foo2", "match-address"),
    ("seed.cfg", "match address foo1", "mach address foo1", "bad:40: not taken: mach address foo1"),
]


@pytest.mark.parametrize(("name", "right", "wrong", "told"), CHECKED)
def test_check_needs_no_server(name: str, right: str, wrong: str, told: str, tmp_path: Path) -> None:
    check = [sys.executable, "-m", "cryptomap.daemon", "check"]
    good = subprocess.run([*check, str(SAMPLES / name)], capture_output=True, text=True, check=False)
    assert (good.returncode, good.stdout) == (0, f"{SAMPLES / name}: valid\n")
    bad = tmp_path / "bad"
    bad.write_text((SAMPLES / name).read_text().replace(right, wrong))
    refused = subprocess.run([*check, str(bad)], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert told in refused.stderr


def test_an_unknown_host_key_is_refused(server: Daemon) -> None:
    (server.directory / "other_hosts").write_text("")
    done = run(server, "show", "configuration", known_hosts="other_hosts")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


def test_nobody_listens() -> None:
    command = [sys.executable, "-m", "cryptomap.daemon", "export", "--connect", "127.0.0.1:1", "--user", "x"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "127.0.0.1" in done.stderr
