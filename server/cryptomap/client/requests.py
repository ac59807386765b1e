"""The operations as XML, for inside an <rpc> whose default namespace is that of NETCONF."""

from __future__ import annotations

import re
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from cryptomap.netconf.messages import BASE, NOTIFICATION
from cryptomap.netconf.parser import parse_start_tag

__all__ = [
    "Xml",
    "as_bytes",
    "copy_config",
    "create_subscription",
    "edit_config",
    "get",
    "get_config",
    "get_schema",
    "lock",
    "unlock",
    "validate",
]

Xml = str | bytes | etree._Element

_DECLARATION = re.compile(rb"\s*<\?xml\s[^>]*\?>")
_MONITORING: Final = "urn:ietf:params:xml:ns:yang:ietf-netconf-monitoring"


def as_bytes(xml: Xml) -> bytes:
    """UTF-8 without an XML declaration, so that it can stand inside another element."""
    if isinstance(xml, etree._Element):
        return etree.tostring(xml, with_tail=False)
    return _DECLARATION.sub(b"", xml.encode() if isinstance(xml, str) else xml, count=1)


def get(filter_: Xml | None, xpath: str | None) -> bytes:
    return b"<get>%b</get>" % _filter(filter_, xpath)


def get_config(source: str, filter_: Xml | None, xpath: str | None) -> bytes:
    return b"<get-config>%b%b</get-config>" % (_datastore("source", source), _filter(filter_, xpath))


def edit_config(
    config: Xml, target: str, default_operation: str | None, test_option: str | None, error_option: str | None
) -> bytes:
    options = (
        _leaf("default-operation", default_operation),
        _leaf("test-option", test_option),
        _leaf("error-option", error_option),
    )
    inner = as_bytes(config)
    root = parse_start_tag(inner.lstrip()[:8192])
    if root is None or root.tag != f"{{{BASE}}}config":
        inner = b"".join((b"<config>", inner, b"</config>"))
    return b"".join((b"<edit-config>", _datastore("target", target), *options, inner, b"</edit-config>"))


def copy_config(source: str, target: str) -> bytes:
    return b"<copy-config>%b%b</copy-config>" % (_datastore("target", target), _datastore("source", source))


def validate(source: str) -> bytes:
    return b"<validate>%b</validate>" % _datastore("source", source)


def lock(target: str) -> bytes:
    return b"<lock>%b</lock>" % _datastore("target", target)


def unlock(target: str) -> bytes:
    return b"<unlock>%b</unlock>" % _datastore("target", target)


def get_schema(identifier: str, version: str | None, format_: str | None) -> bytes:
    leaves = _leaf("identifier", identifier) + _leaf("version", version) + _leaf("format", format_)
    return f'<get-schema xmlns="{_MONITORING}">'.encode() + leaves + b"</get-schema>"


def create_subscription(filter_: Xml | None, stream: str | None) -> bytes:
    body = _leaf("stream", stream) + _filter(filter_, None)
    return f'<create-subscription xmlns="{NOTIFICATION}">'.encode() + body + b"</create-subscription>"


def _filter(subtree: Xml | None, xpath: str | None) -> bytes:
    if subtree is not None:
        return b'<filter type="subtree">%b</filter>' % as_bytes(subtree)
    if xpath is not None:
        return f'<filter type="xpath" select={quoteattr(xpath)}/>'.encode()
    return b""


def _datastore(role: str, name: str) -> bytes:
    return f"<{role}><{name}/></{role}>".encode()


def _leaf(name: str, value: str | None) -> bytes:
    return b"" if value is None else f"<{name}>{escape(value)}</{name}>".encode()
