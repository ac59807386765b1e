"""The helper's codec, and a conversation with it over its socket."""

from __future__ import annotations

import json
import os
import pwd
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from cryptomap_backend.contract import ApplyFailed, OutcomeUnknown, Unavailable
from cryptomap_backend.helper.client import RemoteKernel
from cryptomap_backend.helper.codec import CodecFault, decode, encode
from cryptomap_backend.helper.guard import Guard
from cryptomap_backend.helper.server import HelperServer, answer_to
from cryptomap_backend.helper.verbs import VERBS
from cryptomap_backend.intent import Mode
from cryptomap_backend.linux.egress import Marked
from cryptomap_backend.linux.kernel import Kernel
from cryptomap_backend.linux.objects import (
    Add,
    Algorithms,
    Direction,
    Operation,
    Policy,
    PolicyKey,
    Remove,
    Sa,
    SaKey,
    SeenSa,
    Traffic,
    Update,
)
from cryptomap_backend.linux.settings import Settings

KEY = SaKey(ip_address("2001:db8::2"), 0x1001, "esp")
SA = Sa(
    ip_address("2001:db8::1"),
    KEY.destination,
    KEY.spi,
    "esp",
    Mode.TUNNEL,
    0x10000001,
    "null",
    "sha1-96",
    b"",
    b"k" * 20,
)
POLICY = Policy(
    PolicyKey(Direction.IN, ip_network("10.0.0.0/8"), ip_network("fd00::/8"), 6, (1, 2), (3, 4)),
    5,
    6,
    "ah",
    Mode.TRANSPORT,
    ip_address("10.0.0.1"),
    ip_address("10.0.0.2"),
)
SEEN = SeenSa(KEY, 1, 2, "f", Traffic(1, 2, 3, 4, 5.0))


def over_the_wire(value: object) -> Any:
    return json.loads(json.dumps(encode(value)))


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("versions", {"kernel": "6.1"}),
        ("algorithms", Algorithms(frozenset({"null"}), modes=frozenset(Mode), families=frozenset({4, 6}))),
        ("transact", 5),
        ("sas", (SEEN, SEEN)),
        ("policies", (POLICY,)),
        ("program_digest", None),
        ("program_digest", "abc"),
        ("egress", Marked((1, 2), (), None)),
        ("load_program", None),
    ],
)
def test_answers_arrive_as_they_were_sent(verb: str, answer: object) -> None:
    assert decode(VERBS[verb].answer, over_the_wire(answer)) == answer


def test_operations_arrive_as_they_were_sent() -> None:
    sent: tuple[Operation, ...] = (Add("a", SA), Update("", POLICY), Remove("b", KEY), Remove("b", POLICY.key))
    assert decode(VERBS["transact"].arguments["operations"], over_the_wire(sent)) == sent


@pytest.mark.parametrize(
    "damage",
    [
        {"reqid": "7"},
        {"reqid": True},
        {"destination": "not an address"},
        {"mode": "sideways"},
        {"auth_key": "not base64!"},
        {"auth_key": None},
        {"more": 1},
        {"!": "Policy"},
    ],
)
def test_what_does_not_fit_its_type_is_refused_and_not_repeated(damage: dict[str, object]) -> None:
    data = over_the_wire(Add("a", SA))
    data["item"] |= damage
    with pytest.raises(CodecFault) as fault:
        decode(Add, data)
    assert "kkkk" not in str(fault.value)


def test_the_list_of_verbs_is_that_of_the_kernel() -> None:
    own = {name for name in vars(Kernel) if not name.startswith("_")}
    assert VERBS.keys() == own - {"interrupt", "close"}


class Answering:
    """Answers two verbs; one of them stops the conversation instead."""

    def __init__(self) -> None:
        self.closed = False

    def versions(self) -> Mapping[str, str]:
        return {"kernel": "test"}

    def sas(self, namespace: str) -> tuple[SeenSa, ...]:
        raise RuntimeError("a bug with a secret in its text")

    def transact(self, operations: Sequence[Operation]) -> int:
        raise ApplyFailed("the kernel says no")

    def remove_program(self, namespace: str, table: str) -> None:
        return

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def path(tmp_path: Path) -> Iterator[str]:
    """The socket of a helper."""
    path = str(tmp_path / "helper")
    made = HelperServer(path, os.getuid(), Guard(Settings()), lambda: cast(Kernel, Answering()))
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    with made:
        yield path
        made.shutdown()
        thread.join()


def test_a_conversation(path: str) -> None:
    kernel = RemoteKernel(path)
    assert kernel.versions() == {"kernel": "test"}
    with pytest.raises(ApplyFailed, match="the kernel says no"):
        kernel.transact([Add("", SA)])
    with pytest.raises(Unavailable, match="the helper failed in an unforeseen way"):
        kernel.sas("")
    assert kernel.versions() == {"kernel": "test"}
    kernel.close()


def test_only_its_user_may_open_the_socket(path: str) -> None:
    assert os.stat(path).st_mode & 0o777 == 0o600


