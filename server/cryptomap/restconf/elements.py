"""Instances as XML elements, with the keys that say which they are."""

from __future__ import annotations

from lxml import etree

from cryptomap.data.tree import Path, Step, key_text
from cryptomap.schema.nodes import LeafList, ListNode, Schema

__all__ = ["TRUSTED", "add_instance", "add_path", "top"]

TRUSTED = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
"""For what the server has written itself."""


def top(schema: Schema, tag: str) -> etree._Element:
    """An element below which the prefix of each module is bound."""
    namespaces = {prefix: schema.namespace_of_module[module] for module, prefix in schema.prefix_of_module.items()}
    return etree.Element(tag, nsmap=namespaces)


def add_path(schema: Schema, element: etree._Element, path: Path) -> etree._Element:
    """The element of the instance at a path, below all it stands in."""
    for step in path:
        element = add_instance(schema, element, step)
    return element


def add_instance(schema: Schema, parent: etree._Element, step: Step) -> etree._Element:
    """One step, below ``parent``."""
    node, key = step
    element = etree.SubElement(parent, node.tag)
    prefix_of = schema.prefix_of_module.__getitem__
    if key is not None and isinstance(node, ListNode):
        for leaf, text in zip(node.keys, key_text(key), strict=True):
            etree.SubElement(element, leaf.tag).text = leaf.type.render(text, prefix_of)
    elif key is not None and isinstance(node, LeafList):
        element.text = node.type.render(str(key), prefix_of)
    return element
