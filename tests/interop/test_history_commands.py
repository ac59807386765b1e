"""plan, commit, history and rollback from the command line, against a live server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from support.commands import run, seeded
from support.server import SAMPLES, Daemon


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, schema_cache: Path) -> Iterator[Daemon]:
    daemon = seeded(tmp_path_factory.mktemp("history"), schema_cache)
    yield daemon
    daemon.stop()


@pytest.fixture
def server(shared: Daemon) -> Daemon:
    """The server with the sample in running and in the candidate, whatever tests before have done."""
    assert run(shared, "rollback", "1", "--yes").returncode == 0
    assert run(shared, "discard").returncode == 0
    return shared


def head(server: Daemon) -> int:
    """The number of the last commit."""
    return int(columns(run(server, "history", "--limit", "1").stdout)[1][0])


def edit(server: Daemon, old: str, new: str) -> None:
    """Import the sample into the candidate with something changed in it."""
    text = (SAMPLES / "seed.cfg").read_text()
    assert old in text
    changed = server.directory / "changed.cfg"
    changed.write_text(text.replace(old, new))
    done = run(server, "import", "--to", "candidate", str(changed))
    assert done.returncode == 0, done.stderr


def columns(output: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]


def test_plan_tells_which_tunnels_flap_before_the_commit(server: Daemon) -> None:
    edit(server, "peer 209.165.201.1", "peer 209.165.201.9")
    plan = run(server, "plan")
    assert plan.returncode == 0, plan.stderr
    assert "-       peer 209.165.201.1\n+       peer 209.165.201.9" in plan.stdout
    assert "tunnels: 1 torn down and negotiated anew; 1 established SA drops" in plan.stdout
    row = ["ipsec-d", "foo0 on saegw-l1l-loopback-ipv4", "re-establish", "1", "the peer changes"]
    assert row in columns(plan.stdout)


def test_plan_of_what_would_be_refused_says_why(server: Daemon) -> None:
    edit(server, "peer 209.165.201.1", "peer 2001:db8::1")
    plan = run(server, "plan")
    assert plan.returncode == 1
    assert "the commit would be refused, and nothing would change:\n  " in plan.stdout
    assert "crypto-map" in plan.stdout


def test_a_commit_with_its_message_is_in_the_history(server: Daemon) -> None:
    edit(server, "  dscp 0x28", "  dscp 0x2e")
    plan = run(server, "plan")
    assert "tunnels: 2 waiting for a re-apply; no established SAs drop" in plan.stdout
    assert run(server, "commit", "--message", "EF for foo").stdout == "committed\n"
    listed = columns(run(server, "history").stdout)
    assert listed[0] == ["id", "time (UTC)", "user", "from", "kind", "changes", "message"]
    assert (listed[1][0], listed[1][2], listed[1][4], listed[1][6]) == (
        str(head(server)),
        "admin",
        "commit",
        "EF for foo",
    )
    older = columns(run(server, "history", "--limit", "1", "--before", str(head(server))).stdout)
    assert [row[0] for row in older] == ["id", str(head(server) - 1)]


def test_history_tells_the_difference_of_any_two_commits_in_each_form(server: Daemon) -> None:
    before = head(server)
    second, third = str(before + 1), str(before + 2)
    for dscp in ("0x2e", "0x0a"):
        edit(server, "  dscp 0x28", f"  dscp {dscp}")
        run(server, "commit")
    staros = run(server, "history", "1", second, "--as", "staros").stdout
    assert staros.splitlines() == [
        "@@ context ipsec-d / ipsec transform-set A-foo @@",
        "     ipsec transform-set A-foo",
        "-      dscp 0x28",
        "+      dscp 0x2e",
        "     #exit",
    ]
    tree = run(server, "history", "1", "running").stdout
    assert "-       dscp 40\n+       dscp 10" in tree
    xml = run(server, "history", second, "--as", "xml").stdout
    assert "<dscp>46</dscp>" in xml
    assert xml.startswith("<config")
    lines = run(server, "history", third, "--as", "lines").stdout
    assert lines.splitlines()[1].endswith("ipsec-transform-set[name='A-foo']/dscp 10")
    assert run(server, "history", "1", "2", "3").returncode == 2


def test_rollback_shows_its_plan_and_asks(server: Daemon) -> None:
    edit(server, "peer 209.165.201.1", "peer 209.165.201.9")
    run(server, "commit")
    refused = run(server, "rollback", "1", answer="n\n")
    assert (refused.returncode, refused.stderr) == (1, "cryptomapd: nothing was done\n")
    assert "re-establish" in refused.stdout
    done = run(server, "rollback", "1", "--message", "not that peer", answer="y\n")
    assert done.stdout.endswith(f"Go back? [y/N]: y\ndone, as commit {head(server)}\n")
    assert run(server, "rollback", "1", "--yes").stdout == "there is nothing to commit\nnothing was to be done\n"
    assert "not that peer" in run(server, "history").stdout
    assert run(server, "rollback", "9999", "--yes").returncode == 1


def test_a_confirmed_commit_is_confirmed_or_cancelled_from_the_command_line(server: Daemon) -> None:
    edit(server, "  dscp 0x28", "  dscp 0x2e")
    done = run(server, "commit", "--confirmed", "600")
    assert done.returncode == 0, done.stderr
    token = done.stdout.split()[-1]
    assert run(server, "confirm").returncode == 1  # not without the token
    assert run(server, "confirm", "--persist-id", token).stdout == "confirmed\n"
    edit(server, "  dscp 0x28", "  dscp 0x0a")
    run(server, "commit", "--confirmed", "600", "--persist", "mine")
    assert run(server, "cancel", "--persist-id", "mine").returncode == 0
    assert "-       dscp 10\n+       dscp 46" in run(server, "history", str(head(server))).stdout
    assert run(server, "commit", "--persist", "x").returncode == 2


def test_discard_forgets_the_candidate(server: Daemon) -> None:
    edit(server, "  dscp 0x28", "  dscp 0x2e")
    assert run(server, "discard").returncode == 0
    assert run(server, "plan").stdout == "there is nothing to commit\n"


def test_show_by_rpc_is_the_same_text_as_the_command(server: Daemon) -> None:
    printed = run(server, "show", "crypto", "map", "tag", "foo0").stdout
    request = "<show xmlns='urn:cryptomap:yang:cryptomap-server'><command>cry map tag foo0</command></show>"
    with server.connect() as session:
        reply = session.dispatch(etree.fromstring(request))
    text = etree.fromstring(reply.xml.encode()).findtext("{urn:cryptomap:yang:cryptomap-server}text")
    assert text == printed
