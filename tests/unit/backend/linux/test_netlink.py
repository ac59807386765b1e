"""Netlink framing as bytes."""

from __future__ import annotations

import errno
import struct

import pytest

from cryptomap_backend.linux.netlink import (
    Fault,
    Frame,
    Message,
    Netlink,
    attribute,
    attributes,
    fault_of,
    frames,
    message,
)

ACK = bytes.fromhex("2400000002000001050000000000000000000000" + "00" * 16)


def test_a_request_in_bytes() -> None:
    made = message(Message(0x10, b"abc", 0x600), 5)
    assert made.hex() == "14000000" + "1000" + "0506" + "05000000" + "00000000" + "61626300"


def test_attributes_are_padded_and_read_back() -> None:
    data = attribute(1, b"abc") + attribute(2, b"defg")
    assert data.hex() == "07000100" + "61626300" + "08000200" + "64656667"
    assert attributes(data) == {1: b"abc", 2: b"defg"}


def test_a_broken_attribute_ends_the_list() -> None:
    assert attributes(attribute(1, b"abc") + bytes.fromhex("ff00020000")) == {1: b"abc"}
    assert attributes(bytes(8)) == {}


def test_two_messages_of_one_datagram() -> None:
    assert [frame.sequence for frame in frames(ACK + ACK)] == [5, 5]


def test_an_acknowledgement_without_an_error() -> None:
    (frame,) = frames(ACK)
    assert fault_of(frame, 3) is None


def test_an_error_with_the_kernel_s_words() -> None:
    text = attribute(1, b"Requested CRYPT algorithm not found\0")
    body = struct.pack("=i", -38) + bytes(16) + text
    fault = fault_of(Frame(2, 0x100 | 0x200, 1, body), 7)
    assert fault == Fault(7, 38, "Requested CRYPT algorithm not found")


def test_an_error_without_words_is_told_by_its_number() -> None:
    fault = fault_of(Frame(2, 0x100, 1, struct.pack("=i", -17) + bytes(16)), 0)
    assert str(fault) == "File exists"


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(OSError, match="lacks the module of netlink protocol 31 and") as raised:
        Netlink(31)
    assert raised.value.errno == errno.EPROTONOSUPPORT
