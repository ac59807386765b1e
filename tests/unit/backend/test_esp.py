"""ESP against published vectors, an independent reading of the bytes, and its own laws."""

import contextlib
import hmac
import os
from dataclasses import dataclass, replace
from ipaddress import ip_address

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY, key_material
from cryptomap_backend.intent import DfBit, Mode
from cryptomap_backend.simulator.esp import DecapsulationFault, Failure, ReplayWindow, Sa, decapsulate, encapsulate
from cryptomap_backend.simulator.packet import ESP, PacketFault, build_header, checksum, read
from cryptomap_backend.simulator.primitives import xcbc

V4 = ip_address("192.0.2.1"), ip_address("198.51.100.1")
V6 = ip_address("2001:db8::1"), ip_address("2001:db8::2")
INNER = {
    4: build_header(ip_address("203.0.113.5"), ip_address("10.0.0.9"), 17, 20, 0x02) + b"\x1f\x90\x22\x65" + bytes(16),
    6: build_header(ip_address("2001:db8:a::5"), ip_address("2001:db8:b::9"), 17, 20, 0xB8)
    + b"\x1f\x90\x22\x65"
    + bytes(16),
}
COMBINATIONS = [
    (encryption, integrity)
    for encryption in ENCRYPTION
    for integrity in INTEGRITY
    if not (ENCRYPTION[encryption].aead and integrity != "null")
]


@dataclass
class Ends:
    sender: Sa
    receiver: Sa


def ends(
    encryption: str = "aes-cbc-128", integrity: str = "sha1-96", mode: Mode = Mode.TUNNEL, version: int = 4
) -> Ends:
    cipher, auth = key_material(encryption, integrity)
    source, destination = V4 if version == 4 else V6
    sa = Sa(
        0x01020304,
        source,
        destination,
        bytes(range(1, cipher + 1)),
        bytes(range(100, 100 + auth)),
        ENCRYPTION[encryption],
        INTEGRITY[integrity],
        mode=mode,
    )
    return Ends(sa, replace(sa, window=ReplayWindow()))


def test_the_transport_mode_packet_of_rfc_3602_section_4_case_5() -> None:
    ping = bytes.fromhex(
        "4500005408f200004001f9fec0a87b03c0a87b64"
        "08000ebda70a00008e9c083db95b0700"
        "08090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
    )
    iv = bytes.fromhex("e96e8c08ab465763fd098d45dd3ff893")
    sa = Sa(
        4321,
        ip_address("192.168.123.3"),
        ip_address("192.168.123.100"),
        bytes.fromhex("90d382b410eeba7ad938c46cec1a82bf"),
        b"",
        ENCRYPTION["aes-cbc-128"],
        INTEGRITY["null"],
        mode=Mode.TRANSPORT,
    )
    assert encapsulate(sa, ping, lambda size: iv).hex() == (
        "4500007c08f200004032f9a5c0a87b03c0a87b64"
        "000010e100000001e96e8c08ab465763fd098d45dd3ff893"
        "f663c25d325c18c6a9453e194e120849a4870b66cc6b9965330013b4898dc856"
        "a4699e523a55db080b59ec3a8e4b7e52775b07d1db34ed9c538ab50c551b874a"
        "a269add047ad2d5913ac19b7cfbad4a6"
    )


@pytest.mark.parametrize(
    ("data", "mac"),
    [
        ("", "75f0251d528ac01c4573dfd584d79f29"),
        ("000102", "5b376580ae2f19afe7219ceef172756f"),
        ("000102030405060708090a0b0c0d0e0f", "d2a246fa349b68a79998a4394ff7a263"),
        ("000102030405060708090a0b0c0d0e0f10111213", "47f51b4564966215b8985c63055ed308"),
    ],
)
def test_xcbc_of_rfc_3566_section_4_6(data: str, mac: str) -> None:
    assert xcbc(bytes(range(16)), bytes.fromhex(data)).hex() == mac


