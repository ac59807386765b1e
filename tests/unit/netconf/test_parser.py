"""The parser: what is refused before libxml2 sees it, what libxml2 refuses, at every split; limits on both sides."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from cryptomap.errors import MalformedMessage, TooBig
from cryptomap.netconf.parser import MessageParser, ParserLimits, parse_start_tag

LIMITS = ParserLimits()


def parse(pieces, limits=LIMITS):
    parser = MessageParser(limits)
    for piece in pieces:
        parser.feed(piece)
    return parser.close()


def splits(document):
    """The document whole, byte by byte, and cut in two at each place."""
    yield [document]
    yield [document[i : i + 1] for i in range(len(document))]
    for cut in range(1, min(len(document), 80)):
        yield [document[:cut], document[cut:]]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"<a>x</a>", "x"),
        (b"\n  <a>x</a>\n", "x"),
        (b"\xef\xbb\xbf<a>x</a>", "x"),
        (b'<?xml version="1.0"?><a>x</a>', "x"),
        (b'\n<?xml version="1.0" encoding="UTF-8"?>\n<a>x</a>', "x"),
        (b"<?xml version='1.0' encoding='utf-8' standalone='yes'?><!-- > --><?pi ?><a>x</a>", "x"),
        (b"<a>\xc3\xa9\xf0\x9f\x94\x91</a>", "é🔑"),
        (b"<a>&lt;&#x41;<![CDATA[<b>]]></a>", "<A<b>"),
        (b"<a>x<!-- <!DOCTYPE y> -->y<?pi <!DOCTYPE z> ?></a>", "xy"),
        (b"<a>&lt;!DOCTYPE x&gt;</a>", "<!DOCTYPE x>"),
    ],
)
def test_accepted_at_every_split(document, text):
    for pieces in splits(document):
        element = parse(pieces)
        assert (element.text, len(element)) == (text, 0)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (b"<!DOCTYPE a><a/>", "document type"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "document type"),
        (b'<?xml version="1.0"?>\n<!-- c --> <!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "document type"),
        (b"\xef\xbb\xbf<!DOCTYPE a><a/>", "document type"),
        (b"<!doctype a><a/>", "document type|UTF-8"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>', "ISO-8859-1"),
        (b"<?xml version='1.0' encoding='UTF-16'?><a/>", "UTF-16"),
        (b"<?xml version='1.0'\nencoding = 'utf-7'?><a/>", "utf-7"),
        ("<a/>".encode("utf-16"), "UTF-8"),
        ("<a/>".encode("utf-16-be"), "UTF-8"),
        ("<a/>".encode("utf-32"), "UTF-8"),
        (b"hello", "UTF-8"),
        (b"\x1f\x8b\x08", "UTF-8"),
        (b"", "no XML element"),
        (b"  \n", "no XML element"),
        (b"<!-- only -->", "no XML element"),
        (b"<a>", "not well-formed"),
        (b"<a><b></a>", "not well-formed"),
        (b"<a/><b/>", "not well-formed"),
        (b"<a/>x", "not well-formed"),
        (b"<a/><!DOCTYPE a>", "not well-formed"),
        (b"<x:a/>", "not well-formed"),
        (b"<x:a><b xmlns='u'/></x:a>", "prefix x"),  # lxml takes this one
        (b"<a x:b='1'><b xmlns='u'/></a>", "prefix x"),
        (b"<a xmlns='u'/>", "not absolute"),
        (b"<a xmlns:b='urn:}x'><b:c/></a>", "not a valid URI"),
        (b"<a b='1' b='2'/>", "not well-formed"),
        (b"<a>&unknown;</a>", "not well-formed"),
        (b"<a>&#0;</a>", "not well-formed"),
        (b"<a>\x00</a>", "not well-formed"),
        (b"<a>\x08</a>", "not well-formed"),
        (b"<a>\xff</a>", "not well-formed"),
        (b"<a>\xc0\x80</a>", "not well-formed"),
        (b"<a>\xed\xa0\x80</a>", "not well-formed"),
        (b"<a>\xc3(</a>", "not well-formed"),
    ],
)
def test_malformed_at_every_split(document, says):
    for pieces in splits(document):
        with pytest.raises(MalformedMessage, match=says) as caught:
            parse(pieces)
        assert caught.value.error_type == "rpc"


def test_a_doctype_is_refused_before_its_end_arrives():
    with pytest.raises(MalformedMessage, match="document type"):
        MessageParser(LIMITS).feed(b"<!DOCTYPE a [")


def test_an_entity_bomb_costs_nothing():
    bomb = (
        b"<!DOCTYPE a ["
        + b"".join(b'<!ENTITY e%d "&e%d;&e%d;">' % (i + 1, i, i) for i in range(64))
        + b"]><a>&e64;</a>"
    )
    with pytest.raises(MalformedMessage, match="document type"):
        parse([bomb])


def sliced(document, size=65536):
    return [document[i : i + size] for i in range(0, len(document), size)]


@pytest.mark.parametrize(
    "document",
    [
        b"<a>" + b"x" * 10_000_001 + b"</a>",
        b"<a b='" + b"x" * 10_000_001 + b"'/>",
        b"<a><![CDATA[" + b"x" * 10_000_001 + b"]]></a>",
        b"<a><!--" + b"x" * 10_000_001 + b"--></a>",
        b"<a" + b" " * 10_100_000 + b"/>",
        b"<" + b"a" * 60_000 + b"/>",
        b"<a>" * 257 + b"</a>" * 257,
    ],
    ids=["text", "attribute", "cdata", "comment", "start tag", "name", "depth"],
)
def test_above_a_fixed_limit(document):
    with pytest.raises(TooBig) as caught:
        parse(sliced(document))
    assert "HUGE" not in caught.value.message


@pytest.mark.parametrize(
    "document", [b"<a>" + b"x" * 9_990_000 + b"</a>", b"<a>" * 255 + b"</a>" * 255], ids=["text", "depth"]
)
def test_at_a_fixed_limit(document):
    assert parse(sliced(document)).tag == "a"


def test_a_prolog_that_does_not_end():
    with pytest.raises(TooBig, match="before the root"):
        parse(sliced(b"<!--" + b"x" * 20_000 + b"--><a/>", 1000))


def test_size_limit():
    assert parse([b"<a>12345</a>"], ParserLimits(size=12)).text == "12345"
    with pytest.raises(TooBig, match="larger than 11 bytes"):
        parse([b"<a>12345", b"</a>"], ParserLimits(size=11))


def test_markup_limit():
    document = b'<a x="1"><b/></a>'
    assert parse([document], ParserLimits(markup=4)).tag == "a"
    with pytest.raises(TooBig, match="more than 3"):
        parse([document], ParserLimits(markup=3))


@pytest.mark.parametrize(
    ("document", "attributes"),
    [
        (b'<rpc xmlns="urn:b" message-id="1"><oops', {"message-id": "1"}),
        (b"<rpc xmlns='urn:b' a='>' b=\"'\"/>", {"a": ">", "b": "'"}),
        (b'<nc:rpc xmlns:nc="urn:b" nc:x="1">', {"{urn:b}x": "1"}),
    ],
)
def test_start_tag_of_a_broken_message(document, attributes):
    element = parse_start_tag(document)
    assert element is not None
    assert element.tag == "{urn:b}rpc"
    assert dict(element.attrib) == attributes


@pytest.mark.parametrize(
    "document", [b"", b"<rpc", b"<rpc a='1>", b"<x:rpc>", b"</rpc>", b"<rpc a=1>", b"<rpc <b>", b"x<a>"]
)
def test_no_start_tag(document):
    assert parse_start_tag(document) is None


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=60), st.integers(0, 300))
def test_any_text_survives_any_split(text, cut):
    element = etree.Element("a", v=text)
    element.text = text
    document = b"<?xml version='1.0'?>" + etree.tostring(element, encoding="utf-8")
    assert etree.tostring(parse([document[:cut], document[cut:]]), method="c14n") == etree.tostring(
        element, method="c14n"
    )


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=80), st.integers(0, 80))
def test_any_bytes_give_a_tree_or_a_named_error(data, cut):
    with contextlib.suppress(MalformedMessage, TooBig):
        assert parse([data[:cut], data[cut:]]).tag


def resident():
    """What this process has in memory, in bytes."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to see its own memory")
def test_what_was_sent_of_a_message_that_never_ends_is_freed():
    """Half of a message of 2 MB has a tree of 36 MB."""

    def half():
        parser = MessageParser(LIMITS)
        parser.feed(b"<a>")
        for _ in range(30):
            parser.feed(b"<a></a>" * 9000)

    half()
    before = resident()
    for _ in range(4):
        half()
    assert resident() - before < 60 * 2**20
