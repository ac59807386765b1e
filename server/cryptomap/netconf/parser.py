"""Bytes of one message to an lxml tree, while they arrive, without trusting them.

What is refused, and where:

* A document type declaration: NETCONF forbids it (RFC 6241 section 3), and everything dangerous in XML starts there.
  The prolog is scanned before the first byte reaches libxml2, also when it comes in pieces.
* Any encoding but UTF-8. libxml2 is told the encoding, so that a declaration cannot change it.
* Prefixes that nobody declared, and namespaces that are no absolute URI. lxml forgives the first if the second comes
  after it, so that its log is looked at and not only whether it raises.
* Size: bytes of the message and number of markup characters here; depth (256), a text node, an attribute value and a
  start tag (10 MB each) by libxml2, whose limits stay on.

A message that is too big ends the session, one that is malformed need not: hence two error classes.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from typing import Final

from lxml import etree

from cryptomap.errors import MalformedMessage, RpcError, TooBig

__all__ = ["MessageParser", "ParserLimits", "parse_start_tag"]

_BOM: Final = b"\xef\xbb\xbf"
_SPACE: Final = b" \t\r\n"
_DECLARED_ENCODING = re.compile(rb"""\sencoding\s*=\s*["']([^"']*)["']""")
_START_TAG = re.compile(rb"""<[^<>"'/!?][^<>"'/]*(?:(?:"[^"<]*"|'[^'<]*')[^<>"'/]*)*/?>""")
_PROLOG_LIMIT: Final = 16384
_HEAD: Final = 8192
_TOO_LONG_NAME: Final = 110
_RESOURCE_LIMIT: Final = 114


@dataclass(frozen=True, slots=True)
class ParserLimits:
    """``size``: bytes of one message. ``markup``: "<" and "=" in it, a bound for the memory its tree may take."""

    size: int = 256 * 1024 * 1024
    markup: int = 32_000_000


class MessageParser:
    """Parses one message; make a new one for the next."""

    def __init__(self, limits: ParserLimits) -> None:
        self._limits = limits
        self._size = 0
        self._markup = 0
        self._prolog: bytes | None = b""
        self._head = b""
        self._unfinished = False
        self._parser = _new_parser()

    @property
    def started(self) -> bool:
        """Something other than white space has arrived."""
        return self._prolog is None or bool(self._prolog.strip(_SPACE))

    def feed(self, data: bytes) -> None:
        """Take the next bytes; raise MalformedMessage or TooBig as soon as they show it."""
        self.skip(data)
        self._count(data)
        if self._prolog is not None:
            data = self._after_prolog(self._prolog, data)
        if data:
            self._feed(data)

    def skip(self, data: bytes) -> None:
        """Take bytes of a message that has failed already: only its start tag may still be of interest."""
        if len(self._head) < _HEAD:
            self._head = (self._head + data[:_HEAD]).lstrip(_SPACE)[:_HEAD]

    def close(self) -> etree._Element:
        """The root element, after the last byte; raise MalformedMessage if the document is not complete."""
        if self._prolog is not None:
            raise MalformedMessage("the message has no XML element", error_type="rpc")
        self._unfinished = False
        try:
            return self._parser.close()
        except etree.XMLSyntaxError as error:
            raise _fault(error) from None

    def discard(self) -> None:
        """Let go of what has arrived. lxml never frees the tree of a document whose parser is dropped half way."""
        if self._unfinished:
            self._unfinished = False
            with contextlib.suppress(etree.XMLSyntaxError):
                self._parser.close()

    def __del__(self) -> None:
        self.discard()

    def start_tag(self) -> etree._Element | None:
        """The root as far as its start tag, None if that is not readable: to answer a message that failed."""
        try:
            return parse_start_tag(self._head[_root_position(self._head) :])
        except MalformedMessage:
            return None

    def _count(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limits.size:
            raise TooBig(f"the message is larger than {self._limits.size} bytes", error_type="rpc")
        self._markup += data.count(b"<") + data.count(b"=")
        if self._markup > self._limits.markup:
            raise TooBig(
                f"the message has more than {self._limits.markup} elements and attributes; send it in parts",
                error_type="rpc",
            )

    def _after_prolog(self, before: bytes, data: bytes) -> bytes:
        """Hold the document back until its root element begins; then return all of it."""
        document = (before + data).lstrip(_SPACE)
        if not _root_has_begun(document):
            if len(document) > _PROLOG_LIMIT:
                raise TooBig(f"more than {_PROLOG_LIMIT} bytes before the root element", error_type="rpc")
            self._prolog = document
            return b""
        self._prolog = None
        return document

    def _feed(self, data: bytes) -> None:
        self._unfinished = True
        try:
            self._parser.feed(data)
        except etree.XMLSyntaxError as error:
            raise _fault(error) from None
        for complaint in self._parser.feed_error_log:
            raise _malformed(complaint.message)


def parse_start_tag(document: bytes) -> etree._Element | None:
    """The first start tag of ``document`` as an empty element, None if it is incomplete or not well-formed."""
    match = _START_TAG.match(document)
    if match is None:
        return None
    tag = match[0] if match[0].endswith(b"/>") else match[0][:-1] + b"/>"
    parser = _new_parser()
    try:
        parser.feed(tag)
        return parser.close()
    except etree.XMLSyntaxError:
        return None


def _new_parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        collect_ids=False,
    )


def _fault(error: etree.XMLSyntaxError) -> RpcError:
    """libxml2's complaint as an rpc-error: one of its limits, or a malformed document."""
    text = " ".join(str(error.msg).split())
    if getattr(error, "code", None) in (_RESOURCE_LIMIT, _TOO_LONG_NAME) or "too big" in text:
        reason = text.removeprefix("Resource limit exceeded: ").replace(", try XML_PARSE_HUGE", "")
        reason = reason.replace(", use XML_PARSE_HUGE option", "")
        return TooBig(f"part of the message is above a limit of the parser: {reason}", error_type="rpc")
    return _malformed(text)


def _malformed(text: str) -> MalformedMessage:
    return MalformedMessage(f"the message is not well-formed XML: {text}", error_type="rpc")


def _root_has_begun(document: bytes) -> bool:
    position = _root_position(document)
    return position < len(document)


def _root_position(document: bytes) -> int:
    """Where the root element begins, or len(document) if that is not known yet; refuses what must not be before it."""
    position = len(_BOM) if document.startswith(_BOM) else 0
    while True:
        position += len(document) - position - len(document[position:].lstrip(_SPACE))
        rest = document[position : position + 10]
        if rest[:1] != b"<":
            return _refuse_unless_prefix_of(rest, (_BOM, b"<"), len(document))
        if rest.startswith(b"<?"):
            end = document.find(b"?>", position)
            _check_encoding(document[position : end + 2 if end >= 0 else len(document)])
        elif rest.startswith(b"<!--"):
            end = document.find(b"-->", position + 4)
        elif rest.startswith(b"<!"):
            return _refuse_unless_prefix_of(rest, (b"<!--",), len(document))
        else:
            return position if len(rest) > 1 else len(document)
        if end < 0:
            return len(document)
        position = document.index(b">", end) + 1


def _refuse_unless_prefix_of(rest: bytes, allowed: tuple[bytes, ...], undecided: int) -> int:
    if any(start.startswith(rest) for start in (*allowed, b"<!DOCTYPE")):
        return undecided
    if rest[:9].upper() == b"<!DOCTYPE":
        raise MalformedMessage("a document type declaration is not allowed in NETCONF", error_type="rpc")
    raise MalformedMessage("the message does not begin with an XML element in UTF-8", error_type="rpc")


def _check_encoding(declaration: bytes) -> None:
    if not declaration.startswith(b"<?xml") or declaration[5:6] not in _SPACE:
        return
    match = _DECLARED_ENCODING.search(declaration)
    if match and match[1].lower() not in (b"utf-8", b"utf8"):
        name = match[1][:40].decode("ascii", "replace")
        raise MalformedMessage(f"the message is declared as {name}; NETCONF is UTF-8 only", error_type="rpc")
