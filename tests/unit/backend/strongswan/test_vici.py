"""Packets on a VICI socket, byte by byte: requests, events in between, silence, ends."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptomap_backend.strongswan.vici import LARGEST, Lost, Rejected, Vici

CONFIRM, UNKNOWN_EVENT, UNKNOWN_COMMAND = b"\x05", b"\x06", b"\x02"


def framed(packet: bytes) -> bytes:
    return struct.pack("!I", len(packet)) + packet


def key(name: bytes, value: bytes) -> bytes:
    return b"\x03" + bytes((len(name),)) + name + struct.pack("!H", len(value)) + value


def answer(*content: bytes) -> bytes:
    return framed(b"\x01" + b"".join(content))


def event(name: bytes, *content: bytes) -> bytes:
    return framed(b"\x07" + bytes((len(name),)) + name + b"".join(content))


class Charon:
    """The other end: takes what was sent, says what it is told to."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "charon.vici"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        self._talks: list[threading.Thread] = []

    def accept(self) -> socket.socket:
        connection, _ = self._listener.accept()
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Ends the talks first: one that just accepts would leave its connection open."""
        with contextlib.suppress(OSError):  # closed already
            self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for talk in self._talks:
            talk.join()
        for connection in (self._listener, *self._connections):
            connection.close()

    def says(self, *replies: bytes) -> list[bytes]:
        """In a thread of its own: for each packet taken the next reply. What was taken is in the list."""
        taken: list[bytes] = []

        def talk() -> None:
            with contextlib.suppress(OSError):  # the one who asked has gone
                connection = self.accept()
                for reply in replies:
                    length = int.from_bytes(connection.recv(4))
                    taken.append(connection.recv(length))
                    connection.sendall(reply)

        self._talks.append(threading.Thread(target=talk, daemon=True))
        self._talks[-1].start()
        return taken


@pytest.fixture
def charon(tmp_path: Path) -> Iterator[Charon]:
    charon = Charon(tmp_path)
    yield charon
    charon.close()


@pytest.fixture
def vici(charon: Charon) -> Iterator[Vici]:
    vici = Vici(str(charon.path), 0.2)
    yield vici
    vici.close()


def test_a_request_is_answered(charon: Charon, vici: Vici) -> None:
    taken = charon.says(answer(key(b"version", b"5.9.8")))
    assert vici.request("version") == {"version": "5.9.8"}
    assert taken == [b"\x00\x07version"]


def test_a_message_is_encoded(charon: Charon, vici: Vici) -> None:
    taken = charon.says(answer(key(b"success", b"yes")))
    vici.request("unload-conn", {"name": "foo"})
    assert taken == [b"\x00\x0bunload-conn" + key(b"name", b"foo")]


def test_a_refusal_has_charons_words(charon: Charon, vici: Vici) -> None:
    charon.says(answer(key(b"success", b"no"), key(b"errmsg", b"not so")))
    with pytest.raises(Rejected, match=r"^not so$"):
        vici.request("load-conn", {})


def test_an_unknown_command_is_a_refusal(charon: Charon, vici: Vici) -> None:
    charon.says(framed(UNKNOWN_COMMAND))
    with pytest.raises(Rejected, match="knows no command dance"):
        vici.request("dance")


def test_an_unknown_event_is_a_refusal(charon: Charon, vici: Vici) -> None:
    charon.says(framed(UNKNOWN_EVENT))
    with pytest.raises(Rejected, match="knows no event party"):
        vici.register(["party"])


def test_a_stream_is_the_events_of_one_command(charon: Charon, vici: Vici) -> None:
    items = event(b"list-sa", key(b"a", b"1")) + event(b"list-sa", key(b"a", b"2"))
    taken = charon.says(framed(CONFIRM), items + answer(), framed(CONFIRM))
    assert vici.stream("list-sas", "list-sa") == [{"a": "1"}, {"a": "2"}]
    assert taken == [b"\x03\x07list-sa", b"\x00\x08list-sas", b"\x04\x07list-sa"]


def test_an_event_before_its_confirmation_is_kept(charon: Charon, vici: Vici) -> None:
    charon.says(event(b"log", key(b"msg", b"hello")) + framed(CONFIRM))
    vici.register(["log"])
    assert vici.event(0) == ("log", {"msg": "hello"})


def test_no_event_is_no_fault(charon: Charon, vici: Vici) -> None:
    charon.says(framed(CONFIRM))
    vici.register(["log"])
    assert vici.event(0.01) is None


def test_a_silent_charon_is_lost(charon: Charon, vici: Vici) -> None:
    charon.says(b"")
    with pytest.raises(Lost, match=r"did not answer within 0.2 s"):
        vici.request("version")


def test_a_charon_that_stops_in_the_middle_of_a_packet_is_lost(charon: Charon, vici: Vici) -> None:
    charon.says(answer(key(b"version", b"5.9.8"))[:-3])
    with pytest.raises(Lost, match="did not answer"):
        vici.request("version")


def test_a_packet_beyond_the_limit_is_refused(charon: Charon, vici: Vici) -> None:
    charon.says(struct.pack("!I", LARGEST + 1))
    with pytest.raises(Lost, match="a packet of 524289 bytes"):
        vici.request("version")


def test_after_a_loss_it_connects_again(charon: Charon, vici: Vici) -> None:
    charon.says(b"")
    with pytest.raises(Lost):
        vici.request("version")
    charon.says(answer(key(b"version", b"6.0")))
    assert vici.request("version") == {"version": "6.0"}


def test_no_socket_is_a_loss(tmp_path: Path) -> None:
    with pytest.raises(Lost, match="No such file"):
        Vici(str(tmp_path / "nowhere"), 1).request("version")


def test_an_exchange_can_be_broken_off(charon: Charon) -> None:
    vici = Vici(str(charon.path), 30)
    charon.says(b"")
    faults: list[Exception] = []

    def ask() -> None:
        try:
            vici.request("version")
        except Lost as fault:
            faults.append(fault)

    thread = threading.Thread(target=ask)
    thread.start()
    while thread.is_alive():
        vici.interrupt()
        thread.join(0.01)
    vici.close()
    assert len(faults) == 1


def test_a_closed_one_stays_closed(charon: Charon, vici: Vici) -> None:
    vici.close()
    with pytest.raises(Lost, match="closed"):
        vici.request("version")
