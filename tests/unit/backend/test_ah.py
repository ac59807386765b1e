"""AH: what it protects, what may change on the way, how it is laid out."""

import hmac
from dataclasses import replace
from ipaddress import ip_address

import pytest

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.intent import Mode
from cryptomap_backend.simulator.ah import decapsulate, encapsulate
from cryptomap_backend.simulator.esp import DecapsulationFault, Failure, ReplayWindow, Sa
from cryptomap_backend.simulator.packet import AH, build_header, read, with_tos

V4 = ip_address("192.0.2.1"), ip_address("198.51.100.1")
V6 = ip_address("2001:db8::1"), ip_address("2001:db8::2")


def sa(integrity: str = "sha1-96", mode: Mode = Mode.TUNNEL, version: int = 4) -> Sa:
    source, destination = V4 if version == 4 else V6
    key = bytes(range(INTEGRITY[integrity].key))
    return Sa(0x1234, source, destination, b"", key, ENCRYPTION["null"], INTEGRITY[integrity], AH, mode)


def receiver(sender: Sa) -> Sa:
    return replace(sender, window=ReplayWindow())


def inner(version: int = 4) -> bytes:
    return build_header(*(V4 if version == 4 else V6), 17, 5, 0) + b"hello"


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("integrity", [name for name in INTEGRITY if name != "null"])
def test_every_algorithm_comes_back(integrity: str, version: int, mode: Mode) -> None:
    sender = sa(integrity, mode, version)
    outer = encapsulate(sender, inner(version), dscp=0x28)
    assert read(outer).protocol == AH
    assert decapsulate(receiver(sender), outer) == inner(version)


def test_the_layout_and_the_icv_of_rfc_4302() -> None:
    sender = sa()
    outer = encapsulate(sender, inner(), dscp=0x28)
    assert outer[1] == 0xA0
    assert outer[20:32].hex() == "04040000" + "00001234" + "00000001"
    zeroed = outer[:1] + b"\0" + outer[2:6] + b"\0\0" + b"\0" + outer[9:10] + b"\0\0" + outer[12:32] + bytes(12)
    assert outer[32:44] == hmac.digest(sender.auth_key, zeroed + inner(), "sha1")[:12]


def test_the_header_is_padded_to_eight_bytes_in_ipv6() -> None:
    outer = encapsulate(sa("sha2-256-128", version=6), inner(6))
    assert outer[41] == 32 // 4 - 2
    assert outer[40 + 32 :] == inner(6)


@pytest.mark.parametrize("version", [4, 6])
def test_the_outer_dscp_may_change_on_the_way(version: int) -> None:
    sender = sa(version=version)
    outer = with_tos(encapsulate(sender, inner(version), dscp=0x28), 0x48)
    assert decapsulate(receiver(sender), outer) == inner(version)


@pytest.mark.parametrize("at", [12, 35, -1])
def test_address_icv_and_payload_may_not(at: int) -> None:
    sender = sa()
    outer = bytearray(encapsulate(sender, inner()))
    outer[at] ^= 1
    with pytest.raises(DecapsulationFault) as fault:
        decapsulate(receiver(sender), bytes(outer))
    assert fault.value.counter == "integrity_failures"


def test_a_packet_is_taken_once() -> None:
    sender = sa()
    end, outer = receiver(sender), encapsulate(sender, inner())
    decapsulate(end, outer)
    with pytest.raises(DecapsulationFault) as fault:
        decapsulate(end, outer)
    assert fault.value.counter == "replay_failures"


def test_extension_headers_in_transport_mode_are_refused_not_mangled() -> None:
    options = bytes((17, 0, 1, 4, 0, 0, 0, 0))
    packet = build_header(*V6, 0, 13, 0) + options + b"hello"
    with pytest.raises(Failure, match="extension"):
        encapsulate(sa(mode=Mode.TRANSPORT, version=6), packet)


def test_a_truncated_packet_is_refused() -> None:
    with pytest.raises(DecapsulationFault):
        decapsulate(sa(), build_header(*V4, AH, 4, 0) + bytes(4))
