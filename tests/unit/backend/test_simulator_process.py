"""The gateway in a process of its own: requests whole or not at all, clients that die, sockets that are taken."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import pytest

from cryptomap_backend.change import between
from cryptomap_backend.conformance import PSK, example_l2, example_manual, example_tunnel
from cryptomap_backend.contract import ApplyFailed, OutcomeUnknown, Unavailable
from cryptomap_backend.intent import Intent, Responder, ResponderId
from cryptomap_backend.plan import Step
from cryptomap_backend.simulator import Faults, Peer, SimulatorBackend, World
from cryptomap_backend.simulator.codec import CodecFault, decode, encode
from cryptomap_backend.simulator.esp import DecapsulationFault
from cryptomap_backend.simulator.packet import PacketFault, build_header
from cryptomap_backend.simulator.process import METHODS, WorldServer, main
from cryptomap_backend.simulator.remote import RemoteWorld
from cryptomap_backend.simulator.settings import Settings
from cryptomap_backend.state import EventKind

TUNNEL = example_tunnel()
FULL = Intent.of(
    [TUNNEL, example_manual(2)],
    [Responder(ResponderId("c", "s"), "t", TUNNEL.local, TUNNEL.ike, TUNNEL.children)] if TUNNEL.ike else [],
    example_l2(),
)


@pytest.fixture
def world() -> World:
    return World(Settings(seed=1), clock=lambda: 1000.0)


@pytest.fixture
def path(tmp_path: Path, world: World) -> Iterator[Path]:
    """A socket on which that world is served by a thread."""
    path = tmp_path / "gateway"
    with WorldServer(str(path), world) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield path
        server.shutdown()
        thread.join()


@pytest.fixture
def remote(path: Path) -> Iterator[RemoteWorld]:
    remote = RemoteWorld(str(path))
    yield remote
    remote.close()


def udp() -> bytes:
    return build_header(ip_address("203.0.113.5"), ip_address("10.0.1.9"), 17, 0, 0)


def test_everything_crosses_unchanged(world: World, remote: RemoteWorld) -> None:
    SimulatorBackend(remote).reconcile(FULL)
    assert world.held() == FULL
    assert remote.held() == FULL
    assert remote.observe() == world.observe()
    assert remote.capabilities() == world.capabilities()
    assert remote.live([TUNNEL.id]) == {TUNNEL.id: 1}
    ike = world.held().tunnels[TUNNEL.id].ike
    assert ike is not None
    assert ike.local.secret is not None
    assert ike.local.secret.reveal() == PSK


def test_the_controls_work_from_afar(world: World, remote: RemoteWorld) -> None:
    SimulatorBackend(remote).reconcile(FULL)
    sent = remote.send_packet("ipsec-d", udp())
    assert sent.packet is not None
    assert sent.l2.dot1p == 0x4
    assert remote.peer_open(TUNNEL.id, sent.packet) == udp()
    with pytest.raises(DecapsulationFault) as fault:
        remote.peer_open(TUNNEL.id, sent.packet)
    assert fault.value.counter == "replay_failures"
    assert remote.receive_packet("ipsec-d", sent.packet).dropped == "no SA has this SPI"
    with pytest.raises(PacketFault):
        remote.send_packet("ipsec-d", b"?")
    remote.set_peer(ip_address("198.51.100.9"), Peer())
    remote.dial_in(ResponderId("c", "s"), ip_address("198.51.100.9"))
    assert len(world.observe().responders[ResponderId("c", "s")].sessions) == 1
    remote.advance(5)
    remote.forget()
    assert world.held() == Intent()


def test_errors_and_faults_come_back_as_themselves(remote: RemoteWorld) -> None:
    remote.set_faults(Faults(fail_step=0))
    with pytest.raises(ApplyFailed, match="step 0"):
        remote.apply("t", (Step(None, TUNNEL),))
    remote.set_faults(Faults(disconnected=True))
    with pytest.raises(Unavailable):
        remote.observe()


def test_what_is_not_a_request_is_answered_and_does_no_harm(path: Path, world: World) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        stream = client.makefile("rwb")
        for line in (b"nonsense\n", b'["_replace",[]]\n', b'["observe"]\n', b'["observe",[{"!":"open","v":"x"}]]\n'):
            stream.write(line)
            stream.flush()
            assert b"bug" in stream.readline()
    assert world.held() == Intent()


def test_half_a_request_of_a_client_that_dies_is_nothing(path: Path, world: World, remote: RemoteWorld) -> None:
    request = encode(["apply", ["t", [Step(None, TUNNEL)], "apply"]])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        client.sendall(request[:-1])
    assert remote.held() == Intent()
    assert world.held() == Intent()


def test_a_whole_request_of_a_client_that_dies_is_done_whole(path: Path, remote: RemoteWorld) -> None:
    steps = [Step(None, TUNNEL), Step(None, example_tunnel(2))]
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(path))
        client.sendall(encode(["apply", ["t", steps, "apply"]]))
    events = remote.events(30)
    assert [event.kind for event in events] == [EventKind.TUNNEL_UP] * 2
    assert set(remote.held().tunnels) == {TUNNEL.id, example_tunnel(2).id}


def test_a_gateway_that_is_gone_is_unavailable_and_its_return_an_event(tmp_path: Path) -> None:
    path = tmp_path / "gateway"
    backend = SimulatorBackend(RemoteWorld(str(path)))
    with pytest.raises(Unavailable, match="cannot be reached"):
        backend.prepare(between(Intent(), FULL))
    assert not backend.health().connected
    assert [event.kind for event in backend.events()] == [EventKind.BACKEND_LOST]
    assert backend.events() == ()
    with WorldServer(str(path), World()) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        assert [event.kind for event in backend.events()] == [EventKind.BACKEND_BACK]
        assert backend.health().connected
        backend.close()
        server.shutdown()


def test_a_connection_lost_in_apply_is_an_unknown_outcome(tmp_path: Path) -> None:
    path = tmp_path / "deaf"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(1)
            connection.close()

        remote = RemoteWorld(str(path))
        for call, error in ((partial(remote.apply, "t", ()), OutcomeUnknown), (remote.observe, Unavailable)):
            thread = threading.Thread(target=hang_up)
            thread.start()
            with pytest.raises(error):
                call()
            thread.join()
        remote.close()


def test_a_taken_socket_and_bad_settings_end_with_one_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--socket", str(path)]) == 2
    assert "another process is serving there" in capsys.readouterr().err
    assert main(["--socket", str(path) + "2", "--settings", '{"sed": 1}']) == 2
    assert "unknown simulator setting sed" in capsys.readouterr().err


def test_the_socket_is_private_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "gateway"
    for _ in range(2):  # the first leaves its socket behind, as a killed process does
        WorldServer(str(path), World()).server_close()
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_codec_makes_only_what_it_knows() -> None:
    for line in (
        b'{"!":"eval","v":"1"}',
        b'{"!":"Tunnel","v":{"bogus":1}}',
        b'{"v":1}',
        b"[",
        b'{"!":"error","v":["X","y"]}',
    ):
        with pytest.raises(CodecFault):
            decode(line)
    with pytest.raises(TypeError, match="does not cross"):
        encode(object())


def test_every_method_that_is_served_exists() -> None:
    assert all(callable(getattr(World, name)) and callable(getattr(RemoteWorld, name)) for name in METHODS)


def test_a_step_crosses_with_what_it_holds() -> None:
    step = Step(TUNNEL, replace(TUNNEL, preference=7))
    assert decode(encode(step)) == step
