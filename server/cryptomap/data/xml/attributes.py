"""The attributes an element of an edit may carry (RFC 6241 section 7.2, RFC 7950 7.7.9 and 7.8.6, RFC 6243)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lxml import etree

from cryptomap.data.xml.faults import Faults, local_name
from cryptomap.errors import BadAttribute, MissingAttribute, UnknownAttribute
from cryptomap.schema.nodes import DataNode, Leaf, LeafList, ListNode

__all__ = [
    "NETCONF_NAMESPACE",
    "OPERATIONS",
    "YANG_NAMESPACE",
    "Attributes",
    "attributes_of",
    "inherited",
    "refuse_operation_above",
]

NETCONF_NAMESPACE = "urn:ietf:params:xml:ns:netconf:base:1.0"
YANG_NAMESPACE = "urn:ietf:params:xml:ns:yang:1"
WITH_DEFAULTS_NAMESPACE = "urn:ietf:params:xml:ns:netconf:default:1.0"
OPERATIONS = frozenset({"merge", "replace", "create", "delete", "remove"})

_OPERATION = f"{{{NETCONF_NAMESPACE}}}operation"
_INSERT = f"{{{YANG_NAMESPACE}}}insert"
_KEY = f"{{{YANG_NAMESPACE}}}key"
_VALUE = f"{{{YANG_NAMESPACE}}}value"
_DEFAULT = f"{{{WITH_DEFAULTS_NAMESPACE}}}default"
_PLACES = frozenset({"first", "last", "before", "after"})


@dataclass(frozen=True, slots=True)
class Attributes:
    """What to do with an element. ``anchor`` is the text of ``yang:key`` or ``yang:value``; ``is_default`` says that
    the client sends back a value tagged as default."""

    operation: str
    insert: str | None = None
    anchor: str | None = None
    is_default: bool = False


_INHERITED: Mapping[str, Attributes] = {name: Attributes(name) for name in (*OPERATIONS, "none")}


def inherited(operation: str) -> Attributes:
    """What holds for an element without attributes below one with that operation."""
    return _INHERITED[operation]


def refuse_operation_above(config: etree._Element) -> None:
    """``config`` holds nodes and is none: an operation there would be passed over, and a merge done instead."""
    for name in ({_OPERATION, "operation"}).intersection(config.attrib):
        info = (("bad-attribute", "operation"), ("bad-element", local_name(config)))
        message = (
            f"operation '{config.get(name)}' stands on {local_name(config)}, which is no node: put it on the nodes"
            " it is meant for, or use default-operation"
        )
        raise UnknownAttribute(message, error_type="protocol", info=info)


def attributes_of(faults: Faults, node: DataNode, element: etree._Element, operation: str) -> Attributes | None:
    """The element's attributes over the operation of its parent; ``None`` (and faults) if one is unknown or bad."""
    before = len(faults.errors)
    found = _INHERITED[operation]
    for name, value in element.items():
        found = _with(found, faults, node, element, str(name), str(value))
    if found.insert in {"before", "after"} and found.anchor is None:
        missing = "value" if isinstance(node, LeafList) else "key"
        info = (("bad-attribute", missing), ("bad-element", local_name(element)))
        message = f"insert '{found.insert}' needs the attribute yang:{missing}"
        faults.add(MissingAttribute, message, element, info=info)
    return found if len(faults.errors) == before else None


def _with(
    found: Attributes, faults: Faults, node: DataNode, element: etree._Element, name: str, value: str
) -> Attributes:
    info = (("bad-attribute", etree.QName(name).localname), ("bad-element", local_name(element)))
    if name == _OPERATION:
        if value in OPERATIONS:
            return replace(found, operation=value)
        message = f"operation '{value}' is none of {', '.join(sorted(OPERATIONS))}"
        faults.add(BadAttribute, message, element, info=info)
    elif name == _INSERT and _is_user_ordered(node):
        if value in _PLACES:
            return replace(found, insert=value)
        faults.add(BadAttribute, f"insert '{value}' is none of {', '.join(sorted(_PLACES))}", element, info=info)
    elif _is_user_ordered(node) and name == (_VALUE if isinstance(node, LeafList) else _KEY):
        return replace(found, anchor=value)
    elif name == _DEFAULT and isinstance(node, Leaf | LeafList):
        if value.strip() in {"true", "1", "false", "0"}:
            return replace(found, is_default=value.strip() in {"true", "1"})
        faults.add(BadAttribute, f"default '{value}' is neither true nor false", element, info=info)
    else:
        message = f"attribute '{info[0][1]}' is not expected on {node.name}"
        faults.add(UnknownAttribute, message, element, info=info)
    return found


def _is_user_ordered(node: DataNode) -> bool:
    return isinstance(node, ListNode | LeafList) and node.user_ordered