def test_cbc_with_hmac_reads_as_rfc_4303_lays_it_out() -> None:
    sa = ends().sender
    outer = encapsulate(sa, INNER[4], os.urandom, dscp=0x28)
    body = outer[20:]
    assert body[:8].hex() == "0102030400000001"
    assert body[-12:] == hmac.digest(sa.auth_key, body[:-12], "sha1")[:12]
    opener = Cipher(AES(sa.cipher_key), CBC(body[8:24])).decryptor()
    plain = opener.update(body[24:-12]) + opener.finalize()
    pad = plain[-2]
    assert plain[-1] == 4
    assert plain[-2 - pad : -2] == bytes(range(1, pad + 1))
    assert plain[: -2 - pad] == INNER[4]


def test_gcm_reads_as_rfc_4106_lays_it_out() -> None:
    sa = ends("aes-256-gcm-128", "null").sender
    body = encapsulate(sa, INNER[6], os.urandom)[20:]
    plain = AESGCM(sa.cipher_key[:32]).decrypt(sa.cipher_key[32:] + body[8:16], body[16:], body[:8])
    assert plain[-1] == 41
    assert plain[: len(INNER[6])] == INNER[6]


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("encryption", "integrity"), COMBINATIONS)
def test_every_algorithm_comes_back(encryption: str, integrity: str, mode: Mode, version: int) -> None:
    pair = ends(encryption, integrity, mode, version)
    outer = encapsulate(pair.sender, INNER[version], os.urandom, dscp=0x28)
    assert read(outer).protocol == ESP
    if encryption != "null":
        assert INNER[version][-20:] not in outer
    assert decapsulate(pair.receiver, outer) == INNER[version]


@pytest.mark.parametrize("outer", [4, 6])
@pytest.mark.parametrize("inner", [4, 6])
def test_any_family_travels_in_any(inner: int, outer: int) -> None:
    pair = ends(version=outer)
    packet = encapsulate(pair.sender, INNER[inner], os.urandom)
    facts = read(packet)
    assert (facts.version, facts.source, facts.destination) == (outer, *(V4 if outer == 4 else V6))
    assert decapsulate(pair.receiver, packet) == INNER[inner]


@given(st.binary(max_size=200), st.integers(0, 255), st.none() | st.integers(0, 63))
def test_the_outer_byte_is_the_decision_and_the_inner_packet_is_untouched(
    payload: bytes, tos: int, dscp: int | None
) -> None:
    pair = ends()
    inner = build_header(*V4, 17, len(payload), tos) + payload
    outer = encapsulate(pair.sender, inner, os.urandom, dscp)
    assert outer[1] == ((tos >> 2 or dscp or 0) << 2 | tos & 3)
    assert checksum(outer[:20]) == 0
    assert decapsulate(pair.receiver, outer) == inner


def test_transport_mode_keeps_the_tos_of_its_only_header() -> None:
    packet = encapsulate(ends(mode=Mode.TRANSPORT).sender, INNER[4], os.urandom, dscp=0x28)
    assert packet[1] == INNER[4][1]


def test_transport_mode_keeps_hop_by_hop_options_outside() -> None:
    options = bytes((17, 0, 1, 4, 0, 0, 0, 0))
    inner = build_header(*V6, 0, 28, 0) + options + INNER[6][40:]
    pair = ends(mode=Mode.TRANSPORT, version=6)
    packet = encapsulate(pair.sender, inner, os.urandom)
    assert (packet[6], packet[40], packet[48:52].hex()) == (0, ESP, "01020304")
    assert decapsulate(pair.receiver, packet) == inner


@pytest.mark.parametrize(
    ("df_bit", "inner_df", "outer_df"),
    [
        (DfBit.COPY, True, True),
        (DfBit.COPY, False, False),
        (DfBit.SET, False, True),
        (DfBit.CLEAR, True, False),
    ],
)
def test_the_dont_fragment_bit(df_bit: DfBit, inner_df: bool, outer_df: bool) -> None:
    inner = build_header(*V4, 17, 0, 0, df=inner_df)
    assert read(encapsulate(ends().sender, inner, os.urandom, None, df_bit)).dont_fragment == outer_df


