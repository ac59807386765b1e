"""What a client sends: one instance, or the content of a datastore, as XML or JSON (RFC 8040 section 5.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lxml import etree

from cryptomap.data.json import parse_json, read_members
from cryptomap.data.tree import EntriesTypes, Key, Node, Path, Value
from cryptomap.data.xml import read_inner, write
from cryptomap.errors import InvalidValue
from cryptomap.netconf.parser import MessageParser
from cryptomap.restconf.elements import TRUSTED
from cryptomap.restconf.identifiers import child_named
from cryptomap.restconf.messages import RESTCONF
from cryptomap.restconf.site import Site
from cryptomap.schema.nodes import DataNode, InnerNode, LeafList, ListNode, Operation

__all__ = ["Sent", "parse_xml", "read_datastore", "read_element", "read_instance", "read_object"]


@dataclass(frozen=True, slots=True)
class Sent:
    """One instance as it was sent, checked by type: where it is to be, and its element, which stands alone."""

    path: Path
    element: etree._Element


def parse_xml(site: Site, body: bytes) -> etree._Element:
    """The root element. Raises MalformedMessage, TooBig."""
    parser = MessageParser(site.body)
    parser.feed(body)
    return parser.close()


def read_instance(site: Site, body: bytes, base: Path, *, is_xml: bool) -> Sent:
    """The one instance in a body, which is to be a child of the node at ``base``. Raises RpcError, RpcErrors."""
    if is_xml:
        return read_element(site, parse_xml(site, body), base)
    return read_object(site, parse_json(body), base)


def read_element(site: Site, element: etree._Element, base: Path) -> Sent:
    """The same from an element."""
    inner = _inner(site, base)
    wrapper = etree.Element("body")
    wrapper.append(element)
    child = inner.by_tag.get(element.tag)
    node = read_inner(site.server.schema, inner, wrapper, site.server.seal, base=base, config_only=True)
    return _sent(site, base, node, child)


def read_object(site: Site, members: Any, base: Path) -> Sent:
    """The same from a JSON object, which has one member."""
    inner = _inner(site, base)
    names = [name for name in members if not name.startswith("@")] if isinstance(members, dict) else []
    if len(names) != 1:
        raise InvalidValue("the body is to be an object with one member", error_type="protocol")
    if ":" not in names[0]:
        raise InvalidValue(f"{names[0][:80]} needs the name of its module before it", error_type="protocol")
    child = child_named(inner, names[0])
    node = read_members(site.server.schema, inner, members, site.server.seal, base=base, config_only=True)
    return _sent(site, base, node, child)


def read_datastore(site: Site, body: bytes, *, is_xml: bool) -> etree._Element:
    """The content of a datastore resource, as the children of an element."""
    schema, seal = site.server.schema, site.server.seal
    if is_xml:
        element = parse_xml(site, body)
        if element.tag != f"{{{RESTCONF}}}data":
            raise InvalidValue(f"the body is to be the element data of {RESTCONF}", error_type="protocol")
        return element
    members = parse_json(body)
    if not isinstance(members, dict) or list(members) != ["ietf-restconf:data"]:
        raise InvalidValue("the body is to be an object with the member ietf-restconf:data", error_type="protocol")
    root = read_members(schema, schema.root, members["ietf-restconf:data"], seal, config_only=True)
    return etree.fromstring(b"<data>%b</data>" % b"".join(write(schema, root)), TRUSTED)


def _inner(site: Site, base: Path) -> InnerNode:
    node = base[-1][0] if base else site.server.schema.root
    if not isinstance(node, InnerNode) or (isinstance(node, ListNode) and base[-1][1] is None):
        raise InvalidValue(f"{node.name} has no children to create", error_type="protocol")
    return node


def _sent(site: Site, base: Path, parent: Node, child: DataNode | None) -> Sent:
    assert child is not None  # what is unknown was refused when it was read
    assert not isinstance(child, Operation)
    value = parent.slots[child.slot]
    content = b"".join(write(site.server.schema, parent))
    if not content:  # a container with nothing in it
        return Sent((*base, (child, None)), etree.Element(child.tag))
    elements = etree.fromstring(b"<body>%b</body>" % content, TRUSTED)
    if len(elements) != 1:
        raise InvalidValue(f"the body is to hold one {child.name}", error_type="protocol")
    return Sent((*base, (child, _key(child, value))), elements[0])


def _key(child: DataNode, value: Value | None) -> Key | None:
    if isinstance(child, LeafList) and isinstance(value, tuple):
        return value[0]
    if isinstance(child, ListNode) and isinstance(value, EntriesTypes):
        return next(key for key, _ in value.items())
    return None
