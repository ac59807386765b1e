"""Framing: the same table read and written, at every split; what must be refused; random round trips."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap.netconf.framing import (
    END_OF_MESSAGE,
    PIECE,
    ChunkedDecoder,
    Decoder,
    DelimitedDecoder,
    FramingError,
    ReceiveBuffer,
    encode_chunked,
    encode_delimited,
)

SIMPLE_CASES = [
    (DelimitedDecoder, encode_delimited, [b"<a/>"], b"<a/>]]>]]>"),
    (DelimitedDecoder, encode_delimited, [b"<a/>", b"<b/>"], b"<a/>]]>]]><b/>]]>]]>"),
    (DelimitedDecoder, encode_delimited, [b"<a>]]&gt;]]</a>"], b"<a>]]&gt;]]</a>]]>]]>"),
    (DelimitedDecoder, encode_delimited, [b"]]>]]", b"]"], b"]]>]]]]>]]>]]]>]]>"),
    (ChunkedDecoder, encode_chunked, [b"<a/>"], b"\n#4\n<a/>\n##\n"),
    (ChunkedDecoder, encode_chunked, [b"<a/>", b"<b></b>"], b"\n#4\n<a/>\n##\n\n#7\n<b></b>\n##\n"),
    (ChunkedDecoder, encode_chunked, [b"<a>]]>]]></a>"], b"\n#13\n<a>]]>]]></a>\n##\n"),
    (ChunkedDecoder, encode_chunked, [b"\n##\n\n#1\n"], b"\n#8\n\n##\n\n#1\n\n##\n"),
]

READ_ONLY_CASES = [
    (ChunkedDecoder, [b"<a/>"], b"\n#1\n<\n#3\na/>\n##\n"),
    (ChunkedDecoder, [b"##"], b"\n#1\n#\n#1\n#\n##\n"),
]


def read(decoder: Decoder, pieces: Iterable[bytes]) -> tuple[list[bytes], bytes]:
    """All complete messages, and what has been handed on of the next."""
    buffer, messages, current = ReceiveBuffer(), [], b""
    for piece in pieces:
        buffer.append(piece)
        while (part := decoder.decode(buffer)) is not None:
            if part is END_OF_MESSAGE:
                messages.append(current)
                current = b""
            else:
                assert part
                current += part
    return messages, current


@pytest.mark.parametrize(("decoder", "encode", "messages", "wire"), SIMPLE_CASES)
def test_simple_cases_written(decoder, encode, messages, wire):
    assert b"".join(b"".join(encode([message])) for message in messages) == wire


@pytest.mark.parametrize(
    ("decoder", "messages", "wire"),
    [(decoder, messages, wire) for decoder, _, messages, wire in SIMPLE_CASES] + READ_ONLY_CASES,
)
def test_simple_cases_read_whole_bytewise_and_split_everywhere(decoder, messages, wire):
    assert read(decoder(), [wire]) == (messages, b"")
    assert read(decoder(), [wire[i : i + 1] for i in range(len(wire))]) == (messages, b"")
    for split in range(1, len(wire)):
        assert read(decoder(), [wire[:split], wire[split:]]) == (messages, b"")


@pytest.mark.parametrize(
    "wire",
    [
        b"x",
        b"<a/>]]>]]>",
        b"\n\n#1\n",
        b"\n4\n",
        b"\n#0\n",
        b"\n#01\nx",
        b"\n#-1\nx",
        b"\n#+1\nx",
        b"\n# 1\nx",
        b"\n#1 \nx",
        b"\n#1\r\nx",
        b"\n#x",
        b"\n#1x",
        b"\n#4294967296\n",
        b"\n#42949672950",
        b"\n##\n",
        b"\n###",
        b"\n##x",
        b"\n#1\nx\n#\n",
        b"\n#1\nxy",
        b"\n#1\nx\n##\n\n##\n",
    ],
)
def test_bad_chunks_are_refused(wire):
    with pytest.raises(FramingError):
        read(ChunkedDecoder(), [wire])
    with pytest.raises(FramingError):
        read(ChunkedDecoder(), [wire[i : i + 1] for i in range(len(wire))])


@pytest.mark.parametrize("size", [1, 9, 10, 4294967295])
def test_sizes_up_to_the_maximum_are_accepted(size):
    assert read(ChunkedDecoder(), [b"\n#%d\nx" % size]) == ([], b"x")


def test_data_is_handed_on_before_the_message_is_complete():
    assert read(ChunkedDecoder(), [b"\n#4000000000\n<rpc>"]) == ([], b"<rpc>")
    assert read(DelimitedDecoder(), [b"<rpc>]]>"]) == ([], b"<rpc>")


def test_pieces_are_bounded():
    for decoder, wire in ((ChunkedDecoder(), b"\n#200000\n" + bytes(200000)), (DelimitedDecoder(), bytes(200000))):
        buffer = ReceiveBuffer()
        buffer.append(wire)
        piece = decoder.decode(buffer)
        assert isinstance(piece, bytes)
        assert len(piece) == PIECE


def test_a_delimiter_across_the_piece_boundary():
    for before in range(PIECE - 7, PIECE + 8):
        assert read(DelimitedDecoder(), [b"x" * before + b"]]>]]>y"]) == ([b"x" * before], b"y")


@pytest.mark.parametrize("split", range(7))
def test_the_delimiter_cannot_be_written_inside_a_message(split):
    text = b"]]>]]>"
    with pytest.raises(FramingError):
        list(encode_delimited([b"x" * 40000 + text[:split], text[split:] + b"x" * 40000]))


def test_small_slices_are_gathered_and_large_ones_are_not():
    slices = [b"<a>", b"x" * 100000, b"y" * 40000, b"</a>"]
    frames = list(encode_chunked(slices))
    assert [len(frame) for frame in frames] == [len(b"\n#100003\n") + 100003, len(b"\n#40000\n") + 40000, 12]
    assert frames[-1] == b"\n#4\n</a>\n##\n"


def test_encoding_is_lazy():
    def slices():
        yield b"x" * 50000
        raise AssertionError("asked for the second slice too early")

    assert next(encode_chunked(slices())).startswith(b"\n#50000\n")


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4), max_size=4),
    cuts=st.lists(st.integers(0, 400), max_size=8),
)
def test_chunked_round_trip_at_random_splits(messages, cuts):
    wire = b"".join(b"".join(encode_chunked(message)) for message in messages)
    edges = [0, *sorted(min(cut, len(wire)) for cut in cuts), len(wire)]
    pieces = [wire[a:b] for a, b in itertools.pairwise(edges)]
    assert read(ChunkedDecoder(), pieces) == ([b"".join(message) for message in messages], b"")


@settings(max_examples=60, deadline=None)
@given(
    messages=st.lists(st.text("]>x", max_size=20).map(str.encode).filter(lambda m: b"]]>]]>" not in m), max_size=4),
    cut=st.integers(0, 100),
)
def test_delimited_round_trip_with_near_delimiters(messages, cut):
    """``]`` at the end of a message moves into the delimiter's match; XML cannot end so, hence the closing letter."""
    messages = [message + b"x" for message in messages]
    wire = b"".join(b"".join(encode_delimited([message])) for message in messages)
    assert read(DelimitedDecoder(), [wire[:cut], wire[cut:]]) == (messages, b"")