@pytest.mark.parametrize(("encryption", "integrity"), [("aes-cbc-128", "sha2-256-128"), ("aes-128-gcm-64", "null")])
def test_any_flipped_bit_is_an_integrity_failure_and_does_not_move_the_window(encryption: str, integrity: str) -> None:
    pair = ends(encryption, integrity)
    outer = encapsulate(pair.sender, INNER[4], os.urandom)
    for at in (24, 30, len(outer) - 1):
        broken = outer[:at] + bytes((outer[at] ^ 1,)) + outer[at + 1 :]
        with pytest.raises(DecapsulationFault) as fault:
            decapsulate(pair.receiver, broken)
        assert fault.value.counter == "integrity_failures"
    assert decapsulate(pair.receiver, outer) == INNER[4]


def test_a_packet_is_taken_once() -> None:
    pair = ends()
    outer = encapsulate(pair.sender, INNER[4], os.urandom)
    decapsulate(pair.receiver, outer)
    with pytest.raises(DecapsulationFault) as fault:
        decapsulate(pair.receiver, outer)
    assert fault.value.counter == "replay_failures"


def test_congestion_met_on_the_way_arrives() -> None:
    pair = ends()
    outer = bytearray(encapsulate(pair.sender, INNER[4], os.urandom))
    outer[1] |= 0b11
    arrived = decapsulate(pair.receiver, bytes(outer))
    assert arrived[1] == 0b11
    assert checksum(arrived[:20]) == 0
    assert arrived[20:] == INNER[4][20:]


@pytest.mark.parametrize("body", [b"", bytes(8), bytes(40)])
def test_what_is_no_esp_packet_is_a_decapsulation_or_replay_failure(body: bytes) -> None:
    with pytest.raises(DecapsulationFault):
        decapsulate(ends().receiver, build_header(*V4, ESP, len(body), 0) + body)


def test_the_last_sequence_number_is_never_followed_by_the_first() -> None:
    sender = replace(ends().sender, sequence=0xFFFFFFFF)
    with pytest.raises(Failure, match="rekey"):
        encapsulate(sender, INNER[4], os.urandom)


@given(st.lists(st.integers(1, 300), max_size=60), st.sampled_from([1, 32, 64]))
def test_the_replay_window_accepts_each_new_number_within_it(numbers: list[int], size: int) -> None:
    window, seen = ReplayWindow(size), set[int]()
    for number in numbers:
        fresh = number not in seen and number > max(seen, default=0) - size
        assert window.accepts(number) == fresh
        if fresh:
            window.advance(number)
            seen.add(number)


def test_without_a_window_everything_is_new() -> None:
    window = ReplayWindow(0)
    window.advance(4_000_000_000)
    assert window.accepts(1)
    assert window.accepts(4_000_000_000)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_packet_or_a_fault(data: bytes) -> None:
    with contextlib.suppress(PacketFault):
        assert read(data).offset <= len(data)


def test_an_extension_header_longer_than_the_packet_is_a_fault() -> None:
    with pytest.raises(PacketFault, match="extension"):
        read(build_header(*V6, 0, 8, 0) + bytes((17, 9, 1, 4, 0, 0, 0, 0)))


def test_an_authentic_packet_that_carries_no_packet_is_dropped() -> None:
    pair = ends("aes-128-gcm-128", "null", Mode.TRANSPORT)
    outer = encapsulate(pair.sender, INNER[4], os.urandom)
    with pytest.raises(DecapsulationFault) as fault:
        decapsulate(replace(pair.receiver, mode=Mode.TUNNEL), outer)
    assert fault.value.counter == "decapsulation_failures"


@given(st.binary(max_size=120))
def test_any_bytes_in_esp_are_refused(data: bytes) -> None:
    with pytest.raises(DecapsulationFault):
        decapsulate(ends().receiver, build_header(*V4, ESP, len(data), 0) + data)


def test_addresses_of_two_families_make_no_header() -> None:
    with pytest.raises(PacketFault, match="family"):
        build_header(V4[0], V6[1], 17, 0, 0)
