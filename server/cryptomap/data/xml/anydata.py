"""What an anydata or anyxml element holds, in a form that is equal where the content is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from cryptomap.data.tree import AnyValue

__all__ = ["any_value", "without_attributes"]

_PREFIX = re.compile(r"([A-Za-z_][\w.-]*):")


def any_value(element: etree._Element) -> AnyValue:
    """The element as it is, in exclusive canonical XML so that equal content is equal bytes; its own namespace is the
    default one. Prefixes that only occur in texts or attribute values stay declared as well, because such a text may be
    a qualified name."""
    copy = etree.fromstring(etree.tostring(element, with_tail=False))  # libxml2's c14n of a part loses namespaces
    used = {prefix for text in _texts(copy) for prefix in _PREFIX.findall(text)}
    if copy.prefix is not None and copy.prefix not in used:
        copy = _unprefixed(copy)
    declared = {prefix for item in copy.iter(etree.Element) for prefix in item.nsmap}
    kept = sorted(prefix for prefix in used if prefix in declared)
    return AnyValue(
        etree.tostring(copy, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=kept)
    )


def without_attributes(element: etree._Element) -> etree._Element:
    """A copy of an anydata element without the attributes of the protocol; what is inside is the client's own."""
    copy = etree.fromstring(etree.tostring(element, with_tail=False))
    copy.attrib.clear()
    return copy


def _unprefixed(element: etree._Element) -> etree._Element:
    own = etree.QName(element).namespace
    nsmap: dict[Any, str] = {prefix: uri for prefix, uri in element.nsmap.items() if prefix and uri != own}
    if own is not None:
        nsmap[None] = own
    outer = etree.Element(element.tag, {str(name): str(value) for name, value in element.items()}, nsmap=nsmap)
    outer.text = element.text
    outer.extend(list(element))
    return outer


def _texts(element: etree._Element) -> Iterator[str]:
    for item in element.iter(etree.Element):
        yield item.text or ""
        yield item.tail or ""
        yield from map(str, item.attrib.values())
