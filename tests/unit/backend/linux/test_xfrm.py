"""The kernel's IPsec messages as bytes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from cryptomap_backend.intent import Mode
from cryptomap_backend.linux import xfrm
from cryptomap_backend.linux.netlink import Frame, Message, attributes
from cryptomap_backend.linux.objects import Add, Direction, Policy, PolicyKey, Remove, Sa, SaKey, Update

SA = Sa(
    ip_address("10.0.0.1"),
    ip_address("10.0.0.2"),
    0x1001,
    "esp",
    Mode.TUNNEL,
    0x10000007,
    "aes-cbc-128",
    "sha1-96",
    bytes(range(16)),
    bytes(range(20)),
    mark=0x68,
    mask=0x7F,
)
POLICY = Policy(
    PolicyKey(Direction.OUT, ip_network("192.168.1.0/24"), ip_network("192.168.2.0/24"), 17, (0, 0), (4000, 0xFFFF)),
    0x10000,
    0x10000007,
    "esp",
    Mode.TUNNEL,
    ip_address("10.0.0.1"),
    ip_address("10.0.0.2"),
)


def shown(message: Message) -> Frame:
    """The message as the kernel would show the object."""
    return Frame(message.kind, 0, 1, message.body)


def test_an_sa_in_bytes() -> None:
    message = xfrm.request(Add("", SA))
    body = message.body
    assert (message.kind, message.flags) == (0x10, 0x600)
    assert body[:40] == bytes(40)  # selector: any address and port
    assert body[40:42].hex() == "0000"  # of both families
    assert body[56:80].hex() == "0a000002" + "00" * 12 + "00001001" + "32000000"
    assert body[80:96].hex() == "0a000001" + "00" * 12
    assert body[96:128] == b"\xff" * 32  # no limits
    assert body[208:212].hex() == "07000010"
    assert body[212:217].hex() == "0200" + "01" + "00" + "20"  # AF_INET, tunnel, no replay window, AF_UNSPEC
    assert len(body) == 224 + 8 + 88 + 96 + 8 + 8


def test_the_attributes_of_an_sa() -> None:
    found = attributes(xfrm.request(Add("", SA)).body[224:])
    assert found[2] == b"cbc(aes)".ljust(64, b"\0") + bytes.fromhex("80000000") + bytes(range(16))
    assert found[20] == b"hmac(sha1)".ljust(64, b"\0") + bytes.fromhex("a000000060000000") + bytes(range(20))
    assert found[24].hex() == "02000000"
    assert (found[29].hex(), found[30].hex()) == ("68000000", "7f000000")


def test_ah_has_no_cipher_and_is_padded_to_four_bytes_over_ipv4() -> None:
    body = xfrm.request(Add("", replace(SA, protocol="ah", encryption="null", cipher_key=b""))).body
    assert body[76] == 51
    assert body[216] == 0x20 | 0x40
    assert 2 not in attributes(body[224:])


def test_an_sa_without_integrity_has_no_authenticator() -> None:
    assert attributes(xfrm.request(Add("", replace(SA, integrity="null", auth_key=b""))).body[224:]).keys() == {
        2,
        24,
        29,
        30,
    }


def test_flags_of_transport_mode_and_of_a_cleared_df_bit() -> None:
    assert xfrm.request(Add("", replace(SA, mode=Mode.TRANSPORT))).body[214:217].hex() == "000000"
    assert xfrm.request(Add("", replace(SA, clear_df=True))).body[216] == 0x24


def test_a_policy_in_bytes() -> None:
    message = xfrm.request(Add("", POLICY))
    body = message.body
    assert (message.kind, message.flags, len(body)) == (0x13, 0x600, 168 + 68)
    assert body[:20].hex() == "c0a80200" + "00" * 12 + "c0a80100"
    assert body[32:40].hex() == "0fa0ffff" + "00000000"  # destination port and mask, source port and mask
    assert body[40:45].hex() == "0200" + "1818" + "11"
    assert body[152:164].hex() == "00000100" + "00000000" + "01" + "00" + "00" + "00"
    template = attributes(body[168:])[5]
    assert template.hex() == (
        "0a000002"
        + "00" * 12
        + "00000000"
        + "32000000"
        + "02000000"
        + "0a000001"
        + "00" * 12
        + "07000010"
        + "01000000"
        + "ff" * 12
    )


def test_a_removal_names_the_key_only() -> None:
    sa = xfrm.request(Remove("", SA.key))
    assert (sa.kind, sa.body.hex()) == (0x11, "0a000002" + "00" * 12 + "00001001" + "0200" + "3200")
    policy = xfrm.request(Remove("", POLICY.key))
    assert (policy.kind, len(policy.body), policy.body[60]) == (0x14, 64, 1)


@pytest.mark.parametrize(
    "sa",
    [
        SA,
        replace(SA, protocol="ah", encryption="null", cipher_key=b"", clear_df=True),
        replace(SA, source=ip_address("2001:db8::1"), destination=ip_address("2001:db8::2"), mode=Mode.TRANSPORT),
        replace(SA, encryption="3des-cbc", cipher_key=bytes(24), integrity="sha2-512-256", auth_key=bytes(64)),
    ],
)
def test_what_was_written_is_read_back(sa: Sa) -> None:
    seen = xfrm.read_sa(shown(xfrm.request(Add("", sa))))
    assert seen is not None
    assert (seen.key, seen.reqid, seen.mark, seen.fingerprint) == (sa.key, sa.reqid, sa.mark, sa.fingerprint)
    assert xfrm.reqid_of(shown(xfrm.request(Add("", sa)))) == sa.reqid


def test_a_policy_is_read_back() -> None:
    frame = shown(xfrm.request(Add("", POLICY)))
    assert (xfrm.read_policy(frame), xfrm.reqid_of(frame)) == (POLICY, POLICY.reqid)


def test_an_unknown_algorithm_makes_an_sa_that_is_not_ours() -> None:
    frame = shown(xfrm.request(Add("", SA)))
    assert xfrm.read_sa(replace(frame, body=frame.body.replace(b"cbc(aes)", b"cbc(xyz)"))) is None


def test_the_inverse_of_an_operation() -> None:
    before = shown(xfrm.request(Add("", SA)))
    assert xfrm.inverse(Add("", SA), None) == xfrm.request(Remove("", SA.key))
    assert xfrm.inverse(Remove("", SA.key), before) == Message(0x10, before.body, 0x600)
    assert xfrm.inverse(Update("", replace(SA, mark=0)), before) == Message(0x1A, before.body)


def test_the_fingerprint_tells_keys_apart_and_not_marks() -> None:
    assert SA.fingerprint == replace(SA, mark=0x40).fingerprint
    assert SA.fingerprint != replace(SA, auth_key=bytes(20)).fingerprint


def test_no_key_is_printed() -> None:
    assert repr(bytes(range(16)))[2:-1] not in repr(SA)


def test_an_sa_key_is_what_tells_sas_apart() -> None:
    assert SA.key == SaKey(ip_address("10.0.0.2"), 0x1001, "esp")


def test_the_mark_of_a_vrf_is_part_of_every_message() -> None:
    sa, policy = replace(SA, vrf_mark=(0x80, 0x7F80)), replace(POLICY, key=POLICY.key._replace(vrf_mark=(0x80, 0x7F80)))
    mark = "0c00" + "1500" + "80000000" + "807f0000"
    for item in (sa, policy):
        for message in (xfrm.request(Add("", item)), xfrm.request(Remove("", item.key)), xfrm.get(item.key)):
            assert message.body.hex().endswith(mark)
    seen = xfrm.read_sa(shown(xfrm.request(Add("", sa))))
    assert seen is not None
    assert (seen.key, seen.fingerprint) == (sa.key, SA.fingerprint)
    assert xfrm.read_policy(shown(xfrm.request(Add("", policy)))) == policy