def test_a_second_helper_does_not_take_the_socket(path: str) -> None:
    with pytest.raises(OSError, match="another process is serving there"):
        HelperServer(path, os.getuid(), Guard(Settings()), lambda: cast(Kernel, Answering()))


def test_a_helper_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        RemoteKernel(str(tmp_path / "nobody")).versions()


def test_an_outcome_is_unknown_if_the_connection_is_lost_during_a_change(path: str) -> None:
    kernel = RemoteKernel(path)
    kernel.versions()
    kernel.interrupt()
    with pytest.raises(OutcomeUnknown, match="lost during transact"):
        kernel.transact([Add("", SA)])
    assert kernel.versions() == {"kernel": "test"}
    kernel.interrupt()
    with pytest.raises(Unavailable, match="lost during versions"):
        kernel.versions()
    kernel.close()


ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as stream:
    stream.connect(sys.argv[1])
    stream.sendall(b'["versions"]\\n')
    print(stream.makefile().readline(), end="")
"""
"""What asks the helper as another user."""


def asked_as(name: str, path: Path) -> subprocess.CompletedProcess[str]:
    user = pwd.getpwnam(name)
    command = ["/usr/bin/python3", "-I", "-c", ASK, str(path)]  # others may not be able to enter our directory
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
    )


@pytest.fixture
def of_nobody() -> Iterator[Path]:
    """The socket of a helper that root runs for the user nobody."""
    if os.getuid() != 0:
        pytest.skip("only root can be several users")
    if not Path("/usr/bin/python3").exists():
        pytest.skip("there is no /usr/bin/python3 that any user can run")
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = Path(directory, "helper")
        user = pwd.getpwnam("nobody").pw_uid
        with HelperServer(str(path), user, Guard(Settings()), lambda: cast(Kernel, Answering())) as made:
            thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            yield path
            made.shutdown()
            thread.join()


def test_the_servers_user_and_root_are_served(of_nobody: Path) -> None:
    for name in ("nobody", "root"):
        assert json.loads(asked_as(name, of_nobody).stdout) == {"answer": {"kernel": "test"}}


def test_another_user_cannot_even_connect(of_nobody: Path) -> None:
    assert "PermissionError" in asked_as("daemon", of_nobody).stderr


def test_the_kernel_tells_who_asks_if_somebody_has_opened_the_socket_to_all(of_nobody: Path) -> None:
    of_nobody.chmod(0o666)
    refused = asked_as("daemon", of_nobody)
    assert refused.stdout == ""
    assert json.loads(asked_as("nobody", of_nobody).stdout) == {"answer": {"kernel": "test"}}


@pytest.mark.parametrize("line", [b"[" * 100_000, b'["transact", ' + b"[" * 100_000 + b"]" * 100_000 + b"]"])
def test_a_request_nested_without_end_is_answered(line: bytes) -> None:
    answer = answer_to(line, cast(Kernel, Answering()), Guard(Settings()))
    assert answer == {"error": ["Unavailable", "the helper does not understand the request"]}


@pytest.mark.parametrize(
    ("line", "is_held"),
    [
        (b'["remove_program", "", "cryptomap"]', True),
        (b' [ "remove_program" , "", "cryptomap" ]', True),
        (b'["remove\\u005fprogram", "", "cryptomap"]', True),
        (b'["versions"]', False),
        (b'["remove_program", "", "of somebody else"]', False),
    ],
)
def test_what_changes_something_is_done_alone_however_it_is_written(line: bytes, is_held: bool) -> None:
    changing = MagicMock()
    answer_to(line, cast(Kernel, Answering()), Guard(Settings()), changing)
    assert changing.__enter__.called is is_held


def said_to(path: str, request: bytes) -> bytes:
    """All that comes back on a connection to which this is said, and then nothing more."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(path)
        stream.sendall(request)
        stream.shutdown(socket.SHUT_WR)
        return b"".join(stream.makefile("rb"))


def test_a_request_that_is_too_long_ends_its_connection(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rest is not taken for other requests."""
    monkeypatch.setattr("cryptomap_backend.helper.server.LONGEST", 13)
    assert said_to(path, b'["versions"]\n["versions"]\n').count(b"kernel") == 2
    refused = said_to(path, b'["versions"] \n["versions"]\n["versions"]\n')
    text = "the helper takes no request of more than 13 bytes"
    assert [json.loads(line) for line in refused.splitlines()] == [{"error": ["Unavailable", text]}]


def test_a_request_that_does_not_end_is_none(path: str) -> None:
    assert said_to(path, b'["versions"]') == b""


def test_a_request_that_would_be_too_long_is_not_begun(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So its outcome is known."""
    monkeypatch.setattr("cryptomap_backend.helper.client.LONGEST", 100)
    kernel = RemoteKernel(path)
    with pytest.raises(Unavailable, match=r"transact takes [0-9]+ bytes, the helper takes 100 at most"):
        kernel.transact([Add("", SA)])
    assert kernel.versions() == {"kernel": "test"}
    kernel.close()
